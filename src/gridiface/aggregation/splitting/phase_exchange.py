"""Phases under limits of groups in groups: power is exchanged between devices of different phases until they are near.

What the devices of one group and of the same phases do together counts as one amount. Of these, one is lowered and one
raised by the same, the pair first that brings the phases nearest to each other; limits on the net of groups, on what is
given and on what is taken in them bound each exchange. Bounds on the sums of groups in groups leave no other ways than
such exchanges, so that what ends there is the best there is; what is told is changed no more than that takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.allocate.phases import Shares, one_way, spread
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.allocate.water_filling import water_fill
from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.splitting.nested import Nest
from gridiface.aggregation.state.columns import Columns

#: Exchanges after which it is left as it is; some ten are usual.
_EXCHANGES = 120

#: Who came to nothing may go on to the other side in the next turn; so many.
_TURNS = 3

#: Of the amounts that are to fall, and to rise, so many are looked at where the best are not free to.
_TRIED = 12

#: An exchange of less is none, W.
_LEAST_W = 1e-3

#: Shares are told apart by sixths.
_SIXTHS = 7

#: A little inside the limit, so that rounding does not show.
_INSIDE = 0.98


@dataclass(slots=True)
class _Group:
    """A group: what its limits leave on the net (down, up), and of what is given and taken; W."""

    down: float
    up: float
    given: float
    taken: float


def evened(
    columns: Columns,
    rows: IntArray,
    leeway: Callable[[], tuple[Nest, FloatArray, tuple[FloatArray, FloatArray]]],
    powers: FloatArray,
    asked: float,
    limit: float,
) -> FloatArray:
    """The powers of some devices with their phases as near as limits and steps leave it; see `even_out`.

    Args:
        columns, rows: the fleet, and whose.
        leeway: gives the limits over these and then other parts that stay as they are; the powers of those; and the
            bounds (lo, hi) of each of these, W.
        powers: of each, W.
        asked: of their group, W: for its phase nobody works against that.
        limit: of the spread.
    """
    c, here = columns, span(rows)
    shares = (c.phase_a[here], c.phase_b[here], c.phase_c[here])
    if spread(powers, shares) <= limit:
        return powers
    whole, stands, bounds = leeway()
    none, coarse = np.zeros(stands.size), is_coarse(c, rows) if c.stepped else np.zeros(rows.size, dtype=np.bool_)
    a, b, third = (np.concatenate([share, none]) for share in shares)
    weight = np.concatenate([c.weight[here], none + 1.0])
    for _ in range(_TURNS):
        before = powers
        lo, hi = one_way(*bounds, powers, asked)
        lo, hi = np.where(coarse, powers, lo), np.where(coarse, powers, hi)
        ends = np.concatenate([lo, stands]), np.concatenate([hi, stands])
        powers = even_out(whole, np.concatenate([powers, stands]), ends, weight, (a, b, third), limit)[: rows.size]
        if spread(powers, shares) <= limit or not np.any((powers == 0.0) & (before != 0.0)):
            break
    return powers


def even_out(
    nest: Nest,
    powers: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    weight: FloatArray,
    shares: Shares,
    limit: float,
) -> FloatArray:
    """`powers` with phases that are no farther apart than the limit, or as near as exchanges bring them; the same sum.

    Args:
        nest: the groups with their limits; its rows are all positions.
        powers: W, one per position.
        bounds: (lo, hi) inside which each may be moved; it gives or takes afterwards as it did.
        weight: see `Problem`.
        shares: see `phases.Shares`; 0 three times for who does not count.
        limit: of the spread, e.g. 0.2.
    """
    if spread(powers, shares) <= limit:
        return powers
    return _Exchange(nest, powers, bounds, weight, shares, limit).made()


class _Exchange:
    def __init__(
        self,
        nest: Nest,
        powers: FloatArray,
        bounds: tuple[FloatArray, FloatArray],
        weight: FloatArray,
        shares: Shares,
        limit: float,
    ) -> None:
        self._powers, self._weight, self._limit = powers, weight, limit
        self._groups: list[_Group] = []
        self._around: list[frozenset[int]] = []
        cells = np.full(powers.size, -1, dtype=np.int64)
        self._place(nest, frozenset(), cells)
        lo, hi = np.minimum(bounds[0], powers), np.maximum(bounds[1], powers)
        gives = (powers > 0.0) | ((powers == 0.0) & (hi > 0.0))
        self._lo, self._hi = np.where(gives, np.maximum(lo, 0.0), lo), np.where(gives, hi, np.minimum(hi, 0.0))
        code = np.zeros(powers.size, dtype=np.int64)
        for share in shares:
            code = code * _SIXTHS + np.rint(share * (_SIXTHS - 1)).astype(np.int64)
        kinds = _SIXTHS**3 * 2
        key = cells * kinds + code * 2 + gives
        moves: BoolArray = (self._hi > self._lo) & (code > 0)
        self._mine = np.flatnonzero(moves)
        mine = key[self._mine]
        # Not np.unique: to sort a whole fleet costs more than all the rest.
        some = np.full(len(self._groups) * kinds, -1, dtype=np.int64)
        some[mine] = self._mine
        keys = np.flatnonzero(some >= 0)
        place = np.empty(some.size, dtype=np.int64)
        place[keys] = np.arange(keys.size)
        self._of = place[mine]
        self._at, self._least, self._most = (
            np.bincount(self._of, weights=values[self._mine], minlength=keys.size)
            for values in (powers, self._lo, self._hi)
        )
        self._cells, self._gives = (keys // kinds).tolist(), (keys % 2 == 1).tolist()
        self._shares = np.stack([share[some[keys]] for share in shares], axis=1)
        self._sums = np.array([float(np.einsum("i,i->", powers, share)) for share in shares])

    def _place(self, nest: Nest, around: frozenset[int], cells: IntArray) -> None:
        """Number the groups, and say of each position which it lies in innermost."""
        number, mine = len(self._groups), self._powers[nest.rows]
        net, given = float(mine.sum()), float(np.maximum(mine, 0.0).sum())
        room = (net - nest.net[0], nest.net[1] - net, nest.given - given, nest.taken - (given - net))
        self._groups.append(_Group(*(max(one, 0.0) for one in room)))
        self._around.append(around | {number})
        cells[nest.rows] = number
        for one in nest.inside:
            self._place(one, self._around[number], cells)

    def made(self) -> FloatArray:
        """See `even_out`."""
        before = self._at.copy()
        for _ in range(_EXCHANGES):
            mean = abs(float(self._sums.sum())) / 3
            if np.ptp(self._sums) <= _INSIDE * self._limit * mean or not self._exchanged():
                break
        result = self._powers.copy()
        for at in np.flatnonzero(np.abs(self._at - before) > _LEAST_W).tolist():
            rows = self._mine[self._of == at]
            ends = self._lo[rows], self._hi[rows]
            result[rows] = water_fill(float(self._at[at]), *ends, self._powers[rows], self._weight[rows])
        return result

    def _exchanged(self) -> bool:
        """Make the exchange that brings the phases nearest to each other; False: there is none."""
        weighs = self._shares @ (self._sums - self._sums.mean())
        falls, rises = self._at - self._least > _LEAST_W, self._most - self._at > _LEAST_W
        best, pair, by = _LEAST_W, None, 0.0
        for low, high in self._pairs(weighs, falls, rises):
            change = self._shares[low] - self._shares[high]
            pull, size = float(change @ self._sums), float(change @ change)
            if pull <= 0 or size <= 0:
                continue
            moved = min(pull / size, self._room(low, high))
            gain = moved * (pull - moved * size / 2)
            if moved > _LEAST_W and gain > best:
                best, pair, by = gain, (low, high), moved
        if pair is None:
            return False
        self._move(*pair, by)
        return True

    def _pairs(self, weighs: FloatArray, falls: BoolArray, rises: BoolArray) -> list[tuple[int, int]]:
        """(what is lowered, what is raised): the most promising of all, and of each group."""
        down, up = np.flatnonzero(falls), np.flatnonzero(rises)
        down, up = down[np.argsort(-weighs[down], kind="stable")], up[np.argsort(weighs[up], kind="stable")]
        found = [(low, high) for low in down[:_TRIED].tolist() for high in up[:_TRIED].tolist()]
        if down.size <= _TRIED and up.size <= _TRIED:
            return found
        first: dict[tuple[int, bool], int] = {}
        for high in up.tolist():
            first.setdefault((self._cells[high], self._gives[high]), high)
        for low in down.tolist():
            same = first.get((self._cells[low], self._gives[low]))
            if same is not None:
                found.append((low, same))
        return found

    def _room(self, low: int, high: int) -> float:
        """How much can be exchanged, W."""
        room = min(float(self._at[low] - self._least[low]), float(self._most[high] - self._at[high]))
        under, over = self._around[self._cells[low]], self._around[self._cells[high]]
        for number in under - over:
            room = min(room, self._groups[number].down)
        for number in over - under:
            room = min(room, self._groups[number].up)
        if not self._gives[low]:
            for number in under if self._gives[high] else under - over:
                room = min(room, self._groups[number].taken)
        if self._gives[high]:
            for number in over if not self._gives[low] else over - under:
                room = min(room, self._groups[number].given)
        return room

    def _move(self, low: int, high: int, by: float) -> None:
        self._at[low] -= by
        self._at[high] += by
        self._sums -= by * (self._shares[low] - self._shares[high])
        for at, change in ((low, -by), (high, by)):
            for number in self._around[self._cells[at]]:
                group = self._groups[number]
                group.down += change
                group.up -= change
                if self._gives[at]:
                    group.given -= change
                else:
                    group.taken += change
