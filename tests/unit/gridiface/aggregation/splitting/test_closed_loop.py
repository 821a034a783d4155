import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.splitting.closed_loop import PACE_LONGEST_S, Pace, Trim
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import DeliveryOutcome, Outcome, OutcomeKind
from gridiface.domain.fleet import DriverTraits

KWARGS = {"gain": 0.2, "limit_w": 500.0, "quiet_w": 1.0}


def test_the_trim_settles_on_what_is_missing_and_goes_back():
    trim = Trim()
    for now in range(60):
        trim.update(100.0, float(now), **KWARGS)
    assert trim.watts == pytest.approx(100.0, abs=1.0)
    for now in range(60, 130):
        trim.update(0.0, float(now), **KWARGS)
    assert trim.watts == pytest.approx(0.0, abs=1.0)


def test_it_is_clipped_and_holds_without_a_measurement():
    trim = Trim(400.0, 0.0)
    assert trim.update(None, 5.0, **KWARGS) == 400.0
    assert trim.update(9_000.0, 10.0, **KWARGS) == 500.0


def test_a_clock_that_was_set_back_adds_nothing():
    trim = Trim(0.0, 100.0)
    assert trim.update(100.0, 50.0, **KWARGS) == 0.0


@pytest.fixture
def fetching(bench):
    """Two batteries, of which "ven" fetches what it is told and has not done so yet; told 3 kW each."""
    traits = DriverTraits(latency_s=1.0, answers_itself=True)
    world = bench(battery("ven", traits=traits), battery("own"), trim_gain=0.3)
    world.outcome, world.deaf = {"ven": DeliveryOutcome.PUBLISHED}, {"ven"}
    world.submit(ask("c1", set_w=6_000.0))
    world.step(2, 2)
    assert world.told["own"] == pytest.approx(3_000.0, abs=1.0)
    return world


def answered(world):
    said = Outcome(control_id="c1", kind=OutcomeKind.STARTED, at=world.now, device_id="ven")
    world.engine.report([said], world.now)


def test_nobody_makes_up_for_who_is_still_to_fetch_what_it_was_told(fetching):
    fetching.step(1, 120)
    assert fetching.told["own"] == pytest.approx(3_000.0, abs=1.0)
    answered(fetching)
    fetching.step(1, 120)  # It took it and does nothing: that is missing.
    assert fetching.told["own"] > 3_500.0


def test_who_fetched_it_is_given_its_own_way_there(fetching):
    fetching.step(1, 60)
    answered(fetching)
    fetching.step(1, 1)
    fetching.told["ven"] = 3_000.0
    fetching.step(1, 60)
    assert fetching.told["own"] == pytest.approx(3_000.0, abs=1.0)


def test_a_power_that_came_most_of_the_way_is_an_answer_too(fetching):
    fetching.told["ven"] = 2_500.0  # It never says so.
    fetching.step(1, 120)
    assert fetching.told["own"] > 3_200.0


def test_that_nothing_new_was_published_is_no_answer(fetching):
    fetching.outcome["ven"] = DeliveryOutcome.UNCHANGED
    fetching.step(1, 400)  # Long enough for what has no end to be told again.
    assert fetching.told["own"] == pytest.approx(3_000.0, abs=1.0)


def test_of_a_lack_counts_what_will_not_have_come_by_itself():
    columns = Columns()
    columns.fill(4)
    pace, rows = Pace(columns), np.arange(4)
    columns.w[:], columns.received[:] = [0.0, 0.0, 0.0, np.nan], 100.0
    pace.look()
    columns.w[:], columns.received[:] = [100.0, -100.0, 0.0, 5.0], 101.0
    pace.look()
    lack, rating = np.full(4, 500.0), np.full(4, 500.0)
    assert pace.lasting(rows, lack, rating, 4.0).tolist() == [100.0, 500.0, 500.0, 500.0]
    assert pace.lasting(rows, -lack, rating, 4.0).tolist() == [-500.0, -100.0, -500.0, -500.0]
    assert pace.lasting(rows, lack, rating, 60.0).tolist() == [25.0, 500.0, 500.0, 500.0]
    pace.shift_time(1_000.0)
    columns.received[:], columns.w[0] = 1_105.0, 300.0
    pace.look()
    assert pace.w_per_s.tolist() == [50.0, 0.0, 0.0, 0.0]
    columns.received[:], columns.w[0] = 1_106.0 + PACE_LONGEST_S, 900.0
    pace.look()  # nobody knows how it came there
    assert pace.w_per_s.tolist() == [0.0, 0.0, 0.0, 0.0]


def test_the_others_do_not_pass_the_target_together_with_a_slow_device(bench):
    """The device moves with 100 W/s, and nobody knows."""
    world = bench(battery("slow"), battery("quick"), battery("other"), trim_gain=0.15)
    world.submit(ask("c1", set_w=9_000.0))
    slow, totals = 0.0, []
    for _ in range(90):
        goal = world.told.get("slow") or 0.0
        slow += min(max(goal - slow, -100.0), 100.0)
        world.lies["slow"] = slow
        world.step(1, 1)
        totals.append(slow + (world.told["quick"] or 0.0) + (world.told["other"] or 0.0))
    assert max(totals) <= 9_000.0 * 1.03
    assert totals[-1] == pytest.approx(9_000.0, rel=0.01)


def test_who_neither_answers_nor_moves_is_made_up_for_in_the_end(fetching):
    fetching.step(1, 580)
    assert fetching.told["own"] == pytest.approx(3_000.0, abs=1.0)
    fetching.step(1, 120)
    assert fetching.told["own"] > 3_500.0


def test_who_moves_without_a_word_is_waited_for_at_the_next_event_too(fetching):
    fetching.deaf.clear()
    fetching.step(1, 700)
    fetching.deaf.add("ven")
    fetching.submit(ask("c2", start=fetching.now - T0, set_w=2_000.0, created=fetching.now))
    fetching.step(2, 2)
    assert fetching.told["own"] == pytest.approx(1_000.0, abs=5.0)
    fetching.step(1, 120)
    assert fetching.told["own"] == pytest.approx(1_000.0, abs=5.0)


def test_a_device_that_is_there_sooner_than_it_may_be_is_not_made_up_for(bench):
    """It asks every minute at the latest; it follows set-points at once."""
    polls = battery("quick", traits=DriverTraits(latency_s=60.0))
    world = bench(polls, battery("other"), trim_gain=0.3)
    for number, asked in enumerate((8_000.0, 2_000.0, -6_000.0)):
        world.submit(ask(f"c{number}", start=world.now - T0, set_w=asked, created=world.now))
        world.step(steps=2)
        for _ in range(40):
            world.step()
            assert world.total == pytest.approx(asked, abs=2.0)


@pytest.mark.parametrize(
    ("trim", "lacked", "left"),
    [(500.0, 300.0, 200.0), (500.0, 900.0, 0.0), (500.0, -300.0, 500.0), (-500.0, -300.0, -200.0), (0.0, 300.0, 0.0)],
)
def test_what_is_told_to_others_is_taken_off_the_trim_as_far_as_it_made_up_for_it(trim, lacked, left):
    one = Trim(trim)
    one.give_up(lacked)
    assert one.watts == left
