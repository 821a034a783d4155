"""The flat baseline of storage."""

from __future__ import annotations

import numpy as np
import pytest

from gridiface.aggregation.settlement.meter_before import MeterBefore, level_before
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
