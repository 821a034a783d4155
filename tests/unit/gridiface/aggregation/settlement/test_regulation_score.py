"""The regulation score against cases whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.settlement.regulation_score import regulation_score

#: An hour of 10-s samples that never repeats itself within five minutes.
SIGNAL = 1000.0 * np.cumsum(np.random.default_rng(3).normal(size=360))


def delayed(samples: int) -> np.ndarray:
    return np.concatenate([np.full(samples, SIGNAL[0]), SIGNAL])[:360]


def test_a_perfect_response_scores_one() -> None:
    score = regulation_score(SIGNAL, SIGNAL)
    assert (score.correlation, score.delay, score.precision) == pytest.approx((1.0, 1.0, 1.0))
    assert score.total == pytest.approx(1.0)
    # 360 samples hold 331 windows of 30.
    assert (score.windows, score.samples, score.missing) == (331, 360, 0)


@pytest.mark.parametrize("samples", [1, 3, 6])
def test_a_delay_costs_its_share_of_five_minutes(samples: int) -> None:
    score = regulation_score(SIGNAL, delayed(samples))
    # Windows whose shifted partner lies inside the hour find it: lag x 10 s of 300 s.
    assert score.correlation == pytest.approx(1.0, abs=0.02)
    assert score.delay == pytest.approx(1 - samples * 10 / 300, abs=0.02)


def test_golden_precision() -> None:
    # Signal alternates +-100 W; the response is 90 % of it: error 10 W of 100 W: precision 0.9, correlation 1.
    signal = np.tile([100.0, -100.0], 31)
    score = regulation_score(signal, 0.9 * signal)
    assert score.precision == pytest.approx(0.9)
    assert score.correlation == pytest.approx(1.0)
    assert score.delay == pytest.approx(1.0)
    assert score.total == pytest.approx(2.9 / 3)


def test_no_response_and_the_opposite_response() -> None:
    none = regulation_score(SIGNAL, np.zeros(360))
    assert (none.correlation, none.precision) == (0.0, 0.0)
    assert regulation_score(SIGNAL, -SIGNAL).precision == 0.0


def test_a_signal_that_never_moves_is_judged_by_precision() -> None:
    flat = np.full(60, 500.0)
    assert regulation_score(flat, flat).total == pytest.approx(1.0)
    wobbling = regulation_score(flat, flat + np.tile([50.0, -50.0], 30))
    assert (wobbling.correlation, wobbling.delay) == (0.0, 0.0)
    # 50 W of 500 W wrong.
    assert wobbling.precision == pytest.approx(0.9)


def test_unknown_samples_are_left_out() -> None:
    response = SIGNAL.copy()
    response[100:110] = np.nan
    score = regulation_score(SIGNAL, response)
    assert score.missing == 10
    assert score.total == pytest.approx(1.0, abs=0.05)
    assert regulation_score(SIGNAL, np.full(360, np.nan)).total == 0.0


def test_series_must_fit() -> None:
    for signal, response in (([1.0] * 31, [1.0] * 32), ([1.0] * 30, [1.0] * 30)):
        with pytest.raises(ValueError, match="two series of the same length"):
            regulation_score(signal, response)


@given(st.lists(st.floats(-1e6, 1e6), min_size=31, max_size=60), st.integers(0, 2**32 - 1))
def test_every_part_lies_between_nothing_and_one(signal: list[float], seed: int) -> None:
    response = np.random.default_rng(seed).normal(size=len(signal)) * 1000
    score = regulation_score(signal, response)
    assert all(0.0 <= part <= 1.0 + 1e-9 for part in (score.correlation, score.delay, score.precision))
