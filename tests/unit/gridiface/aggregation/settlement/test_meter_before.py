"""The flat baseline of storage."""

from __future__ import annotations

import numpy as np
import pytest

from gridiface.aggregation.settlement.meter_before import MeterBefore, level_before, why_unusual
from gridiface.aggregation.settlement.series import BAD, ESTIMATED, GOOD, MeterSeries


def series(*values: float) -> MeterSeries:
    w = np.array(values)
    return MeterSeries("b", 0.0, 300.0, w, np.where(np.isfinite(w), GOOD, BAD).astype(np.uint8))


def test_the_mean_of_the_quarter_hour_before() -> None:
    # Three intervals of 5 minutes before 1800 s: (30 + 60 + 90) / 3 = 60 W.
    assert level_before(series(0, 0, 0, 30, 60, 90, 5000), 1800.0) == (60.0, GOOD)


def test_an_interval_that_reaches_into_the_event_does_not_count() -> None:
    # At 1700 s the interval from 1500 s is not over: intervals 2, 3, 4 count: (0 + 30 + 60) / 3.
    assert level_before(series(0, 0, 0, 30, 60, 90), 1700.0) == (30.0, GOOD)


def test_missing_values() -> None:
    nan = float("nan")
    assert level_before(series(0, 0, 0, 30, nan, 90), 1800.0) == (60.0, ESTIMATED)
    level, quality = level_before(series(0, 0, 0, nan, nan, 90), 1800.0)
    assert np.isnan(level)
    assert quality == BAD
    assert level_before(series(1.0), 1e6)[1] == BAD


def test_a_window_shorter_than_an_interval_takes_one() -> None:
    assert level_before(series(10, 20), 600.0, MeterBefore(window_s=60.0)) == (20.0, GOOD)
    assert level_before(series(10, 20), 600.0, MeterBefore(window_s=60.0, gap_s=300.0)) == (10.0, GOOD)
    with pytest.raises(ValueError, match="needs a window"):
        MeterBefore(window_s=0.0)


def test_a_level_in_or_soon_after_another_event_is_not_as_usual() -> None:
    meter = series(*[0.0] * 100)  # the quarter of an hour before 18,000 s begins at 17,100 s

    def why(start: float, end: float) -> str:
        return why_unusual(meter, [(start, end)], 18_000.0)

    assert why(16_000.0, 17_101.0) == "its level before lies in another event"
    assert why(17_900.0, 20_000.0) == "its level before lies in another event"  # began a moment before, and goes on
    assert why(15_000.0, 17_100.0) == "its level before lies less than 60 min after another event"
    assert why(12_000.0, 13_501.0) == "its level before lies less than 60 min after another event"
    assert why(12_000.0, 13_500.0) == ""
    assert why(18_000.0, 19_000.0) == ""  # begins at the same time
    assert why_unusual(meter, [], 18_000.0) == ""
    hourly = MeterSeries("b", 0.0, 3600.0, np.zeros(10), np.zeros(10, dtype=np.uint8))
    # Its interval of an hour is longer than the window: it begins at 14,400 s.
    assert why_unusual(hourly, [(10_000.0, 14_500.0)], 18_000.0) == "its level before lies in another event"
    with pytest.raises(ValueError, match="recovery"):
        MeterBefore(recovery_s=-1.0)
