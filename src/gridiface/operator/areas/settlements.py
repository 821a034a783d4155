"""Settlements of events from the readings of the fleet: made, made anew with late data, read row by row, exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, ClassVar, Protocol, cast

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, OutcomeKind, TargetKind
from gridiface.domain.ports import Change
from gridiface.errors import ConfigError
from gridiface.naming import following
from gridiface.operator.audit import Entry
from gridiface.operator.desk import Desk
from gridiface.operator.present import reached
from gridiface.operator.problems import Refused
from gridiface.operator.routing import Area, Call, delete, get, post, unknown
from gridiface.operator.schema import Asked, Id, Name, NoBody, NoQuery, Number, Page, Search, Text
from gridiface.wording import worded

_LISTED = "GET /api/v1/settlements lists them"

#: Devices of one settlement: each costs up to 47 days of readings.
_MOST_DEVICES = 500

#: Holidays and days of events that are named.
_MOST_DAYS = 1000

#: How a control ends before its time.
_CUT_SHORT = frozenset({OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED})

Time = Annotated[float, Field(ge=0, le=253_402_300_799, allow_inf_nan=False)]


class SettlementPort(Protocol):
    """The settlements as this area uses them; app/settlement_desk.py has them."""

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

    def csv(self, event: str) -> str:
        """The rows of one as CSV."""
        ...

    async def settle(self, asked: Mapping[str, Any], now: Instant, *, along: Sequence[Change]) -> Mapping[str, Any]:
        """Settle, durably; raises ConfigError where it cannot be done."""
        ...

    async def remove(self, event: str, *, along: Sequence[Change]) -> None:
        """Take one away, durably."""
        ...


class NewSettlement(Asked):
    """What is settled. With `control` its time and its devices need not be said."""

    event: str = Field(
        pattern=worded(
            r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", "1 to 128 letters, digits and . _ : -, a letter or digit first"
        ),
        description="its name; the same again makes a new revision",
    )
    control: Id | None = Field(default=None, description="the control that is settled")
    group: Name | None = Field(default=None, description="settle the devices of this group")
    devices: list[Name] = Field(default_factory=list, max_length=_MOST_DEVICES, description="or these")
    start: Time | None = Field(default=None, description="s since 1970; none: the control's")
    end: Time | None = Field(default=None, description="s since 1970; none: the control's")
    method: str = Field(default="10-of-10", max_length=64, description="of the baseline, docs/concepts/settlement.md")
    storage: list[Name] = Field(
        default_factory=list, max_length=_MOST_DEVICES, description="devices to settle by meter-before-after"
    )
    committed_w: dict[Name, Number] = Field(
        default_factory=dict, max_length=_MOST_DEVICES, description="device -> promised power, W, + delivered"
    )
    interval_s: float = Field(default=900.0, ge=1, le=86_400, allow_inf_nan=False, description="of the rows, s")
    zone: str = Field(default="UTC", max_length=64, description="time zone of the place, for its days")
    holidays: list[date] = Field(
        default_factory=list, max_length=_MOST_DAYS, description="days of the place that are free"
    )
    nerc_holidays: bool = Field(default=False, description="true: so are those of the North American power markets")
    event_days: list[date] = Field(
        default_factory=list,
        max_length=_MOST_DAYS,
        description="days of other events, to leave out of baselines; those of events settled here are by themselves",
    )
    reopen: bool = Field(default=False, description="true: change a settlement that is final, too")
    reason: Text = Field(default="", description="for people and the audit log")


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
    """What came of settling. `note`: why nothing was taken over; the first 1,000 changes of `changed`."""

    note: str
    changed: int
    changes: list[dict[str, Any]]


class SettlementList(TypedDict):
    """A page of settlements, by event."""

    settlements: list[SettlementSummary]
    total: int
    next: str | None


class SettlementRow(TypedDict):
    """One event, resource and interval. Powers in W, + delivered to the grid; null: not known."""

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


class SettlementRows(TypedDict):
    """A page of rows, by resource and time."""

    rows: list[SettlementRow]
    total: int
    next: str | None


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
    )
    async def settle_event(self, call: Call[NoQuery, NewSettlement]) -> SettlementMade:
        """What came of it."""
        asked = await self._asked(call.body)
        left_out = {"devices", "committed_w", "holidays", "event_days"}
        told = {name: value for name, value in asked.items() if name not in left_out}
        days = {name: [day.isoformat() for day in asked[name]] for name in ("holidays", "event_days") if asked[name]}
        entry = Entry(
            at=call.now,
            who=call.caller.name,
            what="settlement.make",
            subject=asked["event"],
            after={**told, **days, "devices": len(asked["devices"])},
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

    @get("/settlements/{id}/rows", "The rows of a settlement: per resource and interval", problems=(404,))
    async def list_settlement_rows(self, call: Call[Page, NoBody]) -> SettlementRows:
        """One page; `after` counts."""
        total = self._one(call.id)["rows"]
        first = int(call.query.after) if call.query.after.isascii() and call.query.after.isdigit() else 0
        shown = [cast("SettlementRow", dict(row)) for row in self._port.rows(call.id, first, call.query.limit)]
        end = first + len(shown)
        return {"rows": shown, "total": total, "next": str(end) if shown and end < total else None}

    @get("/settlements/{id}/export.csv", "A settlement as CSV", problems=(404,), answer=str, media="text/csv")
    async def export_settlement(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """All rows."""
        self._one(call.id)
        headers = {"Content-Disposition": f'attachment; filename="{call.id}.csv"'}
        return web.Response(text=self._port.csv(call.id), content_type="text/csv", headers=headers)

    @delete("/settlements/{id}", "Take a settlement away", scope="configure", problems=(404,), match="get_settlement")
    async def remove_settlement(self, call: Call[NoQuery, NoBody]) -> SettlementSummary:
        """What is gone."""
        gone = self._one(call.id)
        entry = Entry(
            at=call.now, who=call.caller.name, what="settlement.remove", subject=call.id, before=gone["total"]
        )
        await self._port.remove(call.id, along=[entry.change()])
        entry.log()
        return gone

    async def _asked(self, body: NewSettlement) -> dict[str, Any]:
        """What is to be settled, whole.

        Raises:
            Refused: 404 no such control or group, 422 something is missing.
        """
        fleet, start, end, devices = self._desk.status.fleet, body.start, body.end, list(body.devices)
        if body.control is not None:
            control = await self._desk.records.control(body.control)
            if control is None:
                raise unknown("control", body.control, "GET /api/v1/controls lists them")
            start = control.span.start if start is None else start
            end = await self._end_of(control) if end is None else end
            if not devices and body.group is None:
                devices = await self._devices_of(control)
        if body.group is not None:
            if fleet.group(body.group) is None:
                raise unknown("group", body.group, "GET /api/v1/groups lists them")
            devices += [name for name in fleet.members(body.group) if name not in devices]
        if start is not None and end is not None and end <= start:
            what = "the event" if body.control is None else f"control {body.control}"
            raise Refused(422, f"{what} ended before it began: there is nothing to settle", "give `start` and `end`")
        if start is None or end is None or end == float("inf"):
            raise Refused(422, "it is not said when the event began and ended", "give `start` and `end`, or a control")
        if not 0 < len(devices) <= _MOST_DEVICES:
            raise Refused(422, f"{len(devices)} devices are to be settled", f"name 1 to {_MOST_DEVICES}")
        asked = body.model_dump(exclude={"control", "group", "reason"})
        return {**asked, "start": start, "end": end, "devices": devices}

    async def _end_of(self, control: Control) -> Instant:
        """When it ended: at its time, or when it was cancelled or superseded."""
        ends = [
            outcome.at
            for outcome in await self._desk.records.outcomes(control.id)
            if outcome.device_id is None and outcome.kind in _CUT_SHORT
        ]
        return min([control.span.end, *ends])

    async def _devices_of(self, control: Control) -> list[str]:
        """The devices that have a line in its account; those of its target now where there is none."""
        target = control.target
        if target.kind is TargetKind.DEVICE:
            return [target.id]
        lines = {interval.target_id for interval in await self._desk.records.performance(control.id)}
        lines |= {report.target_id for report in self._desk.status.performance.report(control.id)}  # while it runs
        return sorted(lines - {target.id} or reached(target, self._desk.status.fleet))

    def _one(self, event: str) -> SettlementSummary:
        found = self._port.one(event)
        if found is None:
            raise unknown("settlement", event, _LISTED)
        return cast("SettlementSummary", dict(found))
