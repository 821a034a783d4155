"""Who rules a target from an instant on: what its devices will do, which have controls of their own, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import Bound, Limits, askable, known_or_zero
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.foreseeing.foresight import Ahead
from gridiface.aggregation.foreseeing.reactive import VarRule, part_of
from gridiface.aggregation.foreseeing.swings import Crew, Swing
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.splitting.nested import Nest
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.grouping import GroupTree
from gridiface.domain.controls import Target, TargetKind

#: What a group's limits leave to its members: (low, high) of their net, the most they may give, and take, W.
Left = tuple[float, float, float, float]

#: Strategies that give everybody the same part of its rating.
_BY_RATING = frozenset({"water-filling", "proportional"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the devices of a target, by position, and for their total. W, + delivered.

    `will`: what each will do. `swings`: groups in which some may have to make up for others. `told`: what it will be
    told, NaN: nothing. `asked`: who goes on with a control of its own, or of a group inside; `wanting`: by how much
    more (>= 0), and less (<= 0), it would, as that control asks for what is not there now. `alone`: (low, high) of each
    by limits of its own. `nest`: limits of the target and of groups inside. `outer`: (low, high) of the sum by those
    around. `limits`: each that counts, with what it leaves of the sum. `vars`: what is asked inside of reactive power.
    """

    will: FloatArray
    swings: tuple[Swing, ...]
    told: FloatArray
    asked: BoolArray
    wanting: tuple[FloatArray, FloatArray]
    alone: tuple[FloatArray, FloatArray]
    nest: Nest
    outer: tuple[float, float]
    limits: tuple[tuple[Bound, float], ...]
    vars: VarRule


class Rules:
    """Of one target.

    Args:
        columns, tree, metering: the fleet, its groups, its meters.
        target: whose; None: nobody's in particular, of devices from all over the fleet.
        rows: its devices.
        doubt: how much more than they are counted with those may give, and take, who are not heard, W; per row.
    """

    def __init__(
        self,
        columns: Columns,
        tree: GroupTree,
        metering: Metering,
        target: Target | None,
        rows: IntArray,
        doubt: tuple[FloatArray, FloatArray],
    ) -> None:
        self._c, self._tree, self._metering = columns, tree, metering
        self._rows, self._doubt = rows, doubt
        self._name = "" if target is None else target.id
        self._of_all, self._of_group = target is None, target is None or target.kind is TargetKind.GROUP
        self._above = frozenset(tree.ancestors(self._name) if self._of_group else tree.around(self._name))
        self._place: IntArray = np.full(columns.count, -1, dtype=np.int64)
        self._place[rows] = np.arange(rows.size)

    def of(self, ahead: Ahead) -> Rule:
        """What holds by what is looked ahead to."""
        plan, rows = ahead.plan, self._rows
        will, single = known_or_zero(ahead.solution.will), np.isfinite(plan.device_w)
        asked = (single | self._totals(plan, inside=True))[rows] & self._of_group
        outer, limits = self._outer(plan, will, single | ~askable(self._c) | self._totals(plan, inside=False))
        wanting = self._wanting(ahead, will)
        return Rule(
            will=will[rows],
            swings=tuple(self._swings(ahead, will)),
            told=ahead.solution.watts[rows],
            asked=asked,
            wanting=(wanting[0][rows], wanting[1][rows]),
            alone=(plan.device_low[rows], plan.device_high[rows]),
            nest=Nest(np.arange(rows.size), inside=tuple(self._inside(plan.roots))),
            outer=outer,
            limits=(*limits, *self._own(plan)),
            vars=self._vars(ahead),
        )

    def caps(self, ahead: Ahead) -> Iterator[tuple[str, float]]:
        """Each group whose members' net is limited, with the most that it may be, W, + delivered."""
        for node in ahead.plan.nodes():
            _, high, given, _ = self._left(node)
            if min(high, given) < np.inf:
                yield node.id, min(high, given)

    def _short(self, ahead: Ahead, node: Node) -> float:
        """What of a group's total is not there, W, + delivered."""
        found = ahead.solution.results.get(node.id)
        return 0.0 if found is None or not node.bound else ahead.demands.requested_w[node.id] - found.total

    def _wanting(self, ahead: Ahead, will: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See `Rule.wanting`; per row of the fleet."""
        c, plan = self._c, ahead.plan
        up, down = np.zeros(c.count), np.zeros(c.count)
        for node in plan.nodes():
            short, rows = self._short(ahead, node), node.loose[c.counts[node.loose]]
            room = (c.export_w[rows] - will[rows]) if short > 0.0 else (will[rows] + c.import_w[rows])
            room = np.where(askable(c)[rows], np.maximum(room, 0.0), 0.0)
            part = min(abs(short) / max(float(room.sum()), 1.0), 1.0) * room
            side = up if short > 0.0 else down
            side[rows] += np.copysign(part, short)
        alone = np.flatnonzero(np.isfinite(plan.device_w))
        lack = np.clip(plan.device_w[alone], -c.import_w[alone], c.export_w[alone]) - will[alone]
        up[alone], down[alone] = np.maximum(lack, 0.0), np.minimum(lack, 0.0)
        return up, down

    def _swings(self, ahead: Ahead, will: FloatArray) -> Iterator[Swing]:
        """Groups with totals, and groups with limits on their net: there storages, too, make up for the others."""
        for node in ahead.plan.nodes():
            # For limits on what is given, or taken, these are cut down alone: nobody makes up for them.
            net = replace(node, limits=Limits(export=node.limits.export, draw=node.limits.draw))
            if node.bound:
                yield self._swing(node, will, self._short(ahead, node), (0.0, 0.0))
            elif net.limits.any:
                low, high, _, _ = self._left(net)
                there = float(will[node.rows[self._c.counts[node.rows]]].sum())
                yield self._swing(node, will, 0.0, (max(there - low, 0.0), max(high - there, 0.0)))

    def _swing(self, node: Node, will: FloatArray, short: float, spare: tuple[float, float]) -> Swing:
        """One of them.

        Args:
            node: the group.
            will: what each row will do, W.
            short: what of its total is not there, W, + delivered.
            spare: see `Swing`.
        """
        c, free = self._c, askable(self._c)
        rows = node.loose if node.bound else node.rows
        rows = rows[c.counts[rows] & free[rows]]
        storing = np.isfinite(c.energy_wh[rows]) & np.isfinite(c.soc[rows])
        stores, moody = rows[storing], rows[~storing & c.natural[rows]]
        strange = stores[self._place[stores] < 0]  # outside the target: it may run out, or have to charge
        leaves = np.isfinite(c.leave_at[strange]) & np.isfinite(c.leave_soc[strange])
        less = np.maximum(will[strange], 0.0) + np.where(leaves, c.import_w[strange], 0.0)
        more = np.maximum(-will[strange], 0.0)
        crew = partial(self._crew, node, stores)
        return Swing(
            members=self._place[stores[self._place[stores] >= 0]],
            # The least and the most of sun and demand; who cannot be asked counts as it is.
            unknown=(float((will[moody] + c.import_w[moody]).sum()), float((c.export_w[moody] - will[moody]).sum())),
            others=(float(less.sum()) + max(short, 0.0), float(more.sum()) + max(-short, 0.0)),
            spare=spare,
            up=crew(moody[c.import_w[moody] > 0.0], c.export_w - will, c.import_w),
            down=crew(moody[c.export_w[moody] > 0.0], c.import_w + will, c.export_w),
            total=node.bound,
        )

    def _within_limits(self, node: Node) -> IntArray:
        """Per row of the fleet: in which part of a group it lies that has limits, by number; -1: in none."""
        found = np.full(self._c.count, -1, dtype=np.int64)
        for number, child in enumerate(node.limited_below()):
            if any(one.limits.any for one in child.unbound()):
                found[child.rows] = number
        return found

    def _crew(self, node: Node, stores: IntArray, moody: IntArray, room: FloatArray, own: FloatArray) -> Crew:
        """Storages, by their room, W; and demand, or sun, that can be cut down by all that there may be of it."""
        c, rows = self._c, np.concatenate([stores, moody])
        places = np.concatenate([self._place[stores], np.full(moody.size, -1, dtype=np.int64)])
        rooms = np.concatenate([np.maximum(room[stores], 0.0), own[moody]])
        weight = np.maximum((c.export_w + c.import_w)[rows], 1.0)
        phases = c.phase_a[rows], c.phase_b[rows]
        phased = c.phased and any(bool((phase != phase[:1]).any()) for phase in phases)  # shares follow the phases, too
        alike = node.strategy.name in _BY_RATING and not phased
        return Crew(places, rooms, weight if alike else None, self._within_limits(node)[rows])

    def _within(self, node: Node) -> bool:
        """Whether a group is the target, or lies inside it."""
        inside = node.id == self._name or self._name in self._tree.ancestors(node.id)
        return self._of_all or (self._of_group and inside)

    def _totals(self, plan: Plan, *, inside: bool) -> BoolArray:
        """Per row: who is in a group with a total of its own; `inside` the target, or beside it."""
        found = np.zeros(self._c.count, dtype=np.bool_)
        for node in plan.nodes():
            if node.bound and (self._of_all or node.id != self._name) and node.id not in self._above:
                found[node.rows] |= self._within(node) is inside
        return found

    def _inside(self, nodes: Sequence[Node]) -> Iterator[Nest]:
        """The target's limits and those of the groups inside it."""
        yield from map(self._nest, self._whole(nodes))

    def _vars(self, ahead: Ahead) -> VarRule:
        """What is asked of reactive power inside the target; of a device itself nothing is."""
        plan, beside = ahead.plan, self._metering.known_var
        asked = ahead.demands.requested_var.items()  # at metered points
        requested = {name: var - beside(Target(TargetKind.GROUP, name)) for name, var in asked}
        if not self._of_group:
            return VarRule(np.full(self._rows.size, np.nan))
        if not self._of_all:
            requested.pop(self._name, None)
        parts = tuple(part_of(one, self._place, requested) for one in self._whole(plan.roots))
        return VarRule(plan.device_var[self._rows], parts)

    def _whole(self, nodes: Sequence[Node]) -> Iterator[Node]:
        """The target, or the groups inside it that the plan knows."""
        for node in nodes:
            if self._within(node):
                yield node
            else:
                yield from self._whole(node.inside)

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
            return [one for node in plan.nodes() if node.id == self._name for one in _named(node, self._left(node))]
        row = self._c.row[self._name]
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
