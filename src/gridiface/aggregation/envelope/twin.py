"""The fleet's next seconds in closed form, before a command leaves: dead time, time constant, ramp, stored energy.

A device told a new power keeps its old one for its dead time, then moves along its ramp, its time constant later
(a first-order lag that follows a ramp stays its time constant behind). So the power is a trapezoid of time, and
its energy a polynomial: no stepping.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.state.columns import Columns

#: Rows per pass: the columns of one block stay in the second-level cache.
BLOCK = 4096

#: The columns that the energy check needs.
_NEEDED = ("energy_wh", "soc", "soc_min", "soc_max", "latency_s", "ramp_w_per_s")

#: Instants inside the look-ahead, as fractions of it, at which totals are held against their limits.
PROBES = (0.25, 0.5, 1.0)


def power_after(
    start: FloatArray, target: FloatArray, ramp: FloatArray, lag: FloatArray | float, seconds: float | FloatArray
) -> FloatArray:
    """The power each device has `seconds` after it was told `target`, W.

    Args:
        start: power when told, W.
        target: W.
        ramp: W/s, finite.
        lag: dead time + time constant, s.
        seconds: elapsed, s.
    """
    reach = ramp * np.maximum(seconds - lag, 0.0)
    move = target - start
    np.clip(move, -reach, reach, out=move)
    move += start
    return move


def lack_of(
    shown: FloatArray,
    start: FloatArray,
    target: FloatArray,
    ramp: FloatArray,
    lag: FloatArray | float,
    seconds: float | FloatArray,
) -> FloatArray:
    """What each device should show more than it does, W, + delivered; negative: less.

    Who is ahead of the ramp that is known of it, and not beyond its target, lacks nothing: most inverters follow a
    set-point at once, whatever default ramp they state.

    Args:
        shown: power as measured, W; NaN stays NaN.
        start, target, ramp, lag, seconds: see `power_after`.
    """
    expected = power_after(start, target, ramp, lag, seconds)
    nearest: FloatArray = np.clip(shown, np.minimum(expected, target), np.maximum(expected, target))
    nearest -= shown
    return nearest


def energy_after(
    start: FloatArray, target: FloatArray, ramp: FloatArray, lag: FloatArray | float, seconds: float
) -> FloatArray:
    """The energy each device delivers in the first `seconds` after it was told `target`, Ws, + delivered.

    Args:
        start, target: power before and wanted, W, + delivered, shape (n,).
        ramp: W/s, > 0, shape (n,).
        lag: time until it moves, s, shape (n,) or one for all.
        seconds: s.
    """
    moving = np.maximum(seconds - lag, 0.0)
    move = target - start
    reach = ramp * moving
    np.minimum(move, reach, out=move)
    np.negative(reach, out=reach)
    np.maximum(move, reach, out=move)
    rise = np.abs(move, out=reach)
    rise /= ramp
    rise *= -0.5
    rise += moving
    move *= rise
    move += start * seconds
    return move


def keep_energy(
    columns: Columns, start: FloatArray, wanted: FloatArray, *, horizon_s: float, response_s: float
) -> tuple[FloatArray, BoolArray]:
    """Correct every set-point that would take a device out of its state-of-charge window within the horizon.

    Returns:
        (set-points, which were changed). Where nothing had to be changed `wanted` itself is returned.
    """
    changed = np.zeros(wanted.size, dtype=np.bool_)
    result = wanted
    for at in range(0, wanted.size, BLOCK):
        rows = slice(at, min(at + BLOCK, wanted.size))
        part = columns.part(rows, _NEEDED)
        safe = _keep_block(part, start[rows], wanted[rows], changed[rows], horizon_s, response_s)
        if safe is not None:
            result = wanted.copy() if result is wanted else result
            result[rows] = safe
    return result, changed


def _keep_block(
    c: Columns, start: FloatArray, wanted: FloatArray, changed: BoolArray, horizon_s: float, response_s: float
) -> FloatArray | None:
    """See `keep_energy`; None where nothing had to be changed, else `changed` is filled."""
    left = c.energy_wh * 3600.0
    after = energy_after(start, wanted, c.ramp_w_per_s, c.latency_s + response_s, horizon_s)
    after /= left
    np.subtract(c.soc, after, out=after)
    trips = ((after < c.soc_min) & (wanted > 0)) | ((after > c.soc_max) & (wanted < 0))
    if not trips.any():
        return None
    np.copyto(changed, trips)
    most = np.maximum((c.soc - c.soc_min) * left / horizon_s, 0.0)
    least = np.minimum((c.soc - c.soc_max) * left / horizon_s, 0.0)
    # What is still to be ridden out on the ramp down is already spent: then nothing but 0 is right.
    safe = np.clip(wanted, np.where(start > most, 0.0, least), np.where(start < least, 0.0, most))
    return np.where(trips, safe, wanted)


def overshoot(
    columns: Columns,
    rows: IntArray,
    start: FloatArray,
    wanted: FloatArray,
    held: float,
    bounds: tuple[float, float],
    *,
    able: tuple[FloatArray, FloatArray],
    planned: float,
    horizon_s: float,
    response_s: float,
) -> FloatArray:
    """Hold back what would make a group's total leave its limits on the way to a target that keeps them.

    Devices of different ramps cross on the way: those that rise are quicker than those that fall, and the total
    shoots over. The quick ones then get only the part of their move for which there is room now. Where the total is
    outside already on its way inside, the quick ones bring it back as far as they can, and come back when the slow ones
    are there. A total that is planned to stay outside stays there: what limits in it allow was gone through before.

    Args:
        columns: the fleet.
        rows: the group's devices that are commanded.
        start, wanted: power now and told next, W, one per entry of `rows`.
        held: what the rest of the group contributes, W.
        bounds: (low, high) of the total, W, + delivered.
        able: (lo, hi) of each, W.
        planned: the total when all is over, before anything was corrected, W.
        horizon_s, response_s: look-ahead and time constant.

    Returns:
        Set-points for `rows`; `wanted` itself where nothing has to be changed.
    """
    low, high = bounds
    ramp, lag = columns.ramp_w_per_s[rows], columns.latency_s[rows] + response_s
    begin = held + float(start.sum())
    top, bottom = max(high, begin, planned), min(low, begin, planned)
    rise, fall = np.maximum(wanted - start, 0.0), np.maximum(start - wanted, 0.0)
    cut = False
    for probe in PROBES:
        move = power_after(start, wanted, ramp, lag, probe * horizon_s) - start
        total = begin + float(move.sum())
        up, down = np.maximum(move, 0.0), np.maximum(-move, 0.0)
        # Only what this move causes is corrected: a total that is outside already is on its way back.
        if total > top + 1e-6 * max(abs(top), 1.0):
            rise, cut = np.minimum(rise, up * max(0.0, 1.0 - (total - top) / float(up.sum()))), True
        elif total < bottom - 1e-6 * max(abs(bottom), 1.0):
            fall, cut = np.minimum(fall, down * max(0.0, 1.0 - (bottom - total) / float(down.sum()))), True
    safe = start + rise - fall if cut else wanted
    if begin > high or begin < low:
        soon = PROBES[0] * horizon_s
        reach = ramp * np.maximum(soon - lag, 0.0)
        there = power_after(start, safe, ramp, lag, soon)
        total = held + float(there.sum())
        slack = 1e-6 * max(abs(planned), 1.0) + 1e-3
        if total > high >= planned - slack:
            return _further(safe, there, np.maximum(able[0], start - reach), high - total)
        if total < low <= planned + slack:
            return _further(safe, there, np.minimum(able[1], start + reach), low - total)
    return safe


def _further(safe: FloatArray, there: FloatArray, end: FloatArray, lack: float) -> FloatArray:
    """Set-points with which the sum is by `lack`, W, farther soon, as far as devices can be nearer to `end` by then."""
    more = np.maximum((end - there) * np.sign(lack), 0.0)
    most = float(more.sum())
    if abs(lack) <= 1e-6 * max(float(np.abs(there).sum()), 1.0) or most <= 0.0:
        return safe
    moved = there + np.sign(lack) * more * min(abs(lack) / most, 1.0)
    return np.where(more > 0.0, moved, safe)
