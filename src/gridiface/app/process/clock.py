"""The one place where a running server reads the machine's clock."""

from __future__ import annotations

import time

#: No machine on which this version is installed shows an earlier time: 2023-11-14.
_OLDEST = 1_700_000_000.0


def unset(now: float) -> str:
    """Why a wall clock cannot be right, in words; empty where it may be.

    A machine without a battery for its clock begins in 1970, or at its system's build, until NTP is heard.
    """
    if now >= _OLDEST:
        return ""
    return f"the clock shows {time.strftime('%Y-%m-%d', time.gmtime(now))}"


class SystemClock:
    """domain.clock.Clock over the machine's clocks."""

    def now(self) -> float:
        """Wall clock, seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never jumps."""
        return time.monotonic()
