"""What reactive power is certain: beside watts that may be any, devices that go on, and devices that cannot be told."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask
from tests.unit.gridiface.aggregation.splitting.test_vars import inverter

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate
from gridiface.domain.telemetry import Snapshot

ALL = Target(TargetKind.GROUP, "all")


def world_of(bench, **vars_):
    """Two inverters of 5 kVA, and others that show these vars."""
    world = bench(inverter("a"), inverter("b"), *(inverter(name) for name in vars_))
    groups = [Group(id="all", members=("a", "b", *vars_)), Group(id="inner", members=("b",), parent="all")]
    world.engine.set_groups(groups, world.now)

    def look():
        times = {"source_time": world.now, "received": world.now}
        rest = [(name, vars_.get(name, 0.0)) for name in ("a", "b", *vars_)]
        world.engine.observe(
            [Snapshot(device_id=name, w=0.0, var=var, soc=0.5, **times) for name, var in rest], world.now
        )

    world.look = look
    world.step(1, 3)
    return world


def series(world, target=ALL):
    """The next hour."""
    return list(world.engine.envelope(target, [world.now, world.now + 600.0, world.now + 3_600.0], world.now))


def test_it_is_what_the_circle_leaves_beside_any_power_and_beside_what_is_planned(bench):
    (first, _) = series(world_of(bench))
    assert (first.min_var, first.max_var) == (pytest.approx(-10_000.0), pytest.approx(10_000.0))
    assert (first.sure_min_var, first.sure_max_var) == (pytest.approx(0.0), pytest.approx(0.0))


def test_who_cannot_be_told_counts_as_it_is(bench):
    world = world_of(bench, c=700.0)
    world.engine.desk.block("c", True, world.now)
    world.step(1, 2)
    (first, _) = series(world)
    assert (first.min_var, first.max_var) == (pytest.approx(-9_300.0), pytest.approx(10_700.0))
    world.submit(ask("q", start=world.now - T0, set_var=-9_300.0))
    world.step(1, 3)
    told = {point.device_id: point.reactive_power_var for _, point in world.log}
    assert sum(told.values()) + 700.0 == pytest.approx(-9_300.0)  # it is there


def test_a_device_and_a_group_inside_with_vars_of_their_own_go_on_with_them(bench):
    world = world_of(bench)
    world.submit(ask("q", group="inner", start=world.now - T0, set_var=2_000.0))
    world.step(1, 3)
    (first, _) = series(world)
    assert (first.min_var, first.max_var) == (pytest.approx(-3_000.0), pytest.approx(7_000.0))
    # Beside any power "b" may have anything from nothing to 2 kvar, and "a" nothing to make up for it.
    assert (first.sure_min_var, first.sure_max_var) == (None, None)
    (inner, _) = series(world, Target(TargetKind.GROUP, "inner"))  # asked anew it lets go of what it was asked
    assert (inner.min_var, inner.max_var) == (pytest.approx(-5_000.0), pytest.approx(5_000.0))
    assert np.isfinite(inner.sure_max_var)


def test_a_group_inside_goes_on_with_what_it_is_asked_at_its_own_meter(bench):
    world = bench(inverter("a"), inverter("b"), Device(id="m", kind=DeviceKind.METER, nameplate=Nameplate(max_w=0.0)))
    inner = Group(id="inner", members=("b",), parent="all", meter="m")
    world.engine.set_groups([Group(id="all", members=("a", "b")), inner], world.now)

    def look():
        told = {point.device_id: point.reactive_power_var or 0.0 for _, point in world.log}
        seen = [("a", told.get("a", 0.0)), ("b", told.get("b", 0.0)), ("m", told.get("b", 0.0) - 800.0)]
        times = {"source_time": world.now, "received": world.now}
        world.engine.observe([Snapshot(device_id=name, w=0.0, var=var, **times) for name, var in seen], world.now)

    world.look = look
    world.submit(ask("q", group="inner", set_var=2_000.0))
    world.step(1, 10)
    assert world.log[-1][1].reactive_power_var == pytest.approx(2_800.0)
    (first, _) = series(world)
    assert (first.min_var, first.max_var) == (pytest.approx(-3_000.0), pytest.approx(7_000.0))
