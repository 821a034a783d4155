"""The machine's clock."""

from __future__ import annotations

from gridiface.app.clock import SystemClock


def test_both_clocks_go_forward() -> None:
    clock = SystemClock()
    wall, steady = clock.now(), clock.monotonic()
    assert wall > 1_700_000_000
    assert clock.monotonic() >= steady
