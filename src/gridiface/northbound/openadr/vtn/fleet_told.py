"""What an event tells one device, and what a VEN's words on it mean for set-points and controls. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Delivery, DeliveryOutcome, Outcome, OutcomeKind, Setpoint, Verdict
from gridiface.northbound.openadr.committer import News
from gridiface.protocols.openadr.answers import Code
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.vtn.notices import EventAnswered, EventStatusChanged


@dataclass(slots=True)
class Told:
    """An event that tells one device something.

    Attributes:
        device_id: whom.
        controls: the controls that it carries out.
        watts: the set-point, W + delivered; None where it is none.
        until: when it ends; None: open.
        baseline_w: the load that deltas and levels started from, kept while the device is told anything.
        current: the one that counts; others only wait for the VEN's word on their end.
        goes_on: why its VEN, told to end it, carries it out to its own end (rule 36); "" where it does not.
        left: its VEN opted out of it and was let go; the event stands, so that the VEN can opt in again.
    """

    device_id: str
    controls: list[str]
    watts: float | None
    until: Instant | None
    issued: Instant
    baseline_w: float | None = None
    current: bool = True
    goes_on: str = ""
    left: bool = False


def end_of(notice: EventAnswered | EventStatusChanged) -> str:
    """What is to be said of an event's end; "" where its VEN ends it."""
    if isinstance(notice, EventAnswered) and notice.opt != "optIn":
        return f"the VEN cannot end the event: {notice.description or notice.code}"
    return ""


def ends(told: Told) -> Instant:
    """When the event is over, s since 1970; infinity where it is open."""
    return math.inf if told.until is None else told.until


def says(event: Event) -> list[tuple[str, str, tuple[float, ...]]]:
    """What an event asks for, without its times."""
    return [(signal.name, signal.type, signal.values) for signal in event.signals]


def delivery_of(setpoint: Setpoint, outcome: DeliveryOutcome, now: Instant, detail: str = "") -> Delivery:
    """What became of a set-point."""
    return Delivery(device_id=setpoint.device_id, outcome=outcome, at=now, setpoint=setpoint, detail=detail)


def answer_of(told: Told, notice: EventAnswered, now: Instant) -> News:
    """A VEN's word on an event that runs or is to run."""
    if notice.opt == "optIn":
        # Its word on what was replaced meanwhile tells nothing of what it is to fetch now.
        kinds = (OutcomeKind.RECEIVED, OutcomeKind.STARTED) if told.current else (OutcomeKind.RECEIVED,)
        return News(deliveries=_word(told, DeliveryOutcome.ACKNOWLEDGED, now, ""), outcomes=steps(told, kinds, now, ""))
    kinds = (OutcomeKind.RECEIVED, OutcomeKind.REFUSED)
    said = "" if notice.description.upper() == "OK" else notice.description
    reason = said or f"the VEN opted out ({notice.code})"
    if notice.code == Code.OK:  # its customer's choice, and no failure: nothing went wrong with what it was told
        return News(outcomes=steps(told, kinds, now, f"{Verdict.BLOCKED}: {reason}"))
    return News(deliveries=_word(told, DeliveryOutcome.REJECTED, now, reason), outcomes=steps(told, kinds, now, reason))


def _word(told: Told, outcome: DeliveryOutcome, now: Instant, reason: str) -> list[Delivery]:
    setpoint = Setpoint(
        device_id=told.device_id,
        issued=told.issued,
        active_power_w=told.watts,
        valid_until=told.until,
        control_ids=tuple(told.controls),
    )
    return [delivery_of(setpoint, outcome, now, reason)]


def steps(told: Told, kinds: Sequence[OutcomeKind], now: Instant, reason: str) -> list[Outcome]:
    """These steps in the life of every control that an event carries out, for its device."""
    return [
        Outcome(control_id=control, kind=kind, at=now, device_id=told.device_id, reason=reason)
        for control in told.controls
        for kind in kinds
    ]
