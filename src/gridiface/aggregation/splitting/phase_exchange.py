"""Phases under limits of groups in groups: power is exchanged between devices of different phases until they are near.

What the devices of one group and of the same phases do together counts as one amount. Of these, one is lowered and one
raised by the same, the pair first that brings the phases nearest to each other; limits on the net of groups, on what is
given and on what is taken in them bound each exchange. Bounds on the sums of groups in groups leave no other ways than
such exchanges, so that what ends there is the best there is; what is told is changed no more than that takes.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray
from gridiface.aggregation.allocate.phases import NOISE, Shares, spread
from gridiface.aggregation.allocate.water_filling import water_fill
from gridiface.aggregation.splitting.nested import Nest

#: Exchanges after which it is left as it is; some ten are usual.
_EXCHANGES = 120

#: Of the amounts that are to fall, and to rise, so many are looked at where the best are not free to.
_TRIED = 12

#: An exchange of less is none, W.
_LEAST_W = 1e-3

#: Shares are told apart by sixths.
_SIXTHS = 7

#: A little inside the limit, so that rounding does not show.
_INSIDE = 0.98


#: What a group's limits leave on the net (down, up), of what is given, and of what is taken, W.
_DOWN, _UP, _GIVEN, _TAKEN = range(4)

#: What `Exchange.mark` keeps: amounts, phases, what limits leave.
Mark = tuple[FloatArray, FloatArray, list[list[float]]]

#: The innermost group, and whether power is given there, or taken.
Spot = tuple[int, bool]


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
    exchange = Exchange(nest, powers, bounds, weight, shares, limit)
    exchange.settle()
    return exchange.powers()


class Exchange:
    """Amounts of devices between which power is exchanged; for the arguments see `even_out`."""

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
        self._rooms: list[list[float]] = []
        self._around: list[frozenset[int]] = []
        #: The innermost group of each position.
        self.cells = np.full(powers.size, -1, dtype=np.int64)
        self._place(nest, frozenset())
        lo, hi = np.minimum(bounds[0], powers), np.maximum(bounds[1], powers)
        gives = (powers > 0.0) | ((powers == 0.0) & (hi > 0.0))
        self._lo, self._hi = np.where(gives, np.maximum(lo, 0.0), lo), np.where(gives, hi, np.minimum(hi, 0.0))
        code = np.zeros(powers.size, dtype=np.int64)
        for share in shares:
            code = code * _SIXTHS + np.rint(share * (_SIXTHS - 1)).astype(np.int64)
        kinds = _SIXTHS**3 * 2
        #: Its group and its phases in one number.
        self.places = self.cells * _SIXTHS**3 + code
        key = self.places * 2 + gives
        moves: BoolArray = (self._hi > self._lo) & (code > 0)
        self._mine = np.flatnonzero(moves)
        mine = key[self._mine]
        # Not np.unique: to sort a whole fleet costs more than all the rest.
        some = np.full(len(self._rooms) * kinds, -1, dtype=np.int64)
        some[mine] = self._mine
        keys = np.flatnonzero(some >= 0)
        place = np.empty(some.size, dtype=np.int64)
        place[keys] = np.arange(keys.size)
        self._of = place[mine]
        #: Of each amount what it is, can be at least and at most, and was at first.
        self._at = self._summed(powers, keys.size)
        self._least, self._most = self._summed(self._lo, keys.size), self._summed(self._hi, keys.size)
        self._before = self._at.copy()
        self._spots: list[Spot] = list(zip((keys // kinds).tolist(), (keys % 2 == 1).tolist(), strict=True))
        self._shares = np.stack([share[some[keys]] for share in shares], axis=1)
        self._sums = np.array([float(np.einsum("i,i->", powers, share)) for share in shares])

    def _summed(self, values: FloatArray, count: int) -> FloatArray:
        """What all devices of each amount come to."""
        found: FloatArray = np.bincount(self._of, weights=values[self._mine], minlength=count).astype(np.float64)
        return found

    def _place(self, nest: Nest, around: frozenset[int]) -> None:
        """Number the groups, and say of each position which it lies in innermost."""
        number, mine = len(self._rooms), self._powers[nest.rows]
        net, given = float(mine.sum()), float(np.maximum(mine, 0.0).sum())
        room = (net - nest.net[0], nest.net[1] - net, nest.given - given, nest.taken - (given - net))
        self._rooms.append([max(one, 0.0) for one in room])
        self._around.append(around | {number})
        self.cells[nest.rows] = number
        for one in nest.inside:
            self._place(one, self._around[number])

    @property
    def sums(self) -> FloatArray:
        """Of each phase, W."""
        return self._sums

    @property
    def apart(self) -> float:
        """How far the phases are apart, as a part of their mean; see `phases.spread`."""
        mean = abs(float(self._sums.sum())) / 3
        return float(np.ptp(self._sums)) / mean if mean > NOISE * float(np.abs(self._sums).max()) else 0.0

    def loose(self) -> tuple[FloatArray, FloatArray]:
        """By how much what is moved may lower each phase, and raise it, W: limits of groups are left out."""
        return (self._at - self._least) @ self._shares, (self._most - self._at) @ self._shares

    def settle(self) -> None:
        """Exchange until the phases are near enough, or nothing brings them nearer."""
        for _ in range(_EXCHANGES):
            if self.apart <= _INSIDE * self._limit or not self._exchanged():
                break

    def powers(self) -> FloatArray:
        """Of each position now, W."""
        result = self._powers.copy()
        for at in np.flatnonzero(np.abs(self._at - self._before) > _LEAST_W).tolist():
            rows = self._mine[self._of == at]
            ends = self._lo[rows], self._hi[rows]
            result[rows] = water_fill(float(self._at[at]), *ends, self._powers[rows], self._weight[rows])
        return result

    def mark(self) -> Mark:
        """How things are, to come back to."""
        return self._at.copy(), self._sums.copy(), [room.copy() for room in self._rooms]

    def back(self, mark: Mark) -> None:
        """As they were."""
        self._at, self._sums, self._rooms = mark[0].copy(), mark[1].copy(), [room.copy() for room in mark[2]]

    def swap(self, low: Spot, high: Spot, by: float, shares: tuple[FloatArray, FloatArray]) -> float:
        """Lower one device and raise another that are not moved else, as far as limits let both, W, by `by` at most.

        `shares`: of the first and the other on the phases.
        """
        moved = min(by, self._through(low, high))
        self._change(low, -moved, shares[0])
        self._change(high, moved, shares[1])
        return moved

    def force(self, spot: Spot, by: float, share: FloatArray) -> bool:
        """Change a device that is not moved else by so much, W, for which others make up; False: they cannot all.

        Those on whose phases there is most too much, or too little, come first.
        """
        while abs(by) > _LEAST_W:
            weighs = self._shares @ (self._sums - self._sums.mean())
            room = self._at - self._least if by > 0 else self._most - self._at
            free = np.flatnonzero(room > _LEAST_W)
            for at in free[np.argsort(-weighs[free] if by > 0 else weighs[free], kind="stable")].tolist():
                ends = (self._spots[at], spot) if by > 0 else (spot, self._spots[at])
                moved = min(abs(by), float(room[at]), self._through(*ends))
                if moved > _LEAST_W:
                    break
            else:
                return False
            moved = moved if by > 0 else -moved
            self._at[at] -= moved
            self._change(self._spots[at], -moved, self._shares[at])
            self._change(spot, moved, share)
            by -= moved
        return True

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
        for at, change in zip(pair, (-by, by), strict=True):
            self._at[at] += change
            self._change(self._spots[at], change, self._shares[at])
        return True

    def _pairs(self, weighs: FloatArray, falls: BoolArray, rises: BoolArray) -> list[tuple[int, int]]:
        """(what is lowered, what is raised): the most promising of all, and of each group."""
        down, up = np.flatnonzero(falls), np.flatnonzero(rises)
        down, up = down[np.argsort(-weighs[down], kind="stable")], up[np.argsort(weighs[up], kind="stable")]
        found = [(low, high) for low in down[:_TRIED].tolist() for high in up[:_TRIED].tolist()]
        if down.size <= _TRIED and up.size <= _TRIED:
            return found
        first: dict[Spot, int] = {}
        for high in up.tolist():
            first.setdefault(self._spots[high], high)
        for low in down.tolist():
            same = first.get(self._spots[low])
            if same is not None:
                found.append((low, same))
        return found

    def _room(self, low: int, high: int) -> float:
        """How much can be exchanged, W."""
        ends = float(self._at[low] - self._least[low]), float(self._most[high] - self._at[high])
        return min(*ends, self._through(self._spots[low], self._spots[high]))

    def _through(self, low: Spot, high: Spot) -> float:
        """How much the limits of groups let be exchanged, W."""
        room, rooms = np.inf, self._rooms
        under, over = self._around[low[0]], self._around[high[0]]
        for number in under - over:
            room = min(room, rooms[number][_DOWN])
        for number in over - under:
            room = min(room, rooms[number][_UP])
        if not low[1]:
            for number in under if high[1] else under - over:
                room = min(room, rooms[number][_TAKEN])
        if high[1]:
            for number in over if not low[1] else over - under:
                room = min(room, rooms[number][_GIVEN])
        return room

    def _change(self, spot: Spot, by: float, share: FloatArray) -> None:
        """Note a change of power."""
        self._sums = self._sums + by * share
        for number in self._around[spot[0]]:
            room = self._rooms[number]
            room[_DOWN] += by
            room[_UP] -= by
            if spot[1]:
                room[_GIVEN] -= by
            else:
                room[_TAKEN] += by
