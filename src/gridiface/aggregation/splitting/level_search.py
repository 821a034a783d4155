"""Branch and bound: goes through all choices of levels of a few coarse devices that may be better than a known one.

Device after device gets its levels in turn, those nearest to the split without steps first, while those that have none
yet count with all powers in between: what even these cannot make better is gone no further into. So what is found at
the end is the best of all choices; a budget bounds what that may cost in a control step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.splitting.level_tree import Score, Tree, between, change_of
from gridiface.aggregation.splitting.nested import KEPT_W

#: So many coarse devices at most are gone through, and so many partial choices are looked at.
MOST, NODES = 24, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A coarse device: its position, its cell in the tree, what the split without steps gave it, its levels; W."""

    row: int
    cell: int
    power: float
    levels: tuple[float, ...]

    @property
    def widest(self) -> float:
        """The widest gap between two of its levels."""
        return float(np.diff(self.levels).max(initial=0.0))

    @property
    def kind(self) -> tuple[int, tuple[float, ...]]:
        """Devices of one kind can take each other's place."""
        return self.cell, self.levels


class Search:
    """One search.

    Args:
        tree: what is left beside the devices; as it was afterwards.
        devices: those whose levels are to be found.
        target: of the sum, W; `side`: see `Score.better`.
        enough_w: a total so near to its target is near enough.
        against: whether the tree lets everybody work against the target; else no limit may be passed for that.
    """

    def __init__(
        self, tree: Tree, devices: Sequence[Device], target: float, side: float, enough_w: float, *, against: bool
    ) -> None:
        self._tree, self._target, self._side = tree, target, side
        self._enough_w, self._against = enough_w, against
        self._devices = sorted(devices, key=lambda one: (-one.widest, one.kind, one.power))
        self._levels = [0.0] * len(self._devices)
        self._nodes = 0
        self._best: Score | None = None
        self._found: dict[int, float] = {}

    @property
    def whole(self) -> bool:
        """Whether all choices were gone through that may be better."""
        return self._nodes < NODES

    def better(self, than: Score, at: FloatArray) -> tuple[Score, dict[int, float]] | None:
        """The best choice that is better than one that is known: its score, and the level of each position; or None.

        Args:
            than: the known one.
            at: the powers that the tree counts the devices with, W.
        """
        mark, self._best = self._tree.mark(), than
        for one in self._devices:
            now = float(at[one.row])
            self._tree.add(one.cell, change_of(between(now, now), between(one.levels[0], one.levels[-1])))
        self._go(0)
        self._tree.undo(mark)
        return (self._best, self._found) if self._found else None

    def _go(self, depth: int) -> bool:
        """Give the devices from this one on their levels; whether what was found is good enough."""
        assert self._best is not None
        self._nodes += 1
        score = Score(self._tree.passed, self._tree.lack(self._target), self._against)
        if (not self._against and score.passed > KEPT_W) or not score.better(self._best, self._side):
            return False
        if depth == len(self._devices):
            self._best = score
            self._found = {one.row: level for one, level in zip(self._devices, self._levels, strict=True)}
            return score.passed <= KEPT_W and abs(score.lack) <= self._enough_w
        one = self._devices[depth]
        same = depth > 0 and one.kind == self._devices[depth - 1].kind
        most = self._levels[depth - 1] if same else np.inf  # of those that can take each other's place: in order
        for level in sorted(one.levels, key=lambda level: (abs(level - one.power), abs(level))):
            if level > most:
                continue
            if self._nodes >= NODES:
                return True
            mark, self._levels[depth] = self._tree.mark(), level
            self._tree.add(one.cell, change_of(between(one.levels[0], one.levels[-1]), between(level, level)))
            enough = self._go(depth + 1)
            self._tree.undo(mark)
            if enough:
                return True
        return False
