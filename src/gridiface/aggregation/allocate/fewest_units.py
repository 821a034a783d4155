"""Fewest units: as few devices as can carry the target do so; inverters idle badly at part load.

Largest headroom first; one that runs already counts a fifth larger, so that two equals do not take turns. Of one that
is held on at its least power, as its least time is not over, that power counts, too: else it would be the smaller one.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem, headroom

#: How much larger a running device counts.
STAY = 1.2


class FewestUnits:
    """Picks devices by tier and headroom; those picked share in proportion."""

    name = "fewest-units"

    def split(self, problem: Problem) -> FloatArray:
        """See `Strategy.split`."""
        start, room, need = headroom(problem)
        if need == 0 or room.size == 0:
            return start
        size = room
        if problem.running is not None:
            held = np.maximum(start if need >= 0 else -start, 0.0)
            size = np.where(problem.running, STAY * (room + held), room)
        tier = np.zeros(room.size) if problem.tier is None else problem.tier
        order = np.lexsort((-size, tier))
        reached = np.cumsum(room[order])
        count = int(np.searchsorted(reached, abs(need))) + 1
        chosen = order[:count]
        full = float(room[chosen].sum())
        part = min(1.0, abs(need) / full) if full > 0 else 0.0
        result = start.copy()
        result[chosen] += room[chosen] * (part if need >= 0 else -part)
        return np.clip(result, problem.lo, problem.hi)
