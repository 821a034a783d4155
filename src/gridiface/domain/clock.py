"""Instants, intervals and randomised event times. Nothing here reads a clock: `now` is always an argument.

An instant is a float: seconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

#: Seconds since 1970-01-01T00:00:00Z.
Instant = float


class Clock(Protocol):
    """Where the shell takes `now` from; the pure rooms never hold one."""

    def now(self) -> Instant:
        """Wall clock, seconds since 1970 UTC; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never jumps."""
        ...


@dataclass(slots=True)
class ClockWatch:
    """Notices between two looks that the wall clock was set: by more than `least_s` against the monotonic one.

    A clock that is slewed moves less between two looks.
    """

    least_s: float = 0.25
    _offset: float | None = None

    def look(self, now: Instant, steady: float) -> float:
        """By how many seconds the clock was set since the last look, + forwards; 0: it was not.

        Args:
            now: the wall clock.
            steady: the monotonic one, read at once with it.
        """
        before, self._offset = self._offset, now - steady
        by = 0.0 if before is None else now - steady - before
        return by if abs(by) > self.least_s else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open span [start, end). `duration` None is open-ended: until something cancels it."""

    start: Instant
    duration: float | None

    def __post_init__(self) -> None:
        if self.duration is not None and self.duration < 0:
            raise ValueError(f"an interval cannot last {self.duration} s")

    @property
    def end(self) -> Instant:
        """The first instant after the interval; infinity where it is open-ended."""
        return float("inf") if self.duration is None else self.start + self.duration

    def contains(self, at: Instant) -> bool:
        """Whether `at` lies in [start, end)."""
        return self.start <= at < self.end

    def overlaps(self, other: Interval) -> bool:
        """Whether some instant lies in both."""
        return self.start < other.end and other.start < self.end


def randomised(interval: Interval, *, start_s: float, duration_s: float, draw: Callable[[], float]) -> Interval:
    """The effective interval of an event with random start and duration.

    The start moves by a random part of `start_s` (negative: earlier), the duration by a random part of
    `duration_s`; a duration never falls below 0 (IEEE 2030.5-2018 RandomizableEvent).

    Args:
        interval: as specified by the sender.
        start_s, duration_s: -3600..3600 s, 0 = none.
        draw: returns a number in 0..1 at each call (a seeded generator, so that a restart finds the same times).
    """
    start = interval.start + draw() * start_s
    if interval.duration is None:
        return Interval(start, None)
    return Interval(start, max(0.0, interval.duration + draw() * duration_s))


def latest_end(interval: Interval, start_s: float, duration_s: float) -> Instant:
    """The instant after which no receiver can still be running the event."""
    return interval.end + max(0.0, start_s) + max(0.0, duration_s)
