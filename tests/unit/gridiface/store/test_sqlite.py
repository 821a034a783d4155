"""The SQLite sink: one transaction per plan, and what it does when a statement fails."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gridiface.domain.changes import PutDocument
from gridiface.errors import StoreUnavailable
from gridiface.store import maintenance
from gridiface.store.batch import Plan, encode, plan
from gridiface.store.engine import Database
from gridiface.store.sqlite import SqliteSink
from gridiface.store.statements import Op
from gridiface.store.writer import RefusedRows

GOOD = plan([encode([PutDocument("s", "k", b"v")])])


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[SqliteSink]:
    path = tmp_path / "g.db"
    await maintenance.upgrade(Database.parse(str(path)))
    made = SqliteSink(path, busy_timeout_s=0.05)
    await made.open()
    yield made
    await made.close()


def rows(tmp_path: Path) -> list[tuple[str, bytes]]:
    connection = sqlite3.connect(tmp_path / "g.db")
    found = connection.execute("SELECT key, body FROM documents").fetchall()
    connection.close()
    return found


async def test_a_plan_is_durable_on_return(sink: SqliteSink, tmp_path: Path) -> None:
    await sink.write(GOOD)
    assert rows(tmp_path) == [("k", b"v")]


@pytest.mark.parametrize("value", [None, object(), 1 << 70, "\ud800"])
async def test_rows_it_does_not_take_change_nothing(sink: SqliteSink, tmp_path: Path, value: object) -> None:
    bad: Plan = [(Op.APPEND_OUTCOME, [("c", "d", value, 1.0, "r"), ("c", "d", 1, 1.0, "r")])]
    with pytest.raises(RefusedRows):
        await sink.write([*GOOD, *bad])
    assert rows(tmp_path) == []
    await sink.write(GOOD)
    assert rows(tmp_path) == [("k", b"v")]


async def test_a_lock_of_another_is_unavailable_and_passes(sink: SqliteSink, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "g.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await sink.write(GOOD)
    with pytest.raises(StoreUnavailable, match="locked"):
        await sink.execute("DELETE FROM documents")
    other.execute("ROLLBACK")
    other.close()
    await sink.write(GOOD)
    assert await sink.execute("DELETE FROM documents WHERE key = ?", ("k",)) == 1
    assert rows(tmp_path) == []


async def test_closing_leaves_one_file(sink: SqliteSink, tmp_path: Path) -> None:
    await sink.write(GOOD)
    assert (tmp_path / "g.db-wal").exists()
    await sink.close()
    assert not (tmp_path / "g.db-wal").exists()
    await_open = SqliteSink(tmp_path / "missing.db", busy_timeout_s=0.05)
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await await_open.open()
    await await_open.close()
    assert not (tmp_path / "missing.db").exists()
