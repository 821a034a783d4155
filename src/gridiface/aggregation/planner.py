"""Makes the plan: asks the arbitration who rules each target and turns the rulings into watts and limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.allocate.problem import IntArray
from gridiface.aggregation.arbitration import Claim, Ruling, rule
from gridiface.aggregation.columns import Columns
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.entry import Entry
from gridiface.aggregation.grouping import GroupTree
from gridiface.aggregation.limits import Bound, Envelope, intersect
from gridiface.aggregation.log import CONFIGURATION, group_target
from gridiface.aggregation.plan import Node, Plan, empty_plan, give_orders
from gridiface.aggregation.requests import Capacity, capacity, limit_w, requested_var, requested_w
from gridiface.aggregation.schedules import Schedules
from gridiface.aggregation.setpoints import Orders
from gridiface.domain.clock import Instant
from gridiface.domain.controls import CLASS_TIMING, LIMIT_MODES, Control, ControlMode, Target, TargetKind
from gridiface.domain.fleet import Group

#: Longest time between two control steps while something is active, s.
LONGEST_PERIOD_S = 5.0

#: Time between steps while nothing is asked of anybody, s.
IDLE_PERIOD_S = 60.0


@dataclass(slots=True)
class Beginning:
    """What a control found when it began to rule: the base of changes, and where its ramp starts."""

    capacity: Capacity
    at: Instant


@dataclass(frozen=True, slots=True)
class Part:
    """What one program asks of the part reserved to it, what of that it is given, W, and the part, 0..1."""

    asked: float
    given: float
    share: float


@dataclass(slots=True)
class Demands:
    """What the plan's nodes ask, W and var by group id, and when each began. `parts` by control id."""

    requested_w: dict[str, float] = field(default_factory=dict)
    requested_var: dict[str, float] = field(default_factory=dict)
    begun: dict[str, Beginning] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)


class Book(Protocol):
    """The controls that a plan is made of, as `ControlBook` has them."""

    def get(self, control_id: str) -> Entry | None:
        """A control."""
        ...

    def targets(self) -> set[Target]:
        """All targets for which something is active or a default stands."""
        ...

    def claims(self, target: Target) -> list[Claim]:
        """The modes that active controls claim of this target."""
        ...

    def default_claims(self, target: Target) -> list[Claim]:
        """The modes of the default controls of this target."""
        ...


class Planner:
    """Owns the beginnings of controls; everything else comes in."""

    def __init__(
        self,
        columns: Columns,
        book: Book,
        orders: Orders,
        schedules: Schedules,
        shares: Callable[[Target], Mapping[str, float]],
    ) -> None:
        self._c, self._book, self._orders = columns, book, orders
        self._schedules, self._shares = schedules, shares
        #: Strategies that were chosen while running, by group id; they come before everything else.
        self.chosen: dict[str, str] = {}
        self._tree = GroupTree()
        self._beginnings: dict[str, Beginning] = {}

    def make(
        self,
        tree: GroupTree,
        rows_of: Callable[[str], IntArray],
        beside_w: Callable[[str], float],
        config: EngineConfig,
        bounds: Envelope,
        now: Instant,
    ) -> tuple[Plan, Demands]:
        """A plan for `now`.

        Args:
            tree: the groups.
            rows_of: the rows of a group's devices.
            beside_w: what lies beside a group's members at its metered points, W.
            config: strategies.
            bounds: the envelope now, for capacities.
            now: when.
        """
        plan, demands = empty_plan(self._c), Demands()
        plan.floors = bounds.floors
        self._tree = tree
        self._forget()
        targets = self._book.targets() | self._schedules.targets()
        nodes: dict[str, Node] = {}
        for group_id, group in tree.groups.items():
            node = self._node(group, rows_of, targets, self.strategy_of(group, config), bounds)
            if node is not None:
                nodes[group_id] = node
                self._ask(node, demands, bounds, beside_w, now)
        passing = self._nest(plan, nodes, tree)
        self._single(plan, demands, targets, bounds, now)
        give_orders(plan, self._c, self._orders, passing)
        plan.period_s = _period(plan)
        return plan, demands

    def _node(
        self,
        group: Group,
        rows_of: Callable[[str], IntArray],
        targets: set[Target],
        strategy_name: str,
        bounds: Envelope,
    ) -> Node | None:
        target = group_target(group.id)
        ruling = self._rule(target) if target in targets else Ruling()
        static = _configured(group)
        if not ruling.controls and not static:
            return None
        rows = rows_of(group.id)
        if not rows.size:
            return None
        limits = intersect([*static, *self._bounds(ruling, rows, bounds)])
        meter = self._c.row.get(group.meter) if group.meter is not None else None
        return Node(group, rows, ruling, limits, strategy(strategy_name), meter)

    def _rule(self, target: Target) -> Ruling:
        claims, shares = self._book.claims(target), self._shares(target)
        defaults = self._standing_back(target, self._book.default_claims(target))
        return rule(claims, defaults, self._standing_back(target, self._schedules.claims(target)), shares)

    def _standing_back(self, target: Target, claims: list[Claim]) -> list[Claim]:
        """Modes of defaults or of the schedule; a set-point among them stands back while a group around it is told one.

        With nothing active the default rules; a control of a group around the target is active for it too. Limits
        stay: they only narrow.
        """
        if not claims:
            return claims
        is_group = target.kind is TargetKind.GROUP
        around = self._tree.ancestors(target.id) if is_group else self._tree.around(target.id)
        told = {claim.kind for name in around for claim in self._book.claims(group_target(name))}
        return [claim for claim in claims if claim.mode in LIMIT_MODES or claim.kind not in told]

    def _bounds(self, ruling: Ruling, rows: IntArray, bounds: Envelope) -> list[Bound]:
        if not ruling.limits:
            return []
        sums = capacity(self._c, rows, bounds)
        return [
            Bound(limit_w(claim.mode, claim.value, sums), claim.mode, claim.control.source, claim.control.id)
            for claim in ruling.limits
        ]

    def _ask(
        self, node: Node, demands: Demands, bounds: Envelope, beside_w: Callable[[str], float], now: Instant
    ) -> None:
        """What a node asks, in watts and vars."""
        leading = node.ruling.leading
        if leading is None and node.ruling.var is None:
            return
        sums = capacity(self._c, node.rows, bounds).with_beside(beside_w(node.id))
        if leading is not None:
            demands.begun[node.id] = self._begin(leading, sums, now)
            demands.requested_w[node.id] = self._total(node.ruling, sums, node.group.shares, demands, now)
        if node.ruling.var is not None:
            claim = node.ruling.var
            demands.requested_var[node.id] = requested_var(claim.mode, claim.value, sums)

    def _begin(self, claim: Claim, sums: Capacity, now: Instant) -> Beginning:
        began = self._beginnings.get(claim.control.id)
        if began is None:
            entry = self._book.get(claim.control.id)
            resumed = entry is not None and entry.resumed
            began = Beginning(_resumed(claim, sums), claim.control.span.start) if resumed else Beginning(sums, now)
            self._beginnings[claim.control.id] = began
        return began

    def _total(
        self, ruling: Ruling, sums: Capacity, shares: Mapping[str, float], demands: Demands, now: Instant
    ) -> float:
        """Set-points and regulation together, W; each program with a reserved part inside that part of the range."""
        assert ruling.leading is not None
        total = 0.0
        left = 1.0
        for lane, claim in ruling.shared.items():
            share = shares.get(lane, 0.0)
            total += self._part(claim, sums, share, demands, now)
            left -= share
        if ruling.power is None:
            total += left * self._begin(ruling.leading, sums, now).capacity.base_w
        elif ruling.shared:
            unreserved = max(0.0, 1.0 - sum(shares.values()))
            total += self._part(ruling.power, sums, unreserved, demands, now)
            total += (left - unreserved) * self._begin(ruling.power, sums, now).capacity.base_w
        else:
            total = _asked(ruling.power, sums, self._begin(ruling.power, sums, now).capacity)
        if ruling.regulation is not None:
            total += ruling.regulation.value.value
        return total

    def _part(self, claim: Claim, sums: Capacity, share: float, demands: Demands, now: Instant) -> float:
        mine = sums.part(share)
        asked = _asked(claim, mine, self._begin(claim, sums, now).capacity.part(share))
        given = min(max(asked, mine.low_w), mine.high_w)
        demands.parts[claim.control.id] = Part(asked, given, share)
        return given

    def strategy_of(self, group: Group, config: EngineConfig) -> str:
        """Who splits a group's total: chosen while running, configured by id, its own, or the default."""
        configured = dict(config.strategies).get(group.id)
        return self.chosen.get(group.id) or configured or group.strategy or config.strategy

    def shift_time(self, seconds: float) -> None:
        """The clock was set: ramps under way go on from where they are."""
        for began in self._beginnings.values():
            began.at += seconds

    def _forget(self) -> None:
        gone = [
            name
            for name in self._beginnings
            if name not in self._schedules and ((entry := self._book.get(name)) is None or not entry.live)
        ]
        for name in gone:
            del self._beginnings[name]

    def _nest(self, plan: Plan, nodes: dict[str, Node], tree: GroupTree) -> dict[str, list[Ruling]]:
        """Put the nodes into each other; the rulings that reach each node's devices, innermost first."""
        inside: dict[str | None, list[Node]] = {}
        passing: dict[str, list[Ruling]] = {}
        for group_id in sorted(nodes):
            around = [name for name in tree.ancestors(group_id) if name in nodes]
            inside.setdefault(around[0] if around else None, []).append(nodes[group_id])
            passing[group_id] = [nodes[name].ruling for name in (group_id, *around)]
        for group_id, node in nodes.items():
            node.inside = tuple(inside.get(group_id, ()))
        plan.roots = tuple(inside.get(None, ()))
        for root in plan.roots:
            root.finish()
        return passing

    def _single(self, plan: Plan, demands: Demands, targets: set[Target], bounds: Envelope, now: Instant) -> None:
        """What single devices are asked."""
        rulings: dict[int, Ruling] = {}
        for target in targets:
            row = self._c.row.get(target.id)
            if target.kind is TargetKind.DEVICE and row is not None:
                rulings[row] = self._rule(target)
        plan.rulings = rulings
        plan.single = bool(rulings)
        for row, ruling in rulings.items():
            here = np.array([row])
            sums = capacity(self._c, here, bounds)
            limits = intersect(self._bounds(ruling, here, bounds))
            plan.device_high[row] = _watts(limits.high)
            plan.device_low[row] = -_watts(limits.low)
            if ruling.leading is not None:
                shares = self._c.devices[row].shares
                plan.device_w[row] = self._total(ruling, sums, shares, demands, now)
            if ruling.var is not None:
                plan.device_var[row] = requested_var(ruling.var.mode, ruling.var.value, sums)


def _asked(claim: Claim, sums: Capacity, start: Capacity) -> float:
    span = claim.control.span
    return requested_w(claim.mode, claim.value, sums, start=start, span_s=span.end - span.start)


def _watts(bound: Bound | None) -> float:
    return math.inf if bound is None else bound.watts


def _configured(group: Group) -> list[Bound]:
    """The caps of a group's connection, from the configuration."""
    caps = ((ControlMode.EXPORT_LIMIT, group.max_export_w), (ControlMode.IMPORT_LIMIT, group.max_import_w))
    return [Bound(watts, mode, CONFIGURATION, "") for mode, watts in caps if watts is not None]


def _resumed(claim: Claim, sums: Capacity) -> Capacity:
    """The capacity a control must have found at its start, if what is measured now is what it asked for."""
    if claim.mode is ControlMode.DELTA_W:
        return replace(sums, base_w=sums.now_w - claim.value.value)
    if claim.mode is ControlMode.LOAD_LEVEL:
        return replace(sums, base_w=sums.now_w - claim.value.value * sums.up_w)
    if claim.mode is ControlMode.SET_W_PERCENT and claim.value.value != 0:
        return replace(sums, base_w=sums.now_w * 100.0 / claim.value.value)
    if claim.mode is ControlMode.REGULATION:
        return replace(sums, base_w=sums.now_w - claim.value.value)
    return sums


def _period(plan: Plan) -> float:
    """The shortest period of the service classes at work."""
    controls: list[Control] = [control for node in plan.nodes() for control in node.ruling.controls]
    controls += [control for ruling in plan.rulings.values() for control in ruling.controls]
    if not controls and not plan.roots:
        return IDLE_PERIOD_S
    periods = [CLASS_TIMING[control.service_class].period_s for control in controls]
    return min([LONGEST_PERIOD_S, *periods])
