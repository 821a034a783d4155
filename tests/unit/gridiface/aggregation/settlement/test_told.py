"""Means and samples of a device as intervals."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gridiface.aggregation.settlement import told as module
from gridiface.aggregation.settlement.series import BAD, ESTIMATED, GOOD, MeterSeries
from gridiface.aggregation.settlement.told import Told, from_told
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import Quality, Reading

NAN = float("nan")


def from_readings(readings: Sequence[Reading], interval_s: float, phase_s: float = 0.0) -> MeterSeries | None:
    rows = [(r.value, r.source_time, r.received, r.duration_s, r.quality.value, r.phase.value) for r in readings]
    # As they come from the store: in parts, NULL for what is no number.
    plain = [(None if np.isnan(row[0]) else row[0], *row[1:]) for row in rows]
    parts = [Told.of(plain[:2]), Told.of(plain[2:])]
    return from_told("d", Told.joined(parts), interval_s, phase_s)


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


def test_nothing_told_makes_no_series() -> None:
    assert from_told("d", Told.joined([]), 900.0) is None
    assert from_readings([mean(900.0, NAN, 900.0), reading(0, 1, quality=Quality.BAD)], 900.0) is None
    with pytest.raises(ValueError, match="at most"):
        from_readings([reading(0, 1), reading(6e9, 1)], 60.0)


def test_a_mean_that_spans_intervals_is_cut_by_a_later_one() -> None:
    hour = mean(3600.0, 10.0, 3600.0)
    late = replace(mean(1350.0, 40.0, 900.0), received=1e6)  # from 450 to 1350
    assert made_of(hour, late)[1] == [25.0, 25.0, 10.0, 10.0]
    assert made_of(late, hour)[2] == [GOOD] * 4


def test_each_moment_is_what_the_last_received_of_many_overlapping_means_says(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = random.Random(7)
    lengths, ends = (30.0, 60.0, 300.0, 900.0, 2000.0), range(70, 240)
    told = [
        replace(mean(drawn.choice(ends) * 30.0, float(number), drawn.choice(lengths)), received=float(number))
        for number in drawn.sample(range(120), 120)
    ]
    begin = [one.source_time - one.duration_s for one in told]
    expected = []
    for place in range(8):
        inside = []
        for second in range(900 * place, 900 * place + 900):
            over = [one for one, since in zip(told, begin, strict=True) if since <= second < one.source_time]
            inside += [max(over, key=lambda one: one.received).value] if over else []
        expected += [sum(inside) / len(inside)] if inside else []
    for at_once in (1, 10**6):
        monkeypatch.setattr(module, "_AT_ONCE", at_once)
        assert [one for one in made_of(*told)[1] if not np.isnan(one)] == pytest.approx(expected)
