"""A group as one: power, var, energy, state of charge, headroom, and how many of its members are online.

The available powers are a cautious lower bound: only members that can be asked now count, each with the power it
can hold for the hold time from the cautious end of its state of charge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, IntArray, span
from gridiface.aggregation.envelope.estimation import told
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot


@dataclass(frozen=True, slots=True)
class Total:
    """A group's power as measured and how far that can be trusted."""

    w: float
    var: float
    quality: Quality
    received: Instant
    online: int
    known: int


def speaks(columns: Columns, meter: int) -> bool:
    """Whether the meter in that row shows a power that is to be believed."""
    c = columns
    return bool(np.isfinite(c.w[meter]) and not (c.lost[meter] or c.quarantined[meter]))


def shows(columns: Columns, rows: IntArray | slice) -> BoolArray:
    """Which of these have a part in a sum and a power that is to be believed."""
    c = columns
    found: BoolArray = c.counts[rows] & np.isfinite(c.w[rows]) & ~(c.lost[rows] | c.quarantined[rows])
    return found


def measured(
    columns: Columns, rows: IntArray, meter: int | None, residual_w: float, now: Instant, stale_after_s: float
) -> Total:
    """The measured total: the group's meter where it has a live one, else the sum of the members.

    Args:
        columns: the fleet.
        rows: the members.
        meter: row of the device that measures the total, or None.
        residual_w: what the meter saw beside the members while it was alive, W.
        now: for the age.
        stale_after_s: see `is_stale`.
    """
    c, here = columns, span(rows)
    counts = c.counts[here]
    heard = shows(c, here)
    counted = rows if bool(counts.all()) else rows[counts]
    known = rows if bool(heard.all()) else rows[heard]
    var = c.var[span(known)]
    oldest = float(c.received[span(known)].min()) if known.size else now
    if meter is not None and speaks(c, meter):
        meter_var = float(c.var[meter]) if np.isfinite(c.var[meter]) else float(np.nansum(var))
        return Total(
            float(c.w[meter]), meter_var, Quality.GOOD, float(c.received[meter]), int(known.size), int(known.size)
        )
    complete = known.size == counted.size and meter is None
    quality = Quality.GOOD if complete else Quality.ESTIMATED if known.size else Quality.BAD
    if known.size and bool(is_stale(columns, known, now, stale_after_s).any()):
        quality = Quality.STALE if complete else Quality.ESTIMATED
    watts = float(c.w[span(known)].sum()) + (residual_w if meter is not None else 0.0)
    return Total(watts, float(np.nansum(var)), quality, oldest, int(known.size), int(known.size))


def combined(parts: Sequence[Total]) -> Total:
    """Disjoint parts of a group, at least one, as one: stale where one is, an estimate where some cannot be seen."""
    qualities = {part.quality for part in parts}
    if len(qualities) == 1:
        (quality,) = qualities
    else:
        quality = Quality.STALE if qualities == {Quality.GOOD, Quality.STALE} else Quality.ESTIMATED
    return Total(
        sum(part.w for part in parts),
        sum(part.var for part in parts),
        quality,
        min(part.received for part in parts),
        sum(part.online for part in parts),
        sum(part.known for part in parts),
    )


def measured_of_one(columns: Columns, row: int, now: Instant, stale_after_s: float) -> Total:
    """As `measured`, of one device: thousands of devices with controls of their own are asked one by one."""
    c = columns
    watts, var, received = float(c.w[row]), float(c.var[row]), float(c.received[row])
    counts = bool(c.counts[row])
    known = counts and math.isfinite(watts) and not (c.lost[row] or c.quarantined[row])
    if not known:
        return Total(0.0, 0.0, Quality.BAD if counts else Quality.GOOD, now, 0, 0)
    stale = now - received > max(stale_after_s, 2.0 * float(c.period_s[row]))
    quality = Quality.STALE if stale else Quality.GOOD
    return Total(watts, 0.0 if math.isnan(var) else var, quality, received, 1, 1)


def is_stale(columns: Columns, rows: IntArray, now: Instant, stale_after_s: float) -> BoolArray:
    """Which of the rows have telemetry older than twice their own period and `stale_after_s`."""
    here = span(rows)
    age = now - columns.received[here]
    stale: BoolArray = age > np.maximum(stale_after_s, 2.0 * columns.period_s[here])
    return stale


def roll_up(
    group_id: str, columns: Columns, rows: IntArray, bounds: Envelope, total: Total, limits_w: tuple[float, float]
) -> Snapshot:
    """The snapshot of a group.

    `available_up_w` and `available_down_w` say how far the total can move from where it is, inside the group's own
    limits; `available_wh` is what its members still can deliver; `soc` is weighted by energy.

    Args:
        group_id: goes into `device_id`.
        columns, rows, bounds: fleet, members, envelope.
        total: see `measured`.
        limits_w: (low, high) of the total, W, + delivered.
    """
    c = columns
    counted = rows[c.counts[rows]]
    free = counted[bounds.free[counted]]
    now_w = np.where(np.isfinite(c.w[free]), c.w[free], bounds.position[free])
    up = float(np.maximum(bounds.promised()[free] - now_w, 0.0).sum())
    down = float(np.maximum(now_w - bounds.lo[free], 0.0).sum())
    low, high = limits_w
    stored = counted[np.isfinite(c.energy_wh[counted]) & np.isfinite(c.soc[counted])]
    energy = c.energy_wh[stored]
    whole = float(energy.sum())
    soc = float((told(c, stored) * energy).sum() / whole) if whole > 0 else None
    left = float((np.maximum(c.soc[stored] - c.soc_min[stored], 0.0) * energy).sum())
    stated = counted[np.isnan(c.soc[counted]) & np.isfinite(c.available_wh[counted])]
    left += float(c.available_wh[stated].sum())
    live = counted[~c.lost[counted] & (c.seen[counted] > 0)]
    return Snapshot(
        device_id=group_id,
        source_time=total.received,
        received=total.received,
        quality=total.quality,
        w=total.w if total.known else None,
        var=total.var if total.known else None,
        soc=soc,
        available_wh=left if stored.size or stated.size else None,
        available_up_w=max(0.0, min(up, high - total.w)),
        available_down_w=max(0.0, min(down, total.w - low)),
        connected=not bool(c.parted[live].all()),
        state=OperatingState.RUNNING if free.size else OperatingState.OFF,
        local_control=False,
        alarms=frozenset(_alarms(c, counted)),
    )


def _alarms(c: Columns, rows: IntArray) -> list[str]:
    found = []
    if c.lost[rows].any():
        found.append("members_lost")
    if c.down[rows].any():
        found.append("members_failing")
    if c.soc_doubt[rows].any():
        found.append("soc_in_doubt")
    if c.quarantined[rows].any():
        found.append("members_quarantined")
    return found
