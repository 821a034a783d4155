"""What holds of any fleet, any programs and any order in which they come, in the engine as a whole.

Limits over time are in test_limits_hold.py. A linear programme (HiGHS) says what could be reached.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize
from tests.flows.engine.stories import LIMITS, STORIES, THOROUGH, Story, feeders

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass, Source, Target, TargetKind
from gridiface.domain.fleet import Capability, Constraints, Device, DeviceKind, DriverTraits, Phase

SEEDS = st.integers(0, 1_000_000)
PROPERTIES = settings(STORIES, max_examples=300 if THOROUGH else 12)

#: A fleet is where it is going after so long, s: a ramp from end to end, and some steps.
THERE_S = 40.0

#: What set-points are rounded to by dead-bands and tolerances, parts of the rating.
NEAR = 0.015


def fleet(draw: random.Random, make: Any, *, steps: bool = True, energy_h: float = 200.0) -> list[Device]:
    """Batteries, roofs and loads, some rated for nothing; `steps`: some that are coarse, or know a few modes."""
    both = frozenset({Capability.SET_W, Capability.LIMIT_W})
    kinds = [
        (DeviceKind.BATTERY, both),
        (DeviceKind.BATTERY, frozenset({Capability.SET_W})),
        (DeviceKind.PV, both),
        (DeviceKind.PV, frozenset({Capability.LIMIT_W})),
        (DeviceKind.LOAD, frozenset({Capability.SET_W})),
    ]
    made: list[Device] = []
    for number in range(draw.randint(2, 9)):
        (kind, able), rated = draw.choice(kinds), draw.choice([0.0, 1_000.0, 5_000.0, 5_000.0, 10_000.0])
        stored = kind is DeviceKind.BATTERY
        plate = {
            "max_w": rated,
            "max_charge_w": rated if kind is not DeviceKind.PV else 0.0,
            "energy_wh": energy_h * rated if stored and rated else None,
        }
        ramp = draw.choice([None, 1_000.0]) if stored else None
        phases = draw.choice([Phase.ALL, Phase.A, Phase.B]) if draw.random() < 0.3 else Phase.ALL
        device = make(f"d{number}", kind=kind, capabilities=able, ramp_w_per_s=ramp, phases=phases, **plate)
        if steps and stored and rated and draw.random() < 0.3:
            if draw.random() < 0.5:
                device = replace(device, traits=DriverTraits(power_step_w=rated / 5))
            else:
                device = replace(device, constraints=Constraints(modes_w=(-rated, 0.0, rated / 2, rated)))
        made.append(device)
    return made


def natural(draw: random.Random, world: Any) -> None:
    """Sun and demand from now on; batteries do nothing by themselves."""
    for unit in world.units.values():
        rated = unit.device.nameplate.max_w
        shares = {DeviceKind.PV: (0.0, 0.3, 1.0), DeviceKind.LOAD: (0.0, -0.3, -1.0)}.get(unit.device.kind, (0.0,))
        unit.natural_w = rated * draw.choice(shares)


def limits(draw: random.Random, world: Any, count: int, modes: tuple[str, ...] = LIMITS) -> list[Control]:
    """So many limits of groups and devices."""
    found = []
    for number in range(count):
        group = draw.choice(world.groups)
        device = draw.choice(group.members) if draw.random() < 0.2 else None
        members = group.members if device is None else (device,)
        rated = sum(world.units[name].device.nameplate.max_w for name in members)
        mode = draw.choice(modes)
        value = draw.choice([0.0, 20.0, 60.0]) if mode == "max_w_percent" else draw.choice([0.0, 0.1, 0.3, 0.6]) * rated
        target = Target(TargetKind.GROUP, group.id) if device is None else Target(TargetKind.DEVICE, device)
        found.append(control(world, f"l{number}", mode, value, target))
    return found


def asked(draw: random.Random, world: Any, name: str = "c", group: str = "all", **more: Any) -> Control:
    """A set-point of a group."""
    members = next(one.members for one in world.groups if one.id == group)
    rated = sum(world.units[name].device.nameplate.max_w for name in members)
    return control(world, name, "set_w", draw.uniform(-1.1, 1.1) * rated, Target(TargetKind.GROUP, group), **more)


def control(world: Any, name: str, mode: str, value: float, target: Target, **more: Any) -> Control:
    """One control of a program of its own, from two seconds on."""
    values = {"authority": 1.0, "created": world.now, "service_class": ServiceClass.DISPATCH} | more
    return Control(
        id=name,
        source=Source(protocol="any", program=f"program of {name}", authority=values.pop("authority")),
        target=target,
        values={ControlMode(mode): ModeValue(value)},
        interval=Interval(world.now + 2.0, None),
        **values,
    )


def submit(world: Any, controls: list[Control]) -> None:
    """Decide and admit; what is refused is left."""
    for one in controls:
        answer, drawn, _ = world.engine.decide(one, world.now)
        if answer.will_run:
            world.controls[one.id] = drawn
            world.engine.admit(drawn, world.now)


def made(draw: random.Random, make_world: Any, make: Any, **more: Any) -> Any:
    """A world with feeders, seen for some seconds."""
    devices = fleet(draw, make, **more)
    world = make_world(devices=devices, groups=feeders(draw, devices, deep=True), config=EngineConfig(hold_time_s=60.0))
    natural(draw, world)
    world.run(3)
    return world


def told(world: Any) -> list[float]:
    """What each device holds: power and ceiling; NaN: nothing."""
    none = float("nan")
    return [
        value
        for name in sorted(world.units)
        for value in (
            none if world.units[name].told_w is None else world.units[name].told_w,
            none if world.units[name].ceiling_w is None else world.units[name].ceiling_w,
        )
    ]


def rating(world: Any) -> float:
    """Of the whole fleet, W."""
    return sum(unit.device.nameplate.max_w for unit in world.units.values())


@given(seed=SEEDS)
@PROPERTIES
def test_whatever_the_order_of_arrival_the_devices_are_told_the_same(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    ends = []
    for order in range(3):
        draw = random.Random(seed)
        world = made(draw, make_world, make_battery)
        wanted = limits(draw, world, draw.randint(0, 4))
        for number in range(draw.randint(1, 4)):
            group = draw.choice(world.groups).id
            rank = {"authority": draw.choice([1.0, 2.0]), "created": world.now - draw.choice([0.0, 5.0])}
            wanted.append(asked(draw, world, f"c{number}", group, **rank))
        random.Random(order).shuffle(wanted)
        submit(world, wanted)
        world.run(THERE_S)
        ends.append(told(world))
    for other in ends[1:]:
        np.testing.assert_allclose(other, ends[0], rtol=1e-6, atol=1e-3, equal_nan=True)


@given(seed=SEEDS)
@PROPERTIES
def test_a_limit_that_is_taken_away_brings_the_total_nearer_to_what_is_asked_or_leaves_it(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    world = made(draw, make_world, make_battery, steps=False)
    whole = asked(draw, world)
    limiting = limits(draw, world, draw.randint(1, 4))
    submit(world, [whole, *limiting])
    world.run(THERE_S)
    target = whole.values[ControlMode.SET_W].value
    before = abs(world.total - target)
    standing = [one.id for one in limiting if one.id in world.controls]
    for name in standing and [draw.choice(standing)]:
        assert world.engine.cancel(name, world.now)
    world.run(THERE_S)
    assert abs(world.total - target) <= before + NEAR * rating(world) + 1


@given(seed=SEEDS)
@PROPERTIES
def test_a_total_is_exact_where_that_can_be_and_else_the_nearest_that_a_linear_programme_finds(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    world = made(draw, make_world, make_battery, steps=False)
    whole = asked(draw, world)
    submit(world, [whole, *limits(draw, world, draw.randint(0, 4))])
    world.run(THERE_S)
    best = reachable(world, whole.values[ControlMode.SET_W].value)
    if best is not None:
        assert abs(world.total - best) <= NEAR * rating(world) + 1


def reachable(world: Any, target: float) -> float | None:
    """The total nearest to the target under all limits; None where they cannot all be kept."""
    story = Story(random.Random(0), world)
    units = list(world.units.values())
    place = {unit.device.id: at for at, unit in enumerate(units)}
    high = np.array(
        [min(max(u.natural_w, 0.0), u.device.max_export_w) if _by_itself(u) else u.device.max_export_w for u in units]
    )
    low = np.array(
        [
            -min(max(-u.natural_w, 0.0), u.device.max_import_w) if _by_itself(u) else -u.device.max_import_w
            for u in units
        ]
    )
    count = len(units)
    lines, tops = [], []
    for one in world.controls.values():
        ((mode, value),) = one.values.items()
        if mode not in LIMITS:
            continue
        here = [place[name] for name in story.members(one.target)]
        watts = value.value
        if mode is ControlMode.MAX_W_PERCENT:
            watts *= sum(units[at].device.nameplate.max_w for at in here) / 100
        upwards = mode in ("export_limit", "generation_limit", "max_w_percent")
        net = mode in ("export_limit", "import_limit")
        line = np.zeros((2, count))  # what each gives, what each takes
        line[0 if upwards else 1, here] = 1.0
        line[1 if upwards else 0, here] = -1.0 if net else 0.0
        lines.append(np.append(line.ravel(), 0.0))
        tops.append(watts)
    total = np.concatenate([np.ones(count), -np.ones(count)])
    lines += [np.append(total, -1.0), np.append(-total, -1.0)]  # how far the total is off is the last variable
    tops += [target, -target]
    bounds = [(0.0, max(one, 0.0)) for one in high] + [(0.0, max(-one, 0.0)) for one in low] + [(0.0, None)]
    found = optimize.linprog([0.0] * 2 * count + [1.0], A_ub=lines, b_ub=tops, bounds=bounds, method="highs")
    return float(total @ found.x[:-1]) if found.success else None


def _by_itself(unit: Any) -> bool:
    return unit.device.kind in (DeviceKind.PV, DeviceKind.LOAD)


@given(seed=SEEDS)
@example(seed=20_040)  # phases would be nearer to each other if one charged
@PROPERTIES
def test_no_battery_works_against_the_sign_of_what_is_asked_of_all(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    world = made(draw, make_world, make_battery)
    for unit in world.units.values():
        unit.natural_w = 0.0
    world.run(3)
    whole = asked(draw, world)
    submit(world, [whole, *limits(draw, world, draw.randint(0, 2), ("export_limit", "import_limit"))])
    sign = np.sign(whole.values[ControlMode.SET_W].value)
    for _ in range(int(THERE_S)):
        world.run(1)
        assert all(unit.w * sign >= -1 for unit in world.units.values())


@given(seed=SEEDS)
@PROPERTIES
def test_no_state_of_charge_leaves_its_window(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    devices = fleet(draw, make_battery, energy_h=draw.choice([0.02, 0.1]))
    windows = {device.id: draw.choice([(0.0, 1.0), (0.1, 0.9), (0.3, 0.6)]) for device in devices}
    devices = [
        replace(one, settings=replace(one.settings, soc_min=windows[one.id][0], soc_max=windows[one.id][1]))
        for one in devices
    ]
    world = make_world(devices=devices, groups=feeders(draw, devices, deep=True), config=EngineConfig(hold_time_s=30.0))
    for unit in world.units.values():
        unit.soc = draw.uniform(*windows[unit.device.id])
    natural(draw, world)
    world.run(3)
    for number in range(4):
        wanted = [asked(draw, world, f"c{number}", draw.choice(world.groups).id)]
        submit(world, wanted + [replace(one, id=f"{one.id}-{number}") for one in limits(draw, world, 1)])
        for _ in range(60):
            world.run(1)
            for name, unit in world.units.items():
                if unit.device.nameplate.energy_wh:
                    least, most = windows[name]
                    assert least - 0.005 <= unit.soc <= most + 0.005, (name, unit.soc, windows[name])


@given(seed=SEEDS)
@PROPERTIES
def test_a_fast_responses_total_never_moves_faster_than_its_cap(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    devices = [make_battery(f"b{at}", max_w=5_000.0, max_charge_w=5_000.0) for at in range(draw.randint(2, 12))]
    world = make_world(devices=devices, groups=feeders(draw, devices, deep=True))
    world.step_s = 0.25
    cap = EngineConfig().fast_ramp_per_s * rating(world)
    world.run(5)
    for number in range(5):
        more = {"service_class": ServiceClass.FAST_FREQUENCY, "created": world.now}
        submit(world, [asked(draw, world, f"c{number}", **more)])
        if draw.random() < 0.5:  # the end of one has the same ramp
            world.engine.cancel(f"c{draw.randint(0, number)}", world.now)
        for _ in range(draw.randint(4, 40)):
            before = world.total
            world.run(0.25)
            assert abs(world.total - before) <= 0.25 * cap * 1.01 + 1
    for number in range(5):
        world.engine.cancel(f"c{number}", world.now)
    for _ in range(60):
        before = world.total
        world.run(0.25)
        assert abs(world.total - before) <= 0.25 * cap * 1.01 + 1
    assert {unit.told_w for unit in world.units.values()} == {None}


@given(seed=SEEDS)
@PROPERTIES
def test_what_devices_are_told_lies_inside_their_circles_and_ratings(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    able = frozenset({Capability.SET_W, Capability.SET_VAR, Capability.LIMIT_W})
    devices = []
    for number in range(draw.randint(2, 8)):
        rated = draw.choice([0.0, 1_000.0, 5_000.0])
        plate = {"max_w": rated, "max_charge_w": rated, "max_va": rated * draw.choice([1.0, 1.2])}
        var = {"max_var": rated * draw.choice([0.0, 0.5, 1.0]), "max_var_neg": rated * draw.choice([0.0, 0.6])}
        devices.append(make_battery(f"d{number}", capabilities=able, **plate, **var))
    world = make_world(devices=devices, groups=feeders(draw, devices, deep=True))
    world.run(3)
    for number in range(4):
        group = draw.choice(world.groups)
        rated = sum(world.units[name].device.nameplate.max_w for name in group.members)
        target = Target(TargetKind.GROUP, group.id)
        submit(world, [control(world, f"v{number}", "set_var", draw.uniform(-1.2, 1.2) * rated, target)])
        submit(world, [asked(draw, world, f"c{number}", draw.choice(world.groups).id), *limits(draw, world, 1)])
        world.run(10)
    for point in world.told:
        plate = world.units[point.device_id].device.nameplate
        watts, vars_ = point.active_power_w or 0.0, point.reactive_power_var or 0.0
        assert abs(watts) <= plate.max_w + 1e-6
        assert -(plate.max_var_neg or 0.0) - 1e-6 <= vars_ <= (plate.max_var or 0.0) + 1e-6
        assert np.hypot(watts, vars_) <= (plate.max_va or 0.0) * (1 + 1e-9) + 1e-6


@given(seed=SEEDS)
@example(seed=9)  # a set-point of the device itself, between two of its steps
@PROPERTIES
def test_devices_with_steps_or_modes_are_told_powers_that_they_know(
    make_world: Any, make_battery: Any, seed: int
) -> None:
    draw = random.Random(seed)
    world = made(draw, make_world, make_battery)
    for number in range(3):
        wanted = [
            asked(draw, world, f"c{number}-{group.id}", group.id) for group in world.groups if draw.random() < 0.5
        ]
        for name, unit in world.units.items():
            if draw.random() < 0.2:
                watts = draw.uniform(-1, 1) * unit.device.nameplate.max_w
                wanted.append(control(world, f"c{number}-{name}", "set_w", watts, Target(TargetKind.DEVICE, name)))
        submit(world, wanted + [replace(one, id=f"{one.id}-{number}") for one in limits(draw, world, 3)])
        world.run(10)
    for point in world.told:
        device, watts = world.units[point.device_id].device, point.active_power_w
        if watts is None:
            continue
        step, modes = device.traits.power_step_w, device.constraints.modes_w
        assert not step or abs(watts - round(watts / step) * step) <= 1e-3, (device.id, watts, step)
        assert not modes or min(abs(watts - one) for one in (0.0, *modes)) <= 1e-3, (device.id, watts, modes)
