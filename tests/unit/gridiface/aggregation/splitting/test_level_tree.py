"""Sums under nested limits, changed step by step: as if worked out at once, and as before once taken back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.splitting.level_tree import Score, Tree, between, change_of, of_levels
from gridiface.aggregation.splitting.nested import KEPT_W, Nest, reachable, split_one_way

INF = float("inf")


def drawn(draw, count):
    """Groups in groups with limits, most of which can be kept."""

    def limits():
        net = (-draw.choice([INF, 3.0, 9.0]), draw.choice([INF, 3.0, 9.0]))
        return net, draw.choice([INF, INF, 6.0]), draw.choice([INF, INF, 6.0])

    rows = np.arange(count)
    inmost = Nest(rows[:2], *limits())
    inner = Nest(rows[: count // 2], *limits(), inside=(inmost,))
    return Nest(rows, *limits(), inside=(inner, Nest(rows[count // 2 : -1], *limits())))


@given(seed=st.integers(0, 1_000_000))
def test_a_tree_says_what_devices_at_their_levels_can_come_to_and_by_how_much_they_pass_limits(seed):
    draw = random.Random(seed)
    count = 9
    nest = drawn(draw, count)
    coarse = np.array([draw.random() < 0.5 for _ in range(count)])
    lo = np.array([-draw.uniform(0.0, 5.0) for _ in range(count)])
    hi = np.array([draw.uniform(0.0, 5.0) for _ in range(count)])
    tree = Tree(nest, lo, hi, coarse)
    assert sorted(row for rows in tree.rows for row in rows.tolist()) == np.flatnonzero(coarse).tolist()
    levels = dict.fromkeys(np.flatnonzero(coarse).tolist(), 0.0)
    for _ in range(12):
        cell = draw.choice([cell for cell, rows in enumerate(tree.rows) if rows.size] or [None])
        if cell is None:
            return
        row = draw.choice(tree.rows[cell].tolist())
        level = draw.choice([-4.0, 0.0, 2.0, 4.0])
        mark, before = tree.mark(), (tree.passed, *tree.net)
        change = change_of(between(levels[row], levels[row]), between(level, level))
        tree.add(cell, change)
        if draw.random() < 0.4:
            tree.undo(mark)
            assert (tree.passed, *tree.net) == pytest.approx(before)
            continue
        levels[row] = level
        least, most = lo.copy(), hi.copy()
        least[list(levels)] = most[list(levels)] = list(levels.values())
        found = split_one_way(nest, 0.0, least, most, np.zeros(count), np.ones(count))
        if tree.passed <= 1e-9:
            assert tree.net == pytest.approx(reachable(nest, least, most))
            assert nest.passed(found) <= KEPT_W
        else:
            assert nest.passed(found) > 0.0


def test_what_a_device_between_two_levels_comes_to_holds_both():
    assert between(-3.0, 5.0) == (-3.0, 5.0, 0.0, 5.0, 0.0, 3.0)
    assert between(2.0, 5.0) == (2.0, 5.0, 2.0, 5.0, 0.0, 0.0)
    assert of_levels(np.array([-3.0, 5.0])) == (2.0, 2.0, 5.0, 5.0, 3.0, 3.0)


def test_many_groups_cost_no_more_than_the_way_up(monkeypatch):
    count = 2_000
    nest = Nest(
        np.arange(count), (-INF, 50.0), inside=tuple(Nest(np.array([row]), (-1.0, 1.0)) for row in range(count))
    )
    tree = Tree(nest, np.zeros(count), np.zeros(count), np.ones(count, dtype=bool))
    looked = []
    under = Tree._under
    monkeypatch.setattr(Tree, "_under", lambda self, cell: looked.append(cell) or under(self, cell))
    tree.add(7, between(2.0, 2.0))
    assert looked == [7, count]
    assert tree.passed == pytest.approx(1.0)
    assert tree.lack(5.0) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("one", "than", "better"),
    [
        (Score(0.0, 5.0, False), Score(2.0, 0.0, False), True),  # limits first
        (Score(0.0, 0.0, True), Score(0.0, 5.0, False), False),  # then that nobody works against the total
        (Score(0.0, 4.0, False), Score(0.0, 5.0, False), True),  # then what is missing
        (Score(0.0, -1.0, False), Score(0.0, 5.0, False), False),  # on the side where it was
    ],
)
def test_what_is_better(one, than, better):
    assert one.better(than, 1.0) is better
