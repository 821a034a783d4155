"""One step over a plan: totals become powers under all limits, and the account of each node says what held it."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.deciding.arbitration import Ruling, claims_of, rule
from gridiface.aggregation.deciding.plan import Node, empty_plan
from gridiface.aggregation.envelope.limits import Bound, envelope, intersect
from gridiface.aggregation.splitting.solution import Settings
from gridiface.aggregation.splitting.solver import Solver
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import CONFIGURATION
from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Group, Nameplate


class Case:
    """A plan by hand: `total("all", 5000, rows, ...)` and `limit("street", rows, high=...)` make its nodes."""

    def __init__(self, *devices):
        self.columns = Columns()
        for device in devices:
            self.columns.put(device)
        c = self.columns
        c.w[:], c.soc[:], c.received[:], c.seen[:], c.touched[:] = 0.0, 0.5, T0, 1, True
        self.targets = {}
        self.plan = empty_plan(c)

    def total(self, name, watts, rows, **more):
        self.targets[name] = watts
        return self._node(name, rows, rule(claims_of(ask(f"of {name}", set_w=watts))), **more)

    def limit(self, name, rows, **more):
        return self._node(name, rows, Ruling(), **more)

    def _node(self, name, rows, ruling, *, high=None, low=None, inside=()):
        bounds = []
        if high is not None:
            bounds.append(Bound(high, ControlMode.EXPORT_LIMIT, CONFIGURATION, ""))
        if low is not None:
            bounds.append(Bound(low, ControlMode.IMPORT_LIMIT, CONFIGURATION, ""))
        return Node(
            Group(id=name, members=()),
            np.array(rows),
            ruling,
            intersect(bounds),
            strategy("water-filling"),
            inside=tuple(inside),
        )

    def solve(self, *roots, bounds=None, **settings):
        for root in roots:
            root.finish()
        self.plan.roots = roots
        bounds = bounds or self.bounds()
        solver = Solver(self.columns, self.plan, bounds, lambda node: self.targets[node.id], {}, Settings(**settings))
        return solver.solve()

    def bounds(self):
        return envelope(self.columns, T0, horizon_s=1e6, hold_time_s=60.0)


def batteries(count, watts=5_000.0):
    return Case(*(battery(f"d{number}", watts=watts) for number in range(count)))


def roof(name, watts=5_000.0, *able):
    able = frozenset(able or (Capability.LIMIT_W,))
    return Device(id=name, kind=DeviceKind.PV, nameplate=Nameplate(max_w=watts, capabilities=able))


@pytest.mark.parametrize("watts", [-14_000.0, -3.0, 0.0, 8_000.0, 15_000.0])
def test_a_total_is_reached_to_the_watt(watts):
    case = batteries(3)
    found = case.solve(case.total("all", watts, [0, 1, 2]))
    assert found.watts.sum() == pytest.approx(watts, abs=0.5)
    result = found.results["all"]
    assert (result.wanted, result.clipped) == (watts, None)
    assert result.total == pytest.approx(watts, abs=0.5)
    assert (result.low, result.high) == (-15_000.0, 15_000.0)


def test_more_than_they_can_do_is_all_that_they_can_do():
    case = batteries(2)
    found = case.solve(case.total("all", 50_000.0, [0, 1]))
    assert found.watts.tolist() == [5_000.0, 5_000.0]
    assert found.results["all"].total == 10_000.0


def test_a_limit_of_the_same_group_cuts_its_total_and_is_named():
    case = batteries(2)
    found = case.solve(case.total("all", 8_000.0, [0, 1], high=6_000.0))
    assert found.watts.sum() == pytest.approx(6_000.0)
    assert found.results["all"].clipped.watts == 6_000.0


def test_a_limit_inside_is_kept_and_the_others_make_up_for_it():
    case = batteries(3)
    street = case.limit("street", [0, 1], high=2_000.0)
    found = case.solve(case.total("all", 6_000.0, [0, 1, 2], inside=[street]))
    assert found.watts[:2].sum() == pytest.approx(2_000.0)
    assert found.watts[2] == pytest.approx(4_000.0)
    assert found.results["street"].clipped.watts == 2_000.0
    assert found.results["street"].total == pytest.approx(2_000.0)


def test_a_total_inside_stands_and_the_rest_comes_to_the_total_around():
    case = batteries(4)
    street = case.total("street", 1_000.0, [0, 1])
    found = case.solve(case.total("all", 6_000.0, [0, 1, 2, 3], inside=[street]))
    assert found.watts[:2].sum() == pytest.approx(1_000.0)
    assert found.watts[2:].sum() == pytest.approx(5_000.0)


def test_a_total_inside_gives_way_only_where_a_limit_around_it_cannot_be_kept_otherwise():
    case = batteries(2)
    street = case.total("street", 5_000.0, [0])
    found = case.solve(case.limit("all", [0, 1], high=3_000.0, inside=[street]))
    assert found.watts[0] == pytest.approx(5_000.0)  # the other one can take the rest
    assert found.watts[1] == pytest.approx(-2_000.0)
    case = batteries(1)
    street = case.total("street", 5_000.0, [0])
    found = case.solve(case.limit("all", [0], high=3_000.0, inside=[street]))
    assert found.watts[0] == pytest.approx(3_000.0)
    assert found.results["street"].total == pytest.approx(3_000.0)


def test_a_limit_without_a_total_leaves_who_is_within_alone():
    case = batteries(2)
    found = case.solve(case.limit("all", [0, 1], high=3_000.0))
    assert np.isnan(found.watts).all()
    assert found.results["all"].wanted is None


def test_roofs_under_a_limit_are_held_down_by_ceilings():
    case = Case(roof("r"), roof("s"))
    case.columns.w[:] = 4_000.0
    case.columns.natural_w[:] = 4_000.0
    found = case.solve(case.limit("all", [0, 1], high=6_000.0))
    assert np.isnan(found.watts).all()  # they can only be held down
    assert found.ceilings.sum() == pytest.approx(6_000.0)


def test_who_is_asked_by_itself_is_not_asked_by_its_group():
    case = batteries(3)
    case.plan.single = True
    case.plan.device_w[0] = -2_000.0
    found = case.solve(case.total("all", 3_000.0, [0, 1, 2]))
    assert found.watts[0] == -2_000.0
    assert found.watts[1:].sum() == pytest.approx(5_000.0)


def test_who_is_off_is_told_nothing_but_nought():
    case = batteries(2)
    case.plan.off[0] = True
    found = case.solve(case.total("all", 4_000.0, [0, 1]))
    assert found.watts.tolist() == pytest.approx([0.0, 4_000.0])


def test_a_device_that_is_not_free_counts_with_what_it_does():
    case = batteries(2)
    case.columns.blocked[0] = True
    case.columns.w[0] = 1_500.0
    found = case.solve(case.total("all", 4_000.0, [0, 1]))
    assert np.isnan(found.watts[0])
    assert found.watts[1] == pytest.approx(2_500.0)
    assert (found.results["all"].held, found.results["all"].total) == (1_500.0, pytest.approx(4_000.0))


def test_coarse_devices_stand_on_their_steps_and_fine_ones_carry_the_rest():
    steps = DriverTraits(power_step_w=1_000.0)
    case = Case(battery("coarse", watts=4_000.0, traits=steps), battery("fine", watts=900.0))
    for watts in (0.0, 700.0, 2_300.0, 3_450.0, -1_800.0, 4_900.0):
        found = case.solve(case.total("all", watts, [0, 1]))
        assert found.watts[0] % 1_000.0 == pytest.approx(0.0)
        assert found.watts.sum() == pytest.approx(watts, abs=0.5)


def test_phases_are_balanced_where_single_phase_devices_leave_the_choice():
    case = Case(*(battery(name, phases=name, tier=tier) for tier, name in enumerate("ABC", start=1)))
    root = case.total("all", 6_000.0, [0, 1, 2])
    root.strategy = strategy("merit-order")
    one_sided = case.solve(root).watts
    assert one_sided.max() == 5_000.0  # the first in the order, as far as it goes
    found = case.solve(root, phase_spread=0.2)
    assert found.watts.sum() == pytest.approx(6_000.0, abs=0.5)
    assert found.watts.max() - found.watts.min() <= 0.2 * 2_000.0 + 1.0


def test_a_vehicle_that_must_charge_does_so_without_anybody_asking():
    case = batteries(1)
    bounds = replace(case.bounds(), floors=np.array([0]), near_hi=np.array([-3_000.0]))
    assert case.solve(bounds=bounds).watts.tolist() == [-3_000.0]
