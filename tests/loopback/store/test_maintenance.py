"""Backup and restore within an engine and between the two, and beside running servers."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.changes import AppendReadings, PutDocument
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.store import maintenance
from gridiface.store.check import check
from gridiface.store.engine import Database, StoreInUse
from gridiface.store.repository import Store, StoreOptions


def readings(start: int, count: int) -> AppendReadings:
    return AppendReadings(
        tuple(
            Reading(
                device_id="d",
                quantity=Quantity.FREQUENCY,
                value=math.nan if i % 7 == 0 else i / 3,
                source_time=float(i),
                received=float(i),
            )
            for i in range(start, start + count)
        )
    )


async def fill(store: Store) -> None:
    # Keys that engines like to sort differently.
    await store.commit([PutDocument("s", key, key.encode()) for key in ("b", "A", "a-b", "ab", "\u00e9", "_", "Z")])
    await store.commit([readings(0, 1500)])


async def test_check_and_backup_beside_a_running_server(store: Store, tmp_path: Path) -> None:
    await fill(store)
    writing = asyncio.create_task(store.commit([readings(5000, 20_000)]))
    report = await maintenance.backup(store.database, tmp_path / "b")
    await writing
    assert report.rows["readings"] in {1500, 21_500}
    found = await check(store.database, content_hash=True)
    assert found.ok, found.problems
    assert found.rows["readings"] == 21_500
    with pytest.raises(StoreInUse):
        await maintenance.restore(store.database, tmp_path / "b", force=True)
    with pytest.raises(StoreInUse):
        await maintenance.upgrade(store.database)


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["sqlite", "archive"])
async def test_there_and_back_again_between_engines(kind: str, postgres: Any, tmp_path: Path) -> None:
    first = f"sqlite:///{tmp_path / 'first.db'}"
    async with await Store.open(first) as store:
        await fill(store)
    server, last = Database.parse(await postgres.new_database()), Database.parse(str(tmp_path / "last.db"))
    one = await maintenance.backup(Database.parse(first), tmp_path / "one", kind=kind)
    two = await maintenance.restore(server, tmp_path / "one")
    three = await maintenance.backup(server, tmp_path / "two")
    four = await maintenance.restore(last, tmp_path / "two")
    assert one.sha256 == two.sha256 == three.sha256 == four.sha256
    assert three.kind == "archive"
    with pytest.raises(ConfigError, match="not empty"):
        await maintenance.restore(server, tmp_path / "one")
    # New rows must find numbers of their own after a restore.
    async with await Store.open(server.url.render_as_string()) as store:
        await store.commit([readings(9000, 100)])
        assert len(await store.readings("d", start=0, end=math.inf)) == 1600
    assert (await maintenance.restore(server, tmp_path / "one", force=True)).sha256 == one.sha256


@pytest.mark.postgres
async def test_a_damaged_archive_leaves_postgresql_as_it_was(postgres: Any, tmp_path: Path) -> None:
    url = await postgres.new_database()
    async with await Store.open(url) as store:
        await fill(store)
    database = Database.parse(url)
    before = await check(database, content_hash=True)
    await maintenance.backup(database, tmp_path / "b")
    data = (tmp_path / "b").read_bytes()
    (tmp_path / "b").write_bytes(data[:-40])
    with pytest.raises(ConfigError, match="cut off"):
        await maintenance.restore(database, tmp_path / "b", force=True)
    assert (await check(database, content_hash=True)).sha256 == before.sha256


@pytest.mark.postgres
async def test_two_servers_write_one_database(postgres: Any) -> None:
    url = await postgres.new_database()
    stores = [await Store.open(url) for _ in range(3)]
    for turn in range(20):
        keys = [f"{i}" for i in range(30)]
        await asyncio.gather(
            *(
                store.commit([PutDocument("s", key, b"") for key in (keys if number % 2 else reversed(keys))])
                for number, store in enumerate(stores)
            )
        )
        assert {document.version for document in await stores[0].documents("s")} == {3 * (turn + 1)}
    for store in stores:
        await store.close()


@pytest.mark.postgres
async def test_check_of_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreUnavailable):
        await check(Database.parse("postgresql://grid@127.0.0.1:1/none"))


@pytest.mark.postgres
async def test_one_server_at_a_time_and_verbs_beside_it(postgres: Any) -> None:
    url = await postgres.new_database()
    serves = StoreOptions(serves=True)
    async with await Store.open(url, options=serves) as store:
        with pytest.raises(StoreInUse, match="another gridiface server uses this database"):
            await Store.open(url, options=serves)
        async with await Store.open(url) as verb:
            await verb.commit([PutDocument("s", "verb", b"1")])
        await store.commit([PutDocument("s", "server", b"2")])
    async with await Store.open(url, options=serves) as store:
        assert len(await store.documents("s")) == 2


@pytest.mark.postgres
async def test_a_server_whose_connection_hangs_gets_its_place_back(postgres: Any) -> None:
    url = await postgres.new_database()
    async with await Store.open(url, options=StoreOptions(serves=True)) as store:
        sink: Any = store.sink
        held, sink._connection, sink._lease = sink._lease, None, None  # lost here, alive over there
        await store.commit([PutDocument("s", "after", b"1")])
        assert len(await store.documents("s")) == 1
        await held.invalidate()
