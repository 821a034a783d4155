"""Our VENs at utilities' VTNs: the link, events and our word on them, opt schedules, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.domain.ports import Change
from gridiface.errors import RefusedControl
from gridiface.naming import by_name
from gridiface.operator.audit import Entry
from gridiface.operator.openadr_forms import unit_text
from gridiface.operator.openadr_rows import EventFacts, OptRow, event_facts
from gridiface.operator.problems import Refused
from gridiface.operator.routing import Area, Call, delete, get, post, unknown
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery, Reason, Text
from gridiface.protocols.openadr.ven import KnownEvent, Ven
from gridiface.protocols.openadr.ven.eventing import span_of

_T = TypeVar("_T")
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


class OwnVenPort(Protocol):
    """One of our VENs as this area uses it; northbound.openadr has it."""

    core: Ven
    up: bool

    @property
    def name(self) -> str:
        """Among ours."""
        ...

    @property
    def url(self) -> str:
        """Of the VTN."""
        ...

    def controls_of(self, event_id: str) -> tuple[str, ...]:
        """Ids of the controls that an event has become."""
        ...

    async def opt(
        self,
        event_id: str,
        opt: str,
        *,
        reason: str = "",
        resources: Sequence[str] = (),
        along: Sequence[Change] = (),
    ) -> None:
        """Our word on an event."""
        ...

    async def do(self, verb: Callable[[Ven, Instant], _T], *, along: Sequence[Change] = ()) -> _T:
        """Carry out a verb; its value when it is durable, together with `along`."""
        ...


class OwnVenRow(TypedDict):
    """One of our VENs at a glance. `waiting`: payloads that the VTN has not taken yet."""

    name: str
    url: str
    up: bool
    registered: bool
    ven_id: str | None
    vtn_id: str | None
    mode: str
    poll_s: float | None
    events: int
    waiting: int
    requests: int
    schedules: int


class OwnVenList(TypedDict):
    """Our VENs, by name."""

    vens: list[OwnVenRow]


class OwnEventRow(EventFacts):
    """An event that a VTN sent us: our word, when it runs here, and the controls that it has become."""

    opt: str
    code: int
    description: str
    resources: dict[str, str]
    offset_s: float
    runs_from: float
    runs_until: float | None
    controls: list[str]


class OwnEventList(TypedDict):
    """Events, the latest start first."""

    events: list[OwnEventRow]


class OwnPoint(TypedDict):
    """One data point that we offer."""

    rid: str
    type: str
    unit: str
    resources: list[str]


class OwnOffer(TypedDict):
    """One report that we offer."""

    specifier: str
    name: str
    keeps_s: int
    points: list[OwnPoint]


class OwnRequest(TypedDict):
    """A report that the VTN has requested. `due`: of the next one."""

    id: str
    specifier: str
    rids: list[str]
    granularity_s: int
    back_s: int
    due: float


class OwnReports(TypedDict):
    """What we offer to report, and what is requested."""

    offers: list[OwnOffer]
    requests: list[OwnRequest]


class OwnSchedules(TypedDict):
    """Our opt schedules; `calendar` is empty for those made by hand."""

    schedules: list[OptRow]


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
        return OwnVenList(vens=[_row(ven) for _, ven in by_name(self._vens)])

    @get(f"{_VEN}/events", "Events of a VTN, our word on each, and the controls they have become", problems=(404,))
    async def list_own_events(self, call: Call[NoQuery, NoBody]) -> OwnEventList:
        """All that the VEN knows."""
        ven = self._ven(call.id)
        rows = [_event_row(ven, known, call.now) for known in ven.core.events.values()]
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
        return _event_row(ven, ven.core.events[name], call.now)

    @get(f"{_VEN}/schedules", "Our opt schedules at a VTN", problems=(404,))
    async def list_own_schedules(self, call: Call[NoQuery, NoBody]) -> OwnSchedules:
        """All that are not over."""
        return _schedules(self._ven(call.id))

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
        return _schedules(ven)

    @delete(f"{_VEN}/schedules/{{opt}}", "Take an opt schedule back", scope="control", problems=(404, 409))
    async def cancel_own_schedule(self, call: Call[NoQuery, NoBody]) -> OwnSchedules:
        """The schedules that are left."""
        ven, name = self._ven(call.id), call.part("opt")
        if name not in ven.core.schedules:
            raise unknown("opt schedule", name, "GET its schedules lists them")
        entry = _entry(call, "openadr.own.unschedule", name)
        await _done(entry, ven.do(lambda core, _: core.cancel_opt_schedule(name), along=[entry.change()]))
        return _schedules(ven)

    @get(f"{_VEN}/reports", "What we offer to report, and what is requested", problems=(404,))
    async def list_own_reports(self, call: Call[NoQuery, NoBody]) -> OwnReports:
        """Offers and requests."""
        core = self._ven(call.id).core
        offers = [
            OwnOffer(
                specifier=offer.specifier,
                name=offer.name,
                keeps_s=offer.duration,
                points=[
                    OwnPoint(rid=p.rid, type=p.report_type, unit=unit_text(p.unit), resources=list(p.resources))
                    for p in offer.points
                ],
            )
            for offer in core.config.offers
        ]
        requests = [
            OwnRequest(
                id=running.request.id,
                specifier=running.request.specifier,
                rids=list(running.request.rids),
                granularity_s=running.request.granularity,
                back_s=running.request.back,
                due=running.due,
            )
            for running in core.requests.values()
        ]
        return OwnReports(offers=offers, requests=requests)

    @post(f"{_VEN}/register", "Register (again) at the VTN", scope="control", problems=(404, 409))
    async def register_own_ven(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.register", lambda core, _: core.start())

    @post(f"{_VEN}/deregister", "Cancel the registration at the VTN", scope="control", problems=(404, 409))
    async def deregister_own_ven(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.deregister", lambda core, _: core.cancel_registration())

    @post(f"{_VEN}/refresh", "Ask the VTN for all events", scope="control", problems=(404, 409))
    async def refresh_own_events(self, call: Call[NoQuery, Reason]) -> OwnVenRow:
        """The VEN."""
        return await self._tell(call, "openadr.own.refresh", lambda core, _: core.request_events())

    async def _tell(self, call: Call[NoQuery, Reason], what: str, verb: Callable[[Ven, Instant], None]) -> OwnVenRow:
        ven = self._ven(call.id)
        entry = _entry(call, what, call.id, reason=call.body.reason)
        await _done(entry, ven.do(verb, along=[entry.change()]))
        return _row(ven)

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


def _row(ven: OwnVenPort) -> OwnVenRow:
    own, core = ven.core.registration, ven.core
    return OwnVenRow(
        name=ven.name,
        url=ven.url,
        up=ven.up,
        registered=own.registrationID is not None,
        ven_id=own.venID,
        vtn_id=own.vtnID,
        mode="pull" if core.config.push_address is None else "push",
        poll_s=own.poll_frequency,
        events=len(core.events),
        waiting=core.waiting,
        requests=len(core.requests),
        schedules=len(core.schedules),
    )


def _event_row(ven: OwnVenPort, known: KnownEvent, now: Instant) -> OwnEventRow:
    begin, end = span_of(known)
    return OwnEventRow(
        **event_facts(known.event, now),
        opt=known.opt,
        code=known.code,
        description=known.description,
        resources=dict(known.resources),
        offset_s=known.offset,
        runs_from=begin,
        runs_until=None if end == float("inf") else end,
        controls=list(ven.controls_of(known.event.id)),
    )


def _schedules(ven: OwnVenPort) -> OwnSchedules:
    rows = [
        OptRow(
            id=made.optID,
            opt=made.opt,
            reason=made.reason,
            market_context=made.market_context,
            resources=list(made.resources),
            spans=[list(span) for span in made.spans],
        )
        for made in ven.core.schedules.values()
    ]
    return OwnSchedules(schedules=rows)
