"""Fast frequency response is for devices that can be told within its time; a limit still reaches the others."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.columns import is_slow
from gridiface.domain.controls import ServiceClass
from gridiface.domain.fleet import DeviceKind, DriverTraits

FAST = ServiceClass.FAST_FREQUENCY
POLLS = DriverTraits(answers_itself=True)


def fast(name, **more):
    """A control of the fast service."""
    return ask(name, service_class=FAST, **more)


def reasons(world, verdict):
    """The reasons of all decisions with a verdict."""
    return [one.reason for one in world.decisions if one.verdict == verdict]


@pytest.mark.parametrize(
    ("traits", "slow"),
    [
        (DriverTraits(), False),
        (DriverTraits(latency_s=0.1, min_period_s=0.25), False),
        (POLLS, True),
        (DriverTraits(latency_s=0.5), True),
        (DriverTraits(min_period_s=1.0), True),
    ],
)
def test_who_polls_or_can_be_told_too_seldom_is_slow(traits, slow):
    assert is_slow(traits) is slow


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


def test_other_services_have_everybody(bench):
    world = bench(battery("quick"), battery("polls", traits=POLLS))
    world.submit(ask("r", duration=30.0, set_w=8_000.0, service_class=ServiceClass.REGULATION))
    world.step(1, 3)
    assert world.told == {"quick": 4_000.0, "polls": 4_000.0}
    assert not reasons(world, "left out")
