"""Which controls rule a target at `now`, and when that changes next. Pure; holds no clock.

One control's life: scheduled until its span begins, active inside it, completed after it, unless it was cancelled,
superseded or refused before. Which of several active ones wins is the engine's arbitration, not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gridiface.domain.clock import Instant
from gridiface.domain.controls import (
    CONTROL_TRANSITIONS,
    Control,
    ControlState,
    Outcome,
    OutcomeKind,
    Target,
    Verdict,
)
from gridiface.errors import LocalProtocolError

#: States that a control never leaves.
TERMINAL = frozenset(state for state, following in CONTROL_TRANSITIONS.items() if not following)

#: How the part ends, or does not begin, of a device whose customer opts out.
_OUT = frozenset({OutcomeKind.REFUSED, OutcomeKind.FAILED, OutcomeKind.PARTIAL})


def opts_out(outcome: Outcome) -> bool:
    """Whether a device says that its customer takes no part, or no part any more: its reason begins with BLOCKED."""
    return outcome.kind in _OUT and outcome.reason.partition(":")[0].strip() == Verdict.BLOCKED


def move(control: Control, state: ControlState) -> Control:
    """The control in its next state.

    Raises:
        LocalProtocolError: the life cycle has no such step.
    """
    if state not in CONTROL_TRANSITIONS[control.state]:
        raise LocalProtocolError(f"control {control.id} cannot go from {control.state} to {state}")
    return replace(control, state=state)


def state_at(control: Control, now: Instant) -> ControlState:
    """The state its span alone gives it at `now`; a terminal state stays."""
    if control.state in TERMINAL:
        return control.state
    if now < control.span.start:
        return ControlState.SCHEDULED
    return ControlState.ACTIVE if now < control.span.end else ControlState.COMPLETED


def active(controls: Iterable[Control], target: Target, now: Instant) -> list[Control]:
    """The controls of exactly `target` that are active at `now`, default controls left out."""
    return [
        control
        for control in controls
        if control.target == target and not control.is_default and state_at(control, now) is ControlState.ACTIVE
    ]


def next_change(controls: Iterable[Control], now: Instant) -> Instant | None:
    """The first instant after `now` at which some control starts or ends; None when nothing is ahead."""
    ahead = [
        edge
        for control in controls
        if control.state not in TERMINAL and not control.is_default
        for edge in (control.span.start, control.span.end)
        if now < edge < float("inf")
    ]
    return min(ahead, default=None)
