"""Two hundred devices in a process of their own: all are told, the sick ones hurt only themselves, telemetry comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.controls import DeliveryOutcome, Setpoint
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.breaker import BreakerState
from gridiface.drivers.dispatcher import Dispatcher
from gridiface.drivers.poller import Poller, PollSettings
from gridiface.errors import DeviceTimeout
from gridiface.simulation.children import Child
from gridiface_southbound.sunspec.driver import SunSpecDriver

pytestmark = pytest.mark.processes

DEVICES = 200


class Fleet:
    """The drivers of all simulated devices and the way to the simulation's control channel."""

    def __init__(self, child: Child, drivers: list[SunSpecDriver]) -> None:
        self.child = child
        self.drivers = drivers

    async def ask(self, **line: Any) -> dict[str, Any]:
        await self.child.send(line)
        return await self.child.receive()

    async def states(self) -> list[dict[str, Any]]:
        return list((await self.ask(query="state"))["states"])


async def opened(driver: SunSpecDriver) -> None:
    """Open a device; on a loaded machine 200 at once may need a second attempt, as the poller would make."""
    for _ in range(20):
        with contextlib.suppress(DeviceTimeout):
            await driver.open()
            return
    await driver.open()


@pytest.fixture
async def fleet(clock: Any) -> AsyncIterator[Fleet]:
    half = {"copies": DEVICES // 2, "noise": 0, "ramp_w_per_s": 1e6, "time_constant_s": 0.01}
    config = {"units": [{"name": "new", **half}, {"name": "old", "profile": "1xx", **half}]}
    async with Child("devices", ["-m", "gridiface.simulation.sunspec"], config) as child:
        ready = await child.start()
        drivers = [
            SunSpecDriver.create(
                place["name"], SunSpecDriver.Config(host=place["host"], port=place["port"], timeout_s=0.5), clock=clock
            )
            for place in ready["units"]
        ]
        await asyncio.gather(*(opened(driver) for driver in drivers))
        yield Fleet(child, drivers)
        await asyncio.gather(*(driver.close() for driver in drivers))


def told(driver: SunSpecDriver, watts: float) -> Setpoint:
    return Setpoint(device_id=driver.device_id, issued=time.time(), active_power_w=watts)


async def test_every_device_is_told_and_the_sum_is_right(fleet: Fleet, clock: Any) -> None:
    dispatcher = Dispatcher(clock=clock)
    for driver in fleet.drivers:
        dispatcher.add(driver)
    await dispatcher.start()
    wanted = [(-1) ** n * (1000.0 + 10 * n) for n in range(DEVICES)]
    deliveries = await dispatcher.apply(
        [told(d, w) for d, w in zip(fleet.drivers, wanted, strict=True)], deadline=time.time() + 5
    )
    assert {delivery.outcome for delivery in deliveries} == {DeliveryOutcome.ACKNOWLEDGED}
    held = [state["power_w"] for state in await fleet.states()]
    assert held == pytest.approx(wanted, abs=1.0)
    assert sum(held) == pytest.approx(sum(wanted), rel=1e-3)
    assert dispatcher.counters.attempts == DEVICES
    await dispatcher.stop()


async def test_dead_slow_and_lying_devices_hurt_only_themselves(fleet: Fleet, clock: Any) -> None:
    dispatcher = Dispatcher(clock=clock)
    for driver in fleet.drivers:
        dispatcher.add(driver)
    await dispatcher.start()
    sick = {"off": range(0, 5), "hang": range(20, 25), "ignore": range(40, 45), "reject": range(120, 125)}
    for fault, units in sick.items():
        await fleet.ask(unit=list(units), fault=fault)
    # What answers nonsense, takes turns badly or wants a rest, each of both kinds.
    odd = ("garbage", "wrong_transaction", "wrong_unit", "bad_length", "drop", "busy")
    sick |= {fault: range(64 + 3 * at, 66 + 3 * at) for at, fault in enumerate(odd)}
    for fault in odd:
        await fleet.ask(unit=list(sick[fault]), fault=fault)
    await fleet.ask(unit=[60, 160], fault="slow", seconds=0.1)
    await fleet.ask(unit=[61, 161], fault="one_at_a_time")
    bad = {unit for units in sick.values() for unit in units}
    deliveries = await dispatcher.apply([told(d, 500.0) for d in fleet.drivers], deadline=time.time() + 5)
    healthy = [d for n, d in enumerate(deliveries) if n not in bad]
    assert {d.outcome for d in healthy} == {DeliveryOutcome.ACKNOWLEDGED}
    # One that takes one request at a time is found out, late where several writes went out together.
    assert [n for n, d in enumerate(deliveries) if d.attempts > 1 and n not in bad] == [161]
    outcomes = {fault: {deliveries[unit].outcome for unit in units} for fault, units in sick.items()}
    assert {outcome for fault in odd for outcome in outcomes.pop(fault)} <= {
        DeliveryOutcome.REJECTED,
        DeliveryOutcome.TIMEOUT,
    }
    assert outcomes == {
        "off": {DeliveryOutcome.TIMEOUT},
        "hang": {DeliveryOutcome.TIMEOUT},
        "ignore": {DeliveryOutcome.REJECTED},
        "reject": {DeliveryOutcome.REJECTED},
    }
    for unit in sick["off"]:
        assert deliveries[unit].attempts == 3
        assert dispatcher.breaker_state(fleet.drivers[unit].device_id) is BreakerState.OPEN
    held = [state["power_w"] for state in await fleet.states()]
    assert [held[unit] for unit in range(DEVICES) if unit not in bad] == [500.0] * (DEVICES - len(bad))
    await dispatcher.stop(revert=True)
    assert {state["power_w"] for n, state in enumerate(await fleet.states()) if n not in bad} == {None}


async def test_telemetry_of_all_and_of_those_that_leave_and_return(fleet: Fleet, clock: Any) -> None:
    latest: dict[str, Snapshot] = {}
    lost: set[str] = set()

    async def take(batch: list[Snapshot]) -> None:
        latest.update({snapshot.device_id: snapshot for snapshot in batch})

    settings = PollSettings(backoff_s=0.1, max_backoff_s=0.2, batch_s=0.02)
    poller = Poller(clock=clock, on_snapshots=take, on_lost=lambda device_id, _: lost.add(device_id), settings=settings)
    for driver in fleet.drivers:
        poller.add(driver, period_s=0.5)
    gone = [fleet.drivers[unit].device_id for unit in range(10)]

    async def until(quality: Quality, names: list[str]) -> None:
        deadline = time.monotonic() + 20
        while not all(name in latest and latest[name].quality is quality for name in names):
            assert time.monotonic() < deadline, f"{quality} never came: {latest}"
            await asyncio.sleep(0.02)

    await poller.start()
    await until(Quality.GOOD, [driver.device_id for driver in fleet.drivers])
    await fleet.ask(unit=list(range(10)), fault="off")
    await until(Quality.STALE, gone)
    deadline = time.monotonic() + 20
    while not set(gone) <= lost:
        assert time.monotonic() < deadline, f"only {lost} were told as lost"
        await asyncio.sleep(0.02)
    await fleet.ask(unit="all", fault="none")
    await until(Quality.GOOD, gone)
    assert poller.counters.online == DEVICES
    await poller.stop()


def test_the_process_ends_with_its_input(tmp_path: Path) -> None:
    config = tmp_path / "units.json"
    config.write_text(json.dumps({"units": [{"name": "one"}]}))
    command = [sys.executable, "-m", "gridiface.simulation.sunspec", "--config", str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate('{"unit": 0, "query": "state"}\nnot json\n[]\n', timeout=30)
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[0]["ready"] is True
    assert lines[0]["units"][0]["port"] > 0
    assert lines[1]["states"][0]["connected"] is True
    assert "not JSON" in lines[2]["error"]
    assert "not an object" in lines[3]["error"]
    assert process.returncode == 0


@pytest.mark.parametrize("text", ["{}", '{"units": [{"soc": 9}]}', "rubbish"])
def test_a_wrong_configuration_is_said_on_one_line(text: str, tmp_path: Path) -> None:
    config = tmp_path / "units.json"
    config.write_text(text)
    command = [sys.executable, "-m", "gridiface.simulation.sunspec", "--config", str(config)]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ready"]) == (2, False)
    assert answer["error"]
