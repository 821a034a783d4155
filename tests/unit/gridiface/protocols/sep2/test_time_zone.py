"""Local time as the Time resource tells it, over the changes of a year."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from gridiface.protocols.sep2.time_zone import LocalOffsets, offsets_at


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("zone", "at", "expected"),
    [
        ("UTC", "2027-06-01T00:00Z", LocalOffsets(0, 0, 0, 0)),
        ("Asia/Tokyo", "2027-06-01T00:00Z", LocalOffsets(32_400, 0, 0, 0)),
        # In winter the period that comes, in summer the one that is.
        ("Europe/Berlin", "2027-01-15T00:00Z",
         LocalOffsets(3600, 3600, instant("2027-03-28T01:00Z"), instant("2027-10-31T01:00Z"))),
        ("Europe/Berlin", "2027-10-31T00:59:59Z",
         LocalOffsets(3600, 3600, instant("2027-03-28T01:00Z"), instant("2027-10-31T01:00Z"))),
        ("Europe/Berlin", "2027-10-31T01:00Z",
         LocalOffsets(3600, 3600, instant("2028-03-26T01:00Z"), instant("2028-10-29T01:00Z"))),
        ("America/Los_Angeles", "2027-07-01T00:00Z",
         LocalOffsets(-28_800, 3600, instant("2027-03-14T10:00Z"), instant("2027-11-07T09:00Z"))),
        # South of the equator the period goes over the new year.
        ("Australia/Adelaide", "2027-01-15T00:00Z",
         LocalOffsets(34_200, 3600, instant("2026-10-03T16:30Z"), instant("2027-04-03T16:30Z"))),
        ("Australia/Lord_Howe", "2027-06-15T00:00Z",
         LocalOffsets(37_800, 1800, instant("2027-10-02T15:30Z"), instant("2028-04-01T15:00Z"))),
    ],
)  # fmt: skip
def test_offsets_and_the_period_of_daylight_saving(zone: str, at: str, expected: LocalOffsets) -> None:
    assert offsets_at(zone, instant(at)) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Europe/Dublin", "America/St_Johns", "Australia/Lord_Howe", "UTC"])
def test_local_time_is_what_clocks_show_at_every_hour_of_two_years(zone: str) -> None:
    first = instant("2026-11-01T00:00Z")
    for second in range(first, first + 2 * 365 * 86_400, 3_600):
        shown = datetime.fromtimestamp(second, ZoneInfo(zone)).replace(tzinfo=ZoneInfo("UTC")).timestamp()
        assert offsets_at(zone, second).at(second) == int(shown), second


def test_an_unknown_zone() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        offsets_at("Europe/Nowhere", 0)
