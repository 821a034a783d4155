"""Which of the powers that coarse devices know they take, beside fine ones, under limits that lie in each other.

Each stands at the level towards zero from what a split without steps gave it, at the next one, at the last, or off. All
begin at the first; then as many as it takes are moved, those with large steps first, of equals those that lost most by
rounding. A choice is judged by what it leaves to the fine devices: how far limits are passed with them, then how far
the total is from its target. It is not passed for the steps' sake, and no battery works against it to make up for them.
Where that does not come to as much as devices without steps could, and the coarse ones are few, all choices are gone
through that may be better (level_search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.splitting.level_search import MOST, Device, Search
from gridiface.aggregation.splitting.level_tree import NEARER_W, Score, Sums, Tree, change_of, of_levels
from gridiface.aggregation.splitting.nested import KEPT_W, Nest

#: Choices that are tried at most: what a fleet of many kinds of steps may cost in a control step.
_TRIALS = 400

#: Another choice than the first that is found has to be nearer by this part of all that could be done: for less nobody
#: is switched.
_WORTH = 0.0025

#: So often all kinds of moves are gone through.
_ROUNDS = 3

#: So many are tried off at most, where the target is not come to.
_EXCHANGES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Coarse devices among others, one value per position of the nest; W.

    `coarse`: who they are. `down`: the next level from `powers` towards zero. `far`: the last one on the side of the
    target. `above`: the next levels from others, away from zero.
    `runs`: who does something by itself, sun or demand: that it does more of it is no work against the total.
    `known`: the levels of one position between two powers, ascending.
    """

    coarse: BoolArray
    powers: FloatArray
    down: FloatArray
    far: FloatArray
    above: Callable[[FloatArray], FloatArray]
    runs: BoolArray
    known: Callable[[int, float, float], FloatArray]


def choose(
    nest: Nest, ladder: Ladder, lo: FloatArray, hi: FloatArray, target: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Levels for the coarse devices.

    Args:
        nest: the groups with their limits; its rows are all positions.
        ladder: see there.
        lo, hi: what each can do, W.
        target: of the sum, W.

    Returns:
        (levels, lo, hi): of coarse devices their power, three times; of fine ones what they were split, and bounds in
        which they do not work against the total where that can be.
    """
    return _Choice(nest, ladder, lo, hi, target).made()


class _Choice:
    def __init__(self, nest: Nest, ladder: Ladder, lo: FloatArray, hi: FloatArray, target: float) -> None:
        self._nest, self._ladder, self._lo, self._hi, self._target = nest, ladder, lo, hi, target
        self._at = np.where(ladder.coarse, np.clip(ladder.down, lo, hi), ladder.powers)
        self._upwards = float(ladder.powers.sum()) > 0 if target == 0 else target > 0
        floor, ceiling = np.minimum(ladder.powers, 0.0), np.maximum(ladder.powers, 0.0)
        self._one_lo = np.where(ladder.runs, lo, np.maximum(lo, np.minimum(floor, hi))) if self._upwards else lo
        self._one_hi = hi if self._upwards else np.where(ladder.runs, hi, np.minimum(hi, np.maximum(ceiling, lo)))
        #: What the coarse ones are at first, by cells, and what changed since then.
        self._changes: list[tuple[int, Sums]] = []
        #: With everybody at all that it can do: made when it is first asked for.
        self._at_all: Tree | None = None
        self._one_way = Tree(nest, self._one_lo, self._one_hi, ladder.coarse)
        for cell, rows in self._cells():
            self._change(cell, of_levels(self._at[rows]))
        self._trials = 0
        #: Who is tried off, and is not moved meanwhile; -1: nobody.
        self._out = -1

    def _change(self, cell: int, change: Sums) -> None:
        self._changes.append((cell, change))
        for tree in (self._one_way, self._at_all):
            if tree is not None:
                tree.add(cell, change)

    def _back(self, mark: int) -> None:
        """Take back all changes but the first ones."""
        del self._changes[mark:]
        for tree in (self._one_way, self._at_all):
            if tree is not None:
                tree.undo(mark)

    def made(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `choose`."""
        first = self._score()
        side = float(np.sign(first.lack))
        best = self._improved(first, side)
        best, sure = (best, True) if self._done(best) else self._searched(best, side)
        for cell, row in [] if sure or self._done(best) else self._standing():
            before, mark = self._at.copy(), len(self._changes)
            self._put(cell, np.array([row]), np.zeros(1))
            self._out = row
            tried = self._improved(self._score(), side)
            if tried.better(best, side):
                best = tried
            else:
                self._at = before
                self._back(mark)
            if self._done(best):
                break
        coarse, at = self._ladder.coarse, self._at
        lo, hi = (self._lo, self._hi) if best.against else (self._one_lo, self._one_hi)
        return at, np.where(coarse, at, lo), np.where(coarse, at, hi)

    def _put(self, cell: int, rows: IntArray, levels: FloatArray) -> None:
        """Coarse devices of one cell take other powers."""
        self._change(cell, change_of(of_levels(self._at[rows]), of_levels(levels)))
        self._at[rows] = levels

    def _improved(self, best: Score, side: float) -> Score:
        """As far as moves of one kind after the other make it better."""
        for _ in range(_ROUNDS):
            before = best
            for cell, rows, levels in self._moves(best):
                best = self._moved(cell, rows, levels, best, side)
                if self._done(best):
                    return best
            if best == before:
                break
        return best

    def _standing(self) -> list[tuple[int, int]]:
        """Coarse devices that could be off, one of each power and cell: others may do better in the room they leave."""
        able = (np.abs(self._at) > NEARER_W) & (self._lo <= NEARER_W) & (self._hi >= -NEARER_W)
        found: list[tuple[int, int]] = []
        for cell, rows in self._cells():
            here = rows[able[rows]]
            found.extend((cell, row) for row in here[np.unique(self._at[here].round(3), return_index=True)[1]].tolist())
        return found[:_EXCHANGES]

    def _cells(self) -> Iterator[tuple[int, IntArray]]:
        """The cells with coarse devices, the outermost first."""
        rows = self._one_way.rows
        return ((cell, rows[cell]) for cell in reversed(range(len(rows))) if rows[cell].size)

    def _done(self, score: Score) -> bool:
        good = score.passed <= KEPT_W and not score.against and abs(score.lack) <= NEARER_W
        return good or self._trials >= _TRIALS

    def _moves(self, score: Score) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Rows of one cell that change by the same, and what to; the promising first."""
        able = (self._lo <= NEARER_W) & (self._hi >= -NEARER_W)
        bad = score.passed > KEPT_W or score.against
        off = np.where(able, 0.0, self._at)
        for levels, may in ((self._ladder.above(self._at), True), (self._ladder.far, not bad), (off, bad)):
            change = levels - self._at
            useful = (np.abs(change) > NEARER_W) & (levels >= self._lo - NEARER_W) & (levels <= self._hi + NEARER_W)
            if score.passed <= KEPT_W and not score.against:
                useful &= change * score.lack > 0
            if self._out >= 0:
                useful[self._out] = False
            if not may or not useful.any():
                continue
            lost = np.abs(self._ladder.powers - self._at)
            found = []
            for cell, whole in self._cells():
                rows = whole[useful[whole]]
                sizes = np.round(change[rows], 3)
                for size in np.unique(sizes).tolist():
                    mine = rows[sizes == size]
                    found.append((abs(size), cell, mine[np.argsort(-lost[mine], kind="stable")]))
            for _, cell, rows in sorted(found, key=lambda one: -one[0]):
                yield cell, rows, levels

    def _moved(self, cell: int, rows: IntArray, levels: FloatArray, best: Score, side: float) -> Score:
        """As many of these moves, from the first on, as make it better."""
        done, step = 0, 1 << (rows.size.bit_length() - 1)
        while step and self._trials < _TRIALS:
            some = rows[done : done + step]
            if some.size == step:
                before, mark = self._at[some], len(self._changes)
                self._put(cell, some, levels[some])
                tried = self._score()
                if tried.better(best, side):
                    best, done = tried, done + step
                else:
                    self._at[some] = before
                    self._back(mark)
            step >>= 1
        return best

    def _score(self) -> Score:
        self._trials += 1
        tree = self._one_way
        against = tree.passed > KEPT_W
        if against:
            tree = self._whole()
        return Score(tree.passed, tree.lack(self._target), against)

    def _whole(self) -> Tree:
        """With all that everybody can do."""
        if self._at_all is None:
            self._at_all = Tree(self._nest, self._lo, self._hi, self._ladder.coarse)
            for cell, change in self._changes:
                self._at_all.add(cell, change)
        return self._at_all

    def _searched(self, best: Score, side: float) -> tuple[Score, bool]:
        """The best of all choices of a few coarse devices, and whether that is known: what is worth it is taken."""
        rows = [(cell, row) for cell, rows in self._cells() for row in rows[self._lo[rows] < self._hi[rows]].tolist()]
        worth = _WORTH * float((self._hi - self._lo).sum())
        if not rows or len(rows) > MOST:
            return best, False
        known, whole = Score(best.passed, np.copysign(max(abs(best.lack) - worth, 0.0), best.lack), best.against), True
        for against in (False, True):
            if against and not best.against:
                break
            tree = self._whole() if against else self._one_way
            devices = [one for cell, row in rows if len((one := self._device(cell, row, against=against)).levels) > 1]
            search = Search(tree, devices, self._target, side, worth / 2, against=against)
            found = search.better(known, self._at)
            whole &= search.whole
            if found is not None:
                best, levels = found
                cells = {row: cell for cell, row in rows}
                for row, level in levels.items():
                    self._put(cells[row], np.array([row]), np.array([level]))
                break
        return best, whole

    def _device(self, cell: int, row: int, *, against: bool) -> Device:
        """A coarse device with the levels that come into question; `against`: also those against the total."""
        power, least, most = float(self._ladder.powers[row]), float(self._lo[row]), float(self._hi[row])
        levels = self._ladder.known(row, least, most)
        if not (against or self._ladder.runs[row]):
            sign = 1.0 if self._upwards else -1.0
            ways = levels * sign
            # As far against it as the split without steps was, at most to the next level.
            floor = max(ways[ways <= min(power * sign, 0.0) + NEARER_W], default=-np.inf)
            levels = levels[ways >= floor - NEARER_W]
        return Device(row=row, cell=cell, power=power, levels=tuple(levels.tolist()))
