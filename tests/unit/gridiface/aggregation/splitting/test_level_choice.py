"""Levels of coarse devices under limits that lie in each other: by hand, and against all choices of three devices."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.splitting.level_choice import Ladder, choose
from gridiface.aggregation.splitting.nested import KEPT_W, Nest, reachable, split_one_way

INF = float("inf")


def ladder(powers, steps, most, target, runs=()):
    """Devices with steps (0: fine) that a split without steps gave these powers."""
    powers, steps = np.array(powers, dtype=float), np.array(steps, dtype=float)
    unit = np.where(steps > 0, steps, 1.0)
    down = np.where(steps > 0, np.sign(powers) * np.floor(np.abs(powers) / unit) * unit, powers)
    far = np.sign(target) * np.floor(np.array(most) / unit) * unit
    return Ladder(
        coarse=steps > 0,
        powers=powers,
        down=down,
        far=np.where(steps > 0, far, powers),
        above=lambda at: np.where(steps > 0, at + np.where((at < 0) | (at == 0) & (target < 0), -unit, unit), powers),
        runs=np.isin(np.arange(powers.size), runs),
        known=lambda at, low, high: steps[at] * np.arange(np.ceil(low / steps[at]), high / steps[at] + 1e-9),
    )


def chosen(nest, powers, steps, most, target, runs=()):
    most = np.array(most, dtype=float)
    return choose(nest, ladder(powers, steps, most, target, runs), -most, most, target)


def test_fine_devices_make_up_for_steps_and_nobody_is_moved_that_need_not_be():
    at, lo, hi = chosen(Nest(np.arange(2)), [2.5, 2.5], [1.0, 0.0], [5.0, 5.0], 5.0)
    assert at[0] == lo[0] == hi[0] == 2.0
    assert (lo[1], hi[1]) == (0.0, 5.0)


def test_a_step_more_is_taken_where_a_fine_one_can_come_back_but_not_where_it_would_work_against_the_total():
    nest = Nest(np.arange(2))
    assert chosen(nest, [4.5, 4.5], [5.0, 0.0], [5.0, 5.0], 9.0)[0][0] == 5.0
    assert chosen(nest, [2.0, 1.0], [5.0, 0.0], [5.0, 1.0], 3.0)[0][0] == 0.0
    # sun that runs by itself may run more
    assert chosen(nest, [-4.0, 0.0], [5.0, 0.0], [5.0, 3.0], -4.0, runs=[1])[0][0] == -5.0


def test_a_level_under_which_an_inner_limit_can_be_kept_is_taken():
    # inside, the coarse one takes what the other there must give: 30 W, of which 10 W may be left
    nest = Nest(np.arange(3), inside=(Nest(np.array([0, 1]), (-INF, 10.0)),))
    steps = ladder([-20.0, 30.0, 40.0], [15.0, 0.0, 0.0], [30.0, 30.0, 90.0], 50.0)
    at, lo, hi = choose(nest, steps, np.array([-30.0, 30.0, 0.0]), np.array([30.0, 30.0, 90.0]), 50.0)
    assert at[0] == -30.0
    assert reachable(nest, lo, hi)[1] == pytest.approx(90.0)


def test_where_steps_cannot_keep_a_limit_they_are_off():
    nest = Nest(np.arange(2), given=0.5)
    assert chosen(nest, [0.4, 0.1], [0.0, 2.0], [1.0, 4.0], 0.5)[0][1] == 0.0


def test_far_levels_are_taken_where_the_next_ones_do_not_do():
    assert chosen(Nest(np.arange(2)), [-0.5, -7.0], [0.2, 10.0], [1.0, 10.0], -8.0)[0].tolist() == [-1.0, 0.0]


def test_many_devices_of_a_kind_cost_a_few_trials():
    count = 20_000
    at, _, _ = chosen(Nest(np.arange(count)), [2.5] * count, [1.0] * count, [5.0] * count, 2.5 * count)
    assert at.sum() == 2.5 * count


@given(seed=st.integers(0, 1_000_000))
def test_limits_are_kept_and_no_other_choice_brings_the_total_nearer_by_more_than_a_step(seed):
    draw = random.Random(seed)
    steps = np.array([draw.choice([1_000.0, 2_000.0]) for _ in range(3)] + [0.0, 0.0])
    most = np.array([4_000.0] * 3 + [draw.choice([0.0, 1_000.0, 6_000.0]), 2_000.0])
    inner = Nest(
        np.array([0, 1, 3]),
        (-draw.choice([3_000.0, 9_000.0]), draw.choice([2_000.0, 5_000.0, 9_000.0])),
        draw.choice([3_000.0, INF]),
    )
    nest = Nest(np.arange(5), (-INF, draw.choice([4_000.0, INF])), INF, draw.choice([2_000.0, INF]), (inner,))
    target, weight = draw.uniform(-14_000.0, 14_000.0), np.maximum(most, 1.0)
    powers = split_one_way(nest, target, -most, most, np.zeros(5), weight)
    at, lo, hi = chosen(nest, powers, steps, most, target)

    def comes_to(levels):
        """How far from the target, and by how much limits are passed."""
        ends = np.array([*levels, *lo[3:]]), np.array([*levels, *hi[3:]])
        found = split_one_way(nest, target, *ends, np.array([*levels, 0.0, 0.0]), weight)
        return abs(target - found.sum()), nest.passed(found)

    off, passed = comes_to(at[:3])
    assert passed <= KEPT_W
    ways = [np.sign(target) * np.arange(0.0, 4_001.0, step) for step in steps[:3]]
    best = min(there for there, over in map(comes_to, itertools.product(*ways)) if over <= KEPT_W)
    assert off <= best + 2_000.0 + 1.0
