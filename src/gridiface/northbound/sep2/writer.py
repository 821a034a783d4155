"""Durable writes that nobody waits for: what the server itself adds (responses on behalf, flips, retention).

Owns the order: a change is durable before what depends on it is done. While the store cannot write, everything waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from gridiface.domain.ports import Change, Ledger
from gridiface.errors import StoreUnavailable

_log = logging.getLogger("gridiface.sep2")
_RETRY_S = 1.0


class BackgroundWriter:
    """Commits what is handed to it in one transaction per round, then runs what was to follow.

    Args:
        ledger: where to.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[Sequence[Change], Callable[[], None] | None]] = []
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
        changes = [change for each, _ in batch for change in each]
        try:
            if changes:
                await self._ledger.commit(changes)
        except StoreUnavailable as problem:
            _log.warning("the store cannot write, %d records wait: %s", len(changes), problem)
            self._waiting = batch + self._waiting
            await asyncio.sleep(_RETRY_S)
            return
        for _, then in batch:
            if then is not None:
                try:
                    then()
                except Exception:  # one follow-up that fails must not keep the others from being done
                    _log.exception("what follows a durable write failed")
