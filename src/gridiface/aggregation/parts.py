"""Pieces of the solver: the fixed parts of a node, limits of single devices, doubt about silent ones, part limits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.allocate.tree import Cap
from gridiface.aggregation.allocate.water_filling import water_fill
from gridiface.aggregation.columns import Columns
from gridiface.aggregation.limits import Envelope, known_or_zero
from gridiface.aggregation.plan import Node, Plan


@dataclass(slots=True)
class Fixed:
    """Parts of a node whose power is not split here: devices with a request of their own, nodes with a target."""

    rows: IntArray
    nodes: list[Node]
    wanted: FloatArray
    lo: FloatArray
    hi: FloatArray
    whole: Fixed | None = None
    places: IntArray | None = None

    def take(self, wanted: FloatArray) -> None:
        """New powers for these parts, here and in the collection they are a part of."""
        self.wanted = wanted
        if self.whole is not None and self.places is not None:
            changed = self.whole.wanted.copy()
            changed[self.places] = wanted
            self.whole.take(changed)


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
    high = np.where(plan.off, 0.0, plan.device_high)
    low = np.where(plan.off, 0.0, plan.device_low)
    hi = np.minimum(bounds.hi, np.maximum(high, 0.0))
    lo = np.maximum(bounds.lo, np.minimum(low, 0.0))
    lo = np.minimum(lo, hi)
    return replace(
        bounds,
        lo=lo,
        hi=hi,
        near_lo=np.clip(bounds.near_lo, lo, hi),
        near_hi=np.clip(bounds.near_hi, lo, hi),
        base=np.clip(bounds.base, lo, hi),
    )


def unsure(columns: Columns, bounds: Envelope) -> tuple[FloatArray | None, FloatArray | None]:
    """For limits: a device that fell silent may do what it was told last, or what it did, until it is heard again.

    Returns:
        How much more than `held` each may contribute: (up >= 0, down <= 0); None where everybody is heard.
    """
    c = columns
    silent = (c.lost | c.quarantined | (c.down & (c.received <= c.down_at))) & c.counts
    if not silent.any():
        return None, None
    told, did = known_or_zero(c.last_w), known_or_zero(c.w)
    up = np.where(silent, np.maximum(told, did) - bounds.held, 0.0)
    down = np.where(silent, np.minimum(told, did) - bounds.held, 0.0)
    return np.maximum(up, 0.0), np.minimum(down, 0.0)


def upper_only(cap: Cap) -> Cap:
    """The cap without its lower side: ceilings only bound upwards."""
    return Cap(cap.rows, 0.0, max(cap.high, 0.0), tuple(upper_only(child) for child in cap.inside))


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
