"""Keeps EventStatus true: flips at the right second, the active lists, and what ended long ago leaves.

The rules are protocols.sep2.events; this file applies them to the programs and wakes when they next say something
else. Statuses follow from the events alone, so a flip is visible at once and is stored afterwards.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from gridiface.domain.changes import Change, PutDocument
from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EventOwner, EventRecord
from gridiface.protocols.sep2.enums import EventStatusCode
from gridiface.protocols.sep2.events import EventFacts, EventState, facts_of, next_change, statuses
from gridiface.protocols.sep2.resources import Event, EventStatus

#: Events that the server made of set-points leave this long after their end; late responses find them till then.
_SERVER_MADE_RETENTION_S = 300.0
#: How long one that was cancelled or superseded is listed after that, s: clients that poll see what became of it, and
#: what is over does not stand before what is to come in a list of a few.
FINAL_LISTED_AFTER_S = 300

#: What a look ahead of a flip, or a clock that is slewed, may differ from the second it is for, s.
BACK_S = 0.5

#: Statuses that an event never leaves.
FINAL = frozenset({EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION, EventStatusCode.SUPERSEDED})

Store = Callable[[list[Change], Callable[[], None]], None]


def event_document(record: EventRecord) -> PutDocument:
    """The change that stores an event as it is."""
    if record.owner:
        kept = {
            "control": record.control_id,
            "by": record.identity,
            "posted": record.posted,
            "over": record.over,
        }
        return documents.put(documents.PUBLISHED, record.item.path, record.item.obj, kept)
    head = {
        "program": record.program,
        "control": record.control_id,
        "parents": record.parents,
        "by": record.identity,
        "posted": record.posted,
        "received": record.received,
        "devices": record.per_device,
        "over": record.over,
    }
    return documents.put(documents.CONTROLS, record.item.path, record.item.obj, head)


def cancelled(record: EventRecord, now: Instant) -> EventRecord:
    """The record with its event cancelled; the shown one is not touched."""
    before = record.item.obj
    status = EventStatus(
        currentStatus=int(EventStatusCode.CANCELLED), dateTime=int(now), potentiallySuperseded=False, reason="released"
    )
    after = replace(before, version=((before.version or 0) + 1) & 0xFFFF, eventStatus=status)
    item = record.item
    return replace(record, item=type(item)(item.path, item.kind, item.audience, after, data=item.data))


class EventClock:
    """Applies the status rules to every program and event set.

    Args:
        state: programs, event sets and their events.
        retention_s: how long ended events stay listed.
        store: hands changes to the background writer.
    """

    def __init__(self, state: State, retention_s: float, store: Store) -> None:
        self._state = state
        self._retention_s = retention_s
        self._store = store
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        #: What is shown holds from `since` until `due`; whoever reads at another time lets `look` look first.
        self.since: float = -math.inf
        self.due: float = math.inf
        self._seen: dict[str, int] = {}

    def next_timer(self, now: Instant) -> Instant | None:
        """When the next status flips or an event leaves; None: nothing is ahead."""
        if now < self.since:
            return now
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def handle_timer(self, now: Instant, most: int | None = None) -> bool:
        """Flip what is due. May be called early. A clock that was set back takes flips back, but no event's end.

        Args:
            now: seconds since 1970.
            most: programs and event sets that are looked at; None: all that are due.

        Returns:
            Whether more is due.
        """
        self._look_back(now)
        looked = 0
        while (due := self.next_timer(now)) is not None and due <= now and looked != most:
            _, path = heapq.heappop(self._heap)
            self._flip(path, now)
            looked += 1
        self.due = math.inf if due is None else due
        return self.due <= now

    def look(self, paths: Iterable[str], now: Instant) -> None:
        """Flip what is due of these programs and event sets; many that flip at once need not keep a reader of one."""
        self._look_back(now)
        for path in paths:
            if self._due.get(path, math.inf) <= now:
                self._flip(path, now)
        due = self.next_timer(now)
        self.due = math.inf if due is None else due

    def _look_back(self, now: Instant) -> None:
        if now < self.since:
            for program in self._state.event_owners():
                self.refresh(program, now, whole=True)
        self.since = int(now) - BACK_S

    def _flip(self, path: str, now: Instant) -> None:
        del self._due[path]
        owner = self._state.owner_at(path)
        if owner is not None:
            self.refresh(owner, now)
        else:
            self._seen.pop(path, None)

    def refresh(self, program: EventOwner, now: Instant, *, whole: bool = False) -> None:
        """Bring the events of a program or event set to what they are at `now`.

        Args:
            program: whose.
            now: seconds since 1970.
            whole: also replay events that are over; for the start, when flips may have been missed, and for a clock
                that was set back.
        """
        second = int(now)
        if whole:
            _there(program.events.values(), second)
        # One that ended by a clock that was ahead does nothing to others any more, though its time comes again.
        facts = [facts_of_record(r) for r in program.events.values() if not (r.over and second < _latest_end(r))]
        seen = self._seen.get(program.path)
        for together in clusters(facts):
            # What ended before the last look has said all it says; its cluster is replayed as long as one has not,
            # so that what it took from others stays taken, and so that a jump of the clock misses nothing.
            if not whole and seen is not None and all(f.latest_end < seen for f in together):
                continue
            for mrid, state in statuses(together, second, supersede=program.supersedes).items():
                record = program.events[mrid]
                if stands(record):
                    self._show(record, state, second)
        self._seen[program.path] = second
        self._end(program, second)
        self._sort_active(program, second)
        self._sort_completed(program, second)
        self._retire(program, now)
        self._schedule(program, [f for f in facts if f.cancelled is None], second)

    def _show(self, record: EventRecord, state: EventState, second: int) -> None:
        event = record.item.obj
        before = event.eventStatus
        shown = EventStatus(
            currentStatus=int(state.status),
            dateTime=state.since,
            potentiallySuperseded=state.potentially_superseded,
            potentiallySupersededTime=state.potentially_since,
            reason=before.reason,
        )
        if shown == before:
            return
        # Each change of what is shown is another version (the schema on mRIDType); what is shown first is the first.
        flips = 0 if second <= facts_of_record(record).there_from else max(1, _flips(shown) - _flips(before))
        version = ((event.version or 0) + flips) & 0xFFFF
        self._state.tree.set(record.item, replace(event, version=version, eventStatus=shown))
        if state.status is EventStatusCode.SUPERSEDED:
            self._store([event_document(record)], lambda: None)

    def _end(self, program: EventOwner, second: int) -> None:
        """What ran to its end is kept as that: set the clock back, restart in between, and it does not run again."""
        ended = [r for r in program.events.values() if stands(r) and _latest_end(r) <= second]
        for record in ended:
            record.over = True
        if ended:
            self._store([event_document(record) for record in ended], lambda: None)

    def _sort_active(self, program: EventOwner, second: int) -> None:
        path = program.active
        active = self._state.tree.listing(path)
        for record in program.events.values():
            event = record.item.obj
            runs = event.eventStatus.currentStatus == EventStatusCode.ACTIVE and not record.over
            listed = active is not None and record.item.path in active.items
            if runs and not listed:
                self._state.tree.join(record.item, path)
            elif listed and not runs:
                self._state.tree.leave(record.item, path)

    def _sort_completed(self, program: EventOwner, second: int) -> None:
        """An event that ran to its end leaves its lists with that: no status says that it is over; active it is not.

        So a list and its active list agree at every moment. A client whose clock is behind does not take that for the
        event's end, as events are cancelled by their status and never by being left out. Cancelled and superseded ones
        stay listed for minutes. It can be read at its own place as long as it is kept. The same for the events of every
        function set.
        """
        for record in program.events.values():
            item = record.item
            if self._state.tree.get(item.path) is not item:
                continue
            over = record.over or _listed_until(record) <= second
            for path in program.lists:
                listing = self._state.tree.listing(path)
                if listing is None:
                    continue
                if over:
                    self._state.tree.leave(item, path)
                else:
                    self._state.tree.join(item, path)

    def _retire(self, program: EventOwner, now: Instant) -> None:
        gone = [r for r in program.events.values() if self._leaves_at(r) <= now]
        for record in gone:
            self._state.drop_event(record)
            self._state.tree.remove(record.item.path)
        if gone:
            self._store([documents.delete(space_of_event(r), r.item.path) for r in gone], lambda: None)

    def _leaves_at(self, record: EventRecord) -> float:
        if record.forgotten:
            return 0.0 if _is_final(record) else _latest_end(record)
        kept = min(self._retention_s, _SERVER_MADE_RETENTION_S) if record.server_made else self._retention_s
        return _latest_end(record) + kept

    def _schedule(self, program: EventOwner, facts: Iterable[EventFacts], second: int) -> None:
        times = [self._leaves_at(record) for record in program.events.values()]
        change = next_change(facts, second)
        if change is not None:
            times.append(float(change))
        ends = (_listed_until(r) for r in program.events.values())
        times += [end for end in ends if end > second]
        if times:
            due = min(times)
            self._due[program.path] = due
            self.due = min(self.due, due)
            heapq.heappush(self._heap, (due, program.path))
        else:
            self._due.pop(program.path, None)


def space_of_event(record: EventRecord) -> str:
    """The space that holds an event's document."""
    return documents.PUBLISHED if record.owner else documents.CONTROLS


def stands(record: EventRecord) -> bool:
    """Whether nothing has ended an event so far: it is neither cancelled or superseded nor ran to its end."""
    return not _is_final(record) and not record.over


def is_live(record: EventRecord, second: int) -> bool:
    """Whether an event is scheduled or active somewhere, or may still be."""
    return stands(record) and _latest_end(record) > second


def _there(records: Iterable[EventRecord], second: int) -> None:
    """What is there is there, also where a clock that was ahead says that it came later."""
    for record in records:
        if (record.received or record.item.obj.creationTime) > second:
            record.received, record.facts = second, None


def _later(event: Event, shift: str) -> int:
    """How much later a random shift may make an event; texts and grants have none."""
    return max(0, getattr(event, shift, None) or 0)


def clusters(facts: Iterable[EventFacts]) -> Iterator[list[EventFacts]]:
    """Events that share time with each other, directly or through others: only these can touch each other's status."""
    together: list[EventFacts] = []
    until = 0
    for each in sorted(facts, key=lambda f: f.earliest_start):
        if together and each.earliest_start >= until:
            yield together
            together = []
        until = each.latest_end if not together else max(until, each.latest_end)
        together.append(each)
    if together:
        yield together


def facts_of_record(record: EventRecord) -> EventFacts:
    """The facts of an event; they change once, when it is cancelled.

    What the utility posted is stronger than what the server made of a set-point, whichever is newer.
    """
    if record.facts is None or (_is_final(record) and record.facts.cancelled is None):
        record.facts = facts_of(record.item.obj, primacy=1 if record.server_made else 0, received=record.received)
    return record.facts


def _latest_end(record: EventRecord) -> int:
    event = record.item.obj
    end: int = event.interval.start + event.interval.duration
    return end + _later(event, "randomizeStart") + _later(event, "randomizeDuration")


def _flips(status: EventStatus) -> int:
    """How often a status has changed by itself to be this: a restart, which misses some, comes to the same version."""
    began = {EventStatusCode.SCHEDULED: 0, EventStatusCode.ACTIVE: 1}.get(EventStatusCode(status.currentStatus), 2)
    return began + status.potentiallySuperseded


def _listed_until(record: EventRecord) -> int:
    return _latest_end(record) + (FINAL_LISTED_AFTER_S if _is_final(record) else 0)


def _is_final(record: EventRecord) -> bool:
    return record.item.obj.eventStatus.currentStatus in FINAL
