"""The answer to a control, at once and without changing anything: will it run, in full, for whom not.

Owns the order of the checks (what is wrong, too late, not allowed to stand, not able) and the draw of random times.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from gridiface.aggregation.deciding.arbitration import claims_of, displaced_kinds, kind_of, precedence
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.requests import CURVE_NEEDS, NEEDS, droop_needs, empty_window, fault_of
from gridiface.domain.clock import Instant, Interval, randomised
from gridiface.domain.controls import (
    ENTER_SERVICE_MODES,
    INFORMING_MODES,
    PASS_THROUGH_MODES,
    Acceptance,
    Control,
    ControlMode,
    ModeValue,
    TargetKind,
    Verdict,
)
from gridiface.domain.curves import curves_in
from gridiface.domain.fleet import Capability

#: Largest random shift of start and duration, s (IEEE 2030.5-2018 OneHourRangeType).
MOST_RANDOM_S = 3600.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What the checks need to know of a control's target.

    `abilities`: its members by what they can do. `barred`: why none of them may be controlled now, or empty.
    `lane`: which reserved part of the target's power a control rules.
    """

    exists: bool
    abilities: Mapping[frozenset[Capability], tuple[str, ...]]
    barred: str = ""
    lane: Callable[[Control], str] = lambda control: ""


def judge(control: Control, now: Instant, subject: Subject, known: Entry | None, rivals: Iterable[Entry]) -> Acceptance:
    """The verdict on a control but for its power (see `feasible_w` of the engine).

    Args:
        control: as sent.
        now: when it came.
        subject: its target.
        known: a control of the same id, if there is one.
        rivals: the live controls of the same target.
    """
    checks: tuple[Callable[[], Acceptance | None], ...] = (
        lambda: _shape(control, subject, known),
        lambda: _window(control, rivals),
        lambda: _time(control, now),
        lambda: _barred(control, subject),
    )
    for check in checks:
        refusal = check()
        if refusal is not None:
            return refusal
    able, left_out = _able(control, subject)
    if not able:
        modes = ", ".join(sorted(control.values))
        return _answer(control, Verdict.UNSUPPORTED, f"nobody in {control.target.id} can do {modes}", left_out)
    if not control.is_default:
        ruler = _ruler(control, rivals, subject.lane)
        if ruler is not None:
            return _answer(
                control, Verdict.SUPERSEDED, f"{ruler.id} of {ruler.source.protocol} rules for its whole span"
            )
    if left_out:
        return _answer(control, Verdict.PARTIAL, f"{len(left_out)} members do not support it", left_out)
    return _answer(control, Verdict.ACCEPTED)


def effective_interval(control: Control, now: Instant, seed: int) -> Interval:
    """The interval after randomisation, the same whenever it is drawn for the same seed and control id.

    A control that comes after its start begins now plus the random part, and keeps its specified end.
    """
    if control.effective is not None or control.is_default:
        return control.span
    start_s, duration_s = control.randomize_start_s, control.randomize_duration_s
    if start_s == 0 and duration_s == 0:
        return control.interval
    draw = random.Random(f"{seed}:{control.id}").random  # noqa: S311 - spreads load, protects nothing
    drawn = randomised(control.interval, start_s=start_s, duration_s=duration_s, draw=draw)
    if drawn.start >= now or control.interval.duration is None:
        return drawn
    draw = random.Random(f"{seed}:{control.id}").random  # noqa: S311 - as above, the same draws again
    start = max(control.interval.start, now) + draw() * abs(start_s)
    end = control.interval.end + draw() * duration_s
    return Interval(start, max(0.0, end - start))


def with_effective(control: Control, now: Instant, seed: int) -> Control:
    """The control with its effective interval."""
    return replace(control, effective=effective_interval(control, now, seed))


def supports(able: frozenset[Capability], mode: ControlMode, value: ModeValue) -> bool:
    """Whether a device that is able to do so much can carry out a mode, or needs to do nothing for it."""
    if mode is ControlMode.CURVE:
        needs = [CURVE_NEEDS.get(name, Capability.CURVES) for name in curves_in(value)]
        return Capability.CURVES in able or (bool(needs) and able.issuperset(needs))
    if mode is ControlMode.FREQUENCY_DROOP:
        return able.issuperset(droop_needs(value))
    needed = NEEDS.get(mode)
    if needed is None or needed & able:
        return True
    if mode in (ControlMode.CONNECT, ControlMode.ENERGIZE):
        # Without a switch it is always connected; told to give and take nothing it also is de-energised.
        return value.value == 1.0 or (mode is ControlMode.ENERGIZE and Capability.SET_W in able)
    return False


def _answer(control: Control, verdict: Verdict, reason: str = "", left_out: tuple[str, ...] = ()) -> Acceptance:
    return Acceptance(control_id=control.id, verdict=verdict, reason=reason, left_out=left_out)


def _shape(control: Control, subject: Subject, known: Entry | None) -> Acceptance | None:
    def invalid(reason: str) -> Acceptance:
        return _answer(control, Verdict.INVALID, reason)

    if known is not None and not (control.is_default and known.control.is_default):
        return invalid("a control of this id exists")
    if not subject.exists:
        return invalid(f"there is no {control.target.kind} {control.target.id!r}")
    if not control.values:
        return invalid("it asks for nothing")
    if abs(control.randomize_start_s) > MOST_RANDOM_S or abs(control.randomize_duration_s) > MOST_RANDOM_S:
        return invalid("randomisation beyond an hour")
    if control.interval.duration == 0 and not control.is_default:
        return invalid("its interval is empty")
    span_s = control.interval.end - control.interval.start
    for mode, value in control.values.items():
        fault = fault_of(mode, value, span_s=span_s)
        if fault:
            return invalid(fault)
    if sum(kind_of(mode, value) == "power" for mode, value in control.values.items()) > 1:
        return invalid("it names more than one power")
    return None


def _window(control: Control, rivals: Iterable[Entry]) -> Acceptance | None:
    """What would leave nothing of the window for entering service, beside what rules now, is refused."""
    if ENTER_SERVICE_MODES.isdisjoint(control.values):
        return None
    standing: dict[ControlMode, ModeValue] = {}
    for one in sorted((entry.control for entry in rivals if entry.active), key=precedence):
        standing.update(one.values)
    fault = empty_window({**standing, **control.values})
    return _answer(control, Verdict.INVALID, fault) if fault else None


def _time(control: Control, now: Instant) -> Acceptance | None:
    if not control.is_default and control.interval.end <= now:
        return _answer(control, Verdict.LATE, "its end has passed")
    return None


def _barred(control: Control, subject: Subject) -> Acceptance | None:
    if control.is_default or not subject.barred or all(mode in INFORMING_MODES for mode in control.values):
        return None
    return _answer(control, Verdict.BLOCKED, subject.barred)


def _able(control: Control, subject: Subject) -> tuple[bool, tuple[str, ...]]:
    """Whether each mode can be carried out by anybody, and the members that cannot do a mode that is passed through."""
    if not subject.abilities:
        # An empty group: its members may still register. A control waits for them; a device cannot be empty.
        return control.target.kind is TargetKind.GROUP, ()
    everyone = True
    left_out: set[str] = set()
    for claim in claims_of(control):
        unable = [able for able in subject.abilities if not supports(able, claim.mode, claim.value)]
        everyone = everyone and len(unable) < len(subject.abilities)
        if claim.mode in PASS_THROUGH_MODES:
            for able in unable:
                left_out.update(subject.abilities[able])
    return everyone, tuple(sorted(left_out))


def _ruler(control: Control, rivals: Iterable[Entry], lane: Callable[[Control], str]) -> Control | None:
    """The active control that leaves nothing of this one for its whole span, if there is one."""
    wanted = {claim.kind for claim in claims_of(control) if claim.mode not in INFORMING_MODES}
    if not wanted:
        return None
    # Of thousands that are ahead (an event with a value for every five minutes of days) only few are active.
    for entry in sorted((entry for entry in rivals if entry.active), key=lambda one: one.control.id):
        apart = lane(entry.control) != lane(control)
        if wanted <= displaced_kinds(entry.control, control, apart=apart) - entry.dead:
            return entry.control
    return None
