"""Like-days baselines against hand-computed tables and against a plain reference."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.aggregation.settlement.adjust import Adjustment
from gridiface.aggregation.settlement.baseline import (
    FIVE_OF_TEN,
    METHODS,
    TEN_OF_TEN,
    Method,
    day_baseline,
    like_days,
    unadjusted,
)
from gridiface.aggregation.settlement.calendar import Calendar, days_before
from gridiface.aggregation.settlement.series import BAD, CODE, ESTIMATED, GOOD, DayTable
from gridiface.domain.telemetry import Quality

#: A Tuesday; 45 days before it are 16 January to 1 March 2026.
EVENT_DAY = date(2026, 3, 3)
HOUR = 3600.0


def table(values: np.ndarray, quality: np.ndarray | None = None) -> DayTable:
    """A table of hours whose days end the day before EVENT_DAY."""
    meters, days, slots = values.shape
    names = tuple(f"m{number}" for number in range(meters))
    found = np.where(np.isfinite(values), GOOD, BAD).astype(np.uint8) if quality is None else quality
    return DayTable(names, days_before(EVENT_DAY, days), HOUR, values, found, np.ones((days, slots), dtype=np.bool_))


def hours(*loads: float) -> np.ndarray:
    """One meter whose days have these loads, W, in every hour."""
    return np.repeat(-np.array(loads)[None, :, None], 24, axis=2)


def test_the_methods_are_those_of_the_field() -> None:
    assert set(METHODS) == {"10-of-10", "5-of-10"}
    assert TEN_OF_TEN.adjustment == Adjustment(low=0.8, high=1.2)
    assert FIVE_OF_TEN.adjustment == Adjustment(low=0.8, high=1.3)


def test_like_days_are_of_the_same_kind_and_no_event_days() -> None:
    days = days_before(EVENT_DAY, 14)
    calendar = Calendar(holidays=frozenset({date(2026, 2, 20)}))
    found = like_days(calendar, days, EVENT_DAY, frozenset({date(2026, 2, 26)}), 45)
    chosen = [day.day for day, use in zip(days, found, strict=True) if use]
    # 17-19 and 23-27 February without the 26th, 2 March; 20 February is a holiday, the rest are weekends.
    assert chosen == [17, 18, 19, 23, 24, 25, 27, 2]
    saturday = like_days(calendar, days, date(2026, 2, 28), frozenset(), 45)
    assert [day.day for day, use in zip(days, saturday, strict=True) if use] == [20, 21, 22]
    # Only the look-back counts: 3 days before Tuesday are Saturday, Sunday, Monday.
    near = like_days(calendar, days, EVENT_DAY, frozenset(), 3)
    assert [day.day for day, use in zip(days, near, strict=True) if use] == [2]


def test_a_day_that_the_calendar_left_out_is_no_like_day() -> None:
    """Samoa went from Thursday, 29 December 2011, to Saturday: the Friday would count as one without any gap."""
    samoa = Calendar(tz=ZoneInfo("Pacific/Apia"))
    days = days_before(date(2012, 1, 4), 8)
    found = like_days(samoa, days, date(2012, 1, 4), frozenset(), 45)
    assert [day.day for day, like in zip(days, found, strict=True) if like] == [27, 28, 29, 2, 3]
    assert (samoa.length(date(2011, 12, 30)), samoa.length(date(2011, 12, 31))) == (0.0, 86_400.0)


def test_golden_ten_of_ten() -> None:
    # Twelve days of 100, 200, .. 1200 W load; the ten newest are 300 .. 1200 W:
    # (300 + 400 + 500 + 600 + 700 + 800 + 900 + 1000 + 1100 + 1200) / 10 = 7500 / 10 = 750 W.
    loads = hours(*(100.0 * number for number in range(1, 13)))
    # On the day itself 825 W were drawn from 12 to 15 h: 825 / 750 = 1.1, inside 0.8-1.2.
    # Baseline 750 x 1.1 = 825 W of load, so -825 W.
    found = day_baseline(
        table(loads), np.ones(12, dtype=np.bool_), slice(16, 18), TEN_OF_TEN, actual=np.full((1, 24), -825.0)
    )
    assert found.w[0] == pytest.approx(np.full(24, -825.0))
    assert found.factor[0] == pytest.approx(1.1)
    assert found.days[0] == 10
    assert found.quality[0].tolist() == [GOOD] * 24


def test_golden_ten_of_ten_clipped() -> None:
    # Ten days of 500 W; 800 W on the day: 800 / 500 = 1.6 -> 1.2; baseline 500 x 1.2 = 600 W.
    found = day_baseline(
        table(hours(*[500.0] * 10)),
        np.ones(10, dtype=np.bool_),
        slice(16, 18),
        TEN_OF_TEN,
        actual=np.full((1, 24), -800.0),
    )
    assert found.w[0, 16] == pytest.approx(-600.0)


def test_golden_five_of_ten() -> None:
    # 100 .. 1000 W; the five with the largest load are 600 .. 1000 W:
    # (600 + 700 + 800 + 900 + 1000) / 5 = 4000 / 5 = 800 W. 1200 / 800 = 1.5 -> 1.3: 800 x 1.3 = 1040 W.
    loads = hours(*(100.0 * number for number in range(1, 11)))
    found = day_baseline(
        table(loads), np.ones(10, dtype=np.bool_), slice(16, 18), FIVE_OF_TEN, actual=np.full((1, 24), -1200.0)
    )
    assert found.w[0, 17] == pytest.approx(-1040.0)
    assert found.chosen[0].tolist() == [False] * 5 + [True] * 5


def test_the_largest_load_is_looked_for_in_the_events_hours() -> None:
    loads = hours(*[100.0] * 10)
    loads[0, :5, 16:18] = -900.0  # five days with a peak in the event's hours only
    loads[0, 5:, 3] = -9000.0  # the others with a larger one at night
    found = unadjusted(table(loads), np.ones(10, dtype=np.bool_), slice(16, 18), FIVE_OF_TEN)
    assert found.chosen[0].tolist() == [True] * 5 + [False] * 5
    assert found.w[0, 16] == -900.0


def test_a_day_with_too_many_gaps_is_passed_over_for_an_older_one() -> None:
    loads = hours(*(100.0 * number for number in range(1, 13)))
    loads[0, -1, :3] = np.nan  # 21 of 24 hours = 87.5 % < 90 %: the newest day does not count
    found = unadjusted(table(loads), np.ones(12, dtype=np.bool_), slice(16, 18), TEN_OF_TEN)
    # 200 .. 1100 W: 6500 / 10 = 650 W.
    assert found.w[0] == pytest.approx(np.full(24, -650.0))
    assert not found.chosen[0, -1]
    assert found.quality[0].tolist() == [GOOD] * 24


def test_a_small_gap_is_left_out_of_its_slots_mean() -> None:
    loads = hours(*[100.0] * 9, 200.0)
    loads[0, -1, 16] = np.nan
    found = unadjusted(table(loads), np.ones(10, dtype=np.bool_), slice(16, 18), TEN_OF_TEN)
    # Slot 16: nine days of 100 W. Slot 17: (9 x 100 + 200) / 10 = 110 W.
    assert found.w[0, 16:18] == pytest.approx([-100.0, -110.0])
    assert found.quality[0, 16:18].tolist() == [ESTIMATED, GOOD]


def test_few_days_are_estimated_and_too_few_make_no_baseline() -> None:
    seven = unadjusted(table(hours(*[100.0] * 7)), np.ones(7, dtype=np.bool_), slice(16, 18), TEN_OF_TEN)
    assert seven.w[0, 0] == -100.0
    assert set(seven.quality[0].tolist()) == {ESTIMATED}
    four = unadjusted(table(hours(*[100.0] * 4)), np.ones(4, dtype=np.bool_), slice(16, 18), TEN_OF_TEN)
    assert np.isnan(four.w).all()
    assert set(four.quality[0].tolist()) == {BAD}


def test_quality_goes_through() -> None:
    quality = np.zeros((1, 10, 24), dtype=np.uint8)
    quality[0, 3, 5] = CODE[Quality.SUBSTITUTED]
    found = unadjusted(table(hours(*[100.0] * 10), quality), np.ones(10, dtype=np.bool_), slice(16, 18), TEN_OF_TEN)
    assert found.quality[0, 5] == CODE[Quality.SUBSTITUTED]
    assert found.quality[0, 6] == GOOD


def test_without_an_adjustment_the_quality_says_so() -> None:
    found = day_baseline(
        table(hours(*[100.0] * 10)),
        np.ones(10, dtype=np.bool_),
        slice(16, 18),
        TEN_OF_TEN,
        actual=np.full((1, 24), np.nan),
    )
    assert not found.adjusted[0]
    assert found.w[0, 0] == -100.0
    assert set(found.quality[0].tolist()) == {ESTIMATED}


def reference(values: np.ndarray, eligible: np.ndarray, event: slice, method: Method) -> list[float]:
    """The rules in the plainest words, for one meter (D, T); hours all exist."""
    usable = [
        day
        for day in range(values.shape[0])
        if eligible[day] and np.isfinite(values[day]).sum() >= method.day_share * values.shape[1]
    ][-method.days :]
    if len(usable) < method.least_days:
        return [float("nan")] * values.shape[1]

    def load(day: int) -> float:
        known = values[day, event][np.isfinite(values[day, event])]
        return -float(known.sum()) / known.size if known.size else float("-inf")

    kept = sorted(usable, key=lambda day: (-load(day), -day))[: method.keep]
    result = []
    for slot in range(values.shape[1]):
        known = [values[day, slot] for day in kept if np.isfinite(values[day, slot])]
        result.append(float(np.mean(known)) if known and 2 * len(known) >= len(kept) else float("nan"))
    return result


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0.0, 0.01, 0.1, 0.4]), name=st.sampled_from([*METHODS]))
def test_the_fast_way_and_the_careful_way_are_the_plain_rules(seed: int, share: float, name: str) -> None:
    chance = np.random.default_rng(seed)
    values = -chance.integers(1, 50, (4, 16, 24)).astype(float)
    values[chance.random(values.shape) < share] = np.nan
    values[0] = np.nan_to_num(values[0], nan=-1.0)
    eligible = chance.random((4, 16)) < 0.8
    found = unadjusted(table(values), eligible, slice(16, 20), METHODS[name])
    for meter in range(4):
        expected = reference(values[meter], eligible[meter], slice(16, 20), METHODS[name])
        assert found.w[meter] == pytest.approx(np.array(expected), nan_ok=True)
        assert ((found.quality[meter] == BAD) == np.isnan(expected)).all()


def test_many_meters_give_what_each_gives_alone() -> None:
    chance = np.random.default_rng(7)
    values = -chance.uniform(0, 1000, (600, 20, 24))
    values[chance.random((600, 20, 24)) < 0.001] = np.nan
    eligible = np.ones(20, dtype=np.bool_)
    together = unadjusted(table(values), eligible, slice(16, 18), FIVE_OF_TEN)
    for meter in (0, 255, 256, 599):
        alone = unadjusted(table(values[meter : meter + 1]), eligible, slice(16, 18), FIVE_OF_TEN)
        np.testing.assert_array_equal(alone.w[0], together.w[meter])
        np.testing.assert_array_equal(alone.chosen[0], together.chosen[meter])


def test_impossible_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="a method needs"):
        Method(name="x", days=5, keep=10)
    assert EVENT_DAY - timedelta(days=1) == days_before(EVENT_DAY, 1)[0]
