"""Where the database is and how it is opened: names, engines, SQLite's settings, the single-writer lock.

Owns no statement on data. SQLite runs in WAL with synchronous=FULL: a commit that returned survives a power cut.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gridiface.errors import ConfigError, StoreUnavailable

#: SQLite error codes (primary) that blame the rows; our statements are fixed, so all others blame the database.
SQLITE_DATA = frozenset(
    {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE}
)

#: SQLSTATE classes that blame the rows: 22 data, 23 integrity, 54 a limit (a key too long for its index).
POSTGRES_DATA = frozenset({"22", "23", "54"})


#: A session whose machine is gone ends within a minute, and with it the locks that it holds.
_KEEPALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}

#: What to do where PostgreSQL cannot be opened, by words of what is raised.
_POSTGRES_FIXES = {
    "ConnectionRefusedError": "is PostgreSQL running there, and is it that port?",
    "gaierror": "no such host: correct the address in `database`",
    "TimeoutError": "nothing answers there: look at the address in `database` and at firewalls",
    "InvalidPassword": "look at user and password of the address in `database`, or PGPASSWORD and ~/.pgpass",
    "InvalidAuthorization": "look at the user of the address in `database`, and at pg_hba.conf",
    "InvalidCatalogName": "make the database: `createdb NAME`",
    "InsufficientPrivilege": "let the user make tables: `GRANT CREATE ON SCHEMA public TO USER`",
}


class StoreInUse(StoreUnavailable):
    """Another process holds the database for writing; the text names it."""


@dataclass(frozen=True, slots=True)
class Database:
    """A parsed database name: an SQLite file or a PostgreSQL URL."""

    url: URL
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sqlite:///relative.db`, `sqlite:////absolute.db`, a plain file name, or `postgresql://...`.

        Raises:
            ConfigError: neither of these, or SQLite in memory, which would not survive anything.
        """
        if "://" not in text:
            text = f"sqlite:///{text}"
        try:
            url = make_url(text)
        except ArgumentError as error:
            raise ConfigError("the database URL cannot be read; use sqlite:///FILE or postgresql://...") from error
        family = url.get_backend_name()
        if family == "sqlite":
            if not url.database or url.database == ":memory:":
                raise ConfigError("an SQLite database must be a file: sqlite:///gridiface.db")
            return cls(url.set(drivername="sqlite+aiosqlite"), Path(url.database).resolve())
        if family in {"postgresql", "postgres"}:
            return cls(url.set(drivername="postgresql+asyncpg"), None)
        raise ConfigError(f"no database engine {family!r}; use sqlite:///FILE or postgresql://...")

    @property
    def is_sqlite(self) -> bool:
        """Whether this is an SQLite file."""
        return self.path is not None

    @property
    def shown(self) -> str:
        """The name for people and logs, without its password."""
        if self.path is not None:
            return f"sqlite:///{self.path}"
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)

    def cannot_open(self, problem: StoreUnavailable) -> StoreUnavailable:
        """Why this database cannot be opened, with its name and what to do."""
        if isinstance(problem, StoreInUse):
            return StoreInUse(f"{self.shown}: {problem}")
        if self.path is None:
            usual = "look at the address in `database`, and at PostgreSQL's log"
            fix = next((fix for name, fix in _POSTGRES_FIXES.items() if name in str(problem)), usual)
        elif self.path.is_dir():
            fix = "that is a folder; name a file in it"
        elif "is full" in str(problem):
            fix = "make room on its disk, or name a file on another"
        elif "not a database" in str(problem):
            fix = "name another file; a backup is brought back by `gridiface db restore`"
        elif "malformed" in str(problem):
            fix = "the file is damaged: keep a copy of it, and bring a backup back by `gridiface db restore`"
        else:
            fix = "look at the rights of the file, its folder and the files beside it, and at the room on its disk"
        return StoreUnavailable(f"{self.shown}: {problem}; {fix}")

    def engine(
        self, *, busy_timeout_s: float = 2.0, command_timeout_s: float = 60.0, pool_size: int = 4
    ) -> AsyncEngine:
        """An engine for reading, and for schema work, on this database.

        Args:
            busy_timeout_s: how long SQLite waits for another process's lock.
            command_timeout_s: how long one statement may take on PostgreSQL.
            pool_size: connections kept open.

        Raises:
            ConfigError: the driver for PostgreSQL is not installed.
        """
        if self.path is not None:
            engine = create_async_engine(self.url.set(database=str(self.path)), pool_size=pool_size)
            _tune(engine, busy_timeout_s)
            return engine
        try:
            return create_async_engine(
                self.url,
                pool_size=pool_size,
                pool_pre_ping=True,
                connect_args={
                    "timeout": 5,
                    "command_timeout": command_timeout_s,
                    "server_settings": {"application_name": "gridiface", **_KEEPALIVE},
                },
            )
        except ImportError as error:
            raise ConfigError("PostgreSQL needs the extra: pip install 'gridiface[postgresql]'") from error


def _tune(engine: AsyncEngine, busy_timeout_s: float) -> None:
    """SQLite: pragmas on each connection, and transactions that really begin where SQLAlchemy says so."""

    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # None: the driver starts no transaction of its own, so that DDL and reads are in ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in pragmas(busy_timeout_s):
                cursor.execute(pragma)
            cursor.close()
        except BaseException:
            # The pool forgets a connection that fails here; its thread would stay.
            connection.close()
            raise

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


def pragmas(busy_timeout_s: float, *, writing: bool = False) -> tuple[str, ...]:
    """What an SQLite connection of ours is set to.

    WAL lets readers and the one writer pass each other; FULL makes each commit wait for the disk; the size limit
    gives the log's space back after a burst. The writer's cache (64 MiB) holds the index pages that the readings of
    many devices touch in turn, and its checkpoints, every 4000 pages, write each of them once for many commits.
    """
    common = (
        f"PRAGMA busy_timeout={int(busy_timeout_s * 1000)}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA journal_size_limit=67108864",
    )
    return (*common, "PRAGMA cache_size=-65536", "PRAGMA wal_autocheckpoint=4000") if writing else common


def unavailable(error: BaseException) -> StoreUnavailable | None:
    """`error` as StoreUnavailable where it says that the database cannot be used now; None where the rows are wrong."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, sqlite3.Error):
        # Misuse that Python itself finds (a type that cannot be bound) carries no code.
        code = getattr(cause, "sqlite_errorcode", None)
        rows_wrong = code is None or code & 0xFF in SQLITE_DATA
    elif (state := sqlstate(cause)) is not None:
        rows_wrong = state[:2] in POSTGRES_DATA
    else:
        # asyncpg's InterfaceError (a connection closed under us) has no SQLSTATE and no base of its own, nor has its
        # InternalClientError: the state of a connection that broke between two messages is not what it expects.
        interface = any(name in type(cause).__name__ for name in ("InterfaceError", "InternalClientError"))
        rows_wrong = not (interface or isinstance(cause, OSError | TimeoutError | EOFError | SQLAlchemyError))
    return None if rows_wrong else StoreUnavailable(f"{type(cause).__name__}: {cause}")


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE that PostgreSQL gave with an error, or None."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


@contextlib.asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Turn whatever a driver raises into StoreUnavailable: the way all reads go.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    try:
        yield
    except (SQLAlchemyError, OSError, sqlite3.Error) as error:
        raise unavailable(error) or StoreUnavailable(f"{type(error).__name__}: {error}") from error


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read, where there is none: SQLite takes it for an empty database.

    Raises:
        StoreUnavailable: it cannot be made, or is there and cannot be written.
    """
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror}") from error


class WriterLock:
    """The right to write an SQLite file: a kernel lock on `FILE.lock`, gone with its process, however it dies."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, at once or not at all.

        Raises:
            StoreInUse: another process (or another Store of this one) has it.
            StoreUnavailable: the lock file cannot be made.
        """
        try:
            file = self.path.open("a+", encoding="utf-8")
        except FileNotFoundError as error:
            text = f"the folder {self.path.parent} is not there; make it, or name another in `database`"
            raise StoreUnavailable(text) from error
        except OSError as error:
            fix = f"look at the rights of {self.path.parent}: who runs gridiface writes there"
            raise StoreUnavailable(f"cannot open the lock file {self.path}: {error.strerror}; {fix}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read(32).strip() or "unknown"
            file.close()
            database = self.path.with_suffix("")
            raise StoreInUse(
                f"{database} is in use by another gridiface process (pid {holder}); stop it, or use another database"
            ) from error
        with contextlib.suppress(OSError):  # a full disk: the lock is the kernel's, the number is for people
            file.truncate(0)
            os.pwrite(file.fileno(), f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Give the lock back; the file stays, because removing it would race with the next holder."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @classmethod
    def holder(cls, database: Path) -> int | None:
        """The pid of the process that writes `database` now, or None."""
        lock = cls(database)
        try:
            with lock.path.open("r", encoding="utf-8") as file:
                try:
                    # A shared lock cannot be had while the writer holds its exclusive one.
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    text = file.read(32).strip()
                    return int(text) if text.isdecimal() else 0
        except OSError:
            return None
        return None
