"""What groups can give, take and come to under nested limits: by hand, and as a linear programme (HiGHS) finds it."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from gridiface.aggregation.envelope.extent import Extent, extent_of

INF = float("inf")


def of(*ranges, parts=True, silent=(0.0, 0.0)):
    return extent_of(np.array([one[0] for one in ranges]), np.array([one[1] for one in ranges]), silent, parts=parts)


def test_what_devices_can_do_alone_adds_up():
    whole = of((-2.0, 5.0), (1.0, 3.0)) + of((-4.0, 0.0))
    assert (whole.net, whole.given, whole.taken) == ((-5.0, 8.0), (1.0, 8.0), (0.0, 6.0))
    rest = whole - of((-4.0, 0.0))
    assert (rest.net, rest.given, rest.taken) == ((-1.0, 8.0), (1.0, 8.0), (0.0, 2.0))


def test_what_is_taken_at_most_bounds_the_net_where_something_has_to_be_given():
    found = of((3.0, 5.0), (-6.0, 0.0)).under((-INF, INF), INF, 1.0)
    assert (found.net, found.given, found.taken) == ((2.0, 5.0), (3.0, 5.0), (0.0, 1.0))


def test_a_limit_that_cannot_be_kept_is_come_as_near_to_as_can_be():
    assert of((3.0, 5.0)).under((-INF, 1.0), INF, INF).net == (3.0, 3.0)
    assert of((-5.0, -3.0)).under((-INF, INF), INF, 1.0).net == (-3.0, -3.0)


def test_a_limit_on_the_net_of_a_group_inside_is_not_made_up_for_outside_of_it():
    inner, beside = of((-8.0, -8.0), (0.0, 5.0)), of((-1.0, 1.0))
    whole = inner + beside + inner.under((0.0, INF), INF, INF) - inner
    assert whole.net == (-4.0, -2.0)  # inside at most -3 W, which is as near to its 0 W as it comes


def test_where_no_limit_speaks_of_parts_they_are_not_looked_at():
    found = of((-2.0, 5.0), parts=False).under((-INF, 3.0), 1.0, 1.0)
    assert (found.net, found.given, found.taken) == ((-2.0, 3.0), None, None)
    assert (found + found).given is None


def test_who_is_not_heard_counts_with_what_it_may_do_and_the_net_is_as_it_is_asked():
    found = of((-2.0, 1.0), silent=(np.array([3.0]), np.array([-1.0])))
    assert (found.net, found.given, found.taken) == ((-2.0, 1.0), (1.0, 4.0), (0.0, 3.0))
    assert found.under((-INF, INF), 2.0, INF).net == (-2.0, 1.0)  # by how much of it is doubt is not known here


def test_what_is_asked_comes_to_the_end_of_what_limits_leave():
    able = of((-5.0, 5.0)).under((0.0, 2.0), INF, INF)
    assert of((4.0, 4.0)).inside(able).net == (2.0, 2.0)
    assert of((-4.0, 1.0)).inside(able).net == (0.0, 1.0)
    capped = of((0.0, 8.0), (-5.0, 0.0)).under((-INF, INF), 5.0, INF)
    # of 8 W given 5 W are left, and nobody takes less for that
    assert of((8.0, 8.0), (-3.0, -3.0)).inside(capped).net == (2.0, 2.0)


@pytest.mark.parametrize("side", [0, 1])
@given(seed=st.integers(0, 1_000_000))
def test_the_ends_of_the_net_are_those_of_a_linear_programme(side, seed):
    draw = random.Random(seed)
    count = draw.randint(2, 6)
    lo = np.array([draw.choice([-9.0, -4.0, 0.0, 1.0]) for _ in range(count)])
    hi = np.maximum(lo, [draw.choice([-1.0, 0.0, 3.0, 8.0]) for _ in range(count)])
    could = [draw.uniform(*pair) for pair in zip(lo, hi, strict=True)]
    parts = [range(count), range(draw.randint(1, count))]
    parts.append(range(draw.randint(1, len(parts[1]))))
    parts.append(range(len(parts[1]), count))
    limits = []
    for part in parts:
        given, taken = (sum(max(sign * could[at], 0.0) for at in part) for sign in (1.0, -1.0))
        spare = [draw.choice([0.0, 1.0, INF]) for _ in range(4)]
        limits.append((given - taken + spare[0], taken - given + spare[1], given + spare[2], taken + spare[3]))

    def limited(at, inside):
        raw = extent_of(lo[parts[at]], hi[parts[at]], parts=True)
        found = raw
        for alone, under in inside:
            found = found + under - alone
        export, draw_, given, taken = limits[at]
        return raw, found.under((-draw_, export), given, taken)

    feeders = [limited(1, [limited(2, [])]), *([limited(3, [])] if len(parts[3]) else [])]
    _, whole = limited(0, feeders)
    lines, tops = [], []
    for part, bounds in zip(parts, limits, strict=True):
        for (give, take), most in zip(((1, -1), (-1, 1), (1, 0), (0, 1)), bounds, strict=True):
            line = np.zeros((2, count))
            line[0, part], line[1, part] = give, take
            if np.isfinite(most):
                lines.append(line.ravel())
                tops.append(most + 1e-9)
    ends = [(max(one, 0.0), max(other, 0.0)) for one, other in zip(lo, hi, strict=True)]
    ends += [(max(-other, 0.0), max(-one, 0.0)) for one, other in zip(lo, hi, strict=True)]
    sign = 1.0 if side == 0 else -1.0
    net = np.concatenate([np.ones(count), -np.ones(count)])
    found = optimize.linprog(sign * net, A_ub=lines or None, b_ub=tops or None, bounds=ends, method="highs")
    assert found.success
    assert whole.net[side] == pytest.approx(float(net @ found.x), abs=1e-6)


def test_an_extent_of_nobody_is_nothing():
    assert Extent().net == (0.0, 0.0)
    assert of(parts=True).given == (0.0, 0.0)
