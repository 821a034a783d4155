"""Names of databases, what an error means, and the writer's lock."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.store.engine import Database, StoreInUse, WriterLock, answering, make_private, unavailable
from gridiface.store.repository import Store


@pytest.mark.parametrize("name", ["g.db", "sqlite:///g.db", "sqlite+aiosqlite:///g.db", "sqlite+pysqlite:///g.db"])
def test_names_of_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database.parse(name)
    assert database.path == tmp_path / "g.db"
    assert database.is_sqlite
    assert database.shown == f"sqlite:///{tmp_path / 'g.db'}"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_names_of_servers_hide_their_password(scheme: str) -> None:
    database = Database.parse(f"{scheme}://grid:secret@db.example:5433/grid")
    assert not database.is_sqlite
    assert database.url.drivername == "postgresql+asyncpg"
    assert database.shown == "postgresql://grid:***@db.example:5433/grid"


@pytest.mark.parametrize("name", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "://"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Database.parse(name)


class Postgres(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class InternalClientError(Exception):
    """As asyncpg's: its connection broke between two messages."""


class InterfaceError(Exception):
    """As asyncpg's: no SQLSTATE, no base of its own."""


@pytest.mark.parametrize(
    "error",
    [
        Postgres("08006"),
        Postgres("25006"),
        Postgres("53100"),
        Postgres("57P01"),
        Postgres("55P03"),
        Postgres("42P01"),
        InterfaceError(),
        InternalClientError("cannot switch to state 13"),
        ConnectionResetError(),
        TimeoutError(),
        EOFError(),
        OperationalError("", None, Postgres("57P03")),
    ],
)
def test_the_database_is_to_blame(error: Exception) -> None:
    assert isinstance(unavailable(error), StoreUnavailable)


@pytest.mark.parametrize(
    "error",
    [
        Postgres("22003"),
        Postgres("23505"),
        Postgres("54000"),
        ValueError(),
        IntegrityError("", None, Postgres("23502")),
    ],
)
def test_the_rows_are_to_blame(error: Exception) -> None:
    assert unavailable(error) is None


def test_sqlite_blames_by_its_codes(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "g.db")
    connection.execute("CREATE TABLE t (a INTEGER NOT NULL)")
    for sql, parameters, rows_wrong in (
        ("INSERT INTO t VALUES (NULL)", (), True),
        ("INSERT INTO t VALUES (?)", (object(),), True),
        ("INSERT INTO nothing VALUES (1)", (), False),
    ):
        with pytest.raises(sqlite3.Error) as caught:
            connection.execute(sql, parameters)
        assert (unavailable(caught.value) is None) == rows_wrong
    connection.close()


async def test_reads_raise_only_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="gone"):
        async with answering():
            raise ConnectionResetError("gone")
    with pytest.raises(StoreUnavailable):
        async with answering():
            raise IntegrityError("", None, Postgres("23505"))
    with pytest.raises(KeyError):
        async with answering():
            raise KeyError


async def test_connections_are_durable_and_transactions_real(tmp_path: Path) -> None:
    engine = Database.parse(str(tmp_path / "g.db")).engine(busy_timeout_s=0.25)
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 250}
    async with engine.connect() as connection:
        for name, value in expected.items():
            assert (await connection.execute(text(f"PRAGMA {name}"))).scalar() == value
        await connection.execute(text("CREATE TABLE t (a)"))
        await connection.rollback()
        assert (await connection.execute(text("SELECT count(*) FROM sqlite_master"))).scalar() == 0
    await engine.dispose()


def test_the_lock_is_exclusive_names_its_holder_and_can_be_given_back(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    first, second = WriterLock(path), WriterLock(path)
    assert WriterLock.holder(path) is None
    first.acquire()
    assert WriterLock.holder(path) == os.getpid()
    with pytest.raises(StoreInUse, match=rf"g\.db is in use .*pid {os.getpid()}"):
        second.acquire()
    first.release()
    first.release()
    assert WriterLock.holder(path) is None
    second.acquire()
    second.release()


def test_a_lock_that_cannot_be_made_is_told_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"none is not there; make it, or name another in `database`"):
        WriterLock(tmp_path / "none" / "g.db").acquire()
    (tmp_path / "g.db.lock").mkdir()
    with pytest.raises(StoreUnavailable, match=r"lock file .*Is a directory; look at the rights of"):
        WriterLock(tmp_path / "g.db").acquire()


def test_a_full_disk_does_not_take_the_lock_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    first, second = WriterLock(tmp_path / "g.db"), WriterLock(tmp_path / "g.db")
    first.acquire()
    with pytest.raises(StoreInUse, match="pid unknown"):
        second.acquire()
    first.release()


@pytest.mark.parametrize(
    ("problem", "fix"),
    [("database or disk is full", "make room on its disk"), ("unable to open database file", "look at the rights")],
)
def test_why_a_file_cannot_be_opened_says_what_to_do(tmp_path: Path, problem: str, fix: str) -> None:
    assert fix in str(Database.parse(str(tmp_path / "g.db")).cannot_open(StoreUnavailable(problem)))
    assert "that is a folder" in str(Database.parse(str(tmp_path)).cannot_open(StoreUnavailable(problem)))


@pytest.mark.parametrize(
    ("raised", "fix"),
    [
        ("ConnectionRefusedError: [Errno 111] Connect call failed", "is PostgreSQL running there"),
        ("gaierror: [Errno -2] Name or service not known", "no such host"),
        ("TimeoutError: ", "firewalls"),
        ("InvalidPasswordError: password authentication failed", "PGPASSWORD"),
        ('InvalidCatalogNameError: database "grid" does not exist', "createdb"),
        ("InsufficientPrivilegeError: permission denied for schema public", "GRANT CREATE"),
        ("TooManyConnectionsError: sorry, too many clients already", "PostgreSQL's log"),
    ],
)
def test_a_postgresql_that_cannot_be_opened_is_named_without_its_password(raised: str, fix: str) -> None:
    text = str(Database.parse("postgresql://me:secret@db.example/grid").cannot_open(StoreUnavailable(raised)))
    assert text.startswith("postgresql://me:***@db.example/grid: ")
    assert raised in text
    assert fix in text


async def test_a_file_that_is_no_database_is_told_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.write_text("a letter to the editor\n" * 100)
    with pytest.raises(StoreUnavailable, match=r"g\.db: .*not a database; name another file"):
        await Store.open(str(path))


def test_new_files_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    make_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("kept")
    make_private(path)
    assert path.read_text() == "kept"
    with pytest.raises(StoreUnavailable):
        make_private(tmp_path / "none" / "g.db")
