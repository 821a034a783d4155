"""The best choice of levels of a few devices: against all choices, and with a bounded number of steps."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.splitting import level_search
from gridiface.aggregation.splitting.level_search import Device, Search
from gridiface.aggregation.splitting.level_tree import Score, Tree, change_of, of_levels
from gridiface.aggregation.splitting.nested import KEPT_W, Nest

INF = float("inf")


def devices_of(tree, powers, levels):
    cells = {row: cell for cell, rows in enumerate(tree.rows) for row in rows.tolist()}
    return [
        Device(row=row, cell=cells[row], power=powers[row], levels=tuple(levels[row]))
        for row in sorted(cells)
        if levels[row]
    ]


def comes_to(nest, lo, hi, coarse, at, target):
    tree = Tree(nest, lo, hi, coarse)
    for cell, rows in enumerate(tree.rows):
        tree.add(cell, change_of((0.0,) * 6, of_levels(at[rows])))
    return tree.passed, tree.lack(target)


@given(seed=st.integers(0, 1_000_000))
def test_no_choice_is_better_than_the_one_that_is_found(seed):
    draw = random.Random(seed)
    kinds = [(-400.0, 0.0, 200.0, 400.0), (-300.0, 0.0, 300.0), (-200.0, -100.0, 0.0, 100.0, 200.0)]
    steps = [draw.choice(kinds) for _ in range(4)]
    coarse = np.array([True] * 4 + [False] * 2)
    lo = np.array([one[0] for one in steps] + [-100.0, 0.0])
    hi = np.array([one[-1] for one in steps] + [50.0, draw.choice([0.0, 100.0])])
    net = -draw.choice([100.0, 400.0]), draw.choice([200.0, 500.0])
    inner = Nest(np.array([0, 1, 4]), net, draw.choice([300.0, INF]))
    nest = Nest(np.arange(6), (-INF, draw.choice([400.0, INF])), INF, draw.choice([200.0, INF]), (inner,))
    target = draw.uniform(-1_000.0, 1_000.0)
    tree, at = Tree(nest, lo, hi, coarse), np.zeros(6)
    known = Score(tree.passed, tree.lack(target), against=True)
    side = float(np.sign(known.lack))
    search = Search(tree, devices_of(tree, [0.0] * 4, steps), target, side, 0.0, against=True)
    found = search.better(known, at)
    assert (tree.passed, tree.lack(target)) == pytest.approx((known.passed, known.lack))
    assert search.whole
    best = known
    for choice in itertools.product(*steps):
        score = Score(*comes_to(nest, lo, hi, coarse, np.array([*choice, 0.0, 0.0]), target), against=True)
        best = score if score.better(best, side) else best
    if found is None:
        assert best == known
    else:
        score, levels = found
        assert not best.better(score, side)
        placed = np.array([*(levels[row] for row in range(4)), 0.0, 0.0])
        assert (score.passed, score.lack) == pytest.approx(comes_to(nest, lo, hi, coarse, placed, target))


def test_nobody_works_against_the_total_where_that_is_not_allowed():
    nest, coarse = Nest(np.arange(1), (2.0, INF)), np.array([True])
    tree = Tree(nest, np.array([-4.0]), np.array([4.0]), coarse)
    device = devices_of(tree, [0.0], [(-4.0, 0.0)])
    known = Score(tree.passed, tree.lack(-4.0), against=False)
    assert known.passed > KEPT_W
    assert Search(tree, device, -4.0, -1.0, 0.0, against=False).better(known, np.zeros(1)) is None


def test_what_is_near_enough_ends_the_search():
    nest, coarse = Nest(np.arange(6)), np.ones(6, dtype=bool)
    levels = [tuple(float(one) for one in range(12))] * 6
    tree = Tree(nest, np.zeros(6), np.full(6, 11.0), coarse)
    search = Search(tree, devices_of(tree, [5.2] * 6, levels), 31.4, 1.0, 1.5, against=False)
    score, found = search.better(Score(0.0, 31.4, against=False), np.zeros(6))
    assert score.lack <= 1.5
    assert sum(found.values()) == pytest.approx(31.4 - score.lack)
    assert search._nodes < 100


def test_a_search_has_a_budget_and_says_that_it_is_not_whole(monkeypatch):
    monkeypatch.setattr(level_search, "NODES", 20)
    # different devices whose levels never come to the target
    levels = [(0.0, 2.0 + 0.001 * number) for number in range(20)]
    nest, coarse = Nest(np.arange(20)), np.ones(20, dtype=bool)
    tree = Tree(nest, np.zeros(20), np.full(20, 3.0), coarse)
    search = Search(tree, devices_of(tree, [1.0] * 20, levels), 19.0, 1.0, 0.0, against=False)
    search.better(Score(0.0, 19.0, against=False), np.zeros(20))
    assert not search.whole
    assert search._nodes <= 20


def test_devices_of_a_kind_are_not_tried_in_each_others_places():
    nest, coarse = Nest(np.arange(12)), np.ones(12, dtype=bool)
    tree = Tree(nest, np.zeros(12), np.full(12, 2.0), coarse)
    search = Search(tree, devices_of(tree, [1.0] * 12, [(0.0, 2.0)] * 12), 11.0, 1.0, 0.0, against=False)
    score, _ = search.better(Score(0.0, 11.0, against=False), np.zeros(12))
    assert score.lack == pytest.approx(1.0)
    assert search.whole
    assert search._nodes < 200
