"""Calendars as spans: days, nights, zones, the hour that is missing in March."""

from __future__ import annotations

import datetime as dt

from gridiface.northbound.openadr.ven_calendar import Calendar, Calendars, grouped, merged, renew, spans_of
from gridiface.protocols.openadr.ven import SampleMemory, Ven, VenConfig, Verdict

#: Wednesday, 2027-03-24 12:00 UTC.
NOW = dt.datetime(2027, 3, 24, 12, tzinfo=dt.UTC).timestamp()
HOUR = 3600


def test_days_of_the_week_at_local_time() -> None:
    calendar = Calendar(days=frozenset({3}), start=dt.time(8), end=dt.time(10), zone="Europe/Berlin")
    first, second = spans_of(calendar, NOW)
    assert dt.datetime.fromtimestamp(first[0], dt.UTC) == dt.datetime(2027, 3, 25, 7, tzinfo=dt.UTC)
    # A week later the clocks have changed.
    assert dt.datetime.fromtimestamp(second[0], dt.UTC) == dt.datetime(2027, 4, 1, 6, tzinfo=dt.UTC)
    assert (first[1], second[1]) == (2 * HOUR, 2 * HOUR)


def test_a_night_ends_on_the_next_day_and_the_running_one_is_there() -> None:
    night = Calendar(start=dt.time(22), end=dt.time(14), zone="UTC")
    first = spans_of(night, NOW)[0]
    assert first == (NOW - 14 * HOUR, 16 * HOUR)
    assert spans_of(night, NOW + 2 * HOUR)[0] == (NOW + 10 * HOUR, 16 * HOUR)


def test_the_day_that_has_23_hours() -> None:
    sunday = Calendar(days=frozenset({6}), zone="Europe/Berlin")
    assert spans_of(sunday, NOW)[0][1] == 23 * HOUR


def test_spans_that_touch_become_one() -> None:
    morning = Calendar(days=frozenset({4}), start=dt.time(6), end=dt.time(9))
    noon = Calendar(days=frozenset({4}), start=dt.time(9), end=dt.time(12))
    friday = dt.datetime(2027, 3, 26, 6, tzinfo=dt.UTC).timestamp()
    assert merged([noon, morning], NOW)[0] == (friday, 6 * HOUR)
    whole = merged([Calendar()], NOW)
    assert len(whole) == 1


def test_what_would_replace_each_other_goes_together() -> None:
    one, two = Calendar(start=dt.time(1)), Calendar(start=dt.time(2))
    other = Calendar(resources=("site",))
    assert [len(members) for members in grouped([one, two, other]).values()] == [2, 1]


def ven() -> Ven:
    made = map(str, range(99)).__next__
    return Ven(VenConfig(name="v"), lambda *_: Verdict("optIn"), SampleMemory(), made, lambda: 0.0)


def test_calendars_are_renewed_once_a_day_also_when_the_clock_is_set_back() -> None:
    core, calendars = ven(), Calendars([Calendar(start=dt.time(22), end=dt.time(6))])

    def first(now: float) -> float:
        calendars.look(core, now)
        (made,) = core.schedules.values()
        return made.spans[0][0]

    assert first(NOW + 30 * 86_400) == NOW + 30 * 86_400 + 10 * HOUR  # a clock that is a month ahead
    assert first(NOW) == NOW + 10 * HOUR
    assert first(NOW + 11 * HOUR) == NOW + 10 * HOUR
    assert first(NOW + 36 * HOUR) == NOW + 34 * HOUR


def test_schedules_follow_the_calendars_and_leave_others_alone() -> None:
    core = ven()
    by_hand = core.add_opt_schedule("optIn", [(NOW + 1e7, 60)], NOW)
    night = Calendar(start=dt.time(22), end=dt.time(6))
    again = renew(core, [night], NOW)
    assert 0 < again - NOW <= 86_400
    (made,) = [schedule for schedule in core.schedules.values() if schedule.calendar]
    assert (made.opt, len(made.spans)) == ("optOut", 14)
    renew(core, [night], NOW)
    assert [schedule.optID for schedule in core.schedules.values() if schedule.calendar] == [made.optID]
    renew(core, [night], NOW + 86_400)
    (later,) = [schedule for schedule in core.schedules.values() if schedule.calendar]
    assert later.optID != made.optID
    renew(core, [], NOW)
    assert list(core.schedules) == [by_hand]
