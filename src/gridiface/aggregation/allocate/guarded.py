"""Strategies of other packages at arm's length: what they do wrong is told, and splits nothing.

They get copies, so that they can change nothing of ours; where one raises, or its answer is none, water-filling splits
instead, and `fault` says why.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem, Strategy
from gridiface.aggregation.allocate.water_filling import WaterFilling

#: Powers may be beyond a bound, and their sum off the target, by so much: a part of the largest bound, and W.
_SLACK, _LEAST_W = 1e-6, 1e-3

#: Signs of an error that are told.
_LONGEST = 200

_INSTEAD = WaterFilling()


class Guarded:
    """One such strategy.

    Args:
        name: by which it is chosen.
        own: the strategy.
    """

    def __init__(self, name: str, own: Strategy) -> None:
        self.name, self._own = name, own
        #: What was wrong with an answer since somebody looked, who makes it empty again.
        self.fault = ""

    def split(self, problem: Problem) -> FloatArray:
        """Its answer, or that of water-filling where that is none."""
        count = problem.lo.size
        try:
            found = np.array(self._own.split(problem.take(np.arange(count), problem.target)), dtype=np.float64)
        except Exception as error:  # foreign code: whatever it raises, the fleet is led on
            self.fault = " ".join(f"it raised {type(error).__name__}: {error}".split())[:_LONGEST]
            return _INSTEAD.split(problem)
        if fault := _fault(problem, found):
            self.fault = fault
            return _INSTEAD.split(problem)
        return np.clip(found, problem.lo, problem.hi)


def _fault(problem: Problem, found: FloatArray) -> str:
    """What is wrong with an answer; empty: nothing."""
    if found.shape != problem.lo.shape:
        return f"it answered with {found.size} powers for {problem.lo.size} devices"
    if not np.isfinite(found).all():
        return "it answered with powers that are no numbers"
    lo, hi = problem.lo, problem.hi
    slack = _SLACK * max(float(np.abs(lo).max(initial=0.0)), float(np.abs(hi).max(initial=0.0))) + _LEAST_W
    if (found < lo - slack).any() or (found > hi + slack).any():
        return "it answered with powers beyond what devices can do"
    wanted = min(max(problem.target, float(lo.sum())), float(hi.sum()))
    total = float(found.sum())
    if abs(total - wanted) > slack * max(found.size, 1):
        return f"its powers come to {total:.0f} W, asked were {wanted:.0f} W"
    return ""
