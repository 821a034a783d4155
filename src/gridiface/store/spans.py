"""What is kept of all controls over a span of time, read a bounded part at a time.

Intervals have no index on time: the controls that may have run are found first, theirs by their key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Column, Row, Select, and_, or_, select, tuple_

from gridiface.domain.clock import Instant
from gridiface.domain.controls import OutcomeKind, TargetKind
from gridiface.domain.ports import Accounted, Began
from gridiface.store import decode
from gridiface.store.retention import MOST_NAMES
from gridiface.store.tables import controls, outcomes, performance

#: Rows that are read and made into values at once.
PART = 500

#: Runs one statement.
Read = Callable[[Select[Any]], Awaitable[Sequence[Row[Any]]]]


async def accounted(read: Read, start: Instant, end: Instant, *, own: bool, devices: bool) -> AsyncIterator[Accounted]:
    """See domain.ports.History.accounted.

    Raises:
        StoreUnavailable: from `read`.
    """
    table = controls.c
    living = select(table.id, table.body).where(table.live_until > start, table.created < end).order_by(table.id)
    intervals, began = _intervals(start, end, own=own, devices=devices), _began(start, end)
    last = ""
    while rows := await read(living.where(table.id > last).limit(MOST_NAMES)):
        last = rows[-1].id
        found = {row.id: control for row in rows if (control := decode.control(row)).span.start < end}
        for control in found.values():
            yield Accounted(control)
        names = list(found)
        async for name, held in _parts(read, intervals, names, performance.c.target_id, performance.c.start):
            yield Accounted(found[name], intervals=tuple(map(decode.performance, held)))
        async for name, held in _parts(read, began, names, outcomes.c.device_id):
            yield Accounted(found[name], began=tuple(Began(row.device_id, row.received, row.at) for row in held))


def _intervals(start: Instant, end: Instant, *, own: bool, devices: bool) -> Select[Any]:
    table, control = performance.c, controls.c
    query = select(performance).where(table.start < end, table.end > start)
    if own and devices:
        return query
    query = query.join(controls, control.id == table.control_id)
    if own:
        return query.where(table.target_id == control.target_id)
    return query.where(or_(table.target_id != control.target_id, control.target_kind == TargetKind.DEVICE.value))


def _began(start: Instant, end: Instant) -> Select[Any]:
    told = outcomes.alias("told")
    table = outcomes.c
    same = and_(
        told.c.control_id == table.control_id,
        told.c.device_id == table.device_id,
        told.c.kind == int(OutcomeKind.RECEIVED),
    )
    return (
        select(table.control_id, table.device_id, table.at, told.c.at.label("received"))
        .select_from(outcomes.outerjoin(told, same))
        .where(table.kind == int(OutcomeKind.STARTED), table.device_id != "", table.at >= start, table.at < end)
    )


async def _parts(
    read: Read, query: Select[Any], names: list[str], *keys: Column[Any]
) -> AsyncIterator[tuple[str, list[Row[Any]]]]:
    """The rows of these controls (ids in the database's order), at most PART at once, those of one control together.

    `keys`: what beside the control tells one row from another. A control of many rows goes on behind the last of them.
    """
    control_id = keys[0].table.c.control_id
    after: list[Any] = []
    while names:
        chosen = (
            query.where(control_id == names[0], tuple_(*keys) > tuple_(*after))
            if after
            else query.where(control_id.in_(names))
        )
        rows = await read(chosen.order_by(control_id, *keys).limit(PART))
        for name, held in groupby(rows, key=lambda row: str(row.control_id)):
            yield name, list(held)
        if len(rows) == PART:
            names = names[names.index(rows[-1].control_id) :]
            after = [getattr(rows[-1], key.name) for key in keys]
        else:
            names, after = (names[1:], []) if after else ([], [])
