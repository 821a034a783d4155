"""What the surface does by itself, once a second: seal the audit log, look at alarms, tell of them. Owns the turns."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from gridiface.errors import StoreUnavailable

_log = logging.getLogger("gridiface.operator")

#: The pause between two turns, s.
TURN_S = 1.0


class Upkeep:
    """Turns of several jobs; one that fails is logged and does not keep the others from theirs."""

    def __init__(self, *jobs: Callable[[], Awaitable[object]], turn_s: float = TURN_S) -> None:
        self._jobs = jobs
        self._turn_s = turn_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="gridiface upkeep")

    async def stop(self) -> None:
        """End, after one last turn."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self.turn()

    async def turn(self) -> None:
        """Each job once."""
        for job in self._jobs:
            try:
                await job()
            except StoreUnavailable as problem:
                _log.warning("the store does not answer, it is tried again: %s", problem)
            except Exception:
                # A job's mistake must not end the sealing of the audit log or the alarms for good.
                _log.exception("a job of the operator's surface failed")

    async def _run(self) -> None:
        while True:
            await self.turn()
            await asyncio.sleep(self._turn_s)
