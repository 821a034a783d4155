"""What the envelope promises of any group or device is given: whatever strategies, coarse devices, vehicles, meters.

As test_envelope_holds.py, which knows the whole fleet and its default strategy alone. Reactive power is promised, too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flows.engine.stories import STORIES, THOROUGH
from tests.flows.engine.test_envelope_holds import GRID_S, PACE_S, SPANS, THERE_S, owned, weather
from tests.flows.engine.test_least_times import lasting
from tests.flows.engine.test_limits_with_totals_inside import streets
from tests.flows.engine.test_properties import NEAR, control, fleet, limits, natural, rating, submit
from tests.flows.engine.test_properties_of_many_programs import widest
from tests.flows.engine.test_strategies import NAMES
from tests.flows.engine.test_strategies_and_rules import with_vars

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.envelope import EnvelopeSpan
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group

#: After so long what lies beside meters is known, s.
SEEN_S = 100.0

SEEDS = st.integers(0, 1_000_000)
PROMISES = settings(STORIES, max_examples=300 if THOROUGH else 4)


@dataclass
class Promised:
    """A world, whose series it is, and the series. `beside`: at the target's meter, W and var."""

    world: Any
    target: Target
    series: list[EnvelopeSpan]
    beside: tuple[float, float]

    @property
    def units(self) -> list[Any]:
        """The target's devices."""
        world = self.world
        if self.target.kind is TargetKind.DEVICE:
            return [world.units[self.target.id]]
        return [world.units[name] for group in world.groups if group.id == self.target.id for name in group.members]

    @property
    def near(self) -> float:
        """How near totals come: dead-bands, tolerances, and the steps of coarse devices, W."""
        coarse = max((widest(unit.device) for unit in self.units), default=0.0)
        return NEAR * sum(unit.device.nameplate.max_w for unit in self.units) + 2.0 + coarse


def discharging(draw: random.Random, device: Device) -> Device:
    """Some vehicles may be discharged."""
    if device.kind is not DeviceKind.EV or draw.random() < 0.5:
        return device
    plate = replace(device.nameplate, max_discharge_w=device.nameplate.max_w * draw.choice([0.5, 1.0]))
    return replace(device, nameplate=plate)


def drawn(draw: random.Random, make: Any, start: float) -> list[Device]:
    """Any devices."""
    devices = fleet(draw, make, steps=draw.random() < 0.5, energy_h=draw.choice([0.3, 1.0, 4.0]))
    devices = [discharging(draw, owned(draw, one, start % 86_400)) for one in devices]
    devices = [replace(one, tier=draw.choice([1, 2, 3])) for one in devices]
    if draw.random() < 0.3:
        devices = lasting(draw, devices)
    return with_vars(draw, devices) if draw.random() < 0.5 else devices


#: By group: what lies beside its members at its own meter, W and var.
Loads = dict[str, tuple[float, float]]


def metered(draw: random.Random, make: Any, groups: list[Group]) -> tuple[list[Group], list[Device], Loads]:
    """Some groups with a meter, and what is beside their members there: a meter around sees those inside, too."""
    meters, made = [], []
    own: Loads = {}
    for group in groups:
        if draw.random() < 0.25:
            name = f"m-{group.id}"
            plate = {"max_w": 0.0, "max_charge_w": 0.0, "energy_wh": None, "capabilities": frozenset()}
            meters.append(make(name, kind=DeviceKind.METER, **plate))
            own[group.id] = draw.choice([-3_000.0, -500.0, 0.0, 2_000.0]), draw.choice([-400.0, 0.0, 700.0])
        made.append(replace(group, meter=f"m-{group.id}") if group.id in own else group)
    return made, meters, own


def beside(groups: list[Group], own: Loads, name: str) -> tuple[float, float]:
    """What lies beside the members of a group at metered points: at its own, and at those inside, W and var."""
    mine = [own.get(name, (0.0, 0.0)), *(beside(groups, own, one.id) for one in groups if one.parent == name)]
    return sum(watts for watts, _ in mine), sum(var for _, var in mine)


def promised(draw: random.Random, make_world: Any, make: Any) -> Promised:
    """A world with something ahead of it, and the series of a group or a device."""
    devices = drawn(draw, make, 1_700_000_000.0)
    groups = [replace(one, strategy=draw.choice(NAMES)) for one in streets(draw, devices)]
    groups, meters, own = metered(draw, make, groups)
    config = EngineConfig(hold_time_s=draw.choice([60.0, 300.0]))
    world = make_world(devices=[*devices, *meters], groups=groups, config=config)
    world.step_s = PACE_S

    def shown(group: Group) -> tuple[float, float]:
        watts, var = beside(groups, own, group.id)
        units = [world.units[name] for name in group.members]
        return watts + sum(unit.w for unit in units), var + sum(unit.var for unit in units)

    world.meters = {group.meter: partial(shown, group) for group in groups if group.meter}
    natural(draw, world)
    for unit in world.units.values():
        if Capability.SET_VAR in unit.device.nameplate.capabilities:
            unit.natural_var = 0.2 * unit.device.nameplate.max_w * draw.choice([0.0, 1.0, -1.0])
    world.run(SEEN_S)
    submit(world, ahead(draw, world))
    if draw.random() < 0.3:
        world.engine.desk.block(draw.choice([one.id for one in devices]), True, world.now)
    world.run(10)
    target = Target(TargetKind.GROUP, draw.choice(groups).id)
    if draw.random() < 0.2:
        target = Target(TargetKind.DEVICE, draw.choice(devices).id)
    times = [world.now + GRID_S * number for number in range(SPANS)]
    series = list(world.engine.envelope(target, times, world.now))
    apart = (0.0, 0.0) if target.kind is TargetKind.DEVICE else beside(groups, own, target.id)
    return Promised(world, target, series, apart)


def ahead(draw: random.Random, world: Any) -> list[Any]:
    """Limits and totals that are known already, and vars of a group or a device."""
    found = []
    for number, one in enumerate(limits(draw, world, draw.randint(0, 2))):
        begins = Interval(world.now + draw.choice([5.0, 900.0, 2_000.0]), draw.choice([None, 1_500.0]))
        found.append(replace(one, id=f"l{number}", interval=begins))
    for number in range(draw.randint(0, 2)):
        mode = draw.choice(["set_w", "set_w", "set_var"])
        group = draw.choice(world.groups)
        target = Target(TargetKind.GROUP, group.id)
        if draw.random() < 0.2:
            target = Target(TargetKind.DEVICE, draw.choice(group.members))
        rated = sum(world.units[name].device.nameplate.max_w for name in group.members)
        one = control(world, f"s{number}", mode, draw.uniform(-0.6, 0.6) * rated, target)
        found.append(replace(one, interval=Interval(world.now + draw.choice([5.0, 700.0, 1_800.0]), 1_200.0)))
    return found


def chosen(draw: random.Random, found: Promised) -> EnvelopeSpan | None:
    """A span that is long enough to be held to; its time is come, sun and demand are others by then."""
    world = found.world
    certain = [one for one in found.series if one.min_w is not None and one.end - one.start > 2 * THERE_S]
    if not certain:
        return None
    one = draw.choice(certain)
    later = one.start - world.now
    if later > 1_000.0:  # nothing that depends on the sun is promised then
        world.run(min(later - 60.0, 950.0))
        weather(draw, world)
    if (rest := one.start - world.now - PACE_S) > 0:
        world.run(rest)
    return one


@given(seed=SEEDS)
@PROMISES
def test_what_is_promised_of_any_target_is_given(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    found = promised(draw, make_world, make_battery)
    world = found.world
    one = chosen(draw, found)
    if one is None:
        return
    assert one.min_w is not None
    assert one.max_w is not None
    total = draw.choice([one.min_w, one.max_w, draw.uniform(one.min_w, one.max_w)])
    begins, wanted = max(one.start, world.now + 1.0), [("promise", "set_w", total)]
    vars_ = 0.0
    if one.sure_min_var is not None and one.sure_max_var is not None:
        vars_ = draw.choice([one.sure_min_var, one.sure_max_var, draw.uniform(one.sure_min_var, one.sure_max_var)])
        wanted.append(("vars", "set_var", vars_))
    for name, mode, value in wanted:
        asked = control(world, name, mode, value, found.target, authority=9.0)
        submit(world, [replace(asked, interval=Interval(begins, one.end - begins))])
    asked_of = [unit for unit in found.units if not world.engine.barred(Target(TargetKind.DEVICE, unit.device.id))]
    able = set().union(*(unit.device.nameplate.capabilities for unit in asked_of))
    assert "promise" in world.controls or Capability.SET_W not in able
    assert "vars" in world.controls or Capability.SET_VAR not in able or len(wanted) == 1
    world.run(THERE_S)
    while world.now < one.end - 2 * PACE_S:
        world.run(PACE_S)
        if "promise" in world.controls:
            there = sum(unit.w for unit in found.units) + found.beside[0]
            assert abs(there - total) <= found.near, (one, total, there, world.now - one.start)
        if "vars" in world.controls:
            there = sum(unit.var for unit in found.units) + found.beside[1]
            assert abs(there - vars_) <= NEAR * rating(world) + 2.0, (one, vars_, there, world.now - one.start)
