"""Fleets with steps and modes come as near to a total under limits as an integer programme (HiGHS) finds.

Without passing it, and with no battery that works against it: else steps of one would be made up for by others.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from hypothesis import given
from scipy import optimize
from tests.flows.engine.test_limits_with_totals_inside import levels, tight
from tests.flows.engine.test_properties import NEAR, PROPERTIES, SEEDS, THERE_S, asked, fleet, limits, rating, submit
from tests.flows.engine.test_properties_of_many_programs import ends_of, house, limit_lines

from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import DeviceKind


@given(seed=SEEDS)
@PROPERTIES
def test_a_total_with_steps_is_as_near_as_an_integer_programme_finds(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    world = house(draw, make_world, fleet(draw, make_battery))
    whole = asked(draw, world)
    submit(world, [whole, *(tight(draw, world) if draw.random() < 0.5 else limits(draw, world, draw.randint(0, 4)))])
    if whole.id not in world.controls:
        return
    world.run(THERE_S)
    target = whole.values[ControlMode.SET_W].value
    best = least_miss(world, target)
    if best is not None:
        assert abs(world.total - target) <= best + NEAR * rating(world) + 1


@given(seed=SEEDS)
@PROPERTIES
def test_a_limit_that_is_taken_away_tightens_nothing_for_devices_with_steps_either(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    world = house(draw, make_world, fleet(draw, make_battery))
    whole = asked(draw, world)
    limiting = tight(draw, world) if draw.random() < 0.5 else limits(draw, world, draw.randint(1, 4))
    submit(world, [whole, *limiting])
    standing = [one.id for one in limiting if one.id in world.controls]
    if whole.id not in world.controls or not standing:
        return
    world.run(THERE_S)
    target = whole.values[ControlMode.SET_W].value
    before = abs(world.total - target), against(world, target)
    assert world.engine.cancel(draw.choice(standing), world.now)
    world.run(THERE_S)
    after, near = (abs(world.total - target), against(world, target)), NEAR * rating(world) + 1
    # What a limit alone had made work against the total may be missing to it now; the less of that is the looser.
    assert after[0] <= before[0] + max(before[1] - after[1], 0.0) + near, (before, after)


def against(world: Any, target: float) -> float:
    """How much batteries work against a target together, W."""
    batteries = (unit.w for unit in world.units.values() if unit.device.kind is DeviceKind.BATTERY)
    return float(sum(max(-watts * np.sign(target), 0.0) for watts in batteries))


def least_miss(world: Any, target: float, *, seconds: float | None = None) -> float | None:
    """How far a total has to be from its target, W, where no battery works against it but for the limits' sake.

    None where limits cannot be kept, or where the programme did not find out in so many `seconds`. Variables: what each
    device gives, what each takes, which level each of the coarse ones has, and the miss. First as little as can be is
    worked against the target, then the miss is least.
    """
    units = list(world.units.values())
    count, sign = len(units), float(np.sign(target))
    known = [levels(unit.device) if unit.device.nameplate.max_w else None for unit in units]
    choices = [(at, power) for at, powers in enumerate(known) for power in powers or ()]
    more = len(choices) + 1
    ends = np.array([ends_of(unit) for unit in units])
    against, missing = np.zeros(2 * count + more), np.eye(1, 2 * count + more, 2 * count + more - 1)[0]
    for at, unit in enumerate(units):
        if unit.device.kind is DeviceKind.BATTERY:
            against[at + count if sign > 0 else at] = 1.0
    lines, tops = limit_lines(world, more)
    total = np.concatenate([np.ones(count), -np.ones(count), np.zeros(more)])
    rules = [optimize.LinearConstraint(np.array(lines), -np.inf, np.array(tops) + 0.5)] if lines else []
    rules.append(optimize.LinearConstraint(sign * total + missing, abs(target), abs(target)))
    for at, powers in enumerate(known):
        if powers is None:
            continue
        one, power = np.zeros((2, 2 * count + more))
        mine = [2 * count + number for number, (who, _) in enumerate(choices) if who == at]
        one[mine] = 1.0
        power[at], power[count + at], power[mine] = 1.0, -1.0, [-level for level in powers]
        rules += [optimize.LinearConstraint(one, 1.0, 1.0), optimize.LinearConstraint(power, 0.0, 0.0)]
    most = np.concatenate([ends[:, 0], ends[:, 1], np.ones(len(choices)), [np.inf]])
    whole = np.concatenate([np.zeros(2 * count), np.ones(len(choices)), [0.0]])
    found = 0.0
    for aim in (against, missing):
        patience = {} if seconds is None else {"time_limit": seconds}
        bounds = optimize.Bounds(0.0, most)
        best = optimize.milp(aim, constraints=rules, bounds=bounds, integrality=whole, options=patience)
        if not best.success:
            return None
        found = float(best.fun)
        rules.append(optimize.LinearConstraint(aim, -np.inf, found + 0.5))
    return found
