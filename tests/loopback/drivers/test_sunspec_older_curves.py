"""The older models 126, 129 to 144 on a device that is not ours: ActCrv chooses one of the stored curves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.loopback.drivers.foreign_curves import (
    OlderDevice,
    Opened,
    device_705,
    device_older,
    device_trip,
    record,
    told,
)

from gridiface.domain.controls import ControlMode
from gridiface.domain.curves import CurveKind
from gridiface.domain.fleet import Capability
from gridiface.errors import DeviceRejected

VARS = [(920, 440), (980, 0), (1020, 0), (1080, -440)]
WATTS = [(1060, 1000), (1100, 0)]
HERTZ = [(6005, 1000), (6100, 0)]
ALL = [device_older(126, VARS), device_older(132, WATTS), device_older(134, HERTZ)]

VOLT_VAR = [(93.0, 30.0), (97.0, 0.0), (103.0, 0.0), (107.0, -30.0)]
VOLT_WATT = [(105.0, 100.0), (109.0, 20.0)]
FREQ_WATT = [(60.2, 100.0), (60.8, 50.0), (61.5, 0.0)]
ASKED = {
    126: record(CurveKind.VOLT_VAR, VOLT_VAR, 2, rampPT1Tms=900),
    132: record(CurveKind.VOLT_WATT, VOLT_WATT, 1, rampPT1Tms=700),
    134: record(CurveKind.FREQ_WATT, FREQ_WATT, 1, rampPT1Tms=800),
}
POINTS = {126: VOLT_VAR, 132: VOLT_WATT, 134: FREQ_WATT}
REFERENCE = {126: 2, 132: 1}
TIMES = {126: ("RmpTms", 9), 132: ("RmpPt1Tms", 7), 134: ("RmpPT1Tms", 8)}


async def test_every_function_is_found(opened: Opened) -> None:
    async with opened(ALL, OlderDevice) as (_, driver):
        plate = await driver.open()
        assert plate.capabilities >= {Capability.VOLT_VAR, Capability.VOLT_WATT, Capability.FREQ_WATT}


@pytest.mark.parametrize("model_id", [126, 132, 134])
async def test_a_curve_is_in_force(model_id: int, opened: Opened) -> None:
    async with opened(ALL, OlderDevice, revert_s=90) as (device, driver):
        ack = await driver.write(told(ASKED[model_id]))
        assert (ack.verified, ack.skipped, ack.notes, ack.revert_s) == (True, (), (), 90.0)
        points, curve, acts = await device.force(model_id)
        assert (points, acts) == (POINTS[model_id], True)
        name, seconds = TIMES[model_id]
        assert curve.points[name].cvalue == seconds
        if model_id in REFERENCE:
            assert curve.DeptRef.value == REFERENCE[model_id]
        else:
            assert curve.SnptW.value == 0  # percent of the rating, not of the power at the time
        # It was chosen once, when its timers stood and its points were there: at once, not within another's window.
        assert device.chosen == [(model_id, 3, 0, 90)]
        assert device.refused == []


async def test_a_second_curve_is_stored_beside_the_one_that_acts(opened: Opened) -> None:
    other = record(CurveKind.VOLT_VAR, [(90.0, 44.0), (110.0, -44.0)], 3)
    async with opened(ALL, OlderDevice, revert_s=None) as (device, driver):
        await driver.write(told(ASKED[126]))
        await driver.write(told(other))
        points, curve, acts = await device.force(126)
        assert (points, curve.DeptRef.value, acts) == ([(90.0, 44.0), (110.0, -44.0)], 3, True)
        assert [index for _, index, *_ in device.chosen] == [3, 2]
        assert device.refused == []


async def test_told_again_its_timer_runs_anew(opened: Opened) -> None:
    async with opened(ALL, OlderDevice, revert_s=90) as (device, driver):
        for _ in range(2):
            await driver.write(told(ASKED[132]))
        assert device.chosen == [(132, 3, 0, 90)] * 2
        assert device.refused == []


async def test_after_its_timer_it_is_told_again(opened: Opened) -> None:
    async with opened(ALL, OlderDevice, revert_s=90) as (device, driver):
        await driver.write(told(ASKED[126]))
        device.expire()
        await driver.write(told(ASKED[126]))
        points, _, acts = await device.force(126)
        assert (points, acts) == (VOLT_VAR, True)


@pytest.mark.parametrize("acting", [0, 2])
async def test_it_ends_and_everything_is_as_it_was(acting: int, opened: Opened) -> None:
    model = device_older(126, VARS, ActCrv=acting, ModEna=int(acting > 0))
    async with opened([model], OlderDevice) as (device, driver):
        await driver.write(told(ASKED[126]))
        await driver.write(told(release=True, let_go=frozenset({ControlMode.CURVE})))
        head = (await device.seen()).models[126][0]
        assert (head.ActCrv.value, head.ModEna.value, head.RvrtTms.value) == (acting, int(acting > 0), 0)
        if acting:
            assert (await device.force(126))[0] == [(92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0)]
        assert device.refused == []


async def test_what_it_cannot_hold_is_refused(opened: Opened) -> None:
    long = record(CurveKind.VOLT_WATT, [(100.0 + at, 50.0) for at in range(7)], 1)
    async with opened(ALL, OlderDevice) as (device, driver):
        with pytest.raises(DeviceRejected, match="7 points, the device takes 6"):
            await driver.write(told(long))
        with pytest.raises(DeviceRejected, match="no y axis of reference type 7"):
            await driver.write(told(record(CurveKind.FREQ_WATT, FREQ_WATT, 7)))
        assert (device.writes, device.refused) == ([], [])


async def test_one_read_only_curve_takes_nothing(opened: Opened) -> None:
    async with opened([device_older(126, VARS, sets=1)], OlderDevice) as (device, driver):
        with pytest.raises(DeviceRejected, match="lets no stored curve be written"):
            await driver.write(told(ASKED[126]))
        assert (device.writes, device.refused) == ([], [])


async def test_of_two_models_for_one_curve_the_newer_is_used(opened: Opened) -> None:
    async with opened([device_705(), *ALL], OlderDevice) as (device, driver):
        await driver.write(told(record(CurveKind.VOLT_WATT, VOLT_WATT, 1)))
        assert [model_id for model_id, *_ in device.chosen] == [132]
        with pytest.raises(DeviceRejected):  # this device knows nothing of AdptCrvReq: it is never adopted
            await driver.write(told(ASKED[126], record(CurveKind.VOLT_WATT, VOLT_WATT, 1)))
        assert not [model_id for model_id, *_ in device.chosen if model_id == 126]


async def test_without_timers_and_window(opened: Opened) -> None:
    bare: dict[str, Any] = device_older(132, WATTS)
    for name in ("WinTms", "RvrtTms", "RmpTms"):
        del bare[name]
    async with opened([bare], OlderDevice, revert_s=90) as (device, driver):
        device.chosen.clear()
        ack = await driver.write(told(ASKED[132]))
        assert (await device.force(132))[0] == VOLT_WATT
        assert ack.revert_s is None


LIMITS = {
    129: (CurveKind.LVRT_MUST_TRIP, Capability.LOW_VOLTAGE_TRIP),
    130: (CurveKind.HVRT_MUST_TRIP, Capability.HIGH_VOLTAGE_TRIP),
    135: (CurveKind.LFRT_MUST_TRIP, Capability.LOW_FREQUENCY_TRIP),
    136: (CurveKind.HFRT_MUST_TRIP, Capability.HIGH_FREQUENCY_TRIP),
    137: (CurveKind.LVRT_MAY_TRIP, Capability.LOW_VOLTAGE_MAY_TRIP),
    138: (CurveKind.HVRT_MAY_TRIP, Capability.HIGH_VOLTAGE_MAY_TRIP),
    139: (CurveKind.LVRT_MOMENTARY_CESSATION, Capability.LOW_VOLTAGE_CESSATION),
    140: (CurveKind.HVRT_MOMENTARY_CESSATION, Capability.HIGH_VOLTAGE_CESSATION),
    141: (CurveKind.LFRT_MAY_TRIP, Capability.LOW_FREQUENCY_MAY_TRIP),
    142: (CurveKind.HFRT_MAY_TRIP, Capability.HIGH_FREQUENCY_MAY_TRIP),
    143: (CurveKind.LFRT_MOMENTARY_CESSATION, Capability.LOW_FREQUENCY_CESSATION),
    144: (CurveKind.HFRT_MOMENTARY_CESSATION, Capability.HIGH_FREQUENCY_CESSATION),
}
SET = [(16, 5000), (200, 7000)]  # hundredths of a second; of a percent or a hertz


@pytest.mark.parametrize("model_id", LIMITS)
async def test_a_limit_over_time_is_in_force_and_ends(model_id: int, opened: Opened) -> None:
    kind, able = LIMITS[model_id]
    wanted = [(0.16, 45.0), (2.0, 60.0), (13.0, 61.5)]
    model = device_older(model_id, SET, ActCrv=1, ModEna=1)
    async with opened([model], OlderDevice, revert_s=90) as (device, driver):
        assert able in (await driver.open()).capabilities
        ack = await driver.write(told(record(kind, wanted, 4)))
        assert (ack.verified, ack.skipped, ack.undone) == (True, (), frozenset())
        points, _, acts = await device.force(model_id)
        assert (points, acts) == (wanted, True)
        await driver.revert()
        points, _, acts = await device.force(model_id)
        assert (points, acts) == ([(0.16, 50.0), (2.0, 70.0)], True)
        assert device.refused == []


async def test_of_a_limit_in_two_models_the_newer_is_used(opened: Opened) -> None:
    async with opened([device_trip(709, "Hz", 5650), device_older(143, SET)], OlderDevice) as (device, driver):
        assert Capability.LOW_FREQUENCY_CESSATION in (await driver.open()).capabilities
        with pytest.raises(DeviceRejected):  # this device knows nothing of AdptCrvReq
            await driver.write(told(record(CurveKind.LFRT_MOMENTARY_CESSATION, [(0.1, 50.0)])))
        assert device.chosen == []
