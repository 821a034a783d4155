"""The local schedule is last in arbitration; programs with reserved parts do not displace each other."""

from datetime import UTC, datetime

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.controls import ControlMode, ModeValue, Target, TargetKind, Verdict
from gridiface.domain.fleet import Group
from gridiface.domain.local_time import DailyWindow
from gridiface.domain.schedule import LocalSchedule

NOW = datetime.fromtimestamp(T0, UTC)
SECOND = NOW.hour * 3600 + NOW.minute * 60 + NOW.second


def line(name="s", start=0, end=60, **modes):
    window = DailyWindow(start_s=SECOND + start, end_s=SECOND + end)
    values = {ControlMode(mode): ModeValue(value) for mode, value in modes.items()}
    return LocalSchedule(id=name, target=Target(TargetKind.GROUP, "all"), window=window, values=values)


def test_the_schedule_rules_where_nobody_else_does(bench):
    world = bench(battery("a"), battery("b"))
    world.engine.desk.set_schedules([line(start=10, end=100, set_w=3_000.0)], world.now)
    world.step(steps=5)
    assert not world.total
    world.step(steps=6)
    assert world.total == pytest.approx(3_000.0)
    world.submit(ask("d", set_w=1_000.0, is_default=True))
    world.step()
    assert world.total == pytest.approx(1_000.0)
    world.submit(ask("c", start=15, duration=20.0, set_w=2_000.0))
    world.step(steps=5)
    assert world.total == pytest.approx(2_000.0)
    world.step(steps=25)
    assert world.total == pytest.approx(1_000.0)
    world.engine.cancel("d", world.now)
    world.step()
    assert world.total == pytest.approx(3_000.0)
    world.step(steps=60)
    assert not world.total
    said = [one.verdict for one in world.decisions if one.source.protocol == "schedule"]
    assert [verdict for verdict in said if verdict in ("opened", "closed")] == ["opened", "closed"]


def test_a_limit_of_the_schedule_holds_while_nobody_sets_one(bench):
    world = bench(battery("a"))
    world.engine.desk.set_schedules([line(start=0, end=100, export_limit=1_500.0)], world.now)
    world.submit(ask(set_w=4_000.0))
    world.step()
    assert world.total == pytest.approx(1_500.0)


def test_an_edge_is_a_timer(bench):
    world = bench(battery("a"))
    world.engine.desk.set_schedules([line(start=10, end=100, set_w=3_000.0)], world.now)
    world.tick()
    assert world.engine.next_timer(world.now + 9.0) <= T0 + 10


def shared(world):
    world.engine.set_groups(
        [Group(id="all", members=("a", "b"), shares={"capacity": 0.6, "utility:flex": 0.3})], world.now
    )
    return world


def test_two_programs_rule_their_reserved_parts_at_once(bench):
    world = shared(bench(battery("a"), battery("b")))
    world.submit(ask("c1", program="capacity", set_w=9_000.0, authority=1, duration=100.0))
    world.submit(ask("c2", program="flex", set_w=-1_000.0, authority=5, duration=100.0))
    world.step()
    # 10 kW in all: capacity has 6 kW of it, flex is given what it asks.
    assert world.total == pytest.approx(6_000.0 - 1_000.0)
    world.step(steps=12)
    rows = {name: world.engine.performance.report(name)[0].intervals[-1] for name in ("c1", "c2")}
    assert rows["c1"].requested_w == pytest.approx(9_000.0)
    assert rows["c1"].accepted_w == pytest.approx(6_000.0)
    assert rows["c1"].delivered_w == pytest.approx(6_000.0, rel=0.15)
    assert rows["c2"].delivered_w == pytest.approx(-1_000.0, rel=0.6)
    assert rows["c1"].delivered_w + rows["c2"].delivered_w <= world.total + 1


def test_others_have_what_is_not_reserved_and_are_not_superseded_by_reserved_ones(bench):
    world = shared(bench(battery("a"), battery("b")))
    world.submit(ask("c1", program="capacity", set_w=5_000.0, authority=9))
    world.step()
    answer = world.submit(ask("c2", program="somebody", set_w=5_000.0, authority=1))
    assert answer.verdict is not Verdict.SUPERSEDED
    world.step()
    assert world.total == pytest.approx(6_000.0)  # 5 kW, and 10 % of 10 kW
    later = world.submit(ask("c3", program="capacity", set_w=2_000.0, authority=9, created=T0 + 1))
    assert later.will_run
    world.step()
    assert world.total == pytest.approx(3_000.0)
    over = [o.control_id for o in world.outcomes if o.kind.name == "SUPERSEDED" and o.device_id is None]
    assert over == ["c1"]


def test_who_has_a_reserved_part_is_answered_by_what_that_part_can(bench):
    world = shared(bench(battery("a"), battery("b")))
    alone = world.submit(ask("c0", start=100.0, program="somebody", set_w=9_000.0, duration=100.0))
    assert (alone.verdict, alone.feasible_w) == (Verdict.ACCEPTED, 9_000.0)  # nobody else asks then
    most = world.submit(ask("c1", program="capacity", set_w=9_000.0, duration=100.0))
    assert (most.verdict, most.feasible_w) == (Verdict.PARTIAL, pytest.approx(6_000.0))
    half = world.submit(ask("c2", program="flex", set_w_percent=50.0, duration=100.0))
    assert (half.verdict, half.feasible_w) == (Verdict.ACCEPTED, pytest.approx(1_500.0))
    rest = world.submit(ask("c3", program="somebody", set_w=5_000.0, duration=100.0))
    assert (rest.verdict, rest.feasible_w) == (Verdict.PARTIAL, pytest.approx(1_000.0))
    world.step()
    assert world.total == pytest.approx(6_000.0 + 1_500.0 + 1_000.0)


def test_a_test_is_answered_and_recorded_and_moves_nobody(bench):
    world = bench(battery("a"))
    answer = world.submit(ask("t", set_w=4_000.0, duration=10.0, is_test=True))
    assert answer.will_run
    world.submit(ask("c", set_w=1_000.0, duration=10.0, authority=-1, program="other"))
    world.step(steps=12)
    kinds = [o.kind.name for o in world.outcomes if o.control_id == "t"]
    assert kinds == ["RECEIVED", "STARTED", "COMPLETED"]
    assert "SUPERSEDED" not in [o.kind.name for o in world.outcomes]
    assert next(d.reason for d in world.decisions if d.control_id == "t").startswith("a test")
    assert "t" not in world.engine.setpoint("a").control_ids


def test_a_test_alone_sends_nothing(bench):
    world = bench(battery("a"))
    world.submit(ask("t", set_w=4_000.0, export_limit=10.0, duration=10.0, is_test=True))
    world.step(steps=12)
    assert world.told == {}
