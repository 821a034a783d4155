"""Bounds that depend on time: charging towards a departure, least times on and off, the dwell of mode devices.

All of them are near bounds: a limit that cannot be kept otherwise opens them. Works on whole columns.
"""

from __future__ import annotations

from datetime import tzinfo

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, IntArray
from gridiface.aggregation.envelope.levels import COARSE, is_coarse, levels_around
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.local_time import next_time

#: Places along the way to the departure's state of charge at which the charge power is looked up.
_PLACES = np.linspace(0.0, 1.0, 21)

#: What "on" means for a device that can do every power: this part of its rating.
_ON = 0.01

#: A power that counts as none, W.
_NOTHING_W = 1e-6


def charge_limit(columns: Columns, soc: FloatArray, rows: IntArray | slice = slice(None)) -> FloatArray:
    """The most each device may take at a state of charge, W >= 0; infinity where it has no curve or none is known.

    Args:
        columns: the fleet, or a part of it.
        soc: one per row, or one line per row.
        rows: whose.
    """
    number = columns.curve[rows]
    result = np.full(soc.shape, np.inf)
    for curve in np.unique(number[number >= 0]).tolist():
        mine = number == curve
        socs, watts = columns.curves[curve]
        found = np.interp(soc[mine], socs, watts)
        result[mine] = np.where(np.isfinite(soc[mine]), found, np.inf)
    return result


def keep_curves(columns: Columns, lo: FloatArray, span_s: float) -> None:
    """Bring `lo` up to what each takes at the end, too, of a span in which it charges by as much; in place.

    Args:
        columns: the fleet, or a part of it.
        lo: the least power of each, W, + delivered.
        span_s: s.
    """
    c = columns
    rows = np.flatnonzero((c.curve >= 0) & (lo < 0.0) & np.isfinite(c.soc) & np.isfinite(c.energy_wh))
    if rows.size:
        reached = c.soc[rows] + 2.0 * np.sqrt(c.soc_variance[rows]) - lo[rows] * span_s / 3600.0 / c.energy_wh[rows]
        lo[rows] = np.maximum(lo[rows], -charge_limit(c, np.minimum(reached, 1.0), rows))


def renew_departures(columns: Columns, now: Instant, zone: tzinfo) -> bool:
    """Set the next departure of those whose last one has passed; whether there were any."""
    c = columns
    if not c.departing:
        return False
    due = np.flatnonzero((c.leave_at <= now) & np.isfinite(c.leave_soc))
    for row in due.tolist():
        rule = c.devices[row].constraints.departure
        found = None if rule is None else next_time(now, rule.time, zone)
        c.leave_at[row] = np.inf if found is None else found
    return bool(due.size)


def departure_floor(columns: Columns, rows: IntArray, now: Instant, *, span_s: float, margin: float) -> FloatArray:
    """The least power each must take from now on to be ready in time, W >= 0.

    As long as the time left exceeds the time needed at full power by more than twice `span_s` nothing is asked; from
    there on the floor rises, to full power where only `span_s` is to spare. So whatever else is asked, a vehicle that
    can be ready will be, a little early: what is known of its state of charge lags behind.

    Args:
        columns: the fleet.
        rows: vehicles with a departure ahead.
        now: when.
        span_s: over which the floor rises, s.
        margin: the time needed is taken longer by this fraction.
    """
    c = columns
    lack, needed, power = _needs(c, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        slack = c.leave_at[rows] - now - span_s - (1.0 + margin) * needed
        part = np.clip(1.0 - slack / span_s, 0.0, 1.0)
    floor = part * power[:, 0]
    return np.where((lack > 0) & np.isfinite(floor), floor, 0.0)


def stay_ready(
    columns: Columns, most: FloatArray, start: Instant, lasts_s: float, *, span_s: float, margin: float
) -> None:
    """Bring `most` down to what each can give without having to charge for its departure meanwhile; in place.

    Args:
        columns: the devices.
        most: the most of each, W, + delivered.
        start, lasts_s: when it begins to give, and for how long, s.
        span_s, margin: see `departure_floor`.
    """
    c = columns
    rows = np.flatnonzero((c.leave_at > start) & np.isfinite(c.leave_at) & np.isfinite(c.soc) & (most > 0.0))
    if not rows.size:
        return
    lack, needed, power = _needs(c, rows)
    slowest = np.minimum(power.min(axis=1), charge_limit(c, c.leave_soc[rows], rows))
    lasts = np.minimum(lasts_s, c.leave_at[rows] - start)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(lack > 0, needed, lack * c.energy_wh[rows] * 3600.0 / slowest)
        left = np.maximum(c.leave_at[rows] - start - lasts - 2.0 * span_s, 0.0) / (1.0 + margin)
        ceiling = (left - needed) * slowest / np.maximum(lasts, 1.0)
    # Of who cannot charge at all nothing is to be kept for that.
    most[rows] = np.minimum(most[rows], np.where(np.isfinite(ceiling), np.maximum(ceiling, 0.0), np.inf))


def _needs(c: Columns, rows: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(lack of charge, time that takes at full power, s, powers along the way, W) of who has a departure ahead."""
    soc = np.clip(c.soc[rows] - 2.0 * np.sqrt(c.soc_variance[rows]), 0.0, 1.0)
    lack = c.leave_soc[rows] - soc
    way = soc[:, None] + np.maximum(lack, 0.0)[:, None] * _PLACES
    power = np.minimum(charge_limit(c, way, rows), c.import_w[rows][:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        return lack, lack * c.energy_wh[rows] * 3600.0 * np.mean(1.0 / power, axis=1), power


def keep_departures(
    columns: Columns, now: Instant, near_lo: FloatArray, near_hi: FloatArray, *, span_s: float, margin: float
) -> IntArray:
    """Bring `near_hi` down to the floors of departures; the rows that have one now."""
    c = columns
    rows = np.flatnonzero(np.isfinite(c.leave_at) & (c.leave_at > now) & c.free & np.isfinite(c.soc))
    if not rows.size:
        return rows
    floor = departure_floor(c, rows, now, span_s=span_s, margin=margin)
    rows, floor = rows[floor > 0], floor[floor > 0]
    near_hi[rows] = np.maximum(np.minimum(near_hi[rows], -floor), near_lo[rows])
    return rows


def keep_times(columns: Columns, now: Instant, near_lo: FloatArray, near_hi: FloatArray) -> int:
    """Who was switched on stays on, who was switched off stays off, who changed its mode keeps it for a while.

    Returns:
        How many are held by that now.
    """
    c = columns
    age = now - c.since
    must_run = c.on & (age < c.min_run_s)
    up, down = np.flatnonzero(must_run & (c.last_w > 0)), np.flatnonzero(must_run & (c.last_w < 0))
    near_lo[up] = np.minimum(np.maximum(near_lo[up], _least_on(c, up, 1.0)), near_hi[up])
    near_hi[down] = np.maximum(np.minimum(near_hi[down], -_least_on(c, down, -1.0)), near_lo[down])
    must_rest = ~c.on & (age < c.min_stop_s)
    still = must_rest | ((c.dwell_s > 0) & np.isfinite(c.told_w) & (now - c.told_at < c.dwell_s))
    rows = np.flatnonzero(still)
    if rows.size:
        keep = np.where(must_rest[rows], 0.0, c.told_w[rows])
        keep = np.clip(keep, c.hard_lo[rows], c.hard_hi[rows])
        near_lo[rows] = near_hi[rows] = keep
    return int(rows.size + up.size + down.size)


def _least_on(columns: Columns, rows: IntArray, sign: float) -> FloatArray:
    """The least that is "on", W >= 0: the first power that a coarse device knows on that side of nothing."""
    c = columns
    least = _ON * np.maximum(c.export_w[rows], c.import_w[rows])
    coarse = is_coarse(c, rows)
    if not coarse.any():
        return least
    first = levels_around(c.part(rows, COARSE), np.full(rows.size, sign * _NOTHING_W))[1]
    return np.where(coarse, np.abs(first), least)
