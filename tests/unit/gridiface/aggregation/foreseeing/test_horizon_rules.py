"""Who rules a target from an instant on: limits of groups in groups and around, controls of members, silent devices."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.foreseeing.horizon_rules import Rules
from gridiface.aggregation.splitting.nested import reachable
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Capability, DeviceKind, Group, Nameplate

GROUPS = (
    Group(id="site", members=("a", "b", "c")),
    Group(id="feeder", members=("a", "b"), parent="site", max_export_w=6_000.0),
)


@pytest.fixture
def world(bench):
    return bench(battery("a"), battery("b"), battery("c"), groups=GROUPS).step(steps=2)


def rule(world, target, at=50.0, doubt=0.0):
    engine, rows = world.engine, world.engine._fleet.rows_of(target)
    ahead = engine._running.foresight.at(T0 + at, lambda group: 0.0)
    sides = np.full(engine._c.count, doubt), np.full(engine._c.count, -doubt)
    return Rules(engine._c, engine._fleet.tree, engine._metering, target, rows, sides).of(ahead)


def test_limits_inside_and_of_the_target_bound_the_sum(world):
    world.submit(ask("l", group="site", import_limit=9_000.0, program="dso"))
    world.step()
    found = rule(world, Target(TargetKind.GROUP, "site"))
    sides = np.full(3, -5_000.0), np.full(3, 5_000.0)
    assert reachable(found.nest, *sides) == (-9_000.0, 11_000.0)  # 6 kW of the feeder, 5 of c
    assert [(bound.control_id, left) for bound, left in found.limits] == [("l", -9_000.0)]


def test_limits_around_leave_what_others_do_not_take(world):
    world.submit(ask("l", group="site", export_limit=7_000.0, program="dso"))
    world.step()
    feeder = Target(TargetKind.GROUP, "feeder")
    assert rule(world, feeder).outer == (-np.inf, 7_000.0)  # c gives way
    world.engine.desk.block("c", True, world.now)
    world.lies["c"] = 3_000.0
    world.step(steps=2)
    assert rule(world, feeder).outer == (-np.inf, 4_000.0)
    assert rule(world, Target(TargetKind.DEVICE, "a")).outer == (-np.inf, 4_000.0)


def test_members_with_controls_of_their_own_are_asked_already(world):
    world.submit(ask("inner", group="feeder", set_w=2_000.0))
    world.step()
    found = rule(world, Target(TargetKind.GROUP, "site"))
    assert found.asked.tolist() == [True, True, False]
    assert found.will.tolist() == pytest.approx([1_000.0, 1_000.0, 0.0])
    # Who asks the feeder itself takes the place of that.
    assert not rule(world, Target(TargetKind.GROUP, "feeder")).asked.any()


def test_under_limits_who_is_not_heard_counts_with_all_it_may_do(world):
    world.step()
    found = rule(world, Target(TargetKind.GROUP, "feeder"), doubt=1_500.0)
    assert reachable(found.nest, np.full(2, -5_000.0), np.full(2, 5_000.0)) == (-10_000.0, 3_000.0)


def test_under_a_total_others_make_up_for_sun_and_for_what_is_not_there(bench):
    """Two batteries and a roof of 5 kW that gives 3 kW, of which 12 kW are asked; then 20, which they cannot give."""
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    roof = replace(
        battery("r"), kind=DeviceKind.PV, nameplate=Nameplate(max_w=5_000.0, max_charge_w=0.0, capabilities=able)
    )
    world = bench(battery("a"), battery("b"), roof)
    world.lies["r"] = 3_000.0
    world.step(steps=2)
    everybody = Target(TargetKind.GROUP, "all")
    world.submit(ask("c", group="all", set_w=12_000.0, start=20.0))
    (swing,) = rule(world, everybody).swings
    assert swing.total
    assert swing.members.tolist() == [0, 1]
    assert swing.unknown == pytest.approx((3_000.0, 2_000.0))  # gone, or all of it there
    assert swing.up.shares(600.0).tolist() == pytest.approx([300.0, 300.0])  # 500 W are left of each
    assert swing.down.shares(5_000.0)[:2].tolist() == pytest.approx([2_000.0, 2_000.0])  # the roof is cut down as well
    # One that is looked at alone makes up for the other, too, which is not in the target.
    (swing,) = rule(world, Target(TargetKind.DEVICE, "a")).swings
    assert swing.others[0] == pytest.approx(4_500.0)
    world.submit(ask("d", group="all", set_w=20_000.0, start=20.0, authority=2.0))
    found = rule(world, everybody)
    assert found.swings[0].others[0] == pytest.approx(7_000.0)
    assert found.wanting[0].sum() == pytest.approx(2_000.0)  # there may be more sun


def test_limits_on_a_net_alone_are_made_up_for(world):
    world.submit(ask("l", group="site", generation_limit=1_000.0, program="dso"))
    site = Target(TargetKind.GROUP, "site")
    (feeder,) = rule(world, site).swings
    assert feeder.spare == (np.inf, 6_000.0)
    assert not feeder.total
    world.submit(ask("m", group="site", export_limit=2_000.0, program="other"))
    assert [one.spare[1] for one in rule(world, site).swings] == [2_000.0, 6_000.0]
