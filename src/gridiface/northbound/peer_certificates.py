"""When the certificates of our peers end: told in the log and to the alarms before it happens (rule 516).

Owns what was seen of each peer, in any protocol over TLS. Whether a peer is let in is the TLS listener's business, and
OpenSSL's for clients.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import lru_cache

from gridiface.domain.clock import Instant
from gridiface.pki.certificate import CertificateMalformed, parse_certificate

_log = logging.getLogger("gridiface.openadr")

#: So long before its end a certificate is told of, and how often the log says so again, s.
EXPIRING_S, SAID_EVERY_S = 30 * 86_400.0, 86_400.0


@lru_cache(10_000)
def end_of(der: bytes) -> Instant:
    """When a certificate ends, seconds since 1970; 0 for one that cannot be read."""
    try:
        return parse_certificate(der).not_after
    except CertificateMalformed as problem:
        _log.warning("a certificate cannot be read: %s", problem)
        return 0.0


class PeerCertificates:
    """The ends of the certificates that peers have shown."""

    def __init__(self, log: logging.Logger = _log) -> None:
        self._log = log
        self._seen: dict[str, tuple[bytes, Instant]] = {}
        self._said: dict[str, Instant] = {}

    def seen(self, who: str, der: bytes, now: Instant) -> None:
        """`who` has shown this certificate, or none (b"")."""
        if not der:
            return
        known = self._seen.get(who)
        if known is None or known[0] != der:
            known = self._seen[who] = der, end_of(der)
            self._said.pop(who, None)
        left = known[1] - now
        if left <= EXPIRING_S and now - self._said.get(who, float("-inf")) >= SAID_EVERY_S:
            self._said[who] = now
            self._log.warning(
                "the certificate of %s ends at %s; after that nothing is exchanged with it", who, _at(known[1])
            )

    def forget(self, who: str) -> None:
        """The peer is none of ours any more."""
        self._seen.pop(who, None)
        self._said.pop(who, None)

    def ending(self, now: Instant) -> dict[str, str]:
        """Whose certificate ends soon, and when, in words."""
        return {who: _words(end) for who, (_, end) in self._seen.items() if 0 < end - now <= EXPIRING_S}

    def ended(self, now: Instant) -> dict[str, str]:
        """Whose last certificate has ended, and when, in words."""
        return {who: _words(end) for who, (_, end) in self._seen.items() if end <= now}


def _words(end: Instant) -> str:
    return f"it ends {_at(end)}"


def _at(end: Instant) -> str:
    return f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M} UTC"
