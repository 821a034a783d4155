"""The envelope over the coming hours as a series: its spans, what each says, and what it costs."""

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.clock import Interval
from gridiface.domain.controls import ControlMode, ModeValue, Target, TargetKind
from gridiface.domain.envelope import Cause, FleetChanged
from gridiface.domain.fleet import Constraints, Departure, DeviceKind
from gridiface.domain.local_time import DailyTime, DailyWindow
from gridiface.domain.schedule import LocalSchedule

ALL = Target(TargetKind.GROUP, "all")
HOUR = 3_600.0


def series(world, target=ALL, hours=4, step=900.0):
    times = [world.now + step * number for number in range(int(hours * HOUR / step) + 1)]
    return list(world.engine.envelope(target, times, world.now))


def at(found, world, seconds):
    return next(one for one in found if one.start - world.now <= seconds < one.end - world.now)


def test_spans_follow_each_other_and_end_where_something_changes(bench):
    world = bench(battery("a"), battery("b")).step(steps=3)
    world.submit(ask("one", start=1_000, duration=1_000, set_w=4_000.0))
    window = DailyWindow(start_s=int((T0 + 5_000) % 86_400), end_s=int((T0 + 6_000) % 86_400))
    line = LocalSchedule(id="l", target=ALL, window=window, values={ControlMode.EXPORT_LIMIT: ModeValue(3_000.0)})
    world.engine.desk.set_schedules([line], world.now)
    found = series(world)
    assert (found[0].start, found[-1].end) == (world.now, world.now + 4 * HOUR)
    assert all(one.end == other.start for one, other in pairwise(found))
    starts = {one.start - T0 for one in found}
    assert {1_000, 2_000, 5_000, 6_000} <= starts
    assert at(found, world, 5_500).max_w == 3_000.0
    assert at(found, world, 5_500).held_up[0].cause is Cause.LIMIT
    assert at(found, world, 5_500).held_up[0].source == "schedule"
    assert at(found, world, 6_500).max_w == 10_000.0
    assert (at(found, world, 1_500).planned_w, at(found, world, 3_000).planned_w) == (pytest.approx(4_000.0), 0.0)


def test_the_local_day_ends_a_span(bench):
    world = bench(battery("a")).step(steps=3)
    midnight = T0 - T0 % 86_400 + 86_400
    assert midnight in {one.start for one in series(world, hours=4)}


def test_energy_that_a_control_takes_is_missing_after_it(bench):
    world = bench(battery("a"), socs={"a": 0.5}).step(steps=3)  # 5 kWh
    world.submit(ask("one", start=600, duration=3_600, set_w=4_000.0))
    found = series(world)
    assert at(found, world, 0).up_wh == pytest.approx(5_000.0, rel=0.03)
    assert at(found, world, 2 * HOUR).up_wh == pytest.approx(1_000.0, rel=0.15)
    assert at(found, world, 2 * HOUR).down_wh == pytest.approx(at(found, world, 0).down_wh)
    late = at(found, world, 2 * HOUR)
    assert (late.max_w < 5_000.0, late.energy_up, late.min_w, late.energy_down) == (True, True, -5_000.0, False)
    assert late.held_up[0].cause is Cause.ENERGY


def test_a_vehicle_must_charge_and_is_gone_after_its_departure(bench):
    leaves = Departure(time=DailyTime(at_s=int((T0 + 2 * HOUR) % 86_400)), soc=0.9)
    car = replace(battery("car"), kind=DeviceKind.EV, constraints=Constraints(departure=leaves))
    car = replace(car, nameplate=replace(car.nameplate, max_discharge_w=5_000.0))
    world = bench(car, socs={"car": 0.5}).step(steps=3)  # 4 kWh at 5 kW: 48 minutes
    found = series(world, Target(TargetKind.DEVICE, "car"))
    assert (at(found, world, 60).min_w, at(found, world, 60).max_w) == (-5_000.0, 0.0)
    due = at(found, world, 1.9 * HOUR)
    assert due.held_up[0].cause is Cause.DEPARTURE
    assert due.max_w is None or due.max_w < 0.0
    gone = at(found, world, 2.1 * HOUR)
    assert (gone.min_w, gone.max_w, gone.held_up[0].cause, gone.held_down[0].cause) == (0, 0, Cause.GONE, Cause.GONE)


def test_who_tells_that_it_will_be_away_is_not_counted_on_then(bench):
    out = replace(battery("a"), away=(Interval(T0 + HOUR, HOUR),))
    world = bench(out, battery("b")).step(steps=3)
    found = series(world)
    assert [at(found, world, hours * HOUR).max_w for hours in (0.5, 1.5, 2.5)] == [10_000.0, 5_000.0, 10_000.0]
    (held,) = at(found, world, 1.5 * HOUR).held_up
    assert (held.cause, held.watts, held.devices) == (Cause.AWAY, 5_000.0, 1)


def test_a_fleet_that_changes_meanwhile_is_told(bench):
    world = bench(battery("a")).step(steps=3)
    spans = world.engine.envelope(ALL, [world.now, world.now + 900, world.now + 1_800], world.now)
    next(spans)
    world.engine.add_device(battery("new"), world.now)
    with pytest.raises(FleetChanged):
        next(spans)


def test_looking_changes_nothing(bench):
    world = bench(battery("a"), battery("b")).step(steps=3)
    world.submit(ask("one", start=5, duration=1_000, set_w=4_000.0))
    world.step(steps=6)
    columns = world.engine._c
    before = {name: column.copy() for name, column in columns._store.items()}
    series(world)
    for name, column in columns._store.items():
        assert str(column.tolist()) == str(before[name].tolist()), name


def test_a_departure_gives_way_to_a_limit_as_it_will(bench):
    leaves = Departure(time=DailyTime(at_s=int((T0 + HOUR) % 86_400)), soc=0.9)
    car = replace(battery("car"), kind=DeviceKind.EV, constraints=Constraints(departure=leaves))
    world = bench(car, socs={"car": 0.5}).step(steps=3)  # 4 kWh at 5 kW: 48 minutes
    world.submit(ask("l", start=600, duration=2_400, load_limit=1_600.0, program="dso"))
    due = at(series(world, hours=1), world, 1_500)
    assert (due.min_w, due.max_w) == (pytest.approx(-1_600.0), pytest.approx(-1_600.0))


def sure(world, names, hours=1):
    """The least of each, W, and what holds it back then; the least cap of each group."""
    most, held, caps = {}, {}, {}
    for each in world.engine.sure(names, world.now + hours * HOUR, world.now):
        for name, watts in each.most_w.items():
            if watts < most.get(name, float("inf")):
                most[name], held[name] = watts, each.held.get(name)
        for name, watts in each.caps_w.items():
            caps[name] = min(watts, caps.get(name, watts))
    return most, held, caps


def test_what_devices_are_sure_of_until_then_is_the_least_of_whatever_begins_meanwhile(bench):
    leaves = Departure(time=DailyTime(at_s=int((T0 + 1_800) % 86_400)), soc=0.2)
    away = (Interval(T0 + 3_000, 600.0),)
    members = [battery(name) for name in ("free", "limited", "asked", "late")]
    members += [
        battery("leaves", constraints=Constraints(departure=leaves)),
        battery("away", away=away),
        battery("blocked"),
        battery("capped", constraints=Constraints(daily_wh=2_000.0)),
    ]
    names = [one.id for one in members]
    world = bench(*members, socs=dict.fromkeys(names, 0.9)).step(steps=3)
    world.engine.desk.block("blocked", True, world.now)
    for name, values in (("limited", {"export_limit": 1_500.0}), ("asked", {"set_w": -2_000.0})):
        control = ask(name, start=1_200, duration=600, **values)
        world.submit(replace(control, target=Target(TargetKind.DEVICE, name)))
    world.submit(
        replace(ask("late", start=7_200, duration=600, set_w=-2_000.0), target=Target(TargetKind.DEVICE, "late"))
    )
    world.submit(ask("feeder", start=600, duration=600, export_limit=9_000.0))
    most, held, caps = sure(world, [*names, "nobody"])
    assert most == {
        "free": pytest.approx(5_000.0),
        "limited": pytest.approx(1_500.0),
        "asked": pytest.approx(-2_000.0),
        "late": pytest.approx(5_000.0),
        "leaves": pytest.approx(0.0),
        "away": 0.0,
        "blocked": 0.0,
        "capped": pytest.approx(2_000.0, rel=0.01),
    }
    assert (held["limited"], held["asked"], held["capped"]) == (Cause.LIMIT, Cause.ASKED, Cause.DAY)
    assert (held["leaves"], held["away"], held["blocked"]) == (Cause.GONE, Cause.AWAY, Cause.BLOCKED)
    assert caps == {"all": pytest.approx(9_000.0)}


def test_who_is_in_a_total_of_its_group_goes_on_with_its_part(bench):
    world = bench(battery("a"), battery("b")).step(steps=3)
    world.submit(ask("one", duration=7_200, set_w=3_000.0))
    world.step(steps=3)
    most, held, _ = sure(world, ["a", "b"])
    assert most == {"a": pytest.approx(1_500.0), "b": pytest.approx(1_500.0)}
    assert set(held.values()) == {Cause.ASKED}


def test_a_fleet_that_changes_is_looked_at_anew(bench):
    world = bench(battery("a"), battery("b")).step(steps=3)
    world.submit(ask("one", start=600, duration=600, set_w=3_000.0))
    found = world.engine.sure(["a"], world.now + HOUR, world.now)
    next(found)
    world.engine.remove_device("b", world.now)
    with pytest.raises(FleetChanged):
        next(found)
