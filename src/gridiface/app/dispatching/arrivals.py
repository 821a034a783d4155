"""Telemetry that many requests bring in one turn of the loop, taken in by the engine at once.

The engine works on columns: sixty devices cost it little more than one. Owns the waiting snapshots of one turn; what
they mean is the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gridiface.aggregation.engine import Engine
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Snapshot


class Arrivals:
    """Gathers snapshots; whoever brought some goes on when the engine has them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[Snapshot] = []
        self._now: Instant = 0.0
        self._handle: asyncio.Handle | None = None

    async def take(self, snapshots: Sequence[Snapshot], now: Instant) -> None:
        """Return when the engine has taken these in, after those that came before them."""
        self._waiting += snapshots
        self._now = now
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self.flush)
        # The loop runs what is ready in the order in which it became ready: the flush is before us.
        await asyncio.sleep(0)

    def flush(self) -> None:
        """Give the engine what waits; whoever is about to ask or tell the engine something else calls this first."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._waiting:
            snapshots, self._waiting = self._waiting, []
            self._engine.observe(snapshots, self._now)
