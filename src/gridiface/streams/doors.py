"""Who may come in to an aiohttp server: so many at once, and only those who say in time what they want.

aiohttp has no cap on connections and no deadline for a request's head; without them a few silent peers could hold
every descriptor of the process (scoreboard R13, R14).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gridiface.streams.tcp_listener import TcpListener

if TYPE_CHECKING:
    from aiohttp import web

#: A connection on which nothing whole came within this time is closed, s.
WITHIN_S = 15.0


class Doors:
    """The listening sockets of one aiohttp server. Tell it of each request by `asked`.

    Args:
        server: whose connections these are.
        most: open at once; the newest beyond it is closed.
        within_s: for the first request of a connection.
        tls: None: plain.
        speaker: makes what speaks on a connection; None: the server does.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        most: int,
        within_s: float = WITHIN_S,
        tls: ssl.SSLContext | None = None,
        speaker: Callable[[], web.RequestHandler] | None = None,
    ) -> None:
        self._speaker = speaker or server
        self._within = within_s
        self._silent: set[Any] = set()
        self._listener = TcpListener(self._enter, most=most, opened=lambda: len(server.connections), tls=tls)

    async def open(self, host: str, port: int, *, backlog: int = 128) -> None:
        """Listen on every address that `host` stands for; port 0 takes a free one.

        Raises:
            OSError: the name is unknown or the address cannot be taken.
        """
        await self._listener.start(host, port, backlog=backlog)

    @property
    def port(self) -> int:
        """The port; 0 while it does not listen."""
        return self._listener.port

    @property
    def refused(self) -> int:
        """Connections that were too many, since the start."""
        return self._listener.counters["refused_total"]

    def asked(self, handler: object) -> None:
        """On the connection of `handler` (`request.protocol`) came what it may stay for."""
        self._silent.discard(handler)

    def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._listener.close()

    def _enter(self) -> asyncio.Protocol:
        handler: Any = self._speaker()
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(self._within, self._look, handler)
        return handler  # type: ignore[no-any-return]  # aiohttp's own protocol class is not public

    def _look(self, handler: Any) -> None:
        if handler in self._silent:
            self._silent.discard(handler)
            if handler.transport is not None:
                handler.transport.abort()
