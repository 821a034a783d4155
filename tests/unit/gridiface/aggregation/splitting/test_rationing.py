"""Stored energy over the rest of a power that ends: who holds less gives less, as long as the total can be had so."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.allocate.tree import Cap
from gridiface.aggregation.splitting.rationing import rationed
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import Verdict
from gridiface.domain.fleet import Constraints, Departure, DriverTraits, Settings
from gridiface.domain.local_time import DailyTime

HOUR = 3600.0
BOTH = np.arange(2)


def fleet(*socs, **more):
    """Batteries of 5 kW and 10 kWh."""
    columns = Columns()
    for number, soc in enumerate(socs):
        columns.put(battery(f"d{number}", settings=Settings(soc_min=0.0, soc_max=1.0), **more))
        columns.soc[number], columns.soc_variance[number] = soc, 0.0
    return columns


def ends(count=2, watts=5_000.0):
    return np.full(count, -watts), np.full(count, watts)


def test_who_holds_less_gives_no_more_than_it_can_hold_to_the_end():
    lo, hi = rationed(fleet(0.1, 0.9), BOTH, 5_500.0, ends(), (), HOUR)
    assert hi.tolist() == pytest.approx([1_000.0, 5_000.0])
    assert lo.tolist() == pytest.approx([-5_000.0, -1_000.0])


def test_a_total_that_all_cannot_hold_to_the_end_is_given_now():
    _, hi = rationed(fleet(0.1, 0.1), BOTH, 6_000.0, ends(), (), HOUR)
    assert hi.tolist() == [5_000.0, 5_000.0]


def test_a_little_more_than_that_is_given_by_all_alike():
    _, hi = rationed(fleet(0.1, 0.1), BOTH, 2_040.0, ends(), (), HOUR)
    assert hi.tolist() == pytest.approx([1_020.0, 1_020.0])


def test_room_for_charge_is_rationed_likewise():
    lo, _ = rationed(fleet(0.9, 0.2), BOTH, -5_500.0, ends(), (), HOUR)
    assert lo.tolist() == pytest.approx([-1_000.0, -5_000.0])
    lo, _ = rationed(fleet(0.9, 0.9), BOTH, -9_000.0, ends(), (), HOUR)
    assert lo.tolist() == [-5_000.0, -5_000.0]


def test_what_a_day_leaves_is_rationed_and_a_charge_curve_heeded_at_the_end():
    columns = fleet(0.5, 0.5, constraints=Constraints(daily_wh=3_000.0))
    _, hi = rationed(columns, BOTH, 5_000.0, ends(), (), HOUR)
    assert hi.tolist() == pytest.approx([3_000.0, 3_000.0])
    curve = ((0.0, 5_000.0), (0.5, 5_000.0), (1.0, 1_000.0))
    lo, _ = rationed(fleet(0.5, constraints=Constraints(charge_w_by_soc=curve)), BOTH[:1], -900.0, ends(1), (), HOUR)
    assert lo.tolist() == pytest.approx([-1_000.0])


def test_a_group_inside_that_is_capped_makes_the_others_hold_more():
    # The second may give 1 kW alone: what the total needs the first has to give, more than it can hold to the end.
    caps = (Cap(np.array([1]), -np.inf, 1_000.0),)
    _, hi = rationed(fleet(0.2, 0.9), BOTH, 2_900.0, ends(), caps, HOUR)
    assert hi.tolist() == pytest.approx([2_000.0, 5_000.0])
    _, hi = rationed(fleet(0.2, 0.9), BOTH, 4_500.0, ends(), caps, HOUR)
    assert hi.tolist() == [5_000.0, 5_000.0]


def test_who_has_enough_or_knows_steps_only_is_left_as_it_is():
    given = ends()
    assert rationed(fleet(0.5, 0.5), BOTH, 1_000.0, given, (), 600.0) is given
    _, hi = rationed(fleet(0.1, 0.1, traits=DriverTraits(power_step_w=500.0)), BOTH, 1_000.0, ends(), (), HOUR)
    assert hi.tolist() == [5_000.0, 5_000.0]


def test_an_hour_of_an_accepted_total_is_given_to_its_end(bench):
    world = bench(battery("low"), battery("high"), socs={"low": 0.1, "high": 0.9})
    assert world.submit(ask("c1", duration=HOUR, set_w=5_500.0)).verdict is Verdict.ACCEPTED
    for _ in range(59):
        for name in ("low", "high"):  # 10 kWh each
            world.socs[name] -= (world.told.get(name) or 0.0) * 60.0 / HOUR / 10_000.0
        world.step(60.0)
        assert world.total == pytest.approx(5_500.0, abs=30.0)


def test_a_vehicle_gives_no_more_than_it_can_charge_again_before_it_leaves():
    """10 kWh at 0.8 that are to be 0.8 in 1.5 h: for 1 h it gives what 5 kW bring back in the rest."""
    columns, rules = fleet(0.8, 0.9), Constraints(departure=Departure(time=DailyTime(at_s=0), soc=0.8))
    columns.put(battery("d0", settings=Settings(soc_min=0.0, soc_max=1.0), constraints=rules))
    columns.soc[0], columns.leave_at[0], columns.leave_soc[0] = 0.8, 1.5 * HOUR, 0.8
    assert columns.departing
    steps = 0.0, 60.0, 0.05
    _, hi = rationed(columns, BOTH, 7_000.0, ends(), (), HOUR, steps)
    assert hi.tolist() == pytest.approx([5_000.0 * (0.5 * HOUR - 120.0) / HOUR / 1.05, 5_000.0], rel=1e-3)
    _, hi = rationed(columns, BOTH, 7_000.0, ends(), (), HOUR)
    assert hi.tolist() == [5_000.0, 5_000.0]
    # Where the total cannot be had so, what there is now is given.
    _, hi = rationed(columns, BOTH, 9_000.0, ends(), (), HOUR, steps)
    assert hi.tolist() == [5_000.0, 5_000.0]
