"""From a Setpoint to registers: which function is chosen, signs, percentages, timers, and what is skipped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.domain.fleet import Capability
from gridiface_southbound.sunspec.controls import ControlOptions, Controls, Plan, fall_back_s
from gridiface_southbound.sunspec.functions import Ratings
from gridiface_southbound.sunspec.models import Block, model

RATINGS = Ratings(max_w=10_000, max_charge_w=8_000, max_discharge_w=9_000, max_var=4_000, max_var_neg=3_000)
POWER_704 = {"WSetEna": 0, "WSetMod": 0, "WSet": 0, "WSet_SF": 0, "WSetRvrtTms": 0}
CEILING_704 = {"WMaxLimPctEna": 0, "WMaxLimPct": 1000, "WMaxLimPct_SF": -1, "WMaxLimPctRvrtTms": 0}
VAR_704 = {"VarSetEna": 0, "VarSetMod": 0, "VarSet": 0, "VarSet_SF": 1}
CONTROLS_123 = {
    "Conn": 1,
    "WMaxLimPct": 100,
    "WMaxLimPct_SF": 0,
    "WMaxLim_Ena": 0,
    "OutPFSet": 100,
    "OutPFSet_SF": -2,
    "OutPFSet_Ena": 0,
    "VArPct_Ena": 0,
    "VArMaxPct": 0,
    "VArPct_SF": 0,
}
STORAGE_124 = {"StorCtl_Mod": 0, "OutWRte": 0, "InWRte": 0, "InOutWRte_SF": -2, "WChaMax": 10_000, "WChaMax_SF": 0}


def told(watts: float | None = None, **more: Any) -> Setpoint:
    return Setpoint(device_id="d", issued=0.0, active_power_w=watts, **more)


def plan(controls: Controls, command: Setpoint, revert_s: float | None = 60.0) -> Plan:
    return controls.plan(command, revert_s=revert_s, now=1000.0)


def values(found: Plan) -> dict[str, float]:
    return {
        label: effect.form.value(name)
        for effect in found.effects.values()
        for label, name in effect.form.sheet.labels.items()
    }


@pytest.fixture
def controls(block: Any) -> Any:
    """`controls({704: {...}, ...}, **options)` over the named points."""

    def make(points: dict[int, dict[str, Any]], ratings: Ratings = RATINGS, **options: Any) -> Controls:
        return Controls({m: block(m, p) for m, p in points.items()}, ratings, ControlOptions(**options))

    return make


def test_the_newer_model_is_preferred_and_the_older_fills_its_gaps(controls: Any) -> None:
    both = controls({704: POWER_704, 703: {"ES": 1}, 123: CONTROLS_123, 124: STORAGE_124})
    found = plan(both, told(1000, ceiling_w=5000, connect=True))
    assert sorted(found.models) == [123, 703, 704]
    assert both.capabilities == {
        Capability.SET_W,
        Capability.LIMIT_W,
        Capability.SET_VAR,
        Capability.POWER_FACTOR,
        Capability.CONNECT,
        Capability.ENERGIZE,
    }


def test_watts_where_possible_else_percent(controls: Any) -> None:
    percent = {"WSetPct": 0, "WSetPct_SF": -2}
    seen = values(plan(controls({704: POWER_704 | percent}), told(-1234)))
    assert (seen["704.WSetMod"], seen["704.WSet"], seen["704.WSetPct"]) == (1, -1234, -12.34)
    without = {name: raw for name, raw in POWER_704.items() if not name.startswith("WSet_") and name != "WSet"}
    found = plan(controls({704: without | percent}), told(-1234))
    assert values(found)["704.WSetMod"] == 0
    assert found.held("active_power") == pytest.approx(-1234)


@pytest.mark.parametrize(("watts", "out", "into"), [(2500, 25, -25), (-2500, -25, 25), (0, 0, 0)])
def test_124_encloses_the_power(controls: Any, watts: float, out: float, into: float) -> None:
    found = plan(controls({124: STORAGE_124}), told(watts))
    seen = values(found)
    assert (seen["124.StorCtl_Mod"], seen["124.OutWRte"], seen["124.InWRte"]) == (3, out, into)
    assert found.held("active_power") == watts


@pytest.mark.parametrize(("watts", "mode", "out", "into"), [(2500, 2, 25, 0), (-2500, 1, 0, 25), (0, 3, 0, 0)])
def test_124_directly(controls: Any, watts: float, mode: int, out: float, into: float) -> None:
    found = plan(controls({124: STORAGE_124}, storage_direct=True), told(watts))
    seen = values(found)
    assert (seen["124.StorCtl_Mod"], seen["124.OutWRte"], seen["124.InWRte"]) == (mode, out, into)
    assert found.held("active_power") == watts


def test_a_device_without_set_point_gets_a_ceiling(controls: Any) -> None:
    pv = controls({123: CONTROLS_123})
    found = plan(pv, told(3000, ceiling_w=2500))
    assert values(found)["123.WMaxLimPct"] == 25
    assert "ceiling" in found.notes[0]
    negative = plan(pv, told(-3000))
    assert negative.effects == {}
    assert negative.skipped == ["active_power: the device has no model for it"]


def test_power_is_held_to_the_rating(controls: Any) -> None:
    device = controls({704: POWER_704})
    for asked, held in ((20_000, 9_000), (-20_000, -8_000), (500, 500)):
        found = plan(device, told(asked))
        assert found.held("active_power") == held
        assert bool(found.notes) == (asked != held)


def test_a_ceiling_is_rounded_down_and_at_the_rating_it_ends(controls: Any) -> None:
    device = controls({704: CEILING_704})
    found = plan(device, told(ceiling_w=3339))
    assert values(found)["704.WMaxLimPct"] == 33.3
    assert found.held("ceiling") == pytest.approx(3330)
    whole = plan(device, told(ceiling_w=10_000))
    assert (values(whole)["704.WMaxLimPctEna"], values(whole)["704.WMaxLimPct"]) == (0, 100)
    assert whole.revert_s is None


def test_reactive_power_against_the_rating_of_its_direction(controls: Any) -> None:
    seen = values(plan(controls({123: CONTROLS_123}), told(reactive_power_var=-1500)))
    assert (seen["123.VArMaxPct"], seen["123.VArPct_Ena"]) == (-50, 1)
    found = plan(controls({704: VAR_704}), told(reactive_power_var=1234))
    assert (values(found)["704.VarSetMod"], found.held("reactive_power")) == (4, 1230)


@pytest.mark.parametrize(("sign", "raw"), [(1, -0.95), (-1, 0.95)])
def test_power_factor_signs(controls: Any, sign: int, raw: float) -> None:
    command = told(passed={ControlMode.POWER_FACTOR_INJECT: ModeValue(-0.95)})
    found = plan(controls({123: CONTROLS_123}, pf_sign=sign), command)
    assert values(found)["123.OutPFSet"] == raw
    assert found.held("power_factor_inject") == -0.95


def test_connect_only_when_nobody_objects(controls: Any) -> None:
    device = controls({703: {"ES": 1}})
    for connect, energize, service in ((True, True, 1), (True, False, 0), (None, False, 0), (True, None, 1)):
        assert values(plan(device, told(connect=connect, energize=energize))) == {"703.ES": service}


def test_what_nobody_can_do_is_said(controls: Any) -> None:
    found = plan(controls({703: {"ES": 1}}), told(5, ceiling_w=6, passed={ControlMode.PRICE: ModeValue(0)}))
    assert found.effects == {}
    assert len(found.skipped) == 3


def test_letting_go_ends_power_and_what_was_touched(controls: Any) -> None:
    device = controls({704: POWER_704 | CEILING_704 | VAR_704, 703: {"ES": 0}})
    assert set(device.release(frozenset()).effects) == {"active_power"}
    assert set(device.release(frozenset({"connect", "ceiling"})).effects) == {"active_power", "ceiling", "connect"}
    assert set(controls({123: CONTROLS_123}).release(frozenset()).effects) == {"ceiling"}


@pytest.mark.parametrize(
    ("until", "configured", "timer"),
    [(None, 60, 60), (float("inf"), 60, 60), (1020.5, 60, 21), (1000.0, 60, 1), (900.0, 60, 1), (1020, None, 20)],
)
def test_the_timer_does_not_outlive_the_command(until: float | None, configured: float | None, timer: float) -> None:
    assert fall_back_s(told(1, valid_until=until), configured, 1000.0) == timer


@given(st.floats(-30_000, 30_000), st.floats(0, 30_000))
def test_no_command_leaves_the_ratings(watts: float, ceiling: float) -> None:
    tables = {m: model(m) for m in (123, 124)}
    blocks = {}
    for model_id, points in ((123, CONTROLS_123), (124, STORAGE_124)):
        table = tables[model_id]
        assert table is not None
        data = bytearray(2 * table.length)
        for name, raw in points.items():
            at = 2 * table.points[name].offset
            data[at : at + 2] = raw.to_bytes(2, "big", signed=raw < 0)
        blocks[model_id] = Block(table, 0, bytes(data))
    found = plan(Controls(blocks, RATINGS, ControlOptions()), told(watts, ceiling_w=ceiling))
    held, top = found.held("active_power"), found.held("ceiling")
    assert held is not None
    assert top is not None
    assert -8_000 <= held <= 9_000
    assert top <= min(ceiling, 10_000) + 1e-6


def test_what_is_over_is_switched_off_after_what_stands(controls: Any) -> None:
    found = plan(
        controls({704: POWER_704 | CEILING_704 | VAR_704, 703: {"ES": 1}}),
        told(
            ceiling_w=5_000,
            let_go=frozenset({ControlMode.SET_W, ControlMode.SET_VAR, ControlMode.CONNECT, ControlMode.CURVE}),
        ),
    )
    assert list(found.effects) == ["ceiling", "connect", "reactive_power", "active_power"]
    seen = values(found)
    assert (seen["704.WSetEna"], seen["704.VarSetEna"], seen["704.WMaxLimPctEna"]) == (0, 0, 1)
    assert found.held("active_power") is None


def test_a_power_that_was_carried_out_as_a_ceiling_is_let_go_of_as_one(controls: Any) -> None:
    sun = controls({704: CEILING_704})
    over = frozenset({ControlMode.SET_W})
    assert values(plan(sun, told(let_go=over)))["704.WMaxLimPctEna"] == 0
    assert values(plan(sun, told(ceiling_w=5_000, let_go=over)))["704.WMaxLimPctEna"] == 1


ENTER_703 = {
    "ES": 1,
    "ESVHi": 1050,
    "ESVLo": 917,
    "ESHzHi": 5010,
    "ESHzLo": 4950,
    "ESDlyTms": 300,
    "ESRndTms": 0,
    "ESRmpTms": 300,
    "V_SF": -1,
    "Hz_SF": -2,
}


def entering(**values: float) -> dict[ControlMode, ModeValue]:
    return {ControlMode(name): ModeValue(value) for name, value in values.items()}


def test_when_to_return_to_service_is_written_to_703_and_nothing_else_of_it(controls: Any) -> None:
    device = controls({703: ENTER_703})
    assert Capability.ENTER_SERVICE in device.capabilities
    passed = entering(enter_v_high=104.04, enter_hz_low=49.8, enter_delay_s=60, enter_random_s=12, enter_ramp_s=100)
    found = plan(device, told(passed=passed))
    assert values(found) == {
        "703.ESVHi": 104.0,
        "703.ESHzLo": 49.8,
        "703.ESDlyTms": 60,
        "703.ESRndTms": 12,
        "703.ESRmpTms": 100,
    }
    assert (found.entering, found.skipped) == (passed.keys(), [])


def test_a_setting_that_the_device_lacks_is_said(controls: Any) -> None:
    assert Capability.ENTER_SERVICE not in controls({703: {"ES": 1}}).capabilities
    device = controls({703: {"ES": 1, "ESVHi": 1050, "V_SF": -1}})
    found = plan(device, told(passed=entering(enter_v_high=104, enter_delay_s=60)))
    assert values(found) == {"703.ESVHi": 104.0}
    assert found.skipped == ["enter_delay_s: the device has no such setting"]


def test_a_setting_that_its_register_cannot_hold_is_not_written_as_another(controls: Any) -> None:
    # as pysunspec2's own example device has it: V_SF of -3 ends at 65.534 %
    device = controls({703: {**ENTER_703, "ESVHi": 1050, "ESVLo": 917, "V_SF": -3}})
    found = plan(device, told(passed=entering(enter_v_high=105, enter_delay_s=60)))
    assert values(found) == {"703.ESDlyTms": 60}
    assert found.skipped == ["enter_v_high: 105 does not fit its register, which ends at 65.534"]
    assert plan(device, told(passed=entering(enter_v_high=105))).effects == {}


@pytest.mark.parametrize("passed", [{"enter_v_high": 91.7}, {"enter_hz_low": 50.2}])
def test_a_window_for_entering_service_is_never_left_empty(controls: Any, passed: dict[str, float]) -> None:
    found = plan(controls({703: ENTER_703}), told(passed=entering(**passed)))
    assert found.effects == {}
    assert "leaves nothing of the window" in found.skipped[0]
    both = plan(controls({703: ENTER_703}), told(passed=entering(enter_hz_low=50.2, enter_hz_high=50.4)))
    assert values(both) == {"703.ESHzHi": 50.4, "703.ESHzLo": 50.2}


def test_a_power_beside_settings_that_the_device_holds_already_writes_the_power_only(controls: Any) -> None:
    device = controls({703: ENTER_703, 704: POWER_704})
    passed = entering(enter_delay_s=300, enter_v_high=105)
    assert plan(device, told(500, passed=passed)).models == [704]
    assert plan(device, told(passed=passed)).models == [703]  # alone it is written: what is not cannot be acknowledged
    assert plan(device, told(500, passed=entering(enter_delay_s=301))).models == [704, 703]


def test_a_time_of_703_is_a_setting_and_must_read_back(controls: Any, block: Any) -> None:
    found = plan(controls({703: ENTER_703}), told(passed=entering(enter_delay_s=60)))
    form = found.effects["enter_service"].form
    assert form.differing(block(703, ENTER_703)) == ["ESDlyTms"]
    assert form.differing(block(703, ENTER_703 | {"ESDlyTms": 60})) == []


PF_704 = {"PFWInjEna": 0, "PFWInj.PF": 0, "PFWInj.Ext": 0, "PFWAbsEna": 0, "PFWAbs.PF": 0, "PFWAbs.Ext": 0, "PF_SF": -4}


@pytest.mark.parametrize(
    ("watts", "var", "factors", "left_out"),
    [
        (4000.0, 1000.0, {ControlMode.POWER_FACTOR_INJECT: 0.95}, "power_factor_inject"),  # 1,315 var at 0.95
        (4000.0, -1500.0, {ControlMode.POWER_FACTOR_INJECT: 0.95}, "reactive_power"),
        (0.0, 1.0, {ControlMode.POWER_FACTOR_INJECT: -0.8}, "reactive_power"),
        (-4000.0, 1500.0, {ControlMode.POWER_FACTOR_INJECT: 0.99}, "power_factor_inject"),  # not for charging
        (-4000.0, 1500.0, {ControlMode.POWER_FACTOR_ABSORB: 0.99}, "reactive_power"),
        (None, 2000.0, {ControlMode.POWER_FACTOR_INJECT: 0.95}, "power_factor_inject"),  # 2,958 var at 9 kW
        (None, 3500.0, {ControlMode.POWER_FACTOR_INJECT: 0.95}, "reactive_power"),
    ],
)
def test_of_a_reactive_power_and_a_power_factor_what_gives_the_least_var_is_written(
    controls: Any, watts: float | None, var: float, factors: dict[ControlMode, float], left_out: str
) -> None:
    passed = {mode: ModeValue(value) for mode, value in factors.items()}
    known = controls({704: POWER_704 | VAR_704 | PF_704})
    found = plan(known, told(watts, reactive_power_var=var, passed=passed))
    assert found.skipped == [f"{left_out}: what is asked beside it gives less var"]
    # A power factor of which nothing is written is not carried out, whatever else was.
    assert found.undone == {left_out} - {"reactive_power"}
    switches = {"reactive_power": "VarSetEna", "power_factor_inject": "PFWInjEna", "power_factor_absorb": "PFWAbsEna"}
    seen = {name: values(found).get(f"704.{label}", 0) for name, label in switches.items()}
    assert seen[left_out] == 0
    assert sum(seen.values()) == 1
