"""Phases that fine devices alone do not bring near each other: levels of coarse devices are changed for that, too.

One device goes to another level that it knows, be it from giving to taking where that is not against what is asked, or
two go to other ones against each other, and where that does not do three, and fine devices make up for the rest, so
that the total and all limits stay; then these exchange again. Changes are tried in the order of what they could come to
if no group had a limit, the one that brings the phases nearest is made, and so on, a few times.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.allocate.phases import Shares, one_way, spread
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.envelope.levels import COARSE, SLACK, is_coarse, known_levels, levels_around
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.splitting.nested import Nest
from gridiface.aggregation.splitting.phase_exchange import Exchange, Spot
from gridiface.aggregation.state.columns import Columns

#: Who came to nothing may go on to the other side in the next turn; so many.
_TURNS = 3

#: So many changes are made one after the other, each the best of so many that are tried.
_ROUNDS, _TRIED = 12, 48

#: Of more coarse devices only the next levels are looked at, in each round, and of all moves so many: where each level
#: of twenty devices is a move, those that are looked at are all large ones of the same few.
_NAMED, _MOVES = 8, 48

#: Of more of them nobody goes from giving to taking, and no three are moved together.
_FEW = 24

#: So many of those that go from giving to taking, or back, are looked at beside the others.
_ACROSS = 12

#: Of so many moves at most any three are made together.
_THREES = 24

#: A change that brings phases nearer by less of their mean is none.
_WORTH = 0.005

#: Beyond any change of one device, mW.
_BY_MOST = 1 << 40

#: A change of less is none, W.
_LEAST_W = 1e-3


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
        lo, hi = _own_way(*bounds, c, here, one_way(*bounds, powers, asked))
        steps = Steps.of(c.part(here, COARSE), np.flatnonzero(coarse), lo, hi) if coarse.any() else None
        lo, hi = np.where(coarse, powers, lo), np.where(coarse, powers, hi)
        ends = np.concatenate([lo, stands]), np.concatenate([hi, stands])
        exchange = Exchange(whole, np.concatenate([powers, stands]), ends, weight, (a, b, third), limit)
        exchange.settle()
        powers = exchange.powers() if steps is None else leveled(exchange, steps, (a, b, third), limit)
        powers = powers[: rows.size]
        if spread(powers, shares) <= limit or not np.any((powers == 0.0) & (before != 0.0)):
            break
    return powers


def _own_way(
    lo: FloatArray, hi: FloatArray, columns: Columns, rows: IntArray | slice, ways: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """The bounds that `ways` leave, with sun and demand let go as far as they go by themselves: that is no work."""
    runs, alone = columns.natural[rows], known_or_zero(columns.natural_w[rows])
    least = np.where(runs, np.maximum(lo, np.minimum(ways[0], alone)), ways[0])
    most = np.where(runs, np.minimum(hi, np.maximum(ways[1], alone)), ways[1])
    return least, most


@dataclass(frozen=True, slots=True)
class Steps:
    """Coarse devices.

    `rows`: their positions. `lo`, `hi`: bounds of each of them, W. `around`: the next level towards zero, and away from
    it, from powers of all of them, W. `known`: the levels of one of them between two powers, W; and near which one.
    """

    rows: IntArray
    lo: FloatArray
    hi: FloatArray
    around: Callable[[FloatArray], tuple[FloatArray, FloatArray]]
    known: Callable[[int, float, float, float], FloatArray]

    @classmethod
    def of(cls, part: Columns, rows: IntArray, lo: FloatArray, hi: FloatArray) -> Steps:
        """Those of some rows of a part of the fleet; the bounds are of all of the part."""
        mine = part.part(rows, COARSE)
        return cls(
            rows,
            lo[rows],
            hi[rows],
            lambda powers: levels_around(mine, powers),
            lambda at, least, most, near: known_levels(mine, at, least, most, near),
        )


@dataclass(frozen=True, slots=True)
class _Move:
    """Devices (places among the coarse ones) of one group and of the same phases that can all change by so much, W.

    `legs`: where power changes by how much, W: two where one that gives goes on to take, or the other way round.
    """

    places: IntArray
    legs: tuple[tuple[Spot, float], ...]
    by: float
    share: FloatArray


#: Moves together, and how many devices make each.
_Change = tuple[tuple[_Move, int], ...]


def leveled(exchange: Exchange, steps: Steps, shares: Shares, limit: float) -> FloatArray:
    """The powers of all positions with levels of coarse devices chosen so that phases come nearer.

    Args:
        exchange: of the others, settled.
        steps: the coarse ones.
        shares: of all positions.
        limit: of the spread.
    """
    return _Levels(exchange, steps, shares, limit).made()


class _Levels:
    def __init__(self, exchange: Exchange, steps: Steps, shares: Shares, limit: float) -> None:
        self._exchange, self._steps, self._limit = exchange, steps, limit
        self._at = exchange.powers()[steps.rows]
        self._share = np.stack([share[steps.rows] for share in shares], axis=1)
        gives = (self._at > 0.0) | ((self._at == 0.0) & (steps.hi > 0.0))
        self._gives = gives
        self._cells = exchange.cells[steps.rows]
        #: By its group and its phases.
        self._places = exchange.places[steps.rows]

    @property
    def _lo(self) -> FloatArray:
        """The least that each comes to without going to the other side, W."""
        found: FloatArray = np.where(self._gives, np.maximum(self._steps.lo, 0.0), self._steps.lo)
        return found

    @property
    def _hi(self) -> FloatArray:
        """And the most."""
        found: FloatArray = np.where(self._gives, self._steps.hi, np.minimum(self._steps.hi, 0.0))
        return found

    def made(self) -> FloatArray:
        """See `leveled`."""
        for _ in range(_ROUNDS):
            if self._exchange.apart <= self._limit or not self._changed():
                break
        powers = self._exchange.powers()
        powers[self._steps.rows] = self._at
        return powers

    def _changed(self) -> bool:
        """Make the best change; False: none is worth it."""
        moves = self._moves()
        return self._made(self._ones_and_twos(moves)) or self._made(self._threes(moves))

    def _made(self, changes: list[_Change]) -> bool:
        """Make the best of these; False: none is worth it."""
        exchange = self._exchange
        start, best, found = exchange.mark(), exchange.apart - _WORTH, None
        for change in self._promising(changes, best):
            if self._tried(change) and exchange.apart < best:
                best, found = exchange.apart, (change, exchange.mark())
            exchange.back(start)
            if best <= self._limit:
                break
        if found is None:
            return False
        for move, count in found[0]:
            mine = move.places[:count]
            self._at[mine] += move.by
            if len(move.legs) > 1:
                self._gives[mine] = move.legs[1][0][1]
        exchange.back(found[1])
        return True

    def _tried(self, change: _Change) -> bool:
        """Make a change, others make up for it, and exchange; False: limits do not let it be."""
        exchange = self._exchange
        legs = [(spot, by * count, move.share) for move, count in change for spot, by in move.legs]
        left = [by for _, by, _ in legs]
        for (at, low), (to, high) in itertools.permutations(enumerate(legs), 2):
            if left[at] < 0 < left[to]:
                done = exchange.swap(low[0], high[0], min(-left[at], left[to]), (low[2], high[2]))
                left[at] += done
                left[to] -= done
        if not all(exchange.force(spot, by, share) for (spot, _, share), by in zip(legs, left, strict=True)):
            return False
        exchange.settle()
        return True

    def _ones_and_twos(self, moves: list[_Move]) -> list[_Change]:
        """Each move alone, and any two that nobody makes both of."""
        centred = self._exchange.sums - self._exchange.sums.mean()
        changes: list[_Change] = []
        for at, move in enumerate(moves):
            changes.extend(_several((move,), centred))
            for other in moves[at + 1 :]:
                if _each_another((move, other)):
                    changes.extend(_several((move, other), centred))
        return changes

    def _threes(self, moves: list[_Move]) -> list[_Change]:
        """Any three moves of three devices."""
        if self._at.size > _FEW:
            return []
        some = [(move, 1) for move in moves[:_THREES]]
        return [three for three in itertools.combinations(some, 3) if _each_another(tuple(one[0] for one in three))]

    def _promising(self, changes: list[_Change], best: float) -> Iterator[_Change]:
        """Those that could come to less than the best, first those to the least."""
        if not changes:
            return
        shifts = np.array([sum(move.by * count * move.share for move, count in change) for change in changes])
        could = self._could(shifts)
        sizes = np.array([sum(abs(move.by) * count for move, count in change) for change in changes])
        order = np.lexsort((sizes, np.maximum(could, self._limit)))
        for at in order[:_TRIED].tolist():
            if could[at] < best:
                yield changes[at]

    def _could(self, shifts: FloatArray) -> FloatArray:
        """How far the phases are apart at least when shifted by so much, W, and fine devices make up for it."""
        sums, (down, up) = self._exchange.sums, self._exchange.loose()
        total = float(sums.sum())
        low, high = sums + shifts - down, sums + shifts + up
        # All phases at one height, as far as each can be: the height at which they come to the total.
        heights = np.sort(np.concatenate([low, high], axis=1), axis=1)
        there = np.clip(heights[:, :, None], low[:, None, :], high[:, None, :]).sum(axis=2)
        at = np.clip((there < total).sum(axis=1), 1, heights.shape[1] - 1)
        each = np.arange(at.size)
        under, over = there[each, at - 1], there[each, at]
        part = np.clip((total - under) / np.maximum(over - under, _LEAST_W), 0.0, 1.0)
        height = heights[each, at - 1] + part * (heights[each, at] - heights[each, at - 1])
        phases: FloatArray = np.clip(height[:, None], low, high)
        apart: FloatArray = (phases.max(axis=1) - phases.min(axis=1)) / max(abs(total) / 3, _LEAST_W)
        return apart

    def _moves(self) -> list[_Move]:
        """What coarse devices can do."""
        if self._at.size <= _NAMED:
            ends = self._lo, self._hi
            found = [(place, by) for place in range(self._at.size) for by in self._others(place, *ends)]
            places, by = np.array([one[0] for one in found], dtype=np.int64), np.array([one[1] for one in found])
        else:
            places, by = self._next()
        # Devices of one group, on the same phases, that all give, or all take. One sort of whole numbers: kinds in
        # front, changes in thousandths of a watt behind.
        kinds = self._places * 2 + self._gives
        key = kinds[places] * _BY_MOST + np.rint(by * 1e3).astype(np.int64)
        order = np.argsort(key, kind="stable")
        ordered = np.split(order, np.flatnonzero(np.diff(key[order])) + 1)
        moves = []
        for mine in ordered if places.size else ():
            first = places[mine[0]]
            change = float(by[mine[0]])
            moves.append(_Move(places[mine], ((self._spot(int(first)), change),), change, self._share[first]))
        return [*self._best(moves)[:_MOVES], *self._best(self._across())[:_ACROSS]]

    def _best(self, moves: list[_Move]) -> list[_Move]:
        """The most promising first."""
        centred = self._exchange.sums - self._exchange.sums.mean()
        return sorted(moves, key=lambda move: move.by * float(move.share @ centred))

    def _spot(self, place: int, *, over: bool = False) -> Spot:
        """Where a device gives, or takes; `over`: on the other side."""
        return int(self._cells[place]), bool(self._gives[place]) != over

    def _across(self) -> list[_Move]:
        """Who gives goes on to take, or the other way round: for few devices, each alone."""
        moves = []
        for place in range(self._at.size) if self._at.size <= _FEW else ():
            now, gives = float(self._at[place]), bool(self._gives[place])
            ends = (float(self._steps.lo[place]), 0.0) if gives else (0.0, float(self._steps.hi[place]))
            for level in self._steps.known(place, *ends, now).tolist() if ends[0] < ends[1] else ():
                if abs(level) > _LEAST_W and (level > 0) != gives:
                    legs = (self._spot(place), -now), (self._spot(place, over=True), level)
                    moves.append(_Move(np.array([place]), legs, level - now, self._share[place]))
        return moves

    def _others(self, place: int, lo: FloatArray, hi: FloatArray) -> list[float]:
        """What a device can change by to the levels that it knows, W."""
        now = float(self._at[place])
        known = self._steps.known(place, float(lo[place]), float(hi[place]), now)
        return [level - now for level in known.tolist() if abs(level - now) > _LEAST_W]

    def _next(self) -> tuple[IntArray, FloatArray]:
        """(who, by how much): to the next levels."""
        at, sign = self._at, np.where(self._gives, 1.0, -1.0)
        towards = self._steps.around(np.where(np.abs(at) > _LEAST_W, at - sign * _LEAST_W / 2, at))[0]
        away = self._steps.around(np.where(at == 0.0, sign * SLACK / 2, at))[1]
        places, changes, lo, hi = [], [], self._lo, self._hi
        for level in (towards, away):
            inside = (level >= lo - SLACK) & (level <= hi + SLACK) & (np.abs(level - at) > _LEAST_W)
            places.append(np.flatnonzero(inside))
            changes.append((level - at)[inside])
        return np.concatenate(places), np.concatenate(changes)


def _several(moves: tuple[_Move, ...], centred: FloatArray) -> list[_Change]:
    """The moves once each, and as often as brings the phases nearest."""
    found: list[_Change] = [tuple((move, 1) for move in moves)]
    most = min(move.places.size for move in moves)
    shift = sum(move.by * (move.share - move.share.mean()) for move in moves)
    size = float(np.sum(shift * shift))
    if most == 1 or size <= 0 or len({(move.legs[0][0], *move.share) for move in moves}) < len(moves):
        return found
    count = min(round(-float(np.sum(shift * centred)) / size), most)
    return [*found, *(tuple((move, often) for move in moves) for often in sorted({2, count}) if often > 1)]


def _each_another(moves: tuple[_Move, ...]) -> bool:
    """Whether each of these moves is made by another device, where each is made once."""
    return len({int(move.places[0]) for move in moves}) == len(moves)
