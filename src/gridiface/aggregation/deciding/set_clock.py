"""A wall clock that was set: what the engine sees of it by itself, and what it is told by who watches both clocks."""

from __future__ import annotations

from gridiface.domain.clock import Instant

#: A step of the clock that counts: a leap second does. Where the engine noticed one by itself already, what two looks
#: at the clock may differ by, s.
LEAST_S, NOTICED_S = 0.5, 1.5

#: So far a clock may go back without having been set, s.
_BACK_S = 1.0


class SetClock:
    """Counts each step of the clock once, whoever notices it first.

    Args:
        jump_s: longest time between two looks that a wait explains.
    """

    def __init__(self, jump_s: float) -> None:
        self._jump_s = jump_s
        self._noticed = 0.0

    def between(self, before: Instant, now: Instant) -> float:
        """By how much the clock was set between two looks, as far as that shows; 0: time went on, s."""
        if -_BACK_S <= now - before <= self._jump_s:
            return 0.0
        self._noticed += now - before
        return now - before

    def told(self, seconds: float) -> float:
        """It was set by `seconds` (+ forwards) since the last call; how much of it did not show by itself, s."""
        rest, least = seconds - self._noticed, NOTICED_S if self._noticed else LEAST_S
        self._noticed = 0.0
        return rest if abs(rest) > least else 0.0
