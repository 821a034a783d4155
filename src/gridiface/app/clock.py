"""The one place where a running server reads the machine's clock."""

from __future__ import annotations

import time


class SystemClock:
    """domain.clock.Clock over the machine's clocks."""

    def now(self) -> float:
        """Wall clock, seconds since 1970 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never jumps."""
        return time.monotonic()
