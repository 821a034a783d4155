"""The outgoing HTTPS client for notifications: one POST, one status. Beside the server the only file with sockets.

Shows the server's own certificate, verifies the receiver's against the same roots, follows no redirects, reads next to
nothing of an answer and connects only to addresses that notification_target.py allows.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from gridiface.northbound.sep2.notification_target import TargetRules, allowed_address
from gridiface.protocols.sep2.exchange import SEP_XML

_log = logging.getLogger("gridiface.sep2")

_IN_ALL_S = 10.0
_CONNECT_S = 5.0
_ANSWER_READ = 4096
_AT_ONCE = 32


class Notifier(Protocol):
    """What sends notifications."""

    async def post(self, uri: str, body: bytes) -> int | None:
        """The status of the answer; None: there was none."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...


class HttpsNotifier:
    """Sends notifications by HTTPS.

    Args:
        context: makes the TLS context of the next connections, with the server's own certificate.
        rules: where it may connect to.
    """

    def __init__(self, context: Callable[[], ssl.SSLContext], rules: TargetRules) -> None:
        self._context = context
        self._rules = rules
        self._session: ClientSession | None = None
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def post(self, uri: str, body: bytes) -> int | None:
        """POST one notification.

        Returns:
            The status of the answer; None when there was none in time, or no connection is allowed or possible.
        """
        async with self._at_once:
            session = self._open()
            try:
                async with session.post(
                    uri, data=body, headers={"Content-Type": SEP_XML}, ssl=self._context(), allow_redirects=False
                ) as reply:
                    await reply.content.read(_ANSWER_READ)
                    return reply.status
            except (TimeoutError, ClientError, OSError, ValueError) as problem:
                _log.info("a notification to %s was not delivered: %s", uri, problem)
                return None

    def _open(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(resolver=_Guarded(self._rules), limit=_AT_ONCE, force_close=True)
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
