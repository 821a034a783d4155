"""Who was switched on stays on, and who was switched off stays off, for as long as it has to: in any fleet and story.

The judge sees the set-points alone. Only a limit that is around a device may cut that short.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from tests.flows.engine.stories import Story
from tests.flows.engine.test_limits_with_totals_inside import streets, tight
from tests.flows.engine.test_properties import PROPERTIES, SEEDS, asked, control, fleet, limits, natural, submit

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Constraints, Device, DeviceKind

#: Between two steps of the engine a device can be held a little less: they come at full and half seconds.
STEP_S = 1.0


def lasting(draw: random.Random, devices: list[Device]) -> list[Device]:
    """Some of the batteries have least times on, off, or both; some of those are coarse, too."""
    made = []
    for device in devices:
        if device.kind is DeviceKind.BATTERY and device.nameplate.max_w and draw.random() < 0.6:
            times = {"min_run_s": draw.choice([0.0, 20.0, 60.0]), "min_stop_s": draw.choice([0.0, 20.0, 60.0])}
            device = replace(device, constraints=replace(device.constraints, **times))
        made.append(device)
    return made


def cut_short(world: Any) -> list[tuple[str, str, float]]:
    """Who was switched before its time: (device, what it was, for how long it was that)."""
    found = []
    for name, unit in world.units.items():
        rule, on, since = unit.device.constraints, False, -np.inf
        for point in world.told:
            if point.device_id != name or point.active_power_w is None:
                continue
            now_on = abs(point.active_power_w) > 1.0
            if now_on == on:
                continue
            least = rule.min_run_s if on else rule.min_stop_s
            if point.issued - since < least - STEP_S:
                found.append((name, "on" if on else "off", point.issued - since))
            on, since = now_on, point.issued
    return found


@given(seed=SEEDS)
@PROPERTIES
def test_nobody_is_switched_before_its_time_whatever_is_asked_one_after_the_other(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    devices = lasting(draw, fleet(draw, make_battery))
    world = make_world(devices=devices, groups=streets(draw, devices), config=EngineConfig(hold_time_s=60.0))
    natural(draw, world)
    world.run(3)
    for number in range(6):
        for group in world.groups:
            if draw.random() < 0.4:
                one = asked(draw, world, f"c{number} {group.id}", group.id, created=world.now)
                submit(world, [one])
        if draw.random() < 0.3:
            name = draw.choice(sorted(world.units))
            watts = draw.uniform(-1, 1) * world.units[name].device.nameplate.max_w
            target = Target(TargetKind.DEVICE, name)
            submit(world, [control(world, f"d{number} {name}", "set_w", watts, target, created=world.now)])
        world.run(draw.choice([5, 10, 25]))
        assert cut_short(world) == []


@given(seed=SEEDS)
@PROPERTIES
def test_a_limit_waits_for_nobody(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    devices = lasting(draw, fleet(draw, make_battery))
    world = make_world(devices=devices, groups=streets(draw, devices), config=EngineConfig(hold_time_s=60.0))
    natural(draw, world)
    world.run(3)
    for number in range(3):
        submit(world, [asked(draw, world, f"c{number}", created=world.now)])
        world.run(draw.choice([5, 15]))
    submit(world, tight(draw, world) if draw.random() < 0.5 else limits(draw, world, draw.randint(1, 3)))
    world.run(25)
    assert Story(draw, world).broken() == []


@pytest.mark.parametrize("watts", [4_000.0, -4_000.0])
def test_a_limit_cuts_a_least_time_short_and_a_set_point_does_not(make_world: Any, ask: Any, watts: float) -> None:
    world = make_world(1)
    unit = world.units["b00"]
    unit.device = replace(unit.device, constraints=Constraints(min_run_s=60.0))
    world.engine.add_device(unit.device, world.now)
    world.submit(ask("on", set_w=watts, at=1.0))
    world.run(10)
    world.submit(ask("off", set_w=0.0, at=10.0, authority=1.0))
    world.run(10)
    assert 0.0 < abs(unit.w) <= 0.02 * 5_000.0
    world.submit(ask("limit", at=20.0, **{"generation_limit" if watts > 0 else "load_limit": 0.0}))
    world.run(5)
    assert unit.w == 0.0
