"""What a meter would have shown without the event: the mean of the like days before it. Vectorised over meters.

Owns the choice of days, the rules for missing data and how quality goes through. The scaling to the day itself is
adjust.py's, storage's flat baseline is meter_before.py's. Sign: W, + delivered, so "largest load" is the least value.

Missing data. A day counts when at least `day_share` of its slots are known; days that do not are passed over and older
ones are looked at, back to `look_back_days`. With fewer than `least_days` there is no baseline. A slot's value is the
mean over the chosen days that know it; where fewer than half of them do, it has none. Whatever rests on less than the
method wants is at best ESTIMATED; what rests on values that are not good has the worst of their qualities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.settlement.adjust import Adjustment, factors
from gridiface.aggregation.settlement.calendar import Calendar
from gridiface.aggregation.settlement.series import BAD, ESTIMATED, DayTable, QualityArray

#: Meters worked on at a time: their sums stay in the processor's cache.
_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A like-days baseline.

    Attributes:
        name: as it stands in settlement rows.
        days: like days that are looked at, newest first.
        keep: of these, those with the largest load during the event's hours.
        least_days: fewer make no baseline.
        look_back_days: how far back days are looked for.
        day_share: of a day's slots that must be known for the day to count, 0..1.
        adjustment: same-day adjustment; None for none.
    """

    name: str
    days: int = 10
    keep: int = 10
    least_days: int = 5
    look_back_days: int = 45
    day_share: float = 0.9
    adjustment: Adjustment | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.keep <= self.days <= self.look_back_days or not 1 <= self.least_days <= self.days:
            raise ValueError("a method needs 1 <= keep <= days <= look_back_days and 1 <= least_days <= days")


#: All ten like days, clipped to 0.8-1.2.
TEN_OF_TEN = Method(name="10-of-10", adjustment=Adjustment(low=0.8, high=1.2))
#: The five of ten with the largest load, clipped to 0.8-1.3.
FIVE_OF_TEN = Method(name="5-of-10", keep=5, adjustment=Adjustment(low=0.8, high=1.3))
METHODS: Mapping[str, Method] = {method.name: method for method in (TEN_OF_TEN, FIVE_OF_TEN)}


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The baselines of M meters for the T slots of one day.

    Attributes:
        w: (M, T) W, + delivered; NaN where there is none.
        quality: (M, T) codes; BAD where there is none.
        days: (M,) how many days each rests on.
        chosen: (M, D) which ones.
        factor: (M,) the same-day factor that `w` holds already, 1 = none.
        adjusted: (M,) whether one could be taken.
    """

    w: FloatArray
    quality: QualityArray
    days: IntArray
    chosen: BoolArray
    factor: FloatArray
    adjusted: BoolArray


def like_days(
    calendar: Calendar, days: tuple[date, ...], event_day: date, event_days: frozenset[date], look_back_days: int
) -> BoolArray:
    """(D,) which days may stand for `event_day`: earlier, near enough, of its kind, no event days, and ever there."""
    kind, first = calendar.kind(event_day), event_day - timedelta(days=look_back_days)

    def may(day: date) -> bool:
        alike = first <= day < event_day and calendar.kind(day) is kind and day not in event_days
        return alike and calendar.length(day) > 0

    return np.array([may(day) for day in days], dtype=np.bool_)


def day_baseline(
    table: DayTable,
    eligible: BoolArray,
    event_slots: slice,
    method: Method,
    *,
    actual: FloatArray | None = None,
) -> Baseline:
    """The baselines of all meters of a table for one event day.

    Args:
        table: the meters' days; its event day, if there, must not be eligible.
        eligible: (D,) or (M, D) from `like_days`.
        event_slots: slots of the event; the largest-load days are found by them, and the adjustment lies before.
        method: the rule.
        actual: (M, T) W of the event day, for the adjustment; None leaves it out.
    """
    found = unadjusted(table, eligible, event_slots, method)
    if method.adjustment is None or actual is None:
        return found
    window = method.adjustment.slots(event_slots.start, table.interval_s)
    factor, taken = factors(found.w, actual, window, method.adjustment)
    w, quality = found.w, found.quality
    np.multiply(w, factor[:, None], out=w)
    untaken = np.flatnonzero(~taken)
    quality[untaken] = np.maximum(quality[untaken], ESTIMATED)
    return Baseline(w, quality, found.days, found.chosen, factor, taken)


def unadjusted(table: DayTable, eligible: BoolArray, event_slots: slice, method: Method) -> Baseline:
    """`day_baseline` without the same-day adjustment."""
    meters, days, slots = table.w.shape
    every = np.broadcast_to(eligible, (meters, days))
    out = Baseline(
        np.empty((meters, slots)),
        np.empty((meters, slots), dtype=np.uint8),
        np.empty(meters, dtype=np.int64),
        np.empty((meters, days), dtype=np.bool_),
        np.ones(meters),
        np.zeros(meters, dtype=np.bool_),
    )
    for begin in range(0, meters, _BLOCK):
        rows = slice(begin, min(begin + _BLOCK, meters))
        _block(table, rows, every[rows], event_slots, method, out)
    return out


def _block(
    table: DayTable, rows: slice, eligible: BoolArray, event_slots: slice, method: Method, out: Baseline
) -> None:
    """One block of meters: as if nothing were missing, then anew for the meters where something was."""
    w = table.w[rows]
    quality = None if table.quality is None else table.quality[rows]
    candidates = _newest(eligible, method.days)
    chosen = candidates
    if method.keep < method.days:
        chosen = _largest(_load(w, candidates, event_slots), candidates, method.keep)
    mean, worst = out.w[rows], out.quality[rows]
    _sums(w, quality, candidates, chosen, mean, worst)
    gaps = np.flatnonzero(~np.isfinite(mean.sum(axis=1)))
    found = candidates.sum(axis=1)
    np.divide(mean, np.maximum(chosen.sum(axis=1), 1)[:, None], out=mean)
    short = np.flatnonzero(found < method.days)
    worst[short] = np.maximum(worst[short], ESTIMATED)
    none = np.flatnonzero(found < method.least_days)
    mean[none], worst[none] = np.nan, BAD
    if gaps.size:
        mean[gaps], worst[gaps], kept = _gappy(w, quality, gaps, eligible[gaps], table.exists, event_slots, method)
        chosen = chosen.copy()
        chosen[gaps] = kept
    out.chosen[rows], out.days[rows] = chosen, chosen.sum(axis=1)


def _newest(eligible: BoolArray, most: int) -> BoolArray:
    """The last `most` eligible days of each meter."""
    newer = np.cumsum(eligible[:, ::-1], axis=1)[:, ::-1]
    return eligible & (newer <= most)


def _load(w: FloatArray, candidates: BoolArray, event_slots: slice) -> FloatArray:
    """(rows, D) the mean load of each candidate day in the event's slots; NaN where something is missing."""
    load = np.full(candidates.shape, -np.inf)
    slots = len(range(*event_slots.indices(w.shape[2])))
    shares = np.full(slots, -1.0 / max(slots, 1))
    for day in np.flatnonzero(candidates.any(axis=0)):
        # As a product with ones: for a dozen columns several times faster than a mean along rows.
        load[:, day] = w[:, day, event_slots] @ shares
    return load


def _sums(
    w: FloatArray,
    quality: QualityArray | None,
    candidates: BoolArray,
    chosen: BoolArray,
    total: FloatArray,
    worst: QualityArray,
) -> None:
    """Sums and worst quality over the chosen days, into `total` and `worst`.

    A gap in any candidate day, kept or not, leaves a NaN in the meter's sums: then its choice may be another.
    """
    total[:], worst[:] = 0.0, 0
    part, part_quality = np.empty(total.shape), np.empty(worst.shape, dtype=np.uint8)
    weight, octet = chosen.astype(np.float64), chosen.astype(np.uint8)
    for day in np.flatnonzero(candidates.any(axis=0)):
        column = w[:, day]
        if chosen[:, day].all():
            total += column
            if quality is not None:
                np.maximum(worst, quality[:, day], out=worst)
            continue
        # NaN times nothing is NaN, as wanted of a candidate; a day that is none must not count.
        np.multiply(column, weight[:, day, None], out=part)
        if not candidates[:, day].all():
            part[~candidates[:, day]] = 0.0
        total += part
        if quality is not None:
            np.multiply(quality[:, day], octet[:, day, None], out=part_quality)
            np.maximum(worst, part_quality, out=worst)


def _gappy(
    w: FloatArray,
    quality: QualityArray | None,
    rows: IntArray,
    eligible: BoolArray,
    exists: BoolArray,
    event_slots: slice,
    method: Method,
) -> tuple[FloatArray, QualityArray, BoolArray]:
    """Means, quality and days of the meters `rows`, which lack something; from the newest day back, no further.

    `eligible` has a line for each of them; `w` and `quality` are those of the whole block.
    """
    here = span(rows)
    candidates = np.zeros(eligible.shape, dtype=np.bool_)
    load = np.full(eligible.shape, -np.inf)
    found = np.zeros(rows.size, dtype=np.int64)
    for day in range(eligible.shape[1] - 1, -1, -1):
        open_rows = eligible[:, day] & (found < method.days)
        if not open_rows.any():
            continue
        column = w[here, day]
        taken = open_rows & _complete(column, exists[day], method.day_share)
        candidates[:, day], found = taken, found + taken
        if method.keep < method.days:
            load[:, day] = np.where(taken, _mean_load(column[:, event_slots]), -np.inf)
    chosen = candidates if method.keep == method.days else _largest(load, candidates, method.keep)
    total, count, worst, expected = _known_sums(w, quality, here, chosen, exists)
    kept = chosen.sum(axis=1)
    valid = (found >= method.least_days)[:, None] & (2 * count >= kept[:, None]) & (count > 0)
    mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=valid)
    # A slot that a chosen day does not have (clocks went forward) is no gap of the meter.
    less = (count < expected) | (found < method.days)[:, None]
    np.maximum(worst, ESTIMATED, out=worst, where=less)
    worst[~valid] = BAD
    return mean, worst, chosen


def _known_sums(
    w: FloatArray, quality: QualityArray | None, here: IntArray | slice, chosen: BoolArray, exists: BoolArray
) -> tuple[FloatArray, IntArray, QualityArray, IntArray]:
    """Sums over the chosen days of some rows of a block, per slot.

    Returns:
        Sum and number of the known values, the worst quality of these, how many there would be without gaps.
    """
    shape = (chosen.shape[0], w.shape[2])
    total, count = np.zeros(shape), np.zeros(shape, dtype=np.int16)
    worst, expected = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.int16)
    for day in np.flatnonzero(chosen.any(axis=0)).tolist():
        column, mine = w[here, day], chosen[:, day]
        use = np.broadcast_to(mine[:, None], shape)
        gaps = ~np.isfinite(column.sum(axis=1))
        if gaps.any() or not mine.all():
            use = use & np.isfinite(column)
            column = np.where(use, column, 0.0)
        total += column
        count += use
        expected += mine[:, None] & exists[day]
        if quality is not None:
            np.maximum(worst, quality[here, day] * use, out=worst)
    return total, count.astype(np.int64), worst, expected.astype(np.int64)


def _mean_load(inside: FloatArray) -> FloatArray:
    """The mean load of each line over what is known of it; -infinity where nothing is."""
    known = np.isfinite(inside)
    count = known.sum(axis=1)
    summed = np.where(known, inside, 0.0).sum(axis=1)
    return np.where(count > 0, -summed / np.maximum(count, 1), -np.inf)


def _complete(column: FloatArray, exists: BoolArray, share: float) -> BoolArray:
    """Which lines of one day are known well enough. Only those whose sum is not finite need to be counted."""
    complete: BoolArray = np.isfinite(column.sum(axis=1))
    rows = np.flatnonzero(~complete)
    complete[rows] = np.isfinite(column[rows]).sum(axis=1) >= share * exists.sum()
    return complete


def _largest(load: FloatArray, candidates: BoolArray, keep: int) -> BoolArray:
    """The `keep` candidates with the largest load; of equals the newer."""
    ranked = np.where(candidates, load, -np.inf)[:, ::-1]
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :keep]
    kept = np.zeros(candidates.shape, dtype=np.bool_)
    np.put_along_axis(kept, order, values=True, axis=1)
    return kept[:, ::-1] & candidates
