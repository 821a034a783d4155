"""Purging by age."""

from __future__ import annotations

import pytest

from gridiface.app.housekeeping import Housekeeping
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


class Clock:
    def now(self) -> float:
        return 10 * 86_400.0

    def monotonic(self) -> float:
        return 0.0


async def test_purges_what_is_older_than_its_retention() -> None:
    store = Store()
    assert await Housekeeping(store, Clock(), retention_days=2).purge() == {"readings": 3}
    assert store.before == [8 * 86_400.0]


async def test_store_that_cannot_write_is_asked_again_later(caplog: pytest.LogCaptureFixture) -> None:
    assert await Housekeeping(Store(down=True), Clock(), retention_days=2).purge() == {}
    assert "put off" in caplog.text


async def test_start_and_stop() -> None:
    keeper = Housekeeping(Store(), Clock(), retention_days=2)
    keeper.start()
    keeper.stop()
    keeper.stop()
