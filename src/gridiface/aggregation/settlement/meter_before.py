"""Meter-before/meter-after: the flat baseline of storage and of other resources that have no daily habit. Pure.

What the meter showed just before the event is held as the baseline; what it shows during and after is compared with
it. No day before the event is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.settlement.series import BAD, ESTIMATED, MeterSeries
from gridiface.domain.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterBefore:
    """The rule.

    Attributes:
        name: as it stands in settlement rows.
        window_s: length of the window before the event whose mean is held, s; at least one interval is taken.
        gap_s: from its end to the start of the event, s.
        share: of the window that must be known, 0..1.
        recovery_s: for so long after another event a resource is not as usual yet (it charges again, it cools), s.
    """

    name: str = "meter-before-after"
    window_s: float = 900.0
    gap_s: float = 0.0
    share: float = 0.5
    recovery_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.window_s <= 0 or min(self.gap_s, self.recovery_s) < 0 or not 0 < self.share <= 1:
            raise ValueError("meter-before needs a window, no negative gap or recovery, and a share in 0..1")


METER_BEFORE = MeterBefore()


def level_before(series: MeterSeries, event_start: Instant, rule: MeterBefore = METER_BEFORE) -> tuple[float, int]:
    """The flat baseline, W, + delivered, and its quality code; (NaN, BAD) where too little is known.

    Only intervals that end by the window's end count. Where some are missing the mean is ESTIMATED.
    """
    start, count = _window(series, event_start, rule)
    w, quality = series.window(start, count)
    known = np.isfinite(w)
    if known.sum() < max(1.0, rule.share * count):
        return float("nan"), BAD
    worst = int(quality[known].max())
    return float(w[known].mean()), worst if known.all() else max(worst, ESTIMATED)


def why_unusual(
    series: MeterSeries,
    others: Iterable[tuple[Instant, Instant]],
    event_start: Instant,
    rule: MeterBefore = METER_BEFORE,
) -> str:
    """Why what the meter shows before the event is not as usual, for people; empty where it is.

    Args:
        series: the meter's.
        others: [start, end) of the resource's other events.
        event_start: of the event that is settled.
        rule: the window.
    """
    since, count = _window(series, event_start, rule)
    until = since + count * series.interval_s
    ends = [end for start, end in others if start < until and end > since - rule.recovery_s]
    if not ends:
        return ""
    if max(ends) > since:
        return "its level before lies in another event"
    return f"its level before lies less than {rule.recovery_s / 60:g} min after another event"


def _window(series: MeterSeries, event_start: Instant, rule: MeterBefore) -> tuple[Instant, int]:
    """Where the window begins, and how many of the meter's intervals it has."""
    stop = int(np.floor((event_start - rule.gap_s - series.start) / series.interval_s + 1e-9))
    count = max(1, round(rule.window_s / series.interval_s))
    return series.start + (stop - count) * series.interval_s, count
