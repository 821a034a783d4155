"""What is kept of all controls over a span of time, read a bounded part at a time.

Intervals have no index on time: the controls that may have run are found first, theirs by their key. The database adds
them up, one row for each target of a control: a day of a control is seventeen thousand intervals.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, and_, case, false, func, or_, select, tuple_

from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Control, OutcomeKind
from gridiface.domain.performance import LONGEST_LINE_S, TRUST
from gridiface.domain.performance_sums import LimitPortion, Portion
from gridiface.domain.ports import Accounted, Began, Reach
from gridiface.domain.response_counts import ResponseCounts
from gridiface.store import decode
from gridiface.store.retention import FOREVER, MOST_NAMES
from gridiface.store.tables import controls, outcomes, performance

#: Rows that are read and made into values at once.
PART = 500

#: Controls whose intervals one statement adds up may have run for so long together, s: of the usual five seconds
#: fifty thousand intervals, a fraction of a second. One control alone may be longer.
ADDED_S = 250_000.0

#: Runs one statement.
Read = Callable[[Select[Any]], Awaitable[Sequence[Row[Any]]]]


async def accounted(
    read: Read,
    start: Instant,
    end: Instant,
    *,
    own: bool,
    devices: bool,
    reach: Callable[[str], Reach],
    series: Callable[[Control], bool],
) -> AsyncIterator[Accounted]:
    """See domain.ports.History.accounted.

    Raises:
        StoreUnavailable: from `read`.
    """
    table = controls.c
    # Those that ended a while before, too: devices' lines that began with them may go on.
    living = (
        select(table.id, table.body)
        .where(table.live_until > start - LONGEST_LINE_S, or_(table.created < end, table.live_until >= FOREVER))
        .order_by(table.id)
    )
    sums, began, ones = _sums(start, end), _began(start, end), _intervals(start, end)
    took = ones.where(performance.c.responses.is_not(None), performance.c.start >= start)
    last = ""
    while rows := await read(living.where(table.id > last).limit(MOST_NAMES)):
        last = rows[-1].id
        # A default that takes another's place has its id, and its past.
        known = map(decode.control, rows)
        found = {control.id: control for control in known if control.is_default or control.span.start < end}
        for control in found.values():
            yield Accounted(control)
        for until, names in _by_reach(found, reach):
            wanted = _wanted(until, own=own, devices=devices)
            for some in _in_turns([found[name] for name in names], start, end):
                async for name, held in _parts(read, sums.where(wanted), some, performance.c.target_id):
                    yield Accounted(found[name], portions=tuple((row.target_id, _portion(row)) for row in held))
            quick = [name for name in names if found[name].service_class in FAST]
            async for name, held in _parts(
                read,
                took.where(_wanted(until, own=own, devices=True)),
                quick,
                performance.c.target_id,
                performance.c.start,
            ):
                told = ((row.target_id, ResponseCounts.of_text(row.responses)) for row in held)
                yield Accounted(found[name], took=tuple(told))
            of_series = [name for name in names if series(found[name])]
            near = ones.where(_wanted(until, own=True, devices=False))
            async for name, held in _parts(read, near, of_series, performance.c.target_id, performance.c.start):
                yield Accounted(found[name], series=tuple(map(decode.performance, held)))
        async for name, held in _parts(read, began, list(found), outcomes.c.device_id):
            yield Accounted(found[name], began=tuple(Began(row.device_id, row.received, row.at) for row in held))


def ends_of(names: Sequence[str]) -> Select[Any]:
    """Where the account of each of these controls on its own target ends, as `until`."""
    table = performance.c
    joined = performance.join(controls, controls.c.id == table.control_id)
    ones = select(table.control_id, func.max(table.end).label("until")).select_from(joined)
    return ones.where(table.control_id.in_(names), table.target_id == controls.c.target_id).group_by(table.control_id)


def _by_reach(names: Iterable[str], reach: Callable[[str], Reach]) -> Iterator[tuple[Reach, list[str]]]:
    """Those of which the same is wanted, together: most are wanted whole, or not at all."""
    alike: dict[Reach, list[str]] = {}
    for name in names:
        alike.setdefault(reach(name), []).append(name)
    yield from alike.items()


def _in_turns(found: list[Control], start: Instant, end: Instant) -> Iterator[list[str]]:
    """So many controls at a time as `ADDED_S` allows."""
    some: list[str] = []
    seconds = 0.0
    for control in found:
        length = min(control.span.end, end) - max(control.span.start, start)
        if some and seconds + length > ADDED_S:
            yield some
            some, seconds = [], 0.0
        some.append(control.id)
        seconds += length
    if some:
        yield some


def _wanted(until: Reach, *, own: bool, devices: bool) -> ColumnElement[bool]:
    """Which targets' intervals, until when. A control of a single device is that device's line."""
    table = performance.c
    mine = table.target_id == controls.c.target_id
    return or_(
        and_(mine, table.end <= until.own) if own else false(),
        and_(~mine, table.end <= until.devices) if devices else false(),
        *([] if own else [and_(mine, controls.c.target_kind == "device", table.end <= until.own)]),
    )


def _intervals(start: Instant, end: Instant) -> Select[Any]:
    table = performance.c
    joined = performance.join(controls, controls.c.id == table.control_id)
    return select(performance).select_from(joined).where(table.start < end, table.end > start)


def _sums(start: Instant, end: Instant) -> Select[Any]:
    """A `Portion` for each target of a control."""
    table = performance.c
    begin = case((table.start > start, table.start), else_=start)
    seconds = case((table.end < end, table.end), else_=end) - begin
    known_s = case((table.delivered_w.is_(None), 0.0), else_=seconds * table.known)
    # A sum of nothing but NULL is NULL.
    heard = and_(table.requested_w.is_not(None), table.delivered_w.is_not(None))
    told = and_(table.allocated_w.is_not(None), table.acknowledged_w.is_not(None))
    sums: dict[str, ColumnElement[Any]] = {
        "held": func.count(),
        "seconds": func.sum(seconds),
        "known_s": func.sum(known_s),
        "requested": func.sum(table.requested_w * seconds),
        "accepted": func.sum(table.accepted_w * seconds),
        "allocated": func.sum(table.allocated_w * seconds),
        "acknowledged": func.sum(table.acknowledged_w * seconds),
        "delivered": func.sum(table.delivered_w * known_s),
        "missed": func.sum(case((heard, func.abs(table.delivered_w - table.requested_w) * known_s), else_=0.0)),
        "asked": func.sum(case((heard, func.abs(table.requested_w) * known_s), else_=0.0)),
        "told": func.sum(case((told, func.abs(table.allocated_w) * seconds), else_=0.0)),
        "taken": func.sum(case((told, func.abs(table.acknowledged_w) * seconds), else_=0.0)),
        "worst": func.max(case(*((table.quality == one.value, at) for at, one in enumerate(TRUST)))),
    }
    part = seconds / func.nullif(table.end - table.start, 0.0)
    capped = case((table.limit_w.is_not(None), seconds), else_=0.0)
    judged = case((table.excess_w.is_not(None), known_s), else_=0.0)
    sums |= {
        "capped_s": func.sum(capped),
        "low": func.min(table.limit_w),
        "high": func.max(table.limit_w),
        "judged_s": func.sum(judged),
        "excess": func.sum(table.excess_w * known_s),
        "over_s": func.sum(table.over_s * part),
        "peak": func.max(table.peak_w),
    }
    columns = [sum_.label(name) for name, sum_ in sums.items()]
    ones = _intervals(start, end).with_only_columns(table.control_id, table.target_id, *columns)
    return ones.group_by(table.control_id, table.target_id)


def _portion(row: Row[Any]) -> Portion:
    return Portion(
        count=row.held,
        seconds=row.seconds,
        known_s=row.known_s,
        energies=(row.requested, row.accepted, row.allocated, row.acknowledged, row.delivered),
        missed=row.missed,
        asked=row.asked,
        told=row.told,
        taken=row.taken,
        quality=TRUST[row.worst],
        limit=_kept(row) if row.capped_s else None,
    )


def _kept(row: Row[Any]) -> LimitPortion:
    return LimitPortion(
        seconds=row.capped_s,
        low_w=row.low,
        high_w=row.high,
        judged_s=row.judged_s,
        excess=row.excess or 0.0,
        over_s=row.over_s or 0.0,
        peak_w=row.peak or 0.0,
    )


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
