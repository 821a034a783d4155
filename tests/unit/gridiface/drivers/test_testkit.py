"""The testkit fails drivers that deserve it: each defect is caught by the check that is there for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import Capability, DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers import testkit
from gridiface.drivers.api import Ack
from gridiface.drivers.testkit import Bench, BenchFactory, Held, commands, failures
from gridiface.errors import DeviceRejected, DeviceTimeout

MAX_W, MAX_CHARGE_W = 5000.0, 3000.0


class Device:
    """A device in memory, with faults."""

    faults = frozenset(testkit.FAULTS)

    def __init__(self) -> None:
        self.shown = "none"
        self.told = Held()
        self.requests = 0

    async def fault(self, name: str) -> None:
        self.shown = name

    async def held(self) -> Held:
        return self.told

    async def power_w(self) -> float:
        watts = self.told.active_power_w or 0.0
        return watts if self.told.ceiling_w is None else min(watts, self.told.ceiling_w)

    async def writes(self) -> int:
        return self.requests


class MemoryDriver:
    """A driver that does everything right, except for its one `defect`."""

    device_id, kind, settings, traits, connection = "m", DeviceKind.BATTERY, Settings(), DriverTraits(), None

    def __init__(self, device: Device, defect: str) -> None:
        self.device = device
        self.defect = defect
        self.is_open = False

    def reach(self) -> None:
        if not self.is_open and self.defect != "works when closed":
            raise DeviceTimeout("not open")
        if self.device.shown in ("hang", "off") and self.defect != "deaf to silence":
            raise DeviceTimeout("silent")

    async def open(self) -> Nameplate:
        if self.device.shown == "off" and self.defect != "opens a missing device":
            raise DeviceTimeout("no connection")
        self.is_open = True
        return Nameplate(
            max_w=MAX_W / 1000 if self.defect == "kilowatts" else MAX_W,
            max_charge_w=MAX_CHARGE_W,
            capabilities=frozenset({Capability.SET_W, Capability.LIMIT_W}),
        )

    async def read(self) -> Snapshot:
        self.reach()
        watts = await self.device.power_w()
        watts = -watts if self.defect == "reads with the wrong sign" else watts
        watts = watts * 10 if self.defect == "reads with the wrong scale" else watts
        return Snapshot(device_id="m", source_time=1.0, received=1.0, w=watts)

    async def write(self, command: Setpoint) -> Ack:
        self.reach()
        if command.release:
            return await self.revert()
        if command.active_power_w is None and command.ceiling_w is None and self.defect != "success for nothing":
            raise DeviceRejected("nothing to do")
        watts, ceiling = command.active_power_w, command.ceiling_w
        if watts is not None and self.defect != "beyond the rating":
            watts = max(-MAX_CHARGE_W, min(MAX_W, watts))
        if watts is not None and self.defect == "writes with the wrong sign":
            watts = -watts
        if ceiling is not None:
            ceiling = ceiling * 1.01 if self.defect == "ceiling rounded up" else float(int(ceiling))
        gone = command.let_go if self.defect != "holds what is over" else frozenset()
        await self.send(watts, ceiling, gone)
        notes = ("held to the rating",) if watts != command.active_power_w else ()
        shown = {} if self.defect == "empty ack" else {"w": watts or 0.0}
        return Ack(
            device_id="m", at=1.0, written=shown, read_back=shown, active_power_w=watts, ceiling_w=ceiling, notes=notes
        )

    async def send(self, watts: float | None, ceiling: float | None, gone: frozenset[ControlMode]) -> None:
        device = self.device
        for _ in range(3 if self.defect == "retries" and device.shown == "reject" else 1):
            device.requests += 1
        if device.shown == "reject" and self.defect != "deaf to refusals":
            raise DeviceRejected("refused")
        before = device.told
        keep = self.defect != "forgets the other quantity"
        if ControlMode.SET_W in gone:
            before = Held(ceiling_w=before.ceiling_w)
        if device.shown != "ignore":
            wrong = 0.5 if device.shown == "wrong_values" else 1.0
            device.told = Held(
                active_power_w=(before.active_power_w if keep else None) if watts is None else watts * wrong,
                ceiling_w=(before.ceiling_w if keep else None) if ceiling is None else ceiling * wrong,
            )
        right = device.told.active_power_w == watts if watts is not None else device.told.ceiling_w == ceiling
        if not right and self.defect != "no read-back":
            raise DeviceRejected("read-back")

    async def revert(self) -> Ack:
        self.reach()
        self.device.requests += 1
        if self.defect != "does not let go":
            self.device.told = Held()
        return Ack(device_id="m", at=1.0, written={"on": 0.0}, read_back={"on": 0.0})

    async def close(self) -> None:
        if self.defect == "close lets go":
            self.device.told = Held()
        self.is_open = False


@pytest.fixture
def factory() -> Any:
    def make(defect: str = "") -> BenchFactory:
        @contextlib.asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            device = Device()
            driver = MemoryDriver(device, defect)
            yield Bench(driver=driver, peer=device, now=lambda: 1.0, max_w=MAX_W, max_charge_w=MAX_CHARGE_W, step_w=1.0)

        return bench

    return make


async def test_a_good_driver_passes_everything(factory: Any) -> None:
    report = await testkit.examine(factory())
    assert len(report.passed) == len(testkit.CHECKS)
    assert report.left_out == ()


async def test_all_that_fails_is_named_at_once(factory: Any) -> None:
    with pytest.raises(AssertionError, match=r"^\d+ of \d+ checks failed:\n") as caught:
        await testkit.examine(factory("empty ack"))
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) > 1
    assert any(line.startswith("writes_what_it_acknowledges: ") for line in lines)
    assert len({line.partition(":")[0] for line in lines}) == len(lines)


async def test_a_peer_without_a_fault_leaves_its_checks_out(factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "faults", frozenset({"none", "off"}))
    report = await testkit.examine(factory())
    assert "tells_silence" in report.left_out
    assert "tells_a_missing_device" in report.passed


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        ("kilowatts", commands.opens_and_tells_its_nameplate),
        ("empty ack", commands.writes_what_it_acknowledges),
        ("writes with the wrong sign", commands.positive_is_discharge),
        ("reads with the wrong sign", commands.positive_is_discharge),
        ("reads with the wrong scale", commands.reads_in_watts),
        ("beyond the rating", commands.stays_inside_the_rating),
        ("ceiling rounded up", commands.rounds_a_ceiling_down),
        ("forgets the other quantity", commands.leaves_alone_what_is_not_named),
        ("does not let go", commands.lets_go),
        ("holds what is over", commands.lets_go_of_one_quantity),
        ("success for nothing", commands.refuses_an_empty_command),
        ("deaf to silence", failures.tells_silence),
        ("opens a missing device", failures.tells_a_missing_device),
        ("works when closed", failures.closes_twice),
        ("deaf to refusals", failures.tells_a_refusal_once),
        ("retries", failures.tells_a_refusal_once),
        ("no read-back", failures.believes_the_read_back_only),
        ("no read-back", failures.notices_wrong_values),
        ("close lets go", failures.closes_twice),
    ],
)
async def test_a_defect_is_caught(defect: str, check: testkit.Check, factory: Any) -> None:
    await testkit.run_check(check, factory())
    with pytest.raises(AssertionError):
        await testkit.run_check(check, factory(defect))


async def test_a_driver_that_hangs_fails(factory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testkit, "PATIENCE_S", 0.01)

    async def forever(bench: Bench) -> None:
        del bench
        await asyncio.sleep(60)

    with pytest.raises(AssertionError, match="did not come back"):
        await testkit.run_check(forever, factory())
