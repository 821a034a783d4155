"""How the link to a server is: what was answered last, and what went wrong. Owns no decision.

A server can be there and of no use: it answers each request with 5xx, or with what is no resource. That is noticed
where nothing at all could be read for a while, not by one resource that it cannot show.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.upstream.settings import Met
from gridiface.protocols.sep2.outbox import Written

_log = logging.getLogger("gridiface.sep2.upstream")

#: A server that gave no answer of use for so long is of no use, s.
_UNFIT_S = 10.0
#: Of so many resources at least.
_PLACES = 2


@dataclass(slots=True)
class Condition:
    """What is known of the link.

    Attributes:
        server: LFDI of the certificate that the server showed last, "" before; ends: when the next certificate of its
            chain or ours ends, and both are to be judged again.
        up: whether the last request was answered; since: since when.
        answered_at: of the last answer; failed_at: of the last request without one; trouble: why there was none, ""
            while all is well.
        refused_at: when the wrong PIN was seen.
        unfit: what its last answer of no use was, "" where something was read since; unfit_since: since when.
        statuses: answers by HTTP status; failures: requests without one.
    """

    server: str = ""
    ends: Instant = math.inf
    up: bool | None = None
    since: Instant | None = None
    answered_at: Instant | None = None
    failed_at: Instant = 0.0
    trouble: str = ""
    refused_at: Instant | None = None
    unfit: str = ""
    unfit_since: Instant = 0.0
    failures: int = 0
    bad_replies: int = 0
    bad_reply: str = ""
    refused_writes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    _reads: int = 0
    _places: set[str] = field(default_factory=set)

    def met(self, met: Met, now: Instant) -> None:
        """The server showed its certificate, and both ends took the other's chain.

        What had ended by then was taken nevertheless (a server may not look at our own): that is no reason to shake
        hands anew for each request.
        """
        self.server = met.lfdi
        self.ends = min((end for end in met.ends if end > now), default=math.inf)

    def answered(self, status: int, now: Instant, name: str) -> bool:
        """The server gave an answer; whether it had been away."""
        back = self.up is False
        if self.up is not True:
            _log.info("upstream %s: the server answers", name)
            self.up, self.since = True, now
        self.answered_at, self.trouble = now, ""
        self.statuses[status] += 1
        return back

    def useless(self, place: str, why: str, reads: int, now: Instant) -> None:
        """An answer was of no use. `reads`: resources that were read so far."""
        self.read(reads)
        if not self.unfit:
            self.unfit_since, self._reads = now, reads
        self.unfit = why
        if len(self._places) < _PLACES:
            self._places.add(place)

    def read(self, reads: int) -> None:
        """So many resources have been read so far: with a new one the server is of use."""
        if self.unfit and reads > self._reads:
            self.unfit = ""
            self._places.clear()

    def of_no_use(self, now: Instant) -> str:
        """Why the server is of no use though it answers; "" where it is of use, or not up."""
        lasting = self.unfit and len(self._places) == _PLACES and now - self.unfit_since >= _UNFIT_S
        return f"it answers, but nothing can be read: {self.unfit}" if lasting and self.up else ""

    def lost(self, now: Instant) -> str:
        """Why nothing comes from a server that was tried; "" while all is well."""
        if self.up is False:
            return self.trouble or "it does not answer"
        return self.of_no_use(now)

    def clock_jumped(self, seconds: float) -> None:
        """Our clock was set by so many seconds."""
        self.unfit_since += seconds
        self.failed_at += seconds

    def failed(self, reason: str, now: Instant, name: str) -> None:
        """A request had no answer that can be used."""
        if self.up is not False or reason != self.trouble:
            _log.warning("upstream %s: %s", name, reason)
        if self.up is not False:
            self.up, self.since = False, now
        self.failures += 1
        self.failed_at = now
        self.trouble = reason

    def bad(self, href: str, reason: str, now: Instant, name: str) -> None:
        """An answer was not what the standard allows."""
        text = f"{href}: {reason}"
        if text != self.bad_reply:
            _log.warning("upstream %s: %s", name, text)
        self.bad_replies += 1
        self.bad_reply = text

    def write(self, outcome: Written, name: str) -> None:
        """A registration, or a write that nobody waits for, has its answer."""
        if not outcome.accepted:
            self.refused_writes += 1
            _log.warning("upstream %s: %s %s was refused with %d", name, outcome.method, outcome.target, outcome.status)
