"""Whatever the strategy: sums, limits, signs, levels; and another one in the middle of a total.

The other drawn properties split by water-filling alone. Programmes (HiGHS) say what could be reached.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from tests.flows.engine.stories import THOROUGH, Story
from tests.flows.engine.test_limits_with_totals_inside import streets, tight
from tests.flows.engine.test_properties import (
    NEAR,
    PROPERTIES,
    SEEDS,
    THERE_S,
    asked,
    fleet,
    limits,
    natural,
    rating,
    reachable,
    submit,
)
from tests.flows.engine.test_properties_of_many_programs import misses, widest
from tests.flows.engine.test_steps_under_limits import least_miss

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import Device, DeviceKind

NAMES = ("water-filling", "merit-order", "proportional", "soc-balancing", "fewest-units")

EACH = settings(PROPERTIES, max_examples=120 if THOROUGH else 4)


def place(draw: random.Random, make_world: Any, devices: list[Device], name: str) -> Any:
    """Groups in groups that all split by one strategy; tiers and windows of charge drawn; seen for a while."""
    drawn = []
    for one in devices:
        window = {"soc_min": draw.choice([0.0, 0.3, 0.5]), "soc_max": draw.choice([0.7, 0.9, 1.0])}
        drawn.append(replace(one, tier=draw.choice([1, 2, 3]), settings=replace(one.settings, **window)))
    groups = [replace(one, strategy=name) for one in streets(draw, drawn)]
    world = make_world(devices=drawn, groups=groups, config=EngineConfig(hold_time_s=60.0))
    natural(draw, world)
    world.run(3)
    return world


@pytest.mark.parametrize("name", NAMES)
@given(seed=SEEDS)
@example(seed=73)  # limits on what parts give and take: red where the solver does not mend what a strategy split
@example(seed=133)
@example(seed=5_035)  # a roof at a ceiling of nothing, of whose sun nothing is learned there
@EACH
def test_a_total_is_exact_where_that_can_be_else_the_nearest_and_limits_are_kept(
    make_world: Any, make_battery: Any, name: str, seed: int
) -> None:
    draw = random.Random(seed)
    world = place(draw, make_world, fleet(draw, make_battery, steps=False), name)
    whole = asked(draw, world)
    submit(world, [whole, *(tight(draw, world) if draw.random() < 0.5 else limits(draw, world, draw.randint(0, 4)))])
    if whole.id not in world.controls:
        return
    world.run(THERE_S)
    best = reachable(world, whole.values[ControlMode.SET_W].value)
    if best is not None:
        assert abs(world.total - best) <= NEAR * rating(world) + 1
        assert not Story(draw, world).broken()


@pytest.mark.parametrize("name", NAMES)
@given(seed=SEEDS)
@example(seed=551)  # the same
@example(seed=601)
@EACH
def test_a_total_with_steps_is_as_near_as_an_integer_programme_finds(
    make_world: Any, make_battery: Any, name: str, seed: int
) -> None:
    draw = random.Random(seed)
    world = place(draw, make_world, fleet(draw, make_battery), name)
    whole = asked(draw, world)
    submit(world, [whole, *(tight(draw, world) if draw.random() < 0.5 else limits(draw, world, draw.randint(0, 4)))])
    if whole.id not in world.controls:
        return
    world.run(THERE_S)
    target = whole.values[ControlMode.SET_W].value
    best = least_miss(world, target)
    if best is not None:
        assert abs(world.total - target) <= best + NEAR * rating(world) + 1


@pytest.mark.parametrize("name", NAMES)
@given(seed=SEEDS)
@EACH
def test_no_battery_works_against_what_is_asked(make_world: Any, make_battery: Any, name: str, seed: int) -> None:
    draw = random.Random(seed)
    world = place(draw, make_world, fleet(draw, make_battery), name)
    for unit in world.units.values():
        unit.natural_w = 0.0
    world.run(3)
    whole = asked(draw, world)
    submit(world, [whole, *limits(draw, world, draw.randint(0, 2), ("export_limit", "import_limit"))])
    sign = np.sign(whole.values[ControlMode.SET_W].value)
    for _ in range(int(THERE_S)):
        world.run(1)
        assert all(unit.w * sign >= -1 for unit in world.units.values() if unit.device.kind is DeviceKind.BATTERY)


@given(seed=SEEDS)
@PROPERTIES
def test_another_strategy_in_the_middle_of_a_total_leaves_no_gap(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    world = place(draw, make_world, fleet(draw, make_battery), draw.choice(NAMES))
    whole = asked(draw, world)
    submit(world, [whole, *limits(draw, world, draw.randint(0, 2))])
    if whole.id not in world.controls:
        return
    world.run(THERE_S)
    # Dead-bands, what is handed over at a time, and a step of one that fine ones do not make up for.
    near = (NEAR + 0.02) * rating(world) + max(widest(unit.device) for unit in world.units.values()) + 1
    for _ in range(3):
        before = misses(world, [whole])["all"]
        world.engine.desk.choose_strategy("all", draw.choice(NAMES), world.now)
        for _ in range(int(THERE_S)):
            world.run(1)
            assert misses(world, [whole])["all"] <= before + near
        assert not Story(draw, world).broken()
