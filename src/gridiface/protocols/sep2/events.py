"""Events: precedence, overlap and superseding, and the EventStatus that a server must show at a moment.

Pure: a list of events and a time in, statuses and the time of the next change out. The same inputs give the same
history, so a server may ask again after a restart. What a client does with events is in event_client.py.

Rules (IEEE 2030.5 on events, CSIP): an event becomes active at its earliest effective start; of two that overlap the
one of lower primacy, then of later creation, then of greater mRID wins; superseding works mode by mode, and what was
superseded does not come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace

from gridiface.protocols.sep2.enums import EventStatusCode
from gridiface.protocols.sep2.mrids import mrid_key
from gridiface.protocols.sep2.resources import (
    DERControl,
    DERControlBase,
    EndDeviceControl,
    Event,
    FlowReservationResponse,
    RandomizableEvent,
)

ANY_MODE = frozenset({"*"})
"""The modes of an event that is one whole."""

_MODE_NAMES = tuple(f.name for f in fields(DERControlBase) if f.name.startswith("opMod"))


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What the rules need to know of an event; times in s since 1970 UTC by the server's clock.

    Attributes:
        mrid: identity.
        start, duration: the interval as published.
        creation_time: when it was made; decides which of two is newer.
        received: when the server had it and showed it; it does nothing before. 0: when it was made.
        randomize_start, randomize_duration: bounds of the random shifts, -3600..3600 s.
        modes: what it controls; ANY_MODE where it cannot be divided.
        categories: device categories it is for (bits); 0 is all.
        primacy: of its program; lower wins.
        program, server: where it comes from.
        cancelled: CANCELLED or CANCELLED_WITH_RANDOMIZATION, or None; cancelled_at: since when.
    """

    mrid: str
    start: int
    duration: int
    creation_time: int
    received: int = 0
    randomize_start: int = 0
    randomize_duration: int = 0
    modes: frozenset[str] = ANY_MODE
    categories: int = 0
    primacy: int = 0
    program: str = ""
    server: str = ""
    cancelled: EventStatusCode | None = None
    cancelled_at: int | None = None

    def named(self, mrid: str) -> EventFacts:
        """The same under another spelling of its mRID."""
        return self if self.mrid == mrid else replace(self, mrid=mrid)

    @property
    def end(self) -> int:
        """End of the published interval."""
        return self.start + self.duration

    @property
    def there_from(self) -> int:
        """From when on the event can do anything."""
        return self.received or self.creation_time

    @property
    def earliest_start(self) -> int:
        """When the first device may start."""
        return self.start + min(0, self.randomize_start)

    @property
    def latest_end(self) -> int:
        """When the last device has ended."""
        return self.end + max(0, self.randomize_start) + max(0, self.randomize_duration)

    @property
    def precedence(self) -> tuple[int, int, int]:
        """Sorts the strongest first."""
        return self.primacy, -self.creation_time, -int(self.mrid or "0", 16)

    def overlaps(self, other: EventFacts) -> bool:
        """Whether the published intervals share time and the events share a mode and a category."""
        in_time = self.start < other.end and other.start < self.end
        in_category = not self.categories or not other.categories or bool(self.categories & other.categories)
        return in_time and in_category and bool(self.modes & other.modes)

    def covers_categories(self, other: EventFacts) -> bool:
        """Whether every device that `other` is for is also one that this is for."""
        return not self.categories or (bool(other.categories) and not other.categories & ~self.categories)


def modes_of(base: DERControlBase) -> frozenset[str]:
    """The modes a control asks for, by element name."""
    return frozenset(name for name in _MODE_NAMES if getattr(base, name) is not None)


def facts_of(event: Event, *, primacy: int = 0, program: str = "", server: str = "", received: int = 0) -> EventFacts:
    """The facts of a typed event of any function set; `received` as in EventFacts."""
    randomize = (event.randomizeStart, event.randomizeDuration) if isinstance(event, RandomizableEvent) else (0, 0)
    status = event.eventStatus.currentStatus
    is_cancelled = status in {EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION}
    categories = event.deviceCategory if isinstance(event, DERControl | EndDeviceControl) else 0
    return EventFacts(
        mrid=event.mRID,
        start=event.interval.start,
        duration=event.interval.duration,
        creation_time=event.creationTime,
        received=received,
        randomize_start=randomize[0] or 0,
        randomize_duration=randomize[1] or 0,
        modes=_divided(event),
        categories=categories or 0,
        primacy=primacy,
        program=program,
        server=server,
        cancelled=EventStatusCode(status) if is_cancelled else None,
        cancelled_at=event.eventStatus.dateTime if is_cancelled else None,
    )


def _divided(event: Event) -> frozenset[str]:
    """What can be superseded by itself: the modes of a DERControl, the request that a grant answers, else the whole."""
    if isinstance(event, DERControl):
        return modes_of(event.derControlBase)
    if isinstance(event, FlowReservationResponse):
        return frozenset({event.subject})
    return ANY_MODE


def first_of_each(events: Iterable[tuple[Event, EventFacts]]) -> Iterator[tuple[Event, EventFacts]]:
    """Events without those whose mRID was there before: of two programs that list one, the first is meant."""
    seen: set[str] = set()
    for event, facts in events:
        key = mrid_key(facts.mrid)
        if key not in seen:
            seen.add(key)
            yield event, facts


@dataclass(frozen=True, slots=True)
class EventState:
    """What a server shows of an event.

    Attributes:
        status: currentStatus; since: its dateTime.
        potentially_superseded: a stronger event overlaps it in part; potentially_since: since when that is known.
        ended: its time is over, also for the last device: it may leave the list.
    """

    status: EventStatusCode
    since: int
    potentially_superseded: bool = False
    potentially_since: int | None = None
    ended: bool = False


@dataclass(slots=True)
class _History:
    """What has happened to one event up to the moment that is looked at."""

    facts: EventFacts
    remaining: frozenset[str]
    activated_at: int | None = None
    superseded_at: int | None = None

    def live_at(self, time: int) -> bool:
        """Whether the event is there and can still run: neither cancelled, superseded nor over."""
        in_time = self.facts.there_from <= time < self.facts.latest_end
        return in_time and not self.cancelled_by(time) and self.superseded_at is None

    def cancelled_by(self, time: int) -> bool:
        """Whether the event has been cancelled at `time`."""
        return self.facts.cancelled_at is not None and self.facts.cancelled_at <= time


@dataclass(slots=True)
class _Replay:
    """Plays the starts of events in order of time."""

    events: list[_History] = field(default_factory=list)

    def start(self, event: _History, time: int) -> None:
        if not event.live_at(time):
            return
        for other in self.events:
            if other is event or not other.live_at(time) or not event.facts.overlaps(other.facts):
                continue
            if event.facts.precedence < other.facts.precedence:
                self._take(event, other, time)
            elif other.activated_at is not None:
                self._take(other, event, time)
        if event.superseded_at is None:
            event.activated_at = time

    @staticmethod
    def _take(winner: _History, loser: _History, time: int) -> None:
        if winner.facts.covers_categories(loser.facts):
            loser.remaining -= winner.remaining
            if not loser.remaining:
                loser.superseded_at = time


def statuses(events: Iterable[EventFacts], now: int, *, supersede: bool = True) -> dict[str, EventState]:
    """The status at `now` of every event of one program (or of several, where they compete), by mRID.

    Args:
        events: events that exist; those created after `now` are left out.
        now: s since 1970 UTC.
        supersede: False for function sets whose events live side by side (text messages).
    """
    known = [_History(facts, facts.modes) for facts in events if facts.there_from <= now]
    replay = _Replay(known if supersede else [])
    starts = sorted(
        ((max(h.facts.earliest_start, h.facts.there_from), h.facts.precedence, h) for h in known),
        key=lambda item: item[:2],
    )
    for time, _, event in starts:
        if time <= now:
            replay.start(event, time)
    return {h.facts.mrid: _state(h, known if supersede else [], now) for h in known}


def _state(event: _History, others: list[_History], now: int) -> EventState:
    facts = event.facts
    ended = now >= facts.latest_end
    cancelled_at = facts.cancelled_at if event.cancelled_by(now) else None
    if event.superseded_at is not None and (cancelled_at is None or event.superseded_at <= cancelled_at):
        return EventState(EventStatusCode.SUPERSEDED, event.superseded_at, ended=ended)
    if facts.cancelled is not None and cancelled_at is not None:
        return EventState(facts.cancelled, cancelled_at, ended=ended)
    known_since = _partial_overlap_since(facts, others, now)
    code, since = EventStatusCode.SCHEDULED, facts.there_from
    if event.activated_at is not None:
        code, since = EventStatusCode.ACTIVE, event.activated_at
    return EventState(code, since, known_since is not None, known_since, ended)


def _partial_overlap_since(facts: EventFacts, others: list[_History], now: int) -> int | None:
    """Since when a stronger event is known that overlaps in some, not all, modes or categories.

    One that was cancelled before it ran leaves no trace; one that ran has taken what it took.
    """
    times = [
        max(facts.there_from, other.facts.there_from)
        for other in others
        if other.facts.mrid != facts.mrid
        and (other.activated_at is not None or not other.cancelled_by(now))
        and other.facts.precedence < facts.precedence
        and other.facts.overlaps(facts)
        and not (facts.modes <= other.facts.modes and other.facts.covers_categories(facts))
    ]
    return min(times, default=None)


def next_change(events: Iterable[EventFacts], now: int) -> int | None:
    """When `statuses` may next differ from what it says at `now`; None when nothing is to come."""
    moments: list[int] = []
    for facts in events:
        moments += [facts.there_from, max(facts.earliest_start, facts.there_from), facts.latest_end]
        if facts.cancelled_at is not None:
            moments.append(facts.cancelled_at)
    return min((moment for moment in moments if moment > now), default=None)
