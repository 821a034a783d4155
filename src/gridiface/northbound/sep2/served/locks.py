"""Locks by name: writes to one device or program come one after the other, those to others are not held up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gridiface.errors import StoreUnavailable


class NamedLocks:
    """A lock per name, kept only while somebody holds or awaits it."""

    def __init__(self) -> None:
        #: Those who wait for a name, in order; the name is there while somebody holds it.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._out_of_reach = ""

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of `name`; those who wait are served in order.

        Raises:
            StoreUnavailable: the lock is held, and the store is out of reach: its holder may wait for long.
        """
        await self._take(name)
        try:
            yield
        finally:
            self._pass_on(name)

    def on_reach(self, out_of_reach: str) -> None:
        """The store is out of reach, for this reason, or "": it answers again.

        Whoever holds a lock may be the one who waits for the fate of a broken COMMIT. Those behind it would get no
        more than a refusal once it has its answer: they get it now.
        """
        self._out_of_reach = out_of_reach
        if out_of_reach:
            for waiting in self._waiting.values():
                while waiting:
                    future = waiting.popleft()
                    if not future.done():
                        future.set_exception(StoreUnavailable(out_of_reach))

    async def _take(self, name: str) -> None:
        waiting = self._waiting.get(name)
        if waiting is None:
            self._waiting[name] = deque()
            return
        if self._out_of_reach:
            raise StoreUnavailable(self._out_of_reach)
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # It was this one's turn when it gave up.
                self._pass_on(name)
            raise

    def _pass_on(self, name: str) -> None:
        waiting = self._waiting[name]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]
