"""The DNP3 server on free ports, over a house in memory, and masters for it."""

import contextlib
from dataclasses import dataclass, field

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.controls import Acceptance, Control, ControlState, Target, TargetKind, Verdict
from gridiface.domain.fleet import Capability, Device, Group, Nameplate, Settings
from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.northbound.dnp3.settings import Dnp3Settings, EndpointSettings, MasterEntry, StationSettings
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.simulation.dnp3.client import MasterClient

FLEET = Target(TargetKind.GROUP, "fleet")


DEVICE = Device(
    id="b1",
    nameplate=Nameplate(max_w=5e6, max_charge_w=4e6, energy_wh=10e6, capabilities=frozenset({Capability.SET_W})),
    settings=Settings(ramp_w_per_s=1e5, soc_min=0.1, soc_max=0.9),
)
SNAPSHOT = Snapshot(
    device_id="fleet",
    source_time=1.7e9,
    received=1.7e9,
    w=1.25e6,
    var=-2e5,
    soc=0.6,
    available_up_w=3e6,
    available_down_w=5e6,
    connected=True,
    state=OperatingState.RUNNING,
)


@dataclass
class House:
    """Inbox, ledger, history and fleet in one; tests set verdicts and faults."""

    verdict: Verdict = Verdict.ACCEPTED
    feasible_w: float | None = None
    broken: bool = False
    kept: dict = field(default_factory=dict)
    controls_seen: dict = field(default_factory=dict)
    cancelled: list = field(default_factory=list)
    device_: Device = field(default_factory=lambda: DEVICE)
    snapshot_: Snapshot = field(default_factory=lambda: SNAPSHOT)

    async def commit(self, changes):
        if self.broken:
            raise StoreUnavailable("no room")
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = Document(change.space, change.key, change.body)

    async def documents(self, space):
        return [item for item in self.kept.values() if item.space == space]

    async def controls(self, *, live_after=None):
        return [item for item in self.controls_seen.values() if item.state is not ControlState.CANCELLED]

    def preview(self, control, now, *, noted=False):
        return Acceptance(control_id=control.id, verdict=self.verdict, feasible_w=self.feasible_w)

    async def submit(self, control: Control, now, *, along=()):
        answer = self.preview(control, now)
        if answer.will_run:
            await self.commit(along)
            self.controls_seen[control.id] = control
        return answer

    async def cancel(self, control_id, now, *, reason="", along=()):
        await self.commit(along)
        self.cancelled.append(control_id)
        return self.controls_seen.pop(control_id, None) is not None

    def device(self, device_id):
        return self.device_ if device_id == self.device_.id else None

    def devices(self):
        return [self.device_]

    def group(self, group_id):
        return Group(id="fleet", members=("b1",)) if group_id == "fleet" else None

    def groups(self):
        return [self.group("fleet")]

    def members(self, group_id):
        return ["b1"]

    def snapshot(self, target):
        return self.snapshot_

    def setpoint(self, device_id):
        return None


@pytest.fixture
def house():
    return House()


def station(name="gateway", address=10, *, masters=None, points="iso-gateway", **more):
    masters = masters or (MasterEntry(name="iso", address=1, unsolicited=UnsolicitedSettings()),)
    chosen = PointMap(profile(points)) if isinstance(points, str) else points
    return StationSettings(name=name, address=address, target=FLEET, points=chosen, masters=tuple(masters), **more)


@pytest.fixture
def make_station():
    return station


@pytest.fixture
def serve(house):
    """An async context manager: a server with stations and end points."""

    @contextlib.asynccontextmanager
    async def serving(stations=None, endpoints=None, **more):
        settings = Dnp3Settings(
            stations=tuple(stations or (station(),)), endpoints=tuple(endpoints or (EndpointSettings(port=0),)), **more
        )
        server = Dnp3Server(settings, clock=SystemClock(), inbox=house, ledger=house, fleet=house, history=house)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    return serving


@pytest.fixture
def dial():
    """An async context manager: a master connected to a port of the loopback."""

    @contextlib.asynccontextmanager
    async def dialling(port, *, address=1, outstation=10, tls=None, authentication=None, **more):
        quiet = {"startup_integrity": False, "enable_classes": (), **more}
        client = MasterClient(MasterSettings(address, outstation, **quiet), "127.0.0.1", port, tls=tls,
                              authentication=authentication)  # fmt: skip
        await client.connect()
        try:
            yield client
        finally:
            await client.close()

    return dialling
