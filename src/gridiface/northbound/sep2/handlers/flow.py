"""Flow reservation: a device asks to charge or discharge, the server grants when and how much.

A request becomes an energy target of the engine where the device is a member of the fleet and `flow.engine` is on; else
it is granted by the rule of translate/flow.py alone. With `flow.by_operator` it waits for the operator's answer, who
can answer any request anew. What cannot be granted is answered by a grant of nothing. A new
request under the same mRID, or its cancelling, ends what was granted before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served import documents, identities
from gridiface.northbound.sep2.served.access import require_owner
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.event_clock import event_document, stands
from gridiface.northbound.sep2.served.kinds import kind, list_kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    limit_reached,
    named,
    record_of,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, EventSet
from gridiface.northbound.sep2.translate.flow import (
    Grant,
    grant_for,
    grant_to_control,
    grant_to_response,
    narrowed,
    reduced,
)
from gridiface.protocols.sep2.enums import EventStatusCode, RequestStatusCode
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.mrids import same_mrid
from gridiface.protocols.sep2.resources import EventStatus, FlowReservationRequest, FlowReservationResponse, ResponseSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the operator says to a request: nothing (`refuse`), or at most so much; None: as it was asked for.

    Energy in Wh and power in W without sign, start in s since 1970, duration in s.
    """

    refuse: bool = False
    energy_wh: float | None = None
    power_w: float | None = None
    start: int | None = None
    duration: int | None = None


class Flow:
    """Requests and grants below an end device."""

    def __init__(self, services: Services) -> None:
        self._s = services

    # --- requests ---------------------------------------------------------------------------------------------------

    async def post(self, call: Call) -> Reply:
        """Take a request in and answer it by a grant in the device's list.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        request = call.read(FlowReservationRequest, self._s)
        if not isinstance(call.node, Listing):
            raise RemoteProtocolError("no such list", answer=404)
        _check(request)
        async with self._s.locks.hold(call.node.path):
            still_there(self._s, call.node)
            known = next((i for i in call.node.items.values() if same_mrid(i.obj.mRID, request.mRID)), None)
            if known is not None:
                ours = {"mRID": known.obj.mRID, "href": known.path, "version": known.obj.version}
                if replace(request, **ours) == known.obj:
                    return changed(known.path)
                raise RemoteProtocolError("the mRID belongs to another request", answer=409)
            if request.requestStatus.requestStatus != RequestStatusCode.REQUESTED:
                raise bad_value("a new request is not cancelled")
            most = self._s.settings.limits.published_per_list
            past = self._past(call.node, call.now) if len(call.node.items) >= most else []
            if len(call.node.items) - len(past) >= most:
                raise limit_reached("flow reservation request")
            self._check_room(record)
            number, changes = self._s.state.counters.take(f"frq/{record.number}")
            path = f"{call.node.path}/{number}"
            request.href, request.version = path, request.version or 0
            stored: list[Change] = [
                documents.put(documents.OWN, path, request),
                *(documents.delete(documents.OWN, p) for p in past),
            ]
            if self._s.settings.flow.by_operator:
                self.place(record)
                await self._s.ledger.commit([*changes, *stored])
            else:
                grant = self._bounded(record, request, call.now)
                await self._grant(record, request, grant, call.now, call.caller.lfdi, [*changes, *stored])
            for old in past:
                self._s.tree.remove(old)
            self._place_request(record, path, request)
        return created(path)

    async def put(self, call: Call) -> Reply:
        """Change a request, or cancel it: what was granted ends, and what is asked now is granted anew.

        Raises:
            RemoteProtocolError: 400, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed, or the earlier grant is cancelled and the request is as it was.
        """
        record, item = require_owner(call.caller, record_of(call.node)), item_of(call.node)
        request = call.read(FlowReservationRequest, self._s)
        _check(request)
        async with self._s.locks.hold(f"{record.path}/frq"):
            still_there(self._s, item)
            before: FlowReservationRequest = item.obj
            if not same_mrid(request.mRID, before.mRID) or request.creationTime != before.creationTime:
                raise bad_value("mRID and creationTime stay")
            request.mRID, request.href, request.version = before.mRID, item.path, ((before.version or 0) + 1) & 0xFFFF
            stored = documents.put(documents.OWN, item.path, request)
            if request.requestStatus.requestStatus != RequestStatusCode.CANCELLED:
                self._check_room(record)
            await self._end_grants(record, request.mRID, call.now, "the request changed")
            cancelled = request.requestStatus.requestStatus == RequestStatusCode.CANCELLED
            if cancelled or self._s.settings.flow.by_operator:
                await self._s.ledger.commit([stored])
            else:
                grant = self._bounded(record, request, call.now)
                await self._grant(record, request, grant, call.now, call.caller.lfdi, [stored])
            self._s.tree.set(item, request)
        return changed()

    def _check_room(self, record: EndDeviceRecord) -> None:
        if len(self.place(record).events) >= self._s.settings.limits.published_per_list:
            raise limit_reached("flow reservation response")

    def _past(self, requests: Listing, now: Instant) -> list[str]:
        """Where requests are that nothing is kept of any more; they make room for new ones where their list is full."""
        ended = now - self._s.settings.event_retention_s
        intervals = ((path, item.obj.intervalRequested) for path, item in requests.items.items())
        return [path for path, asked in intervals if asked.start + asked.duration <= ended]

    # --- grants -----------------------------------------------------------------------------------------------------

    async def answer(self, record: EndDeviceRecord, item: Item, answer: Answer, now: Instant, *, by: str) -> None:
        """Answer a request anew, as the operator says; what was granted before ends.

        Raises:
            RemoteProtocolError: 400 for more than was requested or no room, 404, 409 where the request is over or
                cancelled.
            StoreUnavailable: nothing was changed, or the earlier grant is cancelled and there is no other.
        """
        async with self._s.locks.hold(f"{record.path}/frq"):
            still_there(self._s, item)
            request: FlowReservationRequest = item.obj
            window = request.intervalRequested
            if request.requestStatus.requestStatus == RequestStatusCode.CANCELLED:
                raise RemoteProtocolError("the device has cancelled its request", answer=409)
            if window.start + window.duration <= now:
                raise RemoteProtocolError("the time that was asked for is over", answer=409)
            grant = self._answered(record, request, answer, now)
            self._check_room(record)
            await self._end_grants(record, request.mRID, now, "answered anew")
            await self._grant(record, request, grant, now, by, [])

    def _answered(
        self, record: EndDeviceRecord, request: FlowReservationRequest, answer: Answer, now: Instant
    ) -> Grant:
        if answer.refuse:
            start = max(request.intervalRequested.start, int(now))
            return Grant(start, request.intervalRequested.start + request.intervalRequested.duration - start, 0.0, 0.0)
        try:
            asked = narrowed(request, answer.energy_wh, answer.power_w, answer.start, answer.duration)
        except ValueError as problem:
            raise bad_value(str(problem)) from None
        return self._bounded(record, asked, now)

    async def cancel_grants(self, record: EndDeviceRecord, item: Item, now: Instant, *, reason: str) -> None:
        """Cancel what is granted to a request, and grant nothing in its place.

        Raises:
            RemoteProtocolError: 404, 409 where nothing is granted.
            StoreUnavailable: nothing was changed.
        """
        async with self._s.locks.hold(f"{record.path}/frq"):
            still_there(self._s, item)
            if not await self._end_grants(record, item.obj.mRID, now, reason or "cancelled by the operator"):
                raise RemoteProtocolError("nothing is granted that could be cancelled", answer=409)

    async def _grant(
        self,
        record: EndDeviceRecord,
        request: FlowReservationRequest,
        grant: Grant,
        now: Instant,
        identity: str,
        along: Sequence[Change],
    ) -> None:
        events = self.place(record)
        number, changes = self._s.state.counters.take(f"frp/{record.number}")
        along = [*along, *changes]
        control: Control | None = None
        if not grant.is_empty and self._s.settings.flow.engine and record.device_id is not None:
            grant, control = self._ask(record.device_id, request, grant, number, identity, now)
        event = self._event(record, request, grant, number, now, None if control is None else control.id)
        if control is None:
            await self._s.ledger.commit([*along, event_document(event)])
        elif not (await self._s.inbox.submit(control, now, along=[*along, event_document(event)])).will_run:
            # What ruled came between the look and the act.
            event = self._event(record, request, Grant(grant.start, grant.duration, 0.0, 0.0), number, now, None)
            await self._s.ledger.commit([*along, event_document(event)])
        self.place_event(event)
        self._s.events.refresh(events, now)
        self._s.counts.events_published += 1

    def _event(
        self,
        record: EndDeviceRecord,
        request: FlowReservationRequest,
        grant: Grant,
        number: int,
        now: Instant,
        control_id: str | None,
    ) -> EventRecord:
        """A grant as it will be served."""
        events, settings = self.place(record), self._s.settings
        mrid = identities.mrid(settings.site, "frp", f"{record.lfdi}/{number}", settings.pen)
        response = grant_to_response(request, grant, mrid, now)
        response.href, response.replyTo = f"{events.events_at}/{number}", events.responses
        return EventRecord(
            item=Item(response.href, kind("/edev/{id1}/frp/{id2}"), record.audience, response, data=record),
            program=0,
            control_id=control_id,
            posted=response.creationTime,
            owner=events.path,
        )

    def _bounded(self, record: EndDeviceRecord, request: FlowReservationRequest, now: Instant) -> Grant:
        device = self._s.fleet.device(record.device_id) if record.device_id is not None else None
        return grant_for(request, device, now)

    def _ask(
        self, device_id: str, request: FlowReservationRequest, grant: Grant, number: int, identity: str, now: Instant
    ) -> tuple[Grant, Control | None]:
        """What the engine says to a grant, as it is, less, or nothing; and the control that it is then."""
        primacy = self._s.settings.channel.primacy
        control = grant_to_control(request, grant, device_id, identity, primacy, number)
        acceptance = self._s.inbox.preview(control, now)
        if not acceptance.will_run:
            return Grant(grant.start, grant.duration, 0.0, 0.0), None
        grant = reduced(grant, acceptance.feasible_w)
        if grant.is_empty:
            return grant, None
        return grant, grant_to_control(request, grant, device_id, identity, primacy, number)

    async def _end_grants(self, record: EndDeviceRecord, subject: str, now: Instant, reason: str) -> int:
        """Cancel what is granted to a request and not over; how many grants that were."""
        ended = 0
        events = self._s.state.event_sets.get(f"{record.path}/frp")
        for event in list(events.events.values()) if events is not None else ():
            obj: FlowReservationResponse = event.item.obj
            if obj.subject != subject or not stands(event) or event.end <= now:
                continue
            after = replace(
                obj,
                version=((obj.version or 0) + 1) & 0xFFFF,
                eventStatus=EventStatus(
                    currentStatus=EventStatusCode.CANCELLED,
                    dateTime=int(now),
                    potentiallySuperseded=False,
                    reason=reason.encode()[:192].decode("utf-8", "ignore") or None,
                ),
            )
            item = event.item
            stored = event_document(replace(event, item=Item(item.path, item.kind, item.audience, after)))
            if event.control_id is None or not await self._s.inbox.cancel(
                event.control_id, now, reason=reason, along=[stored]
            ):
                await self._s.ledger.commit([stored])
            self._s.tree.set(item, after)
            ended += 1
        if events is not None:
            self._s.events.refresh(events, now)
        return ended

    # --- the tree ---------------------------------------------------------------------------------------------------

    def place(self, record: EndDeviceRecord) -> EventSet:
        """The place of a device's grants and of the responses to them; made with its first request."""
        path = f"{record.path}/frp"
        known = self._s.state.event_sets.get(path)
        if known is not None:
            return known
        rsps = f"/rsps/frp{record.number}"
        events = self._s.state.event_sets[path] = EventSet(
            path=path, events_at=path, active="", responses=f"{rsps}/rsp"
        )
        tree, settings = self._s.tree, self._s.settings
        tree.add(Listing(events.responses, list_kind("/rsps/{id1}/rsp"), record.audience, scoped=True, data=events))
        answers = ResponseSet(
            mRID=identities.mrid(settings.site, "rsps", f"frp/{record.lfdi}", settings.pen),
            description="flow reservation",
            version=0,
        )
        tree.add(Item(rsps, kind("/rsps/{id1}"), record.audience, answers, data=events), "/rsps")
        return events

    def _place_request(self, record: EndDeviceRecord, path: str, request: FlowReservationRequest) -> None:
        item = Item(path, kind("/edev/{id1}/frq/{id2}"), record.audience, request, data=record)
        self._s.tree.add(item, f"{record.path}/frq")

    def place_event(self, event: EventRecord) -> None:
        """Show a grant that is durable."""
        self._s.tree.add(event.item, event.item.path.rpartition("/")[0])
        self._s.state.add_event(event)

    def load_request(self, record: EndDeviceRecord, stored: Record) -> None:
        """Show a stored request."""
        self.place(record)
        self._place_request(record, stored.key, stored.resource(FlowReservationRequest))
        self._s.state.counters.saw(f"frq/{record.number}", int(stored.key.rpartition("/")[2]))

    def load_grant(self, record: EndDeviceRecord, stored: Record) -> None:
        """Show a stored grant."""
        events = self.place(record)
        response = stored.resource(FlowReservationResponse)
        self.place_event(
            EventRecord(
                item=Item(stored.key, kind("/edev/{id1}/frp/{id2}"), record.audience, response, data=record),
                program=0,
                control_id=stored.head.get("control"),
                posted=response.creationTime,
                owner=events.path,
                over=stored.head.get("over", False),
            )
        )
        self._s.state.counters.saw(f"frp/{record.number}", int(stored.key.rpartition("/")[2]))


def _check(request: FlowReservationRequest) -> None:
    named(request.mRID, "a request")
    if request.requestStatus.requestStatus not in set(RequestStatusCode):
        raise bad_value("requestStatus is 0 (requested) or 1 (cancelled)")
    if not request.intervalRequested.duration:
        raise bad_value("intervalRequested lasts at least a second")
    energy, power = request.energyRequested.value, request.powerRequested.value
    if energy * power < 0:
        raise bad_value("energy and power have different signs")
