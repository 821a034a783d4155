"""Meter data handed to a running server: into the store as readings, then settlements that they concern anew.

Implements operator.areas.meters.MeterDataPort. Owns the order, a settlement is made from what is durable, and what is
told of a file. Formats are the importers'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridiface.aggregation.settlement.calendar import zone
from gridiface.app.desks.exports import utc
from gridiface.app.desks.settlement_desk import SettlementDesk
from gridiface.app.importers import CsvForm, MeterImport, parse_green_button, parse_meter_csv
from gridiface.app.importers.meter_data import is_xml, readings_of
from gridiface.domain.changes import AppendReadings, Change
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.operator.records.audit import Entry


class MeterDesk:
    """Takes meter data in, one file at a time."""

    def __init__(self, ledger: Ledger, settlements: SettlementDesk) -> None:
        self._ledger, self._settlements = ledger, settlements
        self._one_by_one = asyncio.Lock()

    async def take(self, asked: Mapping[str, Any], who: str, now: Instant) -> Mapping[str, Any]:
        """Keep a file's values, and settle anew what they concern.

        The same file again does no harm: of the same time the value received last counts.

        Args:
            asked: data, name, meter, zone, positive, stamp, interval_s, reason: see operator.areas.meters.
            who: hands it in, for the audit log.
            now: the time, at which the values count as received.

        Raises:
            ConfigError: it cannot be read; the text names line and fix.
            StoreUnavailable: not all of it is kept, or not all is settled anew; hand it in again.
        """
        async with self._one_by_one:
            found = await asyncio.to_thread(_read, asked)
            told = summary(found)
            entry = Entry(
                at=now,
                who=who,
                what="meter_data.take",
                subject=asked["name"],
                after={name: told[name] for name in ("values", "duplicates", "conflicts", "missing")}
                | {"meters": [one["meter"] for one in told["meters"]][:100], "of": len(told["meters"])},
                reason=asked["reason"],
            )
            along: list[Change] = [entry.change()]
            portions = readings_of(found, now)
            while (portion := await asyncio.to_thread(next, portions, None)) is not None:
                await self._ledger.commit([AppendReadings(portion), *along])
                along = []
            entry.log()
            spans = {one.meter_id: (one.start, one.end) for one in found.series}
            anew = await self._settlements.anew(spans, now, along=lambda event: [_anew(event, asked, who, now)])
            return {**told, "settlements": list(anew)}


def summary(found: MeterImport) -> dict[str, Any]:
    """What a file held, for people and programs; times are ISO 8601."""
    return {
        "meters": [
            {
                "meter": one.meter_id,
                "start": utc(one.start),
                "end": utc(one.end),
                "interval_s": one.interval_s,
                "intervals": int(one.w.size),
            }
            for one in found.series
        ],
        "values": found.rows,
        "duplicates": found.duplicates,
        "conflicts": found.conflicts,
        "missing": found.missing,
        "gaps": [
            {"meter": gap.meter_id, "start": utc(gap.start), "end": utc(gap.end), "intervals": gap.intervals}
            for gap in found.gaps
        ],
        "notes": list(found.notes),
    }


def _anew(event: str, asked: Mapping[str, Any], who: str, now: Instant) -> Change:
    return Entry(at=now, who=who, what="settlement.anew", subject=event, reason=f"late data: {asked['name']}").change()


def _read(asked: Mapping[str, Any]) -> MeterImport:
    data, path = asked["data"].encode("utf-8", "replace"), Path(asked["name"] or "meter data")
    if is_xml(data):
        return parse_green_button(data, path, asked["meter"])
    form = CsvForm(
        tz=None if asked["zone"] is None else zone(asked["zone"]),
        positive=asked["positive"],
        stamp=asked["stamp"],
        interval_s=asked["interval_s"],
        meter_id=asked["meter"] or "",
    )
    return parse_meter_csv(data, path, form)
