import pytest

from gridiface.aggregation.closed_loop import Residual, Trim

KWARGS = {"gain": 0.2, "limit_w": 500.0, "quiet_w": 1.0}


def test_the_trim_settles_on_what_is_missing_and_goes_back():
    trim = Trim()
    for now in range(60):
        trim.update(100.0, float(now), **KWARGS)
    assert trim.watts == pytest.approx(100.0, abs=1.0)
    for now in range(60, 130):
        trim.update(0.0, float(now), **KWARGS)
    assert trim.watts == pytest.approx(0.0, abs=1.0)


def test_it_is_clipped_and_holds_without_a_measurement():
    trim = Trim(400.0, 0.0)
    assert trim.update(None, 5.0, **KWARGS) == 400.0
    assert trim.update(9_000.0, 10.0, **KWARGS) == 500.0


def test_a_clock_that_was_set_back_adds_nothing():
    trim = Trim(0.0, 100.0)
    assert trim.update(100.0, 50.0, **KWARGS) == 0.0


def test_the_residual_starts_at_the_difference_and_is_smoothed():
    residual = Residual()
    assert residual.update(-3_000.0, 1_000.0, 0.0, filter_s=10.0) == -4_000.0
    assert residual.update(-2_000.0, 1_000.0, 5.0, filter_s=10.0) == -3_500.0
