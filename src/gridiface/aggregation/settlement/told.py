"""What a device told of its power as an even series: means and samples become intervals. Pure, column by column.

Owns which of several values of one time counts, and when an interval is an estimate. Forty-seven days of a device are
800,000 samples at five seconds each: nothing here looks at them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.settlement.series import (
    BAD,
    CODE,
    ESTIMATED,
    MOST_VALUES,
    MeterSeries,
    QualityArray,
)
from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Quality

#: One value: W (None: not a number), source time, received, duration of a mean (0: a sample), s; quality and phase.
Row = tuple[float | None, Instant, Instant, float, str, str]

_PHASES = tuple(Phase)
_PHASE_CODE = {phase.value: code for code, phase in enumerate(_PHASES)}
_QUALITY_CODE = {quality.value: CODE[quality] for quality in Quality}

#: Phases of readings that speak of the whole device; those whose powers sum up to it.
_WHOLE = tuple(_PHASE_CODE[phase.value] for phase in (Phase.ALL, Phase.NONE))
_CONDUCTORS = tuple(
    tuple(_PHASE_CODE[phase.value] for phase in phases)
    for phases in ((Phase.A, Phase.B, Phase.C), (Phase.AN, Phase.BN, Phase.CN))
)

#: A mean is not spread over more than a day, s; an interval of which so much is covered is covered.
_LONGEST_MEAN_S = 86_400.0
_WHOLLY = 0.99

#: Two means that overlap by less only touch, s.
_TOUCH_S = 1e-3

#: Squares of how many means lie in one interval, that are taken apart at once: so much memory.
_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Active powers of one device, N values in columns.

    Attributes:
        w: W, + delivered; NaN = not a number.
        time: of the sample, or of the end of the mean.
        received: when it came to us.
        duration: of the mean, s; 0: a sample.
        quality, phase: codes.
    """

    w: FloatArray
    time: FloatArray
    received: FloatArray
    duration: FloatArray
    quality: QualityArray
    phase: QualityArray

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Told:
        """The columns of rows."""
        w, time, received, duration, quality, phase = zip(*rows, strict=True) if rows else ((),) * 6
        floats: list[Any] = [np.array(column, dtype=np.float64) for column in (w, time, received, duration)]
        codes = ([_QUALITY_CODE[one] for one in quality], [_PHASE_CODE[one] for one in phase])
        return cls(*floats, *(np.array(column, dtype=np.uint8) for column in codes))

    @classmethod
    def joined(cls, parts: Iterable[Told]) -> Told:
        """One after the other."""
        every = [one.columns() for one in parts] or [cls.of(()).columns()]
        return cls(*(np.concatenate(columns) for columns in zip(*every, strict=True)))

    def columns(self) -> tuple[Any, ...]:
        """In the order of the attributes."""
        return self.w, self.time, self.received, self.duration, self.quality, self.phase

    def at(self, places: IntArray | BoolArray) -> Told:
        """Some of them."""
        return Told(*(column[places] for column in self.columns()))


def from_told(device_id: str, told: Told, interval_s: float, phase_s: float = 0.0) -> MeterSeries | None:
    """Mean powers of one device in each interval; None where nothing is known.

    Intervals begin `phase_s` after whole multiples of `interval_s`: see `Calendar.phase`.

    A value with a duration counts for the time until its source time, in each interval that it touches; where there
    is none an interval's value is the mean of the samples inside it. An interval of which a part is not covered, or
    in which half of the time passes without a sample, is an estimate. Of the same source time the one received last
    counts, and so it does of the time that two means speak of: what a meter's operator sends late takes the place of
    the device's own finer means. Powers of single phases are summed where there are no totals.

    Raises:
        ValueError: the span exceeds `MOST_VALUES` intervals.
    """
    newest = told.at(_newest(told))
    usable = _totals(newest.at((newest.quality != BAD) & np.isfinite(newest.w)))
    if not usable.w.size:
        return None
    sampled, mean = usable.duration <= 0, usable.duration > 0
    found = (_sampled(usable.at(sampled), interval_s, phase_s), _covered(usable.at(mean), interval_s, phase_s))
    places = np.concatenate([found[0][0], found[1][0]])
    first, last = int(places.min()), int(places.max())
    count = last - first + 1
    if count > MOST_VALUES:
        raise ValueError(f"{device_id} spans {count} intervals of {interval_s:g} s; at most {MOST_VALUES}")
    w, quality = np.full(count, np.nan), np.full(count, BAD, dtype=np.uint8)
    for at, values, codes in found:  # means after samples: they count where there are both
        w[at - first], quality[at - first] = values, codes
    return MeterSeries(device_id, first * interval_s + phase_s, interval_s, w, quality)


#: Intervals by number, their W, their quality codes.
_Intervals = tuple[IntArray, FloatArray, QualityArray]


def _newest(told: Told) -> IntArray:
    """Of each phase, source time and duration the value that was received last; by time."""
    kind = np.maximum(told.duration, 0.0)
    order = np.lexsort((np.arange(told.w.size), told.received, kind, told.phase, told.time))
    same = np.ones(max(order.size - 1, 0), dtype=np.bool_)
    for column in (told.time, told.phase, kind):
        same &= column[order][1:] == column[order][:-1]
    found: IntArray = order[np.concatenate([~same, np.ones(min(order.size, 1), dtype=np.bool_)])]
    return found


def _totals(told: Told) -> Told:
    """The values of all phases; without any the sums over the phases that the device tells, where none is missing."""
    whole = np.isin(told.phase, _WHOLE)
    if whole.any():
        return told.at(whole)
    phases = next((found for names in _CONDUCTORS if (found := sorted({*names} & {*told.phase.tolist()}))), [])
    mine = told.at(np.isin(told.phase, phases))
    mine = mine.at(np.lexsort((mine.duration, mine.time)))
    starts = _starts(mine.time, mine.duration)
    if not starts.size:
        return mine
    complete = np.diff(np.append(starts, mine.w.size)) == len(phases)
    return Told(
        np.add.reduceat(mine.w, starts)[complete],
        mine.time[starts][complete],
        np.maximum.reduceat(mine.received, starts)[complete],
        mine.duration[starts][complete],
        np.maximum.reduceat(mine.quality, starts)[complete],
        mine.phase[starts][complete],
    )


def _starts(*columns: npt.NDArray[np.generic]) -> IntArray:
    """Where runs of equal values of all columns begin."""
    size = columns[0].size
    fresh = np.zeros(size, dtype=np.bool_)
    fresh[:1] = True
    for column in columns:
        fresh[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(fresh)


def _sampled(told: Told, interval_s: float, phase_s: float) -> _Intervals:
    """The means of samples, which are in order of time."""
    at = told.time - phase_s
    place = np.floor(at / interval_s).astype(np.int64)
    starts = _starts(place)
    if not starts.size:
        return place, told.w, told.quality
    since = np.append(0.0, at[:-1])
    since[starts] = place[starts] * interval_s
    ends = np.append(starts[1:], at.size) - 1
    rest = (place[ends] + 1) * interval_s - at[ends]
    silence = np.maximum(np.maximum.reduceat(at - since, starts), rest)
    worst = np.maximum.reduceat(told.quality, starts)
    worst[silence > interval_s / 2] = np.maximum(worst[silence > interval_s / 2], ESTIMATED)
    return place[starts], np.add.reduceat(told.w, starts) / np.diff(np.append(starts, at.size)), worst


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Means as far as they lie in one interval each: its number, from, to, W, quality, when received."""

    place: IntArray
    begin: FloatArray
    end: FloatArray
    w: FloatArray
    quality: QualityArray
    received: FloatArray

    def at(self, places: IntArray | BoolArray | slice) -> _Pieces:
        return _Pieces(*(column[places] for column in _columns(self)))


def _covered(told: Told, interval_s: float, phase_s: float) -> _Intervals:
    """The means of means, each for the time of the interval that it covers alone, or was received last of."""
    pieces = _apart(_pieces(told, interval_s, phase_s))
    starts = _starts(pieces.place)
    if not starts.size:
        return pieces.place, pieces.w, pieces.quality
    length = pieces.end - pieces.begin
    seconds = np.add.reduceat(length, starts)
    worst = np.maximum.reduceat(pieces.quality, starts)
    part = seconds < interval_s * _WHOLLY
    worst[part] = np.maximum(worst[part], ESTIMATED)
    return pieces.place[starts], np.add.reduceat(length * pieces.w, starts) / seconds, worst


def _pieces(told: Told, interval_s: float, phase_s: float) -> _Pieces:
    """By interval, then from, then to."""
    end = told.time - phase_s
    begin = end - np.minimum(told.duration, _LONGEST_MEAN_S)
    first = np.floor(begin / interval_s).astype(np.int64)
    counts = np.maximum(np.ceil(end / interval_s).astype(np.int64) - first, 0)
    whose, place = _counted(first, counts)
    since = np.maximum(begin[whose], place * interval_s)
    until = np.minimum(end[whose], (place + 1) * interval_s)
    every = _Pieces(place, since, until, told.w[whose], told.quality[whose], told.received[whose])
    every = every.at(until > since)
    return every.at(np.lexsort((every.end, every.begin, every.place)))


def _apart(pieces: _Pieces) -> _Pieces:
    """The same without overlaps: of a time the one received last counts, of these the one that began last."""
    place = pieces.place
    over = (place[1:] == place[:-1]) & (pieces.begin[1:] < pieces.end[:-1] - _TOUCH_S)
    crowded = np.isin(place, np.unique(place[1:][over]))
    if not crowded.any():
        return pieces
    left = pieces.at(crowded)
    starts = _starts(left.place)
    sizes = np.diff(np.append(starts, left.place.size))
    portions = starts[_starts(np.cumsum(sizes**2) // _AT_ONCE)].tolist()
    cut = [_painted(left.at(slice(low, high))) for low, high in pairwise([*portions, left.place.size])]
    columns = zip(*map(_columns, [pieces.at(~crowded), *cut]), strict=True)
    every = _Pieces(*(np.concatenate(parts) for parts in columns))
    return every.at(np.argsort(every.place, kind="stable"))


def _columns(pieces: _Pieces) -> tuple[Any, ...]:
    return pieces.place, pieces.begin, pieces.end, pieces.w, pieces.quality, pieces.received


def _painted(pieces: _Pieces) -> _Pieces:
    """Pieces of whole intervals cut where any of them begins or ends; of each span the one that counts."""
    place, at = np.tile(pieces.place, 2), np.concatenate([pieces.begin, pieces.end])
    order = np.lexsort((at, place))
    cuts = _starts(place[order], at[order])
    edges = at[order][cuts]
    fresh = np.zeros(order.size, dtype=np.int64)
    fresh[cuts] = 1
    number = np.empty(order.size, dtype=np.int64)
    number[order] = np.cumsum(fresh) - 1
    first, last = number[: pieces.place.size], number[pieces.place.size :]
    whose, span = _counted(first, last - first)
    order = np.lexsort((whose, pieces.received[whose], span))
    newest = order[np.append(_starts(span[order])[1:], order.size) - 1]
    spans = span[newest]
    begin, end = edges[spans], edges[spans + 1]
    found = pieces.at(whose[newest])
    found = _Pieces(found.place, begin, end, found.w, found.quality, found.received)
    return found.at(end - begin > _TOUCH_S)


def _counted(first: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """From each `first` so many numbers: whose each is, and the number."""
    whose = np.repeat(np.arange(counts.size), counts)
    return whose, first[whose] + np.arange(whose.size) - np.repeat(np.cumsum(counts) - counts, counts)
