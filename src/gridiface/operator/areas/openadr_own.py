"""Our VENs at utilities' VTNs: the link, events and our word on them, opt schedules, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from gridiface.domain.clock import Instant
from gridiface.errors import RefusedControl
from gridiface.naming import by_name
from gridiface.operator.api.routing import Area, Call, delete, get, post, put, unknown
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.openadr_own import (
    OwnEventList,
    OwnEventRow,
    OwnReports,
    OwnSchedules,
    OwnVenList,
    OwnVenPort,
    OwnVenRow,
    own_event_row,
    own_reports,
    own_schedules,
    own_ven_row,
)
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery, Reason, Text
from gridiface.protocols.openadr.ven import Ven

_VEN = "/openadr/vens/{id}"
Names = Annotated[list[Name], Field(max_length=1000)]
Opt = Literal["optIn", "optOut"]
OptReason = Literal[
    "economic",
    "emergency",
    "mustRun",
    "notParticipating",
    "outageRunStatus",
    "overrideStatus",
    "participating",
    "x-schedule",
]


class AnswersForm(Reason):
    """What every event is answered from now on."""

    answers: Literal["engine", "optIn", "optOut"] = Field(description="engine: it decides on each event")


class OptForm(Reason):
    """Our word on an event."""

    opt: Opt = Field(description="optIn or optOut; the controls follow it")
    resources: Names = Field(default_factory=list, description="only for these resourceIDs; empty: for all")


class SpanForm(Asked):
    """A piece of time."""

    start: AwareDatetime = Field(description="start, ISO 8601 with offset")
    duration_s: int = Field(default=0, ge=0, le=2**31 - 1, description="how long; 0: open")


class ScheduleForm(Asked):
    """When we do or do not take part."""

    opt: Opt = Field(default="optOut", description="optIn or optOut")
    spans: list[SpanForm] = Field(min_length=1, max_length=500, description="when")
    reason: OptReason = Field(default="x-schedule", description="optReason")
    resources: Names = Field(default_factory=list, description="only for these resourceIDs; empty: for all")
    market_context: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="only in this program"
    )
    note: Text = Field(default="", description="for the audit log")


class OpenAdrOwnArea(Area):
    """Our VENs."""

    name: ClassVar[str] = "openadr-own"
    title: ClassVar[str] = "OpenADR: our VENs"
    screens: ClassVar[str] = "gridiface.operator.screens.openadr_own:OwnVenScreens"

    def __init__(self, vens: Iterable[OwnVenPort]) -> None:
        self._vens: Mapping[str, OwnVenPort] = {ven.name: ven for ven in vens}

    @get("/openadr/vens", "Our VENs and their links to VTNs")
    async def list_own_vens(self, call: Call[NoQuery, NoBody]) -> OwnVenList:
        """All of ours."""
        return OwnVenList(vens=[own_ven_row(ven) for _, ven in by_name(self._vens)])

    @get(f"{_VEN}/events", "Events of a VTN, our word on each, and the controls they have become", problems=(404,))
    async def list_own_events(self, call: Call[NoQuery, NoBody]) -> OwnEventList:
        """All that the VEN knows."""
        ven = self._ven(call.id)
        rows = [own_event_row(ven, known, call.now) for known in ven.core.events.values()]
        return OwnEventList(events=sorted(rows, key=lambda row: (-row["start"], row["id"])))

    @post(
        f"{_VEN}/events/{{event}}/opt",
        "Opt in or out of an event, for all or for some resources",
        scope="control",
        problems=(404, 409),
    )
    async def opt_own_event(self, call: Call[NoQuery, OptForm]) -> OwnEventRow:
        """The event as it is then."""
        ven, name, asked = self._ven(call.id), call.part("event"), call.body
        known = ven.core.events.get(name)
        if known is None:
            raise unknown("event", name, "GET its events lists them")
        entry = _entry(call, "openadr.own.opt", name, before={"opt": known.opt}, after=asked.model_dump(mode="json"))
        await _done(
            entry, ven.opt(name, asked.opt, reason=asked.reason, resources=asked.resources, along=[entry.change()])
        )
        return own_event_row(ven, ven.core.events[name], call.now)

    @get(f"{_VEN}/schedules", "Our opt schedules at a VTN", problems=(404,))
    async def list_own_schedules(self, call: Call[NoQuery, NoBody]) -> OwnSchedules:
        """All that are not over."""
        return own_schedules(self._ven(call.id))

    @post(
        f"{_VEN}/schedules", "Tell a VTN when we do or do not take part", scope="control", done=201, problems=(404, 409)
    )
    async def add_own_schedule(self, call: Call[NoQuery, ScheduleForm]) -> OwnSchedules:
        """The schedules that hold then."""
        ven, asked = self._ven(call.id), call.body
        spans = [(float(int(span.start.timestamp())), span.duration_s) for span in asked.spans]
        entry = _entry(call, "openadr.own.schedule", call.id, after=asked.model_dump(mode="json"), reason=asked.note)
        verb = ven.do(
            lambda core, now: core.add_opt_schedule(
                asked.opt,
                spans,
                now,
                reason=asked.reason,
                resources=asked.resources,
                market_context=asked.market_context,
            ),
            along=[entry.change()],
        )
        await _done(entry, verb)
        return own_schedules(ven)

    @delete(f"{_VEN}/schedules/{{opt}}", "Take an opt schedule back", scope="control", problems=(404, 409))
    async def cancel_own_schedule(self, call: Call[NoQuery, NoBody]) -> OwnSchedules:
        """The schedules that are left."""
        ven, name = self._ven(call.id), call.part("opt")
        if name not in ven.core.schedules:
            raise unknown("opt schedule", name, "GET its schedules lists them")
        entry = _entry(call, "openadr.own.unschedule", name)
        await _done(entry, ven.do(lambda core, _: core.cancel_opt_schedule(name), along=[entry.change()]))
        return own_schedules(ven)

    @get(f"{_VEN}/reports", "What we offer to report, and what is requested", problems=(404,))
    async def list_own_reports(self, call: Call[NoQuery, NoBody]) -> OwnReports:
        """Offers and requests."""
        return own_reports(self._ven(call.id).core)

    @post(f"{_VEN}/register", "Register (again) at the VTN", scope="control", problems=(404, 409))
    async def register_own_ven(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.register", lambda core, _: core.start())

    @post(f"{_VEN}/deregister", "Cancel the registration at the VTN", scope="control", problems=(404, 409))
    async def deregister_own_ven(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.deregister", lambda core, _: core.cancel_registration())

    @post(f"{_VEN}/query", "Ask the VTN what it offers and whether we are registered", scope="control", problems=(404,))
    async def query_own_vtn(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.query", lambda core, _: core.query())

    @post(f"{_VEN}/offer", "Tell the VTN anew what we offer to report", scope="control", problems=(404, 409))
    async def offer_own_reports(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.offer", lambda core, _: core.offer_reports())

    @post(f"{_VEN}/metadata", "Ask the VTN what it offers to report", scope="control", problems=(404, 409))
    async def request_own_metadata(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.metadata", lambda core, _: core.request_metadata())

    @put(
        f"{_VEN}/answers",
        "Answer every event with optIn or optOut, or as the engine decides",
        scope="control",
        problems=(404,),
    )
    async def answer_own_events(self, call: Call[NoQuery, AnswersForm]) -> OwnVenRow:
        """The VEN; events that it knows keep our word until they are changed."""
        ven, asked = self._ven(call.id), call.body
        before = {"answers": ven.answers or "engine"}
        entry = _entry(call, "openadr.own.answers", call.id, before=before, after=asked.model_dump(mode="json"))
        opt = "" if asked.answers == "engine" else asked.answers
        await _done(entry, ven.always(opt, along=[entry.change()]))
        return own_ven_row(ven)

    @post(f"{_VEN}/refresh", "Ask the VTN for all events", scope="control", problems=(404, 409))
    async def refresh_own_events(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.refresh", lambda core, _: core.request_events())

    async def _tell(self, call: Call[NoQuery, Reason], what: str, verb: Callable[[Ven, Instant], None]) -> OwnVenRow:
        ven = self._ven(call.id)
        entry = _entry(call, what, call.id, reason=call.body.reason)
        await _done(entry, ven.do(verb, along=[entry.change()]))
        return own_ven_row(ven)

    def _ven(self, name: str) -> OwnVenPort:
        found = self._vens.get(name)
        if found is None:
            raise unknown("VEN of ours", name, "GET /api/v1/openadr/vens lists them")
        return found


def _entry(call: Call[Any, Any], what: str, subject: str, **more: Any) -> Entry:
    return Entry(at=call.now, who=call.caller.name, what=what, subject=subject, **more)


async def _done(entry: Entry, verb: Any) -> None:
    try:
        await verb
    except RefusedControl as problem:
        raise Refused(409, str(problem), "see docs/operator/openadr.md") from problem
    entry.log()
