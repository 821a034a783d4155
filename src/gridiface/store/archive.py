"""The archive: a database as gzipped JSON lines, the same from SQLite and PostgreSQL, for either.

Line 1 is the header (format, schema revision, each table's columns and kinds), then rows by table in the order of
their keys, then the end with counts and a SHA-256 over the rows. A file without its end, or whose rows do not give
that hash, is refused. Equal content gives an equal hash, whichever engine it came from.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    collate,
    false,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from gridiface.errors import ConfigError

FORMAT = "gridiface-archive"
VERSION = 1
_CHUNK = 500
#: Not the operator's data: alembic's own note, and marks that live as long as a writer.
_LEFT_OUT = frozenset({"alembic_version", "meta"})


@dataclass(slots=True)
class Digest:
    """Counts and a SHA-256 over rows as they pass."""

    counts: dict[str, int] = field(default_factory=dict)
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Take rows in, in their archive form."""
        self.counts[table] = self.counts.get(table, 0) + len(rows)
        for row in rows:
            self._hash.update(f"{table}{_line(row)}\n".encode())

    @property
    def sha256(self) -> str:
        """The hash so far."""
        return str(self._hash.hexdigest())


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _kind(column: TypeEngine[Any]) -> str:
    for base, kind in ((LargeBinary, "bytes"), (Float, "float"), (Integer, "int")):
        if isinstance(column, base):
            return kind
    return "text"


def _out(value: Any, kind: str) -> Any:
    if kind == "bytes" and value is not None:
        return base64.b64encode(value).decode("ascii")
    if kind == "float" and value is not None:
        return float(value) if math.isfinite(value) else repr(float(value))
    return value


def _in(value: Any, kind: str) -> Any:
    if kind == "bytes" and value is not None:
        return base64.b64decode(value, validate=True)
    return float(value) if kind == "float" and value is not None else value


async def reflected(connection: AsyncConnection) -> dict[str, Table]:
    """The data tables that a database really has, by name: an older schema can be saved, too."""

    def reflect(sync: Connection) -> dict[str, Table]:
        found = MetaData()
        found.reflect(sync)
        return {name: table for name, table in sorted(found.tables.items()) if name not in _LEFT_OUT}

    return await connection.run_sync(reflect)


async def counts(connection: AsyncConnection) -> dict[str, int]:
    """Rows by data table."""
    found = {}
    for name, table in (await reflected(connection)).items():
        found[name] = int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
    return found


def _in_key_order(table: Table, engine: str) -> Select[Any]:
    """All rows by key; texts by their bytes, as SQLite does and PostgreSQL does under the collation C."""
    order = [
        collate(column, "C") if engine == "postgresql" and isinstance(column.type, Text) else column
        for column in table.primary_key.columns
    ]
    return select(table).order_by(*order)


async def digest(connection: AsyncConnection) -> Digest:
    """Counts and hash of a database's content, as an archive of it would have them."""
    found = await reflected(connection)
    result = Digest(dict.fromkeys(found, 0))
    await _each_chunk(connection, found, result, None)
    return result


async def save(connection: AsyncConnection, target: IO[bytes], *, revision: str, now: float) -> Digest:
    """Write the content that a connection's transaction sees.

    Args:
        connection: in a transaction that sees one state (REPEATABLE READ on PostgreSQL).
        target: an open binary file.
        revision: the schema's.
        now: written into the header, seconds since 1970 UTC.
    """
    found = await reflected(connection)
    result = Digest(dict.fromkeys(found, 0))
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, mtime=0) as packed:
        header = {
            "format": FORMAT,
            "version": VERSION,
            "revision": revision,
            "engine": connection.dialect.name,
            "created": now,
            "tables": {name: [[c.name, _kind(c.type)] for c in table.columns] for name, table in found.items()},
        }
        packed.write(f"{_line(header)}\n".encode())
        await _each_chunk(connection, found, result, packed)
        packed.write(f"{_line({'end': True, 'counts': result.counts, 'sha256': result.sha256})}\n".encode())
    return result


async def _each_chunk(
    connection: AsyncConnection, found: Mapping[str, Table], result: Digest, packed: gzip.GzipFile | None
) -> None:
    for name, table in found.items():
        kinds = [_kind(column.type) for column in table.columns]
        stream = await connection.stream(_in_key_order(table, connection.dialect.name))
        async for chunk in stream.partitions(_CHUNK):
            rows = [[_out(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in chunk]
            result.add(name, rows)
            if packed is not None:
                packed.write(f"{_line({'table': name, 'rows': rows})}\n".encode())


class Archive:
    """A reader of one archive file. Use as a context manager.

    Raises:
        ConfigError: from each method: not an archive, of another version, cut off, or changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = gzip.open(path, "rt", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._lines = self._read()
        header = next(self._lines, {})
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            self._file.close()
            raise ConfigError(f"{path} is not a backup that this gridiface can read")
        self.revision = str(header["revision"])
        self.columns: dict[str, list[tuple[str, str]]] = {
            str(table): [(str(name), str(kind)) for name, kind in columns]
            for table, columns in header["tables"].items()
        }

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> Iterator[dict[str, Any]]:
        try:
            for line in self._file:
                value = json.loads(line)
                if not isinstance(value, dict):
                    raise ConfigError(f"{self._path} is damaged: not a backup of gridiface")
                yield value
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise ConfigError(f"{self._path} is damaged or cut off: {error}") from error

    def chunks(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """(table, rows as columns), in order; after the last one the end has been checked.

        Raises:
            ConfigError: the file is damaged or cut off; rows that were given before it was found are not to be kept.
        """
        seen = Digest(dict.fromkeys(self.columns, 0))
        for line in self._lines:
            if line.get("end"):
                if line.get("sha256") != seen.sha256 or line.get("counts") != seen.counts:
                    raise ConfigError(f"{self._path} is damaged: its rows do not give its hash")
                return
            table, rows = line.get("table"), line.get("rows")
            if not isinstance(table, str) or table not in self.columns or not isinstance(rows, list):
                raise ConfigError(f"{self._path} is damaged: rows of an unknown table")
            seen.add(table, rows)
            yield table, list(self._rows(table, rows))
        raise ConfigError(f"{self._path} is cut off: its end is missing")

    def _rows(self, table: str, rows: Iterable[Sequence[Any]]) -> Iterator[dict[str, Any]]:
        columns = self.columns[table]
        try:
            for row in rows:
                yield {name: _in(value, kind) for (name, kind), value in zip(columns, row, strict=True)}
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self._path} is damaged: a row of {table} cannot be read") from error


async def load(connection: AsyncConnection, archive: Archive) -> dict[str, int]:
    """Put an archive's rows into the empty tables of its own revision; returns rows by table.

    Raises:
        ConfigError: the archive is damaged; the caller must roll back.
    """
    found = await reflected(connection)
    for name, columns in archive.columns.items():
        if name not in found or {column for column, _ in columns} != set(found[name].columns.keys()):
            raise ConfigError(f"the backup's table {name} does not fit its schema {archive.revision}")
    loaded = dict.fromkeys(archive.columns, 0)
    for name, rows in archive.chunks():
        if rows:
            await connection.execute(found[name].insert(), rows)
            loaded[name] += len(rows)
    if connection.dialect.name == "postgresql":
        await _continue_numbers(connection, found)
    return loaded


async def _continue_numbers(connection: AsyncConnection, found: Mapping[str, Table]) -> None:
    """PostgreSQL: rows came with their numbers; the next new row must get one after them."""
    for table in found.values():
        if "id" in table.columns and isinstance(table.c.id.type, Integer):
            last = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
            await connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last, false())))
