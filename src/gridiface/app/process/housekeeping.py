"""Slow periodic work on APScheduler: purging old records. Events are kept by timers.py, not here."""

from __future__ import annotations

import logging

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from gridiface.domain.clock import Clock
from gridiface.errors import StoreUnavailable
from gridiface.store.repository import Store

_log = logging.getLogger("gridiface.housekeeping")

_DAY_S = 86_400.0


class Housekeeping:
    """Purges what is older than its retention, once an hour.

    Args:
        store: what is purged.
        clock: wall clock.
        retention_days: how long readings, decisions, deliveries and controls of fast services are kept.
    """

    def __init__(self, store: Store, clock: Clock, *, retention_days: float) -> None:
        self._store = store
        self._clock = clock
        self._retention_s = retention_days * _DAY_S
        self._scheduler = AsyncIOScheduler(timezone="UTC")

    def keep(self, retention_days: float) -> None:
        """Another retention, from the next purge on."""
        self._retention_s = retention_days * _DAY_S

    def start(self) -> None:
        """Begin; the first purge comes after an hour, so that a start is quick."""
        self._scheduler.add_job(self.purge, "interval", hours=1, max_instances=1, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        """End; a purge under way goes on to its next batch and stops with the store."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def purge(self) -> dict[str, int]:
        """Delete what is too old now; rows deleted by table, empty where the store cannot write."""
        try:
            gone = await self._store.purge(self._clock.now() - self._retention_s)
        except StoreUnavailable as problem:
            _log.warning("purging was put off: %s", problem)
            return {}
        if any(gone.values()):
            _log.info("purged %s", ", ".join(f"{count} {table}" for table, count in gone.items()))
        return gone
