"""Date-times and durations (rule 1)."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.openadr.times import (
    LONGEST,
    CalendarDuration,
    after,
    is_too_long,
    parse_date_time,
    parse_duration,
    render_date_time,
    render_duration,
)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-11-21T02:03:04Z", 1795226584.0),
        ("2026-11-21T02:03:04.5Z", 1795226584.5),
        ("2026-11-21T02:03:04.284030Z", 1795226584.28403),
        ("2026-11-21T02:03:04.Z", 1795226584.0),
        (" 2026-11-21T02:03:04 ", 1795226584.0),
        ("+2026-11-21T02:03:04Z", 1795226584.0),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("2026-11-21T02:03:04+00:00", 1795226584.0),
        ("2026-11-21T02:03:04.000-00:00", 1795226584.0),
        ("2026-11-20T24:00:00Z", 1795219200.0),
        ("2026-12-31T24:00:00.00Z", 1798761600.0),
    ],
)
def test_date_times_that_are_read(text, instant):
    assert parse_date_time(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T02:03:04+01:00",
        "2026-11-21T02:03:04Z+00:00",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:01Z",
        "2026-11-21T24:00:00.5Z",
        "9999-12-31T24:00:00Z",
        "2026-11-21T00:60:00Z",
        "-2026-11-21T02:03:04Z",
        "0000-11-21T02:03:04Z",
        "٢026-11-21T02:03:04Z",
    ],
)
def test_date_times_that_are_refused(text):
    with pytest.raises(ValueError, match="is"):
        parse_date_time(text)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_07_r1_written_date_times_end_in_z_and_read_back_to_the_millisecond(milliseconds):
    text = render_date_time(milliseconds / 1000)
    assert text.endswith("Z")
    assert parse_date_time(text) == milliseconds / 1000


@pytest.mark.parametrize("instant", [float("nan"), float("inf"), 1e18])
def test_what_is_no_instant_is_not_written(instant):
    with pytest.raises(ValueError, match=r"instant|convert"):
        render_date_time(instant)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0),
        ("P", 0),
        ("PT", 0),
        ("PT1H30M", 5400),
        ("P1DT2H", 93_600),
        ("P1H", 3600),
        ("-PT5M", -300),
        ("+PT5M", 300),
        ("2W", 1_209_600),
        ("P2W", 1_209_600),
        ("P0Y0M0DT0H5M0S", 300),
        ("P0Y0M0DT0H0M5.000S", 5),
        ("PT3600S", 3600),
        ("pt1h", 3600),
        ("P1Y2M3DT4H5M6S", 365 * 86_400 + 60 * 86_400 + 3 * 86_400 + 14_706),
    ],
)
def test_durations_that_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1H", "PT1.5S", "PT1H30", "P-1D", "PT1S1M", "one hour"])
def test_durations_that_are_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["P1001Y", "-P1001Y", "P99999999999Y", f"P{'9' * 40}W", "P999Y12M6D", "PT31536000001S"]
)
def test_a_duration_of_more_than_a_thousand_years_is_read_and_known_for_what_it_is(text):
    found = parse_duration(text)
    assert found == (-LONGEST - 1 if text.startswith("-") else LONGEST + 1)
    assert is_too_long(found)


@pytest.mark.parametrize("text", ["P1000Y", "-P1000Y", "PT31536000000S", "P0D"])
def test_a_thousand_years_are_not_too_long(text):
    assert not is_too_long(parse_duration(text))


@given(st.integers(-(10**9), 10**9))
def test_07_r1_written_durations_are_whole_and_read_back(seconds):
    text = render_duration(seconds)
    assert "." not in text
    assert parse_duration(text) == seconds


@given(st.integers(1, 1200), st.integers(0, 10**6), st.booleans())
def test_months_and_years_survive(months, seconds, negative):
    sign = -1 if negative else 1
    made = CalendarDuration(sign * months, sign * seconds)
    back = parse_duration(render_duration(made))
    assert isinstance(back, CalendarDuration)
    assert (back.months, back.exact, int(back)) == (made.months, made.exact, int(made))
    assert pickle.loads(pickle.dumps(made)).months == made.months


def test_half_a_second_and_mixed_signs_are_not_written():
    with pytest.raises(ValueError, match="whole"):
        render_duration(0.5)
    with pytest.raises(ValueError, match="signs"):
        render_duration(CalendarDuration(1, -5))


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-01-31T00:00:00Z", "P1M", "2026-02-28T00:00:00Z"),
        ("2024-02-29T12:00:00Z", "P1Y", "2025-02-28T12:00:00Z"),
        ("2026-12-15T00:00:00Z", "P1M1DT1H", "2027-01-16T01:00:00Z"),
        ("2026-03-01T00:00:00Z", "-P1M", "2026-02-01T00:00:00Z"),
        ("2026-03-01T00:00:00Z", "PT60S", "2026-03-01T00:01:00Z"),
    ],
)
def test_months_count_by_the_calendar(start, duration, end):
    assert after(parse_date_time(start), parse_duration(duration)) == parse_date_time(end)


def test_a_calendar_that_ends_is_no_crash():
    late = parse_date_time("9999-12-31T00:00:00Z")
    assert after(late, parse_duration("P1M")) == late + 30 * 86_400
    beyond = after(late, parse_duration("P1Y"))
    assert after(beyond, parse_duration("P1Y")) == beyond + 365 * 86_400


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    for parse in (parse_date_time, parse_duration):
        try:
            parse(text)
        except ValueError:
            continue
