"""Who failed is told the power that it has until it answers; only then the others give something back."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.envelope.limits import envelope
from gridiface.aggregation.splitting.trying import held_on_trial
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import DeliveryOutcome
from gridiface.domain.fleet import DriverTraits


def told(world, since):
    """What each device was told from `since` on, in order: (device, W)."""
    return [(point.device_id, point.active_power_w) for at, point in world.log if at > since]


def failing(bench, outcome, **more):
    """Three batteries under 9 kW, of which `a` does not do what it is told."""
    world = bench(battery("a"), battery("b"), battery("c"), return_after_s=10.0, **more)
    world.outcome["a"] = outcome
    world.lies["a"] = 0.0
    world.submit(ask(set_w=9_000.0))
    world.step(1, 3)
    assert (world.told["b"], world.told["c"]) == (4_500.0, 4_500.0)
    return world


@pytest.mark.parametrize("outcome", [DeliveryOutcome.REJECTED, DeliveryOutcome.TIMEOUT])
def test_who_fails_again_moves_nobody(bench, outcome):
    world = failing(bench, outcome)
    since = world.now
    world.step(1, 40)
    tried = [watts for name, watts in told(world, since) if name == "a"]
    assert len(tried) >= 2
    assert set(tried) == {0.0}, "told the power that it has"
    assert {name for name, _ in told(world, since)} == {"a"}, "the others were not told anything"
    assert (world.told["b"], world.told["c"]) == (4_500.0, 4_500.0)
    assert [one.value for one in world.decisions if one.verdict == "re-allocated"] == [3_000.0]


def test_who_answers_has_its_share_with_the_next_step(bench):
    world = failing(bench, DeliveryOutcome.TIMEOUT)
    since = world.now
    del world.outcome["a"], world.lies["a"]
    world.told["a"] = 0.0
    world.step(1, 15)
    assert told(world, since)[0] == ("a", 0.0)
    assert world.told == {"a": 3_000.0, "b": 3_000.0, "c": 3_000.0}
    at = {name: [at for at, point in world.log if at > since and point.device_id == name] for name in "ab"}
    assert at["b"][0] - at["a"][0] == 1.0


def test_a_limit_does_not_wait_for_the_answer(bench):
    world = failing(bench, DeliveryOutcome.TIMEOUT)
    world.lies["a"] = 3_000.0  # it goes on with what it was told before
    del world.outcome["a"]
    world.step(1, 6)
    world.submit(ask("l", start=9.0, export_limit=2_000.0))
    world.step(1, 20)
    del world.lies["a"]
    world.step(1, 3)
    assert world.total <= 2_000.0 + 1.0


def test_who_fetches_what_it_is_told_and_who_knows_few_powers_are_not_held(bench):
    columns = Columns()
    columns.put(battery("plain"))
    columns.put(battery("coarse", traits=DriverTraits(power_step_w=2_500.0)))
    columns.w[:], columns.told_w[:] = 1_200.0, float("nan")
    bounds = envelope(columns, 0.0, horizon_s=10.0, hold_time_s=300.0)
    assert held_on_trial(columns, bounds) is bounds
    columns.trial[:] = True
    held = held_on_trial(columns, bounds)
    assert (held.near_lo[0], held.near_hi[0]) == (1_200.0, 1_200.0)
    assert (held.near_lo[1], held.near_hi[1]) == (bounds.near_lo[1], bounds.near_hi[1])
    assert (bounds.near_lo[0], bounds.near_hi[0]) != (1_200.0, 1_200.0), "the envelope itself stays as it is"
    world = bench(
        battery("polls", traits=DriverTraits(answers_itself=True, polls=True, report_period_s=1.0)), return_after_s=5.0
    )
    world.submit(ask(set_w=1_000.0))
    world.step(1, 2)
    world.silent = {"polls"}
    world.step(1, 40)
    world.silent = set()
    world.step(1, 20)
    assert ("returned", "polls") in world.verdicts("availability")
    assert not world.engine._c.trial.any()


def deaf(bench, *rest, **more):
    """Three batteries under 9 kW; `a` acknowledges everything, stays at nothing and was found out just now."""
    devices = rest or (battery("a"), battery("b"), battery("c"))
    world = bench(*devices, follow_after_s=5.0, return_after_s=10.0, **more)
    world.deaf.add("a")
    world.submit(ask(set_w=9_000.0))
    world.step(1, 9)
    assert world.verdicts("availability") == [("failing", "a")]
    assert (world.told["b"], world.told["c"]) == (4_500.0, 4_500.0)
    return world


def moves(world, since):
    """What `a` was told to move to; failed anew, it is told besides to give up what the others have taken over."""
    return [watts for name, watts in told(world, since) if name == "a" and watts != 0.0]


def test_who_did_not_follow_and_still_does_not_moves_nobody(bench):
    world = deaf(bench)
    since = world.now
    world.step(1, 60)
    tried = moves(world, since)
    assert set(tried) == {250.0}, "a twentieth of its rating beside what it has"
    assert len(tried) >= 2
    assert {name for name, _ in told(world, since)} == {"a"}, "the others were not told anything"
    assert world.verdicts("availability").count(("failing", "a")) >= 2
    assert world.verdicts("allocation").count(("re-allocated", "a")) == 1, "it had no share to give away later"


def test_who_did_not_follow_has_its_share_once_it_has_moved(bench):
    world = deaf(bench)
    since = world.now
    world.deaf.clear()
    world.step(1, 14)
    assert told(world, since)[0] == ("a", 250.0)
    assert world.told == {"a": 3_000.0, "b": 3_000.0, "c": 3_000.0}
    assert ("trusted", "a") in world.verdicts("availability")
    first = {name: next(at for at, p in world.log if at > since and p.device_id == name) for name in "ab"}
    assert first["b"] > first["a"], "the others gave back when it had been seen to move"


def test_a_power_of_its_own_that_leads_elsewhere_is_no_movement(bench):
    world = deaf(bench)
    world.step(1, 8)
    world.lies["a"] = 3_000.0  # by itself, far beyond what it was told
    world.step(1, 4)
    assert ("trusted", "a") not in world.verdicts("availability")


def test_who_was_silent_in_between_has_to_move_all_the_same(bench):
    world = deaf(bench)
    world.silent = {"a"}
    world.step(1, 10)
    world.silent = set()
    since = world.now
    world.step(1, 30)
    assert set(moves(world, since)) == {250.0}
    assert (world.told["b"], world.told["c"]) == (4_500.0, 4_500.0)


def test_no_limit_is_passed_for_a_trial(bench):
    world = deaf(bench)
    world.submit(ask("l", export_limit=9_000.0))
    since = world.now
    world.step(1, 30)
    assert set(moves(world, since)) == {-250.0}, "the way that is left"
    assert world.told["b"] + world.told["c"] <= 9_000.0 + 1e-3


def test_a_fleet_that_takes_tries_downwards_and_who_is_full_the_other_way(bench):
    world = bench(battery("a"), battery("b"), follow_after_s=5.0, return_after_s=10.0)
    world.deaf.add("a")
    world.submit(ask(set_w=-4_000.0))
    world.step(1, 30)
    assert set(moves(world, world.now - 20)) == {-250.0}
    world.socs["a"] = 1.0
    since = world.now
    world.step(1, 60)
    assert 250.0 in moves(world, since)


def test_of_who_polls_the_others_wait_until_it_has_moved(bench):
    polls = battery("a", traits=DriverTraits(min_period_s=20.0, latency_s=1.0))
    world = deaf(bench, polls, battery("b"), battery("c"))
    world.deaf.clear()
    world.step(1, 60)
    assert world.told == pytest.approx({"a": 3_000.0, "b": 3_000.0, "c": 3_000.0}, abs=100.0)
