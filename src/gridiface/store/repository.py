"""The store: Ledger and History over one database. Owns its writer, its reading engine and its right to write.

Writes go through one group-committing writer; reads go beside it through a small pool and see what is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from sqlalchemy import ColumnElement, LargeBinary, Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gridiface.domain.changes import AppendReadings, Change, Document
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Decision, Delivery, Outcome
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.ports import WHOLE, Accounted, DecisionSearch, Reach
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import StoreUnavailable
from gridiface.store import decode, schema, spans
from gridiface.store.batch import Batch, encode
from gridiface.store.engine import Database, WriterLock, answering, make_private
from gridiface.store.postgres import PostgresSink
from gridiface.store.retention import MOST_NAMES, PURGED, purge_fast, purge_standing, purge_table
from gridiface.store.sqlite import SqliteSink
from gridiface.store.tables import controls, decisions, deliveries, documents, outcomes, performance, readings
from gridiface.store.writer import GroupWriter, Sink

#: Readings in one commit from which on their rows are made in a thread, so that the loop keeps turning.
_MANY_READINGS = 2_000

#: Decisions that are looked at for what no index has: words of the reason, signal, source, verdict.
LOOKED_AT = 100_000


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What an operator may turn.

    Args:
        busy_timeout_s: how long SQLite waits for another process's lock before StoreUnavailable.
        command_timeout_s: how long one statement may take on PostgreSQL.
        resolve_s: how long a COMMIT broken off by PostgreSQL may stay unknown.
        readers: connections for reading.
        serves: whether this is the server that commands the fleet: of a database there is one at a time.
    """

    busy_timeout_s: float = 2.0
    command_timeout_s: float = 10.0
    resolve_s: float = 30.0
    readers: int = 4
    serves: bool = False


class Store:
    """Ledger and History (domain.ports) on SQLite or PostgreSQL. Made by `Store.open`."""

    def __init__(self, database: Database, engine: AsyncEngine, sink: Sink, lock: WriterLock | None) -> None:
        self.database = database
        self.sink = sink
        self._engine = engine
        self._lock = lock
        self._writer = GroupWriter(sink)
        self._closing = asyncio.Lock()
        #: Told of changes that have become durable; must not block and must not raise.
        self.watchers: list[Callable[[Sequence[Change]], None]] = []

    @classmethod
    async def open(cls, url: str, *, create: bool = True, options: StoreOptions | None = None) -> Self:
        """Open a database for reading and writing.

        Args:
            url: `sqlite:///FILE`, a plain file name, or `postgresql://...`.
            create: make what is missing: the file, the schema, newer revisions. False: only open what is ready.
            options: time-outs; None = the defaults.

        Raises:
            ConfigError: an unreadable URL, a missing driver, a schema of another version.
            StoreInUse: another process writes this SQLite file, or another server this PostgreSQL database.
            StoreUnavailable: no such database, no connection, no right to write.
        """
        chosen = options or StoreOptions()
        database = Database.parse(url)
        lock = _lock(database, create=create)
        engine = database.engine(
            busy_timeout_s=chosen.busy_timeout_s, command_timeout_s=chosen.command_timeout_s, pool_size=chosen.readers
        )
        sink: Sink
        if database.path is not None:
            sink = SqliteSink(database.path, busy_timeout_s=chosen.busy_timeout_s)
        else:
            sink = PostgresSink(engine, resolve_s=chosen.resolve_s, serves=chosen.serves)
        store = cls(database, engine, sink, lock)
        try:
            async with answering():
                await (schema.upgrade(engine) if create else schema.require_head(engine))
                await sink.open()
        except StoreUnavailable as problem:
            await store._release()
            raise database.cannot_open(problem) from problem
        except BaseException:
            await store._release()
            raise
        store._writer.start()
        return store

    async def close(self) -> None:
        """Write what waits, then let go of the database; a second call does nothing."""
        if not self._writer.closing:
            await self._writer.close()
            await self._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _release(self) -> None:
        # Readers first: the last SQLite connection to close folds the log into the file.
        await self._engine.dispose()
        await self.sink.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def trouble(self) -> str:
        """Why nothing can be written at present; empty while all is well."""
        return self._writer.trouble

    @property
    def commits(self) -> tuple[int, int]:
        """(transactions, calls) made durable since opening: their ratio is what group commit saves."""
        return self._writer.groups, self._writer.calls

    def watch_reach(self, watcher: Callable[[str], None]) -> None:
        """Tell `watcher` why the database is out of reach in the middle of a COMMIT, and "" when it is answered."""
        self._writer.reach_watchers.append(watcher)

    async def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable in one transaction, then return.

        Raises:
            StoreUnavailable: nothing was changed.
            LocalProtocolError: a payload, key or number that no database can keep; nothing was changed.
        """
        many = sum(len(c.readings) for c in changes if isinstance(c, AppendReadings)) > _MANY_READINGS
        batch: Batch = await asyncio.to_thread(encode, changes) if many else encode(changes)
        if batch.size:
            await self._writer.commit(batch)
            for told in self.watchers:
                told(changes)

    async def documents(self, space: str) -> list[Document]:
        """All documents of one space, by key.

        Raises:
            StoreUnavailable: the database does not answer (so do all reads).
        """
        rows = await self._rows(select(documents).where(documents.c.space == space))
        # Sorted here: engines do not agree on the order of texts.
        return sorted(map(decode.document, rows), key=lambda document: document.key)

    async def newest(self, space: str, *, before: str = "", limit: int = 1000) -> list[Document]:
        """The documents of a space with the largest keys (below `before`), the largest first.

        For keys of digits that begin alike in length, as times do: engines do not agree on the order of other texts.
        """
        table = documents.c
        query = select(documents).where(table.space == space).order_by(table.key.desc()).limit(limit)
        if before:
            query = query.where(table.key < before)
        return [decode.document(row) for row in await self._rows(query)]

    async def document(self, space: str, key: str) -> Document | None:
        """One document, or None."""
        rows = await self._rows(select(documents).where(documents.c.space == space, documents.c.key == key))
        return decode.document(rows[0]) if rows else None

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        """A part of one document's body; see domain.ports.Ledger."""
        body = documents.c.body
        reach = [] if count is None else [count]
        part = func.substr(body, first + 1, *reach, type_=LargeBinary)
        rows = await self._rows(select(part).where(documents.c.space == space, documents.c.key == key))
        return bytes(rows[0][0] or b"") if rows else None

    async def controls(self, *, live_after: Instant | None = None) -> list[Control]:
        """All controls, or those whose span may reach beyond `live_after`; by creation, then id."""
        query = select(controls.c.body)
        if live_after is not None:
            query = query.where(controls.c.live_until > live_after)
        found = [decode.control(row) for row in await self._rows(query)]
        return sorted(found, key=lambda control: (control.created, control.id))

    async def control(self, control_id: str) -> Control | None:
        """One control, or None."""
        rows = await self._rows(select(controls.c.body).where(controls.c.id == control_id))
        return decode.control(rows[0]) if rows else None

    async def outcomes(self, control_id: str) -> list[Outcome]:
        """The steps of one control, by time; those of one instant as they came."""
        query = select(outcomes).where(outcomes.c.control_id == control_id).order_by(outcomes.c.at, outcomes.c.id)
        return [decode.outcome(row) for row in await self._rows(query)]

    async def outcomes_of_all(self, *, live_after: Instant) -> list[Outcome]:
        """The steps of all controls that `controls(live_after=...)` gives: control by control, each as `outcomes`."""
        query = (
            select(outcomes)
            .join(controls, controls.c.id == outcomes.c.control_id)
            .where(controls.c.live_until > live_after)
            .order_by(controls.c.created, controls.c.id, outcomes.c.at, outcomes.c.id)
        )
        return [decode.outcome(row) for row in await self._rows(query)]

    async def readings(self, device_id: str, *, start: Instant, end: Instant, limit: int = 10_000) -> list[Reading]:
        """The first `limit` readings of one device with source time in [start, end), by time."""
        table = readings.c
        query = (
            select(readings)
            .where(table.device_id == device_id, table.source_time >= start, table.source_time < end)
            .order_by(table.source_time, table.id)
            .limit(limit)
        )
        return [decode.reading(row) for row in await self._rows(query)]

    async def told(
        self, device_id: str, quantity: Quantity, *, start: Instant, end: Instant, after: int = 0, limit: int = 10_000
    ) -> list[tuple[tuple[float | None, Instant, Instant, float, str, str], int]]:
        """The first `limit` values of one quantity of a device in [start, end), by time and number, as plain rows.

        Of those of `start` itself only the ones after number `after`: with the time and the number of a page's last
        value the next page begins.

        Returns:
            (value or None for what is no number, source time, received, duration in s, quality, phase), and its number.
        """
        table = readings.c
        query: Select[Any] = (
            select(
                *(table.value, table.source_time, table.received, table.duration_s),
                *(table.quality, table.phase, table.id),
            )
            .where(table.device_id == device_id, table.source_time >= start, table.source_time < end)
            .where(table.quantity == quantity.value, or_(table.source_time > start, table.id > after))
            .order_by(table.source_time, table.id)
            .limit(limit)
        )
        found: Sequence[Any] = await self._rows(query)
        return [(tuple(row[:6]), row[6]) for row in found]

    async def decisions(
        self, *, control_id: str | None = None, limit: int = 1000, skip: int = 0, search: DecisionSearch | None = None
    ) -> list[Decision]:
        """The newest decisions, newest first, after the first `skip`; those that match `search`."""
        query = select(decisions).order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(limit).offset(skip)
        if control_id is not None:
            query = query.where(decisions.c.control_id == control_id)
        if search is not None:
            query = query.where(*_matching(search))
        return [decode.decision(row) for row in await self._rows(query)]

    async def within_reach(self, search: DecisionSearch, *, control_id: str | None = None) -> DecisionSearch:
        """See domain.ports.History.within_reach; LOOKED_AT decisions of this control, target and time are in reach."""
        indexed = replace(search, signal=None, source=None, verdict=None, text=None)
        if indexed == search:
            return search
        table = decisions.c
        query = select(table.at).where(*_matching(indexed)).order_by(table.at.desc()).limit(1).offset(LOOKED_AT)
        if control_id is not None:
            query = query.where(table.control_id == control_id)
        rows = await self._rows(query)
        return replace(search, start=rows[0].at) if rows else search

    async def performance(self, control_id: str) -> list[PerformanceInterval]:
        """The intervals of one control, by target and start."""
        rows = await self._rows(select(performance).where(performance.c.control_id == control_id))
        return sorted(map(decode.performance, rows), key=lambda interval: (interval.target_id, interval.start))

    async def accounted_until(self, control_ids: Sequence[str]) -> dict[str, Instant]:
        """Where the accounts of these controls on their own targets end; without those that have none."""
        found: dict[str, Instant] = {}
        for first in range(0, len(control_ids), MOST_NAMES):
            rows = await self._rows(spans.ends_of(control_ids[first : first + MOST_NAMES]))
            found.update((row.control_id, row.until) for row in rows)
        return found

    async def accounted(
        self,
        start: Instant,
        end: Instant,
        *,
        own: bool = True,
        devices: bool = True,
        reach: Callable[[str], Reach] = lambda _: WHOLE,
        series: Callable[[Control], bool] = lambda _: False,
    ) -> AsyncIterator[Accounted]:
        """See domain.ports.History.accounted; read in parts, between which others have their turn."""
        whose = {"own": own, "devices": devices}
        async for part in spans.accounted(self._rows, start, end, **whose, reach=reach, series=series):
            yield part

    async def deliveries(self, device_id: str, *, start: Instant, end: Instant, limit: int = 10_000) -> list[Delivery]:
        """The first `limit` deliveries to one device in [start, end), by time."""
        table = deliveries.c
        query = (
            select(deliveries)
            .where(table.device_id == device_id, table.at >= start, table.at < end)
            .order_by(table.at, table.id)
            .limit(limit)
        )
        return [decode.delivery(row) for row in await self._rows(query)]

    async def purge(self, before: Instant, *, batch: int = 5_000) -> dict[str, int]:
        """Delete readings received, decisions and deliveries made, fast services' controls ended before an instant.

        And what was accounted before it of defaults that stand.

        Goes in transactions of at most `batch` rows, between which other commits pass. Returns the rows deleted by
        table. What was recorded while the clock was ahead goes when `before` has passed its time.

        Raises:
            StoreUnavailable: it stopped half-way; a later call goes on.
        """
        self._require_open()
        gone = {
            table.name: await purge_table(self._engine, self.sink, table, column, before, batch)
            for table, column in PURGED
        }
        gone["controls"] = await purge_fast(self._engine, self.sink, before, min(batch, MOST_NAMES))
        return gone | {"performance": await purge_standing(self._engine, self.sink, before)}

    def _require_open(self) -> None:
        if self._writer.closing:
            raise StoreUnavailable("the store is closed")

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        self._require_open()
        async with answering(), self._engine.connect() as connection:
            result = await connection.execute(query)
            return list(result.all())


def _lock(database: Database, *, create: bool) -> WriterLock | None:
    """Take the writer's lock on an SQLite file; PostgreSQL needs none."""
    if database.path is None:
        return None
    if not create and not database.path.exists():
        raise StoreUnavailable(f"there is no database {database.path}; `gridiface db upgrade` makes one")
    lock = WriterLock(database.path)
    lock.acquire()
    try:
        make_private(database.path)
    except StoreUnavailable:
        lock.release()
        raise
    return lock


def _matching(search: DecisionSearch) -> list[ColumnElement[bool]]:
    """The conditions of a search in the decision log."""
    table = decisions.c
    named = (
        (table.target_id, search.target),
        (table.signal, search.signal),
        (table.protocol, search.source),
        (table.verdict, search.verdict),
    )
    found = [column == value for column, value in named if value is not None]
    if search.targets is not None:
        found.append(table.target_id.in_(search.targets))
    if search.text is not None:
        found.append(table.reason.icontains(search.text, autoescape=True))
    if search.start is not None:
        found.append(table.at >= search.start)
    if search.end is not None:
        found.append(table.at < search.end)
    return found
