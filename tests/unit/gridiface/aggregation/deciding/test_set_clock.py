"""A clock that was set counts once, whoever notices it first."""

import pytest

from gridiface.aggregation.deciding.set_clock import SetClock


@pytest.mark.parametrize(("now", "jump"), [(99.0, 0.0), (100.0, 0.0), (160.0, 0.0), (98.9, -1.1), (161.0, 61.0)])
def test_what_a_wait_explains_is_no_step(now: float, jump: float) -> None:
    assert SetClock(60.0).between(100.0, now) == pytest.approx(jump)


@pytest.mark.parametrize(("seconds", "rest"), [(0.4, 0.0), (-0.4, 0.0), (1.0, 1.0), (-30.0, -30.0)])
def test_what_is_told_counts_from_a_leap_second_on(seconds: float, rest: float) -> None:
    assert SetClock(60.0).told(seconds) == rest


def test_what_was_noticed_is_not_counted_again_when_it_is_told() -> None:
    clock = SetClock(60.0)
    assert clock.between(100.0, 3_700.0) == 3_600.0
    assert clock.told(3_601.0) == 0.0
    assert clock.told(3_601.0) == 3_601.0


def test_two_steps_that_were_noticed_are_told_as_one() -> None:
    clock = SetClock(60.0)
    clock.between(0.0, 1_000.0)
    clock.between(1_000.0, 500.0)
    assert clock.told(510.0) == pytest.approx(10.0)
