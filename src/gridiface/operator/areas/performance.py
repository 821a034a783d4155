"""Performance summed over a span of time: by control, program, group or device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, cast

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target, TargetKind
from gridiface.domain.performance_sums import Totals
from gridiface.naming import following
from gridiface.operator.accounts.summing import By, Key, Summing, TooMuch
from gridiface.operator.api.routing import Area, Call, get
from gridiface.operator.auth.access import Caller
from gridiface.operator.confined import sees_target
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows.present import devices_of, plain
from gridiface.operator.schema import NoBody, Page

#: How long sums are kept for the pages after the first, s.
_KEPT_S = 60.0

#: How long a span is where its start is not said.
_DAY_S = 86_400.0


class PerformanceQuery(Page):
    """Which time, and what the sums are of."""

    start: float | None = Field(
        default=None,
        ge=0,
        le=253_402_300_799,
        allow_inf_nan=False,
        description="from then on, s since 1970; none: a day before the end",
    )
    end: float | None = Field(
        default=None, ge=0, le=253_402_300_799, allow_inf_nan=False, description="before then; none: until now"
    )
    by: By = Field(default=By.PROGRAM, description="what each sum is of")
    defaults: bool = Field(
        default=False, description="true: with the times of default controls and of the local schedule"
    )


class ResponseFigures(TypedDict):
    """How long devices took from a control's start, or from being told of it, until they began, s."""

    count: int
    mean_s: float | None
    median_s: float | None
    p95_s: float | None
    max_s: float | None


class RegulationRow(TypedDict):
    """How well regulation signals were followed, 0 to 1; of so many hours and 10-second samples."""

    score: float
    correlation: float
    delay: float
    precision: float
    hours: int
    samples: int
    missing: int


class LimitRow(TypedDict):
    """How limits were kept. `limit_w`: the bound, W, + delivered to the grid (on what is taken: negative).

    null: they differ. `seconds`: for so long there was one; `kept`: part of the measured time for which none was
    passed, 0 to 1; `over_s`: for so long one was, by `excess_wh` in all and `peak_w` at most. Up to 0.5 % and 10 W
    beyond a limit do not count.
    """

    seconds: float
    limit_w: float | None
    kept: float | None
    over_s: float | None
    excess_wh: float | None
    peak_w: float | None


class PerformanceRow(TypedDict):
    """One sum. Energies in Wh, net, + delivered to the grid; null: not known.

    `name`: id of the control, group or device, or the program. `protocol`, `program`, `identity` (who sent it): of a
    control and of a program. `target`: of a control. `controls`: how many have a part in it; `seconds`: their time.
    `tracking_error`: |delivered - requested| over |requested|; `availability`: part of the time for which the delivered
    power was measured; `acknowledged`: part of the allocated energy that was acknowledged; 0 to 1. `regulation`: of
    signals of regulation, null without any and of devices. `limit`: of limits; null without any.
    """

    name: str
    protocol: str | None
    program: str | None
    identity: str | None
    target: str | None
    controls: int
    seconds: float
    requested_wh: float | None
    accepted_wh: float | None
    allocated_wh: float | None
    acknowledged_wh: float | None
    delivered_wh: float | None
    tracking_error: float | None
    availability: float | None
    acknowledged: float | None
    quality: str
    responses: ResponseFigures
    regulation: RegulationRow | None
    limit: LimitRow | None


class PerformanceList(TypedDict):
    """A page of sums over [start, end), by name."""

    start: float
    end: float
    by: str
    performance: list[PerformanceRow]
    total: int
    next: str | None


@dataclass(frozen=True, slots=True)
class _Made:
    """Sums for whoever asks `question`, over [start, end), made at an instant."""

    question: tuple[object, ...]
    start: Instant
    end: Instant
    at: Instant
    sums: Mapping[Key, tuple[Control, Totals]]


class PerformanceArea(Area):
    """Performance over time. `rows` is for pages."""

    name: ClassVar[str] = "performance"
    title: ClassVar[str] = "Performance"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._one_by_one = asyncio.Lock()
        self._made: _Made | None = None

    @get(
        "/performance",
        "Requested, accepted, allocated, acknowledged and delivered energy over a span of time, tracking error, "
        "availability and response times, by control, program, group or device",
        confined=True,
    )
    async def list_performance(self, call: Call[PerformanceQuery, NoBody]) -> PerformanceList:
        """One page; those after the first are of the same sums."""
        query = call.query
        async with self._one_by_one:
            made = await self._sums(query, call.caller, call.now)
        left = following(made.sums, query.after, _place)
        shown = left[: query.limit]
        return {
            "start": made.start,
            "end": made.end,
            "by": query.by.value,
            "performance": [_row(query.by, key, *made.sums[key]) for key in shown],
            "total": len(made.sums),
            "next": _place(shown[-1]) if len(shown) < len(left) else None,
        }

    async def rows(self, call: Call[PerformanceQuery, NoBody]) -> tuple[Instant, Instant, list[PerformanceRow]]:
        """All sums of a question, by name, over [start, end).

        Raises:
            Refused: as `list_performance`.
        """
        async with self._one_by_one:
            made = await self._sums(call.query, call.caller, call.now)
        by = call.query.by
        return made.start, made.end, [_row(by, key, *made.sums[key]) for key in following(made.sums, "", _place)]

    async def _sums(self, query: PerformanceQuery, caller: Caller, now: Instant) -> _Made:
        """The sums of a question: for a page after the first those of the one before it, while they are kept.

        Raises:
            Refused: 400, the span ends before it begins, or holds too much.
        """
        question = (caller.groups, query.by, query.start, query.end, query.defaults)
        last = self._made
        if query.after and last is not None and last.question == question and 0 <= now - last.at < _KEPT_S:
            return last
        end = now if query.end is None else query.end
        start = max(0.0, end - _DAY_S) if query.start is None else query.start
        if end <= start:
            raise Refused(400, "`end` is not after `start`", "give a `start` before it")
        fleet, since = self._desk.status.fleet, self._desk.measured.since
        sees = self._sees(caller, query.by)
        summing = Summing(query.by, start, end, fleet, sees, since, defaults=query.defaults)
        try:
            sums = await summing.run(self._desk.status.performance, self._desk.records)
        except TooMuch as problem:
            reason = f"more than {summing.most} intervals lie between `start` and `end`"
            raise Refused(400, reason, "ask for a shorter time") from problem
        made = _Made(question, start, end, now, sums)
        self._made = made if len(sums) > query.limit else None
        return made

    def _sees(self, caller: Caller, by: By) -> Callable[[Key, Control], bool]:
        """Whether somebody may see a sum, and of a program's each control that is in it."""
        groups, fleet = caller.groups, self._desk.status.fleet
        if groups is None:
            return lambda _key, _control: True
        whole = cache(lambda target: sees_target(caller, target, fleet))
        if by is By.DEVICE:
            mine = devices_of(groups, fleet)
            return lambda key, _: key[0] in mine
        if by is By.GROUP:
            return lambda key, _: whole(Target(TargetKind.GROUP, key[0]))
        return lambda _, control: whole(control.target)


def _place(key: Key) -> str:
    """What a page ends with, and the next one goes on after."""
    return "\x1f".join(key)


def _row(by: By, key: Key, control: Control, totals: Totals) -> PerformanceRow:
    source = control.source
    told = by in {By.CONTROL, By.PROGRAM}
    row = {
        "name": source.program if by is By.PROGRAM else key[0],
        "protocol": source.protocol if told else None,
        "program": source.program if told else None,
        "identity": source.identity if told else None,
        "target": control.target.id if by is By.CONTROL else None,
        **plain(totals),
    }
    return cast("PerformanceRow", row)
