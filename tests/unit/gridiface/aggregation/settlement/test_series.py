"""Series on an even grid, their merge, and the table of days and slots."""

from __future__ import annotations

from dataclasses import replace
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
    from_readings,
    series_of,
)
from gridiface.domain.performance import worst_quality
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Reading

NAN = float("nan")


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
    merged = series([1.0, 2.0, 3.0]).merged(series([NAN, 30.0, 40.0], start=900.0))
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


def reading(at: float, value: float, received: float = 0.0, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(
        device_id="d",
        quantity=Quantity.ACTIVE_POWER,
        value=value,
        source_time=at,
        received=received,
        quality=quality,
    )


def test_readings_are_averaged_and_the_last_received_of_one_time_counts() -> None:
    made = from_readings(
        [reading(0, 10), reading(300, 20), reading(300, 40, received=1.0), reading(900, 7), reading(1000, NAN)], 900.0
    )
    assert made is not None
    # (10 + 40) / 2 in the first quarter hour, 7 in the second.
    assert made.w.tolist() == [25.0, 7.0]
    assert from_readings([reading(0, 1, quality=Quality.BAD)], 900.0) is None


def test_intervals_of_readings_may_begin_beside_whole_hours() -> None:
    mean = replace(reading(5400, 60), duration_s=3600.0)
    made = from_readings([mean], 3600.0, 1800.0)
    assert made is not None
    assert (made.start, made.w.tolist(), made.quality.tolist()) == (1800.0, [60.0], [GOOD])
    samples = from_readings([reading(at, at) for at in range(1800, 5400, 600)], 3600.0, 1800.0)
    assert samples is not None
    assert (samples.start, samples.w.tolist()) == (1800.0, [3300.0])


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


def mean(end: float, watts: float, duration_s: float, phase: Phase = Phase.ALL) -> Reading:
    return Reading(
        device_id="d",
        quantity=Quantity.ACTIVE_POWER,
        value=watts,
        source_time=end,
        received=end,
        phase=phase,
        duration_s=duration_s,
    )


def made_of(*readings: Reading) -> tuple[float, list[float], list[int]]:
    made = from_readings(readings, 900.0)
    assert made is not None
    return made.start, made.w.tolist(), made.quality.tolist()


def test_a_mean_counts_for_the_time_until_its_source_time() -> None:
    # Five-minute means of the first quarter of an hour: its last one is dated 900.
    assert made_of(*(mean(end, end / 10.0, 300.0) for end in (300.0, 600.0, 900.0))) == (0.0, [60.0], [GOOD])
    # A quarter of an hour's own mean is that quarter's, not the next one's.
    assert made_of(mean(900.0, 7.0, 900.0), mean(1800.0, 9.0, 900.0)) == (0.0, [7.0, 9.0], [GOOD, GOOD])


def test_a_long_mean_stands_in_each_interval_and_a_part_of_one_is_an_estimate() -> None:
    start, watts, quality = made_of(mean(3000.0, 5.0, 2700.0))  # from 300 to 3000
    assert (start, watts) == (0.0, [5.0, 5.0, 5.0, 5.0])
    assert quality == [ESTIMATED, GOOD, GOOD, ESTIMATED]


def test_means_count_by_what_they_cover_and_samples_beside_them_do_not() -> None:
    assert made_of(mean(300.0, 10.0, 300.0), mean(900.0, 40.0, 600.0), mean(450.0, 999.0, 0.0))[1] == [30.0]


def test_of_the_time_that_two_means_speak_of_the_one_received_last_counts() -> None:
    own = [replace(mean(end, end, 300.0), received=end) for end in (300.0, 600.0, 900.0, 1200.0)]
    late = replace(mean(900.0, 50.0, 900.0), received=1e6)
    # The first quarter of an hour is what the late meter data say, not a mixture with the device's own means.
    assert made_of(*own, late)[1] == [50.0, 1200.0]
    assert made_of(late, *own)[1] == [50.0, 1200.0]
    corrected = replace(mean(900.0, 80.0, 300.0), received=2e6)
    assert made_of(*own[:2], late, corrected)[1] == [60.0]  # (600 s * 50 W + 300 s * 80 W) / 900 s
    doubted = replace(late, quality=Quality.ESTIMATED)
    assert made_of(own[0], doubted)[2] == [ESTIMATED]


def test_an_interval_in_which_the_meter_was_silent_for_half_of_the_time_is_an_estimate() -> None:
    often = [mean(float(at), 1.0, 0.0) for at in range(0, 900, 60)]
    assert made_of(*often)[2] == [GOOD]
    assert made_of(*often[:6])[2] == [ESTIMATED]


def test_powers_of_single_phases_are_summed_where_there_is_no_total() -> None:
    def phases(end: float, *watts: float) -> list[Reading]:
        return [mean(end, w, 900.0, phase) for w, phase in zip(watts, (Phase.A, Phase.B, Phase.C), strict=False)]

    assert made_of(*phases(900.0, 1.0, 2.0, 4.0))[1] == [7.0]
    assert made_of(*phases(900.0, 1.0, 2.0, 4.0), mean(900.0, 6.5, 900.0))[1] == [6.5]
    # One phase is missing in the second interval: nothing is known of the whole.
    _, watts, quality = made_of(
        *phases(900.0, 1.0, 2.0, 4.0), *phases(1800.0, 1.0, 2.0), *phases(2700.0, 1.0, 1.0, 1.0)
    )
    assert (watts[0], np.isnan(watts[1]), watts[2], quality[1]) == (7.0, True, 3.0, BAD)
