"""A session over a server made of resources in memory, a clock that is set by hand, and a house of fakes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gridiface.domain.changes import DeleteDocument, Document, PutControl, PutDocument
from gridiface.domain.controls import Acceptance, Control, Target, TargetKind, Verdict
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group, Nameplate
from gridiface.domain.telemetry import Reading, Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.upstream.link import LinkFailed
from gridiface.northbound.sep2.upstream.session import UpstreamSession
from gridiface.northbound.sep2.upstream.settings import Member, UpstreamSettings
from gridiface.northbound.sep2.upstream.status import status_of
from gridiface.protocols.sep2 import exchange
from gridiface.protocols.sep2.exchange import Reply, Request
from gridiface.protocols.sep2.lists import page, parse_query
from gridiface.protocols.sep2.polling import Backoff
from gridiface.protocols.sep2.resources import (
    DER,
    ActivePower,
    DateTimeInterval,
    DefaultDERControl,
    DERAvailability,
    DERCapability,
    DERControl,
    DERControlBase,
    DERControlList,
    DERControlResponse,
    DERCurveList,
    DERList,
    DERProgram,
    DERProgramList,
    DERSettings,
    DERStatus,
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    EventStatus,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Link,
    List,
    ListLink,
    LogEvent,
    MirrorMeterReadingList,
    MirrorUsagePoint,
    MirrorUsagePointList,
    Registration,
    SubscribableList,
    Subscription,
    Time,
)
from gridiface.protocols.xmlwire import WireObject, decode, encode

OWN, ONE, TWO = "A" * 40, "B" * 40, "C" * 40
WRITTEN = (DERControlResponse, EndDevice, DERCapability, DERSettings, DERStatus, DERAvailability, LogEvent,
           MirrorUsagePoint, MirrorMeterReadingList, Subscription)  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.wall = self.steady = 1_000_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@dataclass(frozen=True)
class Gone:
    """A control that is cancelled, in the transaction of its cancelling."""

    control_id: str


@dataclass
class House:
    """Ports in one."""

    clock: Clock
    kept: dict[tuple[str, str], Document] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict)
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    shots: dict[str, Snapshot] = field(default_factory=dict)
    record: list[Reading] = field(default_factory=list)
    down: bool = False
    submits: int = 0

    async def commit(self, changes: Sequence[Any]) -> None:
        if self.down:
            raise StoreUnavailable("not now")
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = Document(change.space, change.key, change.body)
            elif isinstance(change, DeleteDocument):
                self.kept.pop((change.space, change.key), None)
            elif isinstance(change, Gone):
                self.controls.pop(change.control_id, None)
            elif isinstance(change, PutControl):
                self.controls[change.control.id] = change.control

    async def documents(self, space: str) -> list[Document]:
        return sorted((d for d in self.kept.values() if d.space == space), key=lambda d: d.key)

    async def submit(self, control: Control, now: float, *, along: Sequence[Any] = ()) -> Acceptance:
        self.submits += 1
        verdict = next((v for key, v in self.verdicts.items() if key in control.id), Verdict.ACCEPTED)
        answer = Acceptance(control_id=control.id, verdict=verdict, reason="as told")
        if answer.will_run:
            await self.commit([PutControl(control), *along])
        return answer

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Sequence[Any] = ()) -> bool:
        if self.down:
            raise StoreUnavailable("not now")
        if control_id not in self.controls:
            return False
        await self.commit([Gone(control_id), *along])
        self.cancelled.append((control_id, reason))
        return True

    def preview(self, control: Control, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    def device(self, device_id: str) -> Device | None:
        plate = Nameplate(max_w=5000.0, max_charge_w=5000.0, capabilities=frozenset({Capability.SET_W}))
        known = {"d1", "d2"}
        return Device(id=device_id, nameplate=plate, kind=DeviceKind.BATTERY) if device_id in known else None

    def devices(self) -> list[Device]:
        return [device for name in ("d1", "d2") if (device := self.device(name)) is not None]

    def group(self, group_id: str) -> Group | None:
        return None

    def groups(self) -> list[Group]:
        return []

    def members(self, group_id: str) -> list[str]:
        return ["d1", "d2"]

    def snapshot(self, target: Target) -> Snapshot | None:
        return self.shots.get(target.id)

    def setpoint(self, device_id: str) -> None:
        return None

    async def readings(self, device_id: str, *, start: float, end: float, limit: int = 10_000) -> list[Reading]:
        return [r for r in self.record if r.device_id == device_id and start <= r.source_time < end]

    def live(self) -> dict[str, Control]:
        return {name: control for name, control in self.controls.items() if not control.is_default}


def control(start: float, mrid: str = "C0", status: int = 0, **more: Any) -> DERControl:
    fields: dict[str, Any] = {
        "href": f"/derp/1/derc/{mrid}",
        "mRID": mrid,
        "replyTo": "/rsps/1/rsp",
        "responseRequired": 3,
        "creationTime": 1_000_000,
        "eventStatus": EventStatus(currentStatus=status, dateTime=1_000_000, potentiallySuperseded=False),
        "interval": DateTimeInterval(duration=60, start=int(start)),
        "derControlBase": DERControlBase(opModTargetW=ActivePower(multiplier=0, value=500)),
    }
    return DERControl(**fields | more)


def end_device(lfdi: str, number: int) -> EndDevice:
    path = f"/edev/{number}"
    return EndDevice(
        href=path, lFDI=lfdi, sFDI=number, changedTime=1,
        FunctionSetAssignmentsListLink=ListLink(href=f"{path}/fsa", all=1),
        RegistrationLink=Link(href=f"{path}/rg"),
        DERListLink=ListLink(href=f"{path}/der", all=1),
        LogEventListLink=ListLink(href=f"{path}/lel", all=0),
        SubscriptionListLink=ListLink(href=f"{path}/sub", all=0),
    )  # fmt: skip


class Server:
    """A utility's server: resources by path, what was written, and trouble to order."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.offset = 0.0
        self.quality = 7
        self.pin = 111115
        self.controls: list[DERControl] = []
        self.mirrors: list[MirrorUsagePoint] = []
        self.subscribable = 0
        self.written: list[tuple[str, str, Any]] = []
        self.trouble: Callable[[Request], Reply | None] = lambda _request: None
        self.silent = False
        program = DERProgram(
            mRID="AA", primacy=4, DERControlListLink=ListLink(href="/derp/1/derc"),
            DefaultDERControlLink=Link(href="/derp/1/dderc"), DERCurveListLink=ListLink(href="/derp/1/dc"),
        )  # fmt: skip
        self.resources: dict[str, WireObject] = {
            "/dcap": DeviceCapability(
                href="/dcap", pollRate=30, TimeLink=Link(href="/tm"), EndDeviceListLink=ListLink(href="/edev", all=3),
                MirrorUsagePointListLink=ListLink(href="/mup", all=0),
            ),
            "/edev": EndDeviceList(
                all=3, results=3, pollRate=10,
                members=[end_device(OWN, 1), end_device(ONE, 2), end_device("D" * 40, 9)],
            ),
            "/derp": DERProgramList(all=1, results=1, pollRate=5, members=[program]),
            "/derp/1/dderc": DefaultDERControl(mRID="D1", derControlBase=DERControlBase(opModMaxLimW=6000)),
            "/derp/1/dc": DERCurveList(all=0, results=0),
        }  # fmt: skip
        for number in (1, 2, 3):
            assigned = FunctionSetAssignments(mRID="F1", DERProgramListLink=ListLink(href="/derp", all=1))
            self.resources[f"/edev/{number}/fsa"] = FunctionSetAssignmentsList(
                all=1, results=1, pollRate=10, members=[assigned]
            )
            der = f"/edev/{number}/der/1"
            self.resources[f"/edev/{number}/der"] = DERList(
                all=1, results=1,
                members=[DER(DERCapabilityLink=Link(href=f"{der}/dercap"), DERSettingsLink=Link(href=f"{der}/derg"),
                             DERStatusLink=Link(href=f"{der}/ders"), DERAvailabilityLink=Link(href=f"{der}/dera"))],
            )  # fmt: skip

    async def exchange(self, authority: str, request: Request) -> Reply:
        if self.silent:
            raise LinkFailed("silent")
        refused = self.trouble(request)
        return self._answer(request) if refused is None else refused

    async def close(self) -> None:
        self.silent = True

    def _answer(self, request: Request) -> Reply:
        path, query = exchange.split_target(request.target)
        if request.method != "GET":
            return self._write(request, path)
        resource = self._resource(path)
        if resource is None:
            return Reply(404)
        if isinstance(resource, List | SubscribableList):
            part = page(resource.members, parse_query(query), most=100)  # type: ignore[union-attr]
            resource = replace(resource, all=part.all, results=part.results, members=list(part.items))  # type: ignore[call-arg]
            if isinstance(resource, SubscribableList):
                resource = replace(resource, subscribable=self.subscribable)
        return exchange.found(encode(resource))

    def _write(self, request: Request, path: str) -> Reply:
        body = decode(request.body, WRITTEN) if request.body else None
        self.written.append((request.method, path, body))
        if isinstance(body, MirrorUsagePoint):
            place = f"/mup/{len(self.mirrors) + 1}"
            self.mirrors.append(replace(body, href=place, mirrorMeterReading=[], postRate=20))
            return exchange.created(place)
        if isinstance(body, EndDevice):
            number = len(self.resources["/edev"].members) + 1  # type: ignore[attr-defined]
            self.resources["/edev"].members.append(end_device(body.lFDI or "", 3))  # type: ignore[attr-defined]
            return exchange.created(f"/edev/{number}")
        return exchange.created(f"{path}/{len(self.written)}") if request.method == "POST" else exchange.changed()

    def _resource(self, path: str) -> WireObject | None:
        now = int(self.clock.now() + self.offset)
        if path == "/tm":
            return Time(currentTime=now, dstEndTime=0, dstOffset=0, dstStartTime=0, quality=self.quality, tzOffset=0)
        if path == "/derp/1/derc":
            return DERControlList(all=0, results=0, members=list(self.controls))
        if path == "/mup":
            return MirrorUsagePointList(all=0, results=0, members=list(self.mirrors))
        if path.endswith("/rg"):
            return Registration(dateTimeRegistered=1, pIN=self.pin)
        return self.resources.get(path)

    def bodies(self, kind: type) -> list[Any]:
        return [body for _, _, body in self.written if isinstance(body, kind)]

    def responses(self, lfdi: str = ONE, mrid: str = "C0") -> list[int]:
        found = self.bodies(DERControlResponse)
        return [r.status for r in found if r.endDeviceLFDI == lfdi and r.subject.lstrip("0") == mrid.lstrip("0")]


@dataclass
class Stage:
    """A session between a server and a house; `settle` lets everything happen that is due."""

    clock: Clock
    house: House
    server: Server
    settings: UpstreamSettings
    session: UpstreamSession
    told: list[Any] = field(default_factory=list)

    async def settle(self) -> None:
        for _ in range(300):
            await self.session._round()
            sending = set(self.session._sending)
            if not sending:
                return
            await asyncio.gather(*sending)
        raise AssertionError("the session never comes to rest")

    async def run(self, seconds: float, step: float = 1.0) -> None:
        await self.settle()
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.clock.advance(min(step, end - self.clock.now()))
            await self.settle()

    def status(self) -> dict[str, Any]:
        """How the session is, as people see it."""
        return status_of(self.session, self.clock.now())

    async def restart(self) -> None:
        """The process ends and begins anew over the same store."""
        self.session = await opened(self.settings, self.clock, self.house, self.server)


async def opened(settings: UpstreamSettings, clock: Clock, house: House, server: Server) -> UpstreamSession:
    session = UpstreamSession(
        settings,
        clock=clock,
        ledger=house,
        inbox=house,
        fleet=house,
        history=house,
        seed=1,  # type: ignore[arg-type]
    )
    session._link = server  # type: ignore[assignment]
    await session.start()
    assert session._task is not None
    session._task.cancel()
    return session


def no_tls(_seen: Callable[[Any], None]) -> ssl.SSLContext:
    raise AssertionError("nothing is connected to")


@pytest.fixture
def make_stage() -> Callable[..., Any]:
    async def make(**more: Any) -> Stage:
        clock = Clock()
        house, server = House(clock), Server(clock)
        settings = UpstreamSettings(
            **{
                "name": "utility",
                "authority": "server:443",
                "context": no_tls,
                "lfdi": OWN,
                "sfdi": 1,
                "members": (Member(lfdi=ONE, target=Target(TargetKind.DEVICE, "d1")),),
                "pin": 111115,
                "post_rate": 20,
                "backoff": Backoff(first=1.0, longest=5.0),
            }
            | more
        )
        return Stage(clock, house, server, settings, await opened(settings, clock, house, server))

    return make


@pytest.fixture
def event() -> Callable[..., DERControl]:
    return control


@pytest.fixture
def lfdis() -> tuple[str, str, str]:
    return OWN, ONE, TWO
