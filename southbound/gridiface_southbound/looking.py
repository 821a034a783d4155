"""When it is time to see whether a device still holds what it was told. Pure: `now` is monotonic seconds.

Not owned: what it was told, and reading it (points.holding, sunspec.holding).
"""

from __future__ import annotations

import math

#: Seconds between two looks at what has no timer of the device's own: what has one is told again before it ends.
LOOK_S = 60.0

#: The part of a device's timer in which it surely holds what it was told.
_SURE = 0.9


class Looking:
    """The reasons to look at one device."""

    __slots__ = ("_connects", "_doubted", "_due")

    def __init__(self) -> None:
        self._connects = 0
        self._due = math.inf
        self._doubted = False

    def doubt(self) -> None:
        """The device did not answer: it may be restarting."""
        self._doubted = True

    def seen(self, *, now: float, connects: int) -> None:
        """It was just seen to hold everything, on the connection of that number."""
        self._connects, self._due, self._doubted = connects, now + LOOK_S, False

    def is_wanted(self, until: float, *, now: float, connects: int) -> bool:
        """Whether to look at something that surely holds `until` then.

        Everything after a new connection and after a silence; now and then what has no timer.
        """
        if now >= until:
            return False
        return self._doubted or connects != self._connects or (now >= self._due and math.isinf(until))


def sure_until(now: float, timer_s: float | None) -> float:
    """How long a device surely holds what it was told now, by its own timer; without one: for good."""
    return math.inf if timer_s is None else now + _SURE * timer_s
