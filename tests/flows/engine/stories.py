"""What stories about limits share: fleets, feeders, programs that come and go, and the judge of what is passed.

The judge knows nothing of the engine but its rule book: which limits stand, and what they speak of.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass, Source, Target, TargetKind
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group

#: Several hundred stories with GRIDIFACE_THOROUGH=1; with GRIDIFACE_EXPLORE=1 (see tests/conftest.py) others each time.
THOROUGH = os.environ.get("GRIDIFACE_THOROUGH") == "1"

STORIES = settings(
    max_examples=400 if THOROUGH else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LIMITS = ("export_limit", "import_limit", "generation_limit", "load_limit", "max_w_percent")

#: So long after anything changed the fleet may still be on its way, s: a ramp from end to end, and two periods.
SETTLE_S = 21.0
SET_W, LIMIT_W = Capability.SET_W, Capability.LIMIT_W


@dataclass
class Story:
    """A world, what was asked of it, and who decides what comes next."""

    draw: random.Random
    world: Any
    cancelled: set[str] = field(default_factory=set)
    changed: float = 0.0

    def weather(self) -> None:
        """What devices do by themselves from now on."""
        for unit in self.world.units.values():
            rated = unit.device.nameplate.max_w
            shares = {DeviceKind.PV: (0.0, 0.3, 1.0), DeviceKind.LOAD: (0.0, -0.3, -1.0)}
            unit.natural_w = rated * self.draw.choice(shares.get(unit.device.kind, (0.0, 0.0, 0.5, -0.5, 1.0)))

    def ask(self, number: int) -> None:
        """One more control of a program of its own."""
        draw, world = self.draw, self.world
        group = draw.choice(world.groups)
        device = draw.choice(group.members) if draw.random() < 0.15 else None
        members = group.members if device is None else (device,)
        rated = sum(world.units[name].device.nameplate.max_w for name in members)
        mode = draw.choice([*LIMITS, *LIMITS, "set_w", "set_w", "set_w_percent", "regulation"])
        value = {
            "max_w_percent": draw.choice([0.0, 20.0, 60.0]),
            "set_w_percent": draw.choice([-50.0, 30.0, 80.0]),
            "set_w": draw.uniform(-1, 1) * rated,
            "regulation": draw.uniform(-0.3, 0.3) * rated,
        }.get(mode, draw.choice([0.0, 0.1, 0.3, 0.6]) * rated)
        control = Control(
            id=f"c{number:03d}",
            source=Source(protocol="any", program=f"p{number}", authority=draw.choice([1.0, 2.0, 3.0])),
            target=Target(TargetKind.GROUP, group.id) if device is None else Target(TargetKind.DEVICE, device),
            values={ControlMode(mode): ModeValue(value)},
            interval=Interval(world.now + draw.choice([0.0, 5.0]), draw.choice([60.0, 200.0, None])),
            created=world.now,
            service_class=ServiceClass.REGULATION if mode == "regulation" else ServiceClass.DISPATCH,
        )
        answer, drawn, _ = world.engine.decide(control, world.now)
        if answer.will_run:
            world.controls[control.id] = drawn
            world.engine.admit(drawn, world.now)

    def turn(self) -> None:
        """Something else happens."""
        event = self.draw.random()
        if event < 0.2 and self.world.controls:
            name = self.draw.choice(sorted(self.world.controls))
            self.world.engine.cancel(name, self.world.now)
            self.cancelled.add(name)
        elif event < 0.4:
            self.world.restart()
        elif event < 0.6:
            self.weather()

    def standing(self) -> list[Control]:
        """The controls that run now."""
        now = self.world.now
        return [c for c in self.world.controls.values() if c.id not in self.cancelled and c.span.contains(now)]

    def settled(self) -> bool:
        """Whether nothing has changed for long enough."""
        now, controls = self.world.now, self.world.controls.values()
        edges = [self.changed, *(edge for c in controls for edge in (c.span.start, c.span.end))]
        return not any(0 <= now - edge < SETTLE_S for edge in edges)

    def broken(self) -> list[tuple[str, str, float, float]]:
        """The limits that are passed: (control, mode, limit, what is there instead), W."""
        found = []
        for control in self.standing():
            ((mode, value),) = control.values.items()
            if mode not in LIMITS:
                continue
            powers, watts = self.powers(control.target), value.value
            if mode == "max_w_percent":
                watts *= self.whole(control.target) / 100
            there = {
                "export_limit": sum(powers),
                "import_limit": -sum(powers),
                "load_limit": sum(max(-power, 0.0) for power in powers),
            }.get(mode, sum(max(power, 0.0) for power in powers))
            if there > watts + 20 + 0.001 * sum(map(abs, powers)):
                found.append((control.id, str(mode.value), watts, round(there)))
        return found

    def whole(self, target: Target) -> float:
        """100 % of setMaxW of a target, as its devices are set now, W."""
        devices = [self.world.units[name].device for name in self.members(target)]
        return sum(
            device.nameplate.max_w if device.settings.max_w is None else device.settings.max_w for device in devices
        )

    def members(self, target: Target) -> tuple[str, ...]:
        """The devices of a target."""
        if target.kind is TargetKind.DEVICE:
            return (target.id,)
        return next(tuple(group.members) for group in self.world.groups if group.id == target.id)

    def powers(self, target: Target) -> list[float]:
        """What counts of a target: its devices, and groups inside with totals of their own by their net."""
        members = set(self.members(target))
        asked = {c.target.id for c in self.standing() if next(iter(c.values)) not in LIMITS}
        inside = [set(g.members) for g in self.world.groups if g.id in asked and set(g.members) < members]
        nets = [one for one in inside if not any(one < other for other in inside)]
        for net in nets:
            members -= net
        units = self.world.units
        return [units[name].w for name in members] + [sum(units[name].w for name in net) for net in nets]


def feeders(draw: random.Random, devices: list[Device], *, deep: bool = False, meter: str | None = None) -> list[Group]:
    """The fleet as a group with two feeders in it; `deep`: a street of the first, too. `meter`: of the whole."""
    names = [device.id for device in devices if device.kind is not DeviceKind.METER]
    cut = draw.randint(1, len(names) - 1)
    groups = [
        Group(id="all", members=tuple(names), meter=meter),
        Group(id="f1", members=tuple(names[:cut]), parent="all"),
        Group(id="f2", members=tuple(names[cut:]), parent="all"),
    ]
    if deep and cut > 1:
        groups.append(Group(id="s1", members=tuple(names[: cut - 1]), parent="f1"))
    return groups


def fleet(draw: random.Random, make: Any) -> list[Device]:
    """Batteries with and without ceilings, roofs that can only be limited, loads."""
    kinds: list[tuple[DeviceKind, set[Capability]]] = [
        (DeviceKind.BATTERY, {SET_W, LIMIT_W}),
        (DeviceKind.BATTERY, {SET_W}),
        (DeviceKind.PV, {SET_W, LIMIT_W}),
        (DeviceKind.PV, {LIMIT_W}),
        (DeviceKind.LOAD, {SET_W}),
    ]
    made: list[Device] = []
    for number in range(draw.randint(3, 9)):
        (kind, able), rated = draw.choice(kinds), draw.choice([3_000.0, 5_000.0, 10_000.0])
        storage = kind is DeviceKind.BATTERY
        draws = rated if kind is not DeviceKind.PV else 0.0
        plate = {"max_w": rated, "max_charge_w": draws, "energy_wh": 200 * rated if storage else None}
        ramp = draw.choice([None, 2_000.0]) if storage else None
        made.append(make(f"d{number}", kind=kind, capabilities=frozenset(able), ramp_w_per_s=ramp, **plate))
    return made
