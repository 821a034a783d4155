import pytest

from gridiface.aggregation.deciding.acceptance import Subject, effective_interval, judge, supports
from gridiface.aggregation.deciding.entry import Entry
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    ModeValue,
    Source,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.domain.fleet import Capability

SET = frozenset({Capability.SET_W})
CURVES = frozenset({Capability.CURVES})
SUBJECT = Subject(True, {SET: ("a", "b"), CURVES: ("c",)})


def control(name="c1", start=100.0, duration=60.0, **more):
    modes = more.pop("modes", {ControlMode.SET_W: ModeValue(5.0)})
    values = {
        "source": Source(protocol="t", program="p", authority=more.pop("authority", 0.0)),
        "target": more.pop("target", Target(TargetKind.GROUP, "g")),
        "created": more.pop("created", 1.0),
    }
    return Control(id=name, values=modes, interval=Interval(start, duration), **values, **more)


def verdict(one, subject=SUBJECT, known=None, rivals=(), now=50.0):
    return judge(one, now, subject, known, rivals).verdict


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        (ControlMode.SET_W, 5.0, Verdict.ACCEPTED),
        (ControlMode.SET_W, float("nan"), Verdict.INVALID),
        (ControlMode.SET_W, float("inf"), Verdict.INVALID),
        (ControlMode.SET_W_PERCENT, 101.0, Verdict.INVALID),
        (ControlMode.EXPORT_LIMIT, -1.0, Verdict.INVALID),
        (ControlMode.MAX_W_PERCENT, 100.5, Verdict.INVALID),
        (ControlMode.CONNECT, 0.5, Verdict.INVALID),
        (ControlMode.POWER_FACTOR_INJECT, 0.0, Verdict.INVALID),
        (ControlMode.SET_VAR, 5.0, Verdict.UNSUPPORTED),
        (ControlMode.CURVE, 0.0, Verdict.PARTIAL),
        (ControlMode.ENERGIZE, 0.0, Verdict.PARTIAL),
        (ControlMode.ENERGIZE, 1.0, Verdict.ACCEPTED),
        (ControlMode.PRICE, 0.2, Verdict.ACCEPTED),
        (ControlMode.MESSAGE, 0.0, Verdict.ACCEPTED),
    ],
)
def test_values(mode, value, expected):
    assert verdict(control(modes={mode: ModeValue(value)})) is expected


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (control(start=-20.0, duration=60.0), Verdict.LATE),
        (control(duration=0.0), Verdict.INVALID),
        (control(randomize_start_s=3601.0), Verdict.INVALID),
        (control(modes={}), Verdict.INVALID),
        (control(modes={ControlMode.SET_W: ModeValue(1.0), ControlMode.DELTA_W: ModeValue(1.0)}), Verdict.INVALID),
        (control(duration=None, modes={ControlMode.ENERGY_TARGET: ModeValue(1.0)}), Verdict.INVALID),
        (control(start=0.0, duration=None, is_default=True), Verdict.ACCEPTED),
    ],
)
def test_shape_and_time(one, expected):
    assert verdict(one) is expected


def test_target_and_block():
    assert verdict(control(), Subject(False, {})) is Verdict.INVALID
    assert verdict(control(), Subject(True, {SET: ("a",)}, "blocked by the operator")) is Verdict.BLOCKED
    assert verdict(control(), Subject(True, {})) is Verdict.ACCEPTED  # members may still come
    assert verdict(control(target=Target(TargetKind.DEVICE, "x")), Subject(True, {})) is Verdict.UNSUPPORTED


def test_an_id_comes_once_but_for_defaults():
    assert verdict(control(), known=Entry(control())) is Verdict.INVALID
    default = control(is_default=True)
    assert verdict(default, known=Entry(default)) is Verdict.ACCEPTED


def test_superseded_for_its_whole_span_by_what_runs():
    ruler = Entry(control("r", 0.0, None, authority=5.0, state=ControlState.ACTIVE))
    waiting = Entry(control("r", 60.0, None, authority=5.0))
    short = Entry(control("r", 0.0, 120.0, authority=5.0, state=ControlState.ACTIVE))
    assert verdict(control(), rivals=[ruler]) is Verdict.SUPERSEDED
    assert verdict(control(), rivals=[waiting]) is Verdict.ACCEPTED
    assert verdict(control(authority=6.0), rivals=[ruler]) is Verdict.ACCEPTED
    assert verdict(control(modes={ControlMode.EXPORT_LIMIT: ModeValue(1.0)}), rivals=[ruler]) is Verdict.ACCEPTED
    other_program = control()
    assert short.control.source.program == other_program.source.program


def test_left_out_names_those_who_cannot():
    answer = judge(control(modes={ControlMode.CURVE: ModeValue(0.0)}), 0.0, SUBJECT, None, ())
    assert answer.left_out == ("a", "b")


def test_random_times_are_the_same_at_each_draw_and_inside_their_range():
    one = control(randomize_start_s=-30.0, randomize_duration_s=20.0)
    drawn = effective_interval(one, 50.0, seed=7)
    assert drawn == effective_interval(one, 55.0, seed=7)
    assert 70.0 <= drawn.start <= 100.0
    assert 60.0 <= drawn.duration <= 80.0
    assert drawn != effective_interval(one, 50.0, seed=8)


def test_a_late_one_starts_after_now_and_keeps_its_specified_end():
    one = control(start=0.0, duration=100.0, randomize_start_s=-30.0)
    drawn = effective_interval(one, 50.0, seed=1)
    assert 50.0 <= drawn.start <= 80.0
    assert drawn.end == pytest.approx(100.0)


def test_who_has_no_switch_is_always_connected():
    assert supports(SET, ControlMode.CONNECT, ModeValue(1.0))
    assert not supports(SET, ControlMode.CONNECT, ModeValue(0.0))
    assert supports(SET, ControlMode.ENERGIZE, ModeValue(0.0))


ENTERS = frozenset({Capability.ENTER_SERVICE})


def entering(**values):
    return {ControlMode(name): ModeValue(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"enter_v_high": 105.0, "enter_v_low": 91.7}, Verdict.PARTIAL),
        ({"enter_v_high": 91.7, "enter_v_low": 91.7}, Verdict.INVALID),
        ({"enter_hz_high": 59.0, "enter_hz_low": 60.0}, Verdict.INVALID),
        ({"enter_v_high": 200.1}, Verdict.INVALID),
        ({"enter_delay_s": -1.0}, Verdict.INVALID),
        ({"enter_ramp_s": 4.3e7}, Verdict.INVALID),
    ],
)
def test_when_members_return_to_service(values, expected):
    """Those that cannot be told are left out; an empty window and times below 0 are refused."""
    subject = Subject(True, {SET: ("a", "b"), ENTERS: ("c",)})
    answer = judge(control(modes=entering(**values)), 50.0, subject, None, ())
    assert answer.verdict is expected
    assert answer.left_out == (("a", "b") if expected is Verdict.PARTIAL else ())


def test_nobody_who_can_be_told_when_to_return_to_service():
    assert verdict(control(modes=entering(enter_delay_s=60.0))) is Verdict.UNSUPPORTED


def test_a_bound_that_leaves_nothing_beside_the_one_that_rules_is_refused():
    subject = Subject(True, {ENTERS: ("c",)})
    low = Entry(control("low", modes=entering(enter_hz_low=59.5), state=ControlState.ACTIVE))
    waiting = Entry(control("later", modes=entering(enter_hz_low=60.5)))
    assert verdict(control(modes=entering(enter_hz_high=59.5)), subject, rivals=[low]) is Verdict.INVALID
    assert verdict(control(modes=entering(enter_hz_high=60.1)), subject, rivals=[low, waiting]) is Verdict.ACCEPTED


VOLT_VAR = frozenset({Capability.VOLT_VAR})


def asked(*names):
    record = {"curveData": [{"xvalue": 1, "yvalue": 1}]}
    return ModeValue(float(len(names)), payload=dict.fromkeys(names, record))


@pytest.mark.parametrize(
    ("able", "names", "can"),
    [
        (VOLT_VAR, ("opModVoltVar",), True),
        (VOLT_VAR, ("opModVoltWatt",), False),
        (VOLT_VAR, ("opModVoltVar", "opModVoltWatt"), False),
        (CURVES, ("opModVoltVar", "opModLVRTMustTrip"), True),
        (frozenset({Capability.LOW_VOLTAGE_TRIP}), ("opModLVRTMustTrip",), True),
        (frozenset({Capability.LOW_VOLTAGE_TRIP}), ("opModLVRTMayTrip",), False),
        (frozenset({Capability.LOW_VOLTAGE_CESSATION}), ("opModLVRTMomentaryCessation",), True),
        (SET, ("opModVoltVar",), False),
        (VOLT_VAR, ("something",), False),
    ],
)
def test_who_can_do_which_curve(able, names, can):
    assert supports(able, ControlMode.CURVE, asked(*names)) is can


def test_a_curve_that_nobody_can_do_and_one_that_is_none():
    subject = Subject(True, {VOLT_VAR: ("a",), CURVES: ("b",)})
    answer = judge(control(modes={ControlMode.CURVE: asked("opModVoltVar", "opModVoltWatt")}), 50.0, subject, None, ())
    assert (answer.verdict, answer.left_out) == (Verdict.PARTIAL, ("a",))
    only = Subject(True, {VOLT_VAR: ("a",)})
    assert verdict(control(modes={ControlMode.CURVE: asked("opModVoltWatt")}), only) is Verdict.UNSUPPORTED
    broken = ModeValue(1.0, payload={"opModVoltVar": {"curveData": []}})
    assert verdict(control(modes={ControlMode.CURVE: broken}), only) is Verdict.INVALID


@pytest.mark.parametrize(
    ("limits", "needed"),
    [
        ({}, set()),
        ({"minW": None}, set()),
        ({"minW": 0}, {Capability.FREQUENCY_DROOP_LEAST}),
        ({"minW": 100, "maxW": 9_000}, {Capability.FREQUENCY_DROOP_LEAST, Capability.FREQUENCY_DROOP_MOST}),
    ],
)
def test_a_droop_goes_to_those_that_can_be_told_its_limits(limits, needed):
    value = ModeValue(1.0, payload={"dBOF": 36, "dBUF": 36, "kOF": 50, "kUF": 50, "openLoopTms": 0, **limits})
    mode, whole = ControlMode.FREQUENCY_DROOP, {Capability.FREQUENCY_DROOP, *needed}
    assert supports(frozenset(whole), mode, value)
    assert not any(supports(frozenset(whole - {one}), mode, value) for one in whole)
