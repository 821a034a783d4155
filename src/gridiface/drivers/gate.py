"""Whose turn it is on a connection that several devices share: who answered last time goes before who did not.

Owned here: the order. Not owned: how often a silent device is tried (attempts, breaker), and what its silence costs the
others on the line (the driver's link).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager


class Gate:
    """A lock, first come first served, that is taken without waiting where it is free.

    `async with gate` is a turn like any other; those of `turn(suspect=True)` come after all of these.
    """

    __slots__ = ("_held", "_suspects", "_waiting")

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._suspects: deque[asyncio.Future[None]] = deque()

    def turn(self, *, suspect: bool) -> AbstractAsyncContextManager[None]:
        """Alone on the connection. `suspect`: the device's last command failed, the others go first."""
        return _Last(self) if suspect else self

    def take(self) -> bool:
        """Take it if nobody has it; False where somebody has."""
        if self._held:
            return False
        self._held = True
        return True

    def give(self) -> None:
        """Give it back: to the one who waits longest, who has it from then on."""
        for queue in (self._waiting, self._suspects):
            while queue:
                following = queue.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._held = False

    async def __aenter__(self) -> None:
        if not self.take():
            await self._come(self._waiting)

    async def __aexit__(self, *_: object) -> None:
        self.give()

    async def last(self) -> None:
        """Take it after all others who wait now or begin to wait meanwhile."""
        if not self.take():
            await self._come(self._suspects)

    async def _come(self, queue: deque[asyncio.Future[None]]) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it came, and is not wanted any more
            raise


class _Last:
    """A turn of one whose last command failed."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __aenter__(self) -> None:
        await self._gate.last()

    async def __aexit__(self, *_: object) -> None:
        self._gate.give()
