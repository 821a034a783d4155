"""The event as both ends think of it: times, signals, target; its status at a time; to and from the wire.

Owns the life cycle by the clock (far, near, active, completed), and the order in a payload.
Does not own who gets it, who answered, or what is done about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.changes import fits_a_key
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties, Tolerate
from gridiface.protocols.openadr.payloads.event import (
    Components,
    CurrentValue,
    EiActivePeriod,
    EiEvent,
    EiEventBaseline,
    EiEventSignal,
    EiEventSignals,
    EventDescriptor,
    OadrEvent,
)
from gridiface.protocols.openadr.payloads.stream import Interval, Intervals, ItemBase, PayloadFloat, SignalPayload
from gridiface.protocols.openadr.times import after, is_too_long

FAR, NEAR, ACTIVE, COMPLETED, CANCELLED = "far", "near", "active", "completed", "cancelled"
_MISSING_INFORMATION = 459
_OUT_OF_SEQUENCE = 450
_INVALID_ID = 452
_INVALID_DATA = 454


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A row of values: `durations[i]` seconds of `values[i]`, from dtstart on. `devices` are device classes."""

    name: str
    type: str
    id: str
    durations: tuple[int, ...]
    values: tuple[float, ...]
    unit: ItemBase | None = None
    devices: tuple[str, ...] = ()

    def interval_at(self, start: float, at: float) -> int | None:
        """Which interval runs at `at` when the first begins at `start`; None outside. Duration 0 is open-ended."""
        if at < start:
            return None
        begin = start
        for index, duration in enumerate(self.durations):
            begin = math.inf if duration == 0 else after(begin, duration)
            if at < begin:
                return index
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What would be used without the event; times of its own (rules 101, 102)."""

    id: str
    name: str
    dtstart: float
    durations: tuple[int, ...]
    values: tuple[float, ...]
    unit: ItemBase | None = None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. Times are instants and seconds; duration 0 is open-ended (rule 47).

    `ramp_up` and `recovery` may be negative: then they lie inside the active period. `priority` 0 is the lowest,
    1 the highest (rule 3). `test` is the text of testEvent, None when absent.
    """

    id: str
    modification: int = 0
    market_context: str
    dtstart: float
    duration: int
    signals: tuple[Signal, ...]
    startafter: int = 0
    notification: int | None = 0
    ramp_up: int | None = None
    recovery: int | None = None
    priority: int | None = None
    test: str | None = None
    comment: str | None = None
    target: EiTarget = field(default_factory=EiTarget)
    baseline: Baseline | None = None
    response_required: bool = True
    created: float = 0.0
    modified: float | None = None
    modification_reason: str | None = None
    status: str = FAR

    @property
    def is_test(self) -> bool:
        """Any text of testEvent but "false" marks a test (rule 6)."""
        return self.test is not None and self.test.strip().lower() != "false"

    @property
    def end(self) -> float:
        """Dtstart + duration, infinity where it is open-ended."""
        return math.inf if self.duration == 0 else after(self.dtstart, self.duration)

    @property
    def last_end(self) -> float:
        """When the last VEN may still run it: the end plus startafter (rule 66)."""
        return self.end + self.startafter

    @property
    def near(self) -> float:
        """When it becomes near: at the start of a ramp-up before dtstart; dtstart where there is none (rule 13)."""
        return self.dtstart - max(0, self.ramp_up or 0)

    @property
    def fits_a_profile(self) -> bool:
        """Whether a VEN of the A profile can be told it: by a SIMPLE signal, to a target of a kind that it knows."""
        target = self.target
        known = target.groupID or target.resourceID or target.venID or target.partyID
        return any(s.name in {"SIMPLE", "simple"} for s in self.signals) and bool(known or target.is_empty())

    def status_at(self, now: float) -> str:
        """Status by the clock; cancelled stays cancelled."""
        if self.status == CANCELLED:
            return CANCELLED
        if now < self.near:
            return FAR
        if now < self.dtstart:
            return NEAR
        return ACTIVE if now < self.end else COMPLETED

    def changes_around(self, now: float) -> tuple[float, float]:
        """The last instant up to `now`, and the next one after it, at which status or a value changes by the clock.

        Minus infinity, and infinity, where there is none.
        """
        changes = self._changes()
        last = max((t for t in changes if t <= now), default=-math.inf)
        return last, min((t for t in changes if t > now), default=math.inf)

    def _changes(self) -> list[float]:
        times = [self.near, self.dtstart, self.end, self.last_end]
        for signal in self.signals:
            begin = self.dtstart
            for duration in signal.durations:
                begin = after(begin, duration)
                times.append(begin)
        return times


def rank(event: Event, now: float) -> tuple[int, float, float, str]:
    """Sort key of an event in a payload (rule 15): active by priority then start, pending by start, then the rest.

    The event's id breaks ties, so that the order under replyLimit is stable.
    """
    active = event.dtstart <= now < event.end
    pending = now < event.dtstart
    # 0 is the lowest priority although it is the smallest number.
    priority = float(event.priority) if event.priority else math.inf
    if active:
        return (0, priority, event.dtstart, event.id)
    return (1 if pending else 2, event.dtstart, 0.0, event.id)


def to_wire(event: Event, now: float) -> OadrEvent:
    """The event as it is sent at `now`: status and current values are computed (rule 115)."""
    descriptor = EventDescriptor(
        eventID=event.id,
        modificationNumber=event.modification,
        modificationDateTime=event.modified,
        modificationReason=event.modification_reason,
        priority=event.priority,
        eiMarketContext=event.market_context,
        createdDateTime=event.created,
        eventStatus=event.status_at(now),
        testEvent=event.test,
        vtnComment=event.comment,
    )
    period = Properties(
        dtstart=event.dtstart,
        duration=event.duration,
        tolerance=Tolerate(startafter=event.startafter) if event.startafter else None,
        x_eiNotification=event.notification or 0,
        x_eiRampUp=event.ramp_up,
        x_eiRecovery=event.recovery,
    )
    wire_signals = EiEventSignals(
        eiEventSignal=[_signal_to_wire(signal, event, now) for signal in event.signals],
        eiEventBaseline=_baseline_to_wire(event.baseline) if event.baseline else None,
    )
    return OadrEvent(
        eiEvent=EiEvent(
            eventDescriptor=descriptor,
            eiActivePeriod=EiActivePeriod(properties=period, components=Components()),
            eiEventSignals=wire_signals,
            eiTarget=event.target,
        ),
        oadrResponseRequired="always" if event.response_required else "never",
    )


def _signal_to_wire(signal: Signal, event: Event, now: float) -> EiEventSignal:
    current = current_value(signal, event, now)
    return EiEventSignal(
        intervals=_rows_to_wire(signal.durations, signal.values),
        eiTarget=EiTarget(endDeviceAsset=list(signal.devices)) if signal.devices else None,
        signalName=signal.name,
        signalType=signal.type,
        signalID=signal.id,
        itemBase=signal.unit,
        currentValue=None if current is None else CurrentValue(payloadFloat=PayloadFloat(value=current)),
    )


def current_value(signal: Signal, event: Event, now: float) -> float | None:
    """The running interval's value; of an event that is not active 0 for SIMPLE, else None (rules 14, 29, 110)."""
    if event.status_at(now) == ACTIVE:
        index = signal.interval_at(event.dtstart, now)
        if index is not None:
            return signal.values[index]
    return 0.0 if signal.name in {"SIMPLE", "simple"} else None


def _baseline_to_wire(baseline: Baseline) -> EiEventBaseline:
    return EiEventBaseline(
        dtstart=baseline.dtstart,
        duration=sum(baseline.durations),
        intervals=_rows_to_wire(baseline.durations, baseline.values),
        baselineID=baseline.id,
        resourceID=list(baseline.resources),
        baselineName=baseline.name,
        itemBase=baseline.unit,
    )


def _rows_to_wire(durations: Iterable[int], values: Iterable[float]) -> Intervals:
    rows = zip(durations, values, strict=True)
    return Intervals(
        interval=[
            Interval(
                duration=duration,
                uid=str(uid),
                streamPayloadBase=[SignalPayload(payloadBase=PayloadFloat(value=value))],
            )
            for uid, (duration, value) in enumerate(rows)
        ]
    )


def from_wire(wire: OadrEvent) -> Event:
    """The event of a received oadrEvent.

    Tolerated: a missing x-eiNotification, dtstart in intervals, and a single interval without a duration, which can
    only be that of the whole, as some VTNs send.

    Raises:
        RemoteProtocolError: answer is the response code: 450 uid out of sequence, 452 an ID too long, 454 a value that
            is no number or durations that do not fit the active period (one of 0 ends an open-ended event, and nothing
            else does), 459 parts missing or of the wrong kind.
    """
    descriptor, period = wire.eiEvent.eventDescriptor, wire.eiEvent.eiActivePeriod.properties
    found = wire.eiEvent.eiEventSignals
    event = Event(
        id=descriptor.eventID,
        modification=descriptor.modificationNumber,
        market_context=descriptor.eiMarketContext,
        dtstart=period.dtstart,
        duration=period.duration,
        signals=tuple(_signal_from_wire(one, period.duration, wire.eiEvent.eiTarget) for one in found.eiEventSignal),
        startafter=(period.tolerance.startafter or 0) if period.tolerance else 0,
        notification=period.x_eiNotification,
        ramp_up=period.x_eiRampUp,
        recovery=period.x_eiRecovery,
        priority=descriptor.priority,
        test=descriptor.testEvent,
        comment=descriptor.vtnComment,
        target=wire.eiEvent.eiTarget,
        baseline=_baseline_from_wire(found.eiEventBaseline) if found.eiEventBaseline else None,
        response_required=wire.oadrResponseRequired == "always",
        created=descriptor.createdDateTime,
        modified=descriptor.modificationDateTime,
        modification_reason=descriptor.modificationReason,
        status=descriptor.eventStatus,
    )
    if event.duration < 0 or event.startafter < 0:
        raise RemoteProtocolError("the active period has a negative duration", answer=_INVALID_DATA)
    spans = (event.duration, event.startafter, event.notification, event.ramp_up, event.recovery)
    if any(is_too_long(span) for span in spans if span is not None):
        raise RemoteProtocolError("a time of the active period is longer than 1000 years", answer=_INVALID_DATA)
    if not all(fits_a_key(name) for name in (event.id, *(signal.id for signal in event.signals))):
        raise RemoteProtocolError("the eventID or a signalID is too long", answer=_INVALID_ID)
    for signal in event.signals:
        _check_sum(signal.durations, event.duration, f"signal {signal.id}")
        if 0 in signal.durations[:-1] or (signal.durations[-1] == 0) is not (event.duration == 0):
            # It would run on behind the event, beside the intervals that follow it; or the event would run on without
            # a value, and nobody could tell whether it has ended or the last value holds (rules 8, 47).
            raise RemoteProtocolError(
                "the last interval of an open-ended event, and no other, has no end", answer=_INVALID_DATA
            )
    return event


def _signal_from_wire(wire: EiEventSignal, whole: int, target: EiTarget) -> Signal:
    durations, values = _rows_from_wire(wire.intervals, whole)
    if wire.eiTarget is not None and _narrows(wire.eiTarget, target):
        # Device classes alone may narrow a signal (rule 111); whoever else is meant must not become all of us.
        raise RemoteProtocolError("the target of a signal holds device classes only", answer=_MISSING_INFORMATION)
    return Signal(
        name=wire.signalName,
        type=wire.signalType,
        id=wire.signalID,
        durations=durations,
        values=values,
        unit=wire.itemBase,
        devices=tuple(wire.eiTarget.endDeviceAsset) if wire.eiTarget else (),
    )


def _narrows(own: EiTarget, whole: EiTarget) -> bool:
    """Whether a signal's target names something beside device classes that its event's target does not name."""
    names = (part.name for part in fields(EiTarget) if part.name not in {"endDeviceAsset", "venID"})
    return any(one not in getattr(whole, name) for name in names for one in getattr(own, name))


def _baseline_from_wire(wire: EiEventBaseline) -> Baseline:
    durations, values = _rows_from_wire(wire.intervals, wire.duration)
    _check_sum(durations, wire.duration, f"baseline {wire.baselineID}")
    return Baseline(
        id=wire.baselineID,
        name=wire.baselineName,
        dtstart=wire.dtstart,
        durations=durations,
        values=values,
        unit=wire.itemBase,
        resources=tuple(wire.resourceID),
    )


def _rows_from_wire(wire: Intervals, whole: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    durations, values = [], []
    for position, row in enumerate(wire.interval):
        duration = whole if row.duration is None and len(wire.interval) == 1 else row.duration
        if duration is None or len(row.streamPayloadBase) != 1:
            raise RemoteProtocolError("an interval needs one duration and one payload", answer=_MISSING_INFORMATION)
        payload = row.streamPayloadBase[0]
        if not isinstance(payload, SignalPayload) or not isinstance(payload.payloadBase, PayloadFloat):
            raise RemoteProtocolError("an interval needs a signalPayload with a number", answer=_MISSING_INFORMATION)
        if row.uid is not None and row.uid.strip() != str(position):
            raise RemoteProtocolError("the uids of the intervals do not count from 0", answer=_OUT_OF_SEQUENCE)
        if duration < 0 or is_too_long(duration) or not math.isfinite(payload.payloadBase.value):
            raise RemoteProtocolError(
                "an interval holds no number, or a duration that is negative or longer than 1000 years",
                answer=_INVALID_DATA,
            )
        durations.append(duration)
        values.append(payload.payloadBase.value)
    return tuple(durations), tuple(values)


def _check_sum(durations: Iterable[int], whole: int, what: str) -> None:
    # An open-ended event cannot be summed: its last interval is open too, the others are as they are.
    if whole != 0 and sum(int(d) for d in durations) != int(whole):
        raise RemoteProtocolError(f"the intervals of {what} do not add up to its duration", answer=_INVALID_DATA)


def target_for(event: Event, ven_id: str) -> EiTarget:
    """The target as one VEN gets it: an empty one names the recipient (rules 22, 63)."""
    return EiTarget(venID=[ven_id]) if event.target.is_empty() else event.target
