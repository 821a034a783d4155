"""How often one certificate may ask: a bucket per LFDI, so that a client that asks too often delays nobody but itself.

What is counted are requests, whatever they ask for; who is let through is answered as ever.
"""

from __future__ import annotations

import math

_MOST_KNOWN = 50_000


class Rates:
    """One bucket per LFDI: `burst` requests at once, and `per_s` a second from then on.

    Args:
        per_s: requests a second that may go on for ever; None: any number.
        burst: requests that may come at once after a pause.
    """

    def __init__(self, per_s: float | None, burst: int) -> None:
        self._step = 0.0 if per_s is None else 1.0 / per_s
        self._slack = self._step * max(0, burst - 1)
        #: By LFDI: when its bucket is full again.
        self._full_at: dict[str, float] = {}

    def wait(self, lfdi: str, now: float) -> int:
        """0: let it through; else whole seconds after which one more is let through.

        Args:
            now: seconds on a clock that never goes back.
        """
        if not self._step:
            return 0
        full_at = self._full_at.get(lfdi, 0.0)
        if full_at <= now:
            full_at = now
        elif full_at - now > self._slack:
            return max(1, math.ceil(full_at - now - self._slack))
        if len(self._full_at) >= _MOST_KNOWN:
            self._full_at = {known: at for known, at in self._full_at.items() if at > now}
        self._full_at[lfdi] = full_at + self._step
        return 0
