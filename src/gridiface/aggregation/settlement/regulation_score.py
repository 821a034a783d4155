"""How well a regulation signal was followed: correlation, delay and precision over 10-second samples. Pure.

The three parts and their mean are those of the performance score of PJM Manual 12 (section 4.5): in each window the
response is shifted against the signal by 0 to 300 s; the best correlation and the shift at which it stands make the
first two parts, the mean error makes the third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gridiface.aggregation.allocate.problem import FloatArray

SAMPLE_S = 10.0
WINDOW_S = 300.0
_FLAT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulationScore:
    """0..1 each.

    Attributes:
        correlation: mean over all windows of the best correlation at any delay.
        delay: mean over all windows of 1 at once .. 0 at 300 s.
        precision: 1 less the mean error relative to the mean size of the signal.
        windows: how many windows the first two rest on.
        samples: how many samples the third rests on.
        missing: samples left out because one of both was unknown.
    """

    correlation: float
    delay: float
    precision: float
    windows: int
    samples: int
    missing: int = 0

    @property
    def total(self) -> float:
        """The mean of the three."""
        return (self.correlation + self.delay + self.precision) / 3


def regulation_score(signal: Sequence[float] | FloatArray, response: Sequence[float] | FloatArray) -> RegulationScore:
    """Score one period, usually an hour.

    Windows of 300 s begin at each sample; those that hold an unknown value, or over which the signal does not move,
    are not judged by correlation. A period whose signal never moves is judged by precision alone: its correlation and
    delay count as 1 where the response does not move either, and as 0 where it does.

    Args:
        signal, response: W every 10 s at equal instants, NaN = unknown; at least 31 samples (310 s).

    Raises:
        ValueError: lengths differ or are below 31.
    """
    asked, given = np.asarray(signal, dtype=np.float64), np.asarray(response, dtype=np.float64)
    span = int(WINDOW_S / SAMPLE_S)
    if asked.ndim != 1 or asked.shape != given.shape or asked.size <= span:
        raise ValueError(f"a score needs two series of the same length, of more than {span} samples")
    both = np.isfinite(asked) & np.isfinite(given)
    best, lag = _best(asked, given, span)
    judged = np.isfinite(best)
    if judged.any():
        correlation = float(np.clip(best[judged], 0.0, 1.0).mean())
        delay = float(np.mean(1.0 - lag[judged] * SAMPLE_S / WINDOW_S))
    else:
        moved = bool(both.any()) and float(np.ptp(given[both])) > _FLAT * max(1.0, float(np.abs(given[both]).max()))
        correlation = delay = 1.0 if both.any() and not moved else 0.0
    return RegulationScore(
        correlation=correlation,
        delay=delay,
        precision=_precision(asked[both], given[both]),
        windows=int(judged.sum()),
        samples=int(both.sum()),
        missing=int(asked.size - both.sum()),
    )


def _best(asked: FloatArray, given: FloatArray, span: int) -> tuple[FloatArray, FloatArray]:
    """Of each window the best correlation over all delays, and that delay in samples; NaN where not judged."""
    signal = sliding_window_view(asked, span)
    response = sliding_window_view(given, span)
    windows = signal.shape[0]
    best, lag = np.full(windows, np.nan), np.zeros(windows)
    for shift in range(span + 1):
        count = windows - shift
        if count <= 0:
            break
        found = _correlation(signal[:count], response[shift:])
        better = np.isfinite(found) & ~(found <= best[:count] + 1e-12)
        best[:count][better] = found[better]
        lag[:count][better] = shift
    return best, lag


def _correlation(one: FloatArray, other: FloatArray) -> FloatArray:
    """Row by row; NaN where the signal is flat or something is unknown, 0 where only the response is flat."""
    a, b = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    size_a, size_b = np.sqrt((a * a).sum(axis=1)), np.sqrt((b * b).sum(axis=1))
    moves = size_a > _FLAT * np.maximum(1.0, np.abs(one).max(axis=1))
    follows = size_b > _FLAT * np.maximum(1.0, np.abs(other).max(axis=1))
    product = (a * b).sum(axis=1)
    known = np.isfinite(product)
    found = np.divide(product, size_a * size_b, out=np.zeros(product.size), where=moves & follows & known)
    return np.where(moves & known, found, np.nan)


def _precision(asked: FloatArray, given: FloatArray) -> float:
    if asked.size == 0:
        return 0.0
    size, error = float(np.abs(asked).mean()), float(np.abs(asked - given).mean())
    if size <= _FLAT:
        return 1.0 if error <= _FLAT else 0.0
    return max(0.0, 1.0 - error / size)
