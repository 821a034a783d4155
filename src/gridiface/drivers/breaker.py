"""The circuit breaker of one device. Pure: `now` is an argument, monotonic seconds.

closed -> (threshold failures in a row) -> open -> (cool-down over) -> half open -> success: closed, failure: open
again with twice the cool-down. The cool-down shrinks back only after the device was healthy for a while, so that a
flapping device is asked more and more rarely. One that was away, for however long, and answers again by itself is asked
at once; one that was asked more rarely already when it went away is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether a device is asked."""

    CLOSED = "closed"  # asked
    OPEN = "open"  # not asked
    HALF_OPEN = "half_open"  # asked once, to see


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When the breaker opens and for how long, seconds."""

    threshold: int = 3
    cool_down_s: float = 10.0
    max_cool_down_s: float = 300.0
    healthy_after_s: float = 120.0


class CircuitBreaker:
    """Counts failures in a row and says whether to ask the device."""

    __slots__ = (
        "_closed_since",
        "_cool_down",
        "_damped",
        "_failures",
        "_retry",
        "_settings",
        "_there_again",
        "_trial",
        "trips",
    )

    def __init__(self, settings: BreakerSettings | None = None) -> None:
        self._settings = settings or BreakerSettings()
        self._failures = 0
        #: When a trial is allowed; None while closed.
        self._retry: float | None = None
        self._closed_since: float | None = None
        self._cool_down = self._settings.cool_down_s
        #: Whether it came and went before: it fell soon after it was healthy, or failed when it was there again.
        self._damped = False
        self._there_again = False
        self._trial = False
        self.trips = 0

    @property
    def closed(self) -> bool:
        """Whether the device is asked as a matter of course."""
        return self._retry is None

    def state(self, now: float) -> BreakerState:
        """The state at `now`."""
        if self._retry is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._retry else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Whether a command may be tried now. While half open: yes, but only one at a time (see `begin`)."""
        if self._retry is None:
            return True
        return not self._trial and now >= self._retry

    def begin(self) -> None:
        """A command is being tried; while half open no other is allowed until its end is told."""
        self._trial = self._retry is not None

    def abandon(self) -> None:
        """The command that was being tried ended without saying anything about the device."""
        self._trial = False

    def success(self, now: float) -> None:
        """The device did what it was told."""
        self._failures = 0
        self._trial = self._there_again = False
        if self._retry is not None:
            self._retry = None
            self._closed_since = now
        elif self._closed_since is not None and now - self._closed_since >= self._settings.healthy_after_s:
            self._cool_down = self._settings.cool_down_s
            self._closed_since = None

    def failure(self, now: float) -> bool:
        """The device failed once; True when this opened the breaker."""
        self._failures += 1
        half_open = self._retry is not None
        self._trial = False
        if not half_open and self._failures < self._settings.threshold:
            return False
        if half_open or self._closed_since is not None:
            # It failed its trial, or soon after it came back: damp it.
            self._cool_down = min(self._settings.max_cool_down_s, 2 * self._cool_down)
        if not half_open:
            self._damped = self._cool_down > self._settings.cool_down_s
        elif self._there_again:
            self._damped = True
        self._there_again = False
        self._retry = now + self._cool_down
        self._closed_since = None
        self._failures = 0
        self.trips += 1
        return True

    def answers_again(self, now: float) -> None:
        """The device was away and is there again: its pause is over, unless it came and went before."""
        if self._retry is not None and not self._damped:
            self._retry, self._there_again = min(self._retry, now), True

    def retry_at(self) -> float | None:
        """When a trial is allowed, None while closed."""
        return self._retry
