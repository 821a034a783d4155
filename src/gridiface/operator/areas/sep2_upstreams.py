"""Sessions with utilities' IEEE 2030.5 servers: how each is, what was read, what its events have become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Protocol

from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.operator.api.routing import Area, Call, get, post, unknown
from gridiface.operator.desk import Desk
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import NoBody, NoQuery, Reason, Search


class UpstreamProgram(TypedDict):
    """A program that a device is assigned to; the lower primacy rules."""

    mRID: str
    primacy: int
    description: str


class UpstreamDevice(TypedDict):
    """One device or group that we stand for. `listed`: the server shows an EndDevice for it."""

    id: str
    lfdi: str
    listed: bool
    href: str | None
    programs: list[UpstreamProgram]
    mirror: str | None


class UpstreamRow(TypedDict):
    """One session. `state`: connected, connecting, unreachable, of_no_use, no_time, not_registered or wrong_pin.

    `of_no_use`: it answers, and for a while nothing could be read of it. `trouble`: why that is, or why the last
    request had no answer, the reason of a refused certificate among them. `waiting`: answers,
    log events and readings that the server has not taken yet; `dropped`: readings that were too many to keep.
    `unknown_devices`: LFDIs that the server shows us and that are not ours.
    """

    name: str
    server: str
    server_lfdi: str
    state: str
    since: float | None
    last_answer: float | None
    trouble: str
    failures: int
    bad_replies: int
    last_bad_reply: str
    clock_offset_s: float | None
    time_quality: int | None
    time_refused: str
    registration: str
    devices: list[UpstreamDevice]
    unknown_devices: list[str]
    resources: int
    events_live: int
    events_running: int
    waiting: int
    delivered: int
    refused: int
    dropped: int
    subscriptions: int
    notifications: int


class UpstreamList(TypedDict):
    """All sessions, by name."""

    upstreams: list[UpstreamRow]


class UpstreamResource(TypedDict):
    """One resource of the server that is kept up to date; times are ours. `members` of a list."""

    href: str
    resource: str
    fetched_at: float | None
    next_at: float
    failures: int
    subscribed: bool
    members: int | None


class UpstreamResources(TypedDict):
    """A page of resources, by href."""

    resources: list[UpstreamResource]
    total: int
    next: str | None


class UpstreamEvent(TypedDict):
    """One event for one device: where it is in its life, the control that it has become, and what was answered."""

    mRID: str
    lfdi: str
    target: str
    description: str
    program: str
    primacy: int
    phase: str
    modes: list[str]
    begins: float
    ends: float
    control: str
    answered: list[int]
    over: bool


class UpstreamEvents(TypedDict):
    """A page of events, by start."""

    events: list[UpstreamEvent]
    total: int
    next: str | None


class UpstreamsPort(Protocol):
    """The sessions as this area uses them; northbound.sep2.upstream has them."""

    def status(self) -> Sequence[Any]:
        """One UpstreamRow per session, by name."""
        ...

    def resources(self, name: str) -> Sequence[Any]:
        """UpstreamResources of one session, by href."""
        ...

    def events(self, name: str) -> Sequence[Any]:
        """UpstreamEvents of one session, by start."""
        ...

    async def poll(self, name: str, now: Instant, *, along: Sequence[Change]) -> None:
        """Read everything anew."""
        ...


class Sep2UpstreamsArea(Area):
    """Our sessions with utilities' servers."""

    name: ClassVar[str] = "sep2-upstreams"
    title: ClassVar[str] = "IEEE 2030.5: utilities' servers"
    screens: ClassVar[str] = "gridiface.operator.screens.sep2_upstreams:UpstreamScreens"

    def __init__(self, desk: Desk, port: UpstreamsPort) -> None:
        self._desk = desk
        self._port = port

    @get("/sep2/upstreams", "Sessions with utilities' servers")
    async def list_sep2_upstreams(self, call: Call[NoQuery, NoBody]) -> UpstreamList:
        """All of them, each with its devices."""
        return UpstreamList(upstreams=list(self._port.status()))

    @get("/sep2/upstreams/{id}", "One session", problems=(404,))
    async def show_sep2_upstream(self, call: Call[NoQuery, NoBody]) -> UpstreamRow:
        """One session."""
        return self._row(call.id)

    @get("/sep2/upstreams/{id}/resources", "What was read of a server; filter `q`", problems=(404,))
    async def list_sep2_upstream_resources(self, call: Call[Search, NoBody]) -> UpstreamResources:
        """The resources that are kept up to date, and when each is due."""
        self._row(call.id)
        text = call.query.q.strip().lower()
        rows = [row for row in self._port.resources(call.id) if text in row["href"].lower()]
        part, following = _page(rows, call.query, lambda row: str(row["href"]))
        return UpstreamResources(resources=part, total=len(rows), next=following)

    @get("/sep2/upstreams/{id}/events", "What a server's events have become; filter `q`", problems=(404,))
    async def list_sep2_upstream_events(self, call: Call[Search, NoBody]) -> UpstreamEvents:
        """Each event for each device, with its control and the responses that were given."""
        self._row(call.id)
        rows = self._events(call.id, call.query.q)
        part, following = _page(rows, call.query, lambda row: f"{row['begins']:020.3f}/{row['mRID']}/{row['lfdi']}")
        return UpstreamEvents(events=part, total=len(rows), next=following)

    def latest(self, name: str, text: str, skip: int, count: int) -> tuple[list[UpstreamEvent], int]:
        """`count` events of a session after `skip`, the latest start first; and how many there are. For pages."""
        rows = sorted(self._events(name, text), key=lambda row: (-row["begins"], row["mRID"], row["lfdi"]))
        return rows[skip : skip + count], len(rows)

    def _events(self, name: str, text: str) -> list[UpstreamEvent]:
        wanted = text.strip().lower()
        rows: list[UpstreamEvent] = list(self._port.events(name))
        return (
            [row for row in rows if any(wanted in str(row[field]).lower() for field in _SEARCHED)] if wanted else rows
        )

    @post("/sep2/upstreams/{id}/poll", "Read everything of a server anew", scope="control", problems=(404,))
    async def poll_sep2_upstream(self, call: Call[NoQuery, Reason]) -> UpstreamRow:
        """Read every resource now, and try again what was refused."""
        row = self._row(call.id)
        entry = Entry(
            at=call.now, who=call.caller.name, what="sep2.upstream.poll", subject=row["name"], reason=call.body.reason
        )
        await self._port.poll(call.id, call.now, along=[entry.change()])
        entry.log()
        return self._row(call.id)

    def _row(self, name: str) -> UpstreamRow:
        found: UpstreamRow | None = next((row for row in self._port.status() if row["name"] == name), None)
        if found is None:
            raise unknown("upstream", name, "GET /sep2/upstreams lists them")
        return found


#: Fields of an event that are searched.
_SEARCHED: Final = ("mRID", "description", "target", "lfdi")


def _page(rows: list[Any], page: Search, key: Any) -> tuple[list[Any], str | None]:
    """The part of rows, by key, that a query asks for, and where the next begins."""
    left = sorted((row for row in rows if key(row) > page.after), key=key)
    part = left[page.skip : page.skip + page.limit]
    return part, key(part[-1]) if part and page.skip + len(part) < len(left) else None
