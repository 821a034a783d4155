"""Local times over changes of the clocks: nothing happens twice, nothing is lost for good."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gridiface.domain.local_time import DailyTime, DailyWindow, day_of, next_time, window_at

BERLIN = ZoneInfo("Europe/Berlin")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_next_time_is_the_next_day_once_it_has_passed():
    rule = DailyTime(at_s=7 * 3600)
    assert next_time(at("2026-06-01T04:59:59"), rule, BERLIN) == at("2026-06-01T05:00:00")
    assert next_time(at("2026-06-01T05:00:00"), rule, BERLIN) == at("2026-06-02T05:00:00")


def test_weekdays():
    rule = DailyTime(at_s=0, days=frozenset({6}))
    assert next_time(at("2026-06-01T00:00:00"), rule, UTC) == at("2026-06-07T00:00:00")
    assert next_time(at("2026-06-01T00:00:00"), DailyTime(at_s=0, days=frozenset()), UTC) is None


def test_a_time_that_comes_twice_counts_the_first_time():
    rule = DailyTime(at_s=2 * 3600 + 1800)
    first = next_time(at("2026-10-24T12:00:00"), rule, BERLIN)
    assert first == at("2026-10-25T00:30:00")  # 02:30 CEST, not 02:30 CET an hour later
    assert next_time(first, rule, BERLIN) == at("2026-10-26T01:30:00")


def test_a_time_that_is_skipped_counts_an_hour_later():
    rule = DailyTime(at_s=2 * 3600 + 1800)
    assert next_time(at("2026-03-28T12:00:00"), rule, BERLIN) == at("2026-03-29T01:30:00")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29T12:00:00", 23), ("2026-10-25T12:00:00", 25), ("2026-06-01T12:00:00", 24)]
)
def test_length_of_local_days(day, hours):
    assert day_of(at(day), BERLIN).duration == hours * 3600


def test_a_window_over_midnight():
    rule = DailyWindow(start_s=22 * 3600, end_s=6 * 3600, days=frozenset({0}))
    monday_evening = at("2026-06-01T22:30:00")
    found, edge = window_at(monday_evening, rule, UTC)
    assert (found.start, found.end, edge) == (
        at("2026-06-01T22:00:00"),
        at("2026-06-02T06:00:00"),
        at("2026-06-02T06:00:00"),
    )
    assert window_at(at("2026-06-02T22:30:00"), rule, UTC) == (None, at("2026-06-08T22:00:00"))


def test_a_window_is_open_once_on_the_day_that_has_its_hour_twice():
    rule = DailyWindow(start_s=2 * 3600, end_s=2 * 3600 + 1800)
    opened = [
        minute for minute in range(0, 26 * 60) if window_at(at("2026-10-24T22:00:00") + 60 * minute, rule, BERLIN)[0]
    ]
    assert len(opened) == 30
    assert opened == list(range(opened[0], opened[0] + 30))
