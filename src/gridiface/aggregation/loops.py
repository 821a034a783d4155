"""What closed loops hold, over a restart: trims, and what meters see beside the members. Told before, taken up after.

Without them a server that starts in the middle of an event would begin at nothing: the total would miss what was made
up for until the loops have found it again. Owns no loop (closed_loop, metering) and no store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.stepper import Stepper


class Held(NamedTuple):
    """Of one group, + delivered, or injected: what its trim adds; what lies beside its members at its own meter."""

    trim_w: float
    beside_w: float
    beside_var: float = 0.0


class Loops:
    """The loops of one fleet."""

    def __init__(self, stepper: Stepper, metering: Metering) -> None:
        self._stepper, self._metering = stepper, metering

    def held(self) -> dict[str, Held]:
        """By group that was asked for a power in the last step, or has a meter that was read; nothing before a step."""
        trims, beside = self._stepper.held(), self._metering.held()
        nothing = (0.0, 0.0)
        return {name: Held(trims.get(name, 0.0), *beside.get(name, nothing)) for name in sorted(trims.keys() | beside)}

    def carry(self, kept: Mapping[str, Held]) -> None:
        """Go on from what `held` told before a restart; before the first step."""
        self._stepper.carry({name: one.trim_w for name, one in kept.items()})
        self._metering.carry({name: (one.beside_w, one.beside_var) for name, one in kept.items()})
