import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.allocate.quiet import SORTED, reusable, to_send

POWERS = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=40)


@given(told=POWERS, seed=st.integers(0, 99), tolerance=st.floats(1.0, 100.0))
def test_the_sum_stays_inside_its_tolerance_and_large_moves_are_sent(told, seed, tolerance):
    held = np.array(told)
    wanted = held + np.random.default_rng(seed).uniform(-30, 30, held.size)
    send = to_send(held, wanted, np.full(held.size, 10.0), tolerance)
    after = np.where(send, wanted, held)
    assert abs(after.sum() - wanted.sum()) <= tolerance + 1e-6
    assert np.all(send[np.abs(wanted - held) > 10.0])


def test_who_was_never_told_is_told():
    assert to_send(np.array([np.nan, 5.0]), np.array([0.0, 5.0]), np.full(2, 10.0), 1.0).tolist() == [True, False]


def test_no_more_than_needed_is_sent():
    send = to_send(np.zeros(10), np.full(10, 5.0), np.full(10, 10.0), 26.0)
    assert send.sum() == 5  # 50 W are missing, 26 W may be


def fewest(move, tolerance):
    """Who is told, the plain way: the largest first, until what is left is inside the tolerance."""
    send = np.zeros(move.size, dtype=bool)
    toward = move * np.sign(move.sum())
    for row in np.argsort(-toward, kind="stable"):
        if abs(move[~send].sum()) <= tolerance:
            break
        send[row] = True
    return send


@given(seed=st.integers(0, 999), share=st.floats(0.001, 0.999), alike=st.booleans(), size=st.integers(2, 3 * SORTED))
def test_of_a_large_fleet_the_same_are_told_as_of_a_small_one(seed, share, alike, size):
    random = np.random.default_rng(seed)
    move = np.floor(random.uniform(0, 5, size)) if alike else random.gamma(0.3, 10.0, size)
    tolerance = max(share * move.sum(), 1.0)
    send = to_send(np.zeros(size), move, np.full(size, np.inf), tolerance)
    assert send.tolist() == fewest(move, tolerance).tolist()


def test_the_last_split_is_good_while_it_fits():
    told = np.array([2.0, 3.0])
    assert reusable(told, np.zeros(2), np.full(2, 5.0), 5.0, 0.1)
    assert not reusable(told, np.zeros(2), np.array([5.0, 2.5]), 5.0, 0.1)
    assert not reusable(told, np.zeros(2), np.full(2, 5.0), 6.0, 0.1)
    assert not reusable(np.array([np.nan, 3.0]), np.zeros(2), np.full(2, 5.0), 3.0, 0.1)
