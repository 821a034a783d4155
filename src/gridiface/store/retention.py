"""Deleting what is old, a bounded batch at a time, through the writer's own connection.

Rows are numbered as they come, so the oldest are at the low end: the walk goes up from there and ends at the first
batch with nothing old in it. No index on time is needed, and no batch reads more than its own rows.
"""

from __future__ import annotations

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gridiface.domain.clock import Instant
from gridiface.store.engine import answering
from gridiface.store.tables import decisions, deliveries, readings
from gridiface.store.writer import Sink

#: What is purged, and the column that is its age: for readings our clock, not the device's.
PURGED: tuple[tuple[Table, str], ...] = ((readings, "received"), (decisions, "at"), (deliveries, "at"))


async def purge_table(engine: AsyncEngine, sink: Sink, table: Table, column: str, before: Instant, batch: int) -> int:
    """Delete the rows of `table` with `column` < `before`; returns how many.

    Args:
        engine: for finding the batches.
        sink: for deleting them.
        table: one with a growing `id`.
        column: the age of a row.
        before: instants from here on stay.
        batch: rows that one transaction may look at.

    Raises:
        StoreUnavailable: it stopped half-way; a later call goes on.
    """
    marks = ("?", "?", "?") if engine.dialect.name == "sqlite" else ("$1", "$2", "$3")
    # The names come from our own metadata, the values go as parameters.
    sql = f"DELETE FROM {table.name} WHERE id > {marks[0]} AND id <= {marks[1]} AND {column} < {marks[2]}"  # noqa: S608
    deleted, low = 0, 0
    while (high := await _upper(engine, table, low, batch)) is not None:
        count = await sink.execute(sql, (low, high, before))
        if not count:
            break
        deleted += count
        low = high
    return deleted


async def _upper(engine: AsyncEngine, table: Table, low: int, batch: int) -> int | None:
    """The largest id among the next `batch` rows after `low`; None where there is none."""
    ids = select(table.c.id).where(table.c.id > low).order_by(table.c.id).limit(batch).subquery()
    async with answering(), engine.connect() as connection:
        found = (await connection.execute(select(func.max(ids.c.id)))).scalar()
    return None if found is None else int(found)
