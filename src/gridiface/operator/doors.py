"""Who may stay connected to the operator's listener: so many at once, and only those who say what they want.

aiohttp has no cap on connections and no deadline for a request's head; without them a few silent peers could hold
every descriptor of the process (scoreboard R13, R14).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web

_log = logging.getLogger("gridiface.operator")

#: A connection on which no whole head came within this time is closed, s.
HEAD_WITHIN_S = 15.0


class Doors:
    """The connections of one aiohttp server. Call `guard` once, before it listens; `asked` at each request.

    Args:
        most: open at once; the newest beyond it is closed.
        head_within_s: for the first request's head.
    """

    def __init__(self, most: int, head_within_s: float = HEAD_WITHIN_S) -> None:
        self._most = most
        self._within = head_within_s
        self._silent: set[Any] = set()
        self._full = False
        self.refused = 0

    def guard(self, server: web.Server) -> None:
        """Watch the connections of `server` from now on."""
        made, lost = server.connection_made, server.connection_lost

        def connection_made(handler: Any, transport: asyncio.Transport) -> None:
            made(handler, transport)
            if len(server.connections) > self._most:
                self._turn_away(transport)
                return
            self._full = False
            self._silent.add(handler)
            asyncio.get_running_loop().call_later(self._within, self._look, handler, transport)

        def connection_lost(handler: Any, exc: BaseException | None = None) -> None:
            self._silent.discard(handler)
            lost(handler, exc)

        # aiohttp calls them by these names and has no other place to stand in.
        server.connection_made = connection_made  # type: ignore[method-assign]
        server.connection_lost = connection_lost  # type: ignore[method-assign]

    def asked(self, request: web.BaseRequest) -> None:
        """A head came on this connection."""
        self._silent.discard(request.protocol)

    def _look(self, handler: Any, transport: asyncio.Transport) -> None:
        if handler in self._silent:
            transport.abort()

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self.refused += 1
        if not self._full:
            # Once, not for each: a flood must not fill the log.
            _log.warning("%d connections are open, more are closed at once (operator.limits.connections)", self._most)
            self._full = True
        transport.abort()
