"""The score over any time, from intervals: sampled, by hours, with gaps. Worked out by hand or by plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gridiface.aggregation.settlement.regulation_hours import scored
from gridiface.aggregation.settlement.regulation_score import regulation_score
from gridiface.domain.performance import PerformanceInterval


def intervals(
    start: float,
    end: float,
    signal: Callable[[float], float],
    response: Callable[[float], float | None],
    step: float = 4.0,
) -> list[PerformanceInterval]:
    """An interval for each signal, every four seconds."""
    made, at = [], start
    while at < end:
        until = min(at + step, end)
        delivered = response(at)
        made.append(
            PerformanceInterval(
                control_id=f"agc{at:g}",
                target_id="fleet",
                start=at,
                end=until,
                requested_w=signal(at),
                accepted_w=signal(at),
                allocated_w=signal(at),
                acknowledged_w=signal(at),
                delivered_w=delivered,
                known=0.0 if delivered is None else 1.0,
            )
        )
        at = until
    return made


def wave(at: float) -> float:
    return 1e4 * math.sin(2 * math.pi * at / 240.0)


def test_a_signal_that_is_followed_at_once_has_all_points_over_each_hour() -> None:
    found = scored(intervals(0.0, 7200.0, wave, wave), 0.0, 7200.0)
    assert found is not None
    assert (found.score, found.delay, found.precision) == (pytest.approx(1.0), 1.0, pytest.approx(1.0))
    assert (found.hours, found.samples, found.missing) == (2, 720, 0)


def test_a_response_of_half_the_size_loses_precision_alone() -> None:
    found = scored(intervals(0.0, 3600.0, wave, lambda at: wave(at) / 2), 0.0, 3600.0)
    assert found is not None
    assert (found.correlation, found.delay, found.precision) == (pytest.approx(1.0), 1.0, pytest.approx(0.5))
    assert found.score == pytest.approx((1 + 1 + 0.5) / 3)


def test_a_response_that_comes_thirty_seconds_late_loses_a_tenth_of_its_delay() -> None:
    found = scored(intervals(0.0, 3600.0, wave, lambda at: wave(at - 30.0), step=5.0), 0.0, 3600.0)
    assert found is not None
    assert found.delay == pytest.approx(1 - 30 / 300, abs=0.005)
    # The last windows of the hour have less to shift by.
    assert found.correlation == pytest.approx(1.0, abs=5e-3)


def test_samples_are_means_of_what_lies_in_them() -> None:
    """Every four seconds, so that samples cut intervals: sampled once more second by second."""
    chance = np.random.default_rng(3)
    asked, given = chance.normal(size=900) * 1e4, chance.normal(size=900) * 1e4
    made = intervals(0.0, 3600.0, lambda at: float(asked[int(at // 4)]), lambda at: float(given[int(at // 4)]))
    by_seconds = [np.repeat(values, 4).reshape(360, 10).mean(axis=1) for values in (asked, given)]
    wanted = regulation_score(*by_seconds)
    found = scored(list(reversed(made)), 0.0, 3600.0)
    assert found is not None
    assert (found.correlation, found.delay, found.precision) == pytest.approx(
        (wanted.correlation, wanted.delay, wanted.precision)
    )


def test_hours_count_by_their_known_samples_and_gaps_are_missing() -> None:
    # A perfect hour, and half an hour of which ten minutes are not measured and the rest is half.
    def response(at: float) -> float | None:
        return wave(at) if at < 3600 else None if at < 4200 else wave(at) / 2

    found = scored(intervals(0.0, 5400.0, wave, response, step=5.0), 0.0, 5400.0)
    assert found is not None
    assert (found.hours, found.samples, found.missing) == (2, 360 + 120, 60)
    assert found.precision == pytest.approx((360 * 1.0 + 120 * 0.5) / 480)


def test_the_span_cuts_and_what_is_too_short_has_no_score() -> None:
    made = intervals(0.0, 3600.0, wave, wave)
    part = scored(made, 600.0, 1200.0)
    assert part is not None
    assert part.samples == 60
    assert scored(made, 0.0, 300.0) is None
    assert scored(made, 3600.0, 7200.0) is None
    assert scored([], 0.0, 3600.0) is None
    assert scored(intervals(0.0, 3600.0, wave, lambda at: None), 0.0, 3600.0) is None


def test_a_time_told_twice_counts_once() -> None:
    once = scored(intervals(0.0, 3600.0, wave, wave), 0.0, 3600.0)
    assert scored([*intervals(0.0, 3600.0, wave, wave)] * 2, 0.0, 3600.0) == once
