"""The receiving end of simple HTTP: sockets, body caps and overload; plain or behind the TLS listener.

What a request means is the caller's; this file hands it over as bytes together with the peer's certificate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from gridiface.domain.clock import Clock
from gridiface.domain.traffic import Tap
from gridiface.errors import RemoteProtocolError, cannot_listen
from gridiface.logfields import about
from gridiface.northbound.http1 import Head
from gridiface.northbound.http_connection import HttpServing
from gridiface.northbound.http_deadlines import Timed
from gridiface.northbound.openadr.settings import ListenSettings
from gridiface.northbound.openadr.wire.telling import exchanged
from gridiface.northbound.tls_listener import TlsListener
from gridiface.northbound.tls_transport import PEER
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.exchange import HttpMessage, HttpServer
from gridiface.streams.tcp_listener import TcpListener
from gridiface.tracing import span, traced

_log = logging.getLogger("gridiface.openadr")

#: On plain connections; with TLS it is the listener that watches. A VEN that polls keeps its connection between polls.
_KEEP_ALIVE_S, _BODY_S = 75.0, 12.0

#: An answer, at once or when what it rests on is durable.
Answered = HttpMessage | Coroutine[Any, Any, HttpMessage] | asyncio.Future[HttpMessage]
#: What answers: the request, the peer's certificate (DER, empty without TLS), and whether it is too much now.
Answer = Callable[[HttpMessage, bytes, bool], Answered]


class PayloadListener:
    """Listens and answers. Call `start` first, `stop` last.

    Args:
        settings: where, and how many requests at once; those above are answered with 503.
        answer: answers one request; RemoteProtocolError from it becomes its HTTP status.
        clock: when a request came, for who listens in.
        most_octets: of a request's body, by the certificate.
    """

    def __init__(
        self, settings: ListenSettings, answer: Answer, *, clock: Clock, most_octets: Callable[[bytes], int]
    ) -> None:
        self._settings = settings
        self._http = _Http(answer, clock, most_at_once=settings.most_at_once, most_octets=most_octets)
        self._plain: TcpListener | None = None
        self._tls: TlsListener | None = None

    def listen_in(self, tap: Tap) -> None:
        """Tell `tap` of every request and its answer."""
        self._http.tap = tap

    def name_by(self, naming: Callable[[bytes], Mapping[str, str]]) -> None:
        """Log with the fields that `naming` gives for a certificate."""
        self._http.naming = naming

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before the start."""
        if self._tls is not None:
            return self._tls.addresses[0][1] if self._tls.addresses else 0
        return 0 if self._plain is None else self._plain.port

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be taken, or a TLS file cannot be used.
        """
        host, port, http = self._settings.host, self._settings.port, self._http
        http.open()
        if self._settings.tls is not None:
            self._tls = self._settings.tls(http)
            await self._tls.start(host, port)
            return
        try:
            self._plain = TcpListener(http, most=self._settings.connections, opened=lambda: len(http.connections))
            await self._plain.start(host, port)
        except OSError as problem:
            raise cannot_listen(f"{host} port {port}", problem) from problem

    async def stop(self) -> None:
        """End: no new connections, running requests finish."""
        if self._plain is not None:
            self._plain.close()
        if self._tls is not None:
            self._tls.stop_accepting()
        await self._http.shutdown(3.0)
        if self._tls is not None:
            await self._tls.close()


class _Http(HttpServing[bytes]):
    """Whoever is connected is known by a certificate, DER, which is empty without TLS."""

    def __init__(self, answer: Answer, clock: Clock, *, most_at_once: int, most_octets: Callable[[bytes], int]) -> None:
        super().__init__()
        self._answer = answer
        self._clock = clock
        self._most_at_once = most_at_once
        self._most_octets = most_octets
        self._running = 0
        self.tap: Tap | None = None
        self.naming: Callable[[bytes], Mapping[str, str]] = lambda certificate: {}

    def who(self, transport: asyncio.Transport) -> bytes:
        """See HttpServing.who."""
        peer = transport.get_extra_info(PEER)
        return peer.chain[0] if peer is not None else b""

    def most_of(self, who: bytes) -> int:
        """See HttpServing.most_of."""
        return self._most_octets(who)

    def timed(self, transport: asyncio.Transport) -> Timed | None:
        """See HttpServing.timed."""
        return Timed(transport, idle_s=_KEEP_ALIVE_S, body_s=_BODY_S)

    def take(self, head: Head, body: bytes, who: bytes, address: str) -> Answered:
        """See HttpServing.take."""
        message = HttpMessage(0, head.headers, body, head.method, head.target)
        if self._running >= self._most_at_once:
            return self._begun(message, who, overloaded=True)
        found: Answered = self._traced(message, who) if traced() else self._begun(message, who)
        if isinstance(found, HttpMessage):
            self._tell(message, found, who, address)
            return found
        self._running += 1
        if isinstance(found, asyncio.Future):
            found.add_done_callback(lambda done: self._settled(message, done, who, address))
            return found
        return self._finished(message, found, who, address)

    def _begun(self, message: HttpMessage, who: bytes, *, overloaded: bool = False) -> Answered:
        with about(**self.naming(who)):
            try:
                return self._answer(message, who, overloaded)
            except RemoteProtocolError as problem:
                return refused(problem)

    def _settled(self, message: HttpMessage, done: asyncio.Future[HttpMessage], who: bytes, address: str) -> None:
        self._running -= 1
        if not done.cancelled() and done.exception() is None:
            self._tell(message, done.result(), who, address)

    async def _finished(
        self, message: HttpMessage, under_way: Coroutine[Any, Any, HttpMessage], who: bytes, address: str
    ) -> HttpMessage:
        with about(**self.naming(who)):
            try:
                reply = await under_way
            except RemoteProtocolError as problem:
                reply = refused(problem)
            finally:
                self._running -= 1
        self._tell(message, reply, who, address)
        return reply

    async def _traced(self, message: HttpMessage, who: bytes) -> HttpMessage:
        """The whole of it in one span."""
        with span(f"openadr {message.method} {message.path.partition('?')[0]}", **self.naming(who)):
            found = self._begun(message, who)
            return found if isinstance(found, HttpMessage) else await found

    def _tell(self, message: HttpMessage, reply: HttpMessage, who: bytes, address: str) -> None:
        if self.tap is not None:
            name = openadr_fingerprint(who) if who else ""
            self.tap(exchanged(message, reply, name, address, at=self._clock.now(), received=True))

    def refuse(self, problem: RemoteProtocolError, who: bytes, address: str) -> HttpMessage:
        """See HttpServing.refuse."""
        with about(**self.naming(who)):
            return refused(problem)

    def failed(self) -> HttpMessage:
        """See HttpServing.failed."""
        return HttpServer.refuse(RemoteProtocolError("it failed", answer=500))


def refused(problem: RemoteProtocolError) -> HttpMessage:
    """The answer to a request that is refused, which is logged."""
    _log.info("refused with %d: %s", problem.answer, problem.reason)
    return HttpServer.refuse(problem)
