"""The running virtual loop as a clock, and a driver whose every answer a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from tests.clocks import VirtualLoop

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Ack

T = TypeVar("T")

#: The wall clock's start; monotonic time starts at 0.
EPOCH = 1_800_000_000.0


class VirtualClock:
    """The running virtual loop's time as the domain's clock."""

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


Answer = Callable[[Setpoint], Awaitable[Ack]]


class ScriptedDriver:
    """A device that takes `seconds` for an answer and fails with what is put into `failures`, one per write."""

    def __init__(self, device_id: str, *, seconds: float = 0.01, connection: str | None = None) -> None:
        self.device_id = device_id
        self.kind = DeviceKind.BATTERY
        self.settings = Settings()
        self.traits = DriverTraits()
        self.connection = connection
        self.seconds = seconds
        self.revert_s: float | None = None
        self.failures: list[Exception] = []
        self.always: Exception | None = None
        self.open_failures: list[Exception] = []
        self.read_failures: list[Exception] = []
        self.reads = self.opens = self.closes = self.reverts = 0
        self.writes: list[tuple[float, Setpoint]] = []
        self.busy = 0
        self.overlaps = 0
        self.cancelled = 0
        self.written: dict[str, float] = {"w": 1.0}
        self.verified = True

    async def open(self) -> Nameplate:
        self.opens += 1
        if self.open_failures:
            raise self.open_failures.pop(0)
        return Nameplate(max_w=1000.0)

    async def read(self) -> Snapshot:
        self.reads += 1
        if self.read_failures:
            raise self.read_failures.pop(0)
        at = VirtualClock().now()
        return Snapshot(device_id=self.device_id, source_time=at, received=at, w=5.0)

    async def write(self, command: Setpoint) -> Ack:
        self.writes.append((asyncio.get_running_loop().time(), command))
        self.overlaps += bool(self.busy)
        self.busy += 1
        try:
            await asyncio.sleep(self.seconds)
            if self.failures:
                raise self.failures.pop(0)
            if self.always is not None:
                raise self.always
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.busy -= 1
        return Ack(
            device_id=self.device_id,
            at=VirtualClock().now(),
            written=self.written,
            read_back=self.written,
            verified=self.verified,
            active_power_w=command.active_power_w,
            revert_s=self.revert_s,
        )

    async def revert(self) -> Ack:
        self.reverts += 1
        return Ack(device_id=self.device_id, at=0.0, written={"w": 0.0})

    async def close(self) -> None:
        self.closes += 1


class TellingScript(ScriptedDriver):
    """One that tells by itself; `tell` is what the poller gave it."""

    def __init__(self, device_id: str) -> None:
        super().__init__(device_id)
        self.tell: Callable[[], None] = lambda: None

    def on_news(self, tell: Callable[[], None]) -> None:
        self.tell = tell


@pytest.fixture
def telling() -> type[TellingScript]:
    return TellingScript


@pytest.fixture
def virtual() -> Callable[[Coroutine[Any, Any, T]], T]:
    """`virtual(coroutine)` runs it to its end on a virtual loop."""

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(coroutine)

    return run


@pytest.fixture
def virtual_clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def scripted() -> type[ScriptedDriver]:
    return ScriptedDriver
