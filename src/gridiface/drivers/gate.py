"""Whose turn it is on a connection that several devices share: who answered last time goes before who did not.

Owned here: the order. Not owned: how often a silent device is tried (attempts, breaker), and what its silence costs the
others on the line (the driver's link).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator


class Gate:
    """A lock for commands on one connection. First come first served among those alike."""

    __slots__ = ("_held", "_suspects", "_waiting")

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._suspects: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def turn(self, *, suspect: bool) -> AsyncIterator[None]:
        """Alone on the connection. `suspect`: the device's last command failed, the others go first."""
        await self._take(suspect=suspect)
        try:
            yield
        finally:
            self._give()

    async def _take(self, *, suspect: bool) -> None:
        if not self._held:
            self._held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._suspects if suspect else self._waiting).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give()  # it came, and is not wanted any more
            raise

    def _give(self) -> None:
        for queue in (self._waiting, self._suspects):
            while queue:
                following = queue.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._held = False
