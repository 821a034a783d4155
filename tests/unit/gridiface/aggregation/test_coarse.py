"""Devices that cannot take every power: the total is as near as their levels allow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.domain.fleet import Constraints, DriverTraits

from .conftest import ask, battery


def test_coarse_devices_alone_come_as_near_as_their_steps_allow(bench):
    world = bench(*(battery(name, traits=DriverTraits(power_step_w=1_000.0)) for name in "abc"))
    world.submit(ask(set_w=4_000.0))
    world.step()
    assert world.total == pytest.approx(4_000.0)
    assert all(watts % 1_000 == 0 for watts in world.told.values())


def test_modes_and_a_least_power(bench):
    modes = battery("m", constraints=Constraints(modes_w=(-5_000.0, 2_000.0, 5_000.0)))
    least = battery("l", constraints=Constraints(min_w=2_500.0))
    world = bench(modes, least, battery("fine"))
    world.submit(ask(set_w=6_000.0))
    world.step()
    assert world.told == pytest.approx({"m": 2_000.0, "l": 0.0, "fine": 4_000.0})


LEVELS = st.lists(st.integers(1, 20).map(lambda n: n * 500.0), min_size=1, max_size=6)


@given(steps=LEVELS, target=st.integers(-60, 60).map(lambda n: n * 500.0), fine=st.booleans())
@settings(max_examples=150, deadline=None)
def test_levels_are_kept_and_the_total_is_not_passed(bench_of, steps, target, fine):
    devices = [battery(f"d{at}", 10_000.0, traits=DriverTraits(power_step_w=step)) for at, step in enumerate(steps)]
    world = bench_of(*devices, *([battery("fine", 10_000.0)] if fine else []))
    world.submit(ask(set_w=target))
    world.step()
    for device, step in zip(devices, steps, strict=True):
        watts = world.told.get(device.id) or 0.0
        assert abs(watts / step - round(watts / step)) < 1e-6
        assert abs(watts) <= 10_000.0 + 1e-6
    assert abs(world.total) <= abs(target) + 1e-3
    reach = sum(step * (10_000.0 // step) for step in steps) + (10_000.0 if fine else 0.0)
    if fine:
        assert abs(world.total - target) <= max(0.0, abs(target) - reach) + max(steps) / 2 + 1e-3
        assert world.total == pytest.approx(target, abs=1e-3) or abs(target) > 10_000.0
    else:
        assert abs(world.total) >= min(abs(target), reach) - max(steps) - 1e-3


@pytest.fixture(scope="module")
def bench_of():
    """`bench` for hypothesis: a fixture of the module."""
    from .conftest import T0, Bench, Engine, EngineConfig, Group  # noqa: PLC0415 - only here

    def make(*devices):
        engine = Engine(EngineConfig(trim_gain=0.0, deadband_w=0.0, deadband_rel=0.0, total_tolerance=0.0))
        for device in devices:
            engine.add_device(device, T0)
        engine.set_groups([Group(id="all", members=tuple(d.id for d in devices))], T0)
        world = Bench(engine)
        world.look()
        world.tick()
        return world

    return make
