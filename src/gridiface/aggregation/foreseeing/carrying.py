"""What a power comes to in the end: how far stored energy, daily caps and curves carry it, and what is surely charged.

As steps do it: a power is held as long as it could be held for another hold time, and falls off from there on.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray
from gridiface.aggregation.envelope import timed
from gridiface.aggregation.splitting.nested import Nest
from gridiface.aggregation.state.columns import Columns

#: Least and most charge of each that is expected, 0..1.
Charge = tuple[FloatArray, FloatArray]


def remains(columns: Columns, watts: FloatArray, charge: Charge, span_s: float, hold_s: float) -> FloatArray:
    """What is left of each power at the end of a span, W, + delivered.

    Args:
        columns: the devices.
        watts: W, + delivered.
        charge: when the span begins.
        span_s: s.
        hold_s: for how long a power must be sustainable, s.
    """
    c, (low, high) = columns, charge
    margin = 2.0 * np.sqrt(c.soc_variance)
    room = np.where(watts > 0.0, low - margin - c.soc_min, c.soc_max - high - margin)
    left = np.maximum(room, 0.0) * c.energy_wh
    left = np.where(np.isnan(left), np.where(watts > 0.0, c.available_wh, np.inf), left)
    left = np.fmin(np.where(np.isnan(left), np.inf, left), np.maximum(c.day_cap_wh - c.day_wh, 0.0)) * 3600.0
    first = np.minimum(np.abs(watts), left / hold_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        steady = np.where(first > 0.0, left / first - hold_s, np.inf)
    last = first * np.exp(-np.maximum(span_s - steady, 0.0) / hold_s)
    rows = np.flatnonzero((c.curve >= 0) & (watts < 0.0) & np.isfinite(high) & np.isfinite(c.energy_wh))
    if rows.size:
        reached = high[rows] + margin[rows] + np.abs(watts[rows]) * span_s / 3600.0 / c.energy_wh[rows]
        last[rows] = np.minimum(last[rows], timed.charge_limit(c, np.minimum(reached, 1.0), rows))
    found: FloatArray = np.copysign(last, watts)
    return found


def surely(columns: Columns, floors: FloatArray, span_s: float, hold_s: float) -> FloatArray:
    """What each that charges for a departure takes at least on average in a span, W >= 0, before limits.

    Args:
        columns: the devices.
        floors: what it takes when the span begins, W >= 0; it does not fall while charge is missing.
        span_s, hold_s: see `remains`.
    """
    c = columns
    slowest = timed.charge_limit(c, np.where(np.isfinite(c.leave_soc), c.leave_soc, 1.0))
    left = np.maximum(c.day_cap_wh - c.day_wh, 0.0) * 3600.0 / (span_s + hold_s)
    found: FloatArray = np.minimum(np.minimum(floors, slowest), left)
    return found


def under_limits(nest: Nest, sure: FloatArray, takes: FloatArray) -> FloatArray:
    """What of a sure charge limits leave, W >= 0, whatever the others take of them.

    Args:
        nest: the limits.
        sure: W >= 0, one per position.
        takes: the most that each may take besides, W >= 0.
    """
    found = sure.copy()
    room = min(-nest.net[0], nest.taken)
    over = float(sure[nest.rows].sum() + takes[nest.rows].sum()) - room
    if over > 0.0:
        found[nest.rows] = np.maximum(sure[nest.rows] - over, 0.0)
    for one in nest.inside:
        found = np.minimum(found, under_limits(one, sure, takes))
    return found
