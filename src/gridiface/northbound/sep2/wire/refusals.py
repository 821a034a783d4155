"""The log of refused requests: who asked for what, and why not. Bounded, so that a flood of them fills no disk."""

from __future__ import annotations

import logging

from gridiface.domain.clock import Instant

_log = logging.getLogger("gridiface.sep2")

#: Lines in one second at most; what is beyond is counted and told when the second is over.
_MOST_PER_S = 50
_LONGEST_TARGET = 200


class RefusalLog:
    """Writes one line for each refused request, `most_per_s` at most."""

    def __init__(self, most_per_s: int = _MOST_PER_S) -> None:
        self._most = most_per_s
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def note(
        self, method: str, target: str, status: int, reason: str, *, lfdi: str = "", peer: str = "", now: Instant
    ) -> None:
        """A request was refused with `status`. Reasons name no secret; texts of the peer are shown as repr."""
        second = int(now)
        if second != self._second:
            if self._left_out:
                _log.warning("%d more requests were refused within a second", self._left_out)
            self._second, self._lines, self._left_out = second, 0, 0
        if self._lines >= self._most:
            self._left_out += 1
            return
        self._lines += 1
        who = f"lfdi={lfdi or '-'} peer={peer or '-'}"
        _log.info("refused %r %r with %d: %s; %s", method[:16], target[:_LONGEST_TARGET], status, reason, who)
