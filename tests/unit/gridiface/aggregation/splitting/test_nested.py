"""Limits of groups in groups: what is passed, and powers that pass none, by hand and by a linear programme (HiGHS)."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from gridiface.aggregation.splitting.nested import Nest, mend, reachable, split_one_way

INF = float("inf")


def rows(*places):
    return np.array(places, dtype=np.int64)


def split(nest, target, lo, hi, base=None):
    lo, hi = np.array(lo, dtype=float), np.array(hi, dtype=float)
    base = np.zeros(lo.size) if base is None else np.array(base, dtype=float)
    return split_one_way(nest, target, lo, hi, base, np.maximum(hi - lo, 1e-3))


def test_what_is_passed_is_added_up_over_all_groups():
    nest = Nest(rows(0, 1, 2), (-2.0, 4.0), 5.0, 1.0, (Nest(rows(0), (-1.0, 1.0)),))
    assert nest.passed(np.array([1.0, 0.0, 0.0])) == 0.0
    # inside 2 over its 1; the net 6 over 4, what is given 7 over 5
    assert nest.passed(np.array([3.0, 4.0, -1.0])) == pytest.approx(2.0 + 2.0 + 2.0)
    assert nest.passed(np.array([0.0, 0.0, -4.0])) == pytest.approx(2.0 + 3.0)


def test_nobody_takes_what_another_gives_where_room_to_take_is_short():
    # inside, the net is -1 at most down: to reach -9 the 9 W that may be taken all have to count
    nest = Nest(rows(0, 1, 2), taken=9.0, inside=(Nest(rows(0, 1), (-1.0, 0.0)),))
    powers = split(nest, -9.0, [-50.0, -10.0, -50.0], [0.0, 10.0, 50.0])
    assert nest.passed(powers) == pytest.approx(0.0)
    assert powers.sum() == pytest.approx(-9.0)
    assert powers[:2].sum() == pytest.approx(-1.0)


def test_what_has_to_be_given_is_no_reason_to_give_more():
    nest = Nest(rows(0, 1, 2), given=4.0)
    powers = split(nest, -1.0, [3.0, -5.0, -9.0], [6.0, 5.0, 0.0])
    assert powers[0] == pytest.approx(3.0)
    assert powers.sum() == pytest.approx(-1.0)
    assert np.all(powers[1:] <= 0.0)


def test_out_of_reach_is_the_nearest_that_limits_leave():
    nest = Nest(rows(0, 1), (-INF, 3.0), inside=(Nest(rows(0), given=1.0),))
    assert reachable(nest, np.array([-4.0, 0.0]), np.array([4.0, 5.0])) == (-4.0, 3.0)
    assert split(nest, 9.0, [-4.0, 0.0], [4.0, 5.0]).sum() == pytest.approx(3.0)


def test_powers_are_mended_no_more_than_it_takes():
    nest = Nest(rows(0, 1, 2), inside=(Nest(rows(0, 1), taken=4.0),))
    lo, hi = np.full(3, -9.0), np.full(3, 9.0)
    before = np.array([-4.0, -2.0, 8.0])
    found = mend(nest, before, 2.0, (lo, hi, np.ones(3)), passed=nest.passed(before))
    assert nest.passed(found) <= 0.5
    assert found.sum() == pytest.approx(2.0)
    # -3.6 or so of the -4 W that may be taken are taken still
    assert found[:2].sum() < -3.0


def test_a_total_that_limits_allow_is_come_to_and_else_nothing_is_changed():
    nest = Nest(rows(0, 1), taken=2.0)
    lo, hi = np.array([-9.0, -9.0]), np.array([9.0, 0.0])
    before = np.array([1.0, -2.0])
    assert mend(nest, before, -2.0, (lo, hi, np.ones(2)), passed=0.0).sum() == pytest.approx(-2.0)
    assert mend(nest, np.array([0.0, -2.0]), -5.0, (lo, hi, np.ones(2)), passed=0.0) is None
    assert mend(Nest(rows(0, 1), (5.0, INF)), before, 0.0, (lo, np.zeros(2), np.ones(2)), passed=6.0) is not None
    assert mend(Nest(rows(0, 1), (5.0, INF)), np.zeros(2), 0.0, (lo, np.zeros(2), np.ones(2)), passed=5.0) is None


def drawn(draw):
    """(lo, hi, nest) with limits that some powers keep, many of them just so."""
    count = draw.randint(2, 6)
    lo = np.array([draw.choice([-9.0, -4.0, 0.0, 1.0]) for _ in range(count)])
    hi = np.maximum(lo, [draw.choice([-1.0, 0.0, 3.0, 8.0]) for _ in range(count)])
    could = np.array([draw.uniform(*pair) for pair in zip(lo, hi, strict=True)])

    def made(mine, depth):
        inside = []
        if depth and len(mine) > 1:
            cut = draw.randint(1, len(mine) - 1)
            inside = [made(part, depth - 1) for part in (mine[:cut], mine[cut:]) if draw.random() < 0.8]
        powers = could[mine]
        given, taken, net = np.maximum(powers, 0.0).sum(), np.maximum(-powers, 0.0).sum(), powers.sum()
        spare = [draw.choice([0.0, 0.0, 1.0, INF]) for _ in range(4)]
        limits = (net - spare[0], net + spare[1]), given + spare[2], taken + spare[3]
        return Nest(np.array(mine), *limits, tuple(inside))

    return lo, hi, made(list(range(count)), 3)


@given(seed=st.integers(0, 1_000_000))
def test_all_limits_are_kept_and_the_total_is_the_nearest_that_a_linear_programme_finds(seed):
    draw = random.Random(seed)
    lo, hi, nest = drawn(draw)
    count, target = lo.size, draw.uniform(-30.0, 30.0)
    lines, tops, waiting = [], [], [nest]
    while waiting:
        one = waiting.pop()
        waiting.extend(one.inside)
        bounds = ((1, -1, one.net[1]), (-1, 1, -one.net[0]), (1, 0, one.given), (0, 1, one.taken))
        for give, take, most in bounds:
            if np.isfinite(most):
                line = np.zeros((2, count))
                line[0, one.rows], line[1, one.rows] = give, take
                lines.append(np.append(line.ravel(), 0.0))
                tops.append(most + 1e-9)
    total = np.concatenate([np.ones(count), -np.ones(count)])
    lines += [np.append(total, -1.0), np.append(-total, -1.0)]
    tops += [target, -target]
    ends = [(max(one, 0.0), max(other, 0.0)) for one, other in zip(lo, hi, strict=True)]
    ends += [(max(-other, 0.0), max(-one, 0.0)) for one, other in zip(lo, hi, strict=True)]
    best = optimize.linprog([0.0] * 2 * count + [1.0], A_ub=lines, b_ub=tops, bounds=[*ends, (0, None)], method="highs")
    assert best.success
    powers = split(nest, target, lo, hi, [draw.uniform(-9.0, 9.0) for _ in range(count)])
    assert np.all((powers >= lo - 1e-9) & (powers <= hi + 1e-9))
    assert nest.passed(powers) <= 1e-6
    assert powers.sum() == pytest.approx(float(total @ best.x[:-1]), abs=1e-6)
