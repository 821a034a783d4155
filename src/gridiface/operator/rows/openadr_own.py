"""What the REST API shows of our own VENs: links, events, reports and opts as plain rows. Pure; owns no rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.operator.rows.openadr import EventFacts, OptRow, event_facts, opt_row
from gridiface.operator.rows.openadr_forms import unit_text
from gridiface.protocols.openadr.ven import KnownEvent, Ven
from gridiface.protocols.openadr.ven.eventing import span_of

_T = TypeVar("_T")


class OwnVenPort(Protocol):
    """One of our VENs as this area uses it; northbound.openadr has it."""

    core: Ven
    up: bool
    refused: str

    @property
    def clock_offset_s(self) -> float | None:
        """How far the VTN's clock is ahead of ours, s; None: not known."""
        ...

    @property
    def answers(self) -> str:
        """What every event is answered; "" as the engine decides."""
        ...

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

    async def always(self, opt: str, *, along: Sequence[Change] = ()) -> None:
        """Answer every event so; "": as the engine decides."""
        ...

    async def do(self, verb: Callable[[Ven, Instant], _T], *, along: Sequence[Change] = ()) -> _T:
        """Carry out a verb; its value when it is durable, together with `along`."""
        ...


class OwnVenRow(TypedDict):
    """One of our VENs at a glance.

    `waiting`: payloads that the VTN has not taken yet; `answers`: optIn or optOut to every event, or "engine", which
    decides; `refused`: what the VTN refused last since the start.
    """

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
    answers: str
    refused: str
    clock_offset_s: float | None


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


def own_ven_row(ven: OwnVenPort) -> OwnVenRow:
    """The VEN at a glance."""
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
        answers=ven.answers or "engine",
        refused=ven.refused,
        clock_offset_s=ven.clock_offset_s,
    )


def own_event_row(ven: OwnVenPort, known: KnownEvent, now: Instant) -> OwnEventRow:
    """The event, our word on it, and when it runs here."""
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


def own_schedules(ven: OwnVenPort) -> OwnSchedules:
    """The schedules that are not over."""
    return OwnSchedules(schedules=[opt_row(made) for made in ven.core.schedules.values()])


def own_reports(core: Ven) -> OwnReports:
    """What we offer to report, and what is requested."""
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
