"""The Modbus/TCP server of simulated devices: one listener per device, or one for many told apart by unit id.

Owned here: sockets, MBAP framing and the faults of the wire. Not owned: what a request does (device).
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gridiface.simulation.sunspec.config import SimulationConfig, UnitConfig
from gridiface.simulation.sunspec.device import Fault, SimulatedDevice
from gridiface.streams.receiving import Receiver

_HEADER = struct.Struct(">HHHB")
_MANGLING = (Fault.WRONG_TRANSACTION, Fault.WRONG_UNIT, Fault.BAD_LENGTH, Fault.GARBAGE)


def _mangled(fault: Fault, transaction: int, unit_id: int, pdu: bytes) -> bytes:
    """A reply as a broken or hostile device would frame it."""
    match fault:
        case Fault.WRONG_TRANSACTION:
            return _HEADER.pack(transaction + 7 & 0xFFFF, 0, len(pdu) + 1, unit_id) + pdu
        case Fault.WRONG_UNIT:
            return _HEADER.pack(transaction, 0, len(pdu) + 1, unit_id + 1 & 0xFF) + pdu
        case Fault.BAD_LENGTH:
            return _HEADER.pack(transaction, 0, len(pdu), unit_id) + pdu[:-1]
        case _:
            return b"HTTP/1.1 400 Bad Request\r\n\r\n"


class _Session(Receiver):
    """One connection to one listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._listener.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._listener.sessions.discard(self)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        position, answers, now = 0, [], time.monotonic()
        while len(data) - position >= 8:
            transaction, protocol, length, unit_id = _HEADER.unpack_from(data, position)
            if protocol or not 2 <= length <= 254:
                self.abort()
                return
            following = position + 6 + length
            if following > len(data):
                break
            device = self._listener.devices.get(unit_id)
            pdu = data[position + 7 : following]
            position = following
            if device is None:
                answers.append(_HEADER.pack(transaction, 0, 3, unit_id) + bytes((pdu[0] | 0x80, 11)))
            elif device.fault is Fault.NONE:
                pdu = device.handle(pdu, now)
                answers.append(_HEADER.pack(transaction, 0, len(pdu) + 1, unit_id) + pdu)
            elif not self._faulty(device, transaction, unit_id, pdu, answers, now):
                return
        self._rest = data[position:]
        if answers and self._transport is not None:
            self._transport.write(b"".join(answers))

    def _faulty(
        self, device: SimulatedDevice, transaction: int, unit_id: int, pdu: bytes, answers: list[bytes], now: float
    ) -> bool:
        """Answer as the fault wants; False when the connection was closed."""
        fault = device.fault
        if fault in (Fault.HANG, Fault.OFF) or (fault is Fault.ONE_AT_A_TIME and answers):
            return True
        if fault is Fault.DROP:
            self.abort()
            return False
        reply = device.handle(pdu, now)
        if fault in _MANGLING:
            answers.append(_mangled(fault, transaction, unit_id, reply))
            return True
        frame = _HEADER.pack(transaction, 0, len(reply) + 1, unit_id) + reply
        if fault is Fault.SLOW:
            asyncio.get_running_loop().call_later(device.fault_seconds, self._late, frame)
        else:
            answers.append(frame)
        return True

    def _late(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)


class Listener:
    """One port and the devices behind it, by unit id."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.devices: dict[int, SimulatedDevice] = {}
        self.sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; a free port is taken and kept where none was given.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Session(self), self.host, self.port, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse new connections and close those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self.sessions):
            session.abort()


class Simulation:
    """All devices of one configuration. `start` makes them reachable, `stop` ends it."""

    def __init__(self, config: SimulationConfig) -> None:
        self._config = config
        self.devices: list[SimulatedDevice] = []
        self._listeners: list[Listener] = []
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open every listener.

        Raises:
            OSError: a port is taken.
        """
        now = time.monotonic()
        for index, unit in enumerate(self._config.expanded()):
            device = SimulatedDevice(unit, now)
            self.devices.append(device)
            self._listeners.append(await self._listener_for(index, unit))
            self._listeners[-1].devices[unit.unit_id] = device
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Close every listener and connection."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        for listener in self._listeners:
            listener.shut()
        await asyncio.sleep(0)

    def places(self) -> list[dict[str, Any]]:
        """Where each device is reached."""
        return [
            {
                "index": index,
                "name": device.config.name,
                "host": listener.host,
                "port": listener.port,
                "unit_id": device.config.unit_id,
            }
            for index, (device, listener) in enumerate(zip(self.devices, self._listeners, strict=True))
        ]

    async def set_fault(self, index: int, fault: Fault, seconds: float = 1.0) -> None:
        """Give a device a fault, or end it with `Fault.NONE`. On a shared port `off` is silence."""
        device, listener = self.devices[index], self._listeners[index]
        device.fault, device.fault_seconds = fault, seconds
        if fault is Fault.RESCALE:
            device.rescale()
        if len(listener.devices) == 1:
            if fault is Fault.OFF:
                listener.shut()
            else:
                await listener.open()

    def power_cycle(self, index: int) -> None:
        """Restart a device: connections are lost, commands forgotten."""
        self.devices[index].power_cycle(time.monotonic())
        for session in list(self._listeners[index].sessions):
            session.abort()

    def state(self, index: int) -> Mapping[str, Any]:
        """What a device really does now, without measurement noise."""
        device = self.devices[index]
        device.advance(time.monotonic())
        unit, demand = device.unit, device.unit.demand
        return {
            "unit": index,
            "name": device.config.name,
            "w": unit.w,
            "var": unit.var,
            "soc": unit.soc,
            "power_w": demand.power_w,
            "ceiling_w": demand.ceiling_w,
            "reactive_var": demand.reactive_var,
            "power_factor": demand.power_factor,
            "connected": demand.connected,
            "reads": device.reads,
            "writes": device.writes,
            "fault": device.fault.value,
        }

    async def _listener_for(self, index: int, unit: UnitConfig) -> Listener:
        if self._config.shared_port and index % self._config.units_per_port:
            return self._listeners[-1]
        listener = Listener(self._config.host, unit.port)
        await listener.open()
        return listener

    async def _tick(self) -> None:
        """Advance every device once per period, a tenth of them at a time."""
        slices = min(10, len(self.devices))
        while True:
            for part in range(slices):
                await asyncio.sleep(self._config.tick_s / slices)
                now = time.monotonic()
                for device in self.devices[part::slices]:
                    device.advance(now)


def fault_of(line: Mapping[str, Any]) -> tuple[Sequence[int] | None, Fault, float]:
    """A control line's units (None: all), fault and seconds.

    Raises:
        ValueError: the line is wrong.
    """
    unit = line.get("unit", "all")
    units = None if unit == "all" else [unit] if isinstance(unit, int) else unit
    if units is not None and not (isinstance(units, list) and all(isinstance(u, int) for u in units)):
        raise ValueError('unit is a number, a list of numbers or "all"')
    return units, Fault(line.get("fault", "none")), float(line.get("seconds", 1.0))
