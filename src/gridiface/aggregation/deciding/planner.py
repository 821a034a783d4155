"""Makes the plan: asks the arbitration who rules each target and turns the rulings into watts and limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

import numpy as np

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.allocate.problem import IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.arbitration import Claim, Ruling, rule
from gridiface.aggregation.deciding.changes import Changes
from gridiface.aggregation.deciding.demands import Beginning, Demands, Part
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.plan import Node, Plan, empty_plan, give_orders, note_ends
from gridiface.aggregation.deciding.requests import Capacity, capacity, limit_w, requested_var, requested_w
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.deciding.setpoints import Orders
from gridiface.aggregation.deciding.single_rulings import Key, SingleRulings
from gridiface.aggregation.envelope.limits import Bound, Envelope, Limits, intersect
from gridiface.aggregation.slices import PART, Slices
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.grouping import GroupTree
from gridiface.aggregation.state.log import CONFIGURATION, group_target
from gridiface.domain.clock import Instant
from gridiface.domain.controls import CLASS_TIMING, LIMIT_MODES, ControlMode, Target, TargetKind
from gridiface.domain.fleet import Group

#: Longest time between two control steps while something is active, s.
LONGEST_PERIOD_S = 5.0

#: Time between steps while nothing is asked of anybody, s.
IDLE_PERIOD_S = 60.0


_FREE = Limits()


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

    def group_targets(self) -> set[Target]:
        """Those of them that are groups."""
        ...

    def stands(self, target: Target) -> bool:
        """Whether something is active for a target, or a default stands."""
        ...

    def changes(self) -> Changes:
        """What changed since the last call."""
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
        self._forgot_with: Key = ()
        self._faded: list[str] = []
        self._singles = SingleRulings(columns)

    def making(
        self,
        tree: GroupTree,
        rows_of: Callable[[str], IntArray],
        beside_w: Callable[[str], float],
        config: EngineConfig,
        bounds: Envelope,
        now: Instant,
        fading: Mapping[str, Claim] = MappingProxyType({}),
        edition: int = 0,
    ) -> Slices[tuple[Plan, Demands]]:
        """A plan for `now`, in slices where many devices have controls of their own.

        Args:
            tree: the groups.
            rows_of: the rows of a group's devices.
            beside_w: what lies beside a group's members at its metered points, W.
            config: strategies.
            bounds: the envelope now, for capacities.
            now: when.
            fading: group id -> what stands in where nobody asks for its power any more; see `Fading`.
            edition: of the fleet and its groups: what was worked out for another one does not hold.
        """
        plan, demands = empty_plan(self._c), Demands()
        plan.floors = bounds.floors
        self._tree = tree
        changes, key = self._book.changes(), (edition, self._c.version, self._schedules.edition)
        self._forget({*changes.gone, *self._faded, *(one.control.id for one in fading.values())}, key)
        self._faded = [one.control.id for one in fading.values()]
        targets = self._book.group_targets() | self._schedules.targets()
        nodes: dict[str, Node] = {}
        for group_id, group in tree.groups.items():
            node = self._node(group, rows_of, targets, self.strategy_of(group, config), bounds, fading)
            if node is not None:
                nodes[group_id] = node
                self._ask(node, demands, bounds, beside_w, now)
        passing = self._nest(plan, nodes, tree)
        stale = self._singles.stale(key, changes, self._device_targets, self._told())
        yield from self._single(stale, demands, bounds, now)
        self._singles.fill(plan, key)
        yield from give_orders(plan, self._c, self._orders, passing, lambda: self._singles.unordered(plan, passing))
        self._singles.note(plan)
        note_ends(plan, self._singles.fill_ends)
        plan.period_s = self._period(plan)
        return plan, demands

    def renumbered(self) -> None:
        """The orders got other numbers."""
        self._singles.renumber()

    def _device_targets(self) -> list[Target]:
        targets = self._book.targets() | self._schedules.targets()
        return [target for target in targets if target.kind is TargetKind.DEVICE]

    def _told(self) -> dict[str, frozenset[str]]:
        """The kinds of modes that active controls claim of groups."""
        claims = ((target.id, self._book.claims(target)) for target in self._book.group_targets())
        return {name: frozenset(claim.kind for claim in found) for name, found in claims if found}

    def _node(
        self,
        group: Group,
        rows_of: Callable[[str], IntArray],
        targets: set[Target],
        strategy_name: str,
        bounds: Envelope,
        fading: Mapping[str, Claim],
    ) -> Node | None:
        target = group_target(group.id)
        ruling = self._rule(target) if target in targets else Ruling()
        if group.id in fading and ruling.leading is None and not self._inside_a_total(group.id):
            ruling = replace(ruling, power=fading[group.id])
        static = _configured(group)
        if not ruling.controls and not static:
            return None
        rows = rows_of(group.id)
        if not rows.size:
            return None
        limits = intersect([*static, *(_bounds(ruling, capacity(self._c, rows, bounds)) if ruling.limits else ())])
        meter = self._c.row.get(group.meter) if group.meter is not None else None
        return Node(group, rows, ruling, limits, strategy(strategy_name), meter)

    def _inside_a_total(self, group_id: str) -> bool:
        """Whether a group around this one is asked for a power."""
        return any(self._rule(group_target(name)).leading is not None for name in self._tree.ancestors(group_id))

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

    def _ask(
        self, node: Node, demands: Demands, bounds: Envelope, beside_w: Callable[[str], float], now: Instant
    ) -> None:
        """What a node asks, in watts and vars."""
        leading = node.ruling.leading
        if leading is None and node.ruling.var is None:
            return
        sums = capacity(self._c, node.rows, bounds).with_beside(beside_w(node.id))
        if leading is not None:
            demands.requested_w[node.id] = self._total(node.ruling, sums, node.group.shares, demands, now)
            demands.begun[node.id] = self._begin(leading, sums, now)
        if node.ruling.var is not None:
            claim = node.ruling.var
            demands.requested_var[node.id] = requested_var(claim.mode, claim.value, sums)

    def _begin(self, claim: Claim, sums: Capacity, now: Instant) -> Beginning:
        began = self._beginnings.get(claim.control.id)
        if began is None:
            entry = self._book.get(claim.control.id)
            # A single device is told the ramp and walks it itself.
            ramp_s = 0.0 if claim.control.target.kind is TargetKind.DEVICE else claim.control.ramp_s or 0.0
            if entry is not None and entry.resumed:
                # What is measured is where the ramp was; it is over when it would have been.
                ramp_s = max(0.0, claim.control.span.start + ramp_s - now) if ramp_s else 0.0
                began = Beginning(_resumed(claim, sums), now, ramp_s, sums.now_w)
            else:
                began = Beginning(sums, now, ramp_s, sums.now_w)
            self._beginnings[claim.control.id] = began
        return began

    def _total(
        self, ruling: Ruling, sums: Capacity, shares: Mapping[str, float], demands: Demands, now: Instant
    ) -> float:
        """Set-points and regulation together, W; each program with a reserved part inside that part of the range."""
        assert ruling.leading is not None
        total = 0.0 if ruling.regulation is None else ruling.regulation.value.value
        if not ruling.shared:
            if ruling.power is None:
                return total + self._begin(ruling.leading, sums, now).capacity.base_w
            return total + _asked(ruling.power, sums, self._begin(ruling.power, sums, now).capacity)
        claims = [(claim, shares.get(lane, 0.0)) for lane, claim in ruling.shared.items()]
        if ruling.power is not None:
            claims.append((ruling.power, max(0.0, 1.0 - sum(shares.values()))))
        fresh = [claim for claim, _ in claims if claim.control.id not in self._beginnings]
        parts = [self._part(claim, sums, share, demands, now) for claim, share in claims]
        # Parts that nobody claims are as they were.
        total += (1.0 - sum(part.share for part in parts)) * self._begin(
            ruling.power or ruling.leading, sums, now
        ).capacity.base_w
        self._start_ramps(fresh, sums, total, parts, demands, now)
        return total + sum(part.given for part in parts)

    def _start_ramps(
        self, fresh: list[Claim], sums: Capacity, beside_w: float, parts: list[Part], demands: Demands, now: Instant
    ) -> None:
        """Where the ramps of parts begin that begin now: what is measured and no other part accounts for is theirs."""
        new = [demands.parts[claim.control.id] for claim in fresh]
        known = [part for part in parts if not any(part is one for one in new)]
        mine = sums.now_w - beside_w - sum(part.now(now) for part in known)
        whole = sum(part.share for part in new)
        for part in new:
            here = sums.part(part.share)
            part.begun.from_w = min(max(mine * part.share / whole if whole else 0.0, here.low_w), here.high_w)

    def _part(self, claim: Claim, sums: Capacity, share: float, demands: Demands, now: Instant) -> Part:
        mine, begun = sums.part(share), self._begin(claim, sums, now)
        asked = _asked(claim, mine, begun.capacity.part(share))
        given = min(max(asked, mine.low_w), mine.high_w)
        part = demands.parts[claim.control.id] = Part(asked, given, share, begun)
        return part

    def strategy_of(self, group: Group, config: EngineConfig) -> str:
        """Who splits a group's total: chosen while running, configured by id, its own, or the default."""
        configured = dict(config.strategies).get(group.id)
        return self.chosen.get(group.id) or configured or group.strategy or config.strategy

    def shift_time(self, seconds: float) -> None:
        """The clock was set: ramps under way go on from where they are."""
        for began in self._beginnings.values():
            began.at += seconds

    def _forget(self, gone: Collection[str], key: Key) -> None:
        """Let go of the beginnings of controls that are over; of the schedule's, when that is another one."""
        names = list(self._beginnings) if key != self._forgot_with else gone
        self._forgot_with = key
        for name in names:
            if name not in self._schedules and ((entry := self._book.get(name)) is None or not entry.live):
                self._beginnings.pop(name, None)

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

    def _single(
        self, stale: list[tuple[int, Target]], demands: Demands, bounds: Envelope, now: Instant
    ) -> Slices[None]:
        """What single devices are asked that have to be looked at anew."""
        scheduled = self._schedules.targets()
        for number, (row, target) in enumerate(stale, 1):
            standing = bool(self._book.default_claims(target)) or target in scheduled
            if standing or self._book.stands(target):
                ruling = self._rule(target)
                asked = self._ask_single(demands, row, ruling, bounds, now)
                self._singles.put(row, target, ruling, asked, standing=standing)
            else:
                self._singles.put(row, target, None, (), standing=False)
            if not number % (PART // 2):  # two questions for each
                yield ()

    def _ask_single(
        self, demands: Demands, row: int, ruling: Ruling, bounds: Envelope, now: Instant
    ) -> tuple[float, float, float, float]:
        """What one device is asked: power, reactive power, the bounds of its power; NaN, infinity: nothing."""
        sums = capacity(self._c, np.array([row]), bounds)
        limits = intersect(_bounds(ruling, sums)) if ruling.limits else _FREE
        watts = variance = math.nan
        if ruling.leading is not None:
            watts = self._total(ruling, sums, self._c.devices[row].shares, demands, now)
        if ruling.var is not None:
            variance = requested_var(ruling.var.mode, ruling.var.value, sums)
        return watts, variance, _watts(limits.high), -_watts(limits.low)

    def _period(self, plan: Plan) -> float:
        """The shortest period of the service classes at work."""
        controls = [control for node in plan.nodes() for control in node.ruling.controls]
        if not controls and not plan.roots and not plan.rulings:
            return IDLE_PERIOD_S
        periods = [CLASS_TIMING[control.service_class].period_s for control in controls]
        return min([LONGEST_PERIOD_S, self._singles.period_s, *periods])


def _bounds(ruling: Ruling, sums: Capacity) -> list[Bound]:
    return [
        Bound(limit_w(claim.mode, claim.value, sums.set_max_w), claim.mode, claim.control.source, claim.control.id)
        for claim in ruling.limits
    ]


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
