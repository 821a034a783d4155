"""What an operator does to a database: upgrade, backup, restore, check. Beside a running server where that is safe.

Reading (backup, check) goes on while a server writes; changing (upgrade, restore) wants the database alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.store import archive, schema
from gridiface.store.engine import Database, StoreInUse, WriterLock, answering, make_private
from gridiface.store.postgres import PRESENCE_LOCK
from gridiface.store.tables import metadata

_SQLITE_MAGIC = b"SQLite format 3\0"
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeReport:
    """What `upgrade` did; `before` None: there was no schema."""

    database: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What `backup` wrote; `kind` is "sqlite" or "archive"."""

    database: str
    target: str
    kind: str
    revision: str
    size_bytes: int
    rows: dict[str, int]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What `restore` brought back; `sha256` is the content's, equal to the backup's where no upgrade followed."""

    database: str
    source: str
    kind: str
    revision: str
    rows: dict[str, int]
    sha256: str


async def upgrade(database: Database) -> UpgradeReport:
    """Make the database where it is missing, and bring its schema to this version's.

    Raises:
        StoreInUse: a server writes this SQLite file.
        StoreUnavailable: no connection, no right to write.
        ConfigError: the schema is newer than this version.
    """
    async with _alone(database) as engine, answering():
        before, after = await schema.upgrade(engine)
    return UpgradeReport(database=database.shown, before=before, after=after)


async def backup(database: Database, target: Path, *, kind: str = "auto", overwrite: bool = False) -> BackupReport:
    """Write a consistent copy of a database, while a server may be writing.

    Args:
        database: what to save.
        target: the file; it appears only when it is whole.
        kind: "sqlite" (a database file), "archive" (JSON lines, for either engine), or "auto": a file for SQLite,
            an archive for PostgreSQL.
        overwrite: replace an existing file.

    Raises:
        ConfigError: the target exists, the kind does not fit, or there is no schema to save.
        StoreUnavailable: no database, no connection, no room for the file.
    """
    chosen = ("sqlite" if database.is_sqlite else "archive") if kind == "auto" else kind
    if chosen not in {"sqlite", "archive"} or (chosen == "sqlite" and not database.is_sqlite):
        raise ConfigError(f"a backup of {database.shown} cannot be of kind {kind!r}; use archive")
    require_file(database)
    _free(target, overwrite=overwrite)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        make_private(part)
        async with answering():
            if database.path is not None and chosen == "sqlite":
                await asyncio.to_thread(_copy_sqlite, database.path, part)
                revision, digest = await _described(Database.parse(str(part)))
            else:
                revision, digest = await _save_archive(database, part)
        size = await asyncio.to_thread(_publish, part, target)
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        for leftover in (part, part.with_name(part.name + "-wal"), part.with_name(part.name + "-shm")):
            leftover.unlink(missing_ok=True)
    return BackupReport(
        database=database.shown,
        target=str(target),
        kind=chosen,
        revision=revision,
        size_bytes=size,
        rows=digest.counts,
        sha256=digest.sha256,
    )


async def restore(database: Database, source: Path, *, force: bool = False) -> RestoreReport:
    """Replace a database's content by a backup's, all or nothing, and bring its schema to this version's.

    Args:
        database: where to; made where it is missing.
        source: a file that `backup` wrote, of either kind; its kind is read from its first bytes.
        force: overwrite a database that holds rows.

    Raises:
        ConfigError: the backup is damaged or newer than this version, or the database holds rows and not `force`.
        StoreInUse: a server is using the database.
        StoreUnavailable: no connection, no right to write.
    """
    kind = _kind_of(source)
    async with _alone(database) as engine, answering():
        await _may_replace(engine, database, force=force)
        if kind == "archive":
            revision = await _load_archive(engine, source)
        elif database.path is not None:
            revision = await asyncio.to_thread(_verified, source)
            await engine.dispose()
            await asyncio.to_thread(_copy_sqlite, source, database.path)
            await schema.upgrade(engine)
        else:
            revision = await _through_archive(engine, source)
        async with snapshot(engine) as connection:
            digest = await archive.digest(connection)
    return RestoreReport(
        database=database.shown,
        source=str(source),
        kind=kind,
        revision=revision,
        rows=digest.counts,
        sha256=digest.sha256,
    )


def require_file(database: Database) -> None:
    """Pass unless this is an SQLite database whose file is not there: opening it would make an empty one.

    Raises:
        StoreUnavailable: there is no such file.
    """
    if database.path is not None and not database.path.is_file():
        raise StoreUnavailable(f"there is no database {database.path}; `gridiface db upgrade` makes one")


@contextlib.asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that sees one state of the database throughout, and changes nothing."""
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            yield connection


@contextlib.asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine, while no server uses the database (PostgreSQL: one that has no other user of ours)."""
    engine = database.engine()
    lock = WriterLock(database.path) if database.path is not None else None
    if lock is not None and database.path is not None:
        lock.acquire()
        make_private(database.path)
    try:
        if lock is not None:
            yield engine
            return
        async with answering(), engine.connect() as guard:
            asked = await guard.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": PRESENCE_LOCK})
            if not asked.scalar():
                raise StoreInUse(f"{database.shown} is in use by a gridiface process; stop it first")
            await guard.commit()
            try:
                yield engine
            finally:
                # The lock is the session's: it goes only with the connection.
                await guard.invalidate()
    finally:
        await engine.dispose()
        if lock is not None:
            lock.release()


async def _may_replace(engine: AsyncEngine, database: Database, *, force: bool) -> None:
    async with snapshot(engine) as connection:
        held = {name: count for name, count in (await archive.counts(connection)).items() if count}
    if held and not force:
        summary = ", ".join(f"{count} {name}" for name, count in held.items())
        raise ConfigError(f"{database.shown} is not empty ({summary}); save it first, then use --force")


async def _described(database: Database) -> tuple[str, archive.Digest]:
    """Revision and content of a database at rest."""
    engine = database.engine()
    try:
        async with snapshot(engine) as connection:
            return await _revision(connection, database), await archive.digest(connection)
    finally:
        await engine.dispose()
        if database.path is not None:
            _fold_log(database.path)


async def _revision(connection: AsyncConnection, database: Database) -> str:
    revision = await schema.current(connection)
    if revision is None:
        raise ConfigError(f"{database.shown} holds no schema of gridiface: run `gridiface db upgrade`")
    return revision


async def _save_archive(database: Database, target: Path) -> tuple[str, archive.Digest]:
    engine = database.engine()
    try:
        async with snapshot(engine) as connection:
            revision = await _revision(connection, database)
            with target.open("wb") as file:
                digest = await archive.save(connection, file, revision=revision, now=time.time())
            return revision, digest
    finally:
        await engine.dispose()


async def _load_archive(engine: AsyncEngine, source: Path) -> str:
    """In one transaction: drop what is there, make the archive's own schema, fill it, upgrade it."""
    with archive.Archive(source) as backup_file:
        if backup_file.revision not in schema.revisions():
            raise ConfigError(f"{source} has schema {backup_file.revision}, this gridiface knows {schema.HEAD}")
        async with engine.begin() as connection:
            await connection.run_sync(metadata.drop_all)
            await connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
            await schema.upgrade_on(connection, backup_file.revision)
            await archive.load(connection, backup_file)
            await schema.upgrade_on(connection)
        return backup_file.revision


async def _through_archive(engine: AsyncEngine, source: Path) -> str:
    """An SQLite backup into PostgreSQL."""
    await asyncio.to_thread(_verified, source)
    with tempfile.TemporaryDirectory(prefix="gridiface-restore-") as folder:
        copy, between = Path(folder) / "copy.db", Path(folder) / "between.gz"
        await asyncio.to_thread(_copy_sqlite, source, copy)
        await _save_archive(Database.parse(str(copy)), between)
        return await _load_archive(engine, between)


def _verified(source: Path) -> str:
    """The revision of a sound SQLite backup."""
    with contextlib.closing(_read_only(source)) as connection:
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error as error:
            raise ConfigError(f"{source} is damaged or no database of gridiface: {error}") from error
    revision = str(found[0]) if found else "none"
    if verdict != "ok":
        raise ConfigError(f"{source} is damaged: {verdict}")
    if revision not in schema.revisions():
        raise ConfigError(f"{source} has schema {revision}, this gridiface knows {schema.HEAD}")
    return revision


def _kind_of(source: Path) -> str:
    try:
        with source.open("rb") as file:
            start = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}") from error
    if start == _SQLITE_MAGIC:
        return "sqlite"
    if start.startswith(_GZIP_MAGIC):
        return "archive"
    raise ConfigError(f"{source} is no backup of gridiface")


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own online backup in one step: one state of the source, one transaction on the target."""
    with contextlib.closing(_read_only(source)) as reading, contextlib.closing(sqlite3.connect(target)) as writing:
        reading.backup(writing, pages=-1)


def _fold_log(path: Path) -> None:
    """Make a copy one file: no log beside it, and none wanted by whoever opens it next."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _free(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists; choose another name or allow overwriting")


def _publish(part: Path, target: Path) -> int:
    """Onto the disk, then under its name; returns the size in bytes."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return target.stat().st_size
