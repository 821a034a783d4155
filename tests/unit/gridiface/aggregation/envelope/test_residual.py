import math

import numpy as np
import pytest

from gridiface.aggregation.envelope.residual import BEHIND_S, NOTHING, Beside, Members, Residual

FILTER_S = 10.0


def members(*watts, coming=(0.0, 0.0)):
    """None: not read."""
    return Members(
        np.array([0.0 if one is None else one for one in watts]), np.array([one is not None for one in watts]), coming
    )


def taken(*readings, filter_s=FILTER_S):
    """A residual after readings of the meter: (s, metered W, members)."""
    residual = Residual()
    for read, metered, shown in readings:
        residual.update(metered, shown, filter_s=filter_s, read=read)
    return residual


def test_it_starts_at_the_difference_and_is_smoothed():
    assert Residual().beside == NOTHING
    assert taken((0.0, -3_000.0, members(1_000.0))).beside == Beside.steady(-4_000.0)
    later = taken((0.0, -3_000.0, members(1_000.0)), (5.0, -2_000.0, members(1_000.0)))
    assert later.watts == -3_500.0
    assert taken((0.0, -3_000.0, members(1_000.0)), (60.0, -2_000.0, members(1_000.0))).watts == -3_000.0
    assert taken((0.0, 1.0, members(0.0)), (1.0, 9.0, members(0.0)), filter_s=0.0).watts == 9.0


def test_a_reading_is_taken_once():
    residual = taken((5.0, 0.0, members(0.0)))
    assert not residual.takes(5.0)
    assert not residual.takes(4.0)
    assert residual.takes(5.5)
    assert Residual().takes(-1e9)
    residual.shift_time(3_600.0)
    assert not residual.takes(3_605.0)
    residual.update(1_000.0, members(0.0), filter_s=FILTER_S, read=3_606.0)  # one second later, not an hour
    assert residual.watts == pytest.approx(100.0)


def test_limits_count_at_once_with_what_members_that_stand_still_do_not_explain():
    more = taken((0.0, -3_000.0, members(1_000.0)), (1.0, 1_000.0, members(1_000.0)))
    assert more.beside == Beside(-3_600.0, high=0.0, low=-3_600.0)
    less = taken((0.0, 1_000.0, members(1_000.0)), (1.0, -3_000.0, members(1_000.0)))
    assert less.beside == Beside(-400.0, high=-400.0, low=-4_000.0)


def test_what_a_member_on_its_way_explains_is_smoothed_alone():
    # The member has moved, the meter has not seen it yet; and the other way round it is told and not read yet.
    behind = taken((0.0, 1_000.0, members(1_000.0)), (1.0, 1_000.0, members(-2_000.0)))
    assert behind.beside == Beside.steady(300.0)
    ahead = taken((0.0, 1_000.0, members(1_000.0)), (1.0, 4_000.0, members(1_000.0, coming=(0.0, 3_000.0))))
    assert ahead.beside == Beside.steady(300.0)
    falls = taken((0.0, 1_000.0, members(1_000.0)), (1.0, -2_000.0, members(1_000.0, coming=(-3_000.0, 0.0))))
    assert falls.beside == Beside.steady(-300.0)


def test_a_movement_explains_nothing_once_the_meter_must_have_seen_it():
    readings = [(0.0, 1_000.0, members(1_000.0))]
    readings += [(float(at), 1_000.0, members(-2_000.0)) for at in range(1, 6)]
    assert taken(*readings[:3]).beside.high < 3_000.0
    assert taken(*readings).beside.high == 3_000.0
    assert readings[-1][0] > 1.0 + BEHIND_S


def test_a_slow_meter_is_given_one_reading_of_its_own():
    readings = [(0.0, 1_000.0, members(1_000.0)), (30.0, 1_000.0, members(-2_000.0))]
    assert taken(*readings, filter_s=1e9).beside.high == pytest.approx(0.0, abs=1.0)
    assert taken(*readings, (60.0, 1_000.0, members(-2_000.0)), filter_s=1e9).beside.high == 3_000.0


def test_who_falls_silent_goes_on_behind_the_meter():
    silent = taken((0.0, 3_000.0, members(1_000.0, 2_000.0)), (1.0, 3_000.0, members(1_000.0, None)))
    assert silent.beside == Beside.steady(2_000.0)


def test_who_did_something_else_while_it_was_silent_than_before_and_after_is_not_smoothed_away():
    away = taken((0.0, 3_000.0, members(1_000.0, 2_000.0)), (1.0, 1_000.0, members(1_000.0, None)))
    assert away.beside == NOTHING
    back = taken((0.0, -1_000.0, members(1_000.0, None)), (1.0, 3_000.0, members(1_000.0, 2_000.0)))
    assert back.beside == NOTHING


def test_who_is_read_again_is_no_longer_beside_the_others_at_once_and_once():
    residual = taken((0.0, 3_000.0, members(1_000.0, None)))
    assert residual.watts == 2_000.0
    residual.compare(members(1_000.0, 2_000.0))
    assert residual.beside == NOTHING
    residual.compare(members(1_000.0, 2_000.0))
    assert residual.beside == NOTHING
    residual.update(3_000.0, members(1_000.0, 2_000.0), filter_s=FILTER_S, read=1.0)
    assert residual.beside == NOTHING


def test_who_is_counted_as_told_until_it_is_read_is_taken_off_by_the_difference():
    told = Members(np.array([800.0]), np.array([False]))
    residual = taken((0.0, 1_000.0, told))
    assert residual.watts == 200.0
    residual.compare(members(1_000.0))
    assert residual.watts == 0.0


def test_other_members_are_not_compared_with_those_before():
    residual = taken((0.0, 3_000.0, members(1_000.0)))
    residual.forget()
    residual.compare(members(500.0, 2_000.0))
    residual.update(3_000.0, members(500.0, 2_000.0), filter_s=FILTER_S, read=1.0)
    assert residual.beside == Beside(1_850.0, high=1_850.0, low=500.0)


def test_what_two_groups_have_beside_them_adds_up():
    assert Beside(1.0, 3.0, -2.0) + Beside.steady(4.0) == Beside(5.0, 7.0, 2.0)
    assert not math.isinf(NOTHING.high)


def test_what_has_changed_in_a_long_silence_comes_smoothly():
    residual = taken((0.0, -3_000.0, members(1_000.0)), (1.0, -3_000.0, members(1_000.0)))
    residual.update(-8_000.0, members(1_000.0), filter_s=FILTER_S, read=90.0, usual_s=2.0)
    assert residual.watts == -5_000.0
    slow = taken((0.0, -3_000.0, members(1_000.0)))
    slow.update(-8_000.0, members(1_000.0), filter_s=FILTER_S, read=60.0, usual_s=60.0)
    assert slow.watts == -9_000.0


def later(*rows):
    return np.array([bool(one) for one in rows])


def test_what_the_meter_saw_first_is_a_members_own_once_it_is_read():
    residual = taken((0.0, 3_000.0, members(1_500.0, 1_500.0)), (1.0, 4_500.0, members(1_500.0, 1_500.0)))
    assert (residual.watts, residual.beside.high) == (150.0, 1_500.0), "it may be beside them"
    residual.explained(members(3_000.0, 1_500.0), later(1, 1))
    assert residual.beside == Beside.steady(0.0), "it was the member that moved by itself"
    residual.update(4_500.0, members(3_000.0, 1_500.0), filter_s=FILTER_S, read=2.0)
    assert residual.beside == Beside.steady(0.0)


@pytest.mark.parametrize(
    ("shown", "fresh"),
    [
        ((3_500.0, 1_500.0), (1, 1)),
        ((2_500.0, 1_500.0), (1, 1)),
        ((0.0, 1_500.0), (1, 1)),
        ((3_000.0, 1_500.0), (0, 1)),
    ],
)
def test_another_move_or_that_of_who_was_told_something_explains_nothing(shown, fresh):
    residual = taken((0.0, 3_000.0, members(1_500.0, 1_500.0)), (1.0, 4_500.0, members(1_500.0, 1_500.0)))
    before = residual.beside
    residual.explained(members(*shown), later(*fresh))
    assert residual.beside == before


def test_one_move_explains_one_jump():
    residual = taken((0.0, 0.0, members(0.0, 0.0)), (1.0, 1_000.0, members(0.0, 0.0)))
    assert residual.jumped
    residual.explained(members(1_000.0, 0.0), later(1, 1))
    assert not residual.jumped
    residual.explained(members(1_000.0, 1_000.0), later(1, 1))
    assert residual.beside == Beside.steady(0.0)


def test_a_small_jump_is_left_to_the_smoothing():
    residual = taken((0.0, 0.0, members(0.0)), (1.0, 90.0, members(0.0)))
    assert not residual.jumped
    residual.explained(members(90.0), later(1))
    assert residual.watts == 9.0


def test_until_the_meter_is_read_again_who_is_back_leaves_the_most_that_may_lie_beside():
    told = members(1_500.0, 1_500.0, coming=(-1_500.0, 0.0))  # the other is on its way down, the meter may see it
    residual = taken((0.0, 3_000.0, members(1_500.0, 1_500.0)), (5.0, 3_000.0, members(None, 1_500.0)))
    residual.update(1_500.0, members(None, 1_500.0, coming=told.coming), filter_s=FILTER_S, read=10.0)
    assert residual.watts == 750.0, "of the 1500 W of who is silent half are smoothed away"
    residual.compare(members(1_500.0, 0.0))
    assert residual.watts == -750.0
    assert residual.beside.high == 0.0


def test_within_bounds_what_totals_count_with_and_not_what_limits_do():
    assert Beside(9.0, 12.0, -2.0).within(-5.0, 5.0) == Beside(5.0, 12.0, -2.0)
    assert Beside(-9.0, -8.0, -12.0).within(-5.0, 5.0) == Beside(-5.0, -5.0, -12.0)
    assert Beside.steady(1.0).within(-5.0, 5.0) == Beside.steady(1.0)


def test_who_fell_silent_is_what_the_meter_was_seen_to_show_of_it():
    """From then on it may do more than that, no more once again; not where the meter showed something else before."""
    residual = taken((0.0, 3_000.0, members(1_000.0, 2_000.0)))
    residual.compare(members(1_000.0, None))
    assert residual.beside == Beside.steady(2_000.0), "at once, not with the meter's next reading"
    assert residual.others(np.array([True, False])), "until then the two are not compared"
    assert residual.behind().tolist() == [0.0, 2_000.0]
    residual.update(3_100.0, members(1_000.0, None), filter_s=FILTER_S, read=1.0)
    assert residual.behind().tolist() == [0.0, 2_000.0]
    residual.compare(members(1_000.0, 2_000.0))
    assert residual.behind() is None
    assert residual.beside.watts == pytest.approx(100.0)


def test_what_the_meter_does_not_show_of_who_fell_silent_is_not_known():
    odd = taken((0.0, 3_000.0, members(1_000.0, 2_000.0)), (1.0, 1_000.0, members(1_000.0, 2_000.0)))
    odd.compare(members(1_000.0, None))
    assert odd.behind() is None, "it stopped before it was found silent"
    stops = taken((0.0, 3_000.0, members(1_000.0, 2_000.0)))
    stops.compare(members(1_000.0, None))
    stops.update(1_000.0, members(1_000.0, None), filter_s=FILTER_S, read=1.0)
    assert not stops.behind().any(), "it stopped, and may begin again"
    others = taken((0.0, 3_000.0, members(1_000.0, 2_000.0)))
    others.compare(members(1_000.0, None))
    others.forget()
    assert others.behind() is None


def test_who_is_known_to_be_behind_is_not_counted_again_and_not_hidden_by_loads():
    behind = np.array([1, 3, 4]), np.array([2_000.0, -500.0, 100.0])
    ups, downs = np.array([9.0, 3_000.0, 0.0, 0.0, 50.0]), np.array([0.0, 0.0, 0.0, -4_000.0, 0.0])
    beside = Beside(-900.0, -900.0, -900.0, behind)
    more, less = beside.beyond(ups, downs)
    assert more.tolist() == [9.0, 1_000.0, 0.0, 0.0, 0.0]
    assert less.tolist() == [0.0, 0.0, 0.0, -3_500.0, 0.0]
    assert (beside.given, beside.taken) == (2_100.0, -900.0)
    assert (Beside(5.0, 5.0, -5.0).given, Beside(5.0, 5.0, -5.0).taken) == (5.0, -5.0)
    assert Beside(9_000.0, 9_000.0, 9_000.0, behind).given == 9_000.0
    assert Beside(9_000.0, 9_000.0, 9_000.0, behind).taken == -500.0
    both = beside + Beside(1.0, 1.0, 1.0, (np.array([2]), np.array([7.0])))
    assert both.behind[0].tolist() == [1, 3, 4, 2]
    assert both.behind_sums == (-500.0, 2_107.0)
    assert (beside + NOTHING).within(0.0, 0.0).behind is behind
    assert NOTHING.beyond(ups, downs) == (ups, downs)
