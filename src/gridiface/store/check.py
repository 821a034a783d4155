"""Is a database well: its own integrity check, its schema, its sizes, and whether its controls can be read.

Reads only; a server may be writing meanwhile.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gridiface.errors import StoreUnavailable
from gridiface.store import archive, schema
from gridiface.store.codec import control_from_json
from gridiface.store.engine import Database, WriterLock, answering
from gridiface.store.maintenance import require_file, snapshot
from gridiface.store.tables import controls


@dataclass(slots=True, kw_only=True)
class CheckReport:
    """What was found. `problems` empty: all is well. Sizes in bytes; None = the engine does not say.

    `writer_pid`: the process that writes this SQLite file now. `sha256`: of the content, only where asked for.
    """

    database: str
    engine: str
    ok: bool = True
    problems: list[str] = field(default_factory=list)
    revision: str | None = None
    head: str = schema.HEAD
    integrity: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    size_bytes: int | None = None
    wal_bytes: int | None = None
    journal_mode: str | None = None
    writer_pid: int | None = None
    sha256: str | None = None


async def check(database: Database, *, content_hash: bool = False) -> CheckReport:
    """Look a database over.

    Args:
        database: what to look at; it is not changed.
        content_hash: also read every row for a hash of the content, equal for equal content on either engine.

    Raises:
        StoreUnavailable: no database, no connection; the text names it and the fix.
    """
    require_file(database)
    engine = database.engine(pool_size=1)
    try:
        async with answering(), snapshot(engine) as connection:
            return await _look(connection, database, content_hash=content_hash)
    except StoreUnavailable as problem:
        raise database.cannot_open(problem) from problem
    finally:
        await engine.dispose()


async def _look(connection: AsyncConnection, database: Database, *, content_hash: bool) -> CheckReport:
    report = CheckReport(database=database.shown, engine=await _engine(connection))
    report.revision = await schema.current(connection)
    if report.revision != schema.HEAD:
        known = report.revision is None or report.revision in schema.revisions()
        fix = "`gridiface db upgrade`" if known else "run the version that wrote it, or restore a backup of before"
        report.problems.append(f"schema {report.revision or 'none'}, {schema.HEAD} is needed: {fix}")
    if database.path is not None:
        await _sqlite(connection, database.path, report)
    else:
        await _postgres(connection, report)
    if report.integrity != "ok":
        report.problems.append(f"integrity: {report.integrity}")
    report.rows = await archive.counts(connection)
    if report.revision == schema.HEAD:
        await _controls(connection, report)
    if content_hash:
        report.sha256 = (await archive.digest(connection)).sha256
    report.ok = not report.problems
    return report


async def _engine(connection: AsyncConnection) -> str:
    if connection.dialect.name == "sqlite":
        return f"SQLite {(await connection.execute(text('SELECT sqlite_version()'))).scalar()}"
    return f"PostgreSQL {(await connection.execute(text('SHOW server_version'))).scalar()}"


async def _sqlite(connection: AsyncConnection, path: Path, report: CheckReport) -> None:
    found = (await connection.execute(text("PRAGMA integrity_check(5)"))).scalars().all()
    report.integrity = "; ".join(map(str, found))
    report.journal_mode = str((await connection.execute(text("PRAGMA journal_mode"))).scalar())
    _files(path, report)


def _files(path: Path, report: CheckReport) -> None:
    report.size_bytes = path.stat().st_size
    with contextlib.suppress(OSError):
        report.wal_bytes = path.with_name(path.name + "-wal").stat().st_size
    report.writer_pid = WriterLock.holder(path)


async def _postgres(connection: AsyncConnection, report: CheckReport) -> None:
    """PostgreSQL checks its pages itself as it reads them; what it has noticed is asked here."""
    invalid = await connection.execute(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indisready"))
    failures = await connection.execute(
        text("SELECT coalesce(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()")
    )
    broken, failed = int(invalid.scalar_one()), int(failures.scalar() or 0)
    report.integrity = "ok" if not broken and not failed else f"{broken} invalid indexes, {failed} bad checksums"
    size = await connection.execute(text("SELECT pg_database_size(current_database())"))
    report.size_bytes = int(size.scalar_one())
    allowed = await connection.execute(text("SELECT has_function_privilege('pg_ls_waldir()', 'execute')"))
    if allowed.scalar():
        wal = await connection.execute(text("SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()"))
        report.wal_bytes = int(wal.scalar_one())


async def _controls(connection: AsyncConnection, report: CheckReport) -> None:
    """A control that cannot be read would stop a restart: better found here."""
    unreadable = []
    stream = await connection.stream(select(controls.c.id, controls.c.body))
    async for row in stream:
        try:
            control_from_json(row.body)
        except (ValueError, TypeError, KeyError) as error:
            unreadable.append(f"{row.id} ({type(error).__name__})")
    if unreadable:
        report.problems.append(f"{len(unreadable)} controls cannot be read, among them {', '.join(unreadable[:3])}")
