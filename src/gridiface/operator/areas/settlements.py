"""Settlements of events from the readings of the fleet: made, made anew with late data, read row by row, exported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError
from gridiface.naming import following
from gridiface.operator.accounts.settling import MOST_BYTES, NewSettlement, asked_of
from gridiface.operator.api.routing import Area, Call, delete, get, post, unknown
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import Asked, NoBody, NoQuery, Page, Search

_LISTED = "GET /api/v1/settlements lists them"


class SettlementPort(Protocol):
    """The settlements as this area uses them; app/desks/settlement_desk.py has them."""

    def ends(self) -> Mapping[str, Instant]:
        """When each event ended."""
        ...

    def one(self, event: str) -> Mapping[str, Any] | None:
        """One without its rows, or None."""
        ...

    def rows(self, event: str, first: int, count: int) -> Sequence[Mapping[str, Any]]:
        """`count` rows of one from the `first` on, by resource and time."""
        ...

    def methods(self, event: str) -> Sequence[str]:
        """The baseline methods that its rows were settled by."""
        ...

    def revisions(self, event: str) -> Sequence[Mapping[str, Any]]:
        """All revisions of one in figures, the newest first."""
        ...

    async def past(self, event: str, revision: int) -> Sequence[Mapping[str, Any]] | None:
        """All rows of one revision; None: it is not kept."""
        ...

    def csv(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Rows as CSV."""
        ...

    def parquet(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Rows as Parquet; raises ConfigError where that is not installed."""
        ...

    async def settle(self, asked: Mapping[str, Any], now: Instant, *, along: Sequence[Change]) -> Mapping[str, Any]:
        """Settle, durably; raises ConfigError where it cannot be done."""
        ...

    async def remove(self, event: str, now: Instant, *, along: Sequence[Change]) -> None:
        """Take one away, durably; what it counted goes to others of its time."""
        ...


class SettlementSummary(TypedDict):
    """One settlement. `final`: late data are not awaited any more; `rows`: how many; sums per event and resource."""

    event: str
    end: float
    revision: int
    computed: float
    final: bool
    rows: int
    total: list[dict[str, Any]]
    resources: list[dict[str, Any]]


class SettlementMade(SettlementSummary):
    """What came of settling. `note`: why nothing was taken over; the first 1,000 changes of `changed`.

    `revised`: settlements of events at the same time that have a new revision by it, as a watt-hour counts once.
    """

    note: str
    revised: list[str]
    changed: int
    changes: list[dict[str, Any]]


class SettlementList(TypedDict):
    """A page of settlements, by event."""

    settlements: list[SettlementSummary]
    total: int
    next: str | None


class SettlementRow(TypedDict):
    """One event, resource and interval. Powers in W, + delivered to the grid; null: not known.

    `eligible`: the part of its time for which the resource took part; `share`: what other events leave of it; of
    `delivered_w` the product of both counts, `credited_w`; `reason` says why that is less, or why it is an estimate.
    """

    event_id: str
    resource_id: str
    start: str
    end: str
    baseline_w: float | None
    metered_w: float | None
    delivered_w: float | None
    committed_w: float | None
    performance: float | None
    quality: str
    method: str
    revision: int
    eligible: float
    share: float
    credited_w: float | None
    reason: str


class SettlementRows(TypedDict):
    """A page of rows, by resource and time."""

    rows: list[SettlementRow]
    total: int
    next: str | None


class SettlementRevision(TypedDict):
    """One revision. `changed`: rows whose figures it changed; the first has all; `rows`: how many there are."""

    revision: int
    computed: float
    final: bool
    rows: int
    changed: int
    total: list[dict[str, Any]]


class SettlementRevisions(TypedDict):
    """All that is kept, the newest first."""

    revisions: list[SettlementRevision]


class OfRevision(Asked):
    """Which revision."""

    revision: int | None = Field(default=None, ge=1, le=1_000_000, description="none: the newest")


class RowsAsked(Page):
    """A page of the rows of one revision."""

    revision: int | None = Field(default=None, ge=1, le=1_000_000, description="none: the newest")


class SettlementsArea(Area):
    """Settlements. `newest`, `methods` are for pages."""

    name: ClassVar[str] = "settlements"
    title: ClassVar[str] = "Settlements"
    screens: ClassVar[str] = "gridiface.operator.screens.settlement:SettlementScreen"

    def __init__(self, desk: Desk, port: SettlementPort) -> None:
        self._desk, self._port = desk, port

    @get("/settlements", "Settlements by event, with their sums; filter `q`")
    async def list_settlements(self, call: Call[Search, NoBody]) -> SettlementList:
        """One page; `total` counts all that match."""
        query = call.query
        names = list(self._fitting(query.q))
        left = following(names, query.after, str)
        shown = left[query.skip : query.skip + query.limit]
        return {
            "settlements": [self._one(name) for name in shown],
            "total": len(names),
            "next": shown[-1] if query.skip + len(shown) < len(left) and shown else None,
        }

    def newest(self, text: str, skip: int, count: int) -> tuple[list[SettlementSummary], int]:
        """`count` settlements after `skip`, the event that ended last first; and how many there are."""
        ends = self._port.ends()
        names = sorted(self._fitting(text), key=lambda name: (-ends[name], name))
        return [self._one(name) for name in names[skip : skip + count]], len(names)

    def methods(self, event: str) -> list[str]:
        """The baseline methods of one settlement, by name."""
        return sorted(self._port.methods(event))

    def _fitting(self, text: str) -> list[str]:
        wanted = text.strip().lower()
        return [name for name in self._port.ends() if wanted in name.lower()]

    @post(
        "/settlements",
        "Settle an event from the readings in the store; again: a new revision where late data changed a figure",
        scope="configure",
        problems=(404,),
        most_bytes=MOST_BYTES,
    )
    async def settle_event(self, call: Call[NoQuery, NewSettlement]) -> SettlementMade:
        """What came of it."""
        asked = await asked_of(self._desk, call.body)
        left_out = {"devices", "committed_w", "holidays", "event_days", "opt_outs", "reserved"}
        told = {name: value for name, value in asked.items() if name not in left_out}
        days = {name: [day.isoformat() for day in asked[name]] for name in ("holidays", "event_days") if asked[name]}
        entry = Entry(
            at=call.now,
            who=call.caller.name,
            what="settlement.make",
            subject=asked["event"],
            after={**told, **days, "devices": len(asked["devices"]), "opt_outs": len(asked["opt_outs"])},
            reason=call.body.reason,
        )
        try:
            found = await self._port.settle(asked, call.now, along=[entry.change()])
        except ConfigError as problem:
            reason, _, fix = str(problem).partition("; ")
            raise Refused(422, reason, fix or "docs/concepts/settlement.md tells the methods") from problem
        if not found["note"]:
            entry.log()
        return cast("SettlementMade", dict(found))

    @get("/settlements/{id}", "One settlement with its sums", problems=(404,), tagged=True)
    async def get_settlement(self, call: Call[NoQuery, NoBody]) -> SettlementSummary:
        """Without its rows."""
        return self._one(call.id)

    @get(
        "/settlements/{id}/revisions",
        "The revisions of a settlement: what late data changed, and when",
        problems=(404,),
    )
    async def list_settlement_revisions(self, call: Call[NoQuery, NoBody]) -> SettlementRevisions:
        """All of them in figures."""
        self._one(call.id)
        return {"revisions": [cast("SettlementRevision", dict(one)) for one in self._port.revisions(call.id)]}

    @get("/settlements/{id}/rows", "The rows of a settlement: per resource and interval", problems=(404,))
    async def list_settlement_rows(self, call: Call[RowsAsked, NoBody]) -> SettlementRows:
        """One page; `after` counts."""
        total = self._one(call.id)["rows"]
        first = int(call.query.after) if call.query.after.isascii() and call.query.after.isdigit() else 0
        until = first + call.query.limit
        if call.query.revision is None:
            part = self._port.rows(call.id, first, call.query.limit)
        else:
            every = await self._rows(call.id, call.query.revision)
            total, part = len(every), every[first:until]
        shown = [cast("SettlementRow", dict(row)) for row in part]
        end = first + len(shown)
        return {"rows": shown, "total": total, "next": str(end) if shown and end < total else None}

    @get("/settlements/{id}/export.csv", "A settlement as CSV", problems=(404,), answer=str, media="text/csv")
    async def export_settlement(self, call: Call[OfRevision, NoBody]) -> web.StreamResponse:
        """All rows."""
        text = await asyncio.to_thread(self._port.csv, await self._rows(call.id, call.query.revision))
        return web.Response(text=text, content_type="text/csv", headers=_named(call, "csv"))

    @get(
        "/settlements/{id}/export.parquet",
        "A settlement as Parquet; needs gridiface[parquet] on the server",
        problems=(404, 422),
        answer=str,
        media="application/vnd.apache.parquet",
    )
    async def export_settlement_parquet(self, call: Call[OfRevision, NoBody]) -> web.StreamResponse:
        """All rows: texts, doubles, start and end as UTC timestamps."""
        rows = await self._rows(call.id, call.query.revision)
        try:
            body = await asyncio.to_thread(self._port.parquet, rows)
        except ConfigError as problem:
            reason, _, fix = str(problem).partition("; ")
            raise Refused(422, reason, fix) from problem
        return web.Response(body=body, content_type="application/vnd.apache.parquet", headers=_named(call, "parquet"))

    @delete("/settlements/{id}", "Take a settlement away", scope="configure", problems=(404,), match="get_settlement")
    async def remove_settlement(self, call: Call[NoQuery, NoBody]) -> SettlementSummary:
        """What is gone."""
        gone = self._one(call.id)
        entry = Entry(
            at=call.now, who=call.caller.name, what="settlement.remove", subject=call.id, before=gone["total"]
        )
        await self._port.remove(call.id, call.now, along=[entry.change()])
        entry.log()
        return gone

    async def _rows(self, event: str, revision: int | None) -> Sequence[Mapping[str, Any]]:
        """All rows of one revision of a settlement.

        Raises:
            Refused: 404 there is none, or it is not kept.
        """
        newest = self._one(event)["revision"]
        found = await self._port.past(event, newest if revision is None else revision)
        if found is None:
            raise unknown(f"revision of settlement {event}", str(revision), f"GET .../settlements/{event}/revisions")
        return found

    def _one(self, event: str) -> SettlementSummary:
        found = self._port.one(event)
        if found is None:
            raise unknown("settlement", event, _LISTED)
        return cast("SettlementSummary", dict(found))


def _named(call: Call[Any, Any], ending: str) -> dict[str, str]:
    revision = f"-{call.query.revision}" if call.query.revision is not None else ""
    return {"Content-Disposition": f'attachment; filename="{call.id}{revision}.{ending}"'}
