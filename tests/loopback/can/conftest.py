"""A battery on a CAN bus, packed by hand; the bus is a real one (vcan) where the kernel has it, else a socket pair."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.drivers.testkit import Bench, BenchFactory, Held
from gridiface_southbound.can.driver import CanDriver
from gridiface_southbound.can.loading import load_table

FRAME = struct.Struct("=IB3x8s")
EXTENDED = 0x8000_0000
NUMBERS = itertools.count()


class Wire:
    """The device's end of the bus; on a pair a new driver gets a new pair."""

    def __init__(self, interface: str | None) -> None:
        self.interface = interface
        self.end: socket.socket | None = None

    def attach(self) -> None:
        if self.interface is not None and self.end is None:
            self.end = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
            self.end.bind((self.interface,))
            self.end.settimeout(0)

    def plug(self) -> socket.socket:
        """A driver's end."""
        self.unplug()
        self.end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(0)
        return theirs

    def unplug(self) -> None:
        end, self.end = self.end, None
        if end is not None:
            end.close()


class Battery:
    """The battery of template example-battery, with the testkit's faults."""

    faults = frozenset({"none", "off", "hang", "ignore", "wrong_values"})

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.mode = "none"
        self.count = 0
        self.watts, self.enabled, self.percent, self.closed = 0, 0, 1000, 1
        self.fell_back = False
        self.heard_at = time.monotonic()
        self.commands: list[bytes] = []
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.wire.attach()
        self.task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.wire.unplug()

    async def _run(self) -> None:
        while True:
            self._receive()
            if self.mode not in ("off", "hang"):
                self._tell()
            await asyncio.sleep(0.01)

    def _receive(self) -> None:
        while self.wire.end is not None:
            try:
                packet = self.wire.end.recv(64)
            except (BlockingIOError, OSError):
                break
            if not packet:
                break
            identifier, length, data = FRAME.unpack(packet)
            self._take(identifier, data[:length])
        if self.enabled and time.monotonic() - self.heard_at > 2.0:
            self.enabled, self.fell_back = 0, True

    def _take(self, identifier: int, data: bytes) -> None:
        wrong = 2 if self.mode == "wrong_values" else 1
        if identifier == 0x320:
            if data != (self.commands or [b""])[-1]:
                self.count += 1
            self.commands.append(data)
            self.heard_at = time.monotonic()
            if self.mode not in ("off", "ignore"):
                self.watts = struct.unpack_from("<h", data)[0] // wrong
                self.enabled, self.closed = data[2] & 1, data[2] >> 1 & 1
        elif identifier == 0x18FF0050 | EXTENDED:
            assert len(data) == 4
            self.count += 1
            if self.mode not in ("off", "ignore"):
                self.percent = struct.unpack_from("<H", data)[0] // wrong

    def _tell(self) -> None:
        watts = self.watts if self.enabled else 0
        state = (1 if self.enabled else 0) | self.closed << 4
        frames = [
            (0x310, struct.pack("<HH4x", 100, 80)),
            # Motorola: high byte first in bytes 2 and 3.
            (0x311, struct.pack("<h", watts) + struct.pack(">H", 555) + bytes([state, 8, 0, 0])),
            (0x312, struct.pack("<hBHBxx", self.watts, self.enabled, self.percent, self.closed)),
            (0x7FF, b"noise"),
        ]
        for identifier, data in frames:
            self.say(identifier, data)

    def say(self, identifier: int, data: bytes) -> None:
        if self.wire.end is not None:
            with contextlib.suppress(OSError):
                self.wire.end.send(FRAME.pack(identifier, len(data), data.ljust(8, b"\0")))

    # The testkit's peer --------------------------------------------------------------------------------------------

    async def fault(self, name: str) -> None:
        self.mode = name

    async def held(self) -> Held:
        ceiling = None if self.percent >= 1000 else self.percent * 10.0
        watts = -10.0 * self.watts if self.enabled else None
        return Held(active_power_w=watts, ceiling_w=ceiling, connected=bool(self.closed))

    async def power_w(self) -> float:
        return -10.0 * self.watts if self.enabled else 0.0

    async def writes(self) -> int:
        return self.count


@pytest.fixture(scope="session")
def vcan() -> Iterator[str]:
    """A virtual CAN bus of this machine's kernel."""
    name = f"gvcan{next(NUMBERS)}"
    try:
        socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW).close()
        subprocess.run(["ip", "link", "add", "dev", name, "type", "vcan"], check=True, capture_output=True)
    except (OSError, AttributeError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no virtual CAN bus on this machine: {error}")
    subprocess.run(["ip", "link", "set", "up", name], check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "link", "del", "dev", name], check=False, capture_output=True)


@pytest.fixture
def simulate() -> Callable[..., contextlib.AbstractAsyncContextManager[Battery]]:
    """`async with simulate() as battery`; with an interface on a real bus."""

    @contextlib.asynccontextmanager
    async def run(interface: str | None = None) -> AsyncIterator[Battery]:
        battery = Battery(Wire(interface))
        await battery.start()
        try:
            yield battery
        finally:
            await battery.stop()

    return run


@pytest.fixture
def driver_for() -> Callable[..., CanDriver]:
    """`driver_for(battery, **keys)`: a driver, not open."""

    def make(battery: Battery, **keys: Any) -> CanDriver:
        table = keys.pop("table", None) or quick()
        defaults = {"interface": battery.wire.interface or "pair0", "timeout_s": 0.5, "first_reading_s": 0.7}
        config = CanDriver.Config(**({"table": table} | defaults | keys))
        if battery.wire.interface is not None:
            return CanDriver.create("unit", config, clock=SystemClock())
        return CanDriver("unit", config, clock=SystemClock(), sockets=battery.wire.plug)

    return make


def quick() -> Any:
    """The template with a short patience for a silent device."""
    return load_table("example-battery").model_copy(update={"stale_after_s": 0.3})


@pytest.fixture
def benches(simulate: Any, driver_for: Any) -> Callable[[str | None], BenchFactory]:
    def factory_of(interface: str | None) -> BenchFactory:
        @contextlib.asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            async with simulate(interface) as battery:
                driver = driver_for(battery)
                yield Bench(driver=driver, peer=battery, now=time.time, max_w=10_000, max_charge_w=8_000)

        return bench

    return factory_of
