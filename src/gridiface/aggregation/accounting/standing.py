"""Which default controls and lines of the local schedule are in force, as far as that can be measured. Pure.

What stands in has no start and no end of its own: it rules while nothing of its kind does. Its account is of the times
at which a limit or a power of it is in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridiface.aggregation.deciding.plan import Plan
from gridiface.domain.controls import Control, ControlMode, ModeValue

#: An account of what stands in is told in intervals of so long, s: it goes on for months.
INTERVAL_S = 900.0

#: One that is under way is made durable so often, s.
KEEP_S = 60.0

#: So many of them are looked at with every sample; of more than twenty times as many a twentieth, in turns.
AT_ONCE, TURNS = 20, 20


@dataclass(frozen=True, slots=True)
class Standing:
    """A control that stands in, and those of its modes that are in force."""

    control: Control
    modes: frozenset[ControlMode]

    @property
    def values(self) -> Mapping[ControlMode, ModeValue]:
        """What is in force."""
        return {mode: value for mode, value in self.control.values.items() if mode in self.modes}


def standing_in(plan: Plan) -> dict[str, Standing]:
    """What stands in by a plan, by control id."""
    found: dict[str, tuple[Control, set[ControlMode]]] = {}
    single = plan.rulings.values() if plan.standing is None else [plan.rulings[row] for row in plan.standing]
    for ruling in (*(node.ruling for node in plan.nodes()), *single):
        for claim in (*ruling.limits, *ruling.powers):
            if claim.control.is_default:
                found.setdefault(claim.control.id, (claim.control, set()))[1].add(claim.mode)
    return {name: Standing(control, frozenset(modes)) for name, (control, modes) in found.items()}
