"""Settlements of events from the readings in the store, kept with their revisions.

Implements operator.areas.settlements.SettlementPort. Owns which readings are taken and where settlements are kept; the
figures are aggregation.settlement's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from gridiface.aggregation.settlement import (
    Calendar,
    MeterSeries,
    Revision,
    Settlement,
    SettlementEvent,
    settle,
    settlement_of,
    totals,
)
from gridiface.aggregation.settlement.calendar import nerc_holidays, zone
from gridiface.aggregation.settlement.series import from_readings
from gridiface.app import exports
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import ConfigError

SPACE = "app/settlement"

#: Meter data are looked for this long before an event, s: the longest look-back and the day itself.
BEFORE_S = 47 * 86_400.0

#: And this long after its end: a mean over its last hour is dated then.
AFTER_S = 3600.0
_PAGE = 10_000


class Readings(Protocol):
    """The store as this desk uses it."""

    async def readings(self, device_id: str, *, start: Instant, end: Instant, limit: int = 10_000) -> list[Reading]:
        """Readings by time."""
        ...

    async def commit(self, changes: Sequence[Change]) -> None:
        """Make durable."""
        ...

    async def documents(self, space: str) -> list[Document]:
        """All of one space."""
        ...


async def readings_of(store: Readings, device_id: str, start: Instant, end: Instant) -> list[Reading]:
    """All active-power readings, page by page; the last instant of a full page is read again with the next."""
    found: list[Reading] = []
    while True:
        page = await store.readings(device_id, start=start, end=end, limit=_PAGE)
        full = len(page) == _PAGE
        last = page[-1].source_time if page else end
        kept = [one for one in page if not full or one.source_time < last or one.source_time == page[0].source_time]
        found.extend(one for one in kept if one.quantity is Quantity.ACTIVE_POWER)
        if not full:
            return found
        start = last if last > page[0].source_time else math.nextafter(last, math.inf)


class SettlementDesk:
    """The settlements of one installation. Call `load` before the first question."""

    def __init__(self, store: Readings) -> None:
        self._store = store
        self._kept: dict[str, tuple[Settlement, Instant]] = {}
        self._summaries: dict[str, tuple[Settlement, Mapping[str, Any]]] = {}
        self._one_by_one = asyncio.Lock()

    async def load(self) -> None:
        """Read the settlements.

        Raises:
            StoreUnavailable: the store does not answer.
            ConfigError: one of them cannot be read.
        """
        found = await self._store.documents(SPACE)
        self._kept = {document.key: exports.settlement_of_text(document.body, document.key) for document in found}

    def ends(self) -> Mapping[str, Instant]:
        """When each event ended, s since 1970 UTC."""
        return {event: end for event, (_, end) in self._kept.items()}

    def one(self, event: str) -> Mapping[str, Any] | None:
        """One settlement without its rows, or None."""
        return None if event not in self._kept else self._told(event)

    def rows(self, event: str, first: int, count: int) -> Sequence[Mapping[str, Any]]:
        """`count` rows of a settlement that is there, from the `first` on."""
        return exports.records(self._kept[event][0].rows[first : first + count])

    def methods(self, event: str) -> Sequence[str]:
        """The baseline methods of a settlement that is there."""
        return list({row.method for row in self._kept[event][0].rows})

    def csv(self, event: str) -> str:
        """The rows of a settlement that is there, as CSV."""
        return exports.csv_text(self._kept[event][0].rows)

    async def settle(self, asked: Mapping[str, Any], now: Instant, *, along: Sequence[Change]) -> Mapping[str, Any]:
        """Settle an event, or settle it anew from the readings that are there now.

        Args:
            asked: event, start, end, devices, method, storage, committed_w, interval_s, zone, holidays, nerc_holidays,
                event_days, reopen. Days on which a device took part in another event that was settled here are left
                out of its baselines by themselves.
            now: the time.
            along: made durable with it.

        Raises:
            ConfigError: it cannot be settled like this; the text says why.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            event = asked["event"]
            series = await self._series(asked)
            earlier = self._kept.get(event)
            others = [kept for name, (kept, _) in self._kept.items() if name != event]
            previous = None if earlier is None else earlier[0]
            found = await asyncio.to_thread(_settled, asked, series, others, previous, now)
            if not found.note:
                body = exports.settlement_json(found.settlement, asked["end"]).encode()
                await self._store.commit([PutDocument(SPACE, event, body), *along])
                self._kept[event] = (found.settlement, asked["end"])
            told = dict(self._told(event))
            changes = [exports.change_record(change) for change in found.changes[:1000]]
            return {**told, "note": found.note, "changed": len(found.changes), "changes": changes}

    async def remove(self, event: str, *, along: Sequence[Change]) -> None:
        """Take a settlement away.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        await self._store.commit([DeleteDocument(SPACE, event), *along])
        self._kept.pop(event, None)
        self._summaries.pop(event, None)

    async def _series(self, asked: Mapping[str, Any]) -> list[MeterSeries]:
        made: list[MeterSeries] = []
        phase_s = Calendar(tz=zone(asked["zone"])).phase(asked["start"], asked["interval_s"])
        for name in asked["devices"]:
            readings = await readings_of(self._store, name, asked["start"] - BEFORE_S, asked["end"] + AFTER_S)
            one = await asyncio.to_thread(from_readings, readings, asked["interval_s"], phase_s)
            if one is None:
                raise ConfigError(f"the store has no active power of {name!r} for that time; leave it out")
            made.append(one)
        return made

    def _told(self, event: str) -> Mapping[str, Any]:
        settlement, end = self._kept[event]
        known = self._summaries.get(event)
        if known is None or known[0] is not settlement:
            # A sum goes through all rows: it is made once for each revision.
            known = self._summaries[event] = settlement, self._summed(event, settlement, end)
        return known[1]

    def _summed(self, event: str, settlement: Settlement, end: Instant) -> Mapping[str, Any]:
        return {
            "event": event,
            "end": end,
            "revision": settlement.revision,
            "computed": settlement.computed,
            "final": settlement.final,
            "rows": len(settlement.rows),
            "total": [exports.total_record(total) for total in totals(settlement.rows, "event")],
            "resources": [exports.total_record(total) for total in totals(settlement.rows, "resource")],
        }


def _settled(
    asked: Mapping[str, Any],
    series: list[MeterSeries],
    others: list[Settlement],
    earlier: Settlement | None,
    now: Instant,
) -> Revision:
    place = zone(asked["zone"])
    holidays = frozenset(asked["holidays"])
    if asked["nerc_holidays"]:
        last = datetime.fromtimestamp(asked["end"], place).year
        holidays |= nerc_holidays((max(last - 1, 1), last))
    calendar = Calendar(tz=place, holidays=holidays)
    event = SettlementEvent(
        id=asked["event"],
        start=asked["start"],
        end=asked["end"],
        committed_w=asked["committed_w"],
        method=asked["method"],
        methods=dict.fromkeys(asked["storage"], "meter-before-after"),
        interval_s=asked["interval_s"],
    )
    rows = settle(
        event,
        series,
        calendar=calendar,
        event_days=frozenset(asked["event_days"]),
        own_event_days=_event_days(others, {one.meter_id for one in series}, event.start - BEFORE_S, calendar),
        own_events=_events(others, {one.meter_id for one in series}, event.start, calendar),
    )
    return settlement_of(event.id, event.end, rows, now, previous=earlier, reopen=asked["reopen"])


def _event_days(
    settlements: list[Settlement], devices: set[str], after: Instant, calendar: Calendar
) -> Mapping[str, frozenset[date]]:
    """The local days on which each device took part in one of these events, from `after` on."""
    found: dict[str, set[date]] = {}
    for settlement in settlements:
        for row in settlement.rows:
            if row.start >= after and row.resource_id in devices:
                found.setdefault(row.resource_id, set()).add(calendar.day(row.start))
    return {name: frozenset(days) for name, days in found.items()}


def _events(
    settlements: list[Settlement], devices: set[str], start: Instant, calendar: Calendar
) -> Mapping[str, list[tuple[Instant, Instant]]]:
    """The times at which each device took part in one of these events on the day of `start`."""
    found: dict[str, list[tuple[Instant, Instant]]] = {}
    for settlement in settlements:
        for row in settlement.rows:
            near = abs(row.start - start) < 2 * 86_400 and row.resource_id in devices
            if near and calendar.day(row.start) == calendar.day(start):
                found.setdefault(row.resource_id, []).append((row.start, row.end))
    return found
