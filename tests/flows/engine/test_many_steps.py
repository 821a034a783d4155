"""More coarse devices than whose choices can all be gone through: the total is off by what a step makes unavoidable.

An integer programme (HiGHS) says what could be reached, under limits of groups in groups, too.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from tests.flows.engine.test_limits_with_totals_inside import levels, streets, tight
from tests.flows.engine.test_properties import PROPERTIES, SEEDS, asked, limits, rating, submit
from tests.flows.engine.test_steps_under_limits import against, least_miss

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import Capability, Constraints, Device, DriverTraits

#: A choice that comes nearer by less than this part of the rating is not worth that somebody is switched.
WORTH = 0.005

#: After so long the programme is not asked on, s; what it did not prove is not judged.
PATIENCE_S = 4.0


def coarse(draw: random.Random, make: Any) -> list[Device]:
    """Batteries of a few kinds with steps, or with modes, and some fine ones."""
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    kinds = []
    for _ in range(draw.choice([1, 2, 4, 60])):
        rated = draw.choice([3_000.0, 5_000.0, 10_000.0, round(draw.uniform(2_000, 12_000), -1)])
        steps = DriverTraits(power_step_w=rated / draw.choice([1, 2, 3, 5, 10])), Constraints()
        modes = DriverTraits(), Constraints(modes_w=(-rated, 0.0, rated / 2, rated))
        kinds.append((rated, *(steps if draw.random() < 0.6 else modes)))
    made, fine = [], draw.choice([0, 0, 1, 3])
    for number in range(draw.randint(25, 60)):
        rated, traits, constraints = draw.choice(kinds)
        plate = {"max_w": rated, "max_charge_w": rated, "energy_wh": 200 * rated}
        device = make(f"d{number:03d}", capabilities=able, **plate)
        made.append(device if number < fine else replace(device, traits=traits, constraints=constraints))
    return made


@given(seed=SEEDS)
@PROPERTIES
def test_a_total_of_many_coarse_devices_is_off_by_a_step_at_most_from_what_an_integer_programme_finds(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    devices = coarse(draw, make_battery)
    world = make_world(devices=devices, groups=streets(draw, devices), config=EngineConfig(hold_time_s=60.0))
    world.run(2)
    whole = asked(draw, world)
    limiting = tight(draw, world) if draw.random() < 0.5 else limits(draw, world, draw.choice([0, 0, 3]))
    submit(world, [whole, *limiting])
    if whole.id not in world.controls:
        return
    world.run(4)
    target = whole.values[ControlMode.SET_W].value
    best = least_miss(world, target, seconds=PATIENCE_S)
    if best is None:
        return
    known = [levels(device) for device in devices]
    step = min(float(np.diff(sorted(set(one))).min()) for one in known if one)
    assert abs(world.total - target) <= best + max(step, WORTH * rating(world)) + 1
    if not limiting:
        assert against(world, target) <= 1
