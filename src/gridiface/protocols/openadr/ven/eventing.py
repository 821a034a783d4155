"""EiEvent of a VEN: what to do with a received set of events, when they run, and our word on each.

Owns the receipt table (rules 12, 19, 48, 56 to 62), random start, cancellation and the steps of running events.
Does not own the decision: the `Judge` says optIn or optOut; nor priorities among programs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gridiface.errors import RefusedControl, RemoteProtocolError
from gridiface.protocols.openadr import signals as table
from gridiface.protocols.openadr.answers import Code, Refusal, response, succeeded
from gridiface.protocols.openadr.events import CANCELLED, Event, Signal, from_wire, rank
from gridiface.protocols.openadr.market import same_context
from gridiface.protocols.openadr.payloads.common import EiResponse, QualifiedEventID
from gridiface.protocols.openadr.payloads.event import (
    EiCreatedEvent,
    EventResponse,
    EventResponses,
    OadrCreatedEvent,
    OadrDistributeEvent,
    OadrEvent,
)
from gridiface.protocols.openadr.payloads.partly import PartlyRead, UnreadEvent
from gridiface.protocols.openadr.times import after
from gridiface.protocols.openadr.ven.notices import EventCancelled, EventReceived, EventStep, EventUnread
from gridiface.protocols.openadr.ven.state import Judge, KnownEvent, State, Verdict

#: Of the events of one set that cannot be read, for the log.
_MOST_TOLD = 10
_OUT = "optOut"
_IN = "optIn"


@dataclass(frozen=True, slots=True)
class ActiveEvent:
    """An event that runs now by our clock. `values`: signalID -> value of the running interval."""

    event: Event
    start: float
    end: float
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Listed:
    """One event of a set that was received. `read` gives its content, or raises RemoteProtocolError with our code."""

    id: str
    modification: int
    status: str
    wants_answer: bool
    read: Callable[[], Event]


class EventDesk:
    """The events of one VEN."""

    def __init__(self, state: State, judge: Judge) -> None:
        self._state = state
        self._judge = judge

    def distribute(self, payload: OadrDistributeEvent, now: float) -> None:
        """Take a whole set of events; the answer, where one is due, goes into the outbox."""
        if payload.eiResponse is not None and not succeeded(payload.eiResponse):
            return
        registration = self._state.registration
        if registration.vtnID is not None and payload.vtnID != registration.vtnID:
            wrong = response(Code.INVALID_ID, "the vtnID is not that of the registration", payload.requestID)
            self._answer(wrong, [])
            return
        unread = payload.unread if isinstance(payload, PartlyRead) else []
        self._state.notices.extend(EventUnread(one.id or "", one.reason) for one in unread[:_MOST_TOLD])
        listed = [*map(_listed, payload.oadrEvent), *(one for found in unread if (one := _listed_unread(found)))]
        answers = []
        for one in listed:
            verdict = self._take(one, payload.requestID, now)
            if one.wants_answer:
                answers.append(_event_response(one, verdict, payload.requestID))
        # Which event it is that cannot be told apart is not known: any that is missing may be that one.
        if all(found.id is not None for found in unread):
            self._imply_cancels({*(one.id for one in listed), *(found.id or "" for found in unread)}, now)
        if answers:
            self._answer(EiResponse(responseCode="200", responseDescription="OK", requestID=""), answers)

    def change_opt(self, event_id: str, verdict: Verdict) -> None:
        """Say another word on an event: a new oadrCreatedEvent with the distribute's requestID (rule 42).

        Raises:
            RefusedControl: the event is not known, cancelled, or must not be answered.
        """
        known = self._known(event_id)
        if known.stop is not None:
            raise RefusedControl("the event is cancelled")
        known.opt, known.code, known.description = verdict.opt, verdict.code, verdict.description
        self._state.put("event", event_id, known)
        answer = EventResponse(
            responseCode=f"{verdict.code:03d}",
            responseDescription=verdict.description or None,
            requestID=known.request_id,
            qualifiedEventID=QualifiedEventID(eventID=event_id, modificationNumber=known.event.modification),
            optType=verdict.opt,
        )
        self._answer(EiResponse(responseCode="200", responseDescription="OK", requestID=""), [answer])

    def qualified(self, event_id: str) -> QualifiedEventID:
        """The event's ID and version, for an opt. Raises RefusedControl as `change_opt`."""
        return QualifiedEventID(eventID=event_id, modificationNumber=self._known(event_id).event.modification)

    def active(self, now: float) -> list[ActiveEvent]:
        """The opted-in events that run now, the one that comes first by priority and start first."""
        found = []
        for known in sorted(self._state.events.values(), key=lambda k: rank(k.event, now)):
            start, end = span_of(known)
            if known.opt == _IN and start <= now < end:
                values = {}
                for signal in known.event.signals:
                    index = signal.interval_at(start, now)
                    if index is not None:
                        values[signal.id] = signal.values[index]
                found.append(ActiveEvent(known.event, start, end, values))
        return found

    def tick(self, now: float) -> None:
        """Tell the steps that have come, and forget what is long over."""
        for event_id, known in list(self._state.events.items()):
            self._tell_steps(known, now)
            _, end = span_of(known)
            over = min(end, known.event.last_end) if known.stop is None else known.stop
            if now - over > self._state.config.event_memory:
                self._state.drop("event", event_id)

    def next_step(self) -> float:
        """When `tick` has something to tell; infinity when never."""
        times = (
            step.at
            for known in self._state.events.values()
            if known.opt == _IN
            for step in steps_of(known)
            if step.at > known.told
        )
        return min(times, default=math.inf)

    # -- receipt -------------------------------------------------------------------------------------------------

    def _take(self, listed: _Listed, request_id: str, now: float) -> Verdict:
        known = self._state.events.get(listed.id)
        if known is not None and known.stop is not None and known.event.status != CANCELLED:
            known = None  # It was missing once and is listed again: a new event to us.
        if known is not None and listed.modification < known.event.modification:
            return Verdict(_OUT, Code.OUT_OF_SEQUENCE, "the modificationNumber is lower than before")
        if listed.status == CANCELLED:
            return self._take_cancel(known, listed.modification, request_id, now)
        if known is not None and known.event.modification == listed.modification:
            known.request_id = request_id
            self._state.put("event", listed.id, known)
            if known.stop is not None:
                return Verdict(_OUT, Code.OUT_OF_SEQUENCE, "the event is cancelled, and this is no later modification")
            return Verdict(known.opt, known.code, known.description)
        try:
            event = listed.read()
        except RemoteProtocolError as error:
            verdict = Verdict(_OUT, error.answer, error.reason)
            if known is not None:
                self._leave(known, listed.modification, verdict, request_id)
            return verdict
        return self._take_new(event, known, request_id, now)

    def _leave(self, known: KnownEvent, modification: int, verdict: Verdict, request_id: str) -> None:
        """A version that cannot be read takes the place of the last one (rule 57): we are out of that, too."""
        previous = known.event
        known.event = dataclasses.replace(previous, modification=modification)
        known.opt, known.code, known.description = verdict.opt, int(verdict.code), verdict.description
        known.request_id = request_id
        self._state.put("event", previous.id, known)
        self._state.notices.append(EventReceived(known.event, previous, verdict.opt, span_of(known)[0]))

    def _take_new(self, event: Event, known: KnownEvent | None, request_id: str, now: float) -> Verdict:
        previous = known.event if known else None
        verdict = self._own_verdict(event, now) or self._judge(event, previous)
        offset = known.offset if known and previous and previous.startafter == event.startafter else None
        if offset is None:
            # Chosen once and kept through modifications, unless startafter itself changes (rule 30).
            offset = math.floor(self._state.draw() * event.startafter)
        fresh = KnownEvent(
            event=event,
            opt=verdict.opt,
            code=verdict.code,
            description=verdict.description,
            offset=float(offset),
            request_id=request_id,
            told=known.told if known else -math.inf,
        )
        self._state.put("event", event.id, fresh)
        start, _ = span_of(fresh)
        self._state.notices.append(EventReceived(event, previous, verdict.opt, start))
        return verdict

    def _take_cancel(self, known: KnownEvent | None, modification: int, request_id: str, now: float) -> Verdict:
        # A cancelled event that was never known is no error (rule 21): it is confirmed like any other.
        if known is not None:
            known.request_id = request_id
            known.event = dataclasses.replace(known.event, modification=modification, status=CANCELLED)
            self._cancel(known, now, implied=False)
        return Verdict(_IN)

    def _imply_cancels(self, listed: set[str], now: float) -> None:
        for event_id, known in list(self._state.events.items()):
            if event_id in listed:
                continue
            _, end = span_of(known)
            if end <= now:
                self._tell_steps(known, now)
                self._state.drop("event", event_id)
            elif known.stop is None:
                self._cancel(known, now, implied=True)

    def _cancel(self, known: KnownEvent, now: float, *, implied: bool) -> None:
        if known.stop is None:
            start, end = span_of(known)
            runs = start <= now < end and known.opt == _IN
            delay = math.floor(self._state.draw() * known.event.startafter) if runs else 0
            known.stop = min(end, now + delay)
            self._state.notices.append(EventCancelled(known.event, known.stop, implied))
        self._state.put("event", known.event.id, known)

    def _own_verdict(self, event: Event, now: float) -> Verdict | None:
        """What we refuse by ourselves: too late, another program, target or signal (rules 48, 109)."""
        try:
            self._check_scope(event)
        except Refusal as refusal:
            return Verdict(_OUT, refusal.answer, refusal.reason)
        if event.last_end <= now:
            return Verdict(_OUT, Code.NOT_ALLOWED, "the event is over")
        for signal in event.signals:
            # One that cannot be supported is enough (rule 109), whatever stands beside it.
            if not self._supports(signal):
                reason = table.unsupported(signal.name, signal.type, signal.unit)
                return Verdict(_OUT, Code.SIGNAL_NOT_SUPPORTED, reason or f"signal {signal.name} is not supported")
        for signal in event.signals:
            if problem := table.bad_value(signal.name, signal.type, signal.values):
                return Verdict(_OUT, Code.INVALID_DATA, problem)
        return None

    def _supports(self, signal: Signal) -> bool:
        offered = self._state.config.signals
        name = "SIMPLE" if signal.name == "simple" else signal.name
        kind = "level" if name == "SIMPLE" else signal.type
        if offered is not None and (name, kind) not in offered:
            return False
        # A private signal that is offered is no business of the table.
        private = offered is not None and name.startswith("x-")
        return private or not table.unsupported(signal.name, signal.type, signal.unit)

    def _check_scope(self, event: Event) -> None:
        config = self._state.config
        if config.market_contexts and not any(
            same_context(event.market_context, own) for own in config.market_contexts
        ):
            raise Refusal(Code.TARGET_MISMATCH, "the market context is not ours")
        target = event.target
        own_id = self._state.registration.venID
        # Everything in a target is OR'd: one thing that is ours is enough (rule 22).
        ours = (
            target.is_empty()
            or own_id in target.venID
            or not config.resources.isdisjoint(target.resourceID)
            or not config.groups.isdisjoint({*target.groupID, *target.groupName})
            or not config.parties.isdisjoint(target.partyID)
        )
        if not ours and target.resourceID:
            # Named, and not to be resolved to one: that is 469's own case, not a target of somebody else (rule 112).
            raise Refusal(Code.DEPLOYMENT, "no resource of the target is known here")
        if not ours:
            raise Refusal(Code.TARGET_MISMATCH, "the target is not ours")

    # -- inside --------------------------------------------------------------------------------------------------

    def _known(self, event_id: str) -> KnownEvent:
        known = self._state.events.get(event_id)
        if known is None:
            raise RefusedControl(f"there is no event {event_id}")
        if not known.event.response_required:
            raise RefusedControl("the VTN wants no answer to this event (rule 12)")
        return known

    def _tell_steps(self, known: KnownEvent, now: float) -> None:
        due = [step for step in steps_of(known) if known.told < step.at <= now]
        if due and known.opt == _IN:
            self._state.notices.extend(due)
            known.told = due[-1].at
            self._state.put("event", known.event.id, known)

    def _answer(self, outcome: EiResponse, answers: list[EventResponse]) -> None:
        # An empty list must never be sent: without answers there is no list (rule 35).
        payload = OadrCreatedEvent(
            eiCreatedEvent=EiCreatedEvent(
                eiResponse=outcome,
                eventResponses=EventResponses(eventResponse=answers) if answers else None,
                venID=self._state.registration.venID or "",
            )
        )
        self._state.post("created_event", payload, urgent=True)


def span_of(known: KnownEvent) -> tuple[float, float]:
    """When the event runs here: its random start, and the end of that or of its cancellation."""
    start = known.event.dtstart + known.offset
    end = math.inf if known.event.duration == 0 else after(start, known.event.duration)
    return start, end if known.stop is None else min(end, known.stop)


def steps_of(known: KnownEvent) -> Iterator[EventStep]:
    """The steps of an event in time order, cut off where it is cancelled."""
    start, end = span_of(known)
    event = known.event
    if known.stop is not None and known.stop <= start:
        return
    steps = []
    # A negative ramp-up begins with the event, a positive one before it; a negative recovery ends with the event.
    if event.ramp_up:
        steps.append(EventStep(event, "ramp-up", start - max(0, event.ramp_up)))
    steps.append(EventStep(event, "start", start))
    for signal in event.signals:
        begin = start
        for index, duration in enumerate(signal.durations):
            steps.append(EventStep(event, "interval", begin, signal.id, index, signal.values[index]))
            begin = after(begin, duration)
    if event.recovery and end < math.inf:
        steps.append(EventStep(event, "recovery", end + min(0, event.recovery)))
    if end < math.inf:
        steps.append(EventStep(event, "end", end))
    order = {"ramp-up": 0, "start": 1, "interval": 2, "recovery": 3, "end": 4}
    yield from sorted((s for s in steps if s.at <= end), key=lambda s: (s.at, order[s.kind]))


def _listed(wire: OadrEvent) -> _Listed:
    facts = wire.eiEvent.eventDescriptor
    required = wire.oadrResponseRequired == "always"
    return _Listed(facts.eventID, facts.modificationNumber, facts.eventStatus, required, lambda: from_wire(wire))


def _listed_unread(found: UnreadEvent) -> _Listed | None:
    """An event that is not as the schema has it (rule 19); None where it cannot be answered."""
    if found.id is None or found.modification is None:
        return None
    code = Code.INVALID_DATA if found.bad_values else Code.COMPLIANCE

    def read() -> Event:
        raise RemoteProtocolError(found.reason, answer=int(code))

    return _Listed(found.id, found.modification, found.status, found.response_required, read)


def _event_response(listed: _Listed, verdict: Verdict, request_id: str) -> EventResponse:
    return EventResponse(
        responseCode=f"{int(verdict.code):03d}",
        responseDescription=verdict.description or ("OK" if verdict.code == Code.OK else None),
        requestID=request_id,
        qualifiedEventID=QualifiedEventID(eventID=listed.id, modificationNumber=listed.modification),
        optType=verdict.opt,
    )
