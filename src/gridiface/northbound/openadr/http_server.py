"""The receiving end of simple HTTP: sockets, body caps and overload; plain or behind the TLS listener.

What a request means is the caller's; this file hands it over as bytes together with the peer's certificate.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import HttpVersion11, web

from gridiface.domain.clock import Clock
from gridiface.domain.traffic import Tap
from gridiface.errors import RemoteProtocolError, cannot_listen
from gridiface.httpname import name_ourselves
from gridiface.logfields import about
from gridiface.northbound.openadr.settings import ListenSettings
from gridiface.northbound.openadr.telling import exchanged
from gridiface.northbound.tls_listener import TlsListener
from gridiface.northbound.tls_requests import peer_of
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.exchange import HttpMessage, HttpServer
from gridiface.streams.tcp_listener import TcpListener
from gridiface.tracing import span

_log = logging.getLogger("gridiface.openadr")

#: A VEN that polls keeps its connection between polls.
_KEEP_ALIVE_S = 75.0


#: What answers: the request, the peer's certificate (DER, empty without TLS), and whether it is too much now.
Answer = Callable[[HttpMessage, bytes, bool], Awaitable[HttpMessage]]


class PayloadListener:
    """Listens and answers. Call `start` first, `stop` last.

    Args:
        settings: where, and how many requests at once; those above are answered with 503.
        answer: answers one request; RemoteProtocolError from it becomes its HTTP status.
        clock: when a request came, for who listens in.
        most_octets: of a request's body.
    """

    def __init__(self, settings: ListenSettings, answer: Answer, *, clock: Clock, most_octets: int) -> None:
        self._clock = clock
        self._settings = settings
        self._answer = answer
        self._most = most_octets
        self._running = 0
        #: Told of every request and its answer; None: nobody listens.
        self.tap: Tap | None = None
        #: Who has a certificate, as log fields.
        self.naming: Callable[[bytes], Mapping[str, str]] = lambda certificate: {}
        self._http: web.Server | None = None
        self._plain: TcpListener | None = None
        self._tls: TlsListener | None = None

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
        name_ourselves()
        self._http = http = web.Server(
            self._handle, access_log=None, keepalive_timeout=_KEEP_ALIVE_S, auto_decompress=False
        )
        host, port = self._settings.host, self._settings.port
        if self._settings.tls is not None:
            self._tls = self._settings.tls(self._http)
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
        if self._http is not None:
            await self._http.shutdown(3.0)
        if self._tls is not None:
            await self._tls.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = peer_of(request)
        certificate = peer.chain[0] if peer is not None else b""
        overloaded = self._running >= self._settings.most_at_once
        self._running += 1
        asked = dict(request.headers)
        message = HttpMessage(0, asked, b"", request.method, request.raw_path)
        named = self.naming(certificate)
        with about(**named), span(f"openadr {request.method} {request.path}", **named):
            try:
                body = b"" if overloaded else await self._body(request)
                message = HttpMessage(0, asked, body, request.method, request.raw_path)
                reply = await self._answer(message, certificate, overloaded)
            except RemoteProtocolError as problem:
                _log.info("refused with %d: %s", problem.answer, problem.reason)
                reply = HttpServer.refuse(problem)
            finally:
                self._running -= 1
        if self.tap is not None and not overloaded:
            name = openadr_fingerprint(certificate) if certificate else ""
            self.tap(exchanged(message, reply, name, request.remote or "", at=self._clock.now(), received=True))
        headers = {name: value for name, value in reply.headers.items() if name != "Content-Length"}
        response = web.Response(status=reply.status, headers=headers, body=reply.body)
        if overloaded or reply.status == 413:
            response.force_close()  # What is left of the body is not read.
        return response

    async def _body(self, request: web.BaseRequest) -> bytes:
        parts, size = [], 0
        if (request.content_length or 0) > self._most:
            raise RemoteProtocolError("the body is too large", answer=413)
        if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
            # Who asks first waits for this word, some for a second and some for ever.
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for part in request.content.iter_any():
            size += len(part)
            if size > self._most:
                raise RemoteProtocolError("the body is too large", answer=413)
            parts.append(part)
        return b"".join(parts)
