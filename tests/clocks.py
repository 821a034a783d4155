"""The clocks of tests: one stands, one runs faster, one strides; the machine's own is app.clock.SystemClock."""

from __future__ import annotations

import time
from dataclasses import dataclass


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
