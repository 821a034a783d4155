"""The physics of a unit: exactness, ramps, the battery's edges, seeded noise."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.simulation.sunspec.physics import Demand, Plant, Unit


def plant(**change: float | None) -> Plant:
    values: dict[str, float | None] = {"max_w": 1000, "max_charge_w": 800, "max_var": 400, "energy_wh": 1000}
    return Plant(**(values | {"ramp_w_per_s": 100, "time_constant_s": 0.0} | change))


def test_it_ramps_to_its_demand_and_stays() -> None:
    unit = Unit(plant())
    unit.tell(Demand(power_w=500))
    unit.step(2.5)
    assert unit.w == pytest.approx(250)
    unit.step(10)
    assert unit.w == pytest.approx(500)
    unit.tell(Demand(power_w=-900))
    unit.step(60)
    assert unit.w == pytest.approx(-800)


def test_the_lag_follows_the_first_order_law() -> None:
    unit = Unit(plant(ramp_w_per_s=1e9, time_constant_s=2.0))
    unit.tell(Demand(power_w=500))
    unit.step(2.0)
    assert unit.w == pytest.approx(500 * (1 - math.exp(-1)), rel=1e-5)


@given(st.lists(st.floats(0.001, 0.9), min_size=1, max_size=30), st.floats(-800, 1000), st.floats(0, 3))
def test_many_short_steps_are_one_long_one(parts: list[float], watts: float, tau: float) -> None:
    short, long = (Unit(plant(time_constant_s=tau, energy_wh=1e9)) for _ in range(2))
    for unit in (short, long):
        unit.tell(Demand(power_w=watts))
    for part in parts:
        short.step(part)
    long.step(sum(parts))
    assert short.w == pytest.approx(long.w, abs=1e-3)
    assert short.injected_wh == pytest.approx(long.injected_wh, abs=1e-6)
    assert short.absorbed_wh == pytest.approx(long.absorbed_wh, abs=1e-6)


@given(st.lists(st.tuples(st.floats(-2000, 2000), st.floats(0, 2000)), max_size=20), st.floats(0.2, 0.9))
def test_the_state_of_charge_never_leaves_its_window(steps: list[tuple[float, float]], soc: float) -> None:
    unit = Unit(plant(soc_min=0.1, soc_max=0.95, efficiency=0.9), soc=soc)
    for watts, seconds in steps:
        unit.tell(Demand(power_w=watts))
        unit.step(seconds)
        assert unit.soc is not None
        assert 0.1 <= unit.soc <= 0.95
        assert -800.01 <= unit.w <= 1000.01


def test_efficiency_takes_its_share_both_ways() -> None:
    unit = Unit(plant(efficiency=0.9, ramp_w_per_s=1e9), soc=0.5)
    unit.tell(Demand(power_w=-100))
    unit.step(3600)
    assert unit.soc == pytest.approx(0.59, abs=1e-4)
    unit.tell(Demand(power_w=90))
    unit.step(3600)
    assert unit.soc == pytest.approx(0.49, abs=1e-4)
    assert unit.stored_wh == pytest.approx(490, abs=0.1)


def test_pv_gives_what_there_is_up_to_its_ceiling() -> None:
    unit = Unit(plant(energy_wh=None, max_charge_w=0), available=0.6)
    unit.tell(Demand())
    unit.step(100)
    assert unit.w == pytest.approx(600)
    unit.tell(Demand(ceiling_w=250))
    unit.step(100)
    assert unit.w == pytest.approx(250)
    unit.tell(Demand(power_w=-100))
    unit.step(100)
    assert unit.w == pytest.approx(0)
    assert unit.soc is None
    assert unit.stored_wh is None


def test_disconnecting_is_at_once_and_returning_is_a_ramp() -> None:
    unit = Unit(plant())
    unit.tell(Demand(power_w=500, reactive_var=100))
    unit.step(10)
    unit.tell(Demand(power_w=500, reactive_var=100, connected=False))
    unit.step(0.1)
    assert (unit.w, unit.var) == (0, 0)
    unit.tell(Demand(power_w=500))
    unit.step(1)
    assert unit.w == pytest.approx(100)


def test_a_demand_may_ask_for_a_slower_ramp() -> None:
    unit = Unit(plant())
    unit.tell(Demand(power_w=500, ramp_s=10))
    unit.step(5)
    assert unit.w == pytest.approx(250)


@pytest.mark.parametrize(
    ("demand", "var"), [(Demand(power_w=600, reactive_var=900), 400), (Demand(power_w=300, power_factor=-0.8), -225)]
)
def test_reactive_power(demand: Demand, var: float) -> None:
    unit = Unit(plant())
    unit.tell(demand)
    unit.step(30)
    assert unit.var == pytest.approx(var)


def test_noise_is_repeatable_and_about_the_truth() -> None:
    first, second = (Unit(plant(noise=0.01), seed=5) for _ in range(2))
    for unit in (first, second):
        unit.tell(Demand(power_w=500))
        unit.step(30)
    readings = [first.measure().w for _ in range(200)]
    assert readings == [second.measure().w for _ in range(200)]
    assert sum(readings) / 200 == pytest.approx(500, rel=0.01)
    assert len(set(readings)) > 100


def test_an_inverter_with_losses_delivers_less_than_it_was_told_and_takes_what_it_was_told() -> None:
    unit = Unit(plant(loss=0.1))
    unit.tell(Demand(power_w=500))
    unit.step(60)
    assert unit.w == pytest.approx(450)
    unit.tell(Demand(power_w=-500))
    unit.step(60)
    assert unit.w == pytest.approx(-500)
