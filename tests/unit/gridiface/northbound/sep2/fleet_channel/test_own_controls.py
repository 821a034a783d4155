"""What the utility posts in a device's own program stands above what the server derives from set-points."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.members import Members
from gridiface.domain.controls import ControlMode, DeliveryOutcome, ModeValue, Outcome, Setpoint
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.fleet_channel.own_controls import families, without
from gridiface.northbound.sep2.served.locks import NamedLocks

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
GROUP, OWN = "A1" * 16, "B1" * 16
TARGET = "<opModTargetW><multiplier>0</multiplier><value>{}</value></opModTargetW>"
CONNECT = "<opModConnect>{}</opModConnect>"
PF = (
    "<opModFixedPFInjectW><displacement>95</displacement><excitation>true</excitation><multiplier>-2</multiplier>"
    "</opModFixedPFInjectW>"
)
#: Connect, FixedPFInjectW, FixedW, MaxLimW, TargetW.
CAPABILITY = (
    f"<DERCapability {NS}><modesSupported>005000A4</modesSupported><rtgMaxW><multiplier>0</multiplier>"
    "<value>10000</value></rtgMaxW><type>4</type></DERCapability>"
)


def test_modes_that_say_the_same_are_one_family() -> None:
    assert families({"opModFixedW"}) == {"opModFixedW", "opModTargetW"}
    assert families({"opModFixedVar"}) == {"opModFixedVar", "opModTargetVar"}
    assert families({"opModMaxLimW", "opModConnect"}) == {"opModMaxLimW", "opModConnect"}


def test_what_is_left_of_a_set_point() -> None:
    passed = {
        ControlMode.POWER_FACTOR_INJECT: ModeValue(0.95),
        ControlMode.CURVE: ModeValue(2.0, payload={"opModVoltVar": {}, "opModVoltWatt": {}}),
    }
    whole = Setpoint(
        device_id="d",
        issued=0.0,
        active_power_w=1.0,
        ceiling_w=2.0,
        reactive_power_var=3.0,
        connect=True,
        passed=passed,
    )
    assert without(whole, frozenset()) is whole
    left = without(whole, frozenset({"opModTargetW", "opModVoltVar", "opModFixedPFInjectW", "opModConnect"}))
    assert (left.active_power_w, left.ceiling_w, left.reactive_power_var, left.connect) == (None, 2.0, 3.0, None)
    assert left.passed == {ControlMode.CURVE: ModeValue(1.0, payload={"opModVoltWatt": {}})}
    nothing = without(left, frozenset({"opModMaxLimW", "opModFixedVar", "opModVoltWatt"}))
    assert (nothing.ceiling_w, nothing.reactive_power_var, nothing.passed) == (None, None, {})


class Plant:
    """The server's core over the real engine: one battery elsewhere and the inverter inv-1 in a fleet of two."""

    def __init__(self, kit: Any) -> None:
        self.kit = kit
        able = frozenset(Capability)
        config = Config.model_validate(
            {
                "devices": [{"id": "bat-1", "driver": "x"}, {"id": "inv-1", "driver": "sep2"}],
                "groups": [{"id": "fleet", "members": ["bat-1", "inv-1"]}],
            }
        )
        members = Members(config)
        self.engine = Engine()
        self.dispatch = Dispatch(self.engine, kit.ledger, kit.clock, members=members)
        battery = Nameplate(max_w=5000.0, max_charge_w=5000.0, energy_wh=50_000.0, capabilities=able)
        self.engine.add_device(Device(id="bat-1", nameplate=battery, driver="x"), kit.NOW)
        inverter = Nameplate(max_w=10_000.0, capabilities=able)
        traits = DriverTraits(answers_itself=True)
        self.engine.add_device(
            Device(id="inv-1", nameplate=inverter, kind=DeviceKind.PV, driver="sep2", traits=traits), kit.NOW
        )
        self.engine.set_groups(members.groups(), kit.NOW)
        kit.inbox, kit.registry, kit.fleet = self.dispatch, self.dispatch, self.engine
        kit.core = Sep2Core(
            kit.settings,
            clock=kit.clock,
            ledger=kit.ledger,
            inbox=self.dispatch,
            registry=self.dispatch,
            fleet=self.engine,
            locks=NamedLocks(),
            later=lambda changes, then: kit.waiting.append((changes, then)),
        )
        self.heard: list[Outcome] = []
        self.dispatch.channels += [kit.core.channel, self]
        self.dispatch.listeners += [kit.core.on_outcome, self.heard.append]

    def serves(self, device_id: str) -> bool:
        return device_id == "bat-1"

    async def apply(self, setpoints: Any, *, deadline: float) -> list[Any]:
        return []

    async def run(self, until: float, step: float = 1.0) -> None:
        """Seconds go by."""
        kit = self.kit
        while True:
            now = kit.clock.time
            seen = [Snapshot(device_id=n, source_time=now, received=now, w=0.0, soc=0.5) for n in ("bat-1", "inv-1")]
            self.engine.observe(seen, now)
            kit.core.events.handle_timer(now)
            if ready := kit.core.channel.due(now):
                await kit.core.channel.apply(ready, deadline=now)
            self.dispatch.tick(now)
            await self.dispatch.drain()
            await kit.flush()
            if now >= kit.NOW + until:
                return
            kit.clock.time = min(now + step, kit.NOW + until)

    async def post(self, program: str, mrid: str, base: str, start: float, duration: int, **more: Any) -> str:
        body = self.kit.control(mrid, start=self.kit.NOW + start, duration=duration, base=base, **more)
        reply = await self.kit.send("POST", f"{self.kit.program(program)}/derc", body)
        assert reply.status == 201
        return str(reply.headers["Location"])

    async def listed(self, name: str = "derc") -> list[Any]:
        return list((await self.kit.get(f"{self.kit.program('inv-1')}/{name}?l=99", by="inv-1")).members)

    async def active(self) -> list[tuple[str, frozenset[str]]]:
        """The active controls of the inverter's program: whose, and which modes."""
        return [("own" if e.mRID == OWN else "derived", modes(e.derControlBase)) for e in await self.listed("actderc")]


def modes(base: Any) -> frozenset[str]:
    return frozenset(name for name in base.__slots__ if name.startswith("opMod") and getattr(base, name) is not None)


@pytest.fixture
async def plant(make_kit: Callable[..., Any]) -> Plant:
    found = Plant(await make_kit())
    await found.kit.core.load(found.kit.clock.time)
    edev = found.kit.edev("inv-1")
    assert (await found.kit.send("PUT", f"{edev}/der/1/dercap", CAPABILITY, by="inv-1")).status == 204
    await found.post("fleet", GROUP, TARGET.format(9000), 0, 600, response="07")
    await found.run(5)
    assert await found.active() == [("derived", {"opModTargetW"})]
    return found


@pytest.mark.parametrize(
    ("base", "own", "derived"),
    [
        (CONNECT.format("false"), {"opModConnect"}, {"opModTargetW"}),
        (PF, {"opModFixedPFInjectW"}, {"opModTargetW"}),
        ("<opModMaxLimW>5000</opModMaxLimW>", {"opModMaxLimW"}, {"opModTargetW"}),
        (TARGET.format(3000), {"opModTargetW"}, None),
        ("<opModFixedW>3000</opModFixedW>", {"opModFixedW"}, None),
        (CONNECT.format("true") + TARGET.format(3000), {"opModConnect", "opModTargetW"}, None),
    ],
)
@pytest.mark.parametrize("age", [0, 3600])
async def test_an_own_control_keeps_its_modes_and_gives_them_back(
    plant: Plant, base: str, own: set[str], derived: set[str] | None, age: int
) -> None:
    """`age`: the utility made the control long before it posted it; it stands above the derived one all the same."""
    kit = plant.kit
    await plant.post("inv-1", OWN, base, 5, 60, created=kit.NOW + 5 - age)
    for until in (5, 6, 10, 30, 64):
        await plant.run(until)
        found = dict(await plant.active())
        assert found["own"] == own
        assert found.get("derived") == derived
        (event,) = [e for e in await plant.listed() if e.mRID == OWN]
        assert event.eventStatus.currentStatus == 1
    await plant.run(67)
    assert dict(await plant.active()) == {"derived": {"opModTargetW"}}


async def test_a_scheduled_own_control_ends_the_derived_one_before_it_begins(plant: Plant) -> None:
    kit = plant.kit
    await plant.post("inv-1", OWN, TARGET.format(3000), 100, 60)
    await plant.run(10)
    ((name, found),) = await plant.active()
    assert (name, found) == ("derived", {"opModTargetW"})
    (event,) = await plant.listed("actderc")
    assert event.interval.start + event.interval.duration == kit.NOW + 100
    await plant.run(101)
    assert await plant.active() == [("own", {"opModTargetW"})]
    await plant.run(161)
    ((name, found),) = await plant.active()
    assert (name, found) == ("derived", {"opModTargetW"})


async def test_a_cancelled_own_control_gives_its_modes_back_with_the_next_step(plant: Plant) -> None:
    kit = plant.kit
    href = await plant.post("inv-1", OWN, TARGET.format(3000), 5, 60)
    await plant.run(20)
    assert await plant.active() == [("own", {"opModTargetW"})]
    cancel = kit.control(OWN, start=kit.NOW + 5, duration=60, base=TARGET.format(3000), status=2)
    assert (await kit.send("PUT", href, cancel)).status == 204
    await plant.run(20)
    assert await plant.active() == [("derived", {"opModTargetW"})]


async def test_answers_to_the_own_control_are_the_inverters(plant: Plant) -> None:
    kit = plant.kit
    await plant.post("inv-1", OWN, CONNECT.format("false"), 5, 60, response="07")
    await plant.run(20)
    responses = kit.program("inv-1").replace("derp", "rsps") + "/rsp"
    assert [r for r in (await kit.get(f"{responses}?l=99")).members if r.subject == OWN] == []
    for status in (1, 2):
        body = kit.response(kit.lfdi["inv-1"], OWN, status)
        assert (await kit.send("POST", responses, body, by="inv-1")).status == 201
    (derived,) = [e for e in await plant.listed("actderc") if e.mRID != OWN]
    body = kit.response(kit.lfdi["inv-1"], derived.mRID, 2)
    assert (await kit.send("POST", responses, body, by="inv-1")).status == 201
    told = {o.control_id for o in plant.heard if o.device_id == "inv-1"}
    assert told == {f"sep2:{OWN}", f"sep2:{GROUP}"}
    mine = [r.status for r in (await kit.get(f"{responses}?l=99")).members if r.subject == OWN]
    assert sorted(mine) == [1, 2]


async def test_what_is_left_out_is_said_truthfully(kit: Any) -> None:
    await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", CAPABILITY, by="inv-1")
    body = kit.control(OWN, start=kit.NOW, base=TARGET.format(3000))
    await kit.send("POST", kit.program("inv-1") + "/derc", body)
    point = Setpoint(
        device_id="inv-1", issued=kit.NOW, active_power_w=1.0, valid_until=kit.NOW + 99, control_ids=("oadr:1",)
    )
    commits = kit.ledger.commits
    (delivery,) = await kit.core.channel.apply([point], deadline=kit.NOW + 5)
    assert (delivery.outcome, delivery.detail) == (DeliveryOutcome.PUBLISHED, "the device fetches it by itself")
    assert kit.ledger.commits == commits
    body = kit.control("C1" * 16, start=kit.NOW + 700, base=TARGET.format(3000))
    await asyncio.wait_for(kit.send("POST", kit.program("inv-1") + "/derc", body), 60)
    assert len((await kit.get(kit.program("inv-1") + "/derc?l=9")).members) == 2


async def test_after_a_restart_a_conflicting_derived_control_gives_way(kit: Any) -> None:
    await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", CAPABILITY, by="inv-1")
    point = Setpoint(device_id="inv-1", issued=kit.NOW, active_power_w=1.0, control_ids=("oadr:1",))
    await kit.core.channel.apply([point], deadline=kit.NOW + 5)
    other = await kit.restarted()
    body = kit.control(OWN, start=kit.NOW + 5, base=TARGET.format(3000), created=kit.NOW - 60)
    assert (await other.send("POST", other.program("inv-1") + "/derc", body)).status == 201
    other.at(6)
    active = (await other.get(other.program("inv-1") + "/actderc?l=9")).members
    assert [e.mRID for e in active] == [OWN]
