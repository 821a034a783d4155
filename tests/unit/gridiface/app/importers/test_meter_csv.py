"""Meter data as CSV: columns, zones, clock changes, duplicates, gaps, caps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.settlement.series import BAD, ESTIMATED, GOOD
from gridiface.app.importers import CsvForm, MeterImport, meter_csv, parse_meter_csv
from gridiface.app.importers.meter_csv import rows_of
from gridiface.errors import ConfigError

PATH = Path("m.csv")
BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str, **form: object) -> MeterImport:
    return parse_meter_csv(text.encode(), PATH, CsvForm(**form))  # type: ignore[arg-type] - fields by name


def test_golden_file() -> None:
    found = read(
        "meter,time,kwh,quality,remark\n"
        "a,2026-07-01T00:00:00Z,0.25,good,x\n"
        "a,2026-07-01T00:15:00Z,0.5,estimated,\n"
        "b,2026-07-01T02:00:00+02:00,1,,\n"
        "b,2026-07-01T02:15:00+02:00,-1,bad,\n"
    )
    a, b = found.series
    # 0.25 kWh in a quarter hour are 1 kW; consumption is negative here.
    assert a.w.tolist() == [-1000.0, -2000.0]
    assert a.quality.tolist() == [GOOD, ESTIMATED]
    assert a.start == b.start == datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert b.w[0] == -4000.0
    assert b.quality.tolist() == [GOOD, BAD]
    assert (found.rows, found.missing) == (4, 1)
    assert found.notes == ("columns not read: remark", "energies of 900 s became mean powers")


@pytest.mark.parametrize("between", [";", "\t", "|"])
def test_a_spreadsheet_whose_decimal_mark_is_a_comma(between: str) -> None:
    text = "meter;time;kw\na;2026-07-01T00:00:00Z;1,5\na;2026-07-01T00:15:00Z;-2\na;2026-07-01T00:30:00Z;0.25\n"
    (one,) = read(text.replace(";", between)).series
    assert one.w.tolist() == [-1500.0, 2000.0, -250.0]
    with pytest.raises(ConfigError, match=r"m.csv:2: '1,234,5' is no number"):
        read("meter;time;kw\na;2026-07-01T00:00:00Z;1,234,5\n")


def test_a_meter_is_named_in_printable_characters() -> None:
    with pytest.raises(ConfigError, match=r"m\.csv:2: .* printable"):
        read("meter,time,kw\nm\0,2026-07-01T00:00:00Z,1\n")


def test_signs_stamps_and_units() -> None:
    text = "time,kw\n2026-07-01T00:15Z,2\n2026-07-01T00:30Z,3\n"
    found = read(text, meter_id="m", positive="delivery", stamp="end")
    assert found.series[0].w.tolist() == [2000.0, 3000.0]
    assert found.series[0].start == datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert read("time,W\n2026-07-01T00:15Z,2\n", meter_id="m", interval_s=900).series[0].w.tolist() == [-2.0]


def local_day(day: str, hours: list[str]) -> str:
    return "time,w\n" + "".join(f"{day}T{hour},{number}\n" for number, hour in enumerate(hours))


def test_the_hour_that_comes_twice() -> None:
    hours = ["00:00", "01:00", "02:00", "02:00", "03:00"]
    found = read(local_day("2026-10-25", hours), meter_id="m", tz=BERLIN, positive="delivery")
    series = found.series[0]
    # 00:00 in Berlin is 22:00 UTC the day before; five hours follow each other without a gap.
    assert series.start == datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()
    assert series.w.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert (found.duplicates, found.conflicts) == (0, 0)


def test_the_hour_that_comes_twice_with_end_stamps() -> None:
    # Ends: 01:00, 02:00, then 03:00 twice, 04:00.
    hours = ["01:00", "02:00", "03:00", "03:00", "04:00"]
    found = read(local_day("2026-10-25", hours), meter_id="m", tz=BERLIN, positive="delivery", stamp="end")
    assert found.series[0].start == datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()
    assert found.series[0].w.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_the_hour_that_does_not_exist() -> None:
    skipped = local_day("2026-03-29", ["00:00", "01:00", "03:00", "04:00"])
    found = read(skipped, meter_id="m", tz=BERLIN, positive="delivery")
    assert found.series[0].w.tolist() == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(ConfigError, match=r"m\.csv:3: .* does not exist in Europe/Berlin; clocks went forward"):
        read(local_day("2026-03-29", ["01:00", "02:00"]), meter_id="m", tz=BERLIN)


def test_duplicates_are_dropped_and_of_conflicts_the_later_counts() -> None:
    found = read(
        "meter,time,w\na,2026-07-01T00:00Z,1\na,2026-07-01T00:00Z,1\na,2026-07-01T00:15Z,2\na,2026-07-01T00:15Z,5\n",
        positive="delivery",
    )
    assert (found.duplicates, found.conflicts) == (1, 1)
    assert found.series[0].w.tolist() == [1.0, 5.0]


def test_gaps_are_listed() -> None:
    lines = [f"a,2026-07-01T{hour:02}:00Z,{hour}" for hour in (0, 1, 2, 5, 6)]
    found = read("meter,time,w\n" + "\n".join(lines) + "\na,2026-07-01T07:00Z,\na,2026-07-01T08:00Z,1\n")
    gaps = [(datetime.fromtimestamp(gap.start, UTC).hour, gap.intervals) for gap in found.gaps]
    # 3 and 4 are not in the file, 7 is empty.
    assert gaps == [(3, 2), (7, 1)]
    assert found.missing == 3


@pytest.mark.parametrize(
    ("text", "form", "wrong"),
    [
        ("", {}, "m.csv:1: no values"),
        ("meter,time,w\n", {}, "no values"),
        ("a,b\n", {}, "m.csv:1: the columns are not those"),
        ("meter,time,w,kw\n", {}, "the columns are not those"),
        ("meter:time:w\n", {}, "m.csv:1: the first line holds one column alone; separate columns by commas, semi"),
        ("time,w\n", {}, "no column `meter`"),
        ("meter,time,w,time\n", {}, "a column stands twice"),
        ("meter,time,w\na,2026-07-01T00:00Z\n", {}, "m.csv:2: 2 fields for 3 columns"),
        ("meter,time,w\n,2026-07-01T00:00Z,1\n", {}, "no meter"),
        ("meter,time,w\na,yesterday,1\n", {}, "m.csv:2: 'yesterday' is no time"),
        ("meter,time,w\na,2026-07-01T00:00,1\n", {}, "a time without offset or zone"),
        ("meter,time,w\na,0001-01-01T00:00,1\n", {"tz": BERLIN}, "the year 1 is out of range"),
        ("meter,time,w\na,2026-07-01T00:00Z,1 kW\n", {}, "is no number"),
        ("meter,time,w\na,2026-07-01T00:00Z,inf\n", {}, "out of range"),
        ("meter,time,w\na,2026-07-01T00:00Z,nan\n", {}, "out of range"),
        ("meter,time,w,quality\na,2026-07-01T00:00Z,1,fine\n", {}, "is no quality; use good, stale"),
        ("meter,time,w\na,2026-07-01T00:00Z,1\n", {}, "says nothing of its interval"),
        ('meter,time,w\n"a,2026', {}, "not valid CSV"),
        ("meter,time,w\na,2026-07-01T00:00Z,1\na,2026-07-01T00:07Z,1\n", {}, "does not divide a day"),
        (
            "meter,time,w\na,2026-07-01T00:00Z,1\na,2026-07-01T01:00Z,1\na,2026-07-01T01:30Z,1\na,2026-07-01T02:30Z,1\n",
            {},
            "not on the grid",
        ),
        ("meter,time,w\na,2026-07-01T00:00Z,1\na,2026-07-01T00:01Z,1\na,2926-07-01T00:01Z,1\n", {}, "is a date wrong?"),
    ],
)
def test_mistakes_name_line_and_fix(text: str, form: dict[str, object], wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, **form)
    assert wrong in str(caught.value)


def test_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "meter,time,w\na,2026-07-01T00:00Z,1\nb,2026-07-01T00:15Z,1\n"
    monkeypatch.setattr(meter_csv, "MOST_ROWS", 1)
    with pytest.raises(ConfigError, match=r"m\.csv:3: more than 1 values"):
        read(text)
    monkeypatch.setattr(meter_csv, "MOST_ROWS", 10)
    monkeypatch.setattr(meter_csv, "MOST_METERS", 1)
    with pytest.raises(ConfigError, match="more than 1 meters"):
        read(text)


@given(st.lists(st.floats(-1e9, 1e9) | st.none(), min_size=2, max_size=30))
def test_what_is_written_is_read_again(values: list[float | None]) -> None:
    start = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    stamps = [datetime.fromtimestamp(start + 900 * at, UTC).isoformat() for at in range(len(values))]
    rows = (f"a,{at},{'' if value is None else repr(value)}" for at, value in zip(stamps, values, strict=True))
    first = read("meter,time,w\n" + "\n".join(rows), interval_s=900.0)
    text = "\n".join(",".join(row) for row in rows_of(first)) + "\n"
    if all(value is None for value in values):
        return
    again = read(text, interval_s=900.0, positive="delivery")
    known = np.isfinite(first.series[0].w)
    np.testing.assert_array_equal(again.series[0].w[np.isfinite(again.series[0].w)], first.series[0].w[known])


@given(st.binary(max_size=200), st.booleans())
def test_any_octets_give_data_or_an_error(data: bytes, header: bool) -> None:
    whole = b"meter,time,w\na,2026-07-01T00:00Z,1\na,2026-07-01T00:15Z," + data if header else data
    try:
        found = parse_meter_csv(whole, PATH, CsvForm(tz=BERLIN))
    except ConfigError:
        return
    assert found.series


@given(st.text(alphabet="0123456789-T:+Z .", max_size=24), st.sampled_from(["start", "end"]))
def test_any_time_gives_data_or_an_error(time: str, stamp: str) -> None:
    try:
        found = read(f"meter,time,w\na,{time},1\n", tz=BERLIN, interval_s=60.0, stamp=stamp)
    except ConfigError:
        return
    assert found.rows == 1
