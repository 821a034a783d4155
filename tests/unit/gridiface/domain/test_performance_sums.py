"""Sums of performance over a span, against figures worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.performance import LimitAccount, PerformanceInterval
from gridiface.domain.performance_sums import LimitFigures, ResponseTimes, Summed, Totals
from gridiface.domain.telemetry import Quality


def part(start: float, end: float, control: str = "c1", **more: Any) -> PerformanceInterval:
    """An interval in which 3600 W were asked, promised, told and acknowledged: 1 Wh each second."""
    powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"), 3600.0)
    return PerformanceInterval(
        **{"control_id": control, "target_id": "g", "start": start, "end": end, **powers, **more}
    )


def summed(*parts: PerformanceInterval, start: float = 0.0, end: float = 100.0) -> Totals:
    made = Summed(start, end)
    for one in parts:
        made.add(one)
    return made.totals()


def test_energies_of_intervals_that_the_span_cuts() -> None:
    # 5 of 10 s before, 10 s within, 2 of 10 s after: 17 s; beside it: nothing.
    found = summed(part(-5, 5), part(10, 20), part(98, 108), part(-20, 0), part(100, 110, "c2"))
    assert (found.seconds, found.controls) == (17.0, 1)
    assert found.requested_wh == found.accepted_wh == found.allocated_wh == pytest.approx(17.0)
    assert found.acknowledged_wh == found.delivered_wh == pytest.approx(17.0)
    assert (found.tracking_error, found.availability, found.acknowledged) == (0.0, 1.0, 1.0)


def test_what_was_delivered_counts_for_the_known_part_alone() -> None:
    # 10 s half known at 1800 W: 2.5 Wh; 10 s of which nothing is known.
    half = part(0, 10, delivered_w=1800.0, known=0.5, quality=Quality.ESTIMATED)
    found = summed(half, part(10, 20, delivered_w=None, known=0.0, quality=Quality.BAD))
    assert found.delivered_wh == pytest.approx(2.5)
    assert found.availability == pytest.approx(0.25)
    assert found.quality is Quality.BAD
    # Missed 1800 W of 3600 W while known.
    assert found.tracking_error == pytest.approx(0.5)


def test_tracking_error_does_not_let_one_interval_make_up_for_another() -> None:
    # 10 s at +10 % and 30 s at -20 %, of which the signs are the other way round: (360*10 + 720*30)/(3600*40).
    found = summed(part(0, 10, delivered_w=3960.0), part(10, 40, requested_w=-3600.0, delivered_w=-2880.0))
    assert found.tracking_error == pytest.approx((360 * 10 + 720 * 30) / (3600 * 40))
    assert found.requested_wh == pytest.approx(10 - 30)


def test_what_was_delivered_where_nothing_was_asked_is_an_error_beside_what_was() -> None:
    nothing = part(0, 10, requested_w=0.0, delivered_w=360.0)
    assert summed(nothing).tracking_error is None
    assert summed(nothing, part(10, 20)).tracking_error == pytest.approx(0.1)


def test_the_acknowledged_part_is_of_energy_without_regard_to_sign() -> None:
    # 3600 W acknowledged, -3600 W not: a half; the net of what was allocated is nothing.
    found = summed(part(0, 10), part(10, 20, allocated_w=-3600.0, acknowledged_w=0.0))
    assert (found.acknowledged, found.allocated_wh) == (0.5, 0.0)


def test_nothing_known_is_none_and_not_nothing() -> None:
    nothing = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"))
    found = summed(part(0, 10, **nothing))
    assert (found.seconds, found.availability, found.controls) == (10.0, 0.0, 1)
    assert found.requested_wh is found.delivered_wh is found.tracking_error is found.acknowledged is None
    assert Summed(0, 1).empty
    empty = summed()
    assert (empty.controls, empty.seconds, empty.availability, empty.quality) == (0, 0.0, None, Quality.GOOD)


def test_controls_side_by_side_each_count_with_their_time() -> None:
    found = summed(part(0, 10), part(0, 10, "c2"), part(10, 20, "c2"))
    assert (found.controls, found.seconds, found.requested_wh) == (2, 30.0, pytest.approx(30.0))


def test_response_times() -> None:
    assert ResponseTimes.of([]) == ResponseTimes(count=0, mean_s=None, median_s=None, p95_s=None, max_s=None)
    assert ResponseTimes.of([4.0, 1.0, 1.0]) == ResponseTimes(count=3, mean_s=2.0, median_s=1.0, p95_s=4.0, max_s=4.0)
    assert ResponseTimes.of([float(one) for one in range(100, 0, -1)]) == ResponseTimes(
        count=100, mean_s=50.5, median_s=50.5, p95_s=95.0, max_s=100.0
    )
    made = Summed(0, 1)
    made.responded(2.0)
    assert made.totals().responses.count == 1


def test_limits_that_were_passed_kept_and_not_measured() -> None:
    # 5 kW: passed for 6 of the first 10 s, by 360 W in the mean and 900 W at most; half of that is in the span.
    passed = LimitAccount(limit_w=5000.0, excess_w=360.0, over_s=6.0, peak_w=900.0)
    kept = LimitAccount(limit_w=2000.0, excess_w=0.0, over_s=0.0, peak_w=0.0)
    found = summed(
        part(-5, 5, limit=passed),
        part(10, 20, limit=kept, known=0.5),
        part(20, 30, limit=LimitAccount(limit_w=2000.0), delivered_w=None, known=0.0),
        part(40, 50),
    )
    # 3 s of 5 + 5 measured seconds; 360 W x 5 s; the bounds differ.
    assert found.limit == LimitFigures(
        seconds=25.0, limit_w=None, kept=pytest.approx(0.7), over_s=3.0, excess_wh=0.5, peak_w=900.0
    )
    unknown = summed(part(0, 10, limit=LimitAccount(limit_w=-2000.0), delivered_w=None, known=0.0)).limit
    assert unknown == LimitFigures(seconds=10.0, limit_w=-2000.0, kept=None, over_s=None, excess_wh=None, peak_w=None)
    assert summed(part(0, 10)).limit is None
