"""Settlement rows against tables computed by hand, and sums that add up."""

from __future__ import annotations

import math
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.aggregation.settlement.calendar import Calendar
from gridiface.aggregation.settlement.rows import SettlementEvent, SettlementRow, settle, totals
from gridiface.aggregation.settlement.series import BAD, ESTIMATED, GOOD, MeterSeries
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError

CALENDAR = Calendar(tz=ZoneInfo("America/Los_Angeles"))
DAY = date(2026, 7, 22)  # a Wednesday
MIDNIGHT = CALENDAR.start(DAY)
HOUR = 3600.0


def meter(name: str, usual_w: float, today: dict[int, float], *, days: int = 45, quality: int = GOOD) -> MeterSeries:
    """Hours of `usual_w` on every day before, and on the day itself but for the hours given."""
    w = np.full((days + 1) * 24, usual_w)
    for hour, value in today.items():
        w[days * 24 + hour] = value
    codes = np.where(np.isfinite(w), quality, BAD).astype(np.uint8)
    return MeterSeries(name, CALENDAR.start(DAY - timedelta(days=days)), HOUR, w, codes)


def event(**changes: object) -> SettlementEvent:
    fields = {"id": "ev-7", "start": MIDNIGHT + 16 * HOUR, "end": MIDNIGHT + 18 * HOUR, **changes}
    return SettlementEvent(**fields)  # type: ignore[arg-type] - fields by name


def test_golden_table() -> None:
    # House: 3000 W of load each hour of the 10 like days -> baseline -3000 W, and 12-15 h as usual: factor 1.
    # 16 h: 1200 W drawn -> delivered -1200 - (-3000) = 1800 W; committed 2000 W -> 1800 / 2000 = 0.90
    # 17 h: 500 W drawn -> delivered -500 + 3000 = 2500 W; 2500 / 2000 = 1.25
    house = meter("house", -3000.0, {16: -1200.0, 17: -500.0})
    # Battery, meter-before: charges with 1000 W at 15 h -> baseline -1000 W.
    # 16 h: discharges 4000 W -> 4000 + 1000 = 5000 W, committed 5000 -> 1.0; 17 h: 2500 + 1000 = 3500 -> 0.7
    battery = meter("battery", 0.0, {15: -1000.0, 16: 4000.0, 17: 2500.0})
    rows = settle(
        event(committed_w={"house": 2000.0, "battery": [5000.0, 5000.0]}, methods={"battery": "meter-before-after"}),
        [house, battery],
        calendar=CALENDAR,
    )
    shown = [
        (r.resource_id, r.baseline_w, r.metered_w, r.delivered_w, r.committed_w, r.performance, r.method) for r in rows
    ]
    assert shown == [
        ("battery", -1000.0, 4000.0, 5000.0, 5000.0, 1.0, "meter-before-after"),
        ("battery", -1000.0, 2500.0, 3500.0, 5000.0, 0.7, "meter-before-after"),
        ("house", -3000.0, -1200.0, 1800.0, 2000.0, 0.9, "10-of-10"),
        ("house", -3000.0, -500.0, 2500.0, 2000.0, 1.25, "10-of-10"),
    ]
    assert {row.quality for row in rows} == {Quality.GOOD}
    assert [row.start for row in rows[:2]] == [MIDNIGHT + 16 * HOUR, MIDNIGHT + 17 * HOUR]
    # Sums: battery 5000 + 3500 = 8500 Wh of 10000 Wh = 0.85; house 1800 + 2500 = 4300 of 4000 = 1.075;
    # together 12800 Wh of 14000 Wh.
    by_resource = {total.key: total for total in totals(rows, "resource")}
    assert by_resource["battery"].delivered_wh == 8500.0
    assert by_resource["battery"].performance == 0.85
    assert by_resource["house"].performance == 1.075
    (whole,) = totals(rows, "event")
    assert (whole.delivered_wh, whole.committed_wh) == (12_800.0, 14_000.0)
    assert whole.performance == pytest.approx(12_800 / 14_000)
    assert [total.delivered_wh for total in totals(rows, "interval")] == [6800.0, 6000.0]


def test_golden_adjustment_inside_an_event() -> None:
    # Usual 1000 W, on the day 1150 W from 12 to 15 h: factor 1.15, baseline 1150 W; 650 W drawn: 500 W delivered.
    hot = meter("m", -1000.0, {12: -1150.0, 13: -1150.0, 14: -1150.0, 16: -650.0, 17: -650.0})
    rows = settle(event(), [hot], calendar=CALENDAR)
    assert [row.baseline_w for row in rows] == pytest.approx([-1150.0, -1150.0])
    assert [row.delivered_w for row in rows] == pytest.approx([500.0, 500.0])
    assert [row.performance for row in rows] == [None, None]


@pytest.mark.parametrize(
    ("hours", "others", "base", "quality"),
    [
        # The window is 12 to 15 h: 1000 + 3000 + 3000 W of 9000 W is 0.78, clipped to 0.8.
        ([12], [], -2400.0, Quality.GOOD),
        ([12], [(12, 13)], -3000.0, Quality.GOOD),  # the two hours that are left show 3000 W
        ([12, 13], [(12, 14)], -3000.0, Quality.ESTIMATED),  # one hour of three is not enough
        ([12], [(12.5, 12.75)], -3000.0, Quality.GOOD),  # a part of an hour is not as usual, either
        ([12, 13], [(12.75, 13.25)], -3000.0, Quality.ESTIMATED),
        ([12], [(36, 37), (-12, -11)], -2400.0, Quality.GOOD),  # another day's hours are not this day's
    ],
)
def test_hours_of_another_event_of_the_day_do_not_count_in_the_adjustment(
    hours: list[int], others: list[tuple[float, float]], base: float, quality: Quality
) -> None:
    house = meter("house", -3000.0, dict.fromkeys(hours, -1000.0))
    spans = [(MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR) for start, end in others]
    rows = settle(event(), [house], calendar=CALENDAR, own_events={"house": spans})
    assert [row.baseline_w for row in rows] == [pytest.approx(base)] * 2
    assert {row.quality for row in rows} == {quality}


def test_earlier_event_days_do_not_count() -> None:
    house = meter("m", -1000.0, {16: -400.0})
    yesterday = DAY - timedelta(days=1)
    house.w[(44 * 24) + 16 : (44 * 24) + 18] = 0.0  # yesterday was an event, too
    with_it = settle(event(), [house], calendar=CALENDAR)
    without = settle(event(), [house], calendar=CALENDAR, event_days=frozenset({yesterday}))
    # With it nine days of 1000 W and one of 0: 900 W.
    assert with_it[0].baseline_w == pytest.approx(-900.0)
    assert without[0].baseline_w == pytest.approx(-1000.0)


def test_what_is_missing_is_not_known_and_not_summed() -> None:
    rows = settle(event(committed_w={"m": 100.0}), [meter("m", -1000.0, {16: float("nan")})], calendar=CALENDAR)
    assert (rows[0].metered_w, rows[0].delivered_w, rows[0].performance) == (None, None, None)
    assert rows[0].quality is Quality.BAD
    (total,) = totals(rows, "event")
    # 200 Wh committed in all; one row of two is settled, and it delivered nothing of its 100 Wh.
    assert (total.settled, total.rows, total.coverage, total.committed_wh) == (1, 2, 0.5, 200.0)
    assert (total.delivered_wh, total.performance) == (0.0, 0.0)


def test_an_event_over_midnight_takes_each_days_own_slots() -> None:
    night = meter("m", -1000.0, {})
    day_after = np.concatenate([night.w, np.full(24, -700.0)])
    long = MeterSeries("m", night.start, HOUR, day_after, np.zeros(day_after.size, dtype=np.uint8))
    over = event(start=MIDNIGHT + 23 * HOUR, end=MIDNIGHT + 25 * HOUR)
    rows = settle(over, [long], calendar=CALENDAR)
    assert [row.delivered_w for row in rows] == pytest.approx([0.0, 300.0])


def test_intervals_inside_only_and_coarser_settlement_intervals() -> None:
    rows = settle(
        event(start=MIDNIGHT + 15.5 * HOUR, end=MIDNIGHT + 17.5 * HOUR), [meter("m", -1.0, {})], calendar=CALENDAR
    )
    assert [row.start for row in rows] == [MIDNIGHT + 16 * HOUR]


def test_finer_meters_are_settled_on_the_coarser_interval() -> None:
    hourly = meter("m", -1000.0, {16: -200.0, 17: -400.0})
    halves = np.repeat(hourly.w, 2) + np.tile([100.0, -100.0], hourly.w.size)
    half_hourly = MeterSeries("m", hourly.start, HOUR / 2, halves, np.zeros(halves.size, dtype=np.uint8))
    rows = settle(event(interval_s=HOUR), [half_hourly], calendar=CALENDAR)
    # (-100 - 300) / 2 = -200 and (-300 - 500) / 2 = -400, against -1000 W.
    assert [row.delivered_w for row in rows] == pytest.approx([800.0, 600.0])


@pytest.mark.parametrize(("zone", "finest"), [("Asia/Kolkata", HOUR / 2), ("Asia/Kathmandu", HOUR / 4)])
@pytest.mark.parametrize("hourly", [True, False])
def test_hours_are_those_of_the_local_day_where_that_is_not_a_whole_number_of_hours_off(
    zone: str, finest: float, hourly: bool
) -> None:
    calendar = Calendar(tz=ZoneInfo(zone))
    midnight = calendar.start(DAY)
    by_hour = meter("m", -1000.0, {16: -200.0, 17: -400.0})
    step = HOUR if hourly else finest
    w = np.repeat(by_hour.w, round(HOUR / step))
    series = MeterSeries("m", calendar.start(DAY - timedelta(days=45)), step, w, np.zeros(w.size, dtype=np.uint8))
    rows = settle(
        event(start=midnight + 16 * HOUR, end=midnight + 18 * HOUR, interval_s=HOUR), [series], calendar=calendar
    )
    assert [(row.start - midnight) / HOUR for row in rows] == [16, 17]
    assert [row.delivered_w for row in rows] == pytest.approx([800.0, 600.0])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"end": MIDNIGHT + 16.5 * HOUR}, "holds 0 whole intervals"),
        ({"end": MIDNIGHT + 1e9}, "must hold 1 to"),
        ({"method": "10-of-11"}, "no baseline method"),
        ({"committed_w": {"x": 1.0}}, "commitments without meter data: x"),
        ({"committed_w": {"m": [1.0]}}, "1 commitments for 2 intervals"),
        ({"interval_s": 5000.0}, "cannot be turned"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        settle(event(**changes), [meter("m", -1.0, {})], calendar=CALENDAR)


def test_a_meter_twice_is_refused_and_none_gives_no_rows() -> None:
    with pytest.raises(ConfigError, match="given twice"):
        settle(event(), [meter("m", -1.0, {}), meter("m", -1.0, {})], calendar=CALENDAR)
    assert settle(event(), [], calendar=CALENDAR) == ()


powers = st.none() | st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), powers, powers, powers), max_size=24))
def test_sums_add_up_whichever_way(values: list[tuple[int, int, float | None, float | None, float | None]]) -> None:
    rows = [
        SettlementRow(
            event_id="e",
            resource_id=f"r{resource}",
            start=900.0 * at,
            end=900.0 * (at + 1),
            baseline_w=base,
            metered_w=metered,
            delivered_w=None if base is None or metered is None else metered - base,
            committed_w=committed,
            quality=Quality.GOOD,
            method="10-of-10",
        )
        for resource, at, base, metered, committed in values
    ]
    whole = totals(rows, "event")
    for by in ("resource", "interval"):
        parts = totals(rows, by)  # type: ignore[arg-type] - one of its literals
        assert sum(part.rows for part in parts) == len(rows)
        for name in ("baseline_wh", "metered_wh", "delivered_wh"):
            total = math.fsum(getattr(part, name) for part in whole)
            assert math.fsum(getattr(part, name) for part in parts) == pytest.approx(total, abs=1e-6)
    for part in whole:
        assert part.delivered_wh == pytest.approx(part.metered_wh - part.baseline_wh, abs=1e-6)


def test_rows_say_why_they_are_estimates_or_have_no_baseline() -> None:
    nan = math.nan
    full = [nan] * 24

    def why(one: MeterSeries, **changes: object) -> list[tuple[Quality, str]]:
        rows = settle(
            event(**changes), [one], calendar=CALENDAR, own_events={"m": [(MIDNIGHT, MIDNIGHT + 15.5 * HOUR)]}
        )
        return [(row.quality, row.reason) for row in rows]

    # 5 days back there are three working days, 10 days back seven.
    assert why(meter("a", -1000.0, {16: -500.0, 17: nan}, days=5)) == [
        (Quality.BAD, "3 like days are known well enough, 5 are needed"),
        (Quality.BAD, "3 like days are known well enough, 5 are needed; nothing is metered"),
    ]
    few = "it rests on 7 of 10 like days"
    assert why(meter("a", -1000.0, {}, days=10)) == [(Quality.ESTIMATED, few)] * 2
    unadjusted = dict(enumerate(full[:16]))
    assert why(meter("a", -1000.0, unadjusted)) == [(Quality.ESTIMATED, "no same-day adjustment")] * 2
    both = f"{few}; no same-day adjustment"
    assert why(meter("a", -1000.0, unadjusted, days=10)) == [(Quality.ESTIMATED, both)] * 2
    rough = meter("a", -1000.0, {}, quality=ESTIMATED)
    rests = "what its baseline rests on is estimated, or missing in part; what is metered is estimated"
    assert why(rough) == [(Quality.ESTIMATED, rests)] * 2
    flat = {"method": "meter-before-after"}
    assert why(meter("a", 0.0, {15: nan}), **flat) == [
        (Quality.BAD, "less than 50% of the 15 min before are known")
    ] * 2  # fmt: skip
    assert why(meter("m", 0.0, {}), **flat) == [(Quality.ESTIMATED, "its level before lies in another event")] * 2
    assert why(meter("a", 0.0, {}), **flat) == [(Quality.GOOD, "")] * 2
