"""What lies ahead of devices that hold set-points with a start, and when they are told anew."""

from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.deciding import plan, planner
from gridiface.aggregation.foreseeing import outlook
from gridiface.aggregation.foreseeing.outlook import SLICE
from gridiface.aggregation.slices import PART
from gridiface.domain.controls import ControlMode, ServiceClass, Target, TargetKind
from gridiface.domain.fleet import Capability, DriverTraits


def holding(device, slots=8):
    return replace(device, traits=DriverTraits(plan_slots=slots))


@pytest.fixture
def world(bench):
    """Two that hold plans, 5 and 10 kW, and one of 5 kW that does not."""
    return bench(holding(battery("a")), holding(battery("b", 10_000.0)), battery("plain"))


def news(world):
    """The agendas since the last look, by device: (start, end, watts) from T0."""
    world.step(2)
    told, world.agendas = world.agendas, []
    return {
        agenda.device_id: [(s.starts - T0, s.valid_until - T0, s.active_power_w) for s in agenda.setpoints]
        for agenda in told
    }


def test_an_event_ahead_is_planned_and_taken_back(world):
    assert news(world) in ({"a": [], "b": []}, {})  # what they held before this start is not known
    world.submit(ask("later", start=600, duration=900, set_w=8_000.0))
    assert news(world) == {"a": [(600, 1500, pytest.approx(2_000))], "b": [(600, 1500, pytest.approx(4_000))]}
    assert not world.total  # nothing is told yet
    assert news(world) == {}
    assert world.engine.cancel("later", world.now)
    assert news(world) == {"a": [], "b": []}


def test_overlapping_events_are_cut_into_what_holds_when(world):
    world.step(2)
    world.agendas = []
    world.submit(ask("wide", start=600, duration=900, set_w=8_000.0, authority=1))
    world.submit(ask("limit", start=800, duration=100, export_limit=4_000.0, program="dso"))
    told = news(world)["b"]
    assert told == [
        (600, 800, pytest.approx(4_000)),
        (800, 900, pytest.approx(2_000)),
        (900, 1500, pytest.approx(4_000)),
    ]


def test_what_has_begun_is_no_news_and_what_is_told_is_what_was_planned(world):
    world.submit(ask("one", start=60, duration=60, set_w=6_000.0))
    world.submit(ask("two", start=120, duration=60, set_w=-6_000.0))
    first = news(world)["a"]
    assert first == [(60, 120, pytest.approx(1_500)), (120, 180, pytest.approx(-1_500))]
    world.step(2, steps=32)
    assert world.told["a"] == pytest.approx(1_500)
    assert [a for a in world.agendas if a.device_id == "a"] == []
    world.step(2, steps=30)
    assert world.told["a"] == pytest.approx(-1_500)


def test_an_agenda_is_no_longer_than_the_device_can_hold(bench):
    world = bench(holding(battery("a"), slots=2))
    for number in range(4):
        world.submit(ask(f"c{number}", start=100 + 100 * number, duration=50, set_w=1_000.0 + number))
    assert [start for start, _, _ in news(world)["a"]] == [100, 200]


def test_regulation_tests_and_what_is_too_far_ahead_are_not_planned(bench):
    world = bench(holding(battery("a")), plan_ahead_s=3_600.0)
    world.step(2)
    world.agendas = []
    world.submit(ask("agc", start=60, duration=60, regulation=500.0, service_class=ServiceClass.REGULATION))
    world.submit(ask("test", start=60, duration=60, set_w=500.0, is_test=True))
    world.submit(ask("far", start=7_200, duration=60, set_w=500.0))
    assert news(world) == {}


def test_who_could_not_be_told_is_told_later_and_nobody_where_it_is_switched_off(bench):
    world = bench(holding(battery("a")), resplit_s=5.0)
    world.submit(ask("later", start=600, duration=60, set_w=2_000.0))
    assert news(world)["a"] == [(600, 660, pytest.approx(2_000))]
    world.engine.unplanned(["a", "unknown"])
    world.step(2, steps=4)
    assert [agenda.device_id for agenda in world.agendas] == ["a"]
    quiet = bench(holding(battery("a")), plan_ahead_s=0.0)
    quiet.submit(ask("later", start=600, duration=60, set_w=2_000.0))
    assert news(quiet) == {}


def test_switches_are_planned_as_well(bench):
    device = holding(battery("a"))
    able = device.nameplate.capabilities | {Capability.CONNECT}
    world = bench(replace(device, nameplate=replace(device.nameplate, capabilities=able)))
    world.submit(ask("off", start=600, duration=60, connect=0.0))
    world.step(2)
    (setpoint,) = world.agendas[-1].setpoints
    assert (setpoint.connect, setpoint.active_power_w, setpoint.control_ids) == (False, 0.0, ("off",))
    assert ControlMode.CONNECT not in setpoint.let_go


def slices(engine):
    """What each slice of the look that is under way brings."""
    found = []
    while engine.planning:
        found.append(engine.plan_ahead())
    return found


def test_a_look_is_done_in_slices_an_edge_or_some_devices_in_each(bench):
    world = bench(*(holding(battery(f"d{n}")) for n in range(SLICE + 10)))
    world.submit(ask("later", start=600, duration=900, set_w=8_000.0))
    world.engine.tick(world.now + 2)
    sizes = [len(agendas) for agendas in slices(world.engine)]
    # Two edges; then agendas of as many devices as a slice has room for; then the end.
    assert sizes[:2] == [0, 0]
    assert max(sizes) == SLICE // 2
    assert sum(sizes) == SLICE + 10
    assert world.engine.plan_ahead() == ()


def test_controls_of_many_single_devices_are_looked_at_in_parts(bench, monkeypatch):
    """No slice looks at more of them than are a few milliseconds' work."""
    names = [f"d{n}" for n in range(2 * PART + 9)]
    world = bench(*(holding(battery(name)) for name in names))
    for name in names:
        target = Target(TargetKind.DEVICE, name)
        world.submit(replace(ask(f"of {name}", start=600, duration=900, set_w=1_000.0), target=target))
    world.engine.tick(world.now + 2)
    looked, numbered, sizes = [0], [0], []

    def counted(counter, made):
        def call(*args):
            counter[-1] += 1
            return made(*args)

        return call

    monkeypatch.setattr(planner, "rule", counted(looked, planner.rule))
    monkeypatch.setattr(planner, "capacity", counted(looked, planner.capacity))
    monkeypatch.setattr(plan, "_order_row", counted(looked, plan._order_row))
    monkeypatch.setattr(outlook, "_like", counted(numbered, outlook._like))
    while world.engine.planning:
        sizes.append(len(world.engine.plan_ahead()))
        looked.append(0)
        numbered.append(0)
    assert sum(looked) == 3 * len(names)  # three questions for each, at the one edge where something holds
    assert max(looked) < 2 * PART  # the rest of one question, and a part of the next
    assert max(numbered) <= 3 * SLICE
    assert sum(sizes) == len(names)


def test_a_look_whose_rulers_change_begins_anew_until_patience_ends(bench):
    world = bench(holding(battery("a")), holding(battery("b")))
    world.step(2)
    world.submit(ask("first", start=600, duration=900, set_w=1_000.0))
    world.engine.tick(world.now + 2)
    assert world.engine.plan_ahead() == ()
    world.submit(ask("second", start=700, duration=900, set_w=2_000.0, authority=2))
    world.engine.tick(world.now + 4)
    planned = [agenda for agendas in slices(world.engine) for agenda in agendas]
    assert {s.control_ids for agenda in planned for s in agenda.setpoints} == {("first",), ("second",)}
    for second in range(6, 18, 2):  # somebody changes something all the time
        world.submit(ask(f"c{second}", start=700 + second, duration=60, set_w=500.0, authority=second))
        world.engine.tick(world.now + second)
        world.engine.plan_ahead()
    before = world.engine.planning
    found = [agenda for agendas in slices(world.engine) for agenda in agendas]
    assert (before, {agenda.device_id for agenda in found}) == (True, {"a", "b"})


def test_a_look_ends_where_devices_come_or_go(bench):
    world = bench(holding(battery("a")), holding(battery("b")))
    world.step(2)
    world.submit(ask("later", start=600, duration=900, set_w=1_000.0))
    world.engine.tick(world.now + 2)
    assert world.engine.planning
    world.engine.remove_device("a", world.now + 2)
    assert slices(world.engine) == [()]
    world.engine.tick(world.now + 4)
    assert {agenda.device_id for agendas in slices(world.engine) for agenda in agendas} == {"b"}
