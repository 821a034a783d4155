"""From one split of a total to another while the total stands: who gives back waits for those who take over.

Devices move at their own speed: one behind Modbus is where it was told within a second, an inverter that polls fetches
what it was told in its own time. Told at once, the quick ones would have given back before the slow ones have taken
over, and the total would miss that for as long. So a new split is walked: in each step no more is given back than a
small part of the total, less what is told and not seen yet. What is asked anew meanwhile is not held up: a total that
rises is served by those who take over, one that falls by those who give back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

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

    @property
    def active(self) -> bool:
        """Whether a split is under way."""
        return bool(self._under_way)

    def look(
        self, nodes: Sequence[Node], known: Iterable[str], bounds: Envelope, *, resumed: Iterable[str] = ()
    ) -> None:
        """Notice who is split by another strategy than before, and where one is back that takes its time.

        Args:
            nodes: the groups that have a total.
            known: groups that had one in the step before.
            bounds: the envelope of the step; who can be asked.
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
        self._version, self._able_before = self._c.version, able
        self._under_way = (self._under_way & held & self._strategies.keys()) | changed

    def hold_back(
        self,
        nodes: Iterable[Node],
        bounds: Envelope,
        solve: Callable[[Envelope], Solution],
        targets: Callable[[Node], float],
        now: Instant,
    ) -> tuple[Envelope, dict[str, NodeResult]]:
        """The envelope in which nobody gives back too early; what the groups could reach without that, by group.

        Args:
            nodes: the groups that have a total.
            bounds: the envelope of the step.
            solve: the split that is aimed at, inside an envelope.
            targets: what each group is asked, W.
            now: when.
        """
        mine = [node for node in nodes if node.id in self._under_way and self._able(node, bounds).size]
        if not mine:
            self._under_way.clear()
            return bounds, {}
        aim, results = solve(bounds), {}
        lo, hi = bounds.near_lo.copy(), bounds.near_hi.copy()
        for node in mine:
            rows = self._able(node, bounds)
            stands = self._stands(rows, bounds)
            wanted = np.where(np.isfinite(aim.watts[rows]), aim.watts[rows], aim.will[rows])
            rises = targets(node) - self._sum_of(node, bounds)
            back = np.maximum(stands - wanted, 0.0) if rises >= 0.0 else np.maximum(wanted - stands, 0.0)
            most = max(PART * abs(targets(node)), PART_OF_RATING * float(bounds.weight[rows].sum()))
            room = max(most - self._on_the_way(rows, now), 0.0)
            if float(back.sum()) <= room + _REST * most:
                self._under_way.discard(node.id)
                continue
            # One after the other: so each is told once or twice, not all of them with every step.
            given = np.clip(room - (np.cumsum(back) - back), 0.0, back)
            if rises >= 0.0:
                lo[rows] = np.clip(stands - given, lo[rows], hi[rows])
            else:
                hi[rows] = np.clip(stands + given, lo[rows], hi[rows])
            results[node.id] = aim.results[node.id]
        return replace(bounds, near_lo=lo, near_hi=hi), results

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
