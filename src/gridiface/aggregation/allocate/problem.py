"""The allocation problem and what a strategy must answer. Arrays only; no device objects.

    minimise  sum (p - base)^2 / weight   subject to   sum p = target,  lo <= p <= hi

is what water-filling solves; other strategies keep the constraints and replace the aim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def span(rows: IntArray) -> IntArray | slice:
    """The same rows as a slice where they are consecutive: slices are views, the rest is copied.

    Args:
        rows: ascending, each once.
    """
    if rows.size and int(rows[-1]) - int(rows[0]) + 1 == rows.size:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One total to be split over n devices. W, + delivered; arrays of length n.

    `lo` <= `hi`: what each can do. `base`: what it does when nobody asks. `weight` > 0: how much of a change it is
    to carry (its rating). `tier`: 1 is asked first. `charge`: energy content as a fraction of its window, 0..1,
    NaN where unknown. `running`: already doing something. All but the first four may be left out.
    """

    target: float
    lo: FloatArray
    hi: FloatArray
    base: FloatArray
    weight: FloatArray
    tier: IntArray | None = None
    charge: FloatArray | None = None
    running: BoolArray | None = None

    def take(self, rows: IntArray, target: float) -> Problem:
        """The same problem for some of the devices with a total of their own."""
        return Problem(
            target=target,
            lo=self.lo[rows],
            hi=self.hi[rows],
            base=self.base[rows],
            weight=self.weight[rows],
            tier=None if self.tier is None else self.tier[rows],
            charge=None if self.charge is None else self.charge[rows],
            running=None if self.running is None else self.running[rows],
        )


class Strategy(Protocol):
    """How a total is split. A plug-in offers an object of this form under the entry point `gridiface.allocators`."""

    name: str

    def split(self, problem: Problem) -> FloatArray:
        """A power for each device, inside [lo, hi], whose sum is the target.

        Where the target lies outside [sum lo, sum hi] the answer is `lo` or `hi`: the nearest that is feasible.
        Must not change the problem's arrays, must be deterministic, and must be monotone: no device falls when the
        target rises.
        """
        ...


def headroom(problem: Problem) -> tuple[FloatArray, FloatArray, float]:
    """Where the devices are without a request, how far each can move towards the target, and the distance left.

    Returns:
        (start, room, need): `start` = base inside its bounds; `need` = target - sum(start); `room` >= 0 in the
        direction of `need`.
    """
    start = np.clip(problem.base, problem.lo, problem.hi)
    need = problem.target - float(start.sum())
    room = problem.hi - start if need >= 0 else start - problem.lo
    return start, room, need


def fill_in_order(problem: Problem, order: IntArray, room: FloatArray, start: FloatArray, need: float) -> FloatArray:
    """Load devices one after the other in `order` until `need` is met; the last one takes the rest."""
    ordered = room[order]
    before = np.cumsum(ordered)
    before -= ordered
    take = np.clip(abs(need) - before, 0.0, ordered)
    result = start.copy()
    result[order] += take if need >= 0 else -take
    return np.clip(result, problem.lo, problem.hi)
