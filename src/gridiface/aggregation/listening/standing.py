"""Who tells the same power for ever, although it was told, and acknowledged, more than that and less than that.

What a device is off what it was told may be its losses, or a bound of its own; who stands still between two commands
is held by neither. Frozen readings and stuck devices look alike from here, and are alike to who counts on them.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.envelope.doubt import SETTLES_S
from gridiface.aggregation.listening.health import SHOWS, SHOWS_W
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: A power that moves by less than this part of the rating stands still: what is measured is never quite the same.
STILL = 0.005


def look(
    columns: Columns, able: BoolArray, judged: BoolArray, due: FloatArray, now: Instant, after_s: float
) -> IntArray:
    """Take the newest readings in, and find those who stand still in spite of what they were told; their rows.

    Args:
        columns: the fleet.
        able: who can be expected to follow.
        judged: who of them has acknowledged what it was told, and has been read since.
        due: when each should be where it was told, s.
        now: when.
        after_s: so long it must have stood.
    """
    c = columns
    rating = np.maximum(c.export_w, c.import_w)
    # Told anew, it is not judged until it is read: meanwhile it stands where it stood.
    stands = able & np.isfinite(c.told_w) & (np.abs(c.w - c.still_w) <= STILL * rating)
    moved = ~stands
    c.still_w[moved] = np.where(judged, c.w, np.nan)[moved]
    c.still_since[moved] = now
    c.still_low[moved], c.still_high[moved] = np.inf, -np.inf
    # A reading may be a mean of the time since the one before it.
    there = judged & (c.received - c.period_s > due + SETTLES_S) & np.isfinite(c.told_w)
    c.still_low[there] = np.minimum(c.still_low[there], c.told_w[there])
    c.still_high[there] = np.maximum(c.still_high[there], c.told_w[there])
    least = np.maximum(np.maximum(SHOWS * rating, SHOWS_W), c.step_w)
    between = (c.still_low < c.still_w - least) & (c.still_high > c.still_w + least)
    return np.flatnonzero(judged & between & (now - c.still_since >= after_s))
