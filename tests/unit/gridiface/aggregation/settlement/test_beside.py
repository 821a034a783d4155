"""What settlements of other events say to one: days and times that are not as usual."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from gridiface.aggregation.settlement import Calendar, Settlement, SettlementRow, event_days, event_times
from gridiface.domain.telemetry import Quality

#: 2026-07-22 16:00 UTC; in Tokyo it is 01:00 of the 23rd.
FOUR = 1_784_736_000.0


def row(start: float, resource: str = "a", **changes: Any) -> SettlementRow:
    values: dict[str, Any] = {
        **dict.fromkeys(("baseline_w", "metered_w", "delivered_w", "committed_w")),
        **{"event_id": "ev", "resource_id": resource, "start": start, "end": start + 900.0},
        **{"quality": Quality.GOOD, "method": "10-of-10"},
    }
    return SettlementRow(**values | changes)


def settled(*rows: SettlementRow) -> list[Settlement]:
    return [Settlement(event_id="ev", revision=1, computed=0.0, final=False, rows=rows)]


def test_days_are_those_of_the_place_and_of_who_took_part() -> None:
    found = settled(row(FOUR), row(FOUR, "b", eligible=0.0), row(FOUR, "stranger"), row(FOUR - 9e6))
    tokyo = Calendar(tz=ZoneInfo("Asia/Tokyo"))
    assert event_days(found, {"a", "b"}, FOUR - 1e6, tokyo) == {"a": {date(2026, 7, 23)}}
    assert event_days(found, {"a"}, 0.0, Calendar()) == {"a": {date(2026, 7, 22), date(2026, 4, 9)}}


def test_times_are_those_nearby() -> None:
    found = settled(row(FOUR), row(FOUR + 900.0), row(FOUR - 3 * 86_400.0), row(FOUR, "b", eligible=0.0))
    assert event_times(found, {"a", "b"}, FOUR + 3600.0) == {"a": [(FOUR, FOUR + 900.0), (FOUR + 900.0, FOUR + 1800.0)]}
