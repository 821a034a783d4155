"""The PostgreSQL sink: one connection that makes plans durable, several writers beside each other allowed.

Owns the writing connection and the answer to the one hard question: the connection broke while COMMIT was under
way - is it in? Each writer has a row in `meta` with the number of its last batch, changed in the same transaction;
after reconnecting, that number tells. Nothing is acknowledged, and nothing refused, before it has been read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gridiface.errors import StoreUnavailable
from gridiface.store.batch import Plan
from gridiface.store.engine import StoreInUse, sqlstate, unavailable
from gridiface.store.statements import APPENDS, COLUMNS, TABLES, compiled
from gridiface.store.writer import RefusedRows

_T = TypeVar("_T")

#: Advisory lock numbers of ours: servers hold the first together; a restore wants it alone.
PRESENCE_LOCK = 0x6772_6964_0001
SCHEMA_LOCK = 0x6772_6964_0002
#: Held by the one server that commands the fleet of a database.
SERVER_LOCK = 0x6772_6964_0003
#: How long, and how often, a server asks for it: the session of one that was killed takes a moment to go. Seconds.
_CLAIM_S, _CLAIM_EVERY_S = 5.0, 0.25

#: From this many rows on COPY is faster than a statement per row.
_COPY_FROM = 32
#: Deadlocks and serialisation failures are the server's to sort out and ours to try again.
_ATTEMPTS = 5
#: Marks of writers that were killed go after this, seconds.
_MARK_KEPT_S = 7 * 86_400.0
_MARK = (
    "INSERT INTO meta (key, value, updated) VALUES ($1, $2, $3) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated = excluded.updated"
)
_FIRST_MARK = "INSERT INTO meta (key, value, updated) VALUES ($1, '0', $2) ON CONFLICT (key) DO NOTHING"
_OLD_MARKS = "DELETE FROM meta WHERE key LIKE 'writer:%' AND updated < $1"
#: Only a session that still holds the lock of servers: its number may be another's by now.
_END_BACKEND = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid = $1 "
    "AND classid::bigint = $2 AND objid::bigint = $3 AND granted"
)
#: FOR UPDATE waits for a transaction of the broken connection that the server has not yet ended.
_READ_MARK = "SELECT value FROM meta WHERE key = $1 FOR UPDATE"


class _Transaction(Protocol):
    async def start(self) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...


class _Connection(Protocol):
    """The part of an asyncpg connection that is used here."""

    async def execute(self, query: str, *args: Any) -> str: ...
    async def executemany(self, command: str, args: Sequence[Sequence[Any]]) -> None: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[Sequence[Any]], columns: Sequence[str]
    ) -> str: ...
    def transaction(self) -> _Transaction: ...
    def is_closed(self) -> bool: ...


class PostgresSink:
    """Writes plans to one PostgreSQL database.

    Args:
        engine: where the connection comes from; the sink keeps one of it.
        resolve_s: how long a broken COMMIT may stay unknown before its callers are turned away.
    """

    def __init__(self, engine: AsyncEngine, *, resolve_s: float = 30.0, serves: bool = False) -> None:
        self._engine = engine
        self._resolve_s = resolve_s
        self._serves = serves
        #: Process of our session at PostgreSQL; None: there was none yet.
        self._backend: int | None = None
        self._statements = compiled(asyncpg.dialect())  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
        self._turn = asyncio.Lock()
        self._lease: AsyncConnection | None = None
        self._connection: _Connection | None = None
        self._key = f"writer:{uuid.uuid4()}"
        self._batch = 0

    async def open(self) -> None:
        """Connect, and make this writer known.

        Raises:
            StoreUnavailable: no connection.
            StoreInUse: a restore is under way, or another server commands the fleet of this database.
        """
        async with self._turn:
            await self._guarded(self._connect)

    async def write(self, plan: Plan, out_of_reach: Callable[[str], None] = lambda _: None) -> None:
        """Make one plan durable in one transaction.

        Args:
            plan: the rows.
            out_of_reach: told the reason when a COMMIT broke and the server cannot be asked about it at once.

        Raises:
            StoreUnavailable: nothing was changed, or, where the server stayed away for longer than `resolve_s`
                in the middle of a COMMIT, it is not known (the text says so).
            RefusedRows: nothing was changed, because the database does not take some row.
        """
        async with self._turn:
            await self._guarded(lambda: self._attempts(plan, out_of_reach))

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement in a transaction of its own, between plans; returns the rows changed.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        async with self._turn:
            status = await self._guarded(lambda: self._execute(sql, parameters))
        last = status.rpartition(" ")[2]
        return int(last) if last.isdecimal() else 0

    async def close(self) -> None:
        """Forget this writer's row and disconnect."""
        async with self._turn:
            if self._connection is not None:
                with contextlib.suppress(Exception):
                    await self._connection.execute("DELETE FROM meta WHERE key = $1", self._key)
            await self._discard()

    async def _guarded(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Run, tell the database's state from the rows' fault, and let a broken connection go."""
        try:
            return await work()
        except (StoreUnavailable, RefusedRows):
            raise
        except Exception as error:
            lost = unavailable(error)
            if lost is not None:
                await self._discard()
            raise lost or RefusedRows(f"{type(error).__name__}: {error}") from error

    async def _connect(self) -> _Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        await self._discard()
        self._lease = await self._engine.connect()
        raw = await self._lease.get_raw_connection()
        connection = cast("_Connection", raw.driver_connection)
        if not await connection.fetchval("SELECT pg_try_advisory_lock_shared($1)", PRESENCE_LOCK):
            await self._discard()
            raise StoreInUse("the database is being restored; wait until that is over")
        if self._serves:
            if not await self._claim(connection):
                await self._discard()
                raise StoreInUse("another gridiface server uses this database; stop it, or use another database")
            self._backend = await connection.fetchval("SELECT pg_backend_pid()")
        await connection.execute("SET lock_timeout = '5s'")
        await connection.execute("SET synchronous_commit = on")
        # The row must be there before the first batch: only a row that exists can be waited for.
        await connection.execute(_FIRST_MARK, self._key, time.time())
        await connection.execute(_OLD_MARKS, time.time() - _MARK_KEPT_S)
        self._connection = connection
        return connection

    async def _claim(self, connection: _Connection) -> bool:
        """Whether we are the one server of this database; our own session that broke is ended where it lives on."""
        deadline = time.monotonic() + _CLAIM_S
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", SERVER_LOCK):
            if self._backend is not None:
                await connection.fetchval(_END_BACKEND, self._backend, SERVER_LOCK >> 32, SERVER_LOCK & 0xFFFF_FFFF)
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_CLAIM_EVERY_S)
        return True

    async def _discard(self) -> None:
        lease, self._lease, self._connection = self._lease, None, None
        if lease is not None:
            with contextlib.suppress(Exception):
                # Closed, not given back: its session holds a lock and its own settings.
                await lease.invalidate()
            with contextlib.suppress(Exception):
                await lease.close()

    async def _attempts(self, plan: Plan, out_of_reach: Callable[[str], None]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._write(plan, out_of_reach)
            except Exception as error:
                if not (sqlstate(error) or "").startswith("40") or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    async def _write(self, plan: Plan, out_of_reach: Callable[[str], None]) -> None:
        connection = await self._connect()
        number = self._batch + 1
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(_MARK, self._key, str(number), time.time())
            for op, rows in plan:
                if op in APPENDS and len(rows) >= _COPY_FROM:
                    await connection.copy_records_to_table(TABLES[op].name, records=rows, columns=COLUMNS[op])
                else:
                    await connection.executemany(self._statements[op], rows)
        except Exception:
            with contextlib.suppress(Exception):
                await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except Exception as error:
            await self._resolve(number, error, out_of_reach)
        self._batch = number

    async def _execute(self, sql: str, parameters: Sequence[Any]) -> str:
        connection = await self._connect()
        return await connection.execute(sql, *parameters)

    async def _resolve(self, number: int, error: Exception, out_of_reach: Callable[[str], None]) -> None:
        """Return where batch `number` is in; raise where it is not, or where nobody can say."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._resolve_s
        await self._discard()
        while loop.time() < deadline:
            try:
                connection = await self._connect()
                found = await connection.fetchval(_READ_MARK, self._key)
            except Exception as away:  # whatever keeps the server away: ask again until the deadline
                out_of_reach(f"the database is out of reach: {type(away).__name__}: {away}")
                await self._discard()
                await asyncio.sleep(0.1)
                continue
            if found == str(number):
                return
            raise StoreUnavailable(f"the connection broke, nothing was changed: {error}") from error
        raise StoreUnavailable(f"the connection broke in COMMIT, its outcome is not known: {error}") from error
