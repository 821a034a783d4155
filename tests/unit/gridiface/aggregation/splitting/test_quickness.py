"""Fast frequency response and regulation are for devices that can be told in their time; a limit reaches the others."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.state.columns import is_slow
from gridiface.domain.controls import ServiceClass
from gridiface.domain.fleet import DeviceKind, DriverTraits

FAST = ServiceClass.FAST_FREQUENCY
REGULATION = ServiceClass.REGULATION
POLLS = DriverTraits(answers_itself=True, polls=True)
TOLD = DriverTraits(answers_itself=True)


def fast(name, **more):
    """A control of the fast service."""
    return ask(name, service_class=FAST, **more)


def reasons(world, verdict):
    """The reasons of all decisions with a verdict."""
    return [one.reason for one in world.decisions if one.verdict == verdict]


@pytest.mark.parametrize(
    ("traits", "fast", "regulation"),
    [
        (DriverTraits(), False, False),
        (DriverTraits(latency_s=0.1, min_period_s=0.25), False, False),
        (POLLS, True, True),
        (TOLD, True, False),
        (DriverTraits(latency_s=0.5), True, False),
        (DriverTraits(min_period_s=1.0), True, False),
        (DriverTraits(latency_s=2.5), True, True),
        (DriverTraits(min_period_s=5.0), True, True),
        (DriverTraits(polls=True), True, True),
    ],
)
def test_who_polls_or_can_be_told_too_seldom_is_slow(traits, fast, regulation):
    assert (is_slow(traits, FAST), is_slow(traits, REGULATION)) == (fast, regulation)


def test_a_device_that_polls_has_no_share_of_a_fast_response(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    answer = world.submit(fast("f", duration=30.0, set_w=8_000.0))
    assert (answer.verdict, answer.feasible_w) == ("partial", 5_000.0)
    world.step(0.25, 40)
    assert world.told == {"quick": 5_000.0}
    assert reasons(world, "left out") == [
        "1 members are too slow for fast_frequency and stay as they are: 5000 W up, 5000 W down"
    ]
    assert reasons(world, "shortfall") == ["8000 W were asked, 5000 W can be reached"]


def test_it_keeps_its_share_of_what_came_before(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=100.0, set_w=2_000.0))
    world.step(1, 3)
    assert world.told == {"quick": 1_000.0, "polls": 1_000.0}
    world.submit(fast("f", start=3.0, duration=10.0, set_w=5_000.0, authority=1.0))
    world.step(0.25, 36)
    assert world.told == {"quick": 4_000.0, "polls": 1_000.0}
    world.step(1, 5)
    assert world.told == {"quick": 1_000.0, "polls": 1_000.0}


def test_around_a_slower_set_point_the_quick_ones_carry_the_signal(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=100.0, set_w=2_000.0, program="p"))
    world.submit(fast("f", regulation=1_500.0))
    world.step(0.25, 20)
    assert world.told == {"quick": 2_500.0, "polls": 1_000.0}
    world.submit(ask("more", start=5.0, duration=100.0, set_w=4_000.0, program="p", created=T0 + 5.0))
    world.step(0.25, 20)
    assert world.told == {"quick": pytest.approx(3_500.0), "polls": 2_000.0}


def test_a_limit_reaches_it_all_the_same(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=100.0, set_w=9_000.0))
    world.step(1, 3)
    world.submit(fast("f", start=3.0, duration=50.0, set_w=9_000.0, authority=1.0))
    world.submit(ask("l", start=3.0, duration=50.0, generation_limit=3_000.0))
    world.step(0.25, 40)
    assert sum(max(watts, 0.0) for watts in world.told.values()) == pytest.approx(3_000.0)


def test_a_roof_that_polls_is_not_told_what_it_does_anyway(bench):
    roof = battery("roof", kind=DeviceKind.PV, traits=POLLS)
    world = bench(battery("quick"), roof)
    world.lies["roof"] = 2_000.0
    world.step(1, 2)
    world.submit(fast("f", start=2.0, duration=30.0, set_w=4_000.0))
    world.step(0.25, 40)
    assert world.told == {"quick": pytest.approx(2_000.0)}


def test_dispatch_has_everybody(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=30.0, set_w=8_000.0))
    world.step(1, 3)
    assert world.told == {"quick": 4_000.0, "polls": 4_000.0}
    assert not reasons(world, "left out")


def test_regulation_is_for_those_that_are_told_at_once(bench):
    world = bench(battery("quick"), battery("told", traits=TOLD), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=600.0, set_w=3_000.0, program="p"))
    world.step(1, 3)
    assert world.told == {"quick": 1_000.0, "told": 1_000.0, "polls": 1_000.0}
    for at in range(6):
        signal = 2_000.0 if at % 2 else -2_000.0
        name = f"agc{at}"
        world.submit(
            ask(name, 3.0 + 4 * at, 12.0, program="agc", service_class=REGULATION, regulation=signal, created=world.now)
        )
        world.step(1, 4)
        share = 1_000.0 + signal / 2
        assert world.told == {"quick": pytest.approx(share), "told": pytest.approx(share), "polls": 1_000.0}
    assert [point.device_id for at, point in world.log if at > T0 + 3.5 and point.device_id == "polls"] == []
    assert reasons(world, "left out") == [
        "1 members are too slow for regulation and stay as they are: 4000 W up, 6000 W down"
    ]
    world.step(1, 12)
    assert world.told["polls"] == 1_000.0


def test_a_limit_reaches_who_has_no_part_in_regulation(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=600.0, set_w=8_000.0, program="p"))
    world.step(1, 3)
    world.submit(ask("agc", 3.0, 60.0, program="agc", service_class=REGULATION, regulation=2_000.0))
    world.submit(ask("l", 3.0, 60.0, generation_limit=3_000.0))
    world.step(1, 4)
    assert sum(max(watts, 0.0) for watts in world.told.values()) == pytest.approx(3_000.0)


def test_where_only_regulation_is_left_who_polls_is_let_go(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=10.0, set_w=2_000.0, program="p"))
    world.step(1, 3)
    world.submit(ask("agc", 3.0, 60.0, program="agc", service_class=REGULATION, regulation=500.0))
    world.step(1, 3)
    assert world.told == {"quick": 1_500.0, "polls": 1_000.0}
    world.step(1, 8)
    assert world.told == {"quick": 500.0, "polls": None}
    world.submit(ask("l", 14.0, 60.0, export_limit=300.0))
    world.step(1, 4)
    assert world.told["quick"] + (world.told["polls"] or 0.0) == pytest.approx(300.0)


def test_a_set_point_of_every_few_seconds_is_not_handed_to_who_polls(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("d", duration=600.0, set_w=2_000.0, program="p"))
    world.step(1, 3)
    for at in range(5):
        watts = 3_000.0 + 100.0 * at
        more = {"program": "agc", "authority": 5.0, "created": world.now, "service_class": REGULATION}
        world.submit(ask(f"agc{at}", 3.0 + 4 * at, 12.0, set_w=watts, **more))
        world.step(1, 4)
        lets_go = 0.0 if at else 1_000.0  # what it still does counts until it is seen to be over
        assert world.told == {"quick": pytest.approx(watts - lets_go), "polls": None}
    assert len([point for at, point in world.log if at > T0 + 3.5 and point.device_id == "polls"]) == 1
    world.step(1, 15)
    assert world.told == {"quick": 1_000.0, "polls": 1_000.0}
