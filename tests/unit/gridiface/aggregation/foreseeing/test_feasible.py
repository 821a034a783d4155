"""What an asker is told that can be done: totals for set-points, changes for regulation."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.clock import Interval
from gridiface.domain.controls import ServiceClass, Target, TargetKind, Verdict
from gridiface.domain.fleet import Constraints, DriverTraits, Group

REGULATION = ServiceClass.REGULATION


def signal(watts, name="agc", **more):
    """A regulation signal."""
    return ask(name, program="agc", service_class=REGULATION, duration=12.0, regulation=watts, **more)


@pytest.mark.parametrize(
    ("standing", "change", "feasible"),
    [
        (None, 8_000.0, None),
        (None, 12_000.0, 10_000.0),
        (None, -12_000.0, -10_000.0),
        (6_000.0, 4_000.0, None),
        (6_000.0, 5_000.0, 4_000.0),
        (6_000.0, -16_000.0, None),
        (6_000.0, -17_000.0, -16_000.0),
        (50_000.0, -5_000.0, 0.0),
        (50_000.0, 1_000.0, 0.0),
    ],
)
def test_a_regulation_signal_is_answered_with_the_change_that_can_be_made(bench, standing, change, feasible):
    world = bench(battery("a"), battery("b"))
    if standing is not None:
        world.submit(ask("d", set_w=standing))
    world.step(1, 3)
    answer = world.submit(signal(change))
    assert answer.verdict is (Verdict.ACCEPTED if feasible is None else Verdict.PARTIAL)
    assert answer.feasible_w == pytest.approx(change if feasible is None else feasible)
    assert answer.requested_w == pytest.approx(change)
    if feasible is not None:
        assert answer.reason == f"{feasible:+.0f} W of {change:+.0f} W can be done around {standing or 0.0:.0f} W"


def test_a_signal_while_another_stands_is_judged_around_the_same_set_point(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("d", set_w=6_000.0))
    world.step(1, 2)
    for at in range(3):
        answer = world.submit(signal(5_000.0, f"agc{at}", start=2.0 + 4 * at, created=world.now))
        assert answer.feasible_w == pytest.approx(4_000.0)
        world.step(1, 4)


def test_limits_and_one_device_alone_count(bench):
    world = bench(battery("a"), battery("b"), groups=[Group(id="all", members=("a", "b"), max_export_w=7_000.0)])
    assert world.submit(signal(9_000.0)).feasible_w == pytest.approx(7_000.0)
    alone = signal(9_000.0, "one")
    object.__setattr__(alone, "target", Target(TargetKind.DEVICE, "a"))
    assert world.submit(alone).feasible_w == pytest.approx(5_000.0)


def test_who_cannot_follow_is_not_counted(bench):
    world = bench(battery("quick"), battery("polls", traits=DriverTraits(answers_itself=True, polls=True)))
    answer = world.submit(signal(8_000.0))
    assert (answer.verdict, answer.feasible_w) == (Verdict.PARTIAL, pytest.approx(5_000.0))


def test_an_empty_battery_has_nothing_to_give(bench):
    world = bench(battery("a"), battery("b"), socs={"a": 0.0, "b": 0.0})
    answer = world.submit(signal(8_000.0))
    assert (answer.verdict, answer.feasible_w) == (Verdict.PARTIAL, pytest.approx(0.0))
    assert world.submit(signal(-8_000.0, "down")).feasible_w == pytest.approx(-8_000.0)


def test_a_set_point_is_answered_with_the_total(bench):
    world = bench(battery("a"), battery("b"))
    answer = world.submit(ask("d", duration=60.0, set_w=12_000.0))
    assert answer.reason == "10000 W of 12000 W can be held for its duration"


def test_a_preview_of_a_signal_shares_the_whole(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("d", set_w=4_000.0))
    world.step(1, 2)
    assert sum(share.w for share in world.engine.shares(signal(2_000.0), world.now)) == pytest.approx(6_000.0)


def test_who_has_told_that_it_will_be_away_is_not_counted_on_then(bench):
    out = battery("out", away=(Interval(T0 + 3_600.0, 600.0),))
    world = bench(battery("a"), out)
    world.step(1, 3)
    asked = [
        world.engine.decide(ask("c", start=start, duration=900, set_w=8_000.0), world.now) for start in (60, 3_000)
    ]
    assert [answer.feasible_w for answer, *_ in asked] == pytest.approx([8_000.0, 5_000.0])
    assert asked[1][0].verdict is Verdict.PARTIAL
    shares = world.engine.shares(ask("c", start=3_000, duration=900, set_w=4_000.0), world.now)
    assert {share.device_id: share.w for share in shares} == {"a": pytest.approx(4_000.0), "out": 0.0}


def test_charging_is_answered_with_what_is_taken_at_the_charge_that_it_comes_to(bench):
    curve = ((0.0, 5_000.0), (0.6, 5_000.0), (1.0, 1_000.0))
    world = bench(battery("a", constraints=Constraints(charge_w_by_soc=curve)))
    world.step(1, 3)
    hour = world.engine.decide(ask("c", start=10, duration=3_600, set_w=-5_000.0), world.now)[0]
    assert hour.feasible_w == pytest.approx(-1_000.0)  # at 5 kW it would be full by then
    minute = world.engine.decide(ask("c", start=10, duration=60, set_w=-5_000.0), world.now)[0]
    assert minute.feasible_w == pytest.approx(-5_000.0)
