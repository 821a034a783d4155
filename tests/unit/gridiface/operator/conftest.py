"""A fleet of two devices in two nested groups, with one running control, and everything the surface needs around it."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from tests.clocks import StandingClock
from tests.portions import portions

from gridiface.domain.changes import Change, DeleteDocument, Document, KeepDocument, PutControl, PutDocument
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Acceptance,
    Control,
    ControlMode,
    ControlState,
    Decision,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Outcome,
    OutcomeKind,
    Setpoint,
    Share,
    Source,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.domain.envelope import Cause, EnvelopeSpan, Held
from gridiface.domain.fleet import Device, Group, Nameplate
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.ports import WHOLE, Accounted, Began, DecisionSearch, Reach
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import GroupTotal, Quality, Reading, Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.catalogue import every_route
from gridiface.operator.auth.access import AccessRules
from gridiface.operator.auth.scopes import IMPLIED
from gridiface.operator.desk import Desk
from gridiface.operator.pages import Pages
from gridiface.operator.rows.status import Status
from gridiface.operator.server import OperatorServer


class FakeFleet:
    """FleetView and PerformanceView with fixed answers."""

    def __init__(self) -> None:
        self._devices = [Device(id=name, nameplate=Nameplate(max_w=5000), driver="sunspec") for name in ("a", "b")]
        self._groups = [Group(id="fleet", members=("feeder",)), Group(id="feeder", members=("a", "b"), parent="fleet")]

    def device(self, device_id: str) -> Device | None:
        return next((d for d in self._devices if d.id == device_id), None)

    def devices(self) -> Sequence[Device]:
        return self._devices

    def group(self, group_id: str) -> Group | None:
        return next((g for g in self._groups if g.id == group_id), None)

    def groups(self) -> Sequence[Group]:
        return self._groups

    def envelope(self, target: Target, times: Sequence[float], now: float) -> Iterator[EnvelopeSpan]:
        """5 kW up and down in each span, but for the second, of which nothing is certain."""
        for number, (start, end) in enumerate(pairwise(times)):
            up = (Held(Cause.LIMIT, 2_000.0, 2, "c1", "sep2"), Held(Cause.DAY, 500.0, 1)) if number else ()
            yield EnvelopeSpan(
                start=start,
                end=end,
                min_w=None if number == 1 else -5_000.0,
                max_w=None if number == 1 else 5_000.0,
                min_var=-100.0,
                max_var=200.0,
                sure_min_var=0.0,
                sure_max_var=0.0,
                planned_w=1_000.0,
                beside_w=0.0,
                energy_up=bool(number),
                energy_down=False,
                up_wh=4_000.0 if number else None,
                down_wh=1_000.0 if number else None,
                reach_up_s=0.0,
                reach_down_s=math.inf,
                held_up=up,
                held_down=(),
            )

    def members(self, group_id: str) -> Sequence[str]:
        return ["a", "b"]

    def groups_of(self, device_id: str) -> Sequence[str]:
        return ["feeder", "fleet"]

    def snapshot(self, target: Target) -> Snapshot | None:
        if target == Target(TargetKind.DEVICE, "b"):
            return None
        return Snapshot(device_id=target.id, source_time=99.0, received=99.0, w=2900.0, soc=0.5)

    def qualities(self) -> dict[str, Quality | None]:
        return {"a": Quality.GOOD, "b": None}

    def silent(self) -> dict[str, Quality | None]:
        return {"b": None}

    def counts(self) -> dict[Quality | None, int]:
        return {Quality.GOOD: 1, None: 1}

    def totals(self) -> list[GroupTotal]:
        known = {"allocated_w": 3000.0, "delivered_w": 2900.0, "soc": 0.5}
        return [GroupTotal(group_id=group.id, devices=2, online=1, **known) for group in self._groups]

    def shares(self, control: Control, now: float) -> list[Share]:
        return [Share(device_id="a", w=900.0, now_w=100.0), Share(device_id="b", w=None, now_w=None)]

    def latest(self, control_id: str) -> PerformanceInterval | None:
        reports = self.report(control_id)
        return reports[0].intervals[-1] if reports else None

    def running(self) -> dict[str, PerformanceInterval]:
        return {"c1": self.report("c1")[0].intervals[-1]}

    def setpoint(self, device_id: str) -> Setpoint | None:
        return Setpoint(device_id=device_id, issued=90.0, active_power_w=1500.0)

    @staticmethod
    def score(intervals: Sequence[PerformanceInterval], start: float, end: float) -> None:
        """None: nothing here is a signal."""

    def report(self, control_id: str, *, devices: bool = True) -> Sequence[PerformanceReport]:
        if control_id != "c1":
            return []
        interval = PerformanceInterval(
            control_id="c1",
            target_id="fleet",
            start=90.0,
            end=95.0,
            requested_w=3000.0,
            accepted_w=3000.0,
            allocated_w=3000.0,
            acknowledged_w=3000.0,
            delivered_w=2900.0,
        )
        return [PerformanceReport(control_id="c1", target_id="fleet", intervals=(interval,))]


def control() -> Control:
    return Control(
        id="c1",
        source=Source(protocol="sep2"),
        target=Target(TargetKind.GROUP, "fleet"),
        values={ControlMode.SET_W: ModeValue(3000.0)},
        interval=Interval(90.0, 30.0),
        created=80.0,
        description="evening peak",
    )


@pytest.fixture
def status() -> Status:
    fleet = FakeFleet()
    return Status("plant", fleet, fleet, lambda: [control()], lambda: {"readings": 7})


@dataclass
class Records:
    """A store in memory that can be down."""

    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    held: dict[str, Control] = field(default_factory=dict)
    down: bool = False
    older: int = 0
    reach: float | None = None
    #: Controls with intervals and devices that began.
    accounts: list[tuple[Control, tuple[PerformanceInterval, ...], tuple[Began, ...]]] = field(default_factory=list)
    spans: list[tuple[float, float, bool, bool]] = field(default_factory=list)

    async def commit(self, changes: Sequence[Change]) -> None:
        self._up()
        for change in changes:
            match change:
                case PutDocument(space, key, body):
                    self.kept[space, key] = body
                case KeepDocument(space, key, body):
                    self.kept.setdefault((space, key), body)
                case DeleteDocument(space, key):
                    self.kept.pop((space, key), None)
                case PutControl(control):
                    self.held[control.id] = control

    async def documents(self, space: str) -> list[Document]:
        self._up()
        return [Document(space, key, body) for (own, key), body in sorted(self.kept.items()) if own == space]

    async def newest(self, space: str, *, before: str = "", limit: int = 1000) -> list[Document]:
        found = [d for d in await self.documents(space) if not before or d.key < before]
        return found[::-1][:limit]

    async def control(self, control_id: str) -> Control | None:
        self._up()
        return self.held.get(control_id)

    async def controls(self, *, live_after: float | None = None) -> list[Control]:
        return list(self.held.values())

    async def outcomes(self, control_id: str) -> list[Outcome]:
        self._up()
        kinds = [(None, 2), ("a", 1), ("a", 2)]
        return [
            Outcome(control_id=control_id, kind=k, at=91.0, device_id=d, reason="because") for d, k in _steps(kinds)
        ]

    async def readings(self, device_id: str, *, start: float, end: float, limit: int = 10_000) -> list[Reading]:
        reading = Reading(
            device_id=device_id, quantity=Quantity.ACTIVE_POWER, value=float("nan"), source_time=99.0, received=99.0
        )
        return [reading]

    async def within_reach(self, search: DecisionSearch, *, control_id: str | None = None) -> DecisionSearch:
        return search if self.reach is None or search.text is None else replace(search, start=self.reach)

    async def decisions(
        self, *, control_id: str | None = None, limit: int = 1000, skip: int = 0, search: DecisionSearch | None = None
    ) -> list[Decision]:
        self.searched, self.skipped = search, skip
        target = Target(TargetKind.GROUP, "feeder")
        source = Source(protocol="sep2", identity="utility")
        found = Decision(at=90.0, target=target, signal="set_w", source=source, verdict="accepted", reason="will run")
        other = replace(found, target=Target(TargetKind.DEVICE, "b"), reason="only b")
        return [found, other, *[found] * self.older][skip : skip + limit]

    async def performance(self, control_id: str) -> list[PerformanceInterval]:
        return []

    async def accounted(
        self,
        start: float,
        end: float,
        *,
        own: bool = True,
        devices: bool = True,
        reach: Callable[[str], Reach] = lambda _: WHOLE,
        series: Callable[[Control], bool] = lambda _: False,
    ) -> AsyncIterator[Accounted]:
        self._up()
        self.spans.append((start, end, own, devices))
        for control, intervals, began in self.accounts:
            yield Accounted(control, tuple(portions(intervals, start, end)), began)

    async def deliveries(self, device_id: str, *, start: float, end: float, limit: int = 10_000) -> list[Delivery]:
        return [delivery(device_id)]

    def _up(self) -> None:
        if self.down:
            raise StoreUnavailable("the disk is full")


def _steps(kinds: list[tuple[str | None, int]]) -> list[tuple[str | None, OutcomeKind]]:
    return [(device, OutcomeKind(kind)) for device, kind in kinds]


def delivery(device_id: str, outcome: DeliveryOutcome = DeliveryOutcome.ACKNOWLEDGED) -> Delivery:
    point = Setpoint(device_id=device_id, issued=90.0, active_power_w=1500.0, control_ids=("c1",))
    return Delivery(device_id=device_id, outcome=outcome, at=91.0, setpoint=point)


@dataclass
class Inbox:
    """Takes every control, unless a test sets another verdict."""

    records: Records
    verdict: Verdict = Verdict.ACCEPTED
    controls: list[Control] = field(default_factory=list)

    def preview(self, control: Control, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=self.verdict, reason="so be it", feasible_w=900.0)

    async def submit(self, control: Control, now: float, *, along: Sequence[Change] = ()) -> Acceptance:
        answer = self.preview(control, now)
        if answer.will_run:
            await self.records.commit([PutControl(control), *along])
            self.controls.append(control)
        return answer

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Sequence[Change] = ()) -> bool:
        for index, control in enumerate(self.controls):
            if control.id == control_id and control.state is not ControlState.CANCELLED:
                await self.records.commit(along)
                self.controls[index] = replace(control, state=ControlState.CANCELLED)
                return True
        return False


#: Operations that change nothing that is kept beyond a caller's own short-lived token: no entry of the audit log.
UNTOLD = frozenset({"preview_shares", "inspect_certificate", "issue_access_token", "revoke_access_token"})


class Heard(logging.Handler):
    """How many entries the audit log told while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.entries += 1

    def __enter__(self) -> Heard:
        log = logging.getLogger("gridiface.audit")
        self._level = log.level
        log.setLevel(logging.INFO)
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        log = logging.getLogger("gridiface.audit")
        log.removeHandler(self)
        log.setLevel(self._level)


def changes(method: str, path: str, json: Any) -> str | None:
    """The changing operation that a request is for; None: it changes nothing, or is none of the product's."""
    if isinstance(json, dict) and json.get("preview"):
        return None
    for route in every_route():
        form = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path))
        if route.method == method != "GET" and re.fullmatch(form, path.split("?", maxsplit=1)[0]):
            return None if route.name in UNTOLD else route.name
    return None


@dataclass
class House:
    """A running surface. `ask` sends a request; `tokens` are texts by scope."""

    desk: Desk
    pages: OperatorServer
    shown: Pages
    records: Records
    inbox: Inbox
    clock: StandingClock
    blocked: dict[str, bool]
    tokens: dict[str, str]

    async def ask(
        self, method: str, path: str, *, scope: str | None = None, token: str | None = None, **more: Any
    ) -> tuple[int, Any, Any]:
        """(status, JSON or text, headers)."""
        headers = dict(more.pop("headers", {}))
        text = self.tokens[scope] if scope else token
        if text:
            headers["Authorization"] = f"Bearer {text}"
        url = f"http://127.0.0.1:{self.pages.port}{path}"
        before = dict(self.blocked)
        with Heard() as heard:
            async with (
                aiohttp.ClientSession() as session,
                session.request(method, url, headers=headers, **more) as answer,
            ):
                body = await answer.json(content_type=None) if "json" in answer.content_type else await answer.text()
        if answer.status < 300 and "Idempotency-Replayed" not in answer.headers:
            name = changes(method, path, more.get("json"))
            if name == "unblock_device" and not any(before.values()):
                name = None  # one that is not blocked stays so
            assert name is None or heard.entries, f"{name} changed something that the audit log does not tell"
        return answer.status, body, answer.headers.copy()


@dataclass
class Browser:
    """Somebody in a browser: keeps the cookie, sends the CSRF token and what browsers say of a page's own requests."""

    house: House
    cookie: str = ""
    csrf: str = ""

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any, Any]:
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{self.house.pages.port}"}
        headers |= {"Cookie": self.cookie} if self.cookie else {}
        headers |= {"X-CSRF-Token": self.csrf} if self.csrf else {}
        answered = await self.house.ask(method, path, headers=headers | more.pop("headers", {}), **more)
        if "Set-Cookie" in answered[2]:
            self.cookie = answered[2]["Set-Cookie"].split(";")[0]
            self.csrf = answered[1]["csrf"] or ""
        return answered

    async def sign_in(self, name: str, password: str = "") -> int:
        body = {"name": name, "password": password or PASSWORD}
        return (await self.ask("POST", "/api/v1/session", json=body))[0]


#: The password of every user of the tests.
PASSWORD = "rain over the northern feeder"


async def person(house: House, role: str, name: str = "", groups: list[str] | None = None) -> Browser:
    """A user of that role who has signed in."""
    book, now = house.desk.users, house.clock.now()
    user, ticket = await book.create(name or role, role, now, by="test", groups=groups)
    await book.redeem(ticket, PASSWORD, now)
    browser = Browser(house)
    assert await browser.sign_in(user.name) == 201
    return browser


@pytest.fixture
def signed_in() -> Callable[..., Awaitable[Browser]]:
    """`await signed_in(house, "operator")`."""
    return person


@pytest.fixture
def browser_of() -> Callable[[House], Browser]:
    """Somebody who has not signed in."""
    return Browser


async def nothing_latched(device_id: str) -> frozenset[str]:
    return frozenset()


MakeHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def make_house() -> AsyncIterator[MakeHouse]:
    """Makes running surfaces: `await make_house(rules={"open_reads": False}, areas=lambda desk: [...])`."""
    made: list[OperatorServer] = []

    async def make(
        *,
        areas: Callable[[Desk], list[Area]] = lambda _: [],
        rules: dict[str, Any] | None = None,
        desk_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> House:
        fleet, records, clock, blocked = FakeFleet(), Records(), StandingClock(100.0), dict[str, bool]()
        inbox = Inbox(records)
        status = Status("plant", fleet, fleet, lambda: [control(), *inbox.controls], lambda: {"readings": 7})

        def block(device_id: str, *, blocked: bool, now: float) -> None:
            told[device_id] = blocked

        told = blocked
        desk = Desk(
            status=status,
            clock=clock,
            inbox=inbox,
            records=records,
            block=block,
            ready=lambda: not records.down,
            authority=(10.0, 110.0),
            **{"reset_alarms": nothing_latched, **(desk_options or {})},
        )
        await desk.open()
        mounted = areas(desk)
        chosen = AccessRules(**{"open_reads": True, "burst": 100_000, "mark": desk.sessions.mark, **(rules or {})})
        shown = Pages(desk, cookie=chosen.cookie, areas=mounted)
        pages = OperatorServer(
            desk,
            host="127.0.0.1",
            port=0,
            areas=mounted,
            pages=shown.pages(),
            refused=shown.refused,
            extend=[shown.extend],
            rules=chosen,
            **options,
        )
        await pages.start()
        made.append(pages)
        tokens = {}
        for scope in IMPLIED:
            tokens[scope] = (await desk.tokens.create(f"{scope}er", [scope], 1.0, clock.now(), by="test"))["token"]
        return House(desk, pages, shown, records, inbox, clock, blocked, tokens)

    yield make
    for pages in made:
        await pages.stop()


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    return await make_house()
