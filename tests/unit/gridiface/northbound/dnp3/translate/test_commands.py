"""Commands as controls and verdicts as status codes: the tables of the translation."""

import math

import pytest

from gridiface.domain.controls import Acceptance, ControlMode, ModeValue, Target, TargetKind, Verdict
from gridiface.domain.curves import CurveKind
from gridiface.domain.quantities import PercentBase
from gridiface.northbound.dnp3.pointmap.meanings import CONTROLLING, Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.translate.commands import (
    Sender,
    control_of,
    empties_window,
    feasible_of,
    in_range,
    pulses,
    ramp_s,
    rated_s,
    state_of,
    status_of,
    values_of,
    wire_value,
)
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.points import PointType

NOW = 1.7e9
SENDER = Sender(station="gw", master="iso", authority=5.0)
FLEET = Target(TargetKind.GROUP, "fleet")


def output(action, *, type_=PointType.ANALOG_OUTPUT, **more):
    argument = {Action.RAISE: "1000", Action.LOWER: "1000", Action.CURVE: "volt_var"}.get(action, "")
    return PointEntry(type=type_, index=3, name="out", action=action, argument=argument, **more)


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (0x00, None),
        (0x01, True),
        (0x02, False),
        (0x03, True),
        (0x04, False),
        (0x41, True),
        (0x81, False),
        (0x43, True),
        (0x80, False),
        (0x42, True),  # what is closed or tripped counts, whatever the pulse
        (0x44, True),
        (0x83, False),
    ],
)
def test_control_codes_mean_on_or_off(code, state):
    assert state_of(ControlRelayOutputBlock(code)) is state


def test_the_value_of_a_command():
    relay = output(Action.CONNECT, type_=PointType.BINARY_OUTPUT)
    assert wire_value(relay, ControlRelayOutputBlock(0x81)) == 0
    assert wire_value(relay, ControlRelayOutputBlock(0x00)) is None
    assert wire_value(output(Action.SET_W), AnalogOutput(2.5)) == 2.5
    once = output(Action.ENERGIZE, type_=PointType.BINARY_OUTPUT, on_only=True)
    assert wire_value(once, ControlRelayOutputBlock(0x04)) is None
    assert pulses(ControlRelayOutputBlock(1, count=3)) == 3
    assert pulses(AnalogOutput(1)) == 1


@pytest.mark.parametrize("action", sorted(CONTROLLING))
def test_every_controlling_action_has_a_mode(action):
    ((mode, value),) = values_of(output(action), 1.0).items()
    assert isinstance(mode, ControlMode)
    assert value.value == 1.0


@pytest.mark.parametrize(
    ("action", "value", "taken"),
    [
        (Action.SET_W, -5e6, True),
        (Action.SET_W, math.nan, False),
        (Action.MAX_W_PERCENT, 100, True),
        (Action.MAX_W_PERCENT, 100.1, False),
        (Action.EXPORT_LIMIT, -1, False),
        (Action.POWER_FACTOR_INJECT, 0, False),
        (Action.POWER_FACTOR_INJECT, -0.95, True),
        (Action.SET_VAR_PERCENT, -101, False),
        (Action.SET_W, 0, True),
        (Action.POWER_FACTOR_ABSORB, 0, False),
        (Action.POWER_FACTOR_ABSORB, 1, True),
        (Action.POWER_FACTOR_ABSORB, 1.01, False),
        (Action.SET_W_PERCENT, 100, True),
        (Action.SET_W_PERCENT, -100.5, False),
        (Action.SET_W_PERCENT, 100.5, False),
        (Action.MAX_W_PERCENT, 0, True),
        (Action.MAX_W_PERCENT, -0.5, False),
        (Action.EXPORT_LIMIT, 0, True),
        (Action.IMPORT_LIMIT, -1, False),
        (Action.GENERATION_LIMIT, -1, False),
        (Action.LOAD_LIMIT, -1, False),
        (Action.LOAD_LIMIT, 0, True),
        (Action.SET_VAR_PERCENT, 100, True),
        (Action.SET_VAR_PERCENT, 100.5, False),
        (Action.ENTER_V_HIGH, 200, True),
        (Action.ENTER_V_HIGH, 200.5, False),
        (Action.ENTER_V_LOW, 0, True),
        (Action.ENTER_V_LOW, -0.5, False),
        (Action.ENTER_HZ_HIGH, 100, True),
        (Action.ENTER_HZ_HIGH, 100.5, False),
        (Action.ENTER_HZ_LOW, -0.5, False),
        (Action.ENTER_DELAY, -1, False),
        (Action.ENTER_RANDOM_DELAY, -1, False),
        (Action.ENTER_RAMP, 42_949_672, True),
        (Action.ENTER_RAMP, 42_949_673, False),
        (Action.REGULATION, math.inf, False),
    ],
)
def test_values_that_a_mode_cannot_have(action, value, taken):
    assert in_range(output(action), value) is taken


@pytest.mark.parametrize(
    ("action", "value", "other", "bound", "empties"),
    [
        (Action.ENTER_V_HIGH, 105, Action.ENTER_V_LOW, 105, True),
        (Action.ENTER_V_HIGH, 105.1, Action.ENTER_V_LOW, 105, False),
        (Action.ENTER_V_LOW, 95, Action.ENTER_V_HIGH, 95, True),
        (Action.ENTER_V_LOW, 94.9, Action.ENTER_V_HIGH, 95, False),
        (Action.ENTER_HZ_HIGH, 50.0, Action.ENTER_HZ_LOW, 50.1, True),
        (Action.ENTER_HZ_LOW, 50.0, Action.ENTER_HZ_HIGH, 50.1, False),
        (Action.ENTER_HZ_LOW, 50.0, Action.ENTER_HZ_HIGH, None, False),
        (Action.ENTER_DELAY, 300, None, 0, False),
        (Action.SET_W, 0, None, 0, False),
    ],
)
def test_a_window_for_entering_service_keeps_some_width(action, value, other, bound, empties):
    asked = []
    assert empties_window(output(action), value, lambda one: asked.append(one) or bound) is empties
    assert asked == ([] if other is None else [other])


def test_percentages_name_their_base_and_curves_their_kind():
    def only(entry, value, payload=None):
        ((mode, found),) = values_of(entry, value, payload).items()
        return mode, found

    share = PointEntry(
        type=PointType.ANALOG_OUTPUT, index=3, name="out", action=Action.SET_W_PERCENT, argument="setMaxChargeRateW"
    )
    assert only(share, 5.0) == (ControlMode.SET_W_PERCENT, ModeValue(5.0, "setMaxChargeRateW"))
    assert only(output(Action.MAX_W_PERCENT), 5.0)[1].base == PercentBase.MAX_W
    assert only(output(Action.SET_VAR_PERCENT), 5.0)[1].base == PercentBase.MAX_VAR
    assert only(output(Action.SET_W), 5.0)[1].base == ""
    assert only(output(Action.CURVE), 2.0, "points") == (
        ControlMode.CURVE,
        ModeValue(2.0, CurveKind.VOLT_VAR.mode, "points"),
    )
    assert only(output(Action.DROOP), 1.0, "droop") == (ControlMode.FREQUENCY_DROOP, ModeValue(1.0, payload="droop"))


def test_a_control_runs_from_now_until_changed_or_its_hold_time():
    entry = output(Action.SET_W)
    control = control_of(entry, 2e6, SENDER, FLEET, NOW, number=7)
    assert control.interval.start == control.created == NOW
    assert control.interval.duration is None
    assert control.source.authority == 5.0
    assert control_of(entry, 2e6, SENDER, FLEET, NOW, number=7, hold_s=0).interval.duration is None
    assert control_of(entry, 2e6, SENDER, FLEET, NOW, number=7, hold_s=60).interval.duration == 60


def test_ids_order_as_commands_came():
    entry = output(Action.SET_W)
    ids = [control_of(entry, 1.0, SENDER, FLEET, NOW, number=number).id for number in (9, 10, 11)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 3


def test_masters_and_slots_have_programs_of_their_own():
    other = Sender(station="gw", master="dso", authority=0.0)
    assert len({SENDER.program("a"), SENDER.program("b"), other.program("a")}) == 3


@pytest.mark.parametrize(("ramp", "now_w", "expected"), [(1e5, 1e6, 20.0), (0.0, 1e6, None), (1e5, None, None)])
def test_a_ramp_becomes_the_time_to_reach_the_value(ramp, now_w, expected):
    assert ramp_s(output(Action.SET_W), 3e6, now_w=lambda: now_w, ramp_w_per_s=ramp) == expected


def test_a_ramp_is_that_of_powers_and_a_time_goes_before_it():
    where = {"now_w": lambda: 1e6, "ramp_w_per_s": 1e5}
    assert ramp_s(output(Action.EXPORT_LIMIT), 3e6, **where) is None
    assert ramp_s(output(Action.SET_W), -1e6, **where) == 20.0
    assert ramp_s(output(Action.SET_W), 3e6, ramp_time_s=7.0, **where) == 7.0
    assert ramp_s(output(Action.EXPORT_LIMIT), 3e6, ramp_time_s=7.0, **where) == 7.0
    assert ramp_s(output(Action.SET_W), 3e6, now_w=lambda: 1e6, ramp_w_per_s=-1.0) is None


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.ACCEPTED, CommandStatus.SUCCESS),
        (Verdict.PARTIAL, CommandStatus.SUCCESS),
        (Verdict.SUPERSEDED, CommandStatus.AUTOMATION_INHIBIT),
        (Verdict.UNSUPPORTED, CommandStatus.NOT_SUPPORTED),
        (Verdict.INVALID, CommandStatus.FORMAT_ERROR),
        (Verdict.LATE, CommandStatus.TIMEOUT),
        (Verdict.BLOCKED, CommandStatus.BLOCKED),
        (Verdict.NOT_ALLOWED, CommandStatus.NOT_AUTHORIZED),
    ],
)
def test_every_verdict_has_a_status(verdict, status):
    assert status_of(Acceptance(control_id="c", verdict=verdict)) is status


def test_a_block_in_local_mode_is_local_and_a_part_can_be_refused():
    blocked = Acceptance(control_id="c", verdict=Verdict.BLOCKED)
    partial = Acceptance(control_id="c", verdict=Verdict.PARTIAL, feasible_w=1.0)
    assert status_of(blocked, local=True) is CommandStatus.LOCAL
    assert status_of(partial, strict=True) is CommandStatus.OUT_OF_RANGE
    for verdict in set(Verdict) - {Verdict.BLOCKED, Verdict.PARTIAL}:
        answer = Acceptance(control_id="c", verdict=verdict)
        assert status_of(answer, local=True, strict=True) is status_of(answer)
    without = Acceptance(control_id="c", verdict=Verdict.PARTIAL, left_out=("b2",))
    assert status_of(without, strict=True) is CommandStatus.SUCCESS


@pytest.mark.parametrize(
    ("action", "si", "requested", "feasible", "shown"),
    [
        (Action.SET_W, 5e6, 5e6, 2e6, 2e6),
        (Action.REGULATION, -5e6, -5e6, -2e6, -2e6),
        (Action.SET_W_PERCENT, 80.0, 8e6, 2e6, 20.0),
        (Action.SET_W_PERCENT, -80.0, -4e6, -1e6, -20.0),
        (Action.SET_W_PERCENT, 80.0, 8e6, 8e6, 80.0),
        (Action.SET_W_PERCENT, 80.0, 8e6, -1e6, 0.0),  # an import limit below what others take
        (Action.SET_W_PERCENT, 0.0, 0.0, 1e6, None),
        (Action.DELTA_W, 5e6, 6e6, 2e6, 1e6),
        (Action.DELTA_W, -5e6, -4e6, -4e6, -5e6),
        (Action.DELTA_W, 5e6, None, 2e6, None),
        (Action.SET_W_PERCENT, 80.0, None, None, None),
        (Action.EXPORT_LIMIT, 5e6, 5e6, 2e6, None),
    ],
)
def test_what_can_be_done_is_told_in_the_quantity_that_was_commanded(action, si, requested, feasible, shown):
    answer = Acceptance(control_id="c", verdict=Verdict.PARTIAL, feasible_w=feasible, requested_w=requested)
    assert feasible_of(action, si, answer) == (None if shown is None else pytest.approx(shown))


@pytest.mark.parametrize(
    ("here", "goal", "seconds"),
    [
        (0.0, 1e6, 10.0),  # 2 % of 5 MW by second
        (2e6, 1e6, 5.0),  # 4 %
        (-1e6, -2e6, 25.0),  # 1 % of 4 MW
        (-2e6, 0.0, 6.25),  # 8 %
        (-2e6, 1e6, 16.25),  # less is taken, then more delivered
        (1e6, -2e6, 55.0),
        (1e6, 1e6, 0.0),
    ],
)
def test_the_way_at_ramp_rates(here, goal, seconds):
    rates = {"discharge_up": 2.0, "discharge_down": 4.0, "charge_up": 1.0, "charge_down": 8.0}
    assert rated_s(goal, here, rates.__getitem__, 5e6, 4e6) == pytest.approx(seconds)
    assert rated_s(goal, here, lambda _: 0.0, 5e6, 4e6) == 0.0  # no ramp
