"""The sockets of one session: a request, its answer, within a time and a size. Nothing else of the package has any.

No redirect is followed here, no proxy and no cookie is used, nothing is decompressed: what the server sends is bounded
before it is read. The chain is judged in the handshake, by the TLS context, before the first request leaves.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Protocol

import aiohttp

from gridiface.errors import ConfigError, GridifaceError
from gridiface.httpname import HTTP_NAME
from gridiface.northbound.no_answer import why
from gridiface.northbound.sep2.upstream.settings import Locate
from gridiface.protocols.sep2.dialects import DIALECTS, recognised
from gridiface.protocols.sep2.exchange import Reply, Request
from gridiface.streams.bodies import BodyTooLarge, whole_body

_HEADER_BYTES = 8190
_CONNECT_S = 10.0
_IDLE_S = 60.0
_RENEW_S = 15.0


class LinkFailed(GridifaceError):
    """No answer that can be used: no connection, a chain that was refused, too slow, too large, not HTTP."""


class Way(Protocol):
    """How requests reach a server."""

    async def exchange(self, authority: str, request: Request) -> Reply:
        """Send a request and read its answer.

        Raises:
            LinkFailed: there is none that can be used.
        """
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


class Link:
    """The way to one server over TLS. Call `close` last.

    Args:
        context: makes the TLS context of new connections; called again after a failure, so that renewed files are
            taken.
        timeout_s: of a whole request with its answer.
        answer_bytes: largest body that is read.
        connections: open at once.
        stands_for: authority and DeviceCapability of requests to a server that `locate` finds; it is looked for before
            the first request and again after a failure.
        over: whether a certificate that open connections were made with has ended since: they are not used any more.
    """

    def __init__(
        self,
        context: Callable[[], ssl.SSLContext],
        *,
        timeout_s: float,
        answer_bytes: int,
        connections: int,
        stands_for: tuple[str, str] = ("", ""),
        locate: Locate | None = None,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stands_for, self._locate, self._over = stands_for, locate, over
        self._located: tuple[str, str] | None = None
        self._looking = asyncio.Lock()
        self._make_context = context
        self._context: ssl.SSLContext | None = None
        self._made_at = float("-inf")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, _CONNECT_S))
        self._most = answer_bytes
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self.edition = ""

    async def exchange(self, authority: str, request: Request) -> Reply:
        """Send a request and read its answer.

        Raises:
            LinkFailed: with the reason.
        """
        url = await self._url(authority, request.target)
        if self._over():  # what is open was judged when they held: shaking hands anew tells, or takes renewed files
            self._context = None
            await self.close()
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        # Without a word on it any coding would do (RFC 9110, 12.5.3), and nothing is decompressed here.
        headers |= {"accept-encoding": "identity", "user-agent": HTTP_NAME}
        dialect = DIALECTS.get(self.edition)
        try:
            async with self._opened().request(
                request.method,
                url,
                data=(request.body if dialect is None else dialect.outward(request.body)) or None,
                headers=headers,
                ssl=self._tls(),
                allow_redirects=False,
            ) as answer:
                if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise LinkFailed("the answer is compressed, which was not asked for")
                body = self._plain(await self._body(answer))
                return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ConfigError) as problem:
            self._renew_context()
            self._located = None
            raise LinkFailed(why(problem)) from problem

    async def _url(self, authority: str, target: str) -> str:
        if self._locate is None or authority != self._stands_for[0]:
            return f"https://{authority}{target}"
        async with self._looking:
            if self._located is None:
                try:
                    self._located = await self._locate()
                except ConfigError as problem:
                    raise LinkFailed(str(problem)) from problem
        if self._located is None:
            raise LinkFailed("no server answered on the local network")
        found, dcap = self._located
        return f"https://{found}{dcap if target == self._stands_for[1] else target}"

    def _plain(self, body: bytes) -> bytes:
        """The answer as the client core reads it: CSIP-AUS with a version has a namespace of its own."""
        if recognised(body) == "csipaus-1.3":
            self.edition = "csipaus-1.3"
            return DIALECTS[self.edition].inward(body)
        return body

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        try:
            return await whole_body(answer.content, self._most)
        except BodyTooLarge:
            answer.close()
            raise LinkFailed(f"the answer is longer than {self._most} octets") from None

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context, self._made_at = self._make_context(), time.monotonic()
        return self._context

    def _renew_context(self) -> None:
        """Files may have been renewed; not at every failure, a lost link has many."""
        if time.monotonic() - self._made_at > _RENEW_S:
            self._context = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE_S)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                auto_decompress=False,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
                skip_auto_headers={"Accept-Encoding"},
            )
        return self._session

    async def close(self) -> None:
        """End all connections; who asks meanwhile opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
