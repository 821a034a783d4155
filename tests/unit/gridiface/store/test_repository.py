"""The store as a whole on SQLite; the battery for both engines is in the loopback tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gridiface.domain.ports import Document, History, Ledger, PutDocument
from gridiface.errors import StoreUnavailable
from gridiface.store.engine import StoreInUse
from gridiface.store.repository import Store


async def test_it_is_a_ledger_and_a_history(store: Store) -> None:
    ledger: Ledger = store
    history: History = store
    await ledger.commit([PutDocument("s", "k", b"v")])
    assert await ledger.documents("s") == [Document("s", "k", b"v", 1)]
    assert await history.controls() == []


async def test_bursts_share_transactions(store: Store) -> None:
    await asyncio.gather(*(store.commit([PutDocument("s", f"{i}", b"")]) for i in range(500)))
    transactions, calls = store.commits
    assert calls == 500
    assert transactions <= 10


async def test_only_what_is_ready_without_create(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="db upgrade"):
        await Store.open(str(tmp_path / "g.db"), create=False)
    assert list(tmp_path.iterdir()) == []


async def test_a_failed_opening_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await Store.open(str(path))
    path.unlink()
    async with await Store.open(str(path)) as store:
        with pytest.raises(StoreInUse):
            await Store.open(str(path))
        assert store.trouble == ""


async def test_closed_is_closed(store: Store) -> None:
    await store.close()
    for work in (store.commit([PutDocument("s", "k", b"")]), store.documents("s"), store.purge(0.0)):
        with pytest.raises(StoreUnavailable, match="closed"):
            await work
