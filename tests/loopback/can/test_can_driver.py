"""The CAN driver: the testkit over a socket pair and, where the kernel has one, a virtual bus; repetition."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.waiting import until

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import Setpoint
from gridiface.domain.telemetry import OperatingState
from gridiface.drivers.testkit import CHECKS, run_check
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.can.driver import CanDriver

#: A bus has no answers, so a device cannot refuse: silence and the read-back are all it has.
POSSIBLE = [check for check, needs in CHECKS if "reject" not in needs]


def told(**keys: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), **keys)


@pytest.mark.parametrize("check", POSSIBLE, ids=lambda check: check.__name__)
async def test_the_driver_passes(check: Any, benches: Any) -> None:
    await run_check(check, benches(None))


@pytest.mark.parametrize("check", POSSIBLE, ids=lambda check: check.__name__)
async def test_the_driver_passes_on_a_real_bus(check: Any, benches: Any, vcan: str) -> None:
    await run_check(check, benches(vcan))


async def test_a_whole_day_of_the_example(simulate: Any, driver_for: Any) -> None:
    async with simulate() as battery:
        driver = driver_for(battery, timeout_s=5, first_reading_s=10, revert_s=60)
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w) == (10_000, 8_000)
        ack = await driver.write(told(active_power_w=-1234, ceiling_w=3333, connect=False))
        assert (ack.active_power_w, ack.ceiling_w, ack.revert_s, ack.verified) == (-1230, 3330, 60, True)
        assert ack.read_back == {"target": 1230, "enable": 1, "export_limit": 33.3, "contactor_command": 0}
        assert battery.commands[-1][:3] == struct.pack("<hB", 123, 0b01)
        await until(lambda: driver._heard.count("state") > 3)
        seen = await driver.read()
        assert (seen.w, seen.soc, seen.state) == (-1230, 0.555, OperatingState.RUNNING)
        assert (seen.connected, seen.alarms) == (False, {"cell_voltage"})
        assert seen.source_time <= seen.received
        await driver.revert()
        held = await battery.held()
        assert (held.active_power_w, held.ceiling_w, held.connected) == (None, None, True)
        await driver.close()


async def test_frames_are_repeated_until_the_command_ends(simulate: Any, driver_for: Any) -> None:
    async with simulate() as battery:
        driver = driver_for(battery, timeout_s=5, first_reading_s=10, revert_s=1000)
        await driver.open()
        ack = await driver.write(told(active_power_w=2000))
        assert ack.revert_s == 1000
        before = len(battery.commands)
        await until(lambda: len(battery.commands) >= before + 3)
        assert len(set(battery.commands[before:])) == 1
        ack = await driver.write(replace(told(active_power_w=2500), valid_until=time.time() + 1.5))
        assert ack.revert_s is not None
        assert ack.revert_s <= 1.5
        # Nobody speaks for the command any more: the device falls back by itself.
        await until(lambda: battery.fell_back)
        assert (await battery.held()).active_power_w is None
        await driver.close()


async def test_noise_on_the_bus_changes_nothing(simulate: Any, driver_for: Any) -> None:
    async with simulate() as battery:
        driver = driver_for(battery, timeout_s=5, first_reading_s=10)
        await driver.open()
        await driver.write(told(active_power_w=1000))
        for identifier, data in ((0x311, b"\1\2"), (0x311 | 0x8000_0000, bytes(8)), (0x311 | 0x4000_0000, bytes(8)),
                                 (0x311 | 0x2000_0000, bytes(8))):  # fmt: skip
            battery.say(identifier, data)
        assert battery.wire.end is not None
        battery.wire.end.send(b"short")
        battery.wire.end.send(bytes(16))
        battery.wire.end.send(struct.pack("=IB3x8s", 0x311, 200, bytes(8)))
        count = driver._heard.count("state")
        await until(lambda: driver._heard.count("state") > count + 2)
        assert (await driver.read()).w == 1000
        battery.wire.unplug()
        await until(lambda: driver._bus.broken is not None)
        with pytest.raises(DeviceTimeout, match="is down"):
            await driver.read()
        await driver.close()


async def test_a_bus_that_is_not_there() -> None:
    table = {"kind": "meter", "frames": [{"name": "f", "id": 1}],
             "points": [{"name": "p", "unit": "Hz", "frame": "f", "start": 0, "length": 8}]}  # fmt: skip
    driver = CanDriver.create("unit", CanDriver.Config(table=table, interface="nocan0"), clock=SystemClock())
    with pytest.raises(DeviceError) as caught:
        await driver.open()
    assert isinstance(caught.value, DeviceTimeout | DeviceRejected)
    await driver.close()
