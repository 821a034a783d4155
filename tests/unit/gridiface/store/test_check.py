"""What a check finds, beside a running store and in broken files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from gridiface.domain.changes import PutDocument
from gridiface.errors import StoreUnavailable
from gridiface.store import schema
from gridiface.store.check import check
from gridiface.store.engine import Database
from gridiface.store.repository import Store


async def test_a_running_store_is_well_and_its_writer_known(store: Store) -> None:
    await store.commit([PutDocument("s", "k", b"v")])
    report = await check(store.database, content_hash=True)
    assert (report.ok, report.problems, report.integrity, report.journal_mode) == (True, [], "ok", "wal")
    assert (report.revision, report.head, report.rows["documents"]) == (schema.HEAD, schema.HEAD, 1)
    assert report.writer_pid == os.getpid()
    assert report.size_bytes
    assert report.wal_bytes
    assert len(report.sha256 or "") == 64
    assert (await check(store.database)).sha256 is None


async def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    database = Database.parse(str(path))
    with pytest.raises(StoreUnavailable, match="there is no database"):
        await check(database)
    assert not path.exists()
    sqlite3.connect(path).close()
    path.touch()
    report = await check(database)
    assert not report.ok
    assert report.revision is None
    assert "db upgrade" in report.problems[0]
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await check(database)


async def test_a_newer_schema_is_not_told_to_be_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    await (await Store.open(str(path))).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    report = await check(Database.parse(str(path)))
    assert "schema 9999" in report.problems[0]
    assert report.problems[0].endswith("run the version that wrote it, or restore a backup of before")


async def test_a_control_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    await (await Store.open(str(path))).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO controls VALUES ('c7', 'device', 'd', 'active', 0, 1, '{\"id\": 1}')")
    connection.commit()
    connection.close()
    report = await check(Database.parse(str(path)))
    assert report.problems == ["1 controls cannot be read, among them c7 (KeyError)"]
    assert report.writer_pid is None


async def test_a_broken_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    async with await Store.open(str(path)) as store:
        await store.commit([PutDocument("s", f"{i:05}", bytes(500)) for i in range(500)])
    data = bytearray(path.read_bytes())
    page = len(data) // 4096 // 2
    data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    try:
        problems = (await check(Database.parse(str(path)))).problems
    except StoreUnavailable as error:
        problems = [str(error)]
    assert problems
