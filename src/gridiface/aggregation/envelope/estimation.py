"""State of charge: a Kalman filter per device over coulomb counting and what the device reports.

Between reports the estimate follows the measured power; a report corrects it by the ratio of the two variances. A
report that is further than the residual limit from what the device's own power explains puts the device in doubt:
it is derated, and asked for recalibration, until enough charge was moved to show that its reports agree with its power
again; so long what it has, and what it can take, is the less of what it says and of what was believed before.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, IntArray
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: Variance of one report: 1 % of the window.
REPORT_VARIANCE = 0.01**2

#: Variance that coulomb counting gathers per unit of charge moved (5 % of it) and per second at rest.
COUNT_ERROR = 0.05
REST_VARIANCE_PER_S = 1e-10

#: Reports in a row that must agree (within half the limit) before a doubt is lifted. At rest every lie agrees: as much
#: charge as the limit must have been moved besides, and the reports with it.
AGREEING_REPORTS = 3

#: Longest time bridged by counting with one measured power, s.
LONGEST_STEP_S = 900.0

#: All rows.
ALL = slice(None)


def count_coulombs(columns: Columns, now: Instant, rows: IntArray | slice = ALL) -> None:
    """Carry the known estimates (of `rows`, or all) forward to `now` with the power each device last showed."""
    c = columns
    _count_day(c, now, rows)
    elapsed = np.clip(now - c.soc_at[rows], 0.0, LONGEST_STEP_S)
    watts = c.w[rows]
    moved = np.where(np.isfinite(watts), watts, 0.0) * elapsed
    moved /= c.energy_wh[rows] * 3600.0
    known = np.isfinite(moved)
    if not known.any():
        return
    moved[~known] = 0.0
    c.soc[rows] = np.clip(c.soc[rows] - moved, 0.0, 1.0)
    c.soc_moved[rows] += moved
    c.soc_variance[rows] += (COUNT_ERROR * moved) ** 2 + REST_VARIANCE_PER_S * np.where(known, elapsed, 0.0)
    c.soc_at[rows] = np.where(known, np.maximum(c.soc_at[rows], now), c.soc_at[rows])


def _count_day(c: Columns, now: Instant, rows: IntArray | slice) -> None:
    """Add what went through devices with a daily cap since they were heard last.

    What they were told since counts where it is more than what they showed then: a cap is not to be passed.
    """
    capped = np.isfinite(c.day_cap_wh[rows])
    if not capped.any():
        return
    elapsed = np.clip(now - c.counted_at[rows], 0.0, LONGEST_STEP_S)
    moved = np.fmax(np.abs(c.w[rows]), np.abs(c.told_w[rows])) * elapsed / 3600.0
    c.day_wh[rows] += np.where(capped & np.isfinite(moved), moved, 0.0)
    c.counted_at[rows] = now


def correct(
    columns: Columns, rows: IntArray, reported: FloatArray, now: Instant, *, limit: float
) -> tuple[IntArray, IntArray]:
    """Take reports in, after `count_coulombs(columns, now)`.

    Args:
        columns: the fleet.
        rows: who reported; each once.
        reported: 0..1, one per row.
        now: when.
        limit: the residual above which a device is in doubt, e.g. 0.05.

    Returns:
        (rows newly in doubt, rows whose doubt was lifted).
    """
    c = columns
    half = c.soc_half[rows]
    new = np.isnan(c.soc[rows])
    before = c.soc[rows] + c.soc_offset[rows]
    # Without an energy or a power nothing can be counted: what is reported is all that is known.
    first = new | np.isnan(c.energy_wh[rows]) | np.isnan(c.w[rows]) | (c.blind[rows] & ~c.soc_doubt[rows])
    residual = np.where(first, 0.0, reported - before)
    doubted = c.soc_doubt[rows] & ~new
    # Of who is in doubt: how far the reports and the charge moved since have gone apart.
    apart = np.where(doubted, reported - c.soc_claimed[rows] + c.soc_moved[rows], 0.0)
    off = (np.abs(residual) > limit) | (np.abs(apart) > limit)
    agrees = (np.abs(residual) <= limit / 2) & (np.abs(apart) <= limit / 2)
    strikes = np.where(off, 0, np.where(agrees, c.soc_strikes[rows] + 1, 0))
    lifted = doubted & ~off & (strikes >= AGREEING_REPORTS) & (np.abs(c.soc_moved[rows]) >= limit - 1e-9)
    gain = c.soc_variance[rows] / (c.soc_variance[rows] + REPORT_VARIANCE)
    # Coulombs cannot be had back: a report that is far off is taken over as a new start, and watched from there.
    said = np.where(first | off, reported, before + gain * residual)
    variance = np.where(first | off, REPORT_VARIANCE, (1.0 - gain) * c.soc_variance[rows])
    # The truth lies anywhere between what was believed, as charge carried it on, and what is said.
    low = np.where(off, np.minimum(c.soc[rows] - half, reported), c.soc[rows] - half)
    high = np.where(off, np.maximum(c.soc[rows] + half, reported), c.soc[rows] + half)
    sure = first | lifted | ~(doubted | off)
    c.soc_half[rows] = np.where(sure, 0.0, (high - low) / 2.0)
    c.soc[rows] = np.where(sure, said, (high + low) / 2.0)
    c.soc_offset[rows] = said - c.soc[rows]
    c.soc_variance[rows] = np.maximum(variance, (c.soc_half[rows] / 2.0) ** 2)
    c.soc_at[rows], c.soc_reported[rows], c.soc_strikes[rows] = now, reported, strikes
    c.soc_claimed[rows] = np.where(off, reported, c.soc_claimed[rows])
    c.soc_moved[rows] = np.where(off, 0.0, c.soc_moved[rows])
    c.soc_doubt[rows] = (doubted | off) & ~lifted
    return rows[off & ~doubted], rows[lifted]


def told(columns: Columns, rows: IntArray | int) -> FloatArray:
    """State of charge as devices report it, smoothed, 0 to 1: also while it is in doubt; NaN: not known."""
    found: FloatArray = columns.soc[rows] + columns.soc_offset[rows]
    return found


def believe(columns: Columns, row: int) -> bool:
    """End a doubt: it was recalibrated, and what it reports is true. False where there is none."""
    c = columns
    if not bool(c.soc_doubt[row]):
        return False
    c.soc[row], c.soc_variance[row] = c.soc_reported[row], REPORT_VARIANCE
    c.soc_half[row] = c.soc_offset[row] = c.soc_moved[row] = 0.0
    c.soc_strikes[row], c.soc_doubt[row], c.touched[row] = 0, False, True
    return True
