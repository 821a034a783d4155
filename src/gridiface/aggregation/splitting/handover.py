"""From one split of a total to another while the total stands: who gives back waits for those who take over.

Devices move at their own speed: one behind Modbus is where it was told within a second, an inverter that polls fetches
what it was told in its own time. Told at once, the quick ones would have given back before the slow ones have taken
over, and the total would miss that for as long. So a new split is walked: in each step no more is given back than a
small part of the total, less what is told and not seen yet. What is asked anew meanwhile is not held up: a total that
rises is served by those who take over, one that falls by those who give back. Both go one after the other, so that each
is told once or twice and not with every step.

Where devices come one after the other under a total that stands, as at a start, each of them would change the share of
all. While they come, nobody gives back: who comes takes what is missing. Then the split is walked, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.phases import spread
from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.envelope.limits import Envelope, known_or_zero
from gridiface.aggregation.splitting.solution import NodeResult, Solution
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: So much of a total may be on its way from one to another, and at least so much of the members' ratings.
PART, PART_OF_RATING = 0.02, 0.005

#: Time between steps while a split is handed over, s.
STEP_S = 1.0

#: What was published and neither answered nor followed by its power is fetched within so long, s, or so many of the
#: device's own polls: two of the usual 300 s of an inverter.
FETCHED_S, FETCHES = 600.0, 5.0

#: Less than this part of what may be on its way is not waited for.
_REST = 0.01

#: Changes of less than this part of a rating come last.
_SMALL = 0.005

#: Devices that come so close to one another, s, come together; for so long at most, s, the split waits for the last.
COMING_S, COMING_MOST_S = 3.0, 60.0

#: Powers come to what they should where they are off by no more than this part of them, and W; phases where they are no
#: farther apart than before and after by this.
_REACHED, _LEAST_W, _APART = 1e-4, 1.0, 0.01


class Handover:
    """The groups whose split is under way.

    Args:
        columns: the fleet.
        response_s: time constant of devices, s.
    """

    def __init__(self, columns: Columns, response_s: float) -> None:
        self._c, self._response_s = columns, response_s
        self._strategies: dict[str, str] = {}
        self._under_way: set[str] = set()
        self._version = -1
        self._able_before: BoolArray = np.empty(0, dtype=np.bool_)
        self._ids_before: npt.NDArray[np.object_] = np.empty(0, dtype=np.object_)
        #: By group: when the last one came, and the first of those who come together.
        self._came: dict[str, tuple[Instant, Instant]] = {}
        self._coming: set[str] = set()
        #: By group: who takes part, what they are to come to in this step, W, how far their phases are apart at most.
        self._aims: dict[str, tuple[IntArray, float, float]] = {}
        self._anyone: Envelope | None = None

    @property
    def active(self) -> bool:
        """Whether a split is under way."""
        return bool(self._under_way)

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        self._came = {name: (last + seconds, first + seconds) for name, (last, first) in self._came.items()}

    def look(
        self,
        nodes: Sequence[Node],
        known: Iterable[str],
        bounds: Envelope,
        now: Instant,
        *,
        resumed: Iterable[str] = (),
    ) -> None:
        """Notice who is split by another strategy than before, where one is back that takes its time, or many come.

        Args:
            nodes: the groups that have a total.
            known: groups that had one in the step before.
            bounds: the envelope of the step; who can be asked.
            now: when.
            resumed: groups that had one before a restart; how it was split then is not known.
        """
        before, self._strategies = self._strategies, {node.id: node.strategy.name for node in nodes}
        held = set(known)
        changed = {name for name, one in self._strategies.items() if before.get(name, one) != one and name in held}
        changed |= self._strategies.keys() & set(resumed)
        able = bounds.free & ~self._c.trial  # who is on trial is handed over to when that is over
        if self._version == self._c.version:
            back = able & ~self._able_before & (self._c.slow > 0)
            if back.any():
                changed |= {node.id for node in nodes if node.id in held and back[node.loose].any()}
        self._look_who_comes([node for node in nodes if node.id in held], self._new(able), now)
        self._version, self._able_before = self._c.version, able
        self._under_way = (self._under_way & held & self._strategies.keys()) | changed | self._coming

    def _look_who_comes(self, nodes: Sequence[Node], new: BoolArray, now: Instant) -> None:
        """Notice the groups to which devices come one after the other."""
        came, self._came, self._coming = self._came, {}, set()
        for node in nodes:
            mine = new[node.loose]
            last, first = came.get(node.id, (-np.inf, now))
            if not 0.0 <= now - last <= COMING_S:
                first = now
                if not mine.any():
                    continue
            if now - first > COMING_MOST_S and node.id not in self._under_way:
                first = now
            if mine.any():
                last = now
            self._came[node.id] = last, first
            if last > first and now - first <= COMING_MOST_S:
                self._coming.add(node.id)

    def _new(self, able: BoolArray) -> BoolArray:
        """Who can be told a power, was told none, and could not be asked in the step before."""
        c, before = self._c, np.zeros(able.size, dtype=np.bool_)
        both = slice(0, min(able.size, self._able_before.size))
        before[both] = self._able_before[both]
        if self._version != c.version:  # rows may be other devices' now
            before[both] &= c.ids[both] == self._ids_before[both]
            self._ids_before = c.ids.copy()
        new: BoolArray = able & ~before & c.can_set_w & np.isnan(c.told_w)
        return new

    def hold_back(
        self, nodes: Iterable[Node], bounds: Envelope, aim: Solution, targets: Mapping[str, float], now: Instant
    ) -> tuple[Envelope, dict[str, NodeResult]]:
        """The envelope in which nobody gives back too early; what the groups could reach without that, by group.

        Args:
            nodes: the groups that have a total.
            bounds: the envelope of the step.
            aim: the split that is there in the end, ramps left out: what is nearest to it within each step's ramps
                is another one each time.
            targets: what each group is asked, W.
            now: when.
        """
        mine = [node for node in nodes if node.id in self._under_way and self._able(node, bounds).size]
        self._aims.clear()
        if not mine:
            self._under_way.clear()
            return bounds, {}
        results = {}
        lo, hi = bounds.near_lo.copy(), bounds.near_hi.copy()
        any_lo, any_hi = lo.copy(), hi.copy()
        for node in mine:
            rows = self._able(node, bounds)
            wanted = np.where(np.isfinite(aim.watts[rows]), aim.watts[rows], aim.will[rows])
            turns = self._turns(node, rows, bounds, wanted, targets[node.id], now)
            if turns is None:
                self._under_way.discard(node.id)
                continue
            stands, back, over = turns
            lo[rows] = hi[rows] = np.clip(stands + back + over, lo[rows], hi[rows])
            rises = self._rises(node, bounds, targets[node.id])
            end = any_lo if rises else any_hi
            end[rows] = np.clip(stands + back, any_lo[rows], any_hi[rows])
            results[node.id] = aim.results[node.id]
            apart = max(self._apart(rows, wanted), self._apart(rows, stands))
            self._aims[node.id] = rows, float(lo[rows].sum()), apart
        self._anyone = replace(bounds, near_lo=any_lo, near_hi=any_hi)
        return replace(bounds, near_lo=lo, near_hi=hi), results

    def _turns(
        self, node: Node, rows: IntArray, bounds: Envelope, wanted: FloatArray, target_w: float, now: Instant
    ) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """Where these stand, by what each gives back in this step, and by what it takes over, W; None: it is done.

        Args:
            node: the group.
            rows: whose power can be changed.
            bounds: the envelope of the step.
            wanted: where each is to stand in the end, W.
            target_w: of the group.
            now: when.
        """
        coming, sign = node.id in self._coming, 1.0 if self._rises(node, bounds, target_w) else -1.0
        stands = self._stands(rows, bounds)
        change = sign * (np.clip(wanted, bounds.near_lo[rows], bounds.near_hi[rows]) - stands)
        ends = sign * (wanted - stands)
        # What shares change by while others are walked to theirs is left for the end.
        small = np.abs(ends) <= _SMALL * bounds.weight[rows]
        most = max(PART * abs(target_w), PART_OF_RATING * float(bounds.weight[rows].sum()))
        room = 0.0 if coming else max(most - self._on_the_way(rows, now), 0.0)
        if not coming and float(-ends[(ends < 0.0) & ~small].sum()) <= room + _REST * most:
            return None
        if coming:  # with every one that comes there is a step: who is well on its ramp can wait
            way, near = sign * (stands - bounds.position[rows]), bounds.near_hi if sign > 0.0 else bounds.near_lo
            told = ~np.isnan(self._c.told_w[rows])
            change[told & (change > 0.0) & (way > sign * (near[rows] - stands))] = 0.0
        turn = self._turn(rows)
        turn = np.concatenate([turn[~small[turn]], turn[small[turn]]])
        given = _in_turn(np.maximum(-change, 0.0), room, turn)
        # Who was told nothing yet takes over first: it is told something in any case.
        new = np.isnan(self._c.told_w[rows[turn]])
        needed = float(given.sum() + ends.sum())
        taken = _in_turn(np.maximum(change, 0.0), needed, np.concatenate([turn[new], turn[~new]]))
        return stands, -sign * given, sign * taken

    def _rises(self, node: Node, bounds: Envelope, target_w: float) -> bool:
        """Whether the group is asked for more than its members were told, or for as much."""
        return target_w >= self._sum_of(node, bounds)

    def wider(self, solution: Solution) -> Envelope | None:
        """The envelope in which anyone may take over, where a split inside `hold_back` cannot do without; else None.

        Whose turn it is may be behind a limit, or on the phase that has too much already.
        """
        for rows, total, apart in self._aims.values():
            will = solution.will[rows]
            off = abs(float(will.sum()) - total)
            if off > max(_REACHED * float(np.abs(will).sum()), _LEAST_W) or self._apart(rows, will) > apart + _APART:
                return self._anyone
        return None

    def _turn(self, rows: IntArray) -> IntArray:
        """In which order these change: where there are single phases, those of one phase after those of another."""
        c = self._c
        if not c.phased:
            return np.arange(rows.size)
        on = np.argmax(np.stack([c.phase_a[rows], c.phase_b[rows], c.phase_c[rows]]), axis=0)
        place = np.empty(rows.size)
        for phase in range(3):
            mine = np.flatnonzero(on == phase)
            place[mine] = np.arange(mine.size) / max(mine.size, 1)
        return np.argsort(place, kind="stable")

    def _apart(self, rows: IntArray, powers: FloatArray) -> float:
        """How far the phases are apart, a part of their mean; 0 where nobody has one of its own."""
        c, here = self._c, span(rows)
        return spread(powers, (c.phase_a[here], c.phase_b[here], c.phase_c[here])) if c.phased else 0.0

    def _able(self, node: Node, bounds: Envelope) -> IntArray:
        """Whose power can be changed a little at a time."""
        rows = node.loose[bounds.free[node.loose]]
        return rows[~is_coarse(self._c, rows)] if self._c.stepped else rows

    def _stands(self, rows: IntArray, bounds: Envelope) -> FloatArray:
        """What these were told last, W; who was told no power is where it is."""
        told = self._c.told_w[span(rows)]
        return np.where(np.isnan(told), bounds.position[rows], told)

    def _sum_of(self, node: Node, bounds: Envelope) -> float:
        """The group's total by what its members were told, W, without what lies beside them."""
        rows = node.rows
        return float(np.where(bounds.free[rows], self._stands(rows, bounds), bounds.held[rows]).sum())

    def _on_the_way(self, rows: IntArray, now: Instant) -> float:
        """How much these were told and do not show yet, W: upwards or downwards, the larger.

        Who was read after it should be there shows what it will: what it lacks then is the trim's.
        """
        c, here = self._c, span(rows)
        told = c.told_w[here]
        move = known_or_zero(np.abs(told - c.from_w[here]))
        there = c.from_at[here] + c.latency_s[here] + self._response_s + move / c.ramp_w_per_s[here]
        waits = now - c.waits_since[here] < np.maximum(FETCHED_S, FETCHES * c.latency_s[here])  # NaN: it does not wait
        unread = np.isnan(c.w[here])
        moves = np.where(unread, now < there, c.received[here] < there)
        lack = known_or_zero(told - np.where(unread, c.from_w[here], c.w[here]))
        lack = np.where(waits, lack, np.where(moves, np.clip(lack, -move, move), 0.0))
        return max(float(np.maximum(lack, 0.0).sum()), float(np.maximum(-lack, 0.0).sum()))


def without_ramps(inside: Envelope, near: Envelope, far: Envelope) -> Envelope:
    """An envelope with its near bounds as far as ramps alone keep them near.

    Args:
        inside: the one, whose bounds may have been drawn in for some.
        near: before that.
        far: as `near`, with a horizon in which every ramp is over.
    """
    lo = np.where(inside.near_lo == near.near_lo, far.near_lo, inside.near_lo)
    hi = np.where(inside.near_hi == near.near_hi, far.near_hi, inside.near_hi)
    return replace(inside, near_lo=lo, near_hi=hi)


def _in_turn(most: FloatArray, total: float, turn: IntArray) -> FloatArray:
    """`total`, W, of what each can change by, W, one after the other."""
    ordered = most[turn]
    found = np.empty_like(most)
    found[turn] = np.clip(total - (np.cumsum(ordered) - ordered), 0.0, ordered)
    return found
