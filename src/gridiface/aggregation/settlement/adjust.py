"""Same-day adjustment: a baseline is scaled so that it meets the load of the hours before the event. Pure.

Owns the window, the ratio, its clipping and when it cannot be taken. Windows end some time before the event, so that
what is done in preparation of it (pre-cooling, charging) does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray

#: Below this mean power, W, a ratio says nothing.
_LEAST_W = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """The rule.

    Attributes:
        low, high: the ratio is clipped to this.
        window_s: length of the window, s.
        gap_s: from its end to the start of the event, s.
        share: of the window's intervals that must be known, 0..1.
    """

    low: float
    high: float
    window_s: float = 3 * 3600.0
    gap_s: float = 3600.0
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.low <= 1 <= self.high or self.window_s <= 0 or self.gap_s < 0 or not 0 < self.share <= 1:
            raise ValueError("an adjustment needs 0 < low <= 1 <= high, a window, and a share in 0..1")

    def slots(self, event_slot: int, interval_s: float) -> slice:
        """The slots of the window before an event that starts in `event_slot`; cut off at the day's begin."""
        stop = max(0, event_slot - round(self.gap_s / interval_s))
        return slice(max(0, stop - round(self.window_s / interval_s)), stop)


def factors(baseline: FloatArray, actual: FloatArray, window: slice, rule: Adjustment) -> tuple[FloatArray, BoolArray]:
    """The factor of each meter and whether it could be taken.

    The ratio is mean load in the window by mean baseline there, over the intervals in which both are known. It is 1,
    and not taken, where too little is known, where the baseline is next to nothing, or where one is a load and the
    other a generation: then a ratio has no meaning.

    Args:
        baseline, actual: (M, T) W of the event's day; NaN = missing.
        window: slots, see `Adjustment.slots`.
        rule: the clipping and the share.

    Returns:
        (M,) factors in low..high, (M,) taken.
    """
    base, seen = baseline[:, window], actual[:, window]
    if base.shape[1] == 0:
        return np.ones(base.shape[0]), np.zeros(base.shape[0], dtype=np.bool_)
    both = np.isfinite(base) & np.isfinite(seen)
    count = both.sum(axis=1)
    expected = np.where(both, base, 0.0).sum(axis=1)
    found = np.where(both, seen, 0.0).sum(axis=1)
    taken = (count >= rule.share * base.shape[1]) & (np.abs(expected) > _LEAST_W * np.maximum(count, 1))
    taken &= expected * found >= 0
    ratio = np.divide(found, expected, out=np.ones(base.shape[0]), where=taken)
    return np.clip(ratio, rule.low, rule.high), taken
