"""Failed tries per address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.operator.auth.throttle import FORGIVEN_S, FREE, REMEMBERED, Rates, Throttle


def test_ten_are_free_then_one_each_time_it_is_forgiven() -> None:
    throttle = Throttle()
    for _ in range(FREE):
        assert throttle.wait_s("192.0.2.1", 0.0) == 0
        throttle.failed("192.0.2.1", 0.0)
    assert throttle.wait_s("192.0.2.1", 0.0) == FORGIVEN_S
    assert throttle.wait_s("192.0.2.1", FORGIVEN_S) == 0
    assert throttle.wait_s("192.0.2.2", 0.0) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "192.0.2.1", False),
    ],
)
def test_addresses_of_one_host_count_together(one: str, other: str, *, same: bool) -> None:
    throttle = Throttle()
    for _ in range(FREE):
        throttle.failed(one, 0.0)
    assert (throttle.wait_s(other, 0.0) > 0) is same


def test_memory_is_bounded() -> None:
    throttle = Throttle()
    for number in range(REMEMBERED + 100):
        throttle.failed(f"host{number}", 0.0)
    assert len(throttle._until) == REMEMBERED


@given(st.lists(st.floats(0, 100), max_size=60))
def test_waiting_is_never_longer_than_all_tries_together(steps: list[float]) -> None:
    throttle, now, tries = Throttle(), 0.0, 0
    for step in steps:
        now += step
        if throttle.wait_s("a", now) == 0:
            throttle.failed("a", now)
            tries += 1
    assert throttle.wait_s("a", now) <= FORGIVEN_S
    assert tries <= FREE + now / FORGIVEN_S + 1


def test_a_right_try_forgives_the_wrong_ones() -> None:
    throttle = Throttle(free=3, forgiven_s=30.0)
    for _ in range(3):
        throttle.failed("ann", 0.0)
    assert throttle.wait_s("ann", 0.0) == 30.0
    throttle.succeeded("ann")
    assert throttle.wait_s("ann", 0.0) == 0


def test_rates_let_a_burst_pass_and_then_the_long_run() -> None:
    rates = Rates(2.0, 4)
    assert [rates.take("a", 0.0) > 0 for _ in range(5)] == [False] * 4 + [True]
    assert rates.take("a", 0.0) == pytest.approx(0.5)
    assert rates.take("b", 0.0) == 0
    assert [rates.take("a", 0.5) > 0 for _ in range(2)] == [False, True]
    for number in range(REMEMBERED + 10):
        rates.take(f"host{number}", 1.0)
    assert len(rates._until) == REMEMBERED
