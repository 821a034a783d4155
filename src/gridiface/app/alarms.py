"""Where a server's alarms come from: each kind looks at its part. Reads only; their life is operator.alarms'."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cryptography import x509

from gridiface.app.config.load import certificates_in
from gridiface.app.fronts.front import Front
from gridiface.app.running import Running
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Quality
from gridiface.operator.desk import Desk

_log = logging.getLogger("gridiface.operator")

#: So long before its end a certificate is told of, how often the files are read, and how often the log says it, s.
EXPIRING_S, CERTIFICATES_EVERY_S, SAID_EVERY_S = 30 * 86_400.0, 3_600.0, 86_400.0

_LOST = frozenset({Quality.STALE, Quality.BAD})

Present = Mapping[str, str]


class AlarmSources:
    """What is so now, by kind of alarm. `look` is called every second."""

    def __init__(self, server: Running, fronts: Sequence[Front], desk: Desk) -> None:
        self._server = server
        self._fronts = fronts
        self._desk = desk
        self._certificates: tuple[dict[str, str], dict[str, str]] = {}, {}
        self._read_at, self._ends_next = float("-inf"), math.inf
        self._said: dict[Path, Instant] = {}
        self._jump = ""
        self._looks: dict[str, Callable[[Instant], Present]] = {
            "device_lost": self._devices_lost,
            "breaker_open": self._breakers_open,
            "soc_residual": self._in_doubt,
            "quarantined": self._quarantined,
            "certificate_expiring": lambda now: self._look_at_certificates(now)[0] | self._peers_ending(now),
            "certificate_expired": lambda now: self._look_at_certificates(now)[1] | self._peers_ended(now),
            "northbound_link_lost": self._links_lost,
            "ven_lost": self._vens_lost,
            "store_trouble": self._store_trouble,
            "clock_jump": self._clock_jumped,
            "approval_waiting": self._approvals,
            "audit_unsealed": self._unsealed,
            "notice_undelivered": lambda _: dict(desk.notices.failing),
        }

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that are looked at."""
        return frozenset(self._looks)

    async def look(self) -> None:
        """Look at everything, then write what has changed.

        Raises:
            StoreUnavailable: it is written later.
        """
        now, book = self._desk.clock.now(), self._desk.alarms
        for kind, looked in self._looks.items():
            book.observe(kind, looked(now), now)
        await book.flush()

    def clock_jumped(self, seconds: float, now: Instant) -> None:
        """The wall clock was set, by so much."""
        self._jump = f"the clock was set by {seconds:+.3f} s"
        self._desk.alarms.observe("clock_jump", {"clock": self._jump}, now)
        self._jump = ""

    def _devices_lost(self, now: Instant) -> Present:
        blocked = self._desk.blocks.is_blocked
        found, blind = self._server.engine.silent(), frozenset(self._server.engine.desk.without_power())

        def why(name: str) -> str:
            return "it answers, and tells no power" if name in blind else self._desk.status.loss(name)

        return {
            name: f"its data are {quality.value}{f': {loss}' if (loss := why(name)) else ''}"
            for name, quality in found.items()
            if quality in _LOST and not blocked(name)
        }

    def _breakers_open(self, _: Instant) -> Present:
        southbound = self._server.southbound
        if southbound is None:
            return {}
        known = self._server.engine.device
        open_ = (name for name in southbound.dispatcher.open_breakers() if known(name) is not None)
        return dict.fromkeys(open_, "it failed again and again")

    def _in_doubt(self, _: Instant) -> Present:
        return dict.fromkeys(self._server.engine.desk.in_doubt(), "its reported state of charge left its own history")

    def _quarantined(self, _: Instant) -> Present:
        return dict.fromkeys(self._server.engine.desk.quarantined(), "its telemetry is not to be believed")

    def _links_lost(self, _: Instant) -> Present:
        return {name: text for front in self._fronts for name, text in front.lost_links().items()}

    def _vens_lost(self, now: Instant) -> Present:
        return {name: text for front in self._fronts for name, text in front.lost_vens(now).items()}

    def _store_trouble(self, _: Instant) -> Present:
        trouble = "" if self._server.store is None else self._server.store.trouble
        return {"store": trouble} if trouble else {}

    def _clock_jumped(self, _: Instant) -> Present:
        return {}

    def _approvals(self, now: Instant) -> Present:
        return {p.id: f"{p.by} asks for it" for p in self._desk.pending.known() if now < p.expires}

    def _unsealed(self, now: Instant) -> Present:
        count = self._desk.chain.waiting
        return {"audit": f"{count} entries have no seal"} if count else {}

    def _peers_ending(self, now: Instant) -> dict[str, str]:
        return {name: text for front in self._fronts for name, text in front.ending(now).items()}

    def _peers_ended(self, now: Instant) -> dict[str, str]:
        return {name: text for front in self._fronts for name, text in front.ended(now).items()}

    def _look_at_certificates(self, now: Instant) -> tuple[dict[str, str], dict[str, str]]:
        """(expiring, expired) certificates of the configuration."""
        if abs(now - self._read_at) > CERTIFICATES_EVERY_S or now >= self._ends_next:
            self._read_at, self._ends_next = now, math.inf
            expiring: dict[str, str] = {}
            expired: dict[str, str] = {}
            for place in certificates_in(self._server.config):
                left, said = _left_of(place, now)
                if left > 0:
                    self._ends_next = min(self._ends_next, now + left)  # that one ends is told when it does
                if left <= EXPIRING_S:
                    (expired if left <= 0 else expiring)[place.name] = said
                    self._say(place, said, now)
            self._certificates = expiring, expired
        return self._certificates

    def _say(self, place: Path, text: str, now: Instant) -> None:
        """A line in the log, a day apart: who reads the log alone learns it, too."""
        if abs(now - self._said.get(place, float("-inf"))) >= SAID_EVERY_S:
            self._said[place] = now
            _log.warning("certificate %s: %s", place, text)


def _left_of(path: Path, now: Instant) -> tuple[float, str]:
    """(seconds for which all certificates of a file still hold, words for people); 0 where they do not hold."""
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
        begin = max(certificate.not_valid_before_utc for certificate in chain)
        end = min(certificate.not_valid_after_utc for certificate in chain)
    except (OSError, ValueError) as problem:
        return 0.0, f"it cannot be read: {problem}"
    if begin.timestamp() > now:
        return 0.0, f"it holds from {begin:%Y-%m-%d %H:%M} UTC on only; is the clock right?"
    left = end.timestamp() - now
    return max(0.0, left), f"it {'ended' if left <= 0 else 'ends'} {end:%Y-%m-%d %H:%M} UTC"
