"""Same-day adjustment: window, ratio, clipping, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from gridiface.aggregation.settlement.adjust import Adjustment, factors

RULE = Adjustment(low=0.8, high=1.2)


def test_the_window_is_three_hours_ending_an_hour_before() -> None:
    # Event at 16:00 = slot 64 of quarter hours; 12:00 to 15:00 = slots 48 to 59.
    assert RULE.slots(64, 900.0) == slice(48, 60)
    # At 02:00 only the hour from midnight is left, at 00:30 nothing.
    assert RULE.slots(8, 900.0) == slice(0, 4)
    assert RULE.slots(2, 900.0) == slice(0, 0)


@pytest.mark.parametrize(
    ("base", "actual", "factor", "taken"),
    [
        # (-110 - 110) / (-100 - 100) = 1.1
        ([-100.0, -100.0], [-110.0, -110.0], 1.1, True),
        # 150 / 100 = 1.5 is clipped to 1.2; 50 / 100 = 0.5 to 0.8
        ([-100.0, -100.0], [-150.0, -150.0], 1.2, True),
        ([-100.0, -100.0], [-50.0, -50.0], 0.8, True),
        # nothing drawn at all: 0 / 100, clipped
        ([-100.0, -100.0], [0.0, 0.0], 0.8, True),
        # one of both known: half of the window is enough; -90 / -100
        ([-100.0, -100.0], [np.nan, -90.0], 0.9, True),
        # none known; a load against a generation; a baseline of nothing
        ([-100.0, -100.0], [np.nan, np.nan], 1.0, False),
        ([-100.0, -100.0], [100.0, 100.0], 1.0, False),
        ([0.0, 0.0], [-100.0, -100.0], 1.0, False),
        # generation by generation: 330 / 300
        ([100.0, 200.0], [130.0, 200.0], 1.1, True),
    ],
)
def test_factor(base: list[float], actual: list[float], factor: float, taken: bool) -> None:
    found, was_taken = factors(np.array([base]), np.array([actual]), slice(0, 2), RULE)
    assert found[0] == pytest.approx(factor)
    assert bool(was_taken[0]) is taken


def test_no_window_no_adjustment() -> None:
    found, taken = factors(np.ones((2, 4)), np.ones((2, 4)), slice(0, 0), RULE)
    assert found.tolist() == [1.0, 1.0]
    assert not taken.any()


@pytest.mark.parametrize(
    "wrong", [{"low": 0.0, "high": 1.2}, {"low": 1.1, "high": 1.2}, {"low": 0.8, "high": 1.2, "window_s": 0.0}]
)
def test_impossible_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="an adjustment needs"):
        Adjustment(**wrong)
