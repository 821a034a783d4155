"""The listener for notifications: HTTPS with certificates on both sides, one POST per notification.

Answers as CSIP wants it: 201 for what was subscribed, 400 for what was not (the sender then ends that subscription),
403 for anybody but the server. Bodies are bounded; what one says is subscribing.py's.

Where the configuration allows it, a sender may show no certificate. Then its address must be one of the server's, the
secret in the path must name a subscription before the body is looked at, and what it says only makes us ask the server,
whose certificate we check. One that is shown must be the server's as ever.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.http1 import Head
from gridiface.northbound.sep2.upstream.settings import Listener, NotificationListen
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.northbound.sep2.wire.rates import Rates
from gridiface.northbound.sep2.wire.refusals import RefusalLog
from gridiface.northbound.tls_limits import is_among
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import (
    MethodNotAllowed,
    Reply,
    RetryLater,
    check_content,
    created,
    refusal,
    split_target,
)
from gridiface.protocols.sep2.resources import Notification
from gridiface.protocols.xmlwire import DEFAULT_LIMITS, decode_leniently

_log = logging.getLogger("gridiface.sep2.upstream")

PREFIX = "/ntfy"
"""Before the part that names the subscription, where no public address is configured."""


#: A sender that comes before we have met the server is told to come again, s.
_NOT_YET_S = 5


class Addressee(Protocol):
    """Whom the notifications are for: a session."""

    def is_server(self, lfdi: str) -> bool:
        """Whether a certificate is the server's."""
        ...

    def has_met_server(self) -> bool:
        """Whether the server has shown a certificate that was accepted."""
        ...

    def is_subscribed(self, token: str) -> bool:
        """Whether a secret names a subscription."""
        ...

    def notified(self, token: str, notification: Notification) -> bool:
        """Take a notification; False when it is about nothing that was subscribed there."""
        ...


class NotificationListener:
    """Takes notifications for one session.

    Args:
        listen: where.
        prefix: path before the part that names the subscription.
        session: whom they are for.
    """

    def __init__(self, listen: NotificationListen, prefix: str, session: Addressee) -> None:
        self._listen = listen
        self._prefix = prefix.rstrip("/") + "/"
        self._session = session
        self._http: Sep2Http | None = None
        self._listener: Listener | None = None
        hints = listen.hints
        self._rates = Rates(None, 1) if hints is None else Rates(hints.per_minute / 60.0, hints.per_minute)
        self._log = RefusalLog()
        self.refused = 0
        self.hinted = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be taken, or a TLS file cannot be used.
        """
        hints = self._listen.hints
        self._http = Sep2Http(
            self._read,
            self._write,
            most_octets=DEFAULT_LIMITS.octets,
            most_unknown_octets=None if hints is None else hints.most_octets,
        )
        if hints is not None:
            _log.warning(
                "notifications are taken as hints without a client certificate from %s",
                ", ".join(map(str, hints.sources)),
            )
        self._listener = self._listen.listener(self._http)
        await self._listener.start(self._listen.host, self._listen.port)

    async def stop(self) -> None:
        """End."""
        if self._listener is not None:
            self._listener.stop_accepting()
        if self._http is not None:
            await self._http.shutdown(2.0)
        if self._listener is not None:
            await self._listener.close()

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before the start."""
        return self._listener.addresses[0][1] if self._listener is not None and self._listener.addresses else 0

    def _read(self, head: Head, lfdi: str, address: str) -> Reply:
        """GET and HEAD: nothing is here to be read."""
        try:
            self._token_of(head, lfdi, address)
        except RemoteProtocolError as problem:
            return self._refuse(head, problem, lfdi, address)
        raise AssertionError("a GET was taken for a POST")

    async def _write(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        try:
            return self._answer(head, body, lfdi, address)
        except RemoteProtocolError as problem:
            return self._refuse(head, problem, lfdi, address)

    def _refuse(self, head: Head, problem: RemoteProtocolError, lfdi: str, address: str) -> Reply:
        self.refused += 1
        # The path holds the secret of a subscription.
        now = asyncio.get_running_loop().time()
        self._log.note(head.method, self._prefix, problem.answer, problem.reason, lfdi=lfdi, peer=address, now=now)
        return refusal(problem)

    def _answer(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        token = self._token_of(head, lfdi, address)
        check_content(head.headers)
        if not lfdi:
            self._admit_hint(token, address)
        notification = decode_leniently(body, Notification).value
        if not self._session.notified(token, notification):
            raise RemoteProtocolError("nothing of that was subscribed", detail=ErrorReason.INVALID_VALUES)
        return created(self._prefix + token)

    def _token_of(self, head: Head, lfdi: str, address: str) -> str:
        """The secret in the path of a sender's POST.

        Raises:
            RemoteProtocolError: 403 for anybody else, 404 and 405 for anything else.
        """
        if not (self._session.is_server(lfdi) if lfdi else self._may_hint(address)):
            raise RemoteProtocolError("only the server notifies", answer=403, detail=ErrorReason.INVALID_VALUES)
        path, _ = split_target(head.target)
        if not path.startswith(self._prefix):
            raise RemoteProtocolError("no such resource", answer=404, detail=ErrorReason.INVALID_VALUES)
        if head.method != "POST":
            raise MethodNotAllowed(frozenset({"POST"}))
        return path.removeprefix(self._prefix)

    def _may_hint(self, address: str) -> bool:
        hints = self._listen.hints
        return hints is not None and is_among(address, hints.sources)

    def _admit_hint(self, token: str, address: str) -> None:
        """Whether a sender without a certificate knows a subscription, and does not come too often.

        Raises:
            RemoteProtocolError: 400 where nothing is subscribed there.
            RetryLater: too many, or too early.
        """
        if not self._session.has_met_server():
            raise RetryLater("the server is not known yet", _NOT_YET_S)
        known = self._session.is_subscribed(token)
        # Those who guess are counted by themselves: they keep the server from nothing.
        wait = self._rates.wait("" if known else address, asyncio.get_running_loop().time())
        if wait:
            raise RetryLater("too many notifications", wait)
        if not known:
            raise RemoteProtocolError("nothing is subscribed there", detail=ErrorReason.INVALID_VALUES)
        self.hinted += 1
