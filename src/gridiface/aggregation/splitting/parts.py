"""Pieces of the solver: fixed parts, limits of devices, ceilings, near bounds opened for a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray, Problem, Strategy
from gridiface.aggregation.allocate.proportional import Proportional
from gridiface.aggregation.allocate.tree import Cap, split_tree
from gridiface.aggregation.allocate.water_filling import water_fill
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import Envelope, known_or_zero
from gridiface.aggregation.state.columns import Columns

_SHARE: Strategy = Proportional()


@dataclass(slots=True)
class Fixed:
    """Parts of a node whose power is not split here: devices with a request of their own, nodes with a target.

    `asked`: what `wanted` was before a limit changed it. `able`: what `lo` and `hi` were.
    """

    rows: IntArray
    nodes: list[Node]
    wanted: FloatArray
    lo: FloatArray
    hi: FloatArray
    whole: Fixed | None = None
    places: IntArray | None = None
    asked: FloatArray | None = None
    able: tuple[FloatArray, FloatArray] | None = None

    def take(self, wanted: FloatArray) -> None:
        """New powers for these parts, here and in the collection they are a part of."""
        self.wanted = wanted
        if self.whole is not None and self.places is not None:
            changed = self.whole.wanted.copy()
            changed[self.places] = wanted
            self.whole.take(changed)

    def narrow(self, before: FloatArray) -> None:
        """What a limit took from, or gave to, these parts since `before` is not undone by one around it."""
        lo = np.where(self.wanted > before, np.maximum(self.lo, self.wanted), self.lo)
        hi = np.where(self.wanted < before, np.minimum(self.hi, self.wanted), self.hi)
        part: Fixed = self
        part.lo, part.hi = lo, hi
        while part.whole is not None and part.places is not None:
            whole, lo, hi = part.whole, part.whole.lo.copy(), part.whole.hi.copy()
            lo[part.places], hi[part.places] = part.lo, part.hi
            whole.lo, whole.hi, part = lo, hi, whole


def part_of(fixed: Fixed, node: Node) -> Fixed:
    """Those of the parts that lie inside `node`."""
    names = {child.id for child in node.bound_below()}
    rows = np.flatnonzero(np.isin(fixed.rows, node.loose))
    nodes = [at for at, child in enumerate(fixed.nodes) if child.id in names]
    places = np.concatenate([rows, np.array(nodes, dtype=np.int64) + fixed.rows.size])
    return Fixed(
        fixed.rows[rows],
        [fixed.nodes[at] for at in nodes],
        fixed.wanted[places],
        fixed.lo[places],
        fixed.hi[places],
        fixed,
        places,
    )


def with_device_limits(bounds: Envelope, plan: Plan) -> Envelope:
    """The envelope with what single devices are limited to; 0 for those told to give and take nothing."""
    if not plan.single and not plan.off.any():
        return bounds
    low, high = device_limits(plan)
    hi = np.minimum(bounds.hi, high)
    lo = np.minimum(np.maximum(bounds.lo, low), hi)
    return replace(
        bounds,
        lo=lo,
        hi=hi,
        near_lo=np.clip(bounds.near_lo, lo, hi),
        near_hi=np.clip(bounds.near_hi, lo, hi),
        base=np.clip(bounds.base, lo, hi),
    )


def device_limits(plan: Plan, rows: IntArray | slice = slice(None)) -> tuple[FloatArray, FloatArray]:
    """(low, high) that single devices may do by limits of their own, W; 0 for those told to give and take nothing."""
    low, high, off = plan.device_low[rows], plan.device_high[rows], plan.off[rows]
    return np.where(off, 0.0, np.minimum(low, 0.0)), np.where(off, 0.0, np.maximum(high, 0.0))


def hold_single(columns: Columns, plan: Plan, bounds: Envelope, watts: FloatArray) -> None:
    """Limits of single devices that nobody else commands: a set-point, in place, where the device is outside them."""
    c, b = columns, bounds
    limited = np.isfinite(plan.device_high) | np.isfinite(plan.device_low)
    rows = np.flatnonzero(limited & np.isnan(watts) & b.free & c.can_set_w)
    seen = by_itself(c, rows)
    running = np.where(np.isfinite(seen), seen, known_or_zero(c.w[rows]))
    inside = np.clip(running, b.lo[rows], b.hi[rows])
    # Upwards a ceiling keeps it, where it has one.
    outside = (inside > running + 1e-6) | ((inside < running - 1e-6) & ~c.can_limit_w[rows])
    watts[rows[outside]] = inside[outside]


def charge_in_time(columns: Columns, bounds: Envelope, watts: FloatArray) -> None:
    """Vehicles that nobody else commands and that must charge now for their departure; in place."""
    c, floors = columns, bounds.floors
    if not floors.size:
        return
    rows = floors[np.isnan(watts[floors]) & c.can_set_w[floors] & bounds.free[floors]]
    running = np.where(np.isfinite(c.w[rows]), c.w[rows], 0.0)
    already = c.told[rows] & np.isfinite(c.told_w[rows])
    chosen = rows[(running > bounds.near_hi[rows]) | already]
    watts[chosen] = bounds.near_hi[chosen]


def by_itself(columns: Columns, rows: IntArray) -> FloatArray:
    """What devices do when nobody holds them, W: as measured, of those that are held as seen before; NaN: never seen.

    Who is held shows what it was told; to let go of it because that keeps a limit would break the limit. Of what it did
    it can do what its settings are now.
    """
    c = columns
    free = np.clip(c.natural_w[rows], -c.import_w[rows], c.export_w[rows])
    return np.where(c.told[rows], free, c.w[rows])


def ceilings(
    columns: Columns,
    free: IntArray,
    powers: FloatArray,
    high: float,
    caps: tuple[Cap, ...],
    device_high: FloatArray,
) -> tuple[IntArray, FloatArray]:
    """Ceilings that keep a limit upwards even if every device did all it is rated for, before the next step.

    Args:
        columns, free: the fleet, whom `powers` speaks of.
        powers: W, what each will do.
        high: most of their sum, W.
        caps: of groups inside; positions in `free`.
        device_high: of the whole fleet, most of each device, W.

    Returns:
        Rows that get a ceiling, and which, W.
    """
    c = columns
    able = c.can_limit_w[free]
    rated = np.minimum(c.export_w[free], np.maximum(device_high[free], 0.0))
    most = np.where(able, rated, np.maximum(powers, 0.0))
    capped = any(_bounds_upwards(cap) for cap in caps)
    if not able.any() or (float(most.sum()) <= high and not capped):
        return free[:0], powers[:0]
    # Never below what the step itself gives: what loads take at the same time is counted there.
    least = np.where(able, np.clip(powers, 0.0, most), most)
    target = max(0.0, min(high, float(most.sum())))
    start = np.clip(powers, least, most)
    problem = Problem(target=target, lo=least, hi=most, base=start, weight=np.maximum(most, 1.0))
    shares = split_tree(_SHARE, problem, tuple(_upper_only(cap) for cap in caps))
    cut = able & (shares < most - 1e-9)
    return free[cut], shares[cut]


def _bounds_upwards(cap: Cap) -> bool:
    return bool(np.isfinite(cap.high)) or any(_bounds_upwards(child) for child in cap.inside)


def left_alone(base: FloatArray, caps: tuple[Cap, ...]) -> float:
    """The sum of devices that do as they do by themselves, but for what caps inside take off: nobody makes up for that.

    Args:
        base: W, one per device.
        caps: of groups; positions in `base`.
    """
    total = float(base.sum())
    for cap in caps:
        own = np.zeros(base.size)
        own[cap.rows] = base[cap.rows]
        inside = left_alone(own, cap.inside)
        total += min(max(inside, cap.low), cap.high) - float(base[cap.rows].sum())
    return total


def _upper_only(cap: Cap) -> Cap:
    """The cap without its lower side: ceilings only bound upwards."""
    return Cap(cap.rows, 0.0, max(cap.high, 0.0), tuple(_upper_only(child) for child in cap.inside))


def cut_part(powers: FloatArray, lo: FloatArray, most: float) -> FloatArray:
    """Scale the positive powers down so that their sum is at most `most`, not below `lo`."""
    producing = powers > 0
    total = float(powers[producing].sum())
    if total <= most:
        return powers
    result = powers.copy()
    floor = np.maximum(lo[producing], 0.0)
    result[producing] = water_fill(
        most, floor, powers[producing], powers[producing], np.maximum(powers[producing], 1e-6)
    )
    return result


def opened(near: FloatArray, hard: FloatArray, least: float) -> FloatArray:
    """Upper near bounds raised towards the hard ones, all by the same part, until their sum reaches `least`."""
    lack = least - float(near.sum())
    if not lack > 0:
        return near
    room = np.maximum(hard - near, 0.0)
    total = float(room.sum())
    return near + room * (1.0 if total <= lack else lack / total)


def relax(
    lo: FloatArray,
    hi: FloatArray,
    hard: tuple[FloatArray, FloatArray],
    net: tuple[float, float],
    caps: tuple[Cap, ...],
    rows: IntArray | slice = slice(None),
) -> None:
    """Open near bounds, in place, as far as it takes where a bound on a sum, or one inside, cannot be kept inside them.

    Args:
        lo, hi: near bounds; positions of all.
        hard: (lo, hi) up to which they can be opened.
        net: least and most of the sum of `rows`, W.
        caps: of groups inside.
        rows: positions; all.
    """
    low, high = net
    if high < np.inf and float(lo[rows].sum()) > high:
        lo[rows] = -opened(-lo[rows], -hard[0][rows], -high)
    if low > -np.inf and float(hi[rows].sum()) < low:
        hi[rows] = opened(hi[rows], hard[1][rows], low)
    for cap in caps:
        relax(lo, hi, hard, (cap.low, cap.high), cap.inside, cap.rows)
