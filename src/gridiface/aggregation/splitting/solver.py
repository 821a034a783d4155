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
from gridiface.aggregation.allocate.water_filling import WaterFilling
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.doubt import unseen
from gridiface.aggregation.envelope.levels import COARSE, is_coarse, known_levels, levels_around
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.splitting.coarse import between_levels, pinned, snapped
from gridiface.aggregation.splitting.leeway import Leeway
from gridiface.aggregation.splitting.level_choice import Ladder, choose
from gridiface.aggregation.splitting.nested import KEPT_W, Nest, mend, of_caps
from gridiface.aggregation.splitting.part_limits import within
from gridiface.aggregation.splitting.parts import (
    Fixed,
    by_itself,
    ceilings,
    charge_in_time,
    device_limits,
    hold_single,
    left_alone,
    relax,
    with_device_limits,
)
from gridiface.aggregation.splitting.phase_levels import evened
from gridiface.aggregation.splitting.rationing import Rations
from gridiface.aggregation.splitting.solution import NodeResult, Settings, Solution
from gridiface.aggregation.state.columns import Columns, charge_of

_FREE_RUN: Strategy = WaterFilling()

#: A power that counts as none, W.
_NOTHING_W = 1e-6


class Solver:
    """Solves one plan once. `targets` gives each bound node's total, `residuals` what meters see beside each node."""

    def __init__(
        self,
        columns: Columns,
        plan: Plan,
        bounds: Envelope,
        targets: Callable[[Node], float],
        residuals: Mapping[str, Beside],
        settings: Settings,
    ) -> None:
        self._c, self._plan, self._targets = columns, plan, targets
        self._residuals, self._settings = residuals, settings
        self._b = with_device_limits(bounds, plan)
        self._own = np.isfinite(plan.device_w) & bounds.free if plan.single else np.zeros(columns.count, dtype=np.bool_)
        #: What each row will do, W: as it is held until it is told something.
        self._will = self._b.held.copy()
        count = columns.count
        self._solution = Solution.of(self._will)
        self.leeway = Leeway(columns, self._b, self._own, targets, residuals, self._solution.watts)
        self._rations = Rations(columns, self._b.at, settings.hold_time_s, settings.departure_margin)
        #: In what fine devices beside coarse ones work for their total, W; of this solution, and of the one before it.
        self._ways = np.full(count, -np.inf), np.full(count, np.inf)
        self._ways_before: tuple[FloatArray, FloatArray] | None = None

    def solve(self) -> Solution:
        """Run it; with coarse devices again, from the inside out, around what those inside of others came to.

        Where their steps keep a limit from being kept all that can be off are.
        """
        found = self._solve()
        if not self._c.stepped or not self._plan.nested:
            return found
        solver = self
        for rows in self._plan.inside_out():
            solver = solver._again(found, rows)
            found = solver._solve()
        passed = solver.leeway.passed(self._plan, found)
        for off in (False, True):
            if passed <= KEPT_W and not between_levels(self._c, found.watts):
                break
            tried = self._again(found, slice(None), off=off)
            there = tried.leeway.passed(self._plan, tried._solve())
            if not off or there < passed:
                solver, passed, found = tried, there, tried._solution
        self.leeway = solver.leeway
        return solver._solution

    def _again(self, found: Solution, rows: IntArray | slice, *, off: bool = False) -> Solver:
        """One in which the coarse of these rows stay as they were found; `off`: as little as they can."""
        bounds = pinned(self._c, self._b, found, rows, off=off)
        solver = Solver(self._c, self._plan, bounds, self._targets, self._residuals, self._settings)
        solver._ways_before = self._ways
        return solver

    def _solve(self) -> Solution:
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
        charge_in_time(self._c, self._b, self._solution.watts)
        if self._plan.off.any():
            off = self._plan.off & self._b.free & self._c.can_set_w
            self._solution.watts[off] = 0.0
        if self._plan.single:
            hold_single(self._c, self._plan, self._b, self._solution.watts)
        return self._solution

    # A node with a target.

    def _command(self, node: Node, target: float, *, cut: bool = False) -> None:
        """Give a node its total; `cut`: a limit around it took something off, which what is fixed inside bears, too."""
        free = self.leeway.free(node)
        fixed = self.leeway.fixed(node)
        held = self.leeway.held(node)
        self.leeway.keep_limits(node, free, fixed)
        if cut and fixed.wanted.size:
            _, generation, _, load = self.leeway.rooms(node, fixed, held)
            rest = target - held - float(fixed.wanted.sum())
            self.leeway.bend(node, free, fixed, (rest, rest), (load[0], generation[0]))
        low, high, lowest, highest = self.leeway.window(node, fixed, held)
        part = target - held - float(fixed.wanted.sum())
        clipped = highest if part > high else lowest if part < low else None
        caps = self.leeway.caps(node, free, fixed)
        lo, hi, hard = self._relaxed(free, (low, high), caps)
        inside = min(max(part, low), high)
        powers = within(
            self.leeway.parts(node, free, fixed),
            lo,
            hi,
            lambda: self._split(node, free, inside, lo, hi, caps),
            hard,
            (low, high),
            caps,
        )
        reachable = reach(lo, hi, caps)
        powers = self._kept(node, free, fixed, powers, part, cut=cut)
        if self._c.stepped:
            powers = self._in_steps(node, free, fixed, powers, target - held)
        if self._settings.phase_spread is not None and self._c.phased:
            powers = evened(
                self._c,
                free,
                lambda: (
                    self._nest(node, free, fixed),
                    fixed.wanted,
                    self._rations.of(node, free, inside, self._relaxed(free, (low, high), caps)[:2], caps, powers),
                ),
                powers,
                self._targets(node),
                self._settings.phase_spread,
            )
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
            powers = np.where(own, self._solution.watts[child.rows], self._will[child.rows])
            beside = self.leeway.beside(child)
            total = float(powers.sum()) + beside.watts
            clipped = child.limits.reached(powers, beside)
            high, low = child.limits.high, child.limits.low
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
        used = self._settings.reuse and not caps and reusable(told, lo, hi, target, tolerance)
        self._solution.again[here], self._solution.anew[here] = used, not used
        if used:
            return told
        lo, hi = self._rations.of(node, free, target, (lo, hi), caps)
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
            spread, asked = self._settings.phase_spread, self._targets(node)
            powers = balance(node.strategy, problem, powers, shares, spread, caps, asked=asked)
        return powers

    # A node that only has limits.

    def _guard(self, node: Node) -> None:
        free = self.leeway.free(node)
        fixed = self.leeway.fixed(node)
        held = self.leeway.held(node)
        self.leeway.keep_limits(node, free, fixed)
        low, high, lowest, highest = self.leeway.window(node, fixed, held)
        caps = self.leeway.caps(node, free, fixed)
        lo, hi, hard = self._relaxed(free, (low, high), caps)
        c = self._c
        seen = by_itself(c, free)
        running = np.where(np.isfinite(seen), seen, self._b.base[free])
        coarse = is_coarse(c, free)
        # What runs by itself beyond what is counted on (charge that is low, or in doubt) is there all the same, but for
        # what is more than the device alone may do.
        alone, may = np.isfinite(seen) & ~c.natural[free] & ~coarse, np.clip(running, *device_limits(self._plan, free))
        for near, end, outer in ((lo, hard[0], np.minimum), (hi, hard[1], np.maximum)):
            beyond = alone & (outer(end, may) != end)
            near[beyond] = end[beyond] = may[beyond]
        # A coarse one whose bounds are one power has moved when it does another by itself.
        inside = np.where(coarse, running, np.clip(running, lo, hi))
        base = np.where(c.natural[free], self._b.base[free], inside)
        natural = float(base.sum())

        def run() -> FloatArray:
            target = min(max(left_alone(np.clip(base, lo, hi), caps), low), high)
            problem = Problem(target=target, lo=lo, hi=hi, base=base, weight=self._b.weight[free])
            return split_tree(_FREE_RUN, problem, caps)

        powers = within(self.leeway.parts(node, free, fixed), lo, hi, run, hard, (low, high), caps)
        powers = self._kept(node, free, fixed, powers)
        moved = np.abs(powers - base) > 1e-6 * np.maximum(np.abs(base), 1.0)
        moved |= unseen(c, free, downwards=any(one.limits.low is not None for one in node.walk()))
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

    def _in_steps(self, node: Node, free: IntArray, fixed: Fixed, powers: FloatArray, target: float) -> FloatArray:
        """`powers` of the loose devices with coarse ones at levels that they know, and the others split around them.

        `target`: of the loose devices and the fixed parts, W.
        """
        c, b, count = self._c, self._b, free.size
        coarse = is_coarse(c, free)
        if not coarse.any():
            return powers

        known = c.part(free, COARSE)

        def around(there: FloatArray) -> tuple[FloatArray, FloatArray]:
            # Who is at nothing goes the way that is asked.
            idle = coarse & (np.abs(there) < _NOTHING_W)
            return levels_around(known, np.where(idle, np.copysign(_NOTHING_W, target), there))

        stands, rest = fixed.wanted, target - float(fixed.wanted.sum())
        if self._ways_before is not None:  # around coarse ones that stay, a split makes others work against the total
            powers = np.clip(powers, *(ends[free] for ends in self._ways_before))
        caps = self.leeway.caps(node, free, fixed)
        low, high, _, _ = self.leeway.window(node, fixed, self.leeway.held(node))
        nest = self._nest(node, free, fixed)
        least, most = np.minimum(b.near_lo[free], powers), np.maximum(b.near_hi[free], powers)
        far = snapped(c, free, most if target > 0 else least)
        ladder = Ladder(
            coarse=np.concatenate([coarse, np.zeros(stands.size, dtype=np.bool_)]),
            powers=np.concatenate([powers, stands]),
            down=np.concatenate([around(powers)[0], stands]),
            far=np.concatenate([far, stands]),
            above=lambda there: np.concatenate([around(there[:count])[1], stands]),
            runs=np.concatenate([c.natural[free], np.zeros(stands.size, dtype=np.bool_)]),
            known=lambda row, low, high: known_levels(known, row, low, high, float(powers[row])),
        )
        ends = np.concatenate([least, stands]), np.concatenate([most, stands])
        _, lo, hi = (values[:count] for values in choose(nest, ladder, *ends, target))
        self._ways[0][free], self._ways[1][free] = lo, hi
        powers = self._split(node, free, min(max(rest, low), high), lo, hi, caps)
        return self._kept(node, free, fixed, powers, rest, bounds=(lo, hi))

    def _nest(self, node: Node, free: IntArray, fixed: Fixed) -> Nest:
        """The limits over the loose devices and the fixed parts; of the net alone where some of these are in doubt."""
        nest = self.leeway.nest(node, free, fixed)
        if nest is not None:
            return nest
        low, high, _, _ = self.leeway.window(node, fixed, self.leeway.held(node))
        stands = float(fixed.wanted.sum())
        places, caps = np.arange(free.size + fixed.wanted.size), self.leeway.caps(node, free, fixed)
        return of_caps(places, (stands + low, stands + high), caps)

    def _kept(
        self,
        node: Node,
        free: IntArray,
        fixed: Fixed,
        powers: FloatArray,
        target: float | None = None,
        *,
        cut: bool = False,
        bounds: tuple[FloatArray, FloatArray] | None = None,
    ) -> FloatArray:
        """The powers of the loose devices where these and the fixed parts keep all limits, and come to the target.

        Else others that do, as near to them as can be; the fixed parts are changed with them. Limits on sums of loose
        devices alone are kept as they are split; only limits on what is given and taken, and fixed parts between limits
        that lie in each other, need more than that.
        """
        parts = any(one.limits.generation is not None or one.limits.load is not None for one in node.unbound())
        if not parts and not (fixed.wanted.size and node.limited_below()):
            return powers
        nest = self.leeway.nest(node, free, fixed)
        if nest is None:
            return powers
        first, count = np.concatenate([powers, fixed.wanted]), free.size
        goal, passed = float(first.sum()), nest.passed(first)
        asked = goal if target is None else target + float(fixed.wanted.sum())
        if passed <= KEPT_W and abs(goal - asked) <= KEPT_W:
            return powers
        # For a limit what is fixed gives way, be it one around; for a total of its own the loose devices alone move.
        gives_way = fixed.able if cut or passed > KEPT_W else None
        stands = (fixed.wanted, fixed.wanted) if gives_way is None else gives_way
        weight = np.concatenate([self._b.weight[free], np.maximum(np.abs(fixed.wanted), 1.0)])
        b = self._b
        near, hard = (b.near_lo[free], b.near_hi[free]), (b.lo[free], b.hi[free])
        for lo, hi in (near, hard) if bounds is None else (bounds,):
            ends = np.concatenate([lo, stands[0]]), np.concatenate([hi, stands[1]])
            found = mend(nest, first, asked, (*ends, weight), passed=passed)
            if passed <= KEPT_W or (found is not None and nest.passed(found) <= KEPT_W):
                break
        if found is None:
            return powers
        fixed.take(found[count:])
        self._solution.watts[fixed.rows] = fixed.wanted[: fixed.rows.size]
        return found[:count]

    def _relaxed(
        self, free: IntArray, net: tuple[float, float], caps: tuple[Cap, ...]
    ) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray]]:
        """Near bounds of the loose devices, opened as far as it takes to keep the limits; and the hard ones."""
        lo, hi = self._b.near_lo[free], self._b.near_hi[free]
        hard = self._b.lo[free], self._b.hi[free]
        relax(lo, hi, hard, net, caps)
        return lo, hi, hard

    def _tell(self, rows: IntArray, powers: FloatArray) -> None:
        """Watts for those who can be told watts, ceilings for sun followers that can only be held down."""
        able = self._c.can_set_w[rows]
        self._will[rows] = powers
        if self._c.stepped:  # for its phase one may have come to another level
            coarse = is_coarse(self._c, rows)
            for ways in self._ways:
                ways[rows[coarse]] = powers[coarse]
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
