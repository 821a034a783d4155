"""Deleting what is old, a bounded batch at a time, through the writer's own connection.

Readings, decisions and deliveries go by their age; of controls those of the fast services, of which a new one comes
every few seconds, with all that was said and accounted of each. Other controls are the record of what was asked; what
was accounted of a default, which stands for good, goes by its age.

Rows are numbered as they come, so the oldest are at the low end: the walk goes up from there and ends at the first
batch with nothing old in it. No index on time is needed, and no batch reads more than its own rows.
"""

from __future__ import annotations

from sqlalchemy import Table, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST
from gridiface.store.codec import DEFAULT_MARK, class_mark
from gridiface.store.engine import answering
from gridiface.store.tables import controls, decisions, deliveries, outcomes, performance, readings
from gridiface.store.writer import Sink

#: What is purged, and the column that is its age: for readings our clock, not the device's.
PURGED: tuple[tuple[Table, str], ...] = ((readings, "received"), (decisions, "at"), (deliveries, "at"))

#: Controls that one statement may name: SQLite takes 32,766 parameters, older ones 999.
MOST_NAMES = 500

#: What stands until it is taken away ends then, or later.
FOREVER = 1e300


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


async def purge_fast(engine: AsyncEngine, sink: Sink, before: Instant, batch: int) -> int:
    """Delete the controls of the fast services that ended before an instant, and what belongs to them; how many.

    Args:
        engine, sink: as for `purge_table`.
        before: controls that may have run at this instant stay.
        batch: controls that one transaction may delete.

    Raises:
        StoreUnavailable: it stopped half-way; a later call goes on. What belongs to a control goes before it.
    """
    deleted = 0
    while names := await _ended(engine, before, batch):
        marks = ", ".join("?" if engine.dialect.name == "sqlite" else f"${at + 1}" for at in range(len(names)))
        for table, column in ((performance, "control_id"), (outcomes, "control_id")):
            await sink.execute(f"DELETE FROM {table.name} WHERE {column} IN ({marks})", names)  # noqa: S608
        deleted += await sink.execute(f"DELETE FROM {controls.name} WHERE id IN ({marks})", names)  # noqa: S608
    return deleted


async def purge_standing(engine: AsyncEngine, sink: Sink, before: Instant) -> int:
    """Delete what was accounted before an instant of defaults that stand; how many rows.

    Args:
        engine, sink: as for `purge_table`.
        before: intervals that go on at this instant stay.

    Raises:
        StoreUnavailable: it stopped half-way; a later call goes on.
    """
    deleted, last = 0, ""
    while names := await _standing(engine, last):
        marks = [f"${at + 1}" if engine.dialect.name != "sqlite" else "?" for at in range(len(names) + 1)]
        among = f'control_id IN ({", ".join(marks[:-1])}) AND "end" < {marks[-1]}'
        deleted += await sink.execute(f"DELETE FROM {performance.name} WHERE {among}", (*names, before))  # noqa: S608
        last = names[-1]
    return deleted


async def _standing(engine: AsyncEngine, after: str) -> list[str]:
    """Some of the defaults, by id."""
    standing = and_(controls.c.live_until >= FOREVER, controls.c.body.contains(DEFAULT_MARK, autoescape=True))
    query = select(controls.c.id).where(standing, controls.c.id > after)
    async with answering(), engine.connect() as connection:
        return [str(row.id) for row in await connection.execute(query.order_by(controls.c.id).limit(MOST_NAMES))]


async def _ended(engine: AsyncEngine, before: Instant, batch: int) -> list[str]:
    """The oldest controls of the fast services that ended before an instant."""
    fast = or_(*(controls.c.body.contains(class_mark(one), autoescape=True) for one in sorted(FAST)))
    query = select(controls.c.id).where(and_(controls.c.live_until < before, fast))
    async with answering(), engine.connect() as connection:
        found = await connection.execute(query.order_by(controls.c.live_until).limit(batch))
        return [str(row.id) for row in found]
