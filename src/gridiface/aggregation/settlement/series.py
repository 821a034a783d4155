"""Meter data as arrays: one meter's even series, and many meters as a table of days and wall-clock slots.

Values are mean powers over their interval, W, + delivered; NaN is missing. Quality is one octet per value, ordered
from good to bad, so that the worse of two is the larger. Does not read files: importers make the series.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray
from gridiface.aggregation.settlement.calendar import Calendar, slots_per_day
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Quality

QualityArray = npt.NDArray[np.uint8]

#: From good to bad, in the order of domain.performance.worst_quality; the place is the code.
QUALITIES = (Quality.GOOD, Quality.ESTIMATED, Quality.STALE, Quality.SUBSTITUTED, Quality.BAD)
CODE = {quality: code for code, quality in enumerate(QUALITIES)}
GOOD, ESTIMATED, BAD = CODE[Quality.GOOD], CODE[Quality.ESTIMATED], CODE[Quality.BAD]

#: Most values of one series: ten years of minutes.
MOST_VALUES = 5_300_000


@dataclass(frozen=True, slots=True, eq=False)
class MeterSeries:
    """One meter's mean powers on an even grid.

    Attributes:
        meter_id: which meter.
        start: of the first interval.
        interval_s: length of each, s.
        w: mean power of each interval, W, + delivered; NaN = missing.
        quality: its quality code (`QUALITIES`); BAD where missing.
    """

    meter_id: str
    start: Instant
    interval_s: float
    w: FloatArray
    quality: QualityArray

    def __post_init__(self) -> None:
        if self.w.shape != self.quality.shape or self.w.ndim != 1:
            raise ValueError("a series needs one quality per value")
        if self.interval_s <= 0:
            raise ValueError(f"an interval cannot last {self.interval_s} s")

    @property
    def end(self) -> Instant:
        """The first instant after the last interval."""
        return self.start + self.w.size * self.interval_s

    def window(self, start: Instant, count: int) -> tuple[FloatArray, QualityArray]:
        """`count` intervals from `start` on; NaN and BAD where the series has none.

        Raises:
            ValueError: `start` is not on the series' grid.
        """
        first = self._place(start)
        w, quality = np.full(count, np.nan), np.full(count, BAD, dtype=np.uint8)
        low, high = max(first, 0), min(first + count, self.w.size)
        if low < high:
            w[low - first : high - first] = self.w[low:high]
            quality[low - first : high - first] = self.quality[low:high]
        return w, quality

    def merged(self, newer: MeterSeries) -> MeterSeries:
        """Both, with the newer's values where it has any: how late or corrected data come in.

        Raises:
            ValueError: another meter, interval or grid, or more than `MOST_VALUES` values.
        """
        if newer.meter_id != self.meter_id or newer.interval_s != self.interval_s:
            raise ValueError(f"{newer.meter_id} at {newer.interval_s:g} s does not continue {self.meter_id}")
        start, end = min(self.start, newer.start), max(self.end, newer.end)
        self._place(newer.start)
        count = round((end - start) / self.interval_s)
        if count > MOST_VALUES:
            raise ValueError(f"the parts of {self.meter_id} lie too far apart: {count} values")
        w, quality = self.window(start, count)
        late_w, late_quality = newer.window(start, count)
        take = np.isfinite(late_w)
        merged = np.where(take, late_quality, quality).astype(np.uint8)
        return MeterSeries(self.meter_id, start, self.interval_s, np.where(take, late_w, w), merged)

    def coarser(self, interval_s: float, phase_s: float = 0.0) -> MeterSeries:
        """The same on a coarser grid that starts `phase_s` after a whole multiple of `interval_s`.

        A coarse interval with any part missing is missing: half a mean is not a mean.

        Raises:
            ValueError: `interval_s` is no whole multiple of the series' own, or the grid is none of its own.
        """
        factor = round(interval_s / self.interval_s)
        if factor < 1 or abs(factor * self.interval_s - interval_s) > 1e-6:
            raise ValueError(f"{self.interval_s:g} s values cannot be turned into {interval_s:g} s values")
        if factor == 1:
            return self
        start = np.floor((self.start - phase_s) / interval_s) * interval_s + phase_s
        count = int(np.ceil((self.end - start) / interval_s))
        w, quality = self.window(start, count * factor)
        return MeterSeries(
            self.meter_id,
            float(start),
            interval_s,
            w.reshape(count, factor).mean(axis=1),
            quality.reshape(count, factor).max(axis=1),
        )

    def _place(self, start: Instant) -> int:
        steps = (start - self.start) / self.interval_s
        if abs(steps - round(steps)) * self.interval_s > 1e-3:
            raise ValueError(f"{start} is not on the grid of {self.meter_id}: {self.interval_s:g} s from {self.start}")
        return round(steps)


def series_of(
    meter_id: str, interval_s: float, samples: Iterable[tuple[Instant, float, Quality]]
) -> MeterSeries | None:
    """A series of (start, W, quality) samples in any order; of the same start the last counts. None for no sample.

    A BAD or not finite sample is missing.

    Raises:
        ValueError: a start is off the grid of the others, or the span exceeds `MOST_VALUES`.
    """
    kept = sorted({start: (w, quality) for start, w, quality in samples}.items())
    if not kept:
        return None
    start, count = kept[0][0], round((kept[-1][0] - kept[0][0]) / interval_s) + 1
    if count > MOST_VALUES:
        raise ValueError(f"{meter_id} spans {count} intervals of {interval_s:g} s; at most {MOST_VALUES}")
    w, codes = np.full(count, np.nan), np.full(count, BAD, dtype=np.uint8)
    series = MeterSeries(meter_id, start, interval_s, w, codes)
    for at, (value, quality) in kept:
        place = series._place(at)
        if quality is not Quality.BAD and np.isfinite(value):
            w[place], codes[place] = value, CODE[quality]
    return series


def nothing_metered(meter_id: str, at: Instant, interval_s: float, phase_s: float = 0.0) -> MeterSeries:
    """A series on the grid of `from_told` in which nothing is known."""
    start = math.floor((at - phase_s) / interval_s) * interval_s + phase_s
    return MeterSeries(meter_id, start, interval_s, np.array([np.nan]), np.array([BAD], dtype=np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class DayTable:
    """Many meters, many days, the same wall-clock slots.

    Attributes:
        meters: row names, M.
        days: D, ascending.
        interval_s: s; T slots a day.
        w: (M, D, T) W, + delivered, NaN = missing.
        quality: (M, D, T) codes, or None where all that is there is good.
        exists: (D, T) which slots the day has; false where clocks went forward over it.
    """

    meters: tuple[str, ...]
    days: tuple[date, ...]
    interval_s: float
    w: FloatArray
    quality: QualityArray | None
    exists: BoolArray

    def day(self, day: date) -> FloatArray:
        """(M, T) values of one day.

        Raises:
            ValueError: the table has no such day.
        """
        found: FloatArray = self.w[:, self.days.index(day)]
        return found


def day_table(series: Sequence[MeterSeries], calendar: Calendar, days: Sequence[date]) -> DayTable:
    """Sort series of one interval into local days. Where clocks go back, the two intervals of a slot are averaged.

    Raises:
        ValueError: series of different intervals, or off the local day's grid.
        ConfigError: the interval does not divide a day.
    """
    intervals = {one.interval_s for one in series}
    if len(intervals) != 1:
        raise ValueError(f"series of {len(intervals)} different intervals do not make one table")
    interval_s = intervals.pop()
    shape = (len(series), len(days), slots_per_day(interval_s))
    w, quality = np.full(shape, np.nan), np.full(shape, BAD, dtype=np.uint8)
    exists = np.zeros(shape[1:], dtype=np.bool_)
    for first, last in _runs(calendar, days, interval_s):
        exists[first:last] = True
        start, count = calendar.start(days[first]), (last - first) * shape[2]
        for row, one in enumerate(series):
            values, codes = one.window(start, count)
            w[row, first:last], quality[row, first:last] = values.reshape(-1, shape[2]), codes.reshape(-1, shape[2])
    for column, day in enumerate(days):
        start, slots = calendar.start(day), calendar.slots(day, interval_s)
        if slots.size == shape[2]:
            continue
        exists[column, slots] = True
        for row, one in enumerate(series):
            values, codes = one.window(start, slots.size)
            _average_into(w[row, column], quality[row, column], slots, values, codes)
    return DayTable(tuple(one.meter_id for one in series), tuple(days), interval_s, w, quality, exists)


def _runs(calendar: Calendar, days: Sequence[date], interval_s: float) -> list[tuple[int, int]]:
    """Stretches [first, last) of successive days of 24 hours: each is one piece of a series."""
    per_day = slots_per_day(interval_s)
    plain = [calendar.slots(day, interval_s).size == per_day for day in days]
    runs: list[tuple[int, int]] = []
    for at, day in enumerate(days):
        if not plain[at]:
            continue
        if runs and runs[-1][1] == at and days[at - 1] + timedelta(days=1) == day:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs


def _average_into(
    w: FloatArray, quality: QualityArray, slots: npt.NDArray[np.int64], values: FloatArray, codes: QualityArray
) -> None:
    known = np.isfinite(values)
    count = np.bincount(slots[known], minlength=w.size)
    total = np.bincount(slots[known], weights=values[known], minlength=w.size)
    w[count > 0] = total[count > 0] / count[count > 0]
    found = np.zeros(w.size, dtype=np.uint8)
    np.maximum.at(found, slots[known], codes[known])
    quality[count > 0] = found[count > 0]
