"""What the limits of a node, and the parts of it that are fixed, leave to its loose devices in one control step.

Owns free and fixed rows, what cannot be asked, the room under each limit, and the cutting of fixed parts where a limit
cannot be kept otherwise. Who gets how much of what is left is solver.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray, Problem, Strategy
from gridiface.aggregation.allocate.tree import Cap, reach, split_tree
from gridiface.aggregation.allocate.water_filling import WaterFilling
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.doubt import METERED_AFTER_S, Doubt, unsure
from gridiface.aggregation.envelope.extent import Extent, extent_of
from gridiface.aggregation.envelope.limits import Bound, Envelope
from gridiface.aggregation.envelope.residual import NOTHING, Beside
from gridiface.aggregation.envelope.rollup import speaks
from gridiface.aggregation.splitting.nested import Nest
from gridiface.aggregation.splitting.part_limits import PartLimit
from gridiface.aggregation.splitting.parts import Fixed, cut_part, part_of
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import Columns

#: A bound on a sum, W, and whose it is; infinite and None where there is none.
Room = tuple[float, Bound | None]

#: How what a limit takes is spread over fixed parts.
_EVENLY: Strategy = WaterFilling()

#: So often fixed parts are bent and cut in turn, where limits on the net and on its parts work against each other.
_PASSES = 12

#: Least and most of a total, W.
Range = tuple[float, float]


class Leeway:
    """Of the nodes of one plan, for one solution.

    Args:
        columns: the fleet.
        bounds: what each device can do.
        own: rows with a set-point of their own.
        targets: gives each bound node's total, W.
        residuals: what lies beside each node's members at its metered points; see `Metering.beside`.
        watts: the powers of the solution, W; those of fixed rows are changed here where a limit asks for it.
    """

    def __init__(
        self,
        columns: Columns,
        bounds: Envelope,
        own: BoolArray,
        targets: Callable[[Node], float],
        residuals: Mapping[str, Beside],
        watts: FloatArray,
    ) -> None:
        self._c, self._b, self._own, self._targets, self._residuals = columns, bounds, own, targets, residuals
        self._watts = watts
        self._unsure_up, self._unsure_down = unsure(columns, bounds)

    def free(self, node: Node) -> IntArray:
        """The loose devices of a node that can be asked for something."""
        asked = self._b.free[node.loose] & ~self._own[node.loose]
        return node.loose if bool(asked.all()) else node.loose[asked]

    def held(self, node: Node) -> float:
        """What cannot be asked contributes: devices not free, and what the meter sees beside the members."""
        rows = node.loose[~self._b.free[node.loose]]
        inside = sum(self.beside(child).watts for child in node.bound_below())
        return float(self._b.held[rows].sum()) + self.beside(node).watts - inside

    def beside(self, node: Node) -> Beside:
        """What the meters of a node, or of groups inside it, see beside their members."""
        return self._residuals.get(node.id, NOTHING)

    def _held_range(self, node: Node, held: float) -> Range:
        """The least and most of what cannot be asked, W, by the meters' last readings."""
        beside = self.beside(node)
        return held + (beside.low - beside.watts), held + (beside.high - beside.watts)

    def _held_parts(self, node: Node, held: float) -> Range:
        """What of that is taken, and what is given, at most, W: who is behind a meter is not hidden by loads there."""
        least, most = self._held_range(node, held)
        taken, given = self.beside(node).behind_but([self.beside(child) for child in node.bound_below()])
        return min(least - taken, 0.0) + taken, max(most - given, 0.0) + given

    def fixed(self, node: Node) -> Fixed:
        """What inside a node has a set-point or a total of its own: rows, then nodes, with what each can do."""
        rows = node.loose[self._own[node.loose]]
        nodes = node.bound_below()
        wanted, lo, hi = [], [], []
        for child in nodes:
            (low, high), (least, most) = self._reach(child)
            lo.append(least)
            hi.append(most)
            wanted.append(min(max(self._targets(child), low), high))
        asked = np.concatenate([self._watts[rows], np.array(wanted)])
        able = np.concatenate([self._b.lo[rows], np.array(lo)]), np.concatenate([self._b.hi[rows], np.array(hi)])
        return Fixed(rows, nodes, asked, *able, asked=asked, able=able)

    def _reach(self, node: Node) -> tuple[Range, Range]:
        """The range of a bound node's total inside its limits, W: as asked, and where fixed parts of it give way."""
        parts = any(one.limits.generation is not None or one.limits.load is not None for one in node.unbound())
        held, (_, (asked, given, _)) = self.held(node), self._extents(node, self.fixed(node), parts=parts)
        return (held + asked.net[0], held + asked.net[1]), (held + given.net[0], held + given.net[1])

    def _extents(self, node: Node, fixed: Fixed, *, parts: bool) -> tuple[list[Extent], list[Extent]]:
        """What the loose devices and the fixed parts of a node come to, without limits and with those here and inside.

        Each as asked; where the fixed parts give way; and where the loose devices leave their ramps for a limit, too.
        `parts`: whether what is given and taken counts.
        """
        b, free, doubt = self._b, self.free(node), self._doubt(node, fixed)
        near = extent_of(b.near_lo[free], b.near_hi[free], parts=parts)
        hard = extent_of(b.lo[free], b.hi[free], parts=parts)
        silent = doubt.ups, doubt.downs
        stands = extent_of(fixed.wanted, fixed.wanted, silent, parts=parts)
        least, most = np.minimum(fixed.lo, fixed.wanted), np.maximum(fixed.hi, fixed.wanted)
        gives = extent_of(least, most, silent, parts=parts)
        alone = limited = [near + stands, near + gives, hard + gives]
        for child in node.limited_below():
            pairs = zip(*self._extents(child, part_of(fixed, child), parts=parts), strict=True)
            limited = [whole + inner - raw for whole, (raw, inner) in zip(limited, pairs, strict=True)]
        if not node.limits.any:
            return alone, limited
        able = limited[2].under(*self._limits(node, fixed))
        return alone, [limited[0].inside(able), limited[1].inside(able), able]

    def window(self, node: Node, fixed: Fixed, held: float) -> tuple[float, float, Bound | None, Bound | None]:
        """Bounds on the sum of a node's loose devices from its limits: (low, high, whose low, whose high)."""
        export, generation, draw, load = self.rooms(node, fixed, held)
        highest = min(export, generation, key=lambda pair: pair[0])
        lowest = max(draw, load, key=lambda pair: pair[0])
        return min(lowest[0], highest[0]), highest[0], lowest[1], highest[1]

    def rooms(self, node: Node, fixed: Fixed, held: float) -> tuple[Room, Room, Room, Room]:
        """What the limits on export, generation, draw and load each leave to the sum of a node's loose devices."""
        limits = node.limits
        export, generation, draw, load = self._taken(node, fixed, held)

        def room(bound: Bound | None, sign: float, taken: float) -> Room:
            return (sign * np.inf, None) if bound is None else (sign * bound.watts - taken, bound)

        left, given_by = room(limits.generation, 1.0, generation)
        least, taken_by = room(limits.load, -1.0, load)
        return (
            room(limits.export, 1.0, export),
            (max(left, 0.0), given_by),  # what others take does not make what is given any less
            room(limits.draw, -1.0, draw),
            (min(least, 0.0), taken_by),
        )

    def _taken(self, node: Node, fixed: Fixed, held: float) -> tuple[float, float, float, float]:
        """What all but the loose devices contribute to export, generation, draw and load at most, W, + delivered."""
        doubt, (least, most) = self._doubt(node, fixed), self._held_range(node, held)
        part, (taken, given) = float(fixed.wanted.sum()), self._held_parts(node, held)
        return (
            most + doubt.up + part,
            given + doubt.given(fixed.wanted),
            least + doubt.down + part,
            taken + doubt.taken(fixed.wanted),
        )

    def nest(self, node: Node, free: IntArray, fixed: Fixed) -> Nest | None:
        """The limits of a node and of those inside, over the devices in `free` and then the fixed parts.

        None where parts that are fixed are in doubt: what these may give beside their net is not said by powers alone.
        """
        doubt = self._doubt(node, fixed)
        if doubt.ups.any() or doubt.downs.any():
            return None
        place = np.full(self._c.count, -1, dtype=np.int64)
        place[free] = np.arange(free.size)
        return self._nest(node, place, fixed, free.size + np.arange(fixed.wanted.size))

    def _nest(self, node: Node, place: IntArray, fixed: Fixed, places: IntArray) -> Nest:
        inside = []
        for child in node.limited_below():
            part = part_of(fixed, child)
            assert part.places is not None
            inside.append(self._nest(child, place, part, places[part.places]))
        rows, (net, given, taken) = place[node.loose], self._limits(node, fixed)
        mine = np.concatenate([rows[rows >= 0], places])
        return Nest(mine, net, given, taken, tuple(one for one in inside if one.rows.size))

    def _limits(self, node: Node, fixed: Fixed) -> tuple[Range, float, float]:
        """What limits leave to the loose devices and fixed parts of a node: of their net, given, and taken, W."""
        limits, doubt, held = node.limits, self._doubt(node, fixed), self.held(node)
        (low, high), (taken, given) = self._held_range(node, held), self._held_parts(node, held)
        return (
            (-_watts(limits.draw) - low - doubt.down, _watts(limits.export) - high - doubt.up),
            max(_watts(limits.generation) - given - doubt.loose_up, 0.0),
            max(_watts(limits.load) + taken + doubt.loose_down, 0.0),
        )

    def _doubt(self, node: Node, fixed: Fixed) -> Doubt:
        """How much more, up and down, silent devices may contribute than is counted, and in which fixed part."""
        none = np.zeros(fixed.wanted.size)
        if self._unsure_up is None or self._unsure_down is None:
            return Doubt(0.0, 0.0, none, none)
        rows, ups, downs = self.unmetered(node), none, none.copy()
        most, least = self.beside(node).beyond(self._unsure_up, self._unsure_down)
        for at, child in enumerate(fixed.nodes, fixed.rows.size):
            inside = np.intersect1d(rows, child.rows, assume_unique=True)
            ups[at], downs[at] = most[inside].sum(), least[inside].sum()
        return Doubt(float(most[rows].sum()), float(least[rows].sum()), ups, downs)

    def metered(self, node: Node) -> bool:
        """Whether a meter shows what a node's members do together, those who are not heard included."""
        return node.meter is not None and node.id in self._residuals and speaks(self._c, node.meter)

    def unmetered(self, node: Node) -> IntArray:
        """The rows of a node that no meter shows yet, its own or one of a node inside."""
        if self.metered(node):
            return node.rows[self._c.down_at[node.rows] > self._b.at - METERED_AFTER_S]
        rows = node.rows
        for child in node.inside:
            shown = np.setdiff1d(child.rows, self.unmetered(child), assume_unique=True)
            rows = np.setdiff1d(rows, shown, assume_unique=True) if shown.size else rows
        return rows

    def keep_limits(
        self, node: Node, free: IntArray, fixed: Fixed, around: tuple[float, float] = (-np.inf, np.inf)
    ) -> None:
        """Reduce the fixed parts where a limit could not be kept even with the loose devices at an end of theirs.

        Inner nodes first; the parts of a node are those of the nodes inside it that have no totals of their own.
        `around`: what load and generation limits of nodes around it leave to the loose devices.
        """
        if not fixed.wanted.size:
            return
        _, generation, _, load = self.rooms(node, fixed, self.held(node))
        left = max(around[0], load[0]), min(around[1], generation[0])
        for child in node.limited_below():
            self.keep_limits(child, free, part_of(fixed, child), left)
        if node.limits.any:
            before = fixed.wanted
            self._reduce(node, free, fixed, around)
            fixed.narrow(before)
        self._watts[fixed.rows] = fixed.wanted[: fixed.rows.size]

    def _reduce(self, node: Node, free: IntArray, fixed: Fixed, around: tuple[float, float]) -> None:
        held, mine = self.held(node), np.intersect1d(free, node.rows)
        self._cut_parts(node, fixed, held)
        for _ in range(_PASSES):
            export, generation, draw, load = self.rooms(node, fixed, held)
            window, own = (draw[0], export[0]), (max(load[0], around[0]), min(generation[0], around[1]))
            # What is bent takes part of the room that loads, or generators, have: then more of it is needed.
            if not self.bend(node, mine, fixed, window, own) | self._cut_parts(node, fixed, held):
                break

    def _cut_parts(self, node: Node, fixed: Fixed, held: float) -> bool:
        """Cut what is given and what is taken to the limits on either; whether that changed something.

        Who was cut does not get it back when the net has to be made up for.
        """
        limits, doubt, before = node.limits, self._doubt(node, fixed), fixed.wanted
        taken, given = self._held_parts(node, held)
        if limits.generation is not None:
            left, there = limits.generation.watts - given - doubt.loose_up, fixed.wanted + doubt.ups
            cut = cut_part(there, fixed.lo + doubt.ups, max(left, 0.0))
            if cut is not there:
                cut -= doubt.ups
                fixed.hi = np.where(there > 0, np.minimum(fixed.hi, cut), fixed.hi)
                fixed.take(cut)
        if limits.load is not None:
            left, there = limits.load.watts + taken + doubt.loose_down, -(fixed.wanted + doubt.downs)
            cut = cut_part(there, -(fixed.hi + doubt.downs), max(left, 0.0))
            if cut is not there:
                cut = -cut - doubt.downs
                fixed.lo = np.where(there > 0, np.maximum(fixed.lo, cut), fixed.lo)
                fixed.take(cut)
        self._watts[fixed.rows] = fixed.wanted[: fixed.rows.size]
        return not np.allclose(before, fixed.wanted, rtol=0.0, atol=1e-3)

    def bend(
        self,
        node: Node,
        mine: IntArray,
        fixed: Fixed,
        window: tuple[float, float],
        own: tuple[float, float] = (-np.inf, np.inf),
    ) -> bool:
        """Change the fixed parts where the loose devices, inside bounds of their own, cannot bring the rest into it.

        Whether that changed something.
        """
        low, high = window
        least, most = reach(self._b.lo[mine], self._b.hi[mine], self.caps(node, mine, fixed))
        least, most = max(least, own[0]), min(most, own[1])
        change = min(0.0, high - least) + max(0.0, low - most)
        if abs(change) <= 1e-3:
            return False
        before, weight = fixed.wanted, np.maximum(np.abs(fixed.wanted), 1.0)
        lo, hi = np.minimum(fixed.lo, fixed.wanted), np.maximum(fixed.hi, fixed.wanted)
        inner = self._inner_caps(node, mine, fixed, np.arange(fixed.wanted.size), own, down=change < 0)
        target = float(fixed.wanted.sum()) + change
        fixed.take(split_tree(_EVENLY, Problem(target=target, lo=lo, hi=hi, base=fixed.wanted, weight=weight), inner))
        self._watts[fixed.rows] = fixed.wanted[: fixed.rows.size]
        return not np.allclose(before, fixed.wanted, rtol=0.0, atol=1e-3)

    def _inner_caps(
        self, node: Node, mine: IntArray, fixed: Fixed, places: IntArray, around: Range, *, down: bool
    ) -> tuple[Cap, ...]:
        """How far it helps a node to bend the fixed parts of nodes inside that have limits on their net, as caps.

        Once an inner net can go as far as its own limit lets it, more of its parts would have to be made up for inside.

        Args:
            node, mine, fixed: as of `bend`.
            places: where the parts of `node` stand among those that are bent.
            around: what load and generation limits, of the node and around it, leave to the loose devices.
            down: whether less of them is wanted, or more.
        """
        found = []
        for child in node.limited_below():
            part = part_of(fixed, child)
            if part.places is None or not part.places.size:
                continue
            here, loose = places[part.places], np.intersect1d(mine, child.rows)
            least, most = reach(self._b.lo[loose], self._b.hi[loose], self.caps(child, loose, part))
            export, generation, draw, load = self.rooms(child, part, self.held(child))
            left = max(around[0], load[0]), min(around[1], generation[0])
            now, inside = float(part.wanted.sum()), self._inner_caps(child, loose, part, here, left, down=down)
            if down:
                found.append(Cap(here, low=now + min(draw[0] - max(least, left[0]), 0.0), inside=inside))
            else:
                found.append(Cap(here, high=now + max(export[0] - min(most, left[1]), 0.0), inside=inside))
        return tuple(found)

    def passed(self, plan: Plan, solution: Solution) -> float:
        """By how much the limits of all nodes are passed together, W."""
        found = 0.0
        for node in plan.nodes():
            if not node.limits.any:
                continue
            rows, inside = node.loose[self._b.free[node.loose]], node.bound_below()
            totals = np.array([solution.results[child.id].total for child in inside])
            told = solution.watts[rows]
            powers = np.where(np.isfinite(told), told, solution.will[rows])
            given, net = float(np.maximum(powers, 0.0).sum()), float(powers.sum())
            others = self._taken(node, Fixed(rows[:0], inside, totals, totals, totals), self.held(node))
            limits = node.limits
            there = zip(
                (limits.export, limits.generation, limits.draw, limits.load),
                (1.0, 1.0, -1.0, -1.0),
                (net, given, net, net - given),
                others,
                strict=True,
            )
            found += sum(max(0.0, sign * (mine + rest) - _watts(bound)) for bound, sign, mine, rest in there)
        return found

    def caps(self, node: Node, free: IntArray, fixed: Fixed) -> tuple[Cap, ...]:
        """The nodes inside that only have limits, as caps over positions in `free`."""
        limited = node.limited_below()
        if not limited:
            return ()
        place = np.full(self._c.count, -1, dtype=np.int64)
        place[free] = np.arange(free.size)
        totals = dict(zip((child.id for child in fixed.nodes), fixed.wanted[fixed.rows.size :].tolist(), strict=True))
        return tuple(cap for child in limited if (cap := self._cap(child, place, totals)) is not None)

    def _cap(self, node: Node, place: IntArray, totals: Mapping[str, float]) -> Cap | None:
        if not (rows := place[node.loose][place[node.loose] >= 0]).size:
            return None
        fixed_rows = node.loose[self._own[node.loose]]
        parts = [self._watts[fixed_rows], np.array([totals[child.id] for child in node.bound_below()])]
        fixed = Fixed(fixed_rows, node.bound_below(), np.concatenate(parts), np.empty(0), np.empty(0))
        inside = tuple(cap for child in node.limited_below() if (cap := self._cap(child, place, totals)) is not None)
        return Cap(rows, *self.window(node, fixed, self.held(node))[:2], inside)

    def parts(self, node: Node, free: IntArray, fixed: Fixed) -> list[PartLimit]:
        """Generation and load limits, of this node and of those inside without totals of their own: innermost first.

        They speak of the parts of a total; what they leave to the devices in `free`.
        """
        found = [one for child in node.limited_below() for one in self.parts(child, free, part_of(fixed, child))]
        generation, load = node.limits.generation, node.limits.load
        if generation is None and load is None:
            return found
        rows = np.flatnonzero(np.isin(free, node.rows, assume_unique=True))
        (taken, given), doubt = self._held_parts(node, self.held(node)), self._doubt(node, fixed)
        if generation is not None:
            found.append(PartLimit(rows, 1.0, max(generation.watts - given - doubt.given(fixed.wanted), 0.0)))
        if load is not None:
            found.append(PartLimit(rows, -1.0, max(load.watts + taken + doubt.taken(fixed.wanted), 0.0)))
        return found


def _watts(bound: Bound | None) -> float:
    return np.inf if bound is None else bound.watts
