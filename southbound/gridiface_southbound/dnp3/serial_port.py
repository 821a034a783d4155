"""A serial line with the face of an asyncio transport. Owns the port and what waits to be written, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os

import serial
from serial.rs485 import RS485Settings

from gridiface_southbound.dnp3.config import Dnp3Config

_READ = 4096
_MOST_WAITING = 256 * 1024


class SerialPort:
    """A serial line as a transport: octets in and out, never waiting.

    Raises:
        OSError, ValueError: it cannot be opened, or does not know such a rate.
    """

    def __init__(self, config: Dnp3Config, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self._waiting = bytearray()
        self._loop = asyncio.get_running_loop()
        self._port: serial.Serial | None = serial.Serial(
            config.serial_port,
            config.baudrate,
            parity=config.parity,
            stopbits=config.stop_bits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
        if config.rs485:
            self._port.rs485_mode = RS485Settings()
        self._number = self._port.fileno()
        os.set_blocking(self._number, False)
        self._loop.add_reader(self._number, self._readable)

    def get_extra_info(self, name: str) -> None:
        """Nothing: there is no socket."""

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._port is None

    def write(self, octets: bytes) -> None:
        """Send; what the line does not take now is sent when it does."""
        if self._port is None:
            return
        idle = not self._waiting
        self._waiting += octets
        if len(self._waiting) > _MOST_WAITING:
            self.abort()
        elif idle:
            self._writable()
            if self._waiting and self._port is not None:
                self._loop.add_writer(self._number, self._writable)

    def abort(self) -> None:
        """Close at once; twice is once."""
        port, self._port = self._port, None
        if port is None:
            return
        self._loop.remove_reader(self._number)
        self._loop.remove_writer(self._number)
        with contextlib.suppress(OSError):
            port.close()
        self._loop.call_soon(self._protocol.connection_lost, None)

    def _readable(self) -> None:
        try:
            data = os.read(self._number, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._protocol.data_received(data)
        else:
            self.abort()

    def _writable(self) -> None:
        try:
            done = os.write(self._number, self._waiting)
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        del self._waiting[:done]
        if not self._waiting:
            self._loop.remove_writer(self._number)
