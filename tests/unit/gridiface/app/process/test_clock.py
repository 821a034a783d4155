"""The machine's clock."""

from __future__ import annotations

from gridiface.app.process.clock import SystemClock, unset


def test_both_clocks_go_forward() -> None:
    clock = SystemClock()
    wall, steady = clock.now(), clock.monotonic()
    assert wall > 1_700_000_000
    assert clock.monotonic() >= steady


def test_a_clock_that_was_never_set_is_known() -> None:
    assert unset(0.0) == "the clock shows 1970-01-01"
    assert unset(978_307_200.0) == "the clock shows 2001-01-01"
    assert unset(SystemClock().now()) == ""
