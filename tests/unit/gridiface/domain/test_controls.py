from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    CLASS_TIMING,
    CONTROL_TRANSITIONS,
    LIMIT_MODES,
    PASS_THROUGH_MODES,
    Acceptance,
    Control,
    ControlMode,
    ControlState,
    ModeValue,
    ServiceClass,
    Source,
    Target,
    TargetKind,
    Verdict,
)


def control(**changes):
    values = {
        "id": "c",
        "source": Source(protocol="t"),
        "target": Target(TargetKind.GROUP, "g"),
        "values": {ControlMode.SET_W: ModeValue(1.0)},
        "interval": Interval(100.0, 50.0),
        "created": 0.0,
    }
    return Control(**(values | changes))


def test_span_is_the_effective_interval_where_there_is_one():
    assert control().span == Interval(100.0, 50.0)
    assert control(effective=Interval(110.0, 40.0)).span == Interval(110.0, 40.0)


def test_the_latest_counts_the_random_parts():
    one = control(randomize_start_s=-30.0, randomize_duration_s=20.0)
    assert one.latest == 170.0


def test_kinds_of_modes_do_not_overlap():
    assert not LIMIT_MODES & PASS_THROUGH_MODES


def test_every_state_and_class_has_its_row():
    assert set(CONTROL_TRANSITIONS) == set(ControlState)
    assert set(CLASS_TIMING) == set(ServiceClass)


def test_only_accepted_and_partial_run():
    running = {v for v in Verdict if Acceptance(control_id="c", verdict=v).will_run}
    assert running == {Verdict.ACCEPTED, Verdict.PARTIAL}
