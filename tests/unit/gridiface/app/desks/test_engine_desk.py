"""Quarantines and chosen strategies outlive a restart; a liar does not become honest by it."""

import pytest

from gridiface.aggregation.engine import Engine
from gridiface.aggregation.loops import Held
from gridiface.app.desks.engine_desk import LOOPS, QUARANTINE, EngineDesk
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.fleet import Capability, Constraints, Device, Group, Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import ConfigError

NOW = 1_700_000_000.0


class Ledger:
    """Documents in memory."""

    def __init__(self):
        self.kept = {}

    async def commit(self, changes):
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = change.body
            elif isinstance(change, DeleteDocument):
                self.kept.pop((change.space, change.key), None)

    async def documents(self, space):
        return [Document(space, key, body) for (place, key), body in self.kept.items() if place == space]


def engine():
    made = Engine()
    plate = Nameplate(max_w=1e3, max_charge_w=1e3, capabilities=frozenset({Capability.SET_W}))
    for name in "ab":
        made.add_device(Device(id=name, nameplate=plate), NOW)
    made.set_groups([Group(id="all", members=("a", "b"))], NOW)
    return made


async def test_what_was_changed_is_there_after_a_restart():
    ledger = Ledger()
    desk = EngineDesk(engine(), ledger)
    await desk.load(NOW)
    assert await desk.quarantine("a", NOW, reason="odd", along=[])
    assert not await desk.quarantine("a", NOW, reason="odd", along=[])
    await desk.choose("all", "merit-order", NOW, along=[])
    with pytest.raises(ConfigError):
        await desk.choose("all", "nobody", NOW, along=[])
    assert desk.changes(NOW) == []
    again = EngineDesk(engine(), ledger)
    await again.load(NOW)
    assert again.quarantined() == ("a",)
    assert again.chosen() == {"all": ("merit-order", True)}
    assert "merit-order" in again.strategies()
    assert await again.release("a", NOW, reason="mended", along=[])
    assert not await again.release("a", NOW, reason="mended", along=[])
    await again.choose("all", None, NOW, along=[])
    assert ledger.kept == {}


async def test_what_the_engine_does_by_itself_is_kept_too():
    made, ledger = engine(), Ledger()
    desk = EngineDesk(made, ledger)
    made.desk.quarantine("b", NOW)
    await ledger.commit(desk.changes(NOW))
    assert (QUARANTINE, "b") in ledger.kept
    made.desk.believe("b", NOW)
    await ledger.commit(desk.changes(NOW))
    assert ledger.kept == {}


async def test_a_strategy_that_is_gone_is_left_out():
    ledger = Ledger()
    ledger.kept["engine/strategy", "all"] = b'"uninstalled"'
    desk = EngineDesk(engine(), ledger)
    await desk.load(NOW)
    assert desk.chosen() == {"all": ("water-filling", False)}


def capped(name: str) -> Device:
    plate = Nameplate(max_w=1e3, max_charge_w=1e3, energy_wh=4e3, capabilities=frozenset({Capability.SET_W}))
    return Device(id=name, nameplate=plate, constraints=Constraints(daily_wh=500.0))


def hear(made: Engine, at: float) -> None:
    made.observe([Snapshot(device_id="c", source_time=at, received=at, w=600.0, soc=0.5)], at)


async def test_todays_throughput_outlives_a_restart_and_not_the_day():
    made, ledger = engine(), Ledger()
    made.add_device(capped("c"), NOW)
    desk = EngineDesk(made, ledger)
    await desk.load(NOW)
    for second in range(0, 61, 5):
        hear(made, NOW + second)
        made.tick(NOW + second)
    ends, moved = made.throughput.today()
    assert moved == {"c": pytest.approx(10.0)}  # 600 W for a minute
    await ledger.commit(desk.changes(NOW + 60, all_of_it=True))
    assert desk.changes(NOW + 61) == []  # told at most once a minute
    assert desk.changes(NOW + 200, all_of_it=True) == []  # nothing new
    again = engine()
    await EngineDesk(again, ledger).load(NOW + 90)
    again.add_device(capped("c"), NOW + 90)  # its driver opened it later
    hear(again, NOW + 90)
    again.tick(NOW + 90)
    assert again.throughput.today() == (ends, {"c": pytest.approx(10.0)})
    again.tick(ends + 1)
    assert again.throughput.today()[1] == {}
    tomorrow = engine()
    await EngineDesk(tomorrow, ledger).load(ends + 1)
    tomorrow.add_device(capped("c"), ends + 1)
    assert tomorrow.throughput.today()[1] == {}


async def test_what_loops_hold_outlives_a_restart_and_no_long_stop():
    ledger, held = Ledger(), {"all": Held(900.0, -2_000.0)}
    made = engine()
    desk = EngineDesk(made, ledger)
    await desk.load(NOW)
    assert desk.changes(NOW) == []
    made.desk.loops.held = lambda: held
    told = []
    for second, trim in ((1, 900.0), (5, 900.0), (10, 905.0), (15, 950.0), (20, 950.0), (320, 950.0)):
        held = {"all": Held(trim, -2_000.0)}
        changes = desk.changes(NOW + second)
        told += [second] * len(changes)
        await ledger.commit(changes)
    assert told == [5, 15, 320]
    for seconds, carried in ((899.0, {"all": Held(950.0, -2_000.0)}), (901.0, None), (-1.0, None)):
        taken = []
        again = engine()
        again.desk.loops.carry = taken.append
        await EngineDesk(again, ledger).load(NOW + 320 + seconds)
        assert taken == ([] if carried is None else [carried])


async def test_a_graceful_end_tells_what_loops_hold_now():
    made = engine()
    desk = EngineDesk(made, Ledger())
    await desk.load(NOW)
    made.desk.loops.held = lambda: {"all": Held(1.0, 0.0)}
    assert [change.space for change in desk.changes(NOW + 1, all_of_it=True)] == [LOOPS]
