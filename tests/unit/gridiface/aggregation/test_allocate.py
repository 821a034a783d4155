"""Every strategy keeps the constraints; water-filling is the minimiser; caps of nested groups hold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.aggregation.allocate import Problem, strategy
from gridiface.aggregation.allocate.registry import BUILT_IN
from gridiface.aggregation.allocate.tree import Cap, reach, split_tree
from gridiface.aggregation.allocate.water_filling import water_fill

WATTS = st.floats(-1e5, 1e5, allow_nan=False, allow_subnormal=False)


@st.composite
def problems(draw, base_zero=False, most=30):
    count = draw(st.integers(1, most))
    ends = draw(st.lists(st.tuples(WATTS, WATTS), min_size=count, max_size=count))
    lo = np.array([min(pair) for pair in ends])
    hi = np.array([max(pair) for pair in ends])
    if base_zero:
        lo, hi = np.minimum(lo, 0.0), np.maximum(hi, 0.0)
        base = np.zeros(count)
    else:
        base = np.array(draw(st.lists(WATTS, min_size=count, max_size=count)))
    weight = np.array(draw(st.lists(st.floats(1.0, 1e5), min_size=count, max_size=count)))
    return Problem(
        target=draw(st.floats(-4e6, 4e6)),
        lo=lo,
        hi=hi,
        base=base,
        weight=weight,
        tier=np.array(draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))),
        charge=np.array(draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))),
        running=np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count))),
    )


@pytest.mark.parametrize("name", sorted(BUILT_IN))
@given(problem=problems())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_and_the_sum_is_exact_or_the_nearest_feasible(name, problem):
    powers = strategy(name).split(problem)
    assert np.all(powers >= problem.lo - 1e-6)
    assert np.all(powers <= problem.hi + 1e-6)
    nearest = min(max(problem.target, problem.lo.sum()), problem.hi.sum())
    assert powers.sum() == pytest.approx(nearest, abs=1e-5, rel=1e-9)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
@given(problem=problems(base_zero=True))
@settings(max_examples=50, deadline=None)
def test_nobody_works_against_the_sign_of_the_target(name, problem):
    powers = strategy(name).split(problem)
    assert np.all(powers * np.sign(problem.target) >= -1e-6)


@pytest.mark.parametrize("name", ["water-filling", "merit-order", "proportional"])
@given(problem=problems(), more=st.floats(0, 1e5))
@settings(max_examples=40, deadline=None)
def test_nobody_falls_when_the_target_rises(name, problem, more):
    before = strategy(name).split(problem)
    after = strategy(name).split(problem.take(np.arange(problem.lo.size), problem.target + more))
    assert np.all(after >= before - 1e-5)


@given(problem=problems(most=8), data=st.data())
@settings(max_examples=60, deadline=None)
def test_water_filling_is_the_minimiser(problem, data):
    powers = water_fill(problem.target, problem.lo, problem.hi, problem.base, problem.weight)
    # Moving any watt from one device to another that both can bear must not help: the optimality condition.
    slope = (powers - problem.base) / problem.weight
    can_fall, can_rise = powers > problem.lo + 1e-6, powers < problem.hi - 1e-6
    if problem.lo.sum() < problem.target < problem.hi.sum() and can_fall.any() and can_rise.any():
        assert slope[can_fall].max() <= slope[can_rise].min() + 1e-6 * max(1.0, np.abs(slope).max())


def test_water_filling_leaves_its_arguments_alone_and_is_deterministic():
    lo, hi, base, weight = np.array([-1.0, 0.0]), np.array([2.0, 9.0]), np.zeros(2), np.array([1.0, 3.0])
    kept = [array.copy() for array in (lo, hi, base, weight)]
    first = water_fill(5.0, lo, hi, base, weight)
    assert first.tolist() == water_fill(5.0, lo, hi, base, weight).tolist() == [1.25, 3.75]
    assert all(np.array_equal(a, b) for a, b in zip(kept, (lo, hi, base, weight), strict=True))


def test_water_filling_without_weight_still_reaches_the_target():
    powers = water_fill(5.0, np.zeros(2), np.array([2.0, 9.0]), np.zeros(2), np.array([1.0, 0.0]))
    assert powers.tolist() == pytest.approx([2.0, 3.0])


def test_merit_order_uses_up_one_tier_before_the_next():
    problem = Problem(
        target=7.0,
        lo=np.zeros(3),
        hi=np.array([5.0, 5.0, 5.0]),
        base=np.zeros(3),
        weight=np.ones(3),
        tier=np.array([2, 1, 3]),
    )
    assert strategy("merit-order").split(problem).tolist() == [2.0, 5.0, 0.0]


def test_proportional_gives_everyone_the_same_part_of_its_headroom():
    problem = Problem(target=6.0, lo=np.zeros(2), hi=np.array([4.0, 8.0]), base=np.zeros(2), weight=np.ones(2))
    assert strategy("proportional").split(problem).tolist() == [2.0, 4.0]


def test_soc_balancing_prefers_the_fuller_on_discharge_and_the_emptier_on_charge():
    values = {"lo": np.full(2, -9.0), "hi": np.full(2, 9.0), "base": np.zeros(2), "weight": np.ones(2)}
    charge = np.array([0.8, 0.2])
    out = strategy("soc-balancing").split(Problem(target=5.0, charge=charge, **values))
    into = strategy("soc-balancing").split(Problem(target=-5.0, charge=charge, **values))
    assert out.tolist() == pytest.approx([4.0, 1.0])
    assert into.tolist() == pytest.approx([-1.0, -4.0])


def test_fewest_units_takes_the_largest_and_stays_with_those_that_run():
    values = {"lo": np.zeros(3), "base": np.zeros(3), "weight": np.ones(3)}
    large = Problem(target=8.0, hi=np.array([5.0, 10.0, 6.0]), **values)
    assert strategy("fewest-units").split(large).tolist() == [0.0, 8.0, 0.0]
    equal = Problem(target=4.0, hi=np.full(3, 5.0), running=np.array([False, False, True]), **values)
    assert strategy("fewest-units").split(equal).tolist() == [0.0, 0.0, 4.0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_fewest_units_stays_with_those_that_are_held_on_at_their_least_power(sign):
    """What these are held at left them less headroom than one at rest, which was started in their place."""
    ends = np.array([[1.0, 5.0], [1.0, 5.0], [0.0, 5.0]]) * sign
    lo, hi = ends.min(axis=1), ends.max(axis=1)
    running = np.array([True, True, False])
    held = Problem(target=9.0 * sign, lo=lo, hi=hi, base=np.zeros(3), weight=np.ones(3), running=running)
    assert strategy("fewest-units").split(held).tolist() == [4.5 * sign, 4.5 * sign, 0.0]


@st.composite
def capped(draw):
    problem = draw(problems(most=12))
    count = problem.lo.size
    cut = draw(st.integers(0, count))
    inner = draw(st.integers(0, cut))

    def cap(rows, inside=()):
        low, high = sorted((draw(WATTS), draw(WATTS)))
        sides = draw(st.sampled_from(["both", "high", "low"]))
        return Cap(
            np.array(rows, dtype=np.int64),
            low if sides != "high" else -math.inf,
            high if sides != "low" else math.inf,
            tuple(inside),
        )

    nested = [cap(range(inner))] if inner else []
    caps = [cap(range(cut), nested)] if cut else []
    if cut < count and draw(st.booleans()):
        caps.append(cap(range(cut, count)))
    return problem, tuple(caps)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
@given(case=capped())
@settings(max_examples=60, deadline=None)
def test_nested_caps_hold_where_the_devices_can_keep_them(name, case):
    problem, caps = case
    powers = split_tree(strategy(name), problem, caps)
    assert np.all(powers >= problem.lo - 1e-5)
    assert np.all(powers <= problem.hi + 1e-5)
    low, high = reach(problem.lo, problem.hi, caps)
    assert powers.sum() == pytest.approx(min(max(problem.target, low), high), abs=1e-4)
    for cap in (*caps, *(child for outer in caps for child in outer.inside)):
        total = powers[cap.rows].sum()
        least, most = reach(problem.lo[cap.rows], problem.hi[cap.rows], _moved(cap))
        assert max(min(cap.low, most), least) - 1e-4 <= total <= min(max(cap.high, least), most) + 1e-4


def _moved(cap):
    """The caps inside, as positions inside the cap's own rows (they are its first ones)."""
    return cap.inside


def test_water_filling_under_caps_matches_brute_force():
    hi, lo = np.array([5.0, 5.0, 5.0, 5.0]), np.zeros(4)
    problem = Problem(target=12.0, lo=lo, hi=hi, base=np.zeros(4), weight=np.array([1.0, 1.0, 1.0, 3.0]))
    powers = split_tree(strategy("water-filling"), problem, (Cap(np.array([2, 3]), high=4.0),))
    assert powers.tolist() == pytest.approx([4.0, 4.0, 1.0, 3.0])


@given(problem=problems(most=10))
@settings(max_examples=60, deadline=None)
def test_linear_programme_of_highs_finds_the_same_cost_as_merit_order(problem):
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed: no oracle")
    target = min(max(problem.target, problem.lo.sum()), problem.hi.sum())
    start = np.clip(problem.base, problem.lo, problem.hi)
    up = target >= start.sum()
    room = problem.hi - start if up else start - problem.lo
    need = abs(target - start.sum())
    cost = problem.tier.astype(float)
    found = optimize.linprog(
        cost, A_eq=[np.ones(cost.size)], b_eq=[need], bounds=list(zip(0 * room, room, strict=True))
    )
    ours = np.abs(strategy("merit-order").split(problem) - start) @ cost
    assert ours == pytest.approx(found.fun, rel=1e-6, abs=1e-3)


@given(case=capped())
@settings(max_examples=60, deadline=None)
def test_linear_programme_of_highs_finds_the_same_reach_under_nested_caps(case):
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed: no oracle")
    problem, caps = case
    count = problem.lo.size
    lines, tops = [], []
    for cap in (*caps, *(child for outer in caps for child in outer.inside)):
        line = np.zeros(count)
        line[cap.rows] = 1.0
        for sign, bound in ((1.0, cap.high), (-1.0, -cap.low)):
            if math.isfinite(bound):
                lines.append(sign * line)
                tops.append(bound)
    if not lines:
        return
    bounds = list(zip(problem.lo, problem.hi, strict=True))
    ends = [optimize.linprog(sign * np.ones(count), A_ub=lines, b_ub=tops, bounds=bounds) for sign in (1.0, -1.0)]
    if not all(end.success for end in ends):
        return  # a cap that its devices cannot keep; the strategies' own test says what then holds
    low, high = reach(problem.lo, problem.hi, caps)
    assert low == pytest.approx(ends[0].fun, rel=1e-6, abs=1e-2)
    assert high == pytest.approx(-ends[1].fun, rel=1e-6, abs=1e-2)
