"""Deadlines of plain HTTP connections, which no TLS listener watches. Owns one timer for each connection."""

from __future__ import annotations

import asyncio
from math import inf

#: For a peer that is still sending what nobody wants, s.
_LINGER_S = 2.0


class Timed:
    """Drops a connection that is idle, slow or old; told of its requests as a TLS connection is.

    Args:
        transport: of the connection.
        idle_s: from an answer (or the beginning) to the end of the next request's head, s.
        body_s: from there to the end of its body, s.
        life_s: from the beginning to the end, whatever is under way, s.
    """

    def __init__(
        self, transport: asyncio.Transport, *, idle_s: float, body_s: float = inf, life_s: float = inf
    ) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._idle_s, self._body_s = idle_s, body_s
        now = self._loop.time()
        self._end = now + life_s
        self._deadline = now + idle_s
        self._handle: asyncio.TimerHandle | None = None
        self._wait()

    def request_begins(self, *, body_complete: bool) -> None:
        """A head is complete."""
        self._deadline = inf if body_complete else self._loop.time() + self._body_s

    def body_complete(self) -> None:
        """Its body, too."""
        self._deadline = inf

    def request_ends(self, *, more: bool = False) -> None:
        """It was answered."""
        del more
        self._deadline = self._loop.time() + self._idle_s

    def lingers(self) -> None:
        """The last answer was sent: the peer has a moment to take it and to close."""
        self.cancel()
        self._deadline = self._loop.time() + _LINGER_S
        self._wait()

    def cancel(self) -> None:
        """The connection is gone."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wait(self) -> None:
        # While an answer is made there is no deadline, and the next one is that long away at the least.
        due = min(self._deadline, self._end)
        self._handle = self._loop.call_at(min(due, self._loop.time() + min(self._idle_s, self._body_s)), self._look)

    def _look(self) -> None:
        if self._loop.time() >= min(self._deadline, self._end):
            self._handle = None
            self._transport.abort()
        else:
            self._wait()
