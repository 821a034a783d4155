"""A house in memory, stations over it, and a master's frames without sockets."""

from dataclasses import dataclass, field

import pytest

from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.controls import Acceptance, ControlState, Target, TargetKind, Verdict
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group, Nameplate, Settings
from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.settings import MasterEntry, StationSettings
from gridiface.northbound.dnp3.station import Station
from gridiface.protocols.dnp3.controls import CommandMode, CommandRequest

NOW = 1.7e9
FLEET = Target(TargetKind.GROUP, "fleet")
ISO = (MasterEntry(name="iso", address=1),)


@dataclass
class House:
    """Inbox, ledger, history and fleet in one."""

    verdict: Verdict = Verdict.ACCEPTED
    feasible_w: float | None = None
    broken: bool = False
    meter: str | None = None
    kept: dict = field(default_factory=dict)
    live: dict = field(default_factory=dict)
    cancelled: list = field(default_factory=list)
    known: dict = field(default_factory=dict)
    states: dict = field(default_factory=dict)

    async def commit(self, changes):
        if self.broken:
            raise StoreUnavailable("no room")
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = Document(change.space, change.key, change.body)

    def preview(self, control, now, *, noted=False):
        return Acceptance(control_id=control.id, verdict=self.verdict, feasible_w=self.feasible_w)

    async def submit(self, control, now, *, along=()):
        answer = self.preview(control, now)
        if answer.will_run:
            await self.commit(along)
            self.live[control.id] = control
        return answer

    async def cancel(self, control_id, now, *, reason="", along=()):
        await self.commit(along)
        self.cancelled.append(control_id)
        return self.live.pop(control_id, None) is not None

    async def documents(self, space):
        return list(self.kept.values())

    async def controls(self, *, live_after=None):
        return [item for item in self.live.values() if item.state is not ControlState.CANCELLED]

    def device(self, device_id):
        return self.known.get(device_id)

    def devices(self):
        return list(self.known.values())

    def group(self, group_id):
        return Group(id="fleet", members=tuple(self.known), meter=self.meter) if group_id == "fleet" else None

    def groups(self):
        return [self.group("fleet")]

    def members(self, group_id):
        return list(self.known)

    def snapshot(self, target):
        return self.states.get(target.id)

    def setpoint(self, device_id):
        return None


@pytest.fixture
def battery():
    return Device(
        id="b1",
        kind=DeviceKind.BATTERY,
        nameplate=Nameplate(
            max_w=5e6,
            max_charge_w=4e6,
            max_va=6e6,
            max_var=2e6,
            energy_wh=10e6,
            capabilities=frozenset(Capability)
            - {Capability.SCHEDULE, Capability.FREQUENCY_DROOP_LEAST, Capability.FREQUENCY_DROOP_MOST},
        ),
        settings=Settings(max_w=4.5e6, ramp_w_per_s=1e5, soc_min=0.1, soc_max=0.9),
    )


@pytest.fixture
def seen():
    return Snapshot(
        device_id="fleet",
        source_time=NOW - 2,
        received=NOW - 1,
        w=1.25e6,
        var=-2e5,
        soc=0.6,
        available_up_w=3e6,
        available_down_w=5e6,
        connected=True,
        state=OperatingState.RUNNING,
    )


@pytest.fixture
def house(battery, seen):
    return House(known={"b1": battery}, states={"fleet": seen})


@pytest.fixture
def station_settings():
    """A function: the settings of a station with the points of a profile or given ones."""

    def make(points="iso-gateway", masters=ISO, **more):
        chosen = PointMap(profile(points) if isinstance(points, str) else points)
        return StationSettings(name="gw", address=10, target=FLEET, points=chosen, masters=tuple(masters), **more)

    return make


@pytest.fixture
def station(house, station_settings):
    """A function: a station over the house."""

    def make(*arguments, **more):
        settings = station_settings(*arguments, **more)
        return Station(settings, inbox=house, ledger=house, fleet=house, now=NOW)

    return make


@pytest.fixture
def operate(station):
    """A function: operate a named output of one station and carry out what follows; the status."""
    kept = {}

    async def run(name, command, *, master=1, now=NOW, carry=True, **settings):
        one = kept.setdefault("station", None) or station(**settings)
        kept["station"] = run.station = one
        entry = one.settings.points.by_name[name]
        request = CommandRequest(
            one.database.find(entry.type, entry.index), command, CommandMode.DIRECT_OPERATE, master
        )
        status = one.handler.operate(request, now)
        for commission in one.handler.take() if carry else []:
            one.handler.follow(await one.handler.carry_out(commission, now))
        return status

    return run
