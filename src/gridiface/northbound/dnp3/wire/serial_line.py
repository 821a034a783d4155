"""One serial line: opened, kept open, octets only. Sessions are session.py.

Owns the port, what waits to be written, and the attempts to open a port that is not there. An outstation on a
multi-drop line answers what it is asked; unsolicited reports wait a random time first (`UnsolicitedSettings.backoff`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress

import serial
from serial.rs485 import RS485Settings

from gridiface.northbound.dnp3.settings import SerialSettings
from gridiface.northbound.dnp3.wire.connection import Door
from gridiface.northbound.dnp3.wire.session import Session

_log = logging.getLogger("gridiface.dnp3")

_READ = 4096
_HIGH, _LOW = 64 * 1024, 16 * 1024


class SerialLine:
    """One port; `run` keeps it open until it is cancelled.

    Args:
        door: the end point.
        settings: the port.
        pause_s, longest_pause_s: between attempts to open it; the first doubles up to the second.
    """

    def __init__(self, door: Door, settings: SerialSettings, pause_s: float, longest_pause_s: float) -> None:
        self._door = door
        self._settings = settings
        self._pauses = pause_s, longest_pause_s
        self._port: serial.Serial | None = None
        self._session: Session | None = None
        self._waiting = bytearray()
        self._lost = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether the port is open now."""
        return self._port is not None

    async def run(self) -> None:
        """Open the port, serve it, and open it again when it is lost."""
        pause = self._pauses[0]
        told = False
        while True:
            try:
                self._start()
            except (OSError, ValueError) as problem:
                if not told:
                    _log.warning("serial port %s cannot be opened, it is tried again: %s", self._settings.port, problem)
                told = True
            else:
                pause, told = self._pauses[0], False
                await self._lost.wait()
                _log.warning("serial port %s is lost", self._settings.port)
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._pauses[1])

    def close(self) -> None:
        """Let go of the port; what waits is not written any more."""
        session, self._session = self._session, None
        port, self._port = self._port, None
        if port is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(port.fileno())
            loop.remove_writer(port.fileno())
            with suppress(OSError):
                port.close()
        self._waiting.clear()
        if session is not None:
            session.close()
            self._door.gone(session)
        self._lost.set()

    # --- inside --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._lost.clear()
        self._port = _opened(self._settings)
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._readable)
        self._admit()
        _log.info("serial port %s is open", self._settings.port)

    def _admit(self) -> None:
        self._session = self._door.admit((self._settings.port, 0), None, self._write, self._dropped)

    def _dropped(self, reason: str) -> None:
        """A session ends, the line does not: the next one begins at once."""
        session, self._session = self._session, None
        if session is None:
            return
        _log.info("serial port %s: %s", self._settings.port, reason)
        session.close()
        self._door.gone(session)
        if self._port is not None:
            self._waiting.clear()
            asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        if self._port is not None and self._session is None:
            self._admit()

    def _readable(self) -> None:
        assert self._port is not None
        try:
            data = os.read(self._port.fileno(), _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif self._session is not None:
            self._session.receive(data)

    def _write(self, octets: bytes) -> None:
        if self._port is None:
            return
        idle = not self._waiting
        self._waiting += octets
        if idle:
            self._writable()
        if self._waiting and idle and self._port is not None:
            asyncio.get_running_loop().add_writer(self._port.fileno(), self._writable)
        if len(self._waiting) > _HIGH and self._session is not None and not self._session.paused:
            self._session.pause()

    def _writable(self) -> None:
        assert self._port is not None
        try:
            done = os.write(self._port.fileno(), self._waiting)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._waiting[:done]
        if not self._waiting:
            asyncio.get_running_loop().remove_writer(self._port.fileno())
        if len(self._waiting) < _LOW and self._session is not None and self._session.paused:
            self._session.resume()


def _opened(settings: SerialSettings) -> serial.Serial:
    """The port, non-blocking.

    Raises:
        OSError, ValueError: it cannot be opened, or does not know such a rate.
    """
    port = serial.Serial(
        settings.port,
        settings.baud_rate,
        bytesize=settings.data_bits,
        parity=settings.parity[0].upper(),
        stopbits=settings.stop_bits,
        timeout=0,
        write_timeout=0,
        rtscts=settings.flow_control == "hardware",
        exclusive=True,
    )
    if settings.rs485:
        port.rs485_mode = RS485Settings()
    os.set_blocking(port.fileno(), False)
    return port
