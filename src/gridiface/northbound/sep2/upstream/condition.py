"""How the link to a server is: what was answered last, and what went wrong. Owns no decision."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.protocols.sep2.outbox import Written

_log = logging.getLogger("gridiface.sep2.upstream")


@dataclass(slots=True)
class Condition:
    """What is known of the link.

    Attributes:
        server: LFDI of the certificate that the server showed last, "" before.
        up: whether the last request was answered; since: since when.
        answered_at: of the last answer; trouble: why there was none, "" while all is well.
        refused_at: when the wrong PIN was seen.
        statuses: answers by HTTP status; failures: requests without one.
    """

    server: str = ""
    up: bool | None = None
    since: Instant | None = None
    answered_at: Instant | None = None
    trouble: str = ""
    refused_at: Instant | None = None
    failures: int = 0
    bad_replies: int = 0
    bad_reply: str = ""
    refused_writes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)

    def answered(self, status: int, now: Instant, name: str) -> None:
        """The server gave an answer."""
        if self.up is not True:
            _log.info("upstream %s: the server answers", name)
            self.up, self.since = True, now
        self.answered_at, self.trouble = now, ""
        self.statuses[status] += 1

    def failed(self, reason: str, now: Instant, name: str) -> None:
        """A request had no answer that can be used."""
        if self.up is not False or reason != self.trouble:
            _log.warning("upstream %s: %s", name, reason)
        if self.up is not False:
            self.up, self.since = False, now
        self.failures += 1
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
