"""Which of the powers that coarse devices know they take, beside fine ones, under limits that lie in each other.

Each stands at the level towards zero from what a split without steps gave it, at the next one, at the last, or off. All
begin at the first; then as many as it takes are moved, those with large steps first, of equals those that lost most by
rounding. A choice is judged by what it leaves to the fine devices: how far limits are passed with them, then how far
the total is from its target. It is not passed for the steps' sake, and no battery works against it to make up for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.extent import Extent, extent_of
from gridiface.aggregation.nested import KEPT_W, Nest

#: Choices that are tried at most: what a fleet of many kinds of steps may cost in a control step.
_TRIALS = 400

#: So often all kinds of moves are gone through.
_ROUNDS = 3

#: So many are tried off at most, where the target is not come to.
_EXCHANGES = 16

#: What is nearer by less is no nearer, W.
_NEARER_W = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Coarse devices among others, one value per position of the nest; W.

    `coarse`: who they are. `down`: the next level from `powers` towards zero. `far`: the last one on the side of the
    target. `above`: the next levels from others, away from zero.
    `runs`: who does something by itself, sun or demand: that it does more of it is no work against the total.
    """

    coarse: BoolArray
    powers: FloatArray
    down: FloatArray
    far: FloatArray
    above: Callable[[FloatArray], FloatArray]
    runs: BoolArray


@dataclass(frozen=True, slots=True)
class _Cell:
    """A group: what its fine devices can do as long as nobody works against the total, and at all; its coarse ones."""

    nest: Nest
    one_way: Extent
    at_all: Extent
    rows: IntArray
    inside: tuple[_Cell, ...]

    def walk(self) -> Iterator[_Cell]:
        """This cell and all inside."""
        yield self
        for one in self.inside:
            yield from one.walk()


@dataclass(frozen=True, slots=True)
class _Score:
    """By how much limits are passed, W; what is missing to the target, W; whether somebody has to work against it."""

    passed: float
    lack: float
    against: bool

    def better(self, than: _Score, side: float) -> bool:
        """Whether it is; `side`: on which side of the target the total was at first, and stays."""
        if abs(self.passed - than.passed) > KEPT_W:
            return self.passed < than.passed
        if self.against != than.against:
            return than.against
        return self.lack * side > -_NEARER_W and abs(self.lack) < abs(than.lack) - _NEARER_W


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
        self._ladder, self._lo, self._hi, self._target = ladder, lo, hi, target
        self._at = np.where(ladder.coarse, np.clip(ladder.down, lo, hi), ladder.powers)
        upwards = float(ladder.powers.sum()) > 0 if target == 0 else target > 0
        floor, ceiling = np.minimum(ladder.powers, 0.0), np.maximum(ladder.powers, 0.0)
        self._one_lo = np.where(ladder.runs, lo, np.maximum(lo, np.minimum(floor, hi))) if upwards else lo
        self._one_hi = hi if upwards else np.where(ladder.runs, hi, np.minimum(hi, np.maximum(ceiling, lo)))
        self._root = self._cell(nest)
        self._trials = 0
        #: Who is tried off, and is not moved meanwhile; -1: nobody.
        self._out = -1

    def _cell(self, nest: Nest) -> _Cell:
        inside = tuple(self._cell(one) for one in nest.inside)
        rows = np.setdiff1d(nest.rows, np.concatenate([one.nest.rows for one in inside])) if inside else nest.rows
        fine = rows[~self._ladder.coarse[rows]]
        return _Cell(
            nest,
            extent_of(self._one_lo[fine], self._one_hi[fine], parts=True),
            extent_of(self._lo[fine], self._hi[fine], parts=True),
            rows[self._ladder.coarse[rows]],
            inside,
        )

    def made(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """See `choose`."""
        first = self._score()
        side = float(np.sign(first.lack))
        best = self._improved(first, side)
        for row in [] if self._done(best) else self._standing():
            before = self._at.copy()
            self._at[row], self._out = 0.0, row
            tried = self._improved(self._score(), side)
            if tried.better(best, side):
                best = tried
            else:
                self._at = before
            if self._done(best):
                break
        coarse, at = self._ladder.coarse, self._at
        lo, hi = (self._lo, self._hi) if best.against else (self._one_lo, self._one_hi)
        return at, np.where(coarse, at, lo), np.where(coarse, at, hi)

    def _improved(self, best: _Score, side: float) -> _Score:
        """As far as moves of one kind after the other make it better."""
        for _ in range(_ROUNDS):
            before = best
            for rows, levels in self._moves(best):
                best = self._moved(rows, levels, best, side)
                if self._done(best):
                    return best
            if best == before:
                break
        return best

    def _standing(self) -> list[int]:
        """Coarse devices that could be off, one of each power and cell: others may do better in the room they leave."""
        able = (np.abs(self._at) > _NEARER_W) & (self._lo <= _NEARER_W) & (self._hi >= -_NEARER_W)
        found: list[int] = []
        for cell in self._root.walk():
            rows = cell.rows[able[cell.rows]]
            found.extend(rows[np.unique(self._at[rows].round(3), return_index=True)[1]].tolist())
        return found[:_EXCHANGES]

    def _done(self, score: _Score) -> bool:
        good = score.passed <= KEPT_W and not score.against and abs(score.lack) <= _NEARER_W
        return good or self._trials >= _TRIALS

    def _moves(self, score: _Score) -> Iterator[tuple[IntArray, FloatArray]]:
        """Rows of one cell that change by the same, and what to; the promising first."""
        able = (self._lo <= _NEARER_W) & (self._hi >= -_NEARER_W)
        bad = score.passed > KEPT_W or score.against
        off = np.where(able, 0.0, self._at)
        for levels, may in ((self._ladder.above(self._at), True), (self._ladder.far, not bad), (off, bad)):
            change = levels - self._at
            useful = (np.abs(change) > _NEARER_W) & (levels >= self._lo - _NEARER_W) & (levels <= self._hi + _NEARER_W)
            if score.passed <= KEPT_W and not score.against:
                useful &= change * score.lack > 0
            if self._out >= 0:
                useful[self._out] = False
            if not may or not useful.any():
                continue
            lost = np.abs(self._ladder.powers - self._at)
            found = []
            for cell in self._root.walk():
                rows = cell.rows[useful[cell.rows]]
                sizes = np.round(change[rows], 3)
                for size in np.unique(sizes).tolist():
                    mine = rows[sizes == size]
                    found.append((abs(size), mine[np.argsort(-lost[mine], kind="stable")]))
            for _, rows in sorted(found, key=lambda pair: -pair[0]):
                yield rows, levels

    def _moved(self, rows: IntArray, levels: FloatArray, best: _Score, side: float) -> _Score:
        """As many of these moves, from the first on, as make it better."""
        done, step = 0, 1 << (rows.size.bit_length() - 1)
        while step and self._trials < _TRIALS:
            some = rows[done : done + step]
            if some.size == step:
                before = self._at[some].copy()
                self._at[some] = levels[some]
                tried = self._score()
                if tried.better(best, side):
                    best, done = tried, done + step
                else:
                    self._at[some] = before
            step >>= 1
        return best

    def _score(self) -> _Score:
        self._trials += 1
        passed, extent = self._under(self._root, at_all=False)
        against = passed > KEPT_W
        if against:
            passed, extent = self._under(self._root, at_all=True)
        return _Score(passed, self._target - min(max(self._target, extent.net[0]), extent.net[1]), against)

    def _under(self, cell: _Cell, *, at_all: bool) -> tuple[float, Extent]:
        """By how much limits here and inside are passed at least, W, and what is left inside them."""
        levels = self._at[cell.rows]
        given, net = float(np.maximum(levels, 0.0).sum()), float(levels.sum())
        found = cell.at_all if at_all else cell.one_way
        found = found + Extent((net, net), (given, given), (given - net, given - net))
        passed = 0.0
        for one in cell.inside:
            more, inner = self._under(one, at_all=at_all)
            passed, found = passed + more, found + inner
        nest = cell.nest
        assert found.given is not None
        assert found.taken is not None
        passed += max(found.given[0] - nest.given, 0.0) + max(found.taken[0] - nest.taken, 0.0)
        within = found.under((-np.inf, np.inf), nest.given, nest.taken)
        passed += max(within.net[0] - nest.net[1], nest.net[0] - within.net[1], 0.0)
        return passed, within.under(nest.net, nest.given, nest.taken)
