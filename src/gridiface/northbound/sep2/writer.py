"""Durable writes that nobody waits for: what the server itself adds (responses on behalf, flips, retention).

Owns the order: a change is durable before what depends on it is done. While the store cannot write, everything waits;
what the store does not take is told and left out, and what depends on it is not done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from gridiface.domain.changes import Change
from gridiface.domain.ports import Ledger
from gridiface.durably import in_order
from gridiface.errors import StoreUnavailable

_log = logging.getLogger("gridiface.sep2")
_RETRY_S = 1.0

_Item = tuple[Sequence[Change], Callable[[], None] | None]


class BackgroundWriter:
    """Commits what is handed to it in one transaction per round, then runs what was to follow.

    Args:
        ledger: where to.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[_Item] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def put(self, changes: Sequence[Change], then: Callable[[], None] | None = None) -> None:
        """Hand in changes; `then` is called when they are durable."""
        self._waiting.append((changes, then))
        self._idle.clear()
        self._wake.set()

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def drain(self) -> None:
        """Wait until nothing is left to write."""
        await self._idle.wait()

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Write what is left, as far as that goes within the time, and end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.drain()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._round()
            self._idle.set()

    async def _round(self) -> None:
        batch, self._waiting = self._waiting, []
        durable, problem = await in_order(self._commit, batch)
        if isinstance(problem, StoreUnavailable):
            self._waiting = batch[durable:] + self._waiting
            _log.warning("the store cannot write, %d records wait: %s", len(self._waiting), problem)
        elif problem is not None:
            _log.error("%d records are left out: %s", len(batch[durable][0]), problem)
            self._waiting = batch[durable + 1 :] + self._waiting
        self._follow(batch[:durable])
        if isinstance(problem, StoreUnavailable):
            await asyncio.sleep(_RETRY_S)

    async def _commit(self, batch: Sequence[_Item]) -> None:
        changes = [change for each, _ in batch for change in each]
        if changes:
            await self._ledger.commit(changes)

    @staticmethod
    def _follow(batch: Sequence[_Item]) -> None:
        for _, then in batch:
            if then is not None:
                try:
                    then()
                except Exception:  # one follow-up that fails must not keep the others from being done
                    _log.exception("what follows a durable write failed")
