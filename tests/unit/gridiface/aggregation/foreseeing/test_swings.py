"""What some have to give for others of their group: by rating, within their room, under limits, and of both kinds."""

import numpy as np
import pytest

from gridiface.aggregation.foreseeing.swings import Crew, Swing, made_up

NOBODY = Crew(np.array([], dtype=np.int64), np.array([]), np.array([]), np.array([], dtype=np.int64))


def crew(*rooms, places=None, within=None, weight=None, alike=True):
    count = len(rooms)
    return Crew(
        np.arange(count) if places is None else np.array(places),
        np.array(rooms, dtype=float),
        (np.ones(count) if weight is None else np.array(weight, dtype=float)) if alike else None,
        np.full(count, -1) if within is None else np.array(within),
    )


def swing(up=NOBODY, down=NOBODY, members=(), **more):
    values = {"unknown": (0.0, 0.0), "others": (0.0, 0.0), "spare": (0.0, 0.0), "total": True} | more
    return Swing(np.array(members, dtype=np.int64), up=up, down=down, **values)


def test_all_take_the_same_part_of_their_rating_within_their_room():
    assert crew(5.0, 5.0, weight=(1.0, 3.0)).shares(4.0).tolist() == [1.0, 3.0]
    assert crew(5.0, 2.0, weight=(1.0, 3.0)).shares(4.0).tolist() == [2.0, 2.0]
    assert crew(5.0, 2.0).shares(9.0).tolist() == [5.0, 2.0]
    assert crew(5.0, 2.0).shares(-1.0).tolist() == [0.0, 0.0]


def test_where_it_is_not_known_whose_part_it_is_each_counts_with_all_of_it():
    assert crew(5.0, 2.0, alike=False).shares(4.0).tolist() == [4.0, 2.0]


def test_limits_may_keep_every_other_part_from_giving_its():
    """Two loose ones, and one in each of two parts with limits."""
    shares = crew(9.0, 9.0, 9.0, 9.0, within=(-1, -1, 0, 1)).shares(6.0)
    assert shares.tolist() == [3.0, 3.0, 2.0, 2.0]


def test_changes_of_members_and_of_sun_are_made_up_for_upwards_and_downwards():
    group = swing(up=crew(9.0, 9.0), down=crew(9.0, 9.0), members=(0, 1), unknown=(2.0, 8.0), others=(1.0, 0.0))
    changes = np.array([3.0, 0.0]), np.array([0.0, 2.0])
    give, take = made_up([group], changes, 1.0)
    assert give.tolist() == [3.0, 3.0]  # 2 of sun, 1 of others, 3 of the first
    assert take.tolist() == [5.0, 5.0]
    give, take = made_up([group], changes, 0.25)
    assert give.tolist() == [2.25, 2.25]
    assert take.tolist() == [2.0, 2.0]


def test_who_is_not_in_the_target_takes_its_part_and_is_not_told_of():
    give, _ = made_up([swing(up=crew(9.0, 9.0, places=(1, -1)), others=(4.0, 0.0))], (np.zeros(2), np.zeros(2)), 0.0)
    assert give.tolist() == [0.0, 2.0]


def test_under_a_limit_there_is_room_before_anybody_makes_up_and_limits_in_each_other_speak_of_the_same():
    inner = swing(up=crew(9.0), others=(5.0, 0.0), spare=(2.0, 0.0), total=False)
    outer = swing(up=crew(9.0), others=(5.0, 0.0), spare=(4.0, 0.0), total=False)
    whole = swing(up=crew(9.0), others=(1.5, 0.0))
    give, _ = made_up([inner, outer, whole], (np.zeros(1), np.zeros(1)), 0.0)
    assert give[0] == pytest.approx(3.0 + 1.5)
