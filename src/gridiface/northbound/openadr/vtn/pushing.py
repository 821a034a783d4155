"""The sending end towards VENs that are pushed to, over simple HTTP or XMPP: whom it calls how, and what counts.

Owns the connections to VENs. Does not own what is pushed when, or what an answer means: that is the core's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gridiface.domain.clock import Clock
from gridiface.domain.traffic import Tap
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.openadr.settings import VtnSettings
from gridiface.northbound.openadr.wire.client import PayloadClient, Unreachable
from gridiface.northbound.openadr.wire.xmpp import VtnXmpp, peer_name
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.exchange import HttpClient, HttpRefused, Security
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.vtn import Push, Ven

_log = logging.getLogger("gridiface.openadr")


class Pusher:
    """Calls VENs. Call `close` last.

    Args:
        settings: of the VTN.
        security: what signs and verifies with VENs of High security.
        fingerprints: bare JID -> what the VEN of that JID is known by.
        xmpp: how VENs with a JID are reached; None: not at all.
        clock: the time, for signatures.
    """

    def __init__(
        self,
        settings: VtnSettings,
        security: Security,
        fingerprints: Mapping[str, str],
        xmpp: VtnXmpp | None,
        clock: Clock,
    ) -> None:
        self._fingerprints = fingerprints
        self._xmpp = xmpp
        self._clock = clock
        self._clients = {
            signed: PayloadClient(
                HttpClient(security=security if signed else None),
                context=settings.push_context,
                stamp=settings.push_stamp,
                timeout_s=settings.push_timeout_s,
            )
            for signed in (False, True)
        }

    def listen_in(self, tap: Tap) -> None:
        """Tell `tap` of every push over simple HTTP, and its answer."""
        for client in self._clients.values():
            client.tap = tap

    async def close(self) -> None:
        """End all connections."""
        for client in self._clients.values():
            await client.close()

    async def post(self, push: Push, ven: Ven) -> Payload | None:
        """What the VEN answered; None also where it took the push with words that are no payload.

        Several VENs acknowledge with a text of their own: that they took it is said by the status.

        Raises:
            Unreachable, HttpRefused: it did not take it.
            ConfigError: the TLS files cannot be used.
        """
        signed = ven.must_sign
        trust = (lambda der: openadr_fingerprint(der) == ven.fingerprint) if signed else None
        sender = self._sender(ven, push.address, signed=signed)
        try:
            return await sender.post(push.address, push.service, push.payload, self._clock.now(), trust=trust)
        except HttpRefused:
            raise
        except RemoteProtocolError as problem:
            _log.info("VEN %s: its answer to a push is ignored: %s", push.venID, problem.reason)
            return None

    def _sender(self, ven: Ven, address: str, *, signed: bool) -> PayloadClient | VtnXmpp:
        """What pushes to this VEN.

        Raises:
            Unreachable: its JID is not its own, or we have no XMPP.
        """
        if ven.transport != "xmpp":
            return self._clients[signed]
        if self._xmpp is None:
            raise Unreachable("it registered over XMPP, which is not configured any more")
        if peer_name(address, self._fingerprints) != ven.fingerprint:
            raise Unreachable(f"{address} is not its JID")
        return self._xmpp
