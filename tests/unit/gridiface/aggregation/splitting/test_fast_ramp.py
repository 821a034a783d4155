"""A fast response moves its group by 30 % of its rating a second, also on the way back, whatever comes after it."""

import itertools
from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.controls import ServiceClass
from gridiface.domain.fleet import DriverTraits, Group

FAST = ServiceClass.FAST_FREQUENCY
#: Two batteries of 5 kW move by so much in a quarter of a second.
MOST = 750.0


def fast(name, **more):
    """A control of the fast service."""
    return ask(name, service_class=FAST, **more)


def totals(world, seconds):
    """What the devices are told between them, every quarter of a second; the first is now."""
    return [world.total, *(world.step(0.25).total for _ in range(int(4 * seconds)))]


def largest_step(values):
    """The largest change between two of them."""
    return max(abs(later - sooner) for sooner, later in itertools.pairwise(values))


def test_a_battery_with_wide_steps_walks_the_ramp_of_a_fast_response_in_its_steps(bench):
    world = bench(battery("b", traits=DriverTraits(power_step_w=1_000.0)))
    world.submit(fast("f", set_w=5_000.0))
    totals = [world.step(0.25).total for _ in range(20)]
    assert totals[-1] == 5_000.0
    for at, later in enumerate(totals):  # 1.5 kW a second, and what one step is more than that
        assert all(later - totals[k] <= 375.0 * (at - k) + 1_000.0 for k in range(at))


@pytest.mark.parametrize("watts", [9_000.0, -9_000.0])
def test_the_way_back_has_the_same_ramp(bench, watts):
    world = bench(battery("a"), battery("b"))
    world.submit(fast("f", duration=10.0, set_w=watts))
    assert totals(world, 10 - 0.25)[-1] == watts
    back = totals(world, 6)
    assert largest_step(back) == pytest.approx(MOST, rel=0.01)
    assert [abs(total) for total in back] == sorted((abs(total) for total in back), reverse=True)
    assert back[-1] == 0.0
    assert world.told == {"a": None, "b": None}, "they are let go of at its end"
    assert [one.kind.name for one in world.outcomes if one.device_id is None][-1] == "COMPLETED"
    ended = next(one.at for one in world.outcomes if one.kind.name == "COMPLETED")
    assert ended == T0 + 10.0, "the response is over when its time is, not when the group is back"


def test_one_that_is_cancelled_comes_back_on_the_ramp(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(fast("f", duration=60.0, set_w=9_000.0))
    totals(world, 5)
    world.engine.cancel("f", world.now)
    assert largest_step(totals(world, 6)) == pytest.approx(MOST, rel=0.01)
    assert world.told == {"a": None, "b": None}


def test_back_to_a_set_point_that_rules_it_is_the_same_ramp(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("d", duration=100.0, set_w=2_000.0))
    world.submit(fast("f", start=1.0, duration=10.0, set_w=-8_000.0, authority=9.0))
    assert totals(world, 10)[-1] == -8_000.0
    back = totals(world, 8)
    assert largest_step(back) == pytest.approx(MOST, rel=0.01)
    assert back[-1] == pytest.approx(2_000.0, abs=1.0)
    world.step(1, 3)
    assert world.total == pytest.approx(2_000.0, abs=1.0)


def test_who_follows_with_a_ramp_of_its_own_has_that(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(fast("f", duration=10.0, set_w=8_000.0))
    world.submit(replace(ask("d", start=10.0, duration=100.0, set_w=-2_000.0), ramp_s=0.0))
    totals(world, 9.75)
    assert largest_step(totals(world, 4)) > 4 * MOST


def test_a_new_response_in_the_middle_of_the_way_back_goes_on_from_there(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(fast("f", duration=10.0, set_w=9_000.0))
    world.submit(fast("g", start=11.0, duration=10.0, set_w=9_000.0))
    totals(world, 9.75)
    values = totals(world, 6)
    assert 4_000.0 < min(values) < 7_000.0
    assert largest_step(values) == pytest.approx(MOST, rel=0.01)
    assert values[-1] == 9_000.0


def test_a_signal_around_a_set_point_goes_back_to_it_on_the_ramp(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("d", duration=100.0, set_w=2_000.0, program="p"))
    world.submit(fast("f", start=1.0, duration=8.0, regulation=6_000.0, program="q"))
    assert totals(world, 8.5)[-1] == pytest.approx(8_000.0, abs=1.0)
    back = totals(world, 6)
    assert largest_step(back) <= 1.01 * MOST
    assert back[-1] == pytest.approx(2_000.0, abs=1.0)


def test_a_limit_does_not_wait_for_the_ramp(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(fast("f", duration=10.0, set_w=9_000.0))
    world.submit(ask("l", start=10.0, duration=100.0, export_limit=1_000.0))
    totals(world, 9.75)
    world.step(0.25)
    assert world.total <= 1_000.0


def test_who_is_too_slow_for_the_response_has_no_part_in_its_end(bench):
    world = bench(battery("quick"), battery("polls", traits=DriverTraits(answers_itself=True, polls=True)))
    world.submit(fast("f", duration=10.0, set_w=4_000.0))
    totals(world, 16)
    assert {point.device_id for _, point in world.log} == {"quick"}
    assert world.told["quick"] is None


def test_a_total_around_the_group_takes_it_over_at_once(bench):
    groups = (Group(id="all", members=("a", "b", "c")), Group(id="inner", members=("a", "b")))
    world = bench(battery("a"), battery("b"), battery("c"), groups=groups)
    world.submit(ask("d", group="all", duration=100.0, set_w=6_000.0))
    world.submit(fast("f", start=1.0, duration=10.0, group="inner", set_w=8_000.0))
    world.step(0.25, 40)
    assert world.told["a"] + world.told["b"] == pytest.approx(8_000.0)
    world.step(0.25, 24)
    assert world.told == {name: pytest.approx(2_000.0, abs=5.0) for name in "abc"}


def test_totals_inside_the_group_stay_as_they_are(bench):
    groups = (Group(id="all", members=("a", "b", "c")), Group(id="inner", members=("a", "b")))
    world = bench(battery("a"), battery("b"), battery("c"), groups=groups)
    world.submit(ask("d", group="inner", duration=100.0, set_w=6_000.0))
    world.submit(fast("f", start=1.0, duration=10.0, group="all", set_w=10_000.0))
    world.step(0.25, 43)
    assert world.told["c"] == pytest.approx(4_000.0)
    values = []
    for _ in range(24):
        world.step(0.25)
        values.append(world.told["c"])
        assert world.told["a"] + world.told["b"] == pytest.approx(6_000.0)
    assert values[0] > 3_000.0
    assert values[-1] is None


def test_a_device_that_does_not_move_keeps_nobody_for_ever(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(fast("f", duration=10.0, set_w=8_000.0))
    totals(world, 9.75)
    world.silent = {"b"}
    world.deaf = {"b"}
    totals(world, 20)
    assert world.told["a"] is None


def test_a_ramp_that_is_slower_by_configuration_is_kept(bench):
    world = bench(battery("a"), battery("b"), fast_ramp_per_s=0.1)
    world.submit(fast("f", duration=20.0, set_w=8_000.0))
    totals(world, 19.75)
    back = totals(world, 14)
    assert largest_step(back) == pytest.approx(MOST / 3, rel=0.01)
    assert world.told == {"a": None, "b": None}
