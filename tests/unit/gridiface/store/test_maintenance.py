"""Backups that appear only whole, restores that replace only what they may."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from gridiface.domain.changes import PutDocument
from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.store import maintenance
from gridiface.store.engine import Database, StoreInUse
from gridiface.store.repository import Store


def other(tmp_path: Path) -> Database:
    return Database.parse(str(tmp_path / "other.db"))


@pytest.mark.parametrize("kind", ["sqlite", "archive"])
async def test_backup_of_a_running_store_and_restore_elsewhere(kind: str, store: Store, tmp_path: Path) -> None:
    await store.commit([PutDocument("s", f"{i}", bytes(100)) for i in range(100)])
    target = tmp_path / "backup"
    report = await maintenance.backup(store.database, target, kind=kind)
    assert (report.kind, report.rows["documents"], report.size_bytes) == (kind, 100, target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {
        "backup",
        "grid.db",
        "grid.db-wal",
        "grid.db-shm",
        "grid.db.lock",
    }
    await store.commit([PutDocument("s", "later", b"")])
    restored = await maintenance.restore(other(tmp_path), target)
    assert (restored.sha256, restored.rows) == (report.sha256, report.rows)
    async with await Store.open(str(tmp_path / "other.db"), create=False) as again:
        assert len(await again.documents("s")) == 100
        await again.commit([PutDocument("s", "0", b"new")])


async def test_backup_replaces_only_where_allowed(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    target.write_text("precious")
    with pytest.raises(ConfigError, match="exists"):
        await maintenance.backup(store.database, target)
    assert target.read_text() == "precious"
    await maintenance.backup(store.database, target, overwrite=True)
    assert target.read_bytes().startswith(b"SQLite format 3")


async def test_backups_that_cannot_be(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="there is no database"):
        await maintenance.backup(other(tmp_path), tmp_path / "b")
    with pytest.raises(StoreUnavailable):
        await maintenance.backup(store.database, tmp_path / "none" / "b")
    with pytest.raises(ConfigError, match="use archive"):
        await maintenance.backup(Database.parse("postgresql://h/d"), tmp_path / "b", kind="sqlite")
    with pytest.raises(ConfigError, match="kind"):
        await maintenance.backup(store.database, tmp_path / "b", kind="tape")
    sqlite3.connect(tmp_path / "other.db").close()
    with pytest.raises(ConfigError, match="holds no schema"):
        await maintenance.backup(other(tmp_path), tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize("kind", ["sqlite", "archive"])
async def test_restore_over_rows_needs_force(kind: str, store: Store, tmp_path: Path) -> None:
    await store.commit([PutDocument("s", "old", b"")])
    target = tmp_path / "backup"
    report = await maintenance.backup(store.database, target, kind=kind)
    async with await Store.open(str(tmp_path / "other.db")) as second:
        await second.commit([PutDocument("s", "new", b"")])
        with pytest.raises(StoreInUse):
            await maintenance.restore(other(tmp_path), target, force=True)
    with pytest.raises(ConfigError, match=r"not empty \(1 documents\)"):
        await maintenance.restore(other(tmp_path), target)
    assert (await maintenance.restore(other(tmp_path), target, force=True)).sha256 == report.sha256
    async with await Store.open(str(tmp_path / "other.db")) as second:
        assert [document.key for document in await second.documents("s")] == ["old"]


async def test_a_damaged_backup_changes_nothing(store: Store, tmp_path: Path) -> None:
    await store.commit([PutDocument("s", f"{i}", bytes(3000)) for i in range(200)])
    await maintenance.upgrade(other(tmp_path))
    async with await Store.open(str(tmp_path / "other.db")) as second:
        await second.commit([PutDocument("s", "kept", b"")])
    source = tmp_path / "backup"
    for kind in ("sqlite", "archive"):
        await maintenance.backup(store.database, source, kind=kind, overwrite=True)
        data = source.read_bytes()
        middle = len(data) // 2
        for damaged in (data[:middle], data[:middle] + bytes(5000) + data[middle + 5000 :]):
            source.write_bytes(damaged)
            with pytest.raises(ConfigError):
                await maintenance.restore(other(tmp_path), source, force=True)
    for text in (b"", b"something else", b"SQLite format 3\0"):
        source.write_bytes(text)
        with pytest.raises(ConfigError):
            await maintenance.restore(other(tmp_path), source, force=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        await maintenance.restore(other(tmp_path), tmp_path / "none", force=True)
    async with await Store.open(str(tmp_path / "other.db")) as second:
        assert [document.key for document in await second.documents("s")] == ["kept"]


async def test_upgrade_makes_a_private_file_once(tmp_path: Path) -> None:
    first = await maintenance.upgrade(other(tmp_path))
    assert (first.before, (await maintenance.upgrade(other(tmp_path))).before) == (None, first.after)
    assert stat.S_IMODE((tmp_path / "other.db").stat().st_mode) == 0o600


async def test_a_backup_of_a_newer_schema_is_refused(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    await maintenance.backup(store.database, target)
    connection = sqlite3.connect(target)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match="schema 9999"):
        await maintenance.restore(other(tmp_path), target)
