"""The SQLite sink: one thread with one plain connection that makes plans durable. Owns the writing connection only.

A thread of our own instead of the engine's driver: a commit then costs one hop, not one per statement.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.dialects.sqlite import dialect

from gridiface.errors import StoreUnavailable
from gridiface.store.batch import Plan
from gridiface.store.engine import pragmas, unavailable
from gridiface.store.statements import compiled
from gridiface.store.writer import RefusedRows

_T = TypeVar("_T")

#: After these the connection still is what it was; after all others it is opened anew.
_KEEPS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})


class SqliteSink:
    """Writes plans to one SQLite file. Only its own thread touches the connection."""

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._statements = compiled(dialect(paramstyle="qmark"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gridiface-store")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def open(self) -> None:
        """Open the connection.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        await self._run(self._open)

    async def write(self, plan: Plan, _out_of_reach: Callable[[str], None] | None = None) -> None:
        """Make one plan durable in one transaction. A file answers at once: it is never out of reach.

        Raises:
            StoreUnavailable: nothing was changed, and nothing is wrong with the rows.
            RefusedRows: nothing was changed, because the database does not take some row.
        """
        await self._run(self._write, plan)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement in a transaction of its own, between plans; returns the rows changed.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        return await self._run(self._execute, sql, tuple(parameters))

    async def close(self) -> None:
        """Close the connection, folding the log into the file where nobody else reads it, and end the thread."""
        if not self._closed:
            await self._run(self._discard)
            self._closed = True
            self._thread.shutdown(wait=True)

    async def _run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        try:
            # rw, not rwc: a file that was taken away must not come back empty.
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
            )
            try:
                for pragma in pragmas(self._busy_timeout_s, writing=True):
                    connection.execute(pragma)
            except sqlite3.Error:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise unavailable(error) or StoreUnavailable(str(error)) from error
        self._connection = connection
        return connection

    def _discard(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _write(self, plan: Plan) -> None:
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for op, rows in plan:
                connection.executemany(self._statements[op], rows)
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError, UnicodeError, TypeError) as error:
            self._undo(connection, error)
            raise unavailable(error) or RefusedRows(f"{type(error).__name__}: {error}") from error

    def _execute(self, sql: str, parameters: tuple[Any, ...]) -> int:
        connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            count = connection.execute(sql, parameters).rowcount
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo(connection, error)
            raise unavailable(error) or StoreUnavailable(str(error)) from error
        return count

    def _undo(self, connection: sqlite3.Connection, error: Exception) -> None:
        """Roll back, and let go of the connection where it may be broken."""
        code = getattr(error, "sqlite_errorcode", None)
        keep = not isinstance(error, sqlite3.Error) or unavailable(error) is None or (code or 0) & 0xFF in _KEEPS
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            keep = False
        if not keep:
            self._discard()
