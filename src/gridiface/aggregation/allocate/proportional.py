"""Proportional: everyone gives the same fraction of what it has left in the direction asked for."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem, headroom


class Proportional:
    """Shares in proportion to headroom."""

    name = "proportional"

    def split(self, problem: Problem) -> FloatArray:
        """See `Strategy.split`."""
        start, room, need = headroom(problem)
        total = float(room.sum())
        if total <= 0:
            return start
        part = min(1.0, abs(need) / total)
        moved = start + room * (part if need >= 0 else -part)
        return np.clip(moved, problem.lo, problem.hi)
