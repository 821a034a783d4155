import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    ModeValue,
    Outcome,
    OutcomeKind,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.timeline import TERMINAL, active, move, next_change, opts_out, state_at
from gridiface.errors import LocalProtocolError

GROUP = Target(TargetKind.GROUP, "g")


def control(name="c", start=100.0, duration=50.0, **more):
    return Control(
        id=name,
        source=Source(protocol="t"),
        target=GROUP,
        values={ControlMode.SET_W: ModeValue(1.0)},
        interval=Interval(start, duration),
        created=0.0,
        **more,
    )


@pytest.mark.parametrize(
    ("now", "state"),
    [(99.9, ControlState.SCHEDULED), (100.0, ControlState.ACTIVE), (150.0, ControlState.COMPLETED)],
)
def test_state_follows_the_span(now, state):
    assert state_at(control(), now) is state


def test_terminal_states_stay():
    assert set(TERMINAL) == {
        ControlState.COMPLETED,
        ControlState.CANCELLED,
        ControlState.SUPERSEDED,
        ControlState.REFUSED,
    }
    assert state_at(control(state=ControlState.CANCELLED), 120.0) is ControlState.CANCELLED


def test_only_steps_of_the_table_can_be_taken():
    assert move(control(), ControlState.ACTIVE).state is ControlState.ACTIVE
    with pytest.raises(LocalProtocolError):
        move(control(), ControlState.COMPLETED)


def test_active_and_next_change_leave_defaults_and_other_targets_out():
    default = control("d", 0.0, None, is_default=True)
    controls = [control("a"), control("b", 120.0, 10.0), default, control("x", 0.0, 10.0, state=ControlState.CANCELLED)]
    assert [one.id for one in active(controls, GROUP, 125.0)] == ["a", "b"]
    assert active(controls, Target(TargetKind.DEVICE, "g"), 125.0) == []
    assert next_change(controls, 0.0) == 100.0
    assert next_change(controls, 120.0) == 130.0
    assert next_change([default], 0.0) is None


@pytest.mark.parametrize(
    ("kind", "reason", "out"),
    [
        (OutcomeKind.FAILED, "blocked", True),
        (OutcomeKind.PARTIAL, "blocked: the device answered 8", True),
        (OutcomeKind.REFUSED, "blocked : the VEN opted out (200)", True),
        (OutcomeKind.REFUSED, "unsupported", False),
        (OutcomeKind.FAILED, "the device was blocked", False),
        (OutcomeKind.COMPLETED, "blocked", False),
    ],
)
def test_which_words_of_a_device_are_an_opt_out(kind, reason, out):
    assert opts_out(Outcome(control_id="c", kind=kind, at=0.0, device_id="d", reason=reason)) is out
