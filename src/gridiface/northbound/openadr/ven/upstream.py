"""The VTN as our VEN meets it: what becomes of a request that is sent to it, its certificate, its clock.

Owns the judgement of answers that are none. Does not own what is said when (the core's), nor what rests on it (ven.py).
"""

from __future__ import annotations

import logging

from gridiface.domain.clock import Clock
from gridiface.domain.traffic import Tap
from gridiface.errors import GridifaceError, RemoteProtocolError
from gridiface.northbound.openadr.settings import VenSettings
from gridiface.northbound.openadr.wire.client import PayloadClient, Unreachable
from gridiface.northbound.openadr.wire.clocks import words_of
from gridiface.northbound.openadr.wire.xmpp import VenXmpp
from gridiface.northbound.peer_certificates import PeerCertificates
from gridiface.protocols.openadr.exchange import HttpRefused
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.ven import Request
from gridiface.protocols.openadr.ven.registration import OPTIONAL_STEPS

_log = logging.getLogger("gridiface.openadr")

#: What stands for an answer that is no payload, and what for one without the signature that it must have.
_UNREADABLE, _UNTRUSTED = 520, 403
#: HTTP statuses of a VTN that fails at what it was sent, how often a payload is sent all the same, and what ends it.
_BROKEN = frozenset({500, 505, _UNREADABLE})
_MOST_BROKEN, _GIVEN_UP = 5, 400


class NotAnswered(GridifaceError):
    """No answer that can be read; `status` is what the core is told: an HTTP status, 0 where nobody answered.

    `pause_s`: the VTN wants to be left alone so long.
    """

    def __init__(self, reason: str, status: int = 0, *, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.pause_s = pause_s


class Upstream:
    """One VTN, over simple HTTP or XMPP. Call `close` last.

    Args:
        settings: of the VEN.
        client: what sends.
        clock: what is now.
    """

    def __init__(self, settings: VenSettings, client: PayloadClient | VenXmpp, clock: Clock) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        #: The certificate that the VTN shows.
        self.peers = PeerCertificates()
        self._broken: tuple[object, int] = (None, 0)
        self._clock_words = ""

    def listen_in(self, tap: Tap) -> None:
        """Tell `tap` of every message that we send, over XMPP also of those that come, and of its answer."""
        self._client.tap = tap

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()

    async def ask(self, request: Request) -> Payload | None:
        """The answer to a request; None where it is empty.

        Raises:
            NotAnswered: nobody answered, it was refused, or what came is none.
            ConfigError: the TLS files cannot be used.
        """
        name, now = self._settings.name, self._clock.now()
        trust = self._settings.signing.trust if self._settings.signing else None
        try:
            reply = await self._client.post(self._settings.url, request.service, request.payload, now, trust=trust)
        except RemoteProtocolError as problem:
            _log.info("VEN %s: %s: %s", name, request.kind, problem.reason)
            # An answer that cannot be read (a page of whoever stands in between) is no refusal of what was said.
            unread = not isinstance(problem, HttpRefused) and problem.answer != _UNTRUSTED
            raise NotAnswered(
                problem.reason,
                self._status(request, _UNREADABLE if unread else problem.answer),
                pause_s=problem.pause_s if isinstance(problem, HttpRefused) else 0.0,
            ) from None
        except Unreachable as problem:
            _log.debug("VEN %s: %s: %s", name, request.kind, problem)
            raise NotAnswered(str(problem)) from None
        finally:
            self._compare_clocks()
        if isinstance(self._client, PayloadClient):
            self.peers.seen(f"the VTN of {name}", self._client.peer_certificate, now)
        return reply

    @property
    def clock_offset_s(self) -> float | None:
        """How far the VTN's clock is ahead of ours, s; None: it does not say (over XMPP nobody does)."""
        return self._client.peer_ahead_s if isinstance(self._client, PayloadClient) else None

    def _compare_clocks(self) -> None:
        """Events begin and end by our clock (rule 114): say where the VTN's is another, and when it is not any more."""
        words = words_of(self.clock_offset_s)
        if bool(words) != bool(self._clock_words):
            said = f"is {words}: events run by ours" if words else "agrees with ours again"
            _log.log(
                logging.WARNING if words else logging.INFO, "VEN %s: the VTN's clock %s", self._settings.name, said
            )
        self._clock_words = words

    def _status(self, request: Request, status: int) -> int:
        """The status as the core is told: a VTN that breaks at one payload again and again gets the next ones."""
        if status not in _BROKEN:
            return status
        # What is made anew each time is the same by its kind.
        own = request.kind if request.kind in OPTIONAL_STEPS else request.payload
        last, count = self._broken
        count = count + 1 if last is own else 1
        self._broken = (own, count) if count < _MOST_BROKEN else (None, 0)
        return status if count < _MOST_BROKEN else _GIVEN_UP
