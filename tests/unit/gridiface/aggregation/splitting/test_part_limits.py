"""Limits on generation and load beside bounds on the sums of groups inside."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridiface.aggregation.allocate import Problem, strategy
from gridiface.aggregation.allocate.tree import Cap, split_tree
from gridiface.aggregation.splitting.part_limits import PartLimit, within

KW = 1_000.0


def split_within(limits, lo, hi, target, around, *, near=None, base=0.0):
    """The powers for a target; `near`: what can be reached in time, of the hard bounds; `base`: from where all move."""
    hard = np.array(lo, dtype=float), np.array(hi, dtype=float)
    low, high = (bound.copy() for bound in hard) if near is None else (np.array(bound, dtype=float) for bound in near)

    def split():
        inside = min(max(target, around.low), around.high)
        start, weight = np.clip(base, low, high), np.maximum(hard[1] - hard[0], 1.0)
        problem = Problem(target=inside, lo=low, hi=high, base=start, weight=weight)
        return split_tree(strategy("water-filling"), problem, around.inside)

    return within(limits, low, high, split, hard, (around.low, around.high), around.inside)


def whole(count, *inside, low=-np.inf, high=np.inf):
    return Cap(np.arange(count), low, high, inside)


def turned(sign, low, high):
    return (low, high) if sign > 0 else (-high, -low)


SIGNS = pytest.mark.parametrize("sign", [1.0, -1.0])


@SIGNS
def test_without_groups_inside_all_are_cut_alike(sign):
    lo, hi = [-5 * KW] * 3, [5 * KW] * 3
    powers = split_within([PartLimit(np.arange(3), sign, 6 * KW)], lo, hi, sign * 12 * KW, whole(3))
    assert powers == pytest.approx([sign * 2 * KW] * 3)


@SIGNS
def test_who_keeps_the_net_of_an_inner_group_is_not_cut_while_others_can_give_way(sign):
    # The group of the first has a net limit that a fixed part of 3 kW fills: the first must make up for all of it.
    low, high = turned(sign, 3 * KW, np.inf)
    inner = Cap(np.array([0]), low, high)
    limit = PartLimit(np.arange(3), sign, 4.5 * KW)
    powers = split_within([limit], [-5 * KW] * 3, [5 * KW] * 3, sign * 15 * KW, whole(3, inner))
    assert powers == pytest.approx([sign * 3 * KW, sign * 0.75 * KW, sign * 0.75 * KW])


@SIGNS
def test_where_nobody_else_can_give_way_the_limit_on_the_part_is_kept_and_the_lack_shared(sign):
    low, high = turned(sign, 3 * KW, np.inf)
    inner = Cap(np.array([0]), low, high), Cap(np.array([1]), low, high)
    limit = PartLimit(np.arange(3), sign, 4 * KW)
    powers = split_within([limit], [-5 * KW] * 3, [5 * KW] * 3, sign * 15 * KW, whole(3, *inner))
    assert powers == pytest.approx([sign * 2 * KW, sign * 2 * KW, 0.0])


@SIGNS
def test_what_an_inner_group_may_not_show_to_its_neighbours_does_not_count_as_their_help(sign):
    # The net of the first two is 0 at most in the limit's direction: what one of them does the other makes up for.
    still, needs = turned(sign, -np.inf, 0.0), turned(sign, 2 * KW, np.inf)
    feeder = Cap(np.array([0, 1, 2]), *needs, (Cap(np.array([0, 1]), *still),))
    lo, hi = turned(sign, np.array([-5 * KW, 0.0, 0.0]), np.array([0.0, 5 * KW, 5 * KW]))
    limit = PartLimit(np.arange(3), sign, 2 * KW)
    base = sign * np.array([-5 * KW, 5 * KW, 5 * KW])
    powers = split_within([limit], lo, hi, sign * 5 * KW, whole(3, feeder), base=base)
    assert powers == pytest.approx([0.0, 0.0, sign * 2 * KW])


@SIGNS
def test_a_ramp_gives_way_where_only_that_keeps_both(sign):
    # The second of the group still does 3 kW the other way and could stop at once, against its ramp.
    inner = Cap(np.array([0, 1]), *turned(sign, 0.0, np.inf))
    lo, hi = turned(sign, np.array([0.0, -5 * KW]), np.array([5 * KW, 0.0]))
    near = turned(sign, np.array([0.0, -3 * KW]), np.array([5 * KW, -3 * KW]))
    limit = PartLimit(np.array([0, 1]), sign, 1 * KW)
    powers = split_within([limit], lo, hi, sign * 2 * KW, whole(2, inner), near=near)
    assert sign * powers[0] <= 1 * KW + 1e-6
    assert sign * powers.sum() >= -1e-6


@SIGNS
def test_what_a_device_must_do_comes_before_the_limit(sign):
    lo, hi = turned(sign, np.array([4 * KW, 0.0]), np.array([5 * KW, 5 * KW]))
    powers = split_within([PartLimit(np.arange(2), sign, 3 * KW)], lo, hi, sign * 9 * KW, whole(2))
    assert powers == pytest.approx([sign * 4 * KW, 0.0])


@dataclass
class Group:
    """A drawn group: fixed power beside its devices, limits of net and parts, W."""

    rows: list[int]
    fixed: float
    inside: list["Group"] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)

    def all(self):
        return [found for child in self.inside for found in child.all()] + [self]

    @property
    def beside(self):
        """What is fixed: (given, taken, net)."""
        parts = [one.fixed for one in self.all()]
        return sum(max(part, 0.0) for part in parts), sum(max(-part, 0.0) for part in parts), sum(parts)

    def cap(self):
        given, taken, net = self.beside
        get = self.limits.get
        high = min(get("export", np.inf) - net, max(get("generation", np.inf) - given, 0.0))
        low = max(-get("draw", np.inf) - net, -max(get("load", np.inf) - taken, 0.0))
        return Cap(np.array(self.rows), min(low, high), high, tuple(child.cap() for child in self.inside))

    def part_limits(self):
        given, taken, _ = self.beside
        found = [one for child in self.inside for one in child.part_limits()]
        rows = np.array(self.rows)
        if "generation" in self.limits:
            found.append(PartLimit(rows, 1.0, max(self.limits["generation"] - given, 0.0)))
        if "load" in self.limits:
            found.append(PartLimit(rows, -1.0, max(self.limits["load"] - taken, 0.0)))
        return found

    def lines(self, count):
        """Its limits, and of those inside, over what each device gives and takes."""
        for group in self.all():
            given, taken, net = group.beside
            line = np.zeros((2, count))
            line[:, group.rows] = 1.0
            gives, takes = line * [[1.0], [0.0]], line * [[0.0], [1.0]]
            for name, weights, already in (
                ("export", gives - takes, net),
                ("draw", takes - gives, -net),
                ("generation", gives, given),
                ("load", takes, taken),
            ):
                if name in group.limits:
                    yield name, weights.ravel(), group.limits[name] - already

    @classmethod
    def drawn(cls, draw, rows, powers, depth=0):
        """A tree of groups with limits that these powers keep, many of them just so."""
        made = cls(rows, draw.choice([0.0, 0.0, 3 * KW, -3 * KW]))
        if depth < 3 and len(rows) > 1:
            cut = draw.randint(1, len(rows) - 1)
            inner = [part for part in (rows[:cut], rows[cut:]) if draw.random() < 0.8]
            made.inside = [cls.drawn(draw, part, powers, depth + 1) for part in inner]
        given, taken, net = made.beside
        given += sum(max(powers[row], 0.0) for row in rows)
        taken += sum(max(-powers[row], 0.0) for row in rows)
        net += sum(powers[row] for row in rows)
        for name, there in (("export", net), ("draw", -net), ("generation", given), ("load", taken)):
            if draw.random() < 0.4:
                made.limits[name] = max(there, 0.0) + draw.choice([0.0, 0.0, 1 * KW])
        return made


@given(seed=st.integers(0, 1_000_000))
@example(seed=2_771)
@example(seed=2_904)
@settings(max_examples=150, deadline=None)
def test_all_limits_are_kept_where_they_can_be(seed):
    draw = random.Random(seed)
    count = draw.randint(2, 7)
    lo = np.array([draw.choice([0.0, -1 * KW, -5 * KW]) for _ in range(count)])
    hi = np.array([draw.choice([0.0, 1 * KW, 5 * KW]) for _ in range(count)])
    could = [draw.uniform(low, high) for low, high in zip(lo, hi, strict=True)]
    for at in range(count):
        if draw.random() < 0.2:
            lo[at] = hi[at] = could[at]
    top = Group.drawn(draw, list(range(count)), could)
    base = np.array([draw.choice([low, 0.0, high]) for low, high in zip(lo, hi, strict=True)])
    target = draw.choice([-20, -5, 0, 5, 20]) * KW
    powers = split_within(top.part_limits(), lo, hi, target, top.cap(), base=base)
    assert np.all((powers >= lo - 1e-6) & (powers <= hi + 1e-6))
    both = np.concatenate([np.maximum(powers, 0.0), np.maximum(-powers, 0.0)])
    for name, line, most in top.lines(count):
        assert line @ both <= most + 1.0, (name, most, top)
