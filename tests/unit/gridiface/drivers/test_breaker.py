"""The circuit breaker's states, and that it is pure in its time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridiface.drivers.breaker import BreakerSettings, BreakerState, CircuitBreaker

SETTINGS = BreakerSettings(threshold=3, cool_down_s=10, max_cool_down_s=40, healthy_after_s=100)


def opened(now: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(SETTINGS)
    assert [breaker.failure(now) for _ in range(3)] == [False, False, True]
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = opened()
    assert breaker.state(0) is BreakerState.OPEN
    assert not breaker.allows(9.9)
    assert breaker.retry_at() == 10
    assert breaker.trips == 1


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = CircuitBreaker(SETTINGS)
    for _ in range(10):
        assert not breaker.failure(0)
        assert not breaker.failure(0)
        breaker.success(0)
    assert breaker.state(0) is BreakerState.CLOSED
    assert breaker.retry_at() is None


def test_half_open_lets_one_through() -> None:
    breaker = opened()
    assert breaker.state(10) is BreakerState.HALF_OPEN
    assert breaker.allows(10)
    breaker.begin()
    assert not breaker.allows(10)
    breaker.abandon()
    assert breaker.allows(10)
    breaker.begin()
    breaker.success(11)
    assert breaker.state(11) is BreakerState.CLOSED
    assert breaker.allows(11)


def test_a_failed_trial_waits_twice_as_long_up_to_the_cap() -> None:
    breaker, now = opened(), 0.0
    waits = []
    for _ in range(4):
        retry = breaker.retry_at()
        assert retry is not None
        waits.append(retry - now)
        now = retry
        breaker.begin()
        assert breaker.failure(now)
    assert waits == [10, 20, 40, 40]


def test_flapping_is_damped_and_health_is_rewarded() -> None:
    breaker = opened()
    breaker.success(10)
    for _ in range(3):
        breaker.failure(20)
    assert breaker.retry_at() == 40
    breaker.success(40)
    breaker.success(139)
    breaker.success(140)
    for _ in range(3):
        breaker.failure(150)
    assert breaker.retry_at() == 160


def test_who_was_away_for_long_is_asked_at_once_when_it_answers_again() -> None:
    breaker = opened()
    for now in (10, 30, 70, 110):  # it is asked in vain all the time, ever more seldom
        assert breaker.state(now) is BreakerState.HALF_OPEN
        breaker.failure(now)
    assert breaker.retry_at() == 150
    breaker.answers_again(120)
    assert breaker.state(120) is BreakerState.HALF_OPEN
    breaker.failure(120)
    breaker.answers_again(121)
    assert breaker.retry_at() == 160, "and waits on as before where it fails again"


def test_the_first_pause_ends_when_the_device_answers_again_and_a_longer_one_does_not() -> None:
    breaker = opened()
    breaker.answers_again(2)
    assert breaker.state(2) is BreakerState.HALF_OPEN
    breaker.success(2)
    for _ in range(3):
        breaker.failure(5)  # it flaps
    breaker.answers_again(6)
    assert breaker.retry_at() == 25
    healthy = CircuitBreaker(SETTINGS)
    healthy.answers_again(0)
    assert healthy.closed


@given(
    st.lists(
        st.tuples(st.sampled_from(["success", "failure", "answers_again", "begin", "abandon"]), st.floats(0, 50)),
        max_size=60,
    )
)
def test_it_always_asks_again_in_time(steps: list[tuple[str, float]]) -> None:
    breaker, now = CircuitBreaker(SETTINGS), 0.0
    for what, pause in steps:
        now += pause
        if what in ("begin", "abandon"):
            getattr(breaker, what)()
        else:
            getattr(breaker, what)(now)
    breaker.abandon()
    assert breaker.allows(now + SETTINGS.max_cool_down_s)
    assert (breaker.state(now) is BreakerState.CLOSED) == (breaker.retry_at() is None)
