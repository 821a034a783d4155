"""Series on an even grid, their merge, and the table of days and slots."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridiface.aggregation.settlement.calendar import Calendar
from gridiface.aggregation.settlement.series import (
    BAD,
    CODE,
    ESTIMATED,
    GOOD,
    QUALITIES,
    MeterSeries,
    day_table,
    series_of,
)
from gridiface.domain.performance import worst_quality
from gridiface.domain.telemetry import Quality


def series(values: list[float], start: float = 0.0, interval_s: float = 900.0, name: str = "m") -> MeterSeries:
    w = np.array(values, dtype=np.float64)
    return MeterSeries(name, start, interval_s, w, np.where(np.isfinite(w), GOOD, BAD).astype(np.uint8))


def test_codes_rank_as_the_domain_does() -> None:
    for one in Quality:
        for other in Quality:
            assert QUALITIES[max(CODE[one], CODE[other])] is worst_quality([one, other])


def test_a_window_is_missing_where_the_series_is_not() -> None:
    w, quality = series([1.0, 2.0], start=900.0).window(0.0, 4)
    assert np.isnan(w[[0, 3]]).all()
    assert w[1:3].tolist() == [1.0, 2.0]
    assert quality.tolist() == [BAD, GOOD, GOOD, BAD]
    with pytest.raises(ValueError, match="not on the grid"):
        series([1.0]).window(10.0, 1)


def test_newer_values_replace_and_extend_but_missing_ones_do_not_erase() -> None:
    merged = series([1.0, 2.0, 3.0]).merged(series([float("nan"), 30.0, 40.0], start=900.0))
    assert merged.w.tolist() == [1.0, 2.0, 30.0, 40.0]
    with pytest.raises(ValueError, match="does not continue"):
        series([1.0]).merged(series([1.0], name="other"))
    with pytest.raises(ValueError, match="too far apart"):
        series([1.0]).merged(series([1.0], start=900.0 * 1e8))


def test_a_coarser_interval_is_the_mean_and_missing_where_a_part_is() -> None:
    # Starts at 00:15, so the first hour lacks its first quarter.
    coarse = series([2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 6.0], start=900.0).coarser(3600.0)
    assert coarse.start == 0.0
    assert np.isnan(coarse.w[0])
    assert coarse.w[1] == 3.0
    assert coarse.quality.tolist() == [BAD, GOOD]
    with pytest.raises(ValueError, match="cannot be turned"):
        series([1.0]).coarser(1000.0)


def test_samples_in_any_order_become_a_series() -> None:
    samples = [(1800.0, 3.0, Quality.ESTIMATED), (0.0, 1.0, Quality.GOOD), (2700.0, 9.0, Quality.BAD)]
    made = series_of("m", 900.0, samples)
    assert made is not None
    assert made.w[[0, 2]].tolist() == [1.0, 3.0]
    assert np.isnan(made.w[[1, 3]]).all()
    assert made.quality.tolist() == [GOOD, BAD, ESTIMATED, BAD]
    assert series_of("m", 900.0, []) is None
    with pytest.raises(ValueError, match="not on the grid"):
        series_of("m", 900.0, [(0.0, 1.0, Quality.GOOD), (450.0, 1.0, Quality.GOOD)])
    with pytest.raises(ValueError, match="at most"):
        series_of("m", 60.0, [(0.0, 1.0, Quality.GOOD), (6e9, 1.0, Quality.GOOD)])


def test_a_table_sorts_local_days_and_averages_the_hour_that_comes_twice() -> None:
    calendar = Calendar(tz=ZoneInfo("Europe/Berlin"))
    day = date(2026, 10, 25)
    one = series([float(hour) for hour in range(25)], start=calendar.start(day), interval_s=3600.0)
    table = day_table([one], calendar, (day, date(2026, 10, 26)))
    # Hours 2 and 3 since midnight are both 02:00 to 03:00: (2 + 3) / 2.
    assert table.w[0, 0].tolist() == [0.0, 1.0, 2.5, *(float(hour) for hour in range(4, 25))]
    assert np.isnan(table.w[0, 1]).all()
    assert table.exists.all()


def test_a_table_knows_the_slots_that_do_not_exist() -> None:
    calendar = Calendar(tz=ZoneInfo("Europe/Berlin"))
    day = date(2026, 3, 29)
    one = series([1.0] * 23, start=calendar.start(day), interval_s=3600.0)
    table = day_table([one], calendar, (day,))
    assert np.flatnonzero(~table.exists[0]).tolist() == [2]
    assert np.flatnonzero(np.isnan(table.w[0, 0])).tolist() == [2]
    assert table.day(day).shape == (1, 24)


def test_series_of_different_intervals_make_no_table() -> None:
    with pytest.raises(ValueError, match="2 different intervals"):
        day_table([series([1.0]), series([1.0], interval_s=60.0)], Calendar(), (date(1970, 1, 1),))
    with pytest.raises(ValueError, match="one quality per value"):
        MeterSeries("m", 0.0, 900.0, np.zeros(2), np.zeros(1, dtype=np.uint8))
