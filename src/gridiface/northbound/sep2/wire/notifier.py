"""The outgoing HTTPS client for notifications: one POST, one status. Beside the server the only file with sockets.

Shows the server's own certificate, verifies the receiver's against the same roots, follows no redirects, reads next to
nothing of an answer and connects only to addresses that notification_target.py allows. A device's certificate names no
host (IEEE 2030.5-2018 section 6.11): a receiver is known by the LFDI of its subscriber, or else by its host's name.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.helpers import is_ip_address
from aiohttp.resolver import DefaultResolver

from gridiface.errors import ConfigError
from gridiface.httpname import HTTP_NAME
from gridiface.northbound.sep2.wire.notification_target import TargetRules, allowed_address
from gridiface.pki.identity import PeerIdentity
from gridiface.pki.judged import Demand, names_host
from gridiface.protocols.sep2.exchange import SEP_XML, Reply

_log = logging.getLogger("gridiface.sep2")

_IN_ALL_S = 10.0
_CONNECT_S = 5.0
_ANSWER_READ = 4096
_BODY_S = 1.0
_AT_ONCE = 32
#: A renewed certificate is shown this long after its files changed, at the latest.
_CONTEXT_KEPT_S = 300.0
_IDLE_S = 15.0


class Notifier(Protocol):
    """What sends notifications."""

    async def post(self, uri: str, body: bytes, lfdi: str) -> Reply | None:
        """The answer of the subscriber `lfdi`, without its body; None: there was none."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


class HttpsNotifier:
    """Sends notifications by HTTPS.

    Args:
        context: makes the TLS context of the next connections, with the server's own certificate, for a demand on
            receivers.
        rules: where it may connect to.
    """

    def __init__(self, context: Callable[[Demand], ssl.SSLContext], rules: TargetRules) -> None:
        self._context = context
        self._rules = rules
        self._session: ClientSession | None = None
        self._kept: tuple[float, ssl.SSLContext] | None = None
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._expected: defaultdict[str, Counter[str]] = defaultdict(Counter)  # LFDIs by host, of posts under way

    async def post(self, uri: str, body: bytes, lfdi: str) -> Reply | None:
        """POST one notification.

        Args:
            uri: where to.
            body: a Notification.
            lfdi: the subscriber's; the receiver's certificate has it, or names the host of `uri`.

        Returns:
            The answer, without its body; None when there was none in time, or no connection is allowed or possible.
        """
        async with self._at_once:
            try:
                self._check(uri)
                with self._expecting(uri, lfdi):
                    return await self._send(uri, body)
            except (TimeoutError, ClientError, OSError, ValueError, ConfigError) as problem:
                _log.info("a notification to %s was not delivered: %s", uri, problem)
                return None

    async def _send(self, uri: str, body: bytes) -> Reply:
        headers = {"Content-Type": SEP_XML, "Accept-Encoding": "identity", "User-Agent": HTTP_NAME}
        async with self._open().post(uri, data=body, headers=headers, ssl=self._tls(), allow_redirects=False) as reply:
            # The status says all; a body that does not come, or not as announced, takes nothing back of it.
            with suppress(TimeoutError, ClientError):
                async with asyncio.timeout(_BODY_S):
                    await reply.content.read(_ANSWER_READ)
            return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()})

    @contextmanager
    def _expecting(self, uri: str, lfdi: str) -> Iterator[None]:
        host = (urlsplit(uri).hostname or "").removesuffix(".")
        self._expected[host][lfdi] += 1
        try:
            yield
        finally:
            self._expected[host][lfdi] -= 1
            self._expected[host] = +self._expected[host]
            if not self._expected[host]:
                del self._expected[host]

    def _demand(self, identity: PeerIdentity, connection: ssl.SSLObject) -> str:
        host = (connection.server_hostname or "").lower()
        if identity.lfdi in self._expected.get(host, ()) or names_host(connection):
            return ""
        return f"its LFDI {identity.lfdi} is not the subscriber's, and it does not name {host}"

    def _check(self, uri: str) -> None:
        """An address in the URI is not resolved, so it is checked here."""
        host = urlsplit(uri).hostname or ""
        if is_ip_address(host) and not allowed_address(host, self._rules):
            raise OSError(f"{host} is not allowed")

    def _tls(self) -> ssl.SSLContext:
        now = asyncio.get_running_loop().time()
        if self._kept is None or now - self._kept[0] > _CONTEXT_KEPT_S:
            self._kept = now, self._context(self._demand)
        return self._kept[1]

    def _open(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(resolver=_Guarded(self._rules), limit=_AT_ONCE, keepalive_timeout=_IDLE_S)
            timeout = ClientTimeout(total=_IN_ALL_S, connect=_CONNECT_S)
            self._session = ClientSession(
                connector=connector, timeout=timeout, auto_decompress=False, max_line_size=8190, trust_env=False
            )
        return self._session

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Guarded(AbstractResolver):
    """Names resolve to allowed addresses only, however the name server answers."""

    def __init__(self, rules: TargetRules) -> None:
        self._rules = rules
        self._inner = DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """See AbstractResolver.resolve."""
        found = await self._inner.resolve(host, port)
        allowed = [entry for entry in found if allowed_address(entry["host"], self._rules)]
        if not allowed:
            raise OSError(f"no address of {host} is allowed")
        return allowed

    async def close(self) -> None:
        """See AbstractResolver.close."""
        await self._inner.close()
