"""What modes mean in watts and vars, what a target is able to, and what is no value at all."""

import math

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, battery

from gridiface.aggregation.deciding.requests import (
    Capacity,
    capacity,
    empty_window,
    fault_of,
    limit_w,
    requested_var,
    requested_w,
    set_max_w,
)
from gridiface.aggregation.envelope.limits import envelope
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ControlMode, ModeValue
from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate
from gridiface.domain.quantities import PercentBase

SUMS = Capacity(
    set_max_w=10_000.0,
    charge_w=4_000.0,
    discharge_w=8_000.0,
    max_var=5_000.0,
    available_var=3_000.0,
    base_w=-500.0,
    now_w=1_000.0,
    up_w=6_000.0,
)
START = Capacity(
    set_max_w=1.0,
    charge_w=1.0,
    discharge_w=1.0,
    max_var=1.0,
    available_var=1.0,
    base_w=2_000.0,
    now_w=2_000.0,
    up_w=1_000.0,
)


@pytest.mark.parametrize(
    ("mode", "value", "base", "watts"),
    [
        (ControlMode.SET_W, 700.0, "", 700.0),
        (ControlMode.SET_W_PERCENT, 50.0, "", 4_000.0),  # of the discharge rating
        (ControlMode.SET_W_PERCENT, -50.0, "", -2_000.0),  # of the charge rating
        (ControlMode.SET_W_PERCENT, -50.0, PercentBase.MAX_W, -5_000.0),
        (ControlMode.SET_W_PERCENT, 50.0, PercentBase.MAX_CHARGE_W, 2_000.0),
        (ControlMode.SET_W_PERCENT, 50.0, PercentBase.MAX_DISCHARGE_W, 4_000.0),
        (ControlMode.SET_W_PERCENT, 50.0, PercentBase.BASELINE, 1_000.0),  # of what it was when the control began
        (ControlMode.DELTA_W, -300.0, "", 1_700.0),
        (ControlMode.LOAD_LEVEL, 0.5, "", 2_500.0),
        (ControlMode.ENERGY_TARGET, 500.0, "", 1_000.0),  # Wh in half an hour
        (ControlMode.REGULATION, -40.0, "", -40.0),
    ],
)
def test_what_a_power_asks_in_watts(mode, value, base, watts):
    asked = requested_w(mode, ModeValue(value, base=base), SUMS, start=START, span_s=1800.0)
    assert asked == pytest.approx(watts)


def test_a_percentage_limit_is_of_the_settings_of_all_and_others_are_watts():
    assert limit_w(ControlMode.MAX_W_PERCENT, ModeValue(30.0), 10_000.0) == 3_000.0
    assert limit_w(ControlMode.EXPORT_LIMIT, ModeValue(30.0), 10_000.0) == 30.0
    columns, _ = mixed()
    assert set_max_w(columns, np.arange(5)) == 13_000.0  # not who is off, nor a meter


def test_vars_as_they_are_or_of_what_the_name_of_the_base_says():
    assert requested_var(ControlMode.SET_VAR, ModeValue(-7.0), SUMS) == -7.0
    percent = {
        base: requested_var(ControlMode.SET_VAR_PERCENT, ModeValue(-50.0, base=base), SUMS)
        for base in (PercentBase.MAX_W, PercentBase.MAX_VAR, PercentBase.AVAILABLE_VAR)
    }
    assert percent == {
        PercentBase.MAX_W: -5_000.0,
        PercentBase.MAX_VAR: -2_500.0,
        PercentBase.AVAILABLE_VAR: -1_500.0,
    }


def mixed():
    """A battery, one that is switched off, one that is blocked, a roof that is measured, a meter."""
    columns = Columns()
    columns.put(battery("a", watts=5_000.0))
    columns.put(battery("off", watts=5_000.0, enabled=False))
    columns.put(battery("blocked", watts=5_000.0))
    able = frozenset({Capability.LIMIT_W, Capability.SET_VAR})
    roof = Nameplate(max_w=3_000.0, max_va=5_000.0, max_var=4_500.0, capabilities=able)
    columns.put(Device(id="roof", kind=DeviceKind.PV, nameplate=roof))
    columns.put(Device(id="meter", kind=DeviceKind.METER, nameplate=Nameplate(max_w=9_000.0)))
    columns.blocked[2] = True
    columns.w[:] = 0.0, 0.0, 700.0, 3_000.0, 3_700.0
    columns.soc[:3], columns.received[:], columns.seen[:] = 0.5, T0, 1
    columns.touched[:] = True
    return columns, envelope(columns, T0, horizon_s=1e9, hold_time_s=60.0)


def test_a_target_is_able_to_what_those_are_that_can_be_asked():
    columns, bounds = mixed()
    sums = capacity(columns, np.arange(5), bounds)
    assert sums.set_max_w == 13_000.0  # a, blocked and the roof: who is blocked has its rating all the same
    assert sums.charge_w == 10_000.0
    assert sums.now_w == 3_700.0  # the meter's own reading is of the others
    assert sums.high_w == 5_000.0 + 700.0 + 3_000.0  # the blocked one goes on as it does
    assert sums.low_w == -5_000.0 + 700.0 + 0.0
    assert sums.max_var == 4_500.0
    assert sums.available_var == 4_000.0  # 3 and 4 make 5


def test_one_device_is_asked_alike_alone_and_among_others():
    columns, bounds = mixed()
    for row in range(5):
        one = capacity(columns, np.array([row]), bounds)
        # An empty second row makes the sums of several.
        many = capacity(columns, np.array([row, 4]), bounds)
        for name in ("set_max_w", "charge_w", "discharge_w", "max_var", "available_var", "up_w"):
            assert getattr(one, name) == getattr(many, name), (row, name)


def test_a_part_and_what_lies_beside_at_the_meter():
    half = SUMS.part(0.5)
    assert (half.set_max_w, half.base_w, half.now_w, half.low_w, half.high_w) == (
        5_000.0,
        -250.0,
        500.0,
        -math.inf,
        math.inf,
    )
    beside = SUMS.with_beside(200.0)
    assert (beside.base_w, beside.now_w, beside.set_max_w) == (-300.0, 1_200.0, 10_000.0)


@pytest.mark.parametrize(
    ("mode", "value", "base", "fault"),
    [
        (ControlMode.SET_W, math.nan, "", "set_w must be a finite number"),
        (ControlMode.SET_W, math.inf, "", "set_w must be a finite number"),
        (ControlMode.SET_W, -5e9, "", ""),
        (ControlMode.EXPORT_LIMIT, -1.0, "", "export_limit cannot be -1"),
        (ControlMode.SET_W_PERCENT, 101.0, "", "set_w_percent cannot be 101 % of a rating"),
        (ControlMode.SET_W_PERCENT, 150.0, PercentBase.BASELINE, ""),
        (ControlMode.CONNECT, 0.5, "", "connect cannot be 0.5"),
        (ControlMode.POWER_FACTOR_INJECT, 0.0, "", "power_factor_inject cannot be 0"),
    ],
)
def test_what_is_no_value_is_said(mode, value, base, fault):
    assert fault_of(mode, ModeValue(value, base=base), span_s=60.0) == fault


@pytest.mark.parametrize("span_s", [0.0, math.inf])
def test_an_energy_needs_a_time_that_ends(span_s):
    assert fault_of(ControlMode.ENERGY_TARGET, ModeValue(5.0), span_s=span_s) == "an energy target needs a duration"


def test_a_window_for_entering_service_must_leave_something():
    narrow = {ControlMode.ENTER_V_LOW: ModeValue(95.0), ControlMode.ENTER_V_HIGH: ModeValue(95.0)}
    assert empty_window(narrow) == "nothing lies between enter_v_low 95 and enter_v_high 95"
    assert empty_window({ControlMode.ENTER_V_LOW: ModeValue(95.0)}) == ""
    assert empty_window(narrow | {ControlMode.ENTER_V_HIGH: ModeValue(105.0)}) == ""
