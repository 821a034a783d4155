"""Reactive power inside the capability circle, and what is said of what does not fit into it."""

from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.conftest import ask

from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate


def inverter(name):
    """A battery of 5 kVA with as much reactive power as the circle leaves."""
    able = frozenset({Capability.SET_W, Capability.LIMIT_W, Capability.SET_VAR})
    plate = Nameplate(
        max_w=5_000.0,
        max_charge_w=5_000.0,
        max_va=5_000.0,
        max_var=5_000.0,
        max_var_neg=5_000.0,
        energy_wh=10_000.0,
        capabilities=able,
    )
    return Device(id=name, nameplate=plate)


def said(world, verdict):
    """(control, value) of the decisions on reactive power with this verdict."""
    return [(one.control_id, one.value) for one in world.decisions if one.verdict == verdict and "var" in one.reason]


def test_it_is_said_how_much_reactive_power_fits_beside_the_active_power(bench):
    world = bench(inverter("a"), inverter("b"))
    world.submit(ask("p", set_w=8_000.0))
    world.submit(ask("q", set_var=5_000.0))
    world.step(1, 3)
    assert said(world, "allocated") == [("q", pytest.approx(5_000.0))]
    world.submit(ask("more", set_var=-9_000.0, created=world.now))
    world.step(1, 3)
    assert said(world, "shortfall") == [("more", pytest.approx(-3_000.0))]  # 3 kvar each beside 4 kW
    world.step(1, 30)
    assert (len(said(world, "allocated")), len(said(world, "shortfall"))) == (1, 1)
    world.submit(ask("less", set_w=0.0, created=world.now))
    world.step(1, 3)
    assert said(world, "allocated")[1:] == [("more", pytest.approx(-9_000.0))]


def test_a_roof_that_is_told_more_than_its_sun_has_its_vars_beside_that(bench):
    roof = replace(inverter("roof"), kind=DeviceKind.PV)
    roof = replace(roof, nameplate=replace(roof.nameplate, max_charge_w=0.0, energy_wh=None))
    world = bench(roof)
    world.lies["roof"] = 3_000.0
    world.step(1, 3)
    world.submit(ask("p", set_w=5_000.0))
    world.submit(ask("q", set_var=5_000.0))
    world.step(1, 10)
    (_, last) = world.log[-1]
    assert last.active_power_w == pytest.approx(3_250.0)
    assert last.reactive_power_var == pytest.approx((5_000.0**2 - 3_250.0**2) ** 0.5)
