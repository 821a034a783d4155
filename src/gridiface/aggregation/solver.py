"""One control step over a plan: totals of groups become powers of devices, under all limits. Numbers only.

From the outside in: a node with a target splits what its fixed parts leave over its loose devices; nodes inside it
that only have limits are caps of that split; nodes inside it with targets of their own are fixed parts, reduced only
where a limit around them cannot be kept otherwise. A node without a target lets its devices run and holds them down
to its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray, Problem, Strategy
from gridiface.aggregation.allocate.phases import balance
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.allocate.quiet import reusable
from gridiface.aggregation.allocate.tree import Cap, reach, split_tree
from gridiface.aggregation.allocate.water_filling import WaterFilling, water_fill
from gridiface.aggregation.coarse import in_steps
from gridiface.aggregation.columns import Columns, charge_of
from gridiface.aggregation.limits import Bound, Envelope, known_or_zero
from gridiface.aggregation.parts import (
    Fixed,
    PartLimit,
    by_itself,
    ceilings,
    cut_part,
    left_alone,
    opened,
    part_of,
    unsure,
    with_device_limits,
    within,
)
from gridiface.aggregation.plan import Node, Plan
from gridiface.aggregation.solution import NodeResult, Settings, Solution

_FREE_RUN: Strategy = WaterFilling()

#: A bound on a sum, W, and whose it is; infinite and None where there is none.
_Room = tuple[float, Bound | None]


class Solver:
    """Solves one plan once. `targets` gives each bound node's total, `residuals` what its meter sees beside it."""

    def __init__(
        self,
        columns: Columns,
        plan: Plan,
        bounds: Envelope,
        targets: Callable[[Node], float],
        residuals: Mapping[str, float],
        settings: Settings,
    ) -> None:
        self._c, self._plan, self._targets, self._residuals = columns, plan, targets, residuals
        self._settings = settings
        self._b = with_device_limits(bounds, plan)
        self._own = np.isfinite(plan.device_w) & bounds.free if plan.single else np.zeros(columns.count, dtype=np.bool_)
        self._unsure_up, self._unsure_down = unsure(columns, self._b)
        #: What each row will do, W: as it is held until it is told something.
        self._will = self._b.held.copy()
        count = columns.count
        self._solution = Solution(np.full(count, np.nan), np.full(count, np.nan), {})

    def solve(self) -> Solution:
        """Run it."""
        if self._plan.single:
            rows = np.flatnonzero(self._own)
            near = np.clip(self._plan.device_w[rows], self._b.near_lo[rows], self._b.near_hi[rows])
            self._solution.watts[rows] = near
            limited = np.isfinite(self._plan.device_high) & self._c.can_limit_w
            self._solution.ceilings[limited] = np.maximum(self._plan.device_high[limited], 0.0)
        for root in self._plan.roots:
            if root.bound:
                self._command(root, self._targets(root))
            else:
                self._guard(root)
        self._charge_in_time()
        if self._plan.off.any():
            off = self._plan.off & self._b.free & self._c.can_set_w
            self._solution.watts[off] = 0.0
        if self._plan.single:
            self._hold_single()
        return self._solution

    # A node with a target.

    def _command(self, node: Node, target: float, *, cut: bool = False) -> None:
        """Give a node its total; `cut`: a limit around it took something off, which what is fixed inside bears, too."""
        free = self._free(node)
        fixed = self._fixed(node)
        held = self._held(node)
        self._keep_limits(node, free, fixed)
        if cut and fixed.wanted.size:
            _, generation, _, load = self._rooms(node, fixed, held)
            rest = target - held - float(fixed.wanted.sum())
            self._bend(node, free, fixed, (rest, rest), (load[0], generation[0]))
        low, high, lowest, highest = self._window(node, fixed, held)
        part = target - held - float(fixed.wanted.sum())
        clipped = highest if part > high else lowest if part < low else None
        caps = self._caps(node, free, fixed)
        lo, hi = self._relaxed(free, caps, low, high)
        inside = min(max(part, low), high)
        powers = within(
            self._parts(node, free, fixed),
            lo,
            hi,
            lambda: self._split(node, free, inside, lo, hi, caps),
            self._hard(free),
        )
        reachable = reach(lo, hi, caps)
        self._tell(free, powers)
        total = held + float(fixed.wanted.sum()) + float(powers.sum())
        offset = held + float(fixed.wanted.sum())
        self._solution.results[node.id] = NodeResult(
            target,
            total,
            total - held,
            held,
            offset + max(min(reachable[0], high), low),
            offset + min(max(reachable[1], low), high),
            clipped,
        )
        self._descend(fixed)
        self._note_caps(node)

    def _note_caps(self, node: Node) -> None:
        """The account of the nodes inside that only have limits: their totals, and which limit holds them."""
        for child in node.limited_below():
            own = self._own[child.rows]
            total = float(np.where(own, self._solution.watts[child.rows], self._will[child.rows]).sum())
            total += self._residual(child)
            high, low = child.limits.high, child.limits.low
            slack = 1e-6 * max(abs(total), 1.0) + 1e-3
            clipped = high if high is not None and total >= high.watts - slack else None
            if clipped is None and low is not None and total <= -low.watts + slack:
                clipped = low
            most = np.inf if high is None else high.watts
            least = -np.inf if low is None else -low.watts
            self._solution.results[child.id] = NodeResult(None, total, total, 0.0, least, most, clipped)
            self._note_caps(child)

    def _split(
        self, node: Node, free: IntArray, target: float, lo: FloatArray, hi: FloatArray, caps: tuple[Cap, ...]
    ) -> FloatArray:
        c, here = self._c, span(free)
        told = c.told_w[here]
        tolerance = max(self._settings.tolerance * abs(target), 0.5)
        if self._settings.reuse and not caps and reusable(told, lo, hi, target, tolerance):
            return told
        problem = Problem(
            target=target,
            lo=lo,
            hi=hi,
            base=self._b.base[here],
            weight=self._b.weight[here],
            tier=c.tier[here],
            charge=charge_of(c, here),
            running=np.abs(told) > 0,
        )
        powers = split_tree(node.strategy, problem, caps)
        if self._settings.phase_spread is not None and c.phased:
            shares = (c.phase_a[here], c.phase_b[here], c.phase_c[here])
            powers = balance(node.strategy, problem, powers, shares, self._settings.phase_spread, caps)
        return in_steps(c, free, node.strategy, problem, powers, caps) if c.stepped else powers

    # A node that only has limits.

    def _guard(self, node: Node) -> None:
        free = self._free(node)
        fixed = self._fixed(node)
        held = self._held(node)
        self._keep_limits(node, free, fixed)
        low, high, lowest, highest = self._window(node, fixed, held)
        caps = self._caps(node, free, fixed)
        lo, hi = self._relaxed(free, caps, low, high)
        c = self._c
        seen = by_itself(c, free)
        running = np.where(np.isfinite(seen), seen, self._b.base[free])
        base = np.where(c.natural[free], self._b.base[free], np.clip(running, lo, hi))
        natural = float(base.sum())

        def run() -> FloatArray:
            target = min(max(left_alone(np.clip(base, lo, hi), caps), low), high)
            problem = Problem(target=target, lo=lo, hi=hi, base=base, weight=self._b.weight[free])
            return split_tree(_FREE_RUN, problem, caps)

        powers = within(self._parts(node, free, fixed), lo, hi, run, self._hard(free))
        moved = np.abs(powers - base) > 1e-6 * np.maximum(np.abs(base), 1.0)
        self._solution.watts[free] = np.where(moved & c.can_set_w[free], powers, self._solution.watts[free])
        self._will[free] = powers
        rows, shares = ceilings(c, free, powers, high, caps, self._plan.device_high)
        self._solution.ceilings[rows] = shares
        total = held + float(fixed.wanted.sum()) + float(powers.sum())
        clipped = highest if natural > high else lowest if natural < low else None
        self._solution.results[node.id] = NodeResult(None, total, float(powers[moved].sum()), held, low, high, clipped)
        self._descend(fixed)
        self._note_caps(node)

    # What both have in common.

    def _free(self, node: Node) -> IntArray:
        asked = self._b.free[node.loose] & ~self._own[node.loose]
        return node.loose if bool(asked.all()) else node.loose[asked]

    def _held(self, node: Node) -> float:
        """What cannot be asked contributes: devices not free, and what the meter sees beside the members."""
        rows = node.loose[~self._b.free[node.loose]]
        own = self._residual(node) - sum(self._residual(child) for child in node.bound_below())
        return float(self._b.held[rows].sum()) + own

    def _residual(self, node: Node) -> float:
        if node.meter is not None:
            return self._residuals.get(node.id, 0.0)
        return sum(self._residual(child) for child in node.inside)

    def _fixed(self, node: Node) -> Fixed:
        rows = node.loose[self._own[node.loose]]
        nodes = node.bound_below()
        wanted, lo, hi = [], [], []
        for child in nodes:
            low, high = self._reach(child)
            least, most = self._reach(child, cut=True)
            lo.append(least)
            hi.append(most)
            wanted.append(min(max(self._targets(child), low), high))
        asked = np.concatenate([self._solution.watts[rows], np.array(wanted)])
        return Fixed(
            rows,
            nodes,
            asked,
            np.concatenate([self._b.lo[rows], np.array(lo)]),
            np.concatenate([self._b.hi[rows], np.array(hi)]),
            asked=asked,
        )

    def _reach(self, node: Node, *, cut: bool = False) -> tuple[float, float]:
        """The range of a bound node's total inside its own limits, W; `cut`: where what is fixed inside gives way."""
        free = self._free(node)
        fixed = self._fixed(node)
        caps = self._caps(node, free, fixed)
        low, high = reach(self._b.near_lo[free], self._b.near_hi[free], caps)
        held = self._held(node)
        _, generation, _, load = self._rooms(node, fixed, held)
        low, high = max(low, load[0]), min(high, generation[0])
        low += held + float((np.minimum(fixed.lo, fixed.wanted) if cut else fixed.wanted).sum())
        high += held + float((np.maximum(fixed.hi, fixed.wanted) if cut else fixed.wanted).sum())
        top = np.inf if node.limits.high is None else node.limits.high.watts
        bottom = -np.inf if node.limits.low is None else -node.limits.low.watts
        return min(max(low, bottom), top), max(min(high, top), bottom)

    def _window(self, node: Node, fixed: Fixed, held: float) -> tuple[float, float, Bound | None, Bound | None]:
        """Bounds on the sum of a node's loose devices from its limits: (low, high, whose low, whose high)."""
        export, generation, draw, load = self._rooms(node, fixed, held)
        highest = min(export, generation, key=lambda pair: pair[0])
        lowest = max(draw, load, key=lambda pair: pair[0])
        return min(lowest[0], highest[0]), highest[0], lowest[1], highest[1]

    def _rooms(self, node: Node, fixed: Fixed, held: float) -> tuple[_Room, _Room, _Room, _Room]:
        """What the limits on export, generation, draw and load each leave to the sum of a node's loose devices."""
        (up, down), limits = self._doubt(node), node.limits
        part = float(fixed.wanted.sum())
        positive, negative = float(np.maximum(fixed.wanted, 0.0).sum()), float(np.minimum(fixed.wanted, 0.0).sum())

        def room(bound: Bound | None, sign: float, taken: float) -> _Room:
            return (sign * np.inf, None) if bound is None else (sign * bound.watts - taken, bound)

        return (
            room(limits.export, 1.0, held + up + part),
            room(limits.generation, 1.0, max(held, 0.0) + up + positive),
            room(limits.draw, -1.0, held + down + part),
            room(limits.load, -1.0, min(held, 0.0) + down + negative),
        )

    def _doubt(self, node: Node) -> tuple[float, float]:
        """How much more, up and down, silent devices may contribute than is counted, W."""
        if self._unsure_up is None or self._unsure_down is None:
            return 0.0, 0.0
        return float(self._unsure_up[node.rows].sum()), float(self._unsure_down[node.rows].sum())

    def _keep_limits(
        self, node: Node, free: IntArray, fixed: Fixed, around: tuple[float, float] = (-np.inf, np.inf)
    ) -> None:
        """Reduce the fixed parts where a limit could not be kept even with the loose devices at an end of theirs.

        Inner nodes first; the parts of a node are those of the nodes inside it that have no totals of their own.
        `around`: what load and generation limits of nodes around it leave to the loose devices.
        """
        if not fixed.wanted.size:
            return
        _, generation, _, load = self._rooms(node, fixed, self._held(node))
        left = max(around[0], load[0]), min(around[1], generation[0])
        for child in node.limited_below():
            self._keep_limits(child, free, part_of(fixed, child), left)
        if node.limits.any:
            self._reduce(node, free, fixed, around)
        self._solution.watts[fixed.rows] = fixed.wanted[: fixed.rows.size]

    def _reduce(self, node: Node, free: IntArray, fixed: Fixed, around: tuple[float, float]) -> None:
        up, down = self._doubt(node)
        held = self._held(node)
        if node.limits.generation is not None:
            most = node.limits.generation.watts - max(held, 0.0) - up
            fixed.take(cut_part(fixed.wanted, fixed.lo, max(most, 0.0)))
        if node.limits.load is not None:
            most = node.limits.load.watts + min(held, 0.0) + down
            fixed.take(-cut_part(-fixed.wanted, -fixed.hi, max(most, 0.0)))
        export, generation, draw, load = self._rooms(node, fixed, held)
        window, own = (draw[0], export[0]), (max(load[0], around[0]), min(generation[0], around[1]))
        self._bend(node, np.intersect1d(free, node.rows), fixed, window, own)

    def _bend(
        self,
        node: Node,
        mine: IntArray,
        fixed: Fixed,
        window: tuple[float, float],
        own: tuple[float, float] = (-np.inf, np.inf),
    ) -> None:
        """Change the fixed parts where the loose devices, inside bounds of their own, cannot bring the rest into it."""
        low, high = window
        least, most = reach(self._b.lo[mine], self._b.hi[mine], self._caps(node, mine, fixed))
        least, most = max(least, own[0]), min(most, own[1])
        change = min(0.0, high - least) + max(0.0, low - most)
        if change == 0.0:
            return
        weight = np.maximum(np.abs(fixed.wanted), 1.0)
        lo, hi = np.minimum(fixed.lo, fixed.wanted), np.maximum(fixed.hi, fixed.wanted)
        fixed.take(water_fill(float(fixed.wanted.sum()) + change, lo, hi, fixed.wanted, weight))
        self._solution.watts[fixed.rows] = fixed.wanted[: fixed.rows.size]

    def _caps(self, node: Node, free: IntArray, fixed: Fixed) -> tuple[Cap, ...]:
        """The nodes inside that only have limits, as caps over positions in `free`."""
        limited = node.limited_below()
        if not limited:
            return ()
        place = np.full(self._c.count, -1, dtype=np.int64)
        place[free] = np.arange(free.size)
        totals = dict(zip((child.id for child in fixed.nodes), fixed.wanted[fixed.rows.size :].tolist(), strict=True))
        return tuple(cap for child in limited if (cap := self._cap(child, place, totals)) is not None)

    def _cap(self, node: Node, place: IntArray, totals: Mapping[str, float]) -> Cap | None:
        rows = place[node.loose]
        rows = rows[rows >= 0]
        if not rows.size:
            return None
        fixed_rows = node.loose[self._own[node.loose]]
        parts = [self._solution.watts[fixed_rows], np.array([totals[child.id] for child in node.bound_below()])]
        fixed = Fixed(fixed_rows, [], np.concatenate(parts), np.empty(0), np.empty(0))
        low, high, _, _ = self._window(node, fixed, self._held(node))
        inside = tuple(cap for child in node.limited_below() if (cap := self._cap(child, place, totals)) is not None)
        return Cap(rows, low, high, inside)

    def _relaxed(self, free: IntArray, caps: tuple[Cap, ...], low: float, high: float) -> tuple[FloatArray, FloatArray]:
        """Near bounds of the loose devices, opened as far as it takes where a limit cannot be kept inside them."""
        lo, hi = self._b.near_lo[free], self._b.near_hi[free]
        if not caps:
            if np.isfinite(high) or np.isfinite(low):
                lo, hi = -opened(-lo, -self._b.lo[free], -high), opened(hi, self._b.hi[free], low)
            return lo, hi
        waiting = [Cap(np.arange(free.size), low, high, caps)]
        while waiting:
            cap = waiting.pop()
            lo[cap.rows] = -opened(-lo[cap.rows], -self._b.lo[free[cap.rows]], -cap.high)
            hi[cap.rows] = opened(hi[cap.rows], self._b.hi[free[cap.rows]], cap.low)
            waiting.extend(cap.inside)
        return lo, hi

    def _hard(self, free: IntArray) -> tuple[FloatArray, FloatArray]:
        return self._b.lo[free], self._b.hi[free]

    def _parts(self, node: Node, free: IntArray, fixed: Fixed) -> list[PartLimit]:
        """Generation and load limits, of this node and of those inside without totals of their own: innermost first.

        They speak of the parts of a total; what they leave to the devices in `free`.
        """
        found = [one for child in node.limited_below() for one in self._parts(child, free, part_of(fixed, child))]
        generation, load = node.limits.generation, node.limits.load
        if generation is None and load is None:
            return found
        rows = np.flatnonzero(np.isin(free, node.rows, assume_unique=True))
        held, (up, down) = self._held(node), self._doubt(node)
        if generation is not None:
            given = max(held, 0.0) + up + float(np.maximum(fixed.wanted, 0.0).sum())
            found.append(PartLimit(rows, 1.0, max(generation.watts - given, 0.0)))
        if load is not None:
            given = max(-held, 0.0) - down - float(np.minimum(fixed.wanted, 0.0).sum())
            found.append(PartLimit(rows, -1.0, max(load.watts - given, 0.0)))
        return found

    def _tell(self, rows: IntArray, powers: FloatArray) -> None:
        """Watts for those who can be told watts, ceilings for sun followers that can only be held down."""
        able = self._c.can_set_w[rows]
        self._will[rows] = powers
        if bool(able.all()):
            self._solution.watts[rows] = powers
            return
        self._solution.watts[rows[able]] = powers[able]
        self._solution.ceilings[rows[~able]] = np.maximum(powers[~able], 0.0)

    def _descend(self, fixed: Fixed) -> None:
        inner = slice(fixed.rows.size, None)
        assert fixed.asked is not None
        given = zip(fixed.nodes, fixed.wanted[inner].tolist(), fixed.asked[inner].tolist(), strict=True)
        for child, total, asked in given:
            self._command(child, total, cut=total != asked)

    def _charge_in_time(self) -> None:
        """Vehicles that nobody else commands and that must charge now for their departure."""
        floors = self._b.floors
        if not floors.size:
            return
        rows = floors[np.isnan(self._solution.watts[floors]) & self._c.can_set_w[floors] & self._b.free[floors]]
        running = np.where(np.isfinite(self._c.w[rows]), self._c.w[rows], 0.0)
        already = self._c.told[rows] & np.isfinite(self._c.told_w[rows])
        chosen = rows[(running > self._b.near_hi[rows]) | already]
        self._solution.watts[chosen] = self._b.near_hi[chosen]

    def _hold_single(self) -> None:
        """Limits of single devices that nobody else commands: a set-point where the device is outside them."""
        c, b = self._c, self._b
        limited = np.isfinite(self._plan.device_high) | np.isfinite(self._plan.device_low)
        rows = np.flatnonzero(limited & np.isnan(self._solution.watts) & b.free & c.can_set_w)
        seen = by_itself(c, rows)
        running = np.where(np.isfinite(seen), seen, known_or_zero(c.w[rows]))
        inside = np.clip(running, b.lo[rows], b.hi[rows])
        # Upwards a ceiling keeps it, where it has one.
        outside = (inside > running + 1e-6) | ((inside < running - 1e-6) & ~c.can_limit_w[rows])
        self._solution.watts[rows[outside]] = inside[outside]
