"""State-of-charge balancing: who is fuller discharges more, who is emptier charges more. Water-filling below."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem, headroom
from gridiface.aggregation.allocate.water_filling import water_fill

#: What the emptiest device still carries of its weight, so that a feasible target stays reachable.
LEAST_SHARE = 0.02


class SocBalancing:
    """Weights are scaled by the energy left in the direction asked for."""

    name = "soc-balancing"

    def split(self, problem: Problem) -> FloatArray:
        """See `Strategy.split`."""
        if problem.charge is None:
            return water_fill(problem.target, problem.lo, problem.hi, problem.base, problem.weight)
        start, _, need = headroom(problem)
        charge = np.where(np.isfinite(problem.charge), np.clip(problem.charge, 0.0, 1.0), 0.5)
        share = charge if need >= 0 else 1.0 - charge
        weight = problem.weight * np.maximum(share, LEAST_SHARE)
        # From `start`, not from `base`: a base outside its bounds would let a weight decide who leaves it first.
        return water_fill(problem.target, problem.lo, problem.hi, start, weight)
