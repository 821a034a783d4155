"""Local days, clock changes, kinds of days, holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.settlement.calendar import (
    Calendar,
    DayKind,
    days_before,
    nerc_holidays,
    slots_per_day,
    zone,
)
from gridiface.errors import ConfigError

BERLIN = Calendar(tz=ZoneInfo("Europe/Berlin"))


def test_a_day_begins_at_local_midnight() -> None:
    # 1 July 2026, 00:00 in Berlin (UTC+2) is 30 June 22:00 UTC.
    assert BERLIN.start(date(2026, 7, 1)) == datetime(2026, 6, 30, 22, tzinfo=UTC).timestamp()
    assert BERLIN.day(datetime(2026, 6, 30, 22, 30, tzinfo=UTC).timestamp()) == date(2026, 7, 1)


def test_the_day_clocks_go_forward_has_23_hours_and_skips_slots() -> None:
    slots = BERLIN.slots(date(2026, 3, 29), 900.0)
    assert slots.size == 23 * 4
    # 02:00 to 03:00, slots 8 to 11, do not exist.
    assert slots.tolist() == [*range(8), *range(12, 96)]


def test_the_day_clocks_go_back_has_25_hours_and_slots_that_come_twice() -> None:
    slots = BERLIN.slots(date(2026, 10, 25), 3600.0)
    assert slots.tolist() == [0, 1, 2, 2, *range(3, 24)]


@given(st.dates(date(2000, 1, 1), date(2040, 12, 31)), st.sampled_from([300.0, 900.0, 1800.0, 3600.0]))
def test_every_interval_of_a_day_has_the_slot_of_its_instant(day: date, interval_s: float) -> None:
    slots = BERLIN.slots(day, interval_s)
    start = BERLIN.start(day)
    for step in range(0, slots.size, 7):
        assert BERLIN.slot(start + step * interval_s, interval_s) == slots[step]
    assert start + slots.size * interval_s == BERLIN.start(day + timedelta(days=1))


def test_the_local_days_intervals_may_begin_beside_whole_hours() -> None:
    noon = datetime(2026, 7, 22, 12, tzinfo=UTC).timestamp()
    of = {
        name: Calendar(tz=ZoneInfo(name)).phase(noon, 3600.0)
        for name in ("Asia/Kolkata", "Asia/Kathmandu", "Asia/Tokyo")
    }
    assert of == {"Asia/Kolkata": 1800.0, "Asia/Kathmandu": 900.0, "Asia/Tokyo": 0.0}
    assert Calendar(tz=ZoneInfo("Asia/Kolkata")).phase(noon, 900.0) == 0.0


def test_weekends_and_holidays_are_free() -> None:
    calendar = Calendar(holidays=frozenset({date(2026, 7, 3)}))
    kinds = [calendar.kind(date(2026, 7, day)) for day in (2, 3, 4, 5, 6)]
    assert kinds == [DayKind.WORKING, DayKind.FREE, DayKind.FREE, DayKind.FREE, DayKind.WORKING]


def test_nerc_holidays_of_2026_and_of_a_year_with_a_sunday() -> None:
    assert nerc_holidays([2026]) == {
        date(2026, 1, 1),
        date(2026, 5, 25),
        date(2026, 7, 4),
        date(2026, 9, 7),
        date(2026, 11, 26),
        date(2026, 12, 25),
    }
    # 4 July 2027 is a Sunday: kept on Monday the 5th.
    assert date(2027, 7, 5) in nerc_holidays([2027])
    assert date(2027, 7, 4) not in nerc_holidays([2027])


def test_days_before_are_ascending() -> None:
    assert days_before(date(2026, 3, 2), 3) == (date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1))


def test_an_interval_must_divide_the_day() -> None:
    assert slots_per_day(900.0) == 96
    for wrong in (0.0, -900.0, 7000.0):
        with pytest.raises(ConfigError, match="does not divide a day"):
            slots_per_day(wrong)


def test_zones_by_name() -> None:
    assert zone("UTC") is UTC
    assert datetime(2026, 1, 1, tzinfo=zone("Europe/Berlin")).isoformat().endswith("+01:00")
    for wrong in ("Mars/Olympus", "../etc", ""):
        with pytest.raises(ConfigError, match="no time zone"):
            zone(wrong)
