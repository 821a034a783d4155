"""Settlements of events from the readings in the store, and anew from late ones, kept with their revisions.

Implements operator.areas.settlements.SettlementPort. Owns which readings are taken and where settlements are kept; the
figures are aggregation.settlement's, what was asked and earlier revisions settlement_past's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from gridiface.aggregation.settlement import (
    Calendar,
    MeterSeries,
    OptOut,
    Revision,
    Settlement,
    SettlementEvent,
    credited,
    eligible,
    event_days,
    event_times,
    settle,
    settlement_of,
    totals,
)
from gridiface.aggregation.settlement.calendar import nerc_holidays, zone
from gridiface.aggregation.settlement.rows import Span
from gridiface.aggregation.settlement.series import nothing_metered
from gridiface.app.desks import exports
from gridiface.app.desks.device_series import AFTER_S, BEFORE_S, Powers, device_series
from gridiface.app.desks.settlement_past import Account, Documents, Kept, SettlementPast
from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError

SPACE = "app/settlement"


class Readings(Powers, Documents, Protocol):
    """The store as this desk uses it."""

    async def commit(self, changes: Sequence[Change]) -> None:
        """Make durable."""
        ...


class SettlementDesk:
    """The settlements of one installation. Call `load` before the first question."""

    def __init__(self, store: Readings) -> None:
        self._store = store
        self._kept: dict[str, Kept] = {}
        self._past = SettlementPast(store)
        self._summaries: dict[str, tuple[Settlement, Mapping[str, Any]]] = {}
        self._one_by_one = asyncio.Lock()

    async def load(self) -> None:
        """Read the settlements.

        Raises:
            StoreUnavailable: the store does not answer.
            ConfigError: one of them cannot be read.
        """
        await self._past.load()
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

    def revisions(self, event: str) -> Sequence[Mapping[str, Any]]:
        """All revisions of a settlement that is there in figures, the newest first."""
        return self._past.revisions(event, self._kept[event])

    async def past(self, event: str, revision: int) -> Sequence[Mapping[str, Any]] | None:
        """All rows of one revision of a settlement that is there; None: it is not kept.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        newest = self._kept[event][0]
        found = newest if revision == newest.revision else await self._past.rows(event, revision)
        return None if found is None else await asyncio.to_thread(exports.records, found.rows)

    def methods(self, event: str) -> Sequence[str]:
        """The baseline methods of a settlement that is there."""
        return list({row.method for row in self._kept[event][0].rows})

    def csv(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Rows as CSV."""
        return exports.table_text(exports.SETTLEMENT_COLUMNS, rows)

    def parquet(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Rows as Parquet.

        Raises:
            ConfigError: pyarrow is not installed.
        """
        return exports.settlement_parquet(rows)

    async def settle(self, asked: Mapping[str, Any], now: Instant, *, along: Sequence[Change]) -> Mapping[str, Any]:
        """Settle an event, or settle it anew from the readings that are there now.

        Args:
            asked: event, start, end, devices, method, storage, committed_w, interval_s, zone, holidays, nerc_holidays,
                event_days, opt_outs, authority, reserved, reopen: see operator.settling.asked_of. Days on which a
                device took part in another event that was settled here are left out of its baselines by themselves.
            now: the time.
            along: made durable with it.

        Raises:
            ConfigError: it cannot be settled like this; the text says why.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            return await self._settle(asked, now, along)

    async def anew(
        self, spans: Mapping[str, Span], now: Instant, *, along: Callable[[str], Sequence[Change]]
    ) -> Sequence[Mapping[str, Any]]:
        """Settle anew what late data of these devices concern, as it was asked; the event that ended first comes first.

        Args:
            spans: of each device [start, end) of its new data.
            now: the time.
            along: what is made durable with the next revision of an event.

        Returns:
            Each settlement that was looked at: event, revision, final, changed (rows), note (why it stays as it is).

        Raises:
            StoreUnavailable: those before it are settled.
        """
        async with self._one_by_one:
            # Who is being settled for the first time may have read the store before these data were in it.
            events = sorted(self._kept, key=lambda event: (self._kept[event][1], event))
        told = []
        for event in events:
            async with self._one_by_one:
                made = await self._anew(event, spans, now, along)
            if made is not None:
                told.append({name: made[name] for name in ("event", "revision", "final", "changed", "note")})
        return told

    async def _anew(
        self, event: str, spans: Mapping[str, Span], now: Instant, along: Callable[[str], Sequence[Change]]
    ) -> Mapping[str, Any] | None:
        """What came of one, in its turn; None: it is gone, or the data do not concern it."""
        kept, asked = self._kept.get(event), self._past.asked(event)
        if kept is None or not await asyncio.to_thread(_concerned, kept[0], spans):
            return None
        if asked is None:
            return {**self._told(event), "changed": 0, "note": "what it was asked with is not known: settle it anew"}
        try:
            return await self._settle(asked, now, along(event))
        except ConfigError as problem:
            return {**self._told(event), "changed": 0, "note": str(problem)}

    async def _settle(self, asked: Mapping[str, Any], now: Instant, along: Sequence[Change]) -> Mapping[str, Any]:
        """As `settle`, in its turn."""
        event = asked["event"]
        series = await self._series(asked)
        earlier = self._kept.get(event)
        others = {name: kept for name, kept in self._kept.items() if name != event}
        previous = None if earlier is None else earlier[0]
        found, revised = await asyncio.to_thread(_settled, asked, series, others, previous, now)
        if not found.note:
            await self._keep({event: (found.settlement, asked["end"]), **revised}, along, asked)
        elif earlier is not None and found.settlement is not previous:
            await self._keep({event: (found.settlement, earlier[1])}, ())  # it has become final
        told = dict(self._told(event))
        changes = [exports.change_record(change) for change in found.changes[:1000]]
        counts = {"changed": len(found.changes), "changes": changes, "revised": sorted(revised)}
        return {**told, "note": found.note, **counts}

    async def remove(self, event: str, now: Instant, *, along: Sequence[Change]) -> None:
        """Take a settlement away; what it counted goes to the others of its time.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            gone = self._kept.get(event)
            others = {name: kept for name, kept in self._kept.items() if name != event}
            revised = {} if gone is None else await asyncio.to_thread(_without, gone[0], others, now)
            await self._keep(revised, [DeleteDocument(SPACE, event), *self._past.gone(event), *along])
            self._kept.pop(event, None)
            self._past.forget(event)
            self._summaries.pop(event, None)

    async def _keep(
        self, settlements: Mapping[str, Kept], along: Sequence[Change], asked: Mapping[str, Any] | None = None
    ) -> None:
        """Make settlements durable in the place of those before them; `asked`: what one of them was made with."""
        terms = {} if asked is None else {asked["event"]: asked}
        # Texts and sums of thousands of rows take a while.
        made, accounts, summaries = await asyncio.to_thread(self._changes, settlements, terms)
        await self._store.commit([*along, *made])
        for name, account in accounts.items():
            self._past.keep(name, account)
        self._summaries |= summaries
        self._kept.update(settlements)

    def _changes(
        self, settlements: Mapping[str, Kept], terms: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[Change], dict[str, Account], dict[str, tuple[Settlement, Mapping[str, Any]]]]:
        """What makes settlements durable in the place of those before them, and what is known of them then."""
        found: list[Change] = []
        accounts, summaries = {}, {}
        for name, (kept, end) in settlements.items():
            before = self._kept.get(name)
            found.append(PutDocument(SPACE, name, exports.settlement_json(kept, end).encode()))
            accounts[name] = self._past.account(name, kept, before, terms.get(name))
            found += self._past.changes(name, kept, before, accounts[name])
            summaries[name] = kept, self._summed(name, kept, end)
        return found, accounts, summaries

    async def _series(self, asked: Mapping[str, Any]) -> list[MeterSeries]:
        made: list[MeterSeries] = []
        silent: list[str] = []
        phase_s = Calendar(tz=zone(asked["zone"])).phase(asked["start"], asked["interval_s"])
        start, end = asked["start"] - BEFORE_S, asked["end"] + AFTER_S
        for name in asked["devices"]:
            one = await device_series(self._store, name, start, end, asked["interval_s"], phase_s)
            if one is None:
                silent.append(name)
                one = nothing_metered(name, asked["start"], asked["interval_s"], phase_s)
            made.append(one)
        if len(silent) == len(made):
            raise ConfigError(f"the store has no active power of {', '.join(map(repr, silent[:5]))} for that time")
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
    others: Mapping[str, Kept],
    earlier: Settlement | None,
    now: Instant,
) -> tuple[Revision, Mapping[str, Kept]]:
    """What came of it; the other settlements that have a new revision, as a watt-hour counts for one event only."""
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
    beside, names = [kept for kept, _ in others.values()], {one.meter_id for one in series}
    rows = settle(
        event,
        series,
        calendar=calendar,
        event_days=frozenset(asked["event_days"]),
        own_event_days=event_days(beside, names, event.start - BEFORE_S, calendar),
        own_events=event_times(beside, names, event.start),
    )
    terms = {"authority": asked["authority"], "reserved": asked["reserved"]}
    outs = [OptOut(resource_id=o.device_id, start=o.start, end=o.end, reason=o.reason) for o in asked["opt_outs"]]
    draft = Settlement(event_id=event.id, revision=0, computed=now, final=False, rows=eligible(rows, outs), **terms)
    near = _near(draft, others)
    own, *shared = credited([draft, *_with_neighbours(near, others)])
    made = settlement_of(event.id, event.end, own.rows, now, previous=earlier, reopen=asked["reopen"], **terms)
    return made, {} if made.note else _revised(near, shared, others, now)


def _without(gone: Settlement, others: Mapping[str, Kept], now: Instant) -> Mapping[str, Kept]:
    """The other settlements that have a new revision when one is taken away."""
    near = _near(gone, others)
    return _revised(near, credited(_with_neighbours(near, others)), others, now)


def _near(one: Settlement, others: Mapping[str, Kept]) -> set[str]:
    """Which of the others may have rows of the same time."""
    start, end = _reach(one)
    return {name for name, (kept, _) in others.items() if _reach(kept)[0] < end and _reach(kept)[1] > start}


def _with_neighbours(near: set[str], others: Mapping[str, Kept]) -> list[Settlement]:
    """These, and those with which they share their time."""
    around = near.union(*(_near(others[name][0], others) for name in near))
    return [others[name][0] for name in sorted(around)]


def _concerned(one: Settlement, spans: Mapping[str, Span]) -> bool:
    """Whether new data of these times may change a figure of it."""
    start, end = _reach(one)
    names = {row.resource_id for row in one.rows}
    return any(
        name in names and since < end + AFTER_S and until > start - BEFORE_S for name, (since, until) in spans.items()
    )


def _reach(one: Settlement) -> tuple[Instant, Instant]:
    """From its first row to the end of its last; nothing without rows."""
    starts, ends = [row.start for row in one.rows], [row.end for row in one.rows]
    return min(starts, default=math.inf), max(ends, default=-math.inf)


def _revised(
    near: set[str], shared: Sequence[Settlement], kept: Mapping[str, Kept], now: Instant
) -> Mapping[str, Kept]:
    """Those near whose rows changed as shares were worked out anew, each as its next revision."""
    found = {}
    for one in shared:
        before, end = kept[one.event_id]
        if one.event_id not in near or before.final:
            continue
        revision = settlement_of(
            one.event_id, end, one.rows, now, previous=before, authority=before.authority, reserved=before.reserved
        )
        if not revision.note:
            found[one.event_id] = revision.settlement, end
    return found
