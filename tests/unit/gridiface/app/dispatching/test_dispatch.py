"""Record, ask, hand out: the order of things, with a real engine and a ledger that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.clocks import StandingClock
from tests.waiting import until

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.dispatching.recording import PART
from gridiface.app.fleet.members import Members
from gridiface.domain.changes import AppendDecisions, AppendOutcome, Change, Document, PutControl, PutDocument
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ControlState,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Outcome,
    OutcomeKind,
    Setpoint,
    Source,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import LocalProtocolError, StoreUnavailable

NOW = 1_800_000_000.0


class Ledger:
    """Keeps what is committed; refuses while `down`."""

    def __init__(self) -> None:
        self.kept: list[Change] = []
        self.down = False
        self.refused: type | None = None
        self.asked = 0
        #: Parts with outcomes so far, and from which of them on they are refused.
        self.told, self.refuses = 0, 1_000_000
        self.parts: list[Sequence[Change]] = []
        self.slow: asyncio.Event | None = None

    async def commit(self, changes: Sequence[Change]) -> None:
        self.asked += 1
        self.parts.append(changes)
        await asyncio.sleep(0)
        if self.slow is not None:
            await self.slow.wait()
        if any(isinstance(change, AppendOutcome) for change in changes):
            self.told += 1
            if self.told >= self.refuses:
                raise StoreUnavailable("refused on purpose")
        if self.down:
            raise StoreUnavailable("down on purpose")
        if self.refused is not None and any(isinstance(change, self.refused) for change in changes):
            raise LocalProtocolError("refused on purpose")
        self.kept += changes

    async def documents(self, space: str) -> list[Document]:
        return []

    def of(self, kind: type) -> list[Change]:
        return [change for change in self.kept if isinstance(change, kind)]


class Channel:
    """Acknowledges everything."""

    def __init__(self) -> None:
        self.told: list[Setpoint] = []
        self.slow: asyncio.Event | None = None

    def serves(self, device_id: str) -> bool:
        return device_id.startswith("bat")

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: float) -> Sequence[Delivery]:
        self.told += setpoints
        if self.slow is not None:
            await self.slow.wait()
        done = DeliveryOutcome.ACKNOWLEDGED
        return [Delivery(device_id=s.device_id, outcome=done, at=NOW, setpoint=s) for s in setpoints]


class House:
    """Two batteries in a group, everything else faked."""

    def __init__(self) -> None:
        config = Config.model_validate(
            {
                "devices": [{"id": "bat1", "driver": "x"}, {"id": "bat2", "driver": "x"}],
                "groups": [{"id": "fleet", "members": ["bat1", "bat2"]}],
            }
        )
        self.ledger, self.channel, self.engine = Ledger(), Channel(), Engine()
        self.heard: list[Outcome] = []
        members = Members(config)
        self.dispatch = Dispatch(self.engine, self.ledger, StandingClock(NOW, 0.0), members=members)
        self.dispatch.channels.append(self.channel)
        self.dispatch.listeners.append(self.heard.append)
        nameplate = Nameplate(
            max_w=5000, max_charge_w=5000, energy_wh=10_000, capabilities=frozenset({Capability.SET_W})
        )
        for name in ("bat1", "bat2"):
            self.engine.add_device(Device(id=name, nameplate=nameplate), NOW)
        self.engine.set_groups(members.groups(), NOW)
        self.engine.observe(
            [Snapshot(device_id=n, source_time=NOW, received=NOW, w=0.0, soc=0.5) for n in ("bat1", "bat2")], NOW
        )

    async def settle(self) -> None:
        await self.dispatch.drain()


def control(name: str = "c1", *, watts: float = 4000.0, start: float = NOW, target: str = "fleet") -> Control:
    return Control(
        id=name,
        source=Source(protocol="test", authority=1.0),
        target=Target(TargetKind.GROUP, target),
        values={ControlMode.SET_W: ModeValue(watts)},
        interval=Interval(start, 60.0),
        created=NOW,
        response_required=True,
    )


@pytest.fixture
def house() -> House:
    return House()


async def test_accepted_control_is_durable_together_with_its_document(house: House) -> None:
    answer = await house.dispatch.submit(control(), NOW, along=[PutDocument("x", "k", b"v")])
    assert answer.verdict is Verdict.ACCEPTED
    assert house.ledger.of(PutDocument) == [PutDocument("x", "k", b"v")]
    assert [c.control.id for c in house.ledger.of(PutControl)] == ["c1"]
    assert house.engine.control("c1") is not None


async def test_refused_control_changes_nothing_and_writes_no_document(house: House) -> None:
    answer = await house.dispatch.submit(control(target="nowhere"), NOW, along=[PutDocument("x", "k", b"v")])
    await house.settle()
    assert answer.verdict is Verdict.INVALID
    assert not house.ledger.of(PutDocument)
    assert house.engine.control("c1") is None
    assert house.dispatch.counters.controls_refused == 1


async def test_store_down_refuses_and_the_engine_never_hears_of_it(house: House) -> None:
    house.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await house.dispatch.submit(control(), NOW)
    assert house.engine.control("c1") is None
    house.ledger.down = False
    assert (await house.dispatch.submit(control(), NOW)).will_run


async def test_a_test_is_answered_like_any_other_and_moves_nothing(house: House) -> None:
    document = PutDocument("test", "c1", b"x")
    answer = await house.dispatch.submit(replace(control(), is_test=True), NOW, along=[document])
    assert answer.verdict is Verdict.ACCEPTED
    house.dispatch.tick(NOW)
    await house.settle()
    assert not house.channel.told
    assert house.ledger.of(PutDocument) == [document]
    assert house.ledger.of(PutControl)[0].control.is_test
    assert await house.dispatch.cancel("c1", NOW)


async def test_the_same_control_twice_at_once_is_taken_once(house: House) -> None:
    answers = await asyncio.gather(*(house.dispatch.submit(control(), NOW) for _ in range(2)))
    assert sorted(answer.verdict for answer in answers) == [Verdict.ACCEPTED, Verdict.INVALID]


async def test_step_hands_out_records_and_tells_each_outcome_once(house: House) -> None:
    await house.dispatch.submit(control(), NOW)
    for _ in range(3):
        house.dispatch.tick(NOW)
        await house.settle()
    assert sum(s.active_power_w or 0 for s in house.channel.told) == pytest.approx(4000.0)
    assert house.dispatch.counters.setpoints_written == 2
    steps = [(o.device_id, o.kind) for o in house.heard]
    assert len(steps) == len(set(steps))
    assert {(None, OutcomeKind.STARTED), ("bat1", OutcomeKind.STARTED), ("bat2", OutcomeKind.STARTED)} <= set(steps)
    assert len(house.ledger.of(AppendOutcome)) == len(house.heard)


async def test_devices_are_told_while_the_store_is_down_and_outcomes_follow_when_it_is_back(house: House) -> None:
    await house.dispatch.submit(control(), NOW)
    house.ledger.down = True
    house.dispatch.tick(NOW)
    await house.settle()
    assert house.channel.told
    assert not house.heard
    assert house.dispatch.counters.store_failures >= 1
    house.ledger.down = False
    house.dispatch.tick(NOW + 1)
    await house.settle()
    assert OutcomeKind.RECEIVED in {o.kind for o in house.heard}


async def test_the_steps_of_thousands_are_durable_in_parts_before_that_of_their_control(house: House) -> None:
    """Also where the store fails in the middle: what it took is told, and the rest follows in its order."""
    names = [f"bat{number}" for number in range(3, PART + 50)]
    for name in names:
        await house.dispatch.register(Device(id=name, nameplate=Nameplate(max_w=5000)), NOW, groups=["fleet"])
    await house.settle()
    await house.dispatch.submit(replace(control(), values={ControlMode.CONNECT: ModeValue(1.0)}), NOW)
    house.ledger.refuses = 2
    house.dispatch.tick(NOW)
    await house.settle()
    assert house.dispatch.counters.store_failures >= 1
    kept = [change.outcome for change in house.ledger.of(AppendOutcome) if isinstance(change, AppendOutcome)]
    assert kept
    assert house.heard == kept
    assert set(names) - {outcome.device_id for outcome in kept}
    assert ControlState.ACTIVE not in states(house)
    house.ledger.refuses = 1_000_000
    house.dispatch.tick(NOW + 1)
    await house.settle()
    received = [o.device_id for o in house.heard if o.kind is OutcomeKind.RECEIVED]
    assert received == [None, *sorted({*names, "bat1", "bat2"})]
    assert states(house)[-1] is ControlState.ACTIVE
    assert max(len(part) for part in house.ledger.parts) <= PART


async def test_what_the_store_does_not_take_keeps_neither_the_rest_of_a_step_nor_the_backlog(house: House) -> None:
    await house.dispatch.submit(control(), NOW)
    house.ledger.down = True
    house.dispatch.tick(NOW)
    await house.settle()
    house.ledger.down, house.ledger.refused = False, AppendDecisions
    house.dispatch.tick(NOW + 1)
    await house.settle()
    assert OutcomeKind.RECEIVED in {outcome.kind for outcome in house.heard}
    assert len(house.ledger.of(AppendOutcome)) == len(house.heard)
    assert ControlState.ACTIVE in states(house)
    house.ledger.refused = None
    await house.dispatch.drain()
    assert len(house.ledger.of(AppendDecisions)) == 1  # that of the answer


async def test_cancel_is_durable_and_only_once(house: House) -> None:
    await house.dispatch.submit(control(start=NOW + 100), NOW)
    assert await house.dispatch.cancel("c1", NOW + 1)
    last = house.ledger.of(PutControl)[-1]
    assert last.control.state is ControlState.CANCELLED
    assert not await house.dispatch.cancel("c1", NOW + 2)
    assert not await house.dispatch.cancel("unknown", NOW)


async def test_another_authority_is_durable_and_decides_anew_who_rules(house: House) -> None:
    await house.dispatch.submit(control("low"), NOW)
    other = replace(control("high", watts=2_000.0), source=Source(protocol="test", program="p", authority=5.0))
    await house.dispatch.submit(replace(other, interval=Interval(NOW, 30.0)), NOW)
    house.dispatch.tick(NOW)
    await house.settle()
    told = {point.device_id: point.active_power_w for point in house.channel.told}
    assert sum(watts or 0.0 for watts in told.values()) == pytest.approx(2_000.0)
    document = PutDocument("x", "y", b"")
    house.channel.told.clear()
    assert await house.dispatch.rank(["high", "unknown"], 0.5, NOW + 1, along=[document]) == 1
    kept = [change.control for change in house.ledger.of(PutControl) if isinstance(change, PutControl)]
    assert kept[-1].source.authority == 0.5
    assert document in house.ledger.kept
    house.dispatch.tick(NOW + 1)
    await house.settle()
    told = {point.device_id: point.active_power_w for point in house.channel.told}
    assert sum(watts or 0.0 for watts in told.values()) == pytest.approx(4_000.0)
    said = [one for change in house.ledger.of(AppendDecisions) for one in getattr(change, "decisions", ())]
    assert [(one.control_id, one.verdict) for one in said if one.verdict == "ranked"] == [("high", "ranked")]
    house.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await house.dispatch.rank(["low"], 9.0, NOW + 2)
    assert house.engine.control("low").source.authority == 1.0  # type: ignore[union-attr]


async def test_a_control_that_is_cancelled_meanwhile_stays_so(house: House) -> None:
    await house.dispatch.submit(control(), NOW)
    house.ledger.slow = asyncio.Event()
    ranking = asyncio.create_task(house.dispatch.rank(["c1"], 5.0, NOW))
    await asyncio.sleep(0)
    cancelling = asyncio.create_task(house.dispatch.cancel("c1", NOW))
    await asyncio.sleep(0)
    house.ledger.slow.set()
    await asyncio.gather(ranking, cancelling)
    await house.settle()
    assert states(house)[-1] is ControlState.CANCELLED


@pytest.mark.parametrize(("reason", "told"), [("", "by its sender"), ("by ann: a storm", "by ann: a storm")])
async def test_the_record_says_who_cancelled(house: House, reason: str, told: str) -> None:
    await house.dispatch.submit(control(), NOW)
    assert await house.dispatch.cancel("c1", NOW + 1, reason=reason)
    house.dispatch.tick(NOW + 2)
    await house.settle()
    made = [one for one in house.ledger.of(AppendDecisions) if isinstance(one, AppendDecisions)]
    assert [one.reason for change in made for one in change.decisions if one.verdict == "cancelled"] == [told]


def states(house: House) -> list[ControlState]:
    return [change.control.state for change in house.ledger.of(PutControl) if isinstance(change, PutControl)]


@pytest.mark.parametrize("asked", [control(), replace(control(), interval=Interval(NOW, None), is_default=True)])
async def test_a_step_that_is_recorded_late_undoes_no_cancellation(house: House, asked: Control) -> None:
    """The record of a step waits for its set-points; what was cancelled meanwhile stays cancelled over a restart."""
    await house.dispatch.submit(asked, NOW)
    house.channel.slow = asyncio.Event()
    house.dispatch.tick(NOW)
    await until(lambda: house.channel.told, "the devices are told")
    assert await house.dispatch.cancel("c1", NOW + 1)
    house.channel.slow.set()
    await house.settle()
    assert set(states(house)[1:]) == {ControlState.CANCELLED}


async def test_a_step_that_is_recorded_beside_a_cancellation_does_not_undo_it(house: House) -> None:
    await house.dispatch.submit(control(), NOW)
    house.ledger.slow = asyncio.Event()
    cancelled = asyncio.create_task(house.dispatch.cancel("c1", NOW + 1))
    await until(lambda: house.ledger.asked == 2, "the cancellation is on its way")
    house.dispatch.tick(NOW)
    await until(lambda: house.ledger.asked > 2, "the step is on its way")
    house.ledger.slow.set()
    assert await cancelled
    await house.settle()
    assert set(states(house)[1:]) == {ControlState.CANCELLED}


async def test_a_cancellation_that_cannot_be_written_leaves_the_control_as_it_is(house: House) -> None:
    await house.dispatch.submit(control(), NOW)
    house.ledger.down, house.ledger.slow = True, asyncio.Event()
    cancelled = asyncio.create_task(house.dispatch.cancel("c1", NOW + 1))
    await until(lambda: house.ledger.asked == 2, "the cancellation is on its way")
    house.dispatch.tick(NOW)
    house.ledger.slow.set()
    with pytest.raises(StoreUnavailable):
        await cancelled
    house.ledger.down = False
    house.dispatch.tick(NOW + 1)
    await house.settle()
    assert states(house)[-1] is ControlState.ACTIVE


async def test_device_that_registers_joins_its_groups_and_leaves_them(house: House) -> None:
    device = Device(id="bat3", nameplate=Nameplate(max_w=1000))
    await house.dispatch.register(device, NOW, groups=["fleet"])
    assert "bat3" in house.engine.members("fleet")
    await house.dispatch.remove("bat3", NOW)
    assert "bat3" not in house.engine.members("fleet")


async def test_opened_device_is_remembered_once(house: House) -> None:
    found = (Nameplate(max_w=7000), Settings(), DriverTraits(), DeviceKind.BATTERY)
    for _ in range(2):
        house.dispatch.opened("bat1", *found)
        await house.settle()
    device = house.engine.device("bat1")
    assert device is not None
    assert device.nameplate.max_w == 7000
    assert len(house.ledger.of(PutDocument)) == 1
