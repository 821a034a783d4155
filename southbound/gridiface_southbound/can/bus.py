"""One socket on a CAN bus: classic frames of Linux SocketCAN (linux/can.h). The kernel filters by identifier.

Owned here: the socket and the form of a frame on it. Not owned: what frames mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterable

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout

#: Identifier with flags, length, three bytes of nothing, data.
FRAME = struct.Struct("=IB3x8s")
EFF, RTR, ERR = 0x8000_0000, 0x4000_0000, 0x2000_0000
_SFF_MASK, _EFF_MASK = 0x7FF, 0x1FFF_FFFF

#: Frames that are read in one turn of the event loop.
_BURST = 256

#: Takes identifier, whether it has 29 bits, and data.
Listener = Callable[[int, bool, bytes], None]


def open_socket(interface: str, ids: Iterable[tuple[int, bool]]) -> socket.socket:
    """A raw socket that hears these identifiers only.

    Raises:
        DeviceRejected: this system has no SocketCAN, or we may not use it.
        DeviceTimeout: there is no such interface, or it is down.
    """
    family = getattr(socket, "AF_CAN", None)
    if family is None:
        raise DeviceRejected("this system has no SocketCAN")
    try:
        found = socket.socket(family, socket.SOCK_RAW, socket.CAN_RAW)
    except OSError as error:
        raise DeviceRejected(f"a CAN socket cannot be made: {error.strerror}") from error
    try:
        masks = [
            struct.pack("=II", one | (EFF if extended else 0), (_EFF_MASK if extended else _SFF_MASK) | EFF | RTR)
            for one, extended in ids
        ]
        found.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, b"".join(masks))
        found.settimeout(0)
        found.bind((interface,))
    except OSError as error:
        found.close()
        raise DeviceTimeout(f"{interface}: {error.strerror}") from error
    return found


class Bus:
    """A socket in the running loop.

    Args:
        sock: datagrams of one frame each; it is closed with the bus.
        listener: hears each data frame.
    """

    def __init__(self, sock: socket.socket, listener: Listener) -> None:
        self.broken: str | None = None
        self._socket = sock
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._socket.settimeout(0)
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, identifier: int, extended: bool, data: bytes) -> None:
        """One frame onto the bus.

        Raises:
            DeviceBusy: the queue is full: nobody on the bus acknowledges.
            DeviceTimeout: the bus is down.
        """
        flags = EFF if extended else 0
        try:
            self._socket.send(FRAME.pack(identifier | flags, len(data), data.ljust(8, b"\0")))
        except (BlockingIOError, OSError) as error:
            if isinstance(error, BlockingIOError) or error.errno == errno.ENOBUFS:
                raise DeviceBusy("the bus takes no more frames: nobody acknowledges") from error
            raise DeviceTimeout(f"the bus is down: {error.strerror}") from error

    def close(self) -> None:
        """Close the socket; twice is once."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        for _ in range(_BURST):
            try:
                packet = self._socket.recv(FRAME.size + 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(str(error.strerror))
                return
            if not packet:
                self._end("closed")
                return
            with contextlib.suppress(struct.error):
                self._take(*FRAME.unpack(packet))

    def _take(self, identifier: int, length: int, data: bytes) -> None:
        if identifier & (RTR | ERR) or length > 8:
            return
        extended = bool(identifier & EFF)
        self._listener(identifier & (_EFF_MASK if extended else _SFF_MASK), extended, data[:length])

    def _end(self, reason: str) -> None:
        self.broken = reason
        self._loop.remove_reader(self._socket.fileno())
