"""Purging by age."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from tests.clocks import StandingClock

from gridiface.app.process.housekeeping import Housekeeping
from gridiface.errors import StoreUnavailable


class Store:
    """Notes what it is asked to purge."""

    def __init__(self, *, down: bool = False) -> None:
        self.before: list[float] = []
        self.down = down

    async def purge(self, before: float) -> dict[str, int]:
        if self.down:
            raise StoreUnavailable("down on purpose")
        self.before.append(before)
        return {"readings": 3}


async def test_purges_what_is_older_than_its_retention() -> None:
    store = Store()
    assert await Housekeeping(store, StandingClock(10 * 86_400.0, 0.0), retention_days=2).purge() == {"readings": 3}
    assert store.before == [8 * 86_400.0]


async def test_store_that_cannot_write_is_asked_again_later(caplog: pytest.LogCaptureFixture) -> None:
    assert await Housekeeping(Store(down=True), StandingClock(10 * 86_400.0, 0.0), retention_days=2).purge() == {}
    assert "put off" in caplog.text


async def test_the_first_purge_comes_in_an_hour_and_stopping_twice_is_well() -> None:
    store = Store()
    keeper = Housekeeping(store, StandingClock(10 * 86_400.0, 0.0), retention_days=2)
    keeper.start()
    (job,) = keeper._scheduler.get_jobs()
    assert (job.func, store.before) == (keeper.purge, [])
    assert job.trigger.interval == dt.timedelta(hours=1)
    keeper.stop()
    await asyncio.sleep(0)  # it ends in a turn of the loop of its own
    assert not keeper._scheduler.running
    keeper.stop()
