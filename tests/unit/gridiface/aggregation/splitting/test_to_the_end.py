"""Stored energy carries a power to its end, not beyond."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.controls import Target, TargetKind


@pytest.fixture
def world(bench):
    """Of 10 kWh each, 5 kW; after some readings."""
    return bench(battery("a"), battery("b")).step(steps=3)


def left(world):
    return dict(zip(world.engine._c.ids.tolist(), world.engine._c.lasts_s.tolist(), strict=True))


def test_what_is_left_of_a_control_is_noted_within_the_hold_time_and_forgotten_after_it(world):
    world.submit(ask("c1", start=10, duration=400, set_w=1_000.0))
    world.step(20)
    assert left(world) == {"a": np.inf, "b": np.inf}
    world.step(200)
    assert left(world) == pytest.approx({"a": 187.0, "b": 187.0}, abs=6)
    world.step(183)
    assert min(left(world).values()) >= 5.0  # until the next step it goes on
    world.step(20)
    assert left(world) == {"a": np.inf, "b": np.inf}


def test_a_power_without_an_end_and_a_limit_that_ends_are_held_as_ever(world):
    world.submit(ask("c1", set_w=1_000.0))
    world.submit(ask("c2", duration=60, export_limit=4_000.0, program="dso"))
    world.step(10)
    assert left(world) == {"a": np.inf, "b": np.inf}


def test_of_a_single_device_only_its_own_counts(world):
    world.submit(replace(ask(duration=100, set_w=500.0), target=Target(TargetKind.DEVICE, "a")))
    world.step(10)
    assert left(world)["a"] < 100.0
    assert left(world)["b"] == np.inf


def test_what_was_accepted_to_its_end_is_given_to_its_end(bench):
    """A quarter of an hour at the very power that the energy allows."""
    world = bench(battery("a"), battery("b"), socs={"a": 0.12, "b": 0.12}).step(steps=3)  # 1,200 Wh each
    asked = world.engine.decide(ask(start=10, duration=900, set_w=10_000.0), world.now)[0].feasible_w
    assert 1_000.0 < asked < 10_000.0
    assert world.submit(ask(start=10, duration=900, set_w=0.98 * asked)).feasible_w == pytest.approx(0.98 * asked)
    given = []
    for _ in range(182):
        world.step(5)
        for name, watts in world.told.items():
            world.socs[name] -= (watts or 0.0) * 5 / 3600 / 10_000.0
        given.append(world.total)
    assert min(given[2:-1]) == pytest.approx(0.98 * asked, rel=0.005)
    assert min(world.socs.values()) >= 0.0
