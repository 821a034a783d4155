"""The clocks of tests: one stands, one runs faster, one strides; and a loop whose time passes by itself.

The machine's own clock is app.clock.SystemClock.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class StandingClock:
    """Stands at `at` until a test moves it; its monotonic side is the same, or stands at `steady`."""

    at: float
    steady: float | None = None

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at if self.steady is None else self.steady


class FastClock:
    """The wall clock, `speed` times as fast since `begin`; may be set by `shift`, which moves no monotonic clock."""

    def __init__(self, begin: float | None = None, speed: float = 1.0) -> None:
        self.begin, self.speed, self.shift = time.time() if begin is None else begin, speed, 0.0

    def now(self) -> float:
        return self.monotonic() + self.shift

    def monotonic(self) -> float:
        return self.begin + (time.time() - self.begin) * self.speed


class StrideClock:
    """The real time; the monotonic clock makes a long step at each look where a flash register must rest."""

    def __init__(self, stride: float = 0.0) -> None:
        self.stride, self.steps = stride, 0

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        self.steps += 1
        return time.monotonic() + self.steps * self.stride


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]  # typed as a variable
    """Waits no real time: what would be waited is added to the loop's clock."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise AssertionError("the test waits for something that never comes")
        self.passed += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour takes a moment: time passes when nothing is left to do."""

    def __init__(self) -> None:
        self.selector = _JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        # The loop rounds a wait up to its clock's resolution; without this it would turn forever just before it.
        return self.selector.passed + 1e-6
