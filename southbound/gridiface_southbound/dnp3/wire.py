"""What carries the frames: a TCP or TLS connection, datagrams or a serial line, of one device or shared by several.

Owns opening and closing, who uses a connection, and whose turn it is: on a shared one requests go one after the other,
because the far side may be a line on which two answers would collide. What is said is link.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.protocols.dnp3.link import datagrams
from gridiface.streams.datagrams import DatagramCarrier
from gridiface.streams.receiving import Receiver
from gridiface_southbound.dnp3.config import Dnp3Config
from gridiface_southbound.dnp3.serial_port import SerialPort
from gridiface_southbound.points.secrets import tls_context
from gridiface_southbound.silence import Silence


class User(Protocol):
    """One outstation's link on a connection."""

    def ready(self) -> None:
        """The connection is there."""

    def received(self, data: bytes) -> None:
        """Octets came; from whichever outstation."""

    def lost(self) -> None:
        """The connection is gone."""


class Wire(Receiver):
    """One connection. `use` it, `leave` it; the last one to leave closes it.

    Attributes:
        shared: whether several may use it.
        turn: who holds it may ask, on a shared connection.
        silence: what those who do not answer may cost the others; None on a connection of one's own.
        sequences: of the next request, by addresses: a late answer must not be taken for the one to another request.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self.turn = asyncio.Lock()
        self.silence = Silence() if shared else None
        self.sequences: dict[tuple[int, int], int] = {}
        self.opening = asyncio.Lock()
        self._users: list[User] = []
        self._carrier: Any = None

    @property
    def usable(self) -> bool:
        """Whether the connection is there."""
        return self._carrier is not None and not self._carrier.is_closing()

    def use(self, user: User) -> None:
        """One more; it is told at once where the connection is there already."""
        self._users.append(user)
        if self.usable:
            user.ready()

    def leave(self, user: User) -> None:
        """One less; twice is once."""
        if user in self._users:
            self._users.remove(user)
        if not self._users:
            carrier, self._carrier = self._carrier, None
            if carrier is not None:
                carrier.abort()

    def write(self, octets: bytes) -> None:
        """Send whole frames."""
        if self.usable:
            self._carrier.write(octets)

    async def open(self, config: Dnp3Config) -> None:
        """Open the connection where it is not there.

        Raises:
            DeviceTimeout: nobody answers, or there is no such port.
            DeviceRejected: TLS was refused.
        """
        async with self.opening:
            if self.usable:
                return
            if config.serial_port:
                self._open_port(config)
            elif config.udp:
                await self._address(config)
            else:
                await self._call(config)

    def _open_port(self, config: Dnp3Config) -> None:
        try:
            self.connection_made(SerialPort(config, self))
        except (OSError, ValueError) as error:
            raise DeviceTimeout(f"{config.place} cannot be opened: {error}") from error

    async def _address(self, config: Dnp3Config) -> None:
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: DatagramCarrier(self, datagrams), remote_addr=(config.host, config.port)
                )
        except (OSError, TimeoutError) as error:
            raise DeviceTimeout(f"{config.place} cannot be reached: {str(error) or 'no answer'}") from error

    async def _call(self, config: Dnp3Config) -> None:
        context = tls_context(config.ca_file, config.cert_file, config.key_file) if config.tls else None
        name = None if context is None else config.server_name or config.host
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: self, config.host, config.port, ssl=context, server_hostname=name
                )
        except ssl.SSLError as error:
            raise DeviceRejected(f"TLS with {config.place} failed: {error}") from error
        except (OSError, TimeoutError) as error:
            raise DeviceTimeout(f"{config.place} cannot be reached: {str(error) or 'no answer'}") from error

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """The connection is there."""
        self._carrier = transport
        own = transport.get_extra_info("socket")
        if own is not None:
            with contextlib.suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for user in tuple(self._users):
            user.ready()

    def data_received(self, data: bytes) -> None:
        """Octets for whom they concern: each link knows its own outstation's."""
        for user in tuple(self._users):
            user.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone for all."""
        self._carrier = None
        for user in tuple(self._users):
            user.lost()


#: The shared connections of each running loop, by place.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Wire]] = WeakKeyDictionary()


def wire_for(config: Dnp3Config) -> Wire:
    """The connection that a device's configuration asks for, not yet open; needs a running loop."""
    if not config.shared:
        return Wire()
    wires = _shared.setdefault(asyncio.get_running_loop(), {})
    return wires.setdefault(config.place, Wire(shared=True))
