"""POSTs a payload and reads its answer, within a time and a size. Owns the sockets of the sending end only."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable

import aiohttp

from gridiface.domain.traffic import Tap
from gridiface.errors import ConfigError, GridifaceError, RemoteProtocolError
from gridiface.httpname import HTTP_NAME
from gridiface.northbound.no_answer import why
from gridiface.northbound.openadr.wire.clocks import ahead_by_date
from gridiface.northbound.openadr.wire.telling import exchanged
from gridiface.northbound.peer_certificates import end_of
from gridiface.protocols.openadr.exchange import HttpClient, HttpMessage, service_url
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.signature import Trust
from gridiface.streams.bodies import BodyTooLarge, whole_body

_log = logging.getLogger("gridiface.openadr")

#: A connection that ended before anything of an answer came.
_BROKEN_OFF = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


class Unreachable(GridifaceError):
    """Nobody answered: no connection, no TLS, or no answer in time."""


class PayloadClient:
    """The sending end of simple HTTP. Call `close` last.

    Args:
        http: makes requests and reads answers.
        context: makes the TLS context; None for http addresses.
        stamp: of the files behind the context: what is open ends, and a new context is made, when it changes.
        timeout_s: of a whole request.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        context: Callable[[], ssl.SSLContext] | None = None,
        stamp: Callable[[], object] | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._http = http
        self._make_context = context
        self._stamp = stamp if stamp is not None else lambda: None
        self._seen: object = None
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._most = http.most_octets
        self._session: aiohttp.ClientSession | None = None
        #: The certificate of the peer in the last handshake; b"" before, and without TLS.
        self.peer_certificate = b""
        #: How far the peer's clock was ahead of ours at its last answer, s; None: it did not say.
        self.peer_ahead_s: float | None = None
        #: Told of every request and its answer; None: nobody listens.
        self.tap: Tap | None = None

    async def post(
        self, base: str, service: str, payload: Payload, now: float, *, trust: Trust | None = None
    ) -> Payload | None:
        """The answer to a payload; None for an empty one.

        Args:
            base: address before OpenADR2/Simple/2.0b, or with it.
            service: of the payload.
            payload: what is said.
            now: the time, for signatures.
            trust: who may sign the answer; None: it needs no signature.

        Raises:
            Unreachable: no answer came.
            RemoteProtocolError: `answer` is the HTTP status, or 403 and 406 for an answer that cannot be taken.
            ConfigError: the TLS files cannot be used.
        """
        if self.peer_certificate and end_of(self.peer_certificate) <= now:
            # What is open was judged when the certificate was good (rule 516): shake hands anew, which tells.
            await self.close()
        await self._renewed()
        begun = time.monotonic()
        try:
            message, reply = await self._exchanged(base, service, payload, now)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            raise Unreachable(why(problem)) from problem
        date = next((value for name, value in reply.headers.items() if name.lower() == "date"), "")
        self.peer_ahead_s = ahead_by_date(date, now, time.monotonic() - begun)
        if self.tap is not None:
            self.tap(exchanged(message, reply, base, base, at=now, received=False))
        return self._http.response(reply, now, trust=trust, signed=trust is not None)

    async def _renewed(self) -> None:
        """Renewed certificates are shown, and who is revoked is refused, from the next request on.

        Files that cannot be used, such as a certificate whose key is not there yet, leave what is open as it is.
        """
        stamp = self._stamp()
        if self._session is None or self._make_context is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._make_context()
        except ConfigError as problem:
            _log.warning("changed TLS files are not used yet: %s", problem)
            return
        await self.close()

    async def close(self) -> None:
        """End all connections; who asks meanwhile opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchanged(
        self, base: str, service: str, payload: Payload, now: float
    ) -> tuple[HttpMessage, HttpMessage]:
        try:
            return await self._sent(base, self._http.request(service, payload, now))
        except _BROKEN_OFF:
            # A peer ends a connection that it kept just when we use it again. Every operation may be repeated, but
            # not a nonce.
            return await self._sent(base, self._http.request(service, payload, now))

    async def _sent(self, base: str, message: HttpMessage) -> tuple[HttpMessage, HttpMessage]:
        headers = {name: value for name, value in message.headers.items() if name != "Content-Length"}
        url = service_url(base, message.path)
        async with self._opened().post(url, data=message.body, headers=headers, allow_redirects=False) as answer:
            return message, HttpMessage(answer.status, dict(answer.headers), await self._body(answer))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._seen = self._stamp()
            context = self._noting(self._make_context()) if self._make_context is not None else True
            # What is compressed is unpacked by the exchange, which knows how much it may become.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                timeout=self._timeout,
                auto_decompress=False,
                headers={"User-Agent": HTTP_NAME},
            )
        return self._session

    def _noting(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """The context, telling us whose certificate its connections see."""

        class Noting(context.sslobject_class):  # type: ignore[misc,name-defined]  # it may judge the peer already
            def do_handshake(own) -> None:  # noqa: N805 - `self` is the client
                super().do_handshake()
                self.peer_certificate = own.getpeercert(binary_form=True) or b""

        context.sslobject_class = Noting
        return context

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        try:
            return await whole_body(answer.content, self._most)
        except BodyTooLarge:
            answer.close()
            raise RemoteProtocolError("the answer is too large", answer=406) from None
