"""Exchanges between devices of different phases under nested limits; a linear programme says what can be."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from gridiface.aggregation.allocate.phases import spread
from gridiface.aggregation.splitting import phase_exchange
from gridiface.aggregation.splitting.nested import KEPT_W, Nest
from gridiface.aggregation.splitting.phase_exchange import even_out

INF = float("inf")
A, B, C, ALL, BC = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3,) * 3, (0, 0.5, 0.5)


def shares(*phases):
    return tuple(np.array([share[at] for share in phases], dtype=float) for at in range(3))


def evened(nest, powers, lo, hi, on, limit=0.2):
    ends = np.array(lo, dtype=float), np.array(hi, dtype=float)
    return even_out(nest, np.array(powers, dtype=float), ends, np.ones(len(powers)), on, limit)


def test_power_goes_from_one_phase_to_another_inside_a_group_and_all_sums_stay():
    nest = Nest(np.arange(4), inside=(Nest(np.array([0, 1]), (-INF, 6.0)),))
    found = evened(nest, [6.0, 0.0, 3.0, 3.0], [0.0] * 4, [6.0] * 4, shares(A, B, C, ALL))
    assert spread(found, shares(A, B, C, ALL)) <= 0.2
    assert found[:2].sum() == pytest.approx(6.0)
    assert found.sum() == pytest.approx(12.0)


def test_two_exchanges_that_groups_allow_take_the_place_of_one_that_they_do_not():
    # A is in a group that keeps its sum, B in another: each gives its part to, or gets it from, one on all phases
    nest = Nest(np.arange(4), inside=(Nest(np.array([0, 1]), (6.0, 6.0)), Nest(np.array([2, 3]), (6.0, 6.0))))
    on = shares(A, ALL, BC, ALL)
    found = evened(nest, [6.0, 0.0, 0.0, 6.0], [0.0] * 4, [6.0] * 4, on)
    assert spread(found, on) <= 0.2
    assert (found[:2].sum(), found[2:].sum()) == pytest.approx((6.0, 6.0))


def test_what_is_near_enough_is_left_alone_and_what_cannot_be_moved_stays():
    powers = np.array([3.0, 3.1, 3.0])
    nest = Nest(np.arange(3))
    assert even_out(nest, powers, (powers, powers), np.ones(3), shares(A, B, C), 0.2) is powers
    assert evened(nest, [9.0, 0.0, 0.0], [9.0, 0.0, 0.0], [9.0, 0.0, 0.0], shares(A, B, C)).tolist() == [9.0, 0.0, 0.0]


def test_who_gives_goes_on_to_give_and_who_takes_to_take():
    found = evened(Nest(np.arange(3)), [8.0, -2.0, 0.0], [-9.0] * 3, [9.0, 9.0, 0.0], shares(A, B, C), limit=0.0)
    assert found[0] >= 0.0
    assert found[1] <= 0.0


@pytest.mark.parametrize("number", [1, 200])
def test_amounts_are_dealt_out_by_weight_to_all_devices_of_a_kind(number):
    on = shares(*[A] * number, *[B] * number, *[C] * number)
    powers = [6.0] * number + [0.0] * 2 * number
    found = evened(Nest(np.arange(3 * number)), powers, [0.0] * 3 * number, [6.0] * 3 * number, on)
    assert spread(found, on) <= 0.2
    for rows in np.split(found, 3):
        assert np.ptp(rows) == pytest.approx(0.0)


def test_many_groups_are_looked_at_by_their_own_best_pairs():
    count = 40
    rows = np.arange(2 * count)
    inside = tuple(Nest(rows[2 * at : 2 * at + 2], (6.0, 6.0)) for at in range(count))
    on = shares(*[A, B] * (count - 1), A, C)
    found = evened(Nest(rows, inside=inside), [6.0, 0.0] * count, [0.0] * 2 * count, [6.0] * 2 * count, on, limit=1.5)
    assert spread(found, on) <= 1.5
    for one in inside:
        assert found[one.rows].sum() == pytest.approx(6.0)


@given(seed=st.integers(0, 1_000_000))
def test_limits_and_the_sum_are_kept_and_phases_come_as_near_as_a_linear_programme_brings_them(seed):
    draw = random.Random(seed)
    count = 8
    on = shares(*(draw.choice([A, B, C, ALL]) for _ in range(count)))
    hi = np.array([draw.uniform(1.0, 9.0) for _ in range(count)])
    powers = np.array([draw.uniform(0.0, most) for most in hi])
    rows = np.arange(count)

    def around(some, *inside):
        there, kind = float(powers[some].sum()), draw.random()
        net = (-INF, there + draw.choice([0.0, 2.0])) if kind < 0.5 else (there - draw.choice([0.0, 2.0]), INF)
        return Nest(some, net, draw.choice([there, INF]), INF, inside)

    nest = Nest(rows, inside=(around(rows[:4], around(rows[:2])), around(rows[4:])))
    lo = np.zeros(count)
    found = even_out(nest, powers, (lo, hi), np.ones(count), on, 0.2)
    assert found.sum() == pytest.approx(powers.sum())
    assert nest.passed(found) <= KEPT_W / 100
    assert np.all((found >= -1e-9) & (found <= hi + 1e-9))
    assert spread(found, on) <= max(spread(powers, on), 0.2)
    lines, tops = [], []
    for one in (nest.inside[0], nest.inside[0].inside[0], nest.inside[1]):
        line = np.isin(rows, one.rows).astype(float)
        lines += [np.append(line, 0.0), np.append(-line, 0.0)]
        tops += [min(one.net[1], one.given), -one.net[0]]
    for one in range(3):
        apart = on[one] - on[one - 1]
        lines += [np.append(apart, -powers.sum() / 3), np.append(-apart, -powers.sum() / 3)]
        tops += [0.0, 0.0]
    finite = np.isfinite(tops)
    best = optimize.linprog(
        [0.0] * count + [1.0],
        A_ub=np.array(lines)[finite],
        b_ub=np.array(tops)[finite],
        A_eq=[[1.0] * count + [0.0]],
        b_eq=[powers.sum()],
        bounds=[*((0.0, most) for most in hi), (0.0, None)],
    )
    assert best.success
    # What is least is the sum of the squares: the spread is that of the programme, or a sixth more.
    assert spread(found, on) <= max(0.2, 2 / np.sqrt(3) * best.fun) + 0.01


def test_a_control_step_has_a_bounded_number_of_exchanges(monkeypatch):
    monkeypatch.setattr(phase_exchange, "_EXCHANGES", 1)
    found = evened(Nest(np.arange(3)), [6.0, 0.0, 0.0], [0.0] * 3, [6.0] * 3, shares(A, B, C))
    assert np.count_nonzero(found) == 2
