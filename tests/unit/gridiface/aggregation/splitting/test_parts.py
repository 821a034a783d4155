"""Pieces of the solver: fixed parts, bounds of single devices, ceilings, near bounds opened for a limit."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, battery

from gridiface.aggregation.allocate.tree import Cap
from gridiface.aggregation.deciding.plan import empty_plan
from gridiface.aggregation.envelope.limits import envelope
from gridiface.aggregation.splitting.parts import (
    Fixed,
    by_itself,
    ceilings,
    cut_part,
    left_alone,
    opened,
    part_of,
    relax,
    with_device_limits,
)
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate


def cap(rows, low=-np.inf, high=np.inf, inside=()):
    return Cap(np.array(rows), low, high, tuple(inside))


def of(*values):
    return np.array(values, dtype=float)


def fixed():
    """Two rows and a node, each with 100 W."""
    street = SimpleNamespace(id="street")
    return Fixed(np.array([3, 5]), [street], of(100, 100, 100), of(-9, -9, -9), of(900, 900, 900))


def inside_of(*, rows=(), nodes=()):
    return SimpleNamespace(bound_below=lambda: [SimpleNamespace(id=name) for name in nodes], loose=np.array(rows))


def test_what_a_part_takes_is_taken_in_the_whole_too():
    whole = fixed()
    part = part_of(whole, inside_of(rows=(5, 7), nodes=("street",)))
    assert part.rows.tolist() == [5]
    assert [node.id for node in part.nodes] == ["street"]
    part_of(part, inside_of(nodes=("street",))).take(of(40))
    assert part.wanted.tolist() == [100, 40]
    assert whole.wanted.tolist() == [100, 100, 40]


def test_what_a_limit_inside_took_is_not_given_back_by_one_around():
    whole = fixed()
    part = part_of(whole, inside_of(rows=(3, 5)))
    before = part.wanted
    part.take(of(60, 130))
    part.narrow(before)
    assert whole.hi.tolist() == [60, 900, 900]
    assert whole.lo.tolist() == [-9, 130, -9]


def test_a_single_device_is_bound_by_what_it_was_told_and_who_is_off_does_nothing():
    columns = Columns()
    for name in "abc":
        columns.put(battery(name))
    columns.w[:], columns.soc[:], columns.received[:], columns.seen[:], columns.touched[:] = 0.0, 0.5, T0, 1, True
    bounds = envelope(columns, T0, horizon_s=5.0, hold_time_s=60.0)
    plan = empty_plan(columns)
    assert with_device_limits(bounds, plan) is bounds
    plan.single = True
    plan.device_high[0], plan.device_low[0], plan.off[2] = 700.0, -300.0, True
    found = with_device_limits(bounds, plan)
    assert (found.lo[0], found.hi[0], found.near_lo[0], found.near_hi[0]) == (-300.0, 700.0, -300.0, 700.0)
    assert (found.lo[1], found.hi[1]) == (bounds.lo[1], bounds.hi[1])
    assert (found.lo[2], found.hi[2], found.base[2]) == (0.0, 0.0, 0.0)


def test_who_is_held_does_by_itself_what_was_seen_before_within_its_settings():
    columns = Columns()
    for name in "abc":
        columns.put(battery(name))
    columns.w[:], columns.natural_w[:] = of(10, 20, 30), of(100, 9_000, np.nan)
    columns.told[:] = False, True, True
    found = by_itself(columns, np.arange(3))
    assert found[:2].tolist() == [10, 5_000]
    assert np.isnan(found[2])


def roofs(*watts):
    columns = Columns()
    able = frozenset({Capability.LIMIT_W})
    for number, most in enumerate(watts):
        plate = Nameplate(max_w=most, capabilities=able)
        columns.put(Device(id=f"d{number}", kind=DeviceKind.PV, nameplate=plate))
    return columns


def test_ceilings_leave_no_sum_above_the_limit_and_nobody_below_its_step():
    columns = roofs(5_000.0, 5_000.0, 1_000.0)
    powers = of(4_000, 0, 500)
    rows, shares = ceilings(columns, np.arange(3), powers, 6_000.0, (), np.full(3, np.inf))
    most = of(5_000, 5_000, 1_000)
    most[rows] = shares
    assert most.sum() == pytest.approx(6_000.0)
    assert (most >= powers - 1e-6).all()


def test_no_ceiling_where_all_that_they_are_rated_for_is_within():
    columns = roofs(5_000.0, 5_000.0)
    rows, _ = ceilings(columns, np.arange(2), of(0, 0), 10_000.0, (), np.full(2, np.inf))
    assert rows.size == 0


def test_a_cap_inside_bounds_its_own_upwards():
    columns = roofs(5_000.0, 5_000.0)
    rows, shares = ceilings(columns, np.arange(2), of(0, 0), np.inf, (cap([1], high=800.0),), np.full(2, np.inf))
    assert dict(zip(rows.tolist(), shares.tolist(), strict=True)) == {1: pytest.approx(800.0)}


def test_what_runs_by_itself_is_taken_off_by_caps_and_nobody_makes_up_for_it():
    base = of(100, 200, 300)
    assert left_alone(base, ()) == 600.0
    inner = cap([0], high=50.0)
    assert left_alone(base, (cap([0, 1], high=220.0, inside=[inner]),)) == 520.0
    assert left_alone(base, (cap([2], low=350.0),)) == 650.0


def test_what_produces_is_scaled_to_the_most_and_what_takes_is_left():
    assert cut_part(of(100, 300, -50), of(0, 0, -50), 200.0) == pytest.approx(of(50, 150, -50))
    assert cut_part(of(100, 300), of(90, 0), 200.0) == pytest.approx(of(90, 110))
    same = of(100, -50)
    assert cut_part(same, of(0, 0), 100.0) is same


def test_near_bounds_open_just_as_far_as_a_sum_asks_and_no_further_than_the_hard_ones():
    assert opened(of(10, 20), of(20, 60), 55.0) == pytest.approx(of(15, 40))
    assert opened(of(10, 20), of(20, 60), 500.0) == pytest.approx(of(20, 60))
    near = of(10, 20)
    assert opened(near, of(20, 60), 30.0) is near


def test_bounds_open_for_a_sum_of_some_and_for_those_inside_of_it():
    lo, hi = of(50, 50, 50), of(60, 60, 60)
    hard = (of(0, 0, 0), of(100, 100, 100))
    relax(lo, hi, hard, (-np.inf, np.inf), (cap([0, 1], high=80.0, inside=[cap([0], low=90.0)]),))
    assert lo.tolist() == [40, 40, 50]
    assert hi.tolist() == [90, 60, 60]
