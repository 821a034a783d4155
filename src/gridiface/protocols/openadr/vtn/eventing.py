"""EiEvent of a VTN: which events a VEN gets and when, its answers, the rules of change.

Owns events, their recipients and deliveries. Does not own targets' meaning: the shell resolves groups to VENs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import Code, Refusal, ok, request_id_of, response, succeeded
from gridiface.protocols.openadr.complaints import changes_of_the_past, complaints, wire_complaints
from gridiface.protocols.openadr.events import (
    CANCELLED,
    Event,
    rank,
)
from gridiface.protocols.openadr.market import same_context
from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.event import (
    EventResponse,
    OadrCreatedEvent,
    OadrDistributeEvent,
    OadrRequestEvent,
    OadrResponse,
)
from gridiface.protocols.openadr.sheets import Sheet
from gridiface.protocols.openadr.vtn import mailbox as box
from gridiface.protocols.openadr.vtn.entities import Delivery, EventRecord, SpentID, Ven
from gridiface.protocols.openadr.vtn.mailbox import Mailbox
from gridiface.protocols.openadr.vtn.notices import DistributeRejected, EventAnswered, EventStatusChanged
from gridiface.protocols.openadr.vtn.state import State

_FIXED = {"id", "modification", "created", "modified", "status"}


class EventDesk:
    """The events of one VTN."""

    def __init__(self, state: State, mailbox: Mailbox) -> None:
        self._state = state
        self._mailbox = mailbox
        self._sheets: dict[str, Sheet] = {}

    # -- what the operator does ----------------------------------------------------------------------------------

    def create(self, event: Event, recipients: Iterable[str], now: float, *, drawn: bool = False) -> EventRecord:
        """Take a new event and let its recipients know; `drawn` as in EventRecord.

        Raises:
            RefusedControl: the event breaks a rule for senders, its ID was used, it has ended, a VEN is not known.
        """
        problems = complaints(event)
        if event.modification != 0 or event.status == CANCELLED:
            problems.append("a new event starts at modificationNumber 0 and is not cancelled (rule 4)")
        if event.id in self._state.events or event.id in self._state.spent:
            problems.append("this eventID was used before (rule 70)")
        if event.last_end <= now:
            problems.append("the event is over already")
        if len(self._state.events) >= self._state.config.most_events:
            problems.append("too many events")
        _refuse(problems or wire_complaints(event, now))
        known = self._known(recipients)
        changed = self._change(now)
        fresh = dataclasses.replace(event, created=now)
        record = EventRecord(event=fresh, recipients=known, changed=changed, drawn=drawn)
        self._state.add("event", event.id, record)
        self._announce(known)
        return record

    def modify(
        self, event_id: str, now: float, *, reason: str = "", recipients: Iterable[str] | None = None, **fields: Any
    ) -> EventRecord:
        """Change an event; only what is not in the past (rule 20), each change adds 1 (rule 5) and is told (rule 502).

        Raises:
            RefusedControl: not known, over, cancelled, or the change touches the past or breaks a rule.
        """
        record = self._record(event_id)
        old = record.event
        if old.status == CANCELLED or old.end <= now:
            raise RefusedControl("an event that is over or cancelled cannot be changed")
        if _FIXED & fields.keys():
            raise RefusedControl(f"{', '.join(sorted(_FIXED & fields.keys()))} cannot be changed by hand")
        new = dataclasses.replace(old, **fields)
        _refuse([*complaints(new), *changes_of_the_past(old, new, now)] or wire_complaints(new, now))
        before, after = {*record.recipients}, self._known(recipients) if recipients is not None else record.recipients
        meant = before ^ {*after}
        if new != old:
            record.event = dataclasses.replace(
                new, modification=old.modification + 1, modified=now, modification_reason=reason or None
            )
            meant = before | {*after}
        if not meant:
            return record  # Nothing is another than it was: there is nothing to tell, nor a new time of making.
        record.recipients = after
        record.changed = self._change(now)
        self._state.save("event", event_id)
        # A VEN that is no recipient any more learns it from the event's absence (rule 61).
        self._let_go(before - {*after}, record.changed)
        self._announce(meant)
        return record

    def cancel(self, event_id: str, now: float, *, reason: str = "") -> EventRecord:
        """Cancel an event: eventStatus cancelled, modificationNumber plus 1 (rules 5, 10). Twice is as once.

        Raises:
            RefusedControl: not known, or over.
        """
        record = self._record(event_id)
        if record.event.status == CANCELLED:
            return record
        if record.event.last_end <= now:
            raise RefusedControl("an event that is over cannot be cancelled")
        record.event = dataclasses.replace(
            record.event,
            status=CANCELLED,
            modification=record.event.modification + 1,
            modified=now,
            modification_reason=reason or None,
        )
        record.cancelled_at = now
        record.changed = self._change(now)
        self._state.save("event", event_id)
        self._announce(record.recipients)
        return record

    def leave_out(self, ven_id: str) -> None:
        """A VEN is known no more: its events go to their other recipients only."""
        for record in self._state.events_of(ven_id):
            record.recipients = [name for name in record.recipients if name != ven_id]
            self._state.save("event", record.event.id)

    def recipients(self, target: EiTarget, named: Iterable[str], market_context: str) -> list[str]:
        """The VENs that an event is for: those named, and those that the target means by group, resource or party.

        A VEN that is restricted to other market contexts is not found by a target.
        """
        groups, parties = {*target.groupID, *target.groupName}, set(target.partyID)
        found = {*named, *target.venID}
        for ven in self._state.vens.values():
            if ven.market_contexts and not any(same_context(own, market_context) for own in ven.market_contexts):
                continue
            meant = bool(groups & set(ven.groups) or parties & set(ven.parties))
            if meant or (target.resourceID and not set(target.resourceID).isdisjoint(self.resources_of(ven))):
                found.add(ven.venID)
        return sorted(found)

    def resources_of(self, ven: Ven) -> set[str]:
        """Those of a VEN by configuration, and those that its metadata speak of."""
        found = set(ven.resources)
        for offered in self._state.reports(ven.venID).metadata:
            for point in offered.oadrReportDescription:
                found.update(point.reportDataSource.resourceID if point.reportDataSource else ())
        return found

    # -- what VENs do --------------------------------------------------------------------------------------------

    def request(self, payload: OadrRequestEvent, ven: Ven, now: float) -> Payload:
        """Answer oadrRequestEvent: always an oadrDistributeEvent, possibly without events (rules 27, 40)."""
        limit = payload.eiRequestEvent.replyLimit
        answer = self.distribute(ven, now, ok(payload.eiRequestEvent.requestID), limit=limit)
        if limit is None or len(answer.oadrEvent) < limit:
            self._mailbox.withdraw(ven.venID, box.EVENTS, sent=False)
        return answer

    def distribute(
        self, ven: Ven, now: float, answer: EiResponse | None, *, limit: int | None = None
    ) -> OadrDistributeEvent:
        """All events of a VEN, in order (rules 15, 50), or the first `limit` of them; counted as sent."""
        chosen = self.events_for(ven.venID, now)[:limit]
        deliveries = self._state.deliveries(ven.venID).by_event
        events = []
        sheets = [self._sheet(record.event) for record in chosen]
        created = self._created_at(ven, sheets, now)
        for sheet in sheets:
            delivery = deliveries.setdefault(sheet.event.id, Delivery())
            self._count(delivery, sheet.event, now)
            events.append(sheet.to_wire(ven.venID, created, now))
        if chosen:
            self._state.save("delivery", ven.venID)
        return OadrDistributeEvent(
            eiResponse=answer, requestID=self._state.new_id(), vtnID=self._state.config.vtn_id, oadrEvent=events
        )

    def events_for(self, ven_id: str, now: float) -> list[EventRecord]:
        """The events that a payload to this VEN lists now, in its order."""
        deliveries = self._state.deliveries(ven_id).by_event
        ven = self._state.vens.get(ven_id)
        of_a = ven is not None and ven.profile == "2.0a"
        listed = [
            record
            for record in self._state.events_of(ven_id)
            if self._is_listed(record.event, deliveries.get(record.event.id), now)
            # What cannot be told in the A profile is not counted as told, nor by replyLimit (rules 7, 27).
            and (record.event.fits_a_profile or not of_a)
        ]
        return sorted(listed, key=lambda record: rank(record.event, now))

    def created(self, payload: OadrCreatedEvent, ven: Ven, now: float) -> Payload:
        """Take a VEN's answers: all good ones, even beside bad ones (rules 19, 25, 48)."""
        body = payload.eiCreatedEvent
        request_id = request_id_of(payload)
        if not succeeded(body.eiResponse):
            self._mailbox.withdraw(ven.venID, box.EVENTS, sent=True)
            self._state.notices.append(
                DistributeRejected(
                    venID=ven.venID,
                    code=int(body.eiResponse.responseCode),
                    description=body.eiResponse.responseDescription or "",
                )
            )
            return OadrResponse(eiResponse=ok(request_id), venID=ven.venID)
        problem: Refusal | None = None
        for answer in body.eventResponses.eventResponse if body.eventResponses else []:
            try:
                self._take_answer(answer, ven, now)
            except Refusal as refusal:
                problem = problem or refusal
        self._settle(ven.venID, now)
        result = ok(request_id) if problem is None else response(problem.answer, problem.reason, request_id)
        return OadrResponse(eiResponse=result, venID=ven.venID)

    # -- what the clock does -------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Tell status changes, and forget what is long over."""
        keep = self._state.config.retention
        for event_id, record in list(self._state.events.items()):
            event = record.event
            status = event.status_at(now)
            if status != record.told:
                record.told = status
                self._state.save("event", event_id)
                self._state.notices.append(EventStatusChanged(eventID=event_id, status=status))
            if now - min(event.last_end, math.inf if record.cancelled_at is None else record.cancelled_at) > keep:
                self._forget(event_id, record, now)

    def next_change(self, now: float) -> float:
        """When `tick` has something to do next."""
        return min((record.event.changes_around(now)[1] for record in self._state.events.values()), default=math.inf)

    def needs_answer(self, ven_id: str, now: float) -> bool:
        """Whether something that this VEN was sent must still be answered."""
        deliveries = self._state.deliveries(ven_id).by_event
        return any(
            record.event.response_required
            and _is_open(record.event, delivery := deliveries.get(record.event.id))
            and self._is_listed(record.event, delivery, now)
            for record in self._state.events_of(ven_id)
        )

    # -- inside --------------------------------------------------------------------------------------------------

    def _record(self, event_id: str) -> EventRecord:
        try:
            return self._state.events[event_id]
        except KeyError:
            raise RefusedControl(f"there is no event {event_id}") from None

    def _known(self, recipients: Iterable[str]) -> list[str]:
        wanted = sorted(set(recipients))
        unknown = [ven_id for ven_id in wanted if ven_id not in self._state.vens]
        if not wanted:
            raise RefusedControl(
                "no VEN is meant: none is named, and none is in a group or owns a resource that the event is for"
            )
        if unknown:
            raise RefusedControl(f"not known as VENs: {', '.join(unknown)}")
        return wanted

    def _change(self, now: float) -> float:
        """An instant for a change: now, or a little later than the change before it."""
        return max(now, self._state.newest_change + 0.001)

    def _let_go(self, ven_ids: Iterable[str], changed: float) -> None:
        """An event is not in these VENs' lists any more: what it says of their change must not get lost."""
        for ven_id in sorted(ven_ids):
            ven = self._state.vens[ven_id]
            if ven.events_changed < changed:
                ven.events_changed = changed
                self._state.save("ven", ven_id)

    def _created_at(self, ven: Ven, sheets: Iterable[Sheet], now: float) -> float:
        """The createdDateTime of a payload: the same for all its events, and new with each change of any element.

        The status and the current values change with the clock, and receivers judge them by it (rule 115). Whole
        seconds where these tell them apart, so that one text serves many VENs (sheets.py).
        """
        changed = max((ven.events_changed, *(record.changed for record in self._state.events_of(ven.venID))))
        second = max(float(math.floor(now)), changed)
        told_apart = all(sheet.since(now) < second for sheet in sheets)
        created = second if told_apart else max(now, changed)
        # The next change is later, also one in the same instant.
        self._state.newest_change = max(self._state.newest_change, created)
        return created

    def _sheet(self, event: Event) -> Sheet:
        found = self._sheets.get(event.id)
        if found is None or found.event is not event:
            found = self._sheets[event.id] = Sheet(event)
        return found

    def _announce(self, ven_ids: Iterable[str]) -> None:
        for ven_id in sorted(ven_ids):
            ven = self._state.vens[ven_id]
            if ven.registered and not ven.report_only:
                self._mailbox.post(ven_id, box.EVENTS)

    def _is_listed(self, event: Event, delivery: Delivery | None, now: float) -> bool:
        if event.last_end <= now:
            return False
        if event.status != CANCELLED:
            return True
        # Who never heard of the event need not hear of its end.
        if delivery is None or delivery.modification < 0 or delivery.cancel_done:
            return False
        return delivery.cancel_sends < self._state.config.cancel_attempts

    @staticmethod
    def _count(delivery: Delivery, event: Event, now: float) -> None:
        if delivery.modification != event.modification:
            delivery.modification = event.modification
            delivery.sends = 0
        delivery.sends += 1
        delivery.sent_at = now
        if event.status == CANCELLED:
            delivery.cancel_sends += 1

    def _take_answer(self, answer: EventResponse, ven: Ven, now: float) -> None:
        qualified = answer.qualifiedEventID
        record = self._state.events.get(qualified.eventID)
        delivery = self._state.deliveries(ven.venID).by_event.get(qualified.eventID)
        if record is None or delivery is None or ven.venID not in record.recipients:
            raise Refusal(Code.INVALID_ID, "the eventID is not known")
        if qualified.modificationNumber != record.event.modification:
            raise Refusal(Code.OUT_OF_SEQUENCE, "the modificationNumber is not the current one")
        if not record.event.response_required:
            return  # Must not come; nobody counts it (rule 12).
        delivery.answered = qualified.modificationNumber
        code, description = int(answer.responseCode), answer.responseDescription or ""
        cancelled = record.event.status == CANCELLED
        if cancelled:
            delivery.cancel_done = True
            delivery.cancel_refused = None if answer.optType == "optIn" else description or f"optOut ({code})"
        else:
            delivery.opted_at, delivery.opt = now, answer.optType
            delivery.code, delivery.description = code, description
        self._state.save("delivery", ven.venID)
        self._state.notices.append(
            EventAnswered(
                venID=ven.venID,
                eventID=qualified.eventID,
                modification=qualified.modificationNumber,
                opt=answer.optType,
                code=code,
                description=description,
                cancelled=cancelled,
            )
        )

    def _settle(self, ven_id: str, now: float) -> None:
        if not self.needs_answer(ven_id, now):
            self._mailbox.withdraw(ven_id, box.EVENTS, sent=True)

    def _forget(self, event_id: str, record: EventRecord, now: float) -> None:
        self._state.forget("event", event_id)
        if not record.drawn:
            self._state.add("spent", event_id, SpentID(at=now))
        self._sheets.pop(event_id, None)
        self._let_go((name for name in record.recipients if name in self._state.vens), record.changed)
        for ven_id in record.recipients:
            if self._state.deliveries(ven_id).by_event.pop(event_id, None) is not None:
                self._state.save("delivery", ven_id)


def _is_open(event: Event, delivery: Delivery | None) -> bool:
    return delivery is None or delivery.answered != event.modification


def _refuse(problems: list[str]) -> None:
    if problems:
        raise RefusedControl("; ".join(problems))
