"""What nested limits leave while powers of coarse devices are chosen, one change after the other.

A change is worked out along the way from its group to the outermost alone, and can be taken back: what a choice costs
does not grow with the fleet. Works like `extent.Extent`, whose sums are kept here as plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.envelope.extent import Extent, extent_of
from gridiface.aggregation.splitting.nested import KEPT_W, Nest

#: What is nearer by less is no nearer, W.
NEARER_W = 1e-3

_NO_LIMITS = (-np.inf, np.inf, np.inf, np.inf)

#: The cell around the outermost.
_NOWHERE = -1

#: Least and most of the net, of what is given, and of what is taken, W.
Sums = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Score:
    """By how much limits are passed, W; what is missing to the target, W; whether somebody has to work against it."""

    passed: float
    lack: float
    against: bool

    def better(self, than: Score, side: float) -> bool:
        """Whether it is; `side`: on which side of the target the total was at first, and stays."""
        if abs(self.passed - than.passed) > KEPT_W:
            return self.passed < than.passed
        if self.against != than.against:
            return than.against
        return self.lack * side > -NEARER_W and abs(self.lack) < abs(than.lack) - NEARER_W


class Tree:
    """Groups in groups with what their devices can come to.

    Args:
        nest: the groups with their limits.
        lo, hi: what each device can do, W; one per position.
        coarse: whose powers are chosen: these count with nothing until `add` says more.
    """

    def __init__(self, nest: Nest, lo: FloatArray, hi: FloatArray, coarse: BoolArray) -> None:
        #: By how much all limits are passed at least, W.
        self.passed = 0.0
        #: The coarse devices of each cell, which is a group without those inside of it; of the outermost last.
        self.rows: list[IntArray] = []
        self._parents: list[int] = []
        self._limits: list[tuple[float, float, float, float] | None] = []
        self._own: list[Sums] = []
        self._left: list[Sums] = []
        self._passed: list[float] = []
        #: What cells were before each change, and where the changes begin in that.
        self._log: list[tuple[int, Sums, Sums, float]] = []
        self._changes: list[int] = []
        self._plant(nest, lo, hi, coarse, np.ones(coarse.size, dtype=np.bool_))

    def _plant(self, nest: Nest, lo: FloatArray, hi: FloatArray, coarse: BoolArray, loose: BoolArray) -> int:
        """Make the cells of a group and those inside; its number. `loose`: who is in none yet."""
        inside = [self._plant(one, lo, hi, coarse, loose) for one in nest.inside]
        rows = nest.rows[loose[nest.rows]]
        loose[rows] = False
        mine = coarse[rows]
        fine = rows[~mine]
        own, cell = _sums(extent_of(lo[fine], hi[fine], parts=True)), len(self.rows)
        for one in inside:
            own, self._parents[one] = _added(own, self._left[one]), cell
        limits = (*nest.net, nest.given, nest.taken)
        self.rows.append(rows[mine])
        self._parents.append(_NOWHERE)
        self._limits.append(None if limits == _NO_LIMITS else limits)
        self._own.append(own)
        passed, left = self._under(cell)
        self._passed.append(passed)
        self._left.append(left)
        self.passed += passed
        return cell

    @property
    def net(self) -> tuple[float, float]:
        """The least and the most that all come to under the limits, W."""
        return self._left[-1][0], self._left[-1][1]

    def lack(self, target: float) -> float:
        """What is missing to a target, W: below 0 where there is too much."""
        least, most = self.net
        return target - min(max(target, least), most)

    def add(self, cell: int, change: Sums) -> None:
        """The devices of a cell come to so much more: one change."""
        self._changes.append(len(self._log))
        while cell != _NOWHERE:
            own, before = self._own[cell], self._left[cell]
            self._log.append((cell, own, before, self._passed[cell]))
            self._own[cell] = _added(own, change)
            passed, left = self._under(cell)
            self.passed += passed - self._passed[cell]
            self._passed[cell], self._left[cell] = passed, left
            if left == before:
                return
            change = _less(left, before)
            cell = self._parents[cell]

    def mark(self) -> int:
        """How many changes there are."""
        return len(self._changes)

    def undo(self, mark: int) -> None:
        """Take back all changes but the first ones."""
        if mark >= len(self._changes):
            return
        begin = self._changes[mark]
        del self._changes[mark:]
        while len(self._log) > begin:
            cell, own, left, passed = self._log.pop()
            self.passed += passed - self._passed[cell]
            self._own[cell], self._left[cell], self._passed[cell] = own, left, passed

    def _under(self, cell: int) -> tuple[float, Sums]:
        """By how much the limits of a cell are passed at least, W, and what is left inside them."""
        limits, sums = self._limits[cell], self._own[cell]
        if limits is None:
            return 0.0, sums
        low, high, most_given, most_taken = limits
        passed = max(sums[2] - most_given, 0.0) + max(sums[4] - most_taken, 0.0)
        if sums[3] > most_given:
            sums = _agreed(sums[0], sums[1], sums[2], max(most_given, sums[2]), sums[4], sums[5])
        if sums[5] > most_taken:
            sums = _agreed(sums[0], sums[1], sums[2], sums[3], sums[4], max(most_taken, sums[4]))
        least, most = sums[0], sums[1]
        passed += max(least - high, low - most, 0.0)
        if most > high:
            most = max(high, least)
        if least < low:
            least = min(low, most)
        if (least, most) != (sums[0], sums[1]):
            sums = _agreed(least, most, *sums[2:])
        return passed, sums


def of_levels(levels: FloatArray) -> Sums:
    """What devices at these powers come to, W."""
    net, given = float(levels.sum()), float(np.maximum(levels, 0.0).sum())
    return net, net, given, given, given - net, given - net


def between(least: float, most: float) -> Sums:
    """What a device comes to that can do all powers between two, W."""
    return least, most, max(least, 0.0), max(most, 0.0), max(-most, 0.0), max(-least, 0.0)


def change_of(before: Sums, after: Sums) -> Sums:
    """What the one differs from the other by."""
    return _less(after, before)


def _sums(extent: Extent) -> Sums:
    assert extent.given is not None
    assert extent.taken is not None
    return (*extent.net, *extent.given, *extent.taken)


def _added(one: Sums, other: Sums) -> Sums:
    return (
        one[0] + other[0],
        one[1] + other[1],
        one[2] + other[2],
        one[3] + other[3],
        one[4] + other[4],
        one[5] + other[5],
    )


def _less(one: Sums, other: Sums) -> Sums:
    return (
        one[0] - other[0],
        one[1] - other[1],
        one[2] - other[2],
        one[3] - other[3],
        one[4] - other[4],
        one[5] - other[5],
    )


def _agreed(least: float, most: float, gives: float, given: float, takes: float, taken: float) -> Sums:
    """Each of the three sums with what the other two leave of it."""
    low, high = gives - taken, given - takes
    down, up = least + takes, most + taken
    bottom, top = gives - most, given - least
    return (
        min(max(least, low), high),
        min(max(most, low), high),
        min(max(gives, down), up),
        min(max(given, down), up),
        min(max(takes, bottom), top),
        min(max(taken, bottom), top),
    )
