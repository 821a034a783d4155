"""Events of our VTN: made, changed, cancelled, copied, and where they stand with each VEN."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.operator.api.routing import Area, Call, Reply, etag_of, get, patch, post, unknown
from gridiface.operator.areas.openadr_vens import VtnPort, audited
from gridiface.operator.problems import Refused
from gridiface.operator.rows.openadr import EventDeliveryRow, EventDetail, EventRow, delivery_row, event_row
from gridiface.operator.rows.openadr_forms import Again, EventChange, NewEvent, Recipients, fields_of, new_event
from gridiface.operator.schema import NoBody, NoQuery, Reason, Search
from gridiface.protocols.openadr.events import FAR, Event
from gridiface.protocols.openadr.vtn import Delivery, EventRecord
from gridiface.segments import segment

_ROOT = "/openadr/vtn/events"

#: Statuses of events that are not over; of how many of these the answers are counted.
_AHEAD, _COUNTED = frozenset({"far", "near", "active"}), 20


class EventQuery(Search):
    """Which events."""

    status: Literal["far", "near", "active", "completed", "cancelled", ""] = Field(default="", description="only these")
    ven: str = Field(default="", max_length=128, description="only events for this VEN")
    open: bool = Field(default=False, description="true: only events that a VEN has not answered yet")


class Standing(TypedDict):
    """Events that are active, answers that are missing; more: there are more events than were looked at."""

    active: int
    missing: int
    more: bool


class EventList(TypedDict):
    """A page of events, the latest start first."""

    events: list[EventRow]
    total: int
    next: str | None


class OpenAdrEventsArea(Area):
    """Events of our VTN."""

    name: ClassVar[str] = "openadr-events"
    title: ClassVar[str] = "OpenADR VTN: events"
    screens: ClassVar[str] = "gridiface.operator.screens.openadr:OpenAdrScreens"

    def __init__(self, vtn: VtnPort) -> None:
        self._vtn = vtn

    @property
    def vtn(self) -> VtnPort:
        """The VTN whose events these are."""
        return self._vtn

    @get(
        _ROOT,
        "Events, the latest start first, with how many VENs opted in and out; filters `q`, `status`, `ven`, `open`",
    )
    async def list_openadr_events(self, call: Call[EventQuery, NoBody]) -> EventList:
        """One page of events."""
        query, text = call.query, call.query.q.strip().lower()
        fitting = [
            record
            for record in sorted(self._vtn.core.events.values(), key=lambda r: (-r.event.dtstart, r.event.id))
            if not query.ven or query.ven in record.recipients
            if not query.status or record.event.status_at(call.now) == query.status
            if not text or _has(record.event, text)
            if not query.open or _is_open(self._row(record, call.now))
        ]
        begin = next((place + 1 for place, one in enumerate(fitting) if one.event.id == query.after), 0)
        if query.after and not begin:
            raise Refused(400, "`after` names no event of this list", "begin again without it")
        begin += query.skip
        # What VENs said is counted for those that are shown: an event may have ten thousand.
        shown = [self._row(record, call.now) for record in fitting[begin : begin + query.limit]]
        following = shown[-1]["id"] if shown and begin + len(shown) < len(fitting) else None
        return EventList(events=shown, total=len(fitting), next=following)

    def standing(self, now: Instant) -> Standing:
        """How many events are active, and how many answers those that are not over wait for."""
        states = [(one, one.event.status_at(now)) for one in self._vtn.core.events.values()]
        waiting = [one for one, state in states if state in _AHEAD and one.event.response_required]
        waiting.sort(key=lambda one: -one.event.dtstart)
        said = [self._row(one, now)["answers"] for one in waiting[:_COUNTED]]
        return Standing(
            active=sum(state == "active" for _, state in states),
            missing=sum(one["silent"] + one["unsent"] for one in said),
            more=len(waiting) > _COUNTED,
        )

    @get(
        f"{_ROOT}/{{id}}", "One event: who fetched, acknowledged, opted, is late or lost", problems=(404,), tagged=True
    )
    async def get_openadr_event(self, call: Call[NoQuery, NoBody]) -> Reply[EventDetail]:
        """One event; its ETag changes with the event and its VENs, not with what they say."""
        return self._told(call.id, call.now)

    @post(_ROOT, "Send an event", scope="control", done=201, problems=(409,))
    async def create_openadr_event(self, call: Call[NoQuery, NewEvent]) -> Reply[EventDetail]:
        """The new event."""
        event = new_event(call.body, call.body.id or self._vtn.core.new_id(), call.now)
        return await self._create(event, call.body, call, "openadr.event.create")

    @patch(
        f"{_ROOT}/{{id}}",
        "Change an event before or while it runs; only what is not past (modificationNumber + 1)",
        scope="control",
        problems=(404, 409),
        match="get_openadr_event",
    )
    async def modify_openadr_event(self, call: Call[NoQuery, EventChange]) -> Reply[EventDetail]:
        """The event as it is then."""
        record, asked = self._record(call.id), call.body
        fields, old = fields_of(asked), record.event
        recipients: list[str] | None = None
        if asked.vens is not None or asked.everyone or asked.target is not None:
            recipients = self._recipients(dataclasses.replace(old, **fields), asked)
        if not fields and recipients is None:
            raise Refused(422, "nothing is changed", "name what becomes another")
        before = self._row(record, call.now)
        name = old.id
        await audited(
            self._vtn,
            call,
            "openadr.event.modify",
            name,
            lambda vtn, now: vtn.modify_event(name, now, reason=asked.reason, recipients=recipients, **fields),
            before=_audit(before),
            after=asked.model_dump(mode="json", exclude_none=True),
            reason=asked.reason,
        )
        return self._told(name, call.now)

    @post(
        f"{_ROOT}/{{id}}/cancel",
        "Cancel an event; it is sent until each VEN has confirmed",
        scope="control",
        problems=(404, 409),
        match="get_openadr_event",
    )
    async def cancel_openadr_event(self, call: Call[NoQuery, Reason]) -> Reply[EventDetail]:
        """The event as it is then."""
        record, reason = self._record(call.id), call.body.reason
        name = record.event.id
        await audited(
            self._vtn,
            call,
            "openadr.event.cancel",
            name,
            lambda vtn, now: vtn.cancel_event(name, now, reason=reason),
            before=_audit(self._row(record, call.now)),
            reason=reason,
        )
        return self._told(name, call.now)

    @post(
        f"{_ROOT}/{{id}}/duplicate",
        "Send a copy of an event, with what is named changed; without `start` it begins now",
        scope="control",
        done=201,
        problems=(404, 409),
    )
    async def duplicate_openadr_event(self, call: Call[NoQuery, Again]) -> Reply[EventDetail]:
        """The copy."""
        old, asked = self._record(call.id), call.body
        fields = {"dtstart": float(int(call.now)), **fields_of(asked)}
        fresh = {"modification": 0, "modified": None, "modification_reason": None, "status": FAR, "created": 0.0}
        event = dataclasses.replace(old.event, id=asked.id or self._vtn.core.new_id(), **{**fresh, **fields})
        named = asked
        if asked.vens is None and not asked.everyone and asked.target is None:
            named = asked.model_copy(update={"vens": list(old.recipients)})
        return await self._create(event, named, call, "openadr.event.duplicate")

    # --- helpers ------------------------------------------------------------------------------------------------

    def _told(self, name: str, now: Instant) -> Reply[EventDetail]:
        record = self._record(name)
        tag = etag_of([name, record.event.modification, record.event.created, record.recipients])
        return Reply(self._detail(record, now), etag=tag)

    def _record(self, name: str) -> EventRecord:
        found = self._vtn.core.events.get(name)
        if found is None:
            raise unknown("event", name, "GET /api/v1/openadr/vtn/events lists them")
        return found

    async def _create(
        self, event: Event, asked: NewEvent | Again, call: Call[Any, Any], what: str
    ) -> Reply[EventDetail]:
        recipients = self._recipients(event, asked)
        await audited(
            self._vtn,
            call,
            what,
            event.id,
            lambda vtn, now: vtn.create_event(event, recipients, now, drawn=not asked.id),
            after={**asked.model_dump(mode="json", exclude_none=True, exclude={"vens"}), "vens": recipients},
        )
        made = self._told(event.id, call.now)
        return dataclasses.replace(made, headers={"Location": f"/api/v1{_ROOT}/{segment(event.id)}"})

    def _recipients(self, event: Event, asked: Recipients) -> list[str]:
        core = self._vtn.core
        named = list(core.vens) if asked.everyone else list(asked.vens or ())
        return core.recipients(event.target, named, event.market_context)

    def _deliveries(self, record: EventRecord) -> Mapping[str, Delivery | None]:
        return {name: self._vtn.core.delivery(name, record.event.id) for name in record.recipients}

    def _row(self, record: EventRecord, now: Instant) -> EventRow:
        return event_row(record, self._deliveries(record), now)

    def _detail(self, record: EventRecord, now: Instant) -> EventDetail:
        deliveries = self._deliveries(record)
        rows = self._delivery_rows(record, deliveries, now)
        return EventDetail(**event_row(record, deliveries, now), deliveries=rows)

    def _delivery_rows(
        self, record: EventRecord, deliveries: Mapping[str, Delivery | None], now: Instant
    ) -> list[EventDeliveryRow]:
        core, rows = self._vtn.core, []
        for name, delivery in deliveries.items():
            known = name in core.vens
            state = core.liveness(name, now, since=self._vtn.started) if known else "removed"
            rows.append(delivery_row(name, str(state), record, delivery))
        return rows

    def part(self, name: str, now: Instant, text: str, start: int, limit: int) -> tuple[EventDetail, int]:
        """One event with those of its deliveries that a page shows; and how many fit.

        Args:
            name: of the event.
            now: the time.
            text: in what a delivery says; "": all fit, and only what is shown is made into rows.
            start, limit: which of those that fit.

        Raises:
            Refused: 404, there is no such event.
        """
        record = self._record(name)
        deliveries, wanted = self._deliveries(record), text.lower()
        whole = event_row(record, deliveries, now)
        if not wanted:
            shown = dict(islice(deliveries.items(), start, start + limit))
            return EventDetail(**whole, deliveries=self._delivery_rows(record, shown, now)), len(deliveries)
        fits = [
            row
            for row in self._delivery_rows(record, deliveries, now)
            if any(wanted in str(row[key]).lower() for key in ("ven", "state", "opt", "liveness"))
        ]
        return EventDetail(**whole, deliveries=fits[start : start + limit]), len(fits)


def _has(event: Event, text: str) -> bool:
    known = (event.id, event.market_context, *(signal.name for signal in event.signals))
    return any(text in one.lower() for one in known)


def _is_open(row: EventRow) -> bool:
    answers = row["answers"]
    return row["response_required"] and answers["silent"] + answers["unsent"] > 0


def _audit(row: EventRow) -> dict[str, Any]:
    """What the audit log keeps of an event."""
    return {key: row[key] for key in ("status", "modification", "start", "end", "vens")} | {"signals": row["signals"]}
