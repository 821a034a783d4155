"""Who rules a target from an instant on: what its devices will do, which have controls of their own, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import Bound, askable, known_or_zero
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.foreseeing.foresight import Ahead
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.splitting.nested import Nest
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.grouping import GroupTree
from gridiface.domain.controls import Target, TargetKind

#: What a group's limits leave to its members: (low, high) of their net, the most they may give, and take, W.
Left = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the devices of a target, by position, and for their total. W, + delivered.

    `will`: what each will do. `more`: what each storage may have to give, and take, besides, where sun or demand fail
    that are counted on for a total (>= 0). `told`: what it will be told, NaN: nothing. `asked`: who goes on with a
    control of its own, or of a group inside. `alone`: (low, high) of each by limits of its own. `nest`: limits of the
    target and of groups inside. `outer`: (low, high) of the sum by those around. `limits`: each that counts, with what
    it leaves of the sum.
    """

    will: FloatArray
    more: tuple[FloatArray, FloatArray]
    told: FloatArray
    asked: BoolArray
    alone: tuple[FloatArray, FloatArray]
    nest: Nest
    outer: tuple[float, float]
    limits: tuple[tuple[Bound, float], ...]


class Rules:
    """Of one target.

    Args:
        columns, tree, metering: the fleet, its groups, its meters.
        target: whose.
        rows: its devices.
        doubt: how much more than they are counted with those may give, and take, who are not heard, W; per row.
    """

    def __init__(
        self,
        columns: Columns,
        tree: GroupTree,
        metering: Metering,
        target: Target,
        rows: IntArray,
        doubt: tuple[FloatArray, FloatArray],
    ) -> None:
        self._c, self._tree, self._metering = columns, tree, metering
        self._target, self._rows, self._doubt = target, rows, doubt
        self._of_group = target.kind is TargetKind.GROUP
        self._above = frozenset(tree.ancestors(target.id) if self._of_group else tree.around(target.id))
        self._place: IntArray = np.full(columns.count, -1, dtype=np.int64)
        self._place[rows] = np.arange(rows.size)

    def of(self, ahead: Ahead) -> Rule:
        """What holds by what is looked ahead to."""
        plan, rows = ahead.plan, self._rows
        will, single = known_or_zero(ahead.solution.will), np.isfinite(plan.device_w)
        asked = (single | self._totals(plan, inside=True))[rows] & self._of_group
        outer, limits = self._outer(plan, will, single | ~askable(self._c) | self._totals(plan, inside=False))
        return Rule(
            will=will[rows],
            more=self._more(plan, will),
            told=ahead.solution.watts[rows],
            asked=asked,
            alone=(plan.device_low[rows], plan.device_high[rows]),
            nest=Nest(np.arange(rows.size), inside=tuple(self._inside(plan.roots))),
            outer=outer,
            limits=(*limits, *self._own(plan)),
        )

    def _more(self, plan: Plan, will: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See `Rule.more`."""
        c = self._c
        free, storing = askable(c), np.isfinite(c.energy_wh) & np.isfinite(c.soc)
        give, take = np.zeros(c.count), np.zeros(c.count)
        for node in plan.nodes():
            if not node.bound:
                continue
            others = will[node.rows[c.natural[node.rows] & ~storing[node.rows]]]
            mine = node.rows[free[node.rows] & storing[node.rows]]
            for found, rated, watts in (
                (give, c.export_w[mine], np.maximum(others, 0.0).sum()),
                (take, c.import_w[mine], np.maximum(-others, 0.0).sum()),
            ):
                found[mine] += min(float(watts) / max(float(rated.sum()), 1.0), 1.0) * rated
        return give[self._rows], take[self._rows]

    def _within(self, node: Node) -> bool:
        """Whether a group is the target, or lies inside it."""
        return self._of_group and (node.id == self._target.id or self._target.id in self._tree.ancestors(node.id))

    def _totals(self, plan: Plan, *, inside: bool) -> BoolArray:
        """Per row: who is in a group with a total of its own; `inside` the target, or beside it."""
        found = np.zeros(self._c.count, dtype=np.bool_)
        for node in plan.nodes():
            if node.bound and node.id != self._target.id and node.id not in self._above:
                found[node.rows] |= self._within(node) is inside
        return found

    def _inside(self, nodes: Sequence[Node]) -> Iterator[Nest]:
        """The target's limits and those of the groups inside it."""
        for node in nodes:
            if self._within(node):
                yield self._nest(node)
            else:
                yield from self._inside(node.inside)

    def _nest(self, node: Node) -> Nest:
        mine = self._place[node.rows]
        low, high, given, taken = self._left(node)
        return Nest(mine[mine >= 0], (low, high), given, taken, tuple(self._nest(child) for child in node.inside))

    def _outer(
        self, plan: Plan, will: FloatArray, fixed: BoolArray
    ) -> tuple[tuple[float, float], list[tuple[Bound, float]]]:
        """What the limits of the groups around leave, beside others who do not give way."""
        lowest, highest = -np.inf, np.inf
        limits: list[tuple[Bound, float]] = []
        for node in plan.nodes():
            if node.id not in self._above:
                continue
            others = np.setdiff1d(node.rows[self._c.counts[node.rows]], self._rows)
            low, high, given, taken = left = self._left(node, float(will[others[fixed[others]]].sum()))
            lowest, highest = max(lowest, low, -taken), min(highest, high, given)
            limits += _named(node, left)
        return (lowest, highest), limits

    def _own(self, plan: Plan) -> list[tuple[Bound, float]]:
        """The target's own limits, with what they leave."""
        if self._of_group:
            return [
                one for node in plan.nodes() if node.id == self._target.id for one in _named(node, self._left(node))
            ]
        row = self._c.row[self._target.id]
        ruling = plan.rulings.get(row)
        sides = float(plan.device_high[row]), float(plan.device_low[row])
        return [
            (Bound(abs(side), claim.mode, claim.control.source, claim.control.id), side)
            for claim in (() if ruling is None else ruling.limits)
            for side in sides
            if np.isfinite(side)
        ]

    def _left(self, node: Node, others_w: float = 0.0) -> Left:
        """What the limits of a group leave to its members, but for `others_w` of them who do not give way."""
        beside_w = self._metering.known(Target(TargetKind.GROUP, node.id))
        ups, downs = (float(side[node.rows].sum()) for side in self._doubt)
        low, high = node.limits.members(Beside.steady(beside_w))
        generation, load = node.limits.generation, node.limits.load
        given = np.inf if generation is None else generation.watts - max(beside_w, 0.0) - ups - max(others_w, 0.0)
        taken = np.inf if load is None else load.watts + min(beside_w, 0.0) + downs + min(others_w, 0.0)
        return low - downs - others_w, high - ups - others_w, given, taken


def _named(node: Node, left: Left) -> list[tuple[Bound, float]]:
    """The limits of a group with what each leaves of the net, W, + delivered."""
    (low, high, given, taken), limits = left, node.limits
    pairs = ((limits.export, high), (limits.generation, given), (limits.draw, low), (limits.load, -taken))
    return [(bound, watts) for bound, watts in pairs if bound is not None]
