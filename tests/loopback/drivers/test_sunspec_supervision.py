"""Models 715 and 802 on a device that is not ours: heartbeats, local control, reset of alarms, STOP and START."""

from __future__ import annotations

from typing import Any

import pytest
from tests.waiting import until

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import Setpoint
from gridiface.errors import DeviceRejected

CONTROL = {"ID": 715, "LocRemCtl": 0, "DERHb": 7, "ControllerHb": 0, "AlarmReset": 0, "OpCtl": 1}
MEASURED = {
    **{"ID": 701, "ACType": 2, "St": 1, "InvSt": 3, "ConnSt": 1, "Alrm": 1, "W": 1200, "Var": 0, "VA": 1200},
    **{"W_SF": 0, "VA_SF": 0, "Var_SF": 0},
}


def told(**kinds: Any) -> Setpoint:
    now = SystemClock().now()
    return Setpoint(device_id="foreign", issued=now, valid_until=now + 900, control_ids=("c",), **kinds)


async def test_our_heartbeat_moves_and_ends_with_the_driver(opened: Any) -> None:
    async with opened([MEASURED, CONTROL], heartbeat_s=0.05) as (device, driver):
        at = device.register(715, "ControllerHb")
        await until(lambda: sum(address == at for address, _ in device.writes) > 3)
        await driver.close()
        beats = [65536 * high + low for address, (high, low) in device.writes if address == at]
        assert beats == list(range(1, len(beats) + 1))
        seen = await device.seen()
        assert seen.models[715][0].ControllerHb.value == len(beats)


async def test_in_local_control_nothing_is_told(opened: Any) -> None:
    async with opened([MEASURED, CONTROL | {"LocRemCtl": 1}], heartbeat_s=None) as (device, driver):
        assert (await driver.read()).local_control
        with pytest.raises(DeviceRejected, match="local control"):
            await driver.write(told(connect=False))
        assert device.writes == []


async def test_latched_alarms_are_reset_and_what_stays_is_told(opened: Any) -> None:
    async with opened([MEASURED, CONTROL], heartbeat_s=None) as (device, driver):
        assert await driver.reset_alarms() == {"GROUND_FAULT"}
        assert device.writes == [(device.register(715, "AlarmReset"), [1])]
    async with opened([MEASURED], heartbeat_s=None) as (device, driver):
        with pytest.raises(DeviceRejected, match="no point to reset alarms"):
            await driver.reset_alarms()


async def test_stop_and_start_where_nothing_else_connects(opened: Any) -> None:
    async with opened([MEASURED, CONTROL], heartbeat_s=None) as (device, driver):
        ack = await driver.write(told(connect=False))
        assert (ack.verified, dict(ack.read_back)) == (True, {"715.OpCtl": 0.0})
        assert (await device.seen()).models[715][0].OpCtl.value == 0
        await driver.revert()
        assert (await device.seen()).models[715][0].OpCtl.value == 1
