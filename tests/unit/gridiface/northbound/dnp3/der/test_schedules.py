"""Schedules of the DER profile: what is valid, when it is due, repetition in all units."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.northbound.dnp3.der.schedules import Due, Validation, schedule_of, validate
from gridiface.northbound.dnp3.der.windows import Record
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.protocols.dnp3.points import PointType

POINTS = PointMap(profile("der"))
AO, BO = PointType.ANALOG_OUTPUT, PointType.BINARY_OUTPUT
DAY = 20_000  # 2024-10-04, a Friday
BASE = {
    "start_date": float(DAY), "start_time": 3600.0, "points": 2.0,
    "t1": 0.0, "a1": 2.0, "i1": 87.0, "v1": 500.0, "t2": 60.0, "a2": 1.0, "i2": 17.0, "v2": 1.0,
}  # fmt: skip
START = DAY * 86_400 + 3600.0


def record(**change):
    return Record(BASE | {name: float(value) for name, value in change.items()})


def starts(made, count, after=0.0):
    return [one for one, _ in zip(made.starts(after), range(count), strict=False)]


def test_one_run_has_its_entries_in_order():
    schedule = schedule_of(record(), simple=False)
    assert schedule.due(START - 1, START + 60) == [Due(START, AO, 87, 500.0), Due(START + 60, BO, 17, 1.0)]
    assert schedule.due(START, START + 59) == []
    assert schedule.next_after(START) == START + 60
    assert schedule.next_after(START + 60) is None
    assert [schedule.running(at) for at in (START - 1, START, START + 59, START + 60)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("unit", "interval", "second"),
    [
        (1, 90, START + 90),
        (2, 5, START + 300),
        (3, 2, START + 7200),
        (4, 1, START + 86_400),
        (5, 2, START + 14 * 86_400),
        (6, 1, datetime(2024, 11, 4, 1, tzinfo=UTC).timestamp()),
        (7, 1, datetime(2024, 11, 1, 1, tzinfo=UTC).timestamp()),  # the first Friday
        (8, 1, datetime(2024, 11, 8, 1, tzinfo=UTC).timestamp()),  # the fourth Friday from the end
    ],
)
def test_repetition(unit, interval, second):
    schedule = schedule_of(record(repeat=interval, repeat_unit=unit), simple=False)
    assert starts(schedule, 2) == [START, second]
    assert schedule.next_after(START + 60) == second


def test_a_day_that_a_month_does_not_have_is_left_out():
    first = datetime(2024, 1, 31, tzinfo=UTC).timestamp()
    schedule = schedule_of(record(start_date=first // 86_400, start_time=0, repeat=1, repeat_unit=6), simple=False)
    assert [datetime.fromtimestamp(at, UTC).month for at in starts(schedule, 4)] == [1, 3, 5, 7]


def test_days_of_the_week_alone_mean_every_such_day():
    schedule = schedule_of(record(monday=1, friday=1), simple=False)
    assert [datetime.fromtimestamp(at, UTC).strftime("%a") for at in starts(schedule, 4)] == ["Fri", "Mon"] * 2


def test_days_that_never_come_are_not_looked_for_without_end():
    schedule = schedule_of(record(repeat=1, repeat_unit=5, sunday=1), simple=False)
    assert schedule.next_after(START) is None


def test_the_stop_ends_it():
    schedule = schedule_of(record(repeat=1, repeat_unit=4, stop_date=DAY + 2, stop_time=3630), simple=False)
    assert [one.at for one in schedule.due(0, START + 1e7) if one.type is AO] == [
        START, START + 86_400, START + 2 * 86_400,
    ]  # fmt: skip
    assert schedule.due(START + 2 * 86_400, START + 1e7) == []


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, Validation.VALID),
        ({"points": 0}, Validation.BAD_POINTS),
        ({"points": 101}, Validation.BAD_POINTS),
        ({"t1": 61}, Validation.BAD_POINTS),
        ({"a1": 3}, Validation.UNKNOWN_OUTPUT),
        ({"i1": 9999}, Validation.UNKNOWN_OUTPUT),
        ({"i1": 32}, Validation.UNKNOWN_OUTPUT),  # exists, without meaning
        ({"i1": 244}, Validation.UNKNOWN_OUTPUT),  # no schedule edits a curve
        ({"v1": 1001}, Validation.BAD_VALUE),
        ({"v2": 2}, Validation.BAD_VALUE),
        ({"i1": 4, "v1": 1}, Validation.VALID),  # the sign convention can be this one only
        ({"i1": 4, "v1": 2}, Validation.BAD_VALUE),
        ({"i2": 1, "v2": 0}, Validation.BAD_VALUE),  # off means nothing to a start command
        ({"start_date": 0, "start_time": 0}, Validation.BAD_TIMES),
        ({"start_date": 2_147_483_647}, Validation.BAD_TIMES),
        ({"stop_date": DAY, "stop_time": 3600}, Validation.BAD_TIMES),
        ({"repeat": 1}, Validation.BAD_REPETITION),
        ({"repeat_unit": 4}, Validation.BAD_REPETITION),
    ],
)
def test_validation(change, state):
    assert validate(record(**change), POINTS, simple=False) is state


def test_the_older_form_has_one_type_and_milliseconds():
    simple = Record({"type": 14.0, "points": 2.0, "start_date": float(DAY), "start_time": 3_600_000.0,
                     "t2": 30.0, "v1": -500.0, "v2": 500.0})  # fmt: skip
    assert validate(simple, POINTS, simple=True) is Validation.VALID
    schedule = schedule_of(simple, simple=True)
    assert schedule.due(0, 1e12) == [Due(START, AO, 93, -500.0), Due(START + 30, AO, 93, 500.0)]
    assert validate(simple.with_value("type", 19.0), POINTS, simple=True) is Validation.UNKNOWN_OUTPUT


@settings(max_examples=60)
@given(
    st.integers(1, 8), st.integers(1, 400), st.sets(st.sampled_from(["monday", "sunday", "friday"])),
    st.lists(st.floats(0, 2e6), min_size=1, max_size=6),
)  # fmt: skip
def test_what_is_due_is_the_same_in_one_look_and_in_many(unit, interval, days, steps):
    schedule = schedule_of(record(repeat=interval * 997, repeat_unit=unit, **dict.fromkeys(days, 1)), simple=False)
    ends = sorted({START + step for step in steps})
    pieces, since = [], START - 1
    for end in ends:
        pieces += schedule.due(since, end)
        since = end
    assert pieces == schedule.due(START - 1, ends[-1])
