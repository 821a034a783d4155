"""No active limit is passed while readings fail, devices hang and come back, owners take over, charge is misreported.

Who cannot be reached goes on with what it holds: what it does is not ours to change, but the others must leave it room.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.flows.engine.test_limits_hold import Story, fleet

from gridiface.domain.controls import Control
from gridiface.domain.fleet import DeviceKind, Group

#: A limit may be passed for as long as a device needs from end to end of its power, and is passed after that, s.
ON_THE_WAY_S = 12


@dataclass
class Trouble(Story):
    """Devices that cannot be read, told or believed, beside all else."""

    passed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def strike(self, share: float) -> None:
        """Something happens to some devices, and others are well again."""
        for unit in self.world.units.values():
            unit.unread = self.draw.random() < share
            unit.hung = self.draw.random() < share
            unit.soc_error = self.draw.choice([0.0, 0.0, 0.0, 0.2, -0.2]) if share else 0.0
            unit.local = unit.device.kind is DeviceKind.BATTERY and self.draw.random() < share
            if unit.local:
                unit.natural_w = 0.0

    def reached(self, name: str) -> bool:
        """Whether a device does as it is told now; who is silent is told nothing until it is heard again."""
        unit = self.world.units[name]
        return not (unit.hung or unit.unread or unit.local)

    def look(self) -> None:
        """Note which limits are passed, by more than those do by themselves whom nobody reaches."""
        found = {(control, mode) for control, mode, *_ in self.broken()} if self.settled() else set()
        for key in found:
            self.passed[key] += 1
        for key in [key for key in self.passed if key not in found]:
            del self.passed[key]

    def broken(self) -> list[tuple[str, str, float, float]]:
        """As in the other story; who is not reached has a right to what it does, the others must not add to it."""
        there = super().broken()
        if not there:
            return []
        units = self.world.units
        kept = {name: unit.w for name, unit in units.items()}
        try:
            for name, unit in units.items():
                unit.w = unit.w if not self.reached(name) else 0.0
            alone = {control.id: self.sums(control) for control in self.standing()}
        finally:
            for name, unit in units.items():
                unit.w = kept[name]
        return [one for one in there if one[3] > alone[one[0]][one[1]] + 20]

    def sums(self, control: Control) -> dict[str, float]:
        """What the devices of a control come to, by the limits that speak of it, W."""
        powers = self.powers(control.target)
        given = sum(max(power, 0.0) for power in powers)
        return {
            "export_limit": sum(powers),
            "import_limit": -sum(powers),
            "load_limit": sum(max(-power, 0.0) for power in powers),
            "generation_limit": given,
            "max_w_percent": given,
        }


@given(seed=st.integers(0, 100_000))
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_active_limit_is_passed_by_those_who_can_be_reached(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    devices = fleet(draw, make_battery)
    names = [device.id for device in devices]
    cut = draw.randint(1, len(names) - 1)
    groups = [
        Group(id="all", members=tuple(names)),
        Group(id="f1", members=tuple(names[:cut]), parent="all"),
        Group(id="f2", members=tuple(names[cut:]), parent="all"),
    ]
    story = Trouble(draw, make_world(devices=devices, groups=groups))
    story.weather()
    story.world.run(3)
    number = 0
    for _ in range(4):
        for _ in range(draw.randint(1, 3)):
            number += 1
            story.ask(number)
        story.turn()
        story.changed = story.world.now
        for second in range(60):
            if second == 15:
                story.strike(0.15)
            elif (
                second == 45
            ):  # what changes while nobody is heard cannot be known: the next turn finds all of them well
                story.strike(0.0)
            story.world.run(1)
            story.look()
            assert max(story.passed.values(), default=0) < ON_THE_WAY_S, story.passed
