"""The DNP3 server over a real engine, dispatch and store: a master's command down to set-points, and its status."""

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.members import Members
from gridiface.app.process.clock import SystemClock
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Capability, Device, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.northbound.dnp3.settings import Dnp3Settings, EndpointSettings
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import PointType
from gridiface.store.repository import Store

AI, AO = PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT
FLEET = Target(TargetKind.GROUP, "fleet")
NAMEPLATE = Nameplate(
    max_w=1e6,
    max_charge_w=1e6,
    max_discharge_w=1e6,
    energy_wh=4e6,
    capabilities=frozenset({Capability.SET_W, Capability.LIMIT_W}),
)


class Batteries:
    """Two batteries that do at once what they are told, and say so."""

    def __init__(self, engine):
        self.engine = engine
        self.watts = {"b1": 0.0, "b2": 0.0}

    def serves(self, device_id):
        return device_id in self.watts

    async def apply(self, setpoints, *, deadline):
        now = time.time()
        for setpoint in setpoints:
            entered = {mode.value: value.value for mode, value in setpoint.passed.items()}
            if entered:
                self.engine.add_device(
                    replace(self.engine.device(setpoint.device_id), settings=Settings(**entered)), now
                )
            if setpoint.active_power_w is not None:
                self.watts[setpoint.device_id] = setpoint.active_power_w
            if setpoint.release:
                self.watts[setpoint.device_id] = 0.0
        self.tell(now)
        done = DeliveryOutcome.ACKNOWLEDGED
        return [Delivery(device_id=s.device_id, outcome=done, at=now, setpoint=s) for s in setpoints]

    def tell(self, now):
        self.engine.observe(
            [Snapshot(device_id=n, source_time=now, received=now, w=w, soc=0.5) for n, w in self.watts.items()], now
        )


class House:
    """Engine, dispatch and store of a whole server, with the DNP3 adapter in front."""

    def __init__(self, store, settings):
        now = time.time()
        config = Config.model_validate(
            {
                "devices": [{"id": name, "driver": "x"} for name in ("b1", "b2")],
                "groups": [{"id": "fleet", "members": ["b1", "b2"]}],
            }
        )
        members = Members(config)
        self.store = store
        self.engine = Engine()
        self.dispatch = Dispatch(self.engine, store, SystemClock(), members=members)
        self.batteries = Batteries(self.engine)
        self.dispatch.channels.append(self.batteries)
        for name in ("b1", "b2"):
            self.engine.add_device(Device(id=name, nameplate=NAMEPLATE), now)
        self.engine.set_groups(members.groups(), now)
        self.batteries.tell(now)
        self.server = Dnp3Server(
            settings, clock=SystemClock(), inbox=self.dispatch, ledger=store, fleet=self.engine, history=store
        )
        self.dispatch.listeners.append(self.server.on_outcome)

    async def step(self):
        self.dispatch.tick(time.time())
        await self.dispatch.drain()
        self.server.refresh(time.time())


@pytest.fixture
def running(tmp_path, make_station):
    """An async context manager: the house, started; the same database at each start."""

    @contextlib.asynccontextmanager
    async def run(**more):
        settings = Dnp3Settings(stations=(make_station(**more),), endpoints=(EndpointSettings(port=0),))
        store = await Store.open(f"sqlite:///{tmp_path / 'grid.sqlite'}")
        house = House(store, settings)
        now = time.time()
        house.engine.restore(await store.controls(live_after=now), [], now)
        await house.server.start()
        try:
            yield house
        finally:
            await house.server.stop()
            await house.dispatch.drain()
            await store.close()

    return run


def rival(authority, watts):
    now = time.time()
    return Control(
        id="rival",
        source=Source(protocol="sep2", program="p", authority=authority),
        target=FLEET,
        values={ControlMode.SET_W: ModeValue(watts)},
        interval=Interval(now, None),
        created=now,
    )


async def test_49_a_signal_beyond_the_rating_is_told_in_the_read_back_and_in_the_record(running, dial):
    async with running() as house, dial(house.server.port) as master:
        assert await master.operate(0, AnalogOutput(1.5)) is CommandStatus.SUCCESS
        await house.step()
        assert await master.operate(1, AnalogOutput(5.0)) is CommandStatus.SUCCESS
        await house.step()
        await master.poll()
        # 2 MW less the 1.5 MW of the set-point around which it is.
        assert (master.value(AO, 1), master.value(AI, 17)) == (5.0, pytest.approx(0.5))
        (decision,) = [one for one in await house.store.decisions() if one.verdict == "partial"]
        assert (decision.signal, decision.value) == ("regulation", pytest.approx(0.5e6))


@pytest.mark.parametrize(("action", "wire", "shown"), [("set_w_percent", 80.0, 50.0), ("delta_w", 1.5e6, 1e6)])
async def test_49_percentages_and_changes_beyond_what_can_be_done_read_back_the_part(
    running, dial, action, wire, shown
):
    output = PointEntry(type=PointType.ANALOG_OUTPUT, index=0, name="out", action=Action(action))
    back = PointEntry(
        type=PointType.ANALOG_INPUT, index=0, name="back", measure=Measure.READ_BACK, argument="out", event_class=1
    )
    async with running(points=PointMap((output, back))) as house, dial(house.server.port) as master:
        cap = replace(rival(1.0, 0.0), values={ControlMode.EXPORT_LIMIT: ModeValue(1e6)})
        await house.dispatch.submit(cap, time.time())
        await house.step()
        assert await master.operate(0, AnalogOutput(wire)) is CommandStatus.SUCCESS
        await house.step()
        await master.poll()
        assert master.value(AI, 0) == pytest.approx(shown)


async def test_49_where_so_configured_a_signal_beyond_the_rating_is_out_of_range(running, dial):
    async with running(out_of_range_above_ratings=True) as house, dial(house.server.port) as master:
        for select in (True, False):
            assert await master.operate(1, AnalogOutput(5.0), select=select) is CommandStatus.OUT_OF_RANGE
        await house.step()
        await master.poll()
        assert (master.value(AO, 1), master.value(AI, 17)) == (0.0, 0.0)


async def test_66_a_set_point_moves_the_fleet_and_megawatts_follow_unasked(running, dial):
    async with (
        running() as house,
        dial(house.server.port, startup_integrity=True, enable_classes=(1, 2, 3)) as master,
    ):
        await master.until(lambda: "enable unsolicited" in master.done and "clear restart" in master.done)
        assert await master.operate(0, AnalogOutput(1.5)) is CommandStatus.SUCCESS
        async with asyncio.timeout(60):
            while sum(house.batteries.watts.values()) != pytest.approx(1.5e6, rel=0.02):
                await house.step()
                await asyncio.sleep(0.05)
        await house.step()
        await master.until(lambda: any(i.type is AI and i.point == 0 and i.value > 1.4 for i in master.events))


async def test_statuses_of_a_real_engine(running, dial):
    async with running(out_of_range_above_ratings=True) as house, dial(house.server.port) as master:
        assert await master.operate(0, AnalogOutput(5.0)) is CommandStatus.OUT_OF_RANGE
        assert await master.operate(2, AnalogOutput(1.0)) is CommandStatus.NOT_SUPPORTED  # nobody can do var
        await house.dispatch.submit(rival(99.0, 1e5), time.time())
        await house.step()
        assert await master.operate(0, AnalogOutput(1.0)) is CommandStatus.AUTOMATION_INHIBIT
        for name in ("b1", "b2"):
            house.engine.desk.block(name, blocked=True, now=time.time())
        assert await master.operate(0, AnalogOutput(1.0)) is CommandStatus.BLOCKED


async def test_a_limit_that_is_raised_again_gives_way(running, dial):
    async with running() as house, dial(house.server.port) as master:
        for limit in (0.2, 1.5):
            assert await master.operate(3, AnalogOutput(limit)) is CommandStatus.SUCCESS
            await house.step()
        assert await master.operate(0, AnalogOutput(1.0)) is CommandStatus.SUCCESS
        async with asyncio.timeout(60):
            while sum(house.batteries.watts.values()) != pytest.approx(1e6, rel=0.02):
                await house.step()
                await asyncio.sleep(0.05)
        await master.poll()
        assert master.value(AI, 19) == 1.5


async def test_controls_go_on_after_a_restart_and_can_be_released(running, dial):
    async with running() as house, dial(house.server.port) as master:
        await master.operate(0, AnalogOutput(0.5))
        await house.step()
    async with running() as house, dial(house.server.port) as master:
        await master.poll()
        assert master.value(AO, 0) == 0.5
        (live,) = [control for control in house.engine.controls() if control.source.protocol == "dnp3"]
        assert await master.operate(4, ControlRelayOutputBlock(3)) is CommandStatus.SUCCESS
        await house.step()
        assert house.engine.control(live.id).state.value == "cancelled"
        await master.poll()
        assert master.value(AO, 0) == 0


async def test_a_superseded_set_point_falls_back_to_idle(running, dial):
    async with running() as house, dial(house.server.port) as master:
        await master.operate(0, AnalogOutput(0.5))
        await house.step()
        await house.dispatch.submit(replace(rival(99.0, 1e5), created=time.time()), time.time())
        await house.step()
        await house.step()
        await master.poll()
        assert master.value(AO, 0) == 0


async def test_66_totals_are_the_sum_over_devices_and_a_stale_one_is_flagged(running, dial):
    state = {"b1": (612_345.0, -45_678.0, 0.25), "b2": (-101_010.0, 12_345.0, 0.75)}

    def told(names, at):
        return [
            Snapshot(
                device_id=name, source_time=at, received=at, w=state[name][0], var=state[name][1], soc=state[name][2]
            )
            for name in names
        ]

    async with running(points="der") as house, dial(house.server.port) as master:
        now = time.time()
        house.engine.add_device(Device(id="b2", nameplate=replace(NAMEPLATE, energy_wh=12e6)), now)
        house.engine.observe(told(state, now), now)
        house.server.refresh(now)
        await master.poll()
        assert master.value(AI, 537) == 612_345 - 101_010
        assert master.value(AI, 541) == -45_678 + 12_345
        assert master.value(AI, 48) == round(1000 * (0.25 * 4 + 0.75 * 12) / 16)  # weighted by energy
        assert all(master.points[AI, index].flags == Flags.ONLINE for index in (537, 541, 48))

        def passes(names, until):
            """Time goes by in steps that are no setting of the clock; so many devices are heard."""
            nonlocal now
            while now < until:
                now += 5.0
                house.engine.observe(told(names, now), now)
                house.engine.tick(now)
            house.server.refresh(now)

        passes(["b1"], now + 900)
        await master.poll()
        assert {master.points[AI, index].flags for index in (537, 541, 48)} == {Flags.ONLINE | Flags.COMM_LOST}
        passes([], now + 900)
        await master.poll()
        assert {master.points[AI, index].flags for index in (537, 541, 48)} == {Flags.COMM_LOST}
        passes(state, now + 5)
        await master.poll()
        assert {master.points[AI, index].flags for index in (537, 541, 48)} == {Flags.ONLINE}


async def test_when_the_fleet_returns_to_service_is_set_and_read_back(running, dial):
    """One battery can be told and one cannot; before, nobody could."""
    async with running(points=PointMap(profile("der"))) as house, dial(house.server.port) as master:
        assert await master.operate(10, AnalogOutput(300, 1)) is CommandStatus.NOT_SUPPORTED
        able = replace(NAMEPLATE, capabilities=NAMEPLATE.capabilities | {Capability.ENTER_SERVICE})
        house.engine.add_device(Device(id="b1", nameplate=able, settings=Settings(enter_delay_s=60)), time.time())
        assert await master.operate(6, AnalogOutput(10_450, 1)) is CommandStatus.SUCCESS
        assert await master.operate(10, AnalogOutput(300, 1)) is CommandStatus.SUCCESS
        await house.step()
        house.server.refresh(time.time() + 11)  # ratings and settings are summed up every 10 s
        await master.poll()
        assert [master.value(AI, index) for index in (50, 54)] == [10_450, 300]
        assert [master.value(AO, index) for index in (6, 10)] == [10_450, 300]
