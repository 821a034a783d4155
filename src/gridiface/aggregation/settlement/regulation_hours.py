"""How well regulation signals were followed over any time: samples every 10 s from intervals, scored hour by hour."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray
from gridiface.aggregation.settlement.regulation_score import SAMPLE_S, regulation_score
from gridiface.domain.clock import Instant
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.performance_sums import RegulationFigures

#: What is scored as one, s since 1970: clock hours, as markets do.
_HOUR_S = 3600.0

#: Fewer samples of an hour than this have no score (a window of 300 s and one more).
_LEAST = 31


def scored(intervals: Sequence[PerformanceInterval], start: Instant, end: Instant) -> RegulationFigures | None:
    """The score of the signals in these intervals of one target within [start, end).

    A sample is the mean over its 10 s, of both powers; it is unknown where less than half of it is known. Hours count
    by their known samples. None: in no hour enough of both is known.
    """
    known = sorted(
        (one for one in intervals if one.requested_w is not None and one.end > start and one.start < end),
        key=lambda one: (one.start, one.end),
    )
    if not known:
        return None
    first, last = max(start, known[0].start), min(end, max(one.end for one in known))
    hours = [
        _hour(known, max(hour * _HOUR_S, first), min((hour + 1) * _HOUR_S, last))
        for hour in range(math.floor(first / _HOUR_S), math.ceil(last / _HOUR_S))
    ]
    return RegulationFigures.mean([one for one in hours if one is not None])


def _hour(intervals: Sequence[PerformanceInterval], start: Instant, end: Instant) -> RegulationFigures | None:
    count = int((end - start + 1e-6) // SAMPLE_S)
    if count < _LEAST:
        return None
    grid: FloatArray = start + SAMPLE_S * np.arange(count + 1, dtype=np.float64)
    here = [one for one in intervals if one.end > start and one.start < end]
    asked = _means(grid, [(one.start, one.end, one.requested_w or 0.0, 1.0) for one in here])
    heard = [(one.start, one.end, one.delivered_w, one.known) for one in here if one.delivered_w is not None]
    given = _means(grid, heard)
    if int((np.isfinite(asked) & np.isfinite(given)).sum()) < _LEAST:
        return None
    found = regulation_score(asked, given)
    return RegulationFigures(
        score=found.total,
        correlation=found.correlation,
        delay=found.delay,
        precision=found.precision,
        hours=1,
        samples=found.samples,
        missing=found.missing,
    )


def _means(grid: FloatArray, pieces: Sequence[tuple[float, float, float, float]]) -> FloatArray:
    """The mean over each step of the grid of a power known in pieces (start, end, W, part known); NaN: unknown."""
    if not pieces:
        return np.full(grid.size - 1, np.nan)
    table = np.array(pieces)
    # One after the other: what two tell of a time counts once.
    begin = np.maximum(table[:, 0], np.concatenate([[-np.inf], np.maximum.accumulate(table[:, 1])[:-1]]))
    length = np.maximum(table[:, 1] - begin, 0.0)
    edges = np.column_stack([begin, begin + length]).ravel()
    covered, energy = length * table[:, 3], length * table[:, 3] * table[:, 2]

    def steps(amounts: FloatArray) -> FloatArray:
        sums = np.concatenate([[0.0], np.cumsum(amounts)])
        found: FloatArray = np.diff(np.interp(grid, edges, np.column_stack([sums[:-1], sums[1:]]).ravel()))
        return found

    time, total = steps(covered), steps(energy)
    enough = time >= SAMPLE_S / 2 - 1e-6
    means: FloatArray = np.divide(total, time, out=np.full(time.size, np.nan), where=enough)
    return means
