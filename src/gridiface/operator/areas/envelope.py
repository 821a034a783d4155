"""What a device or a group can be counted on for over the coming hours."""

from __future__ import annotations

import asyncio
import math
from typing import Any, ClassVar, cast

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.envelope import EnvelopeSpan, FleetChanged
from gridiface.operator.api.routing import Area, Call, get, unknown
from gridiface.operator.auth.access import Caller
from gridiface.operator.confined import sees_device, sees_target
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows.present import plain
from gridiface.operator.schema import Asked, NoBody

#: How far ahead may be asked, s, and how many steps.
_FARTHEST_S, _MOST = 7 * 86_400.0, 400

#: How often a series is begun anew because devices came or went.
_TRIES = 3


class EnvelopeQuery(Asked):
    """Which time, in which steps."""

    start: float | None = Field(
        default=None,
        ge=0,
        le=253_402_300_799,
        allow_inf_nan=False,
        description="from then on, s since 1970; none, or a time that is over: from now on",
    )
    end: float | None = Field(
        default=None,
        ge=0,
        le=253_402_300_799,
        allow_inf_nan=False,
        description="until then, at most 7 days from now; none: a day after the start",
    )
    step: float = Field(
        default=900.0,
        ge=60,
        le=86_400,
        allow_inf_nan=False,
        description="spans end at least at each multiple of so many seconds since 1970",
    )


class HeldRow(TypedDict):
    """What keeps so many watts, >= 0, of so many devices from being had.

    `cause`: a word for programs (see the page "How the engine decides"). `control_id`, `source`: of a limit whose
    control is known.
    """

    cause: str
    watts: float
    devices: int
    control_id: str
    source: str


class EnvelopeRow(TypedDict):
    """What can be had in [start, end), by who asks for it in this span alone and holds it from its start to its end.

    Active power + delivered to the grid, reactive power + injected. `min_w`, `max_w`: every total between them can be
    had (with coarse devices: to their steps); null: no total is certain. `min_var`, `max_var`: the same, beside the
    planned power; `sure_min_var`, `sure_max_var`: beside any power in the span. `planned_w`: what will be done, as far
    as is known. `beside_w`: of the totals, what nobody can be asked for, as it is now. `energy_up`, `energy_down`:
    whether stored energy, or room for it, bounds the power; `up_wh`, `down_wh`: how much there is at the start, null
    without a storage. `reach_up_s`, `reach_down_s`: how long ramps take from what is planned. `held_up`, `held_down`:
    what holds the bounds back from the ratings.
    """

    start: float
    end: float
    min_w: float | None
    max_w: float | None
    min_var: float | None
    max_var: float | None
    sure_min_var: float | None
    sure_max_var: float | None
    planned_w: float
    beside_w: float
    energy_up: bool
    energy_down: bool
    up_wh: float | None
    down_wh: float | None
    reach_up_s: float
    reach_down_s: float
    held_up: list[HeldRow]
    held_down: list[HeldRow]


class EnvelopeSeries(TypedDict):
    """Of one target, by time, without a gap. `at`: when it was worked out."""

    target: str
    target_kind: str
    at: float
    spans: list[EnvelopeRow]


class EnvelopeArea(Area):
    """The envelope over time. `series` is for pages."""

    name: ClassVar[str] = "envelope"
    title: ClassVar[str] = "Envelope"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._one_by_one = asyncio.Lock()

    @get(
        "/groups/{id}/envelope",
        "What a group can be counted on for over the coming hours: least and most W and var, and what bounds them",
        confined=True,
        problems=(404,),
    )
    async def get_group_envelope(self, call: Call[EnvelopeQuery, NoBody]) -> EnvelopeSeries:
        """Worked out when it is asked for."""
        return await self.series(Target(TargetKind.GROUP, call.id), call.query, call.caller, call.now)

    @get(
        "/devices/{id}/envelope",
        "What a device can be counted on for over the coming hours: least and most W and var, and what bounds them",
        confined=True,
        problems=(404,),
    )
    async def get_device_envelope(self, call: Call[EnvelopeQuery, NoBody]) -> EnvelopeSeries:
        """Worked out when it is asked for."""
        return await self.series(Target(TargetKind.DEVICE, call.id), call.query, call.caller, call.now)

    async def series(self, target: Target, query: EnvelopeQuery, caller: Caller, now: Instant) -> EnvelopeSeries:
        """The series of one target; what somebody may not see is answered as what is not there.

        Raises:
            Refused: 404, there is no such target; 400, the time is no time, or too long; 503, the fleet does not rest.
        """
        times = _times(query, now)
        for _ in range(_TRIES):
            self._check(target, caller)
            try:
                async with self._one_by_one:
                    spans = await self._spans(target, times, now)
            except FleetChanged:
                continue
            return {"target": target.id, "target_kind": target.kind.value, "at": now, "spans": spans}
        raise Refused(503, "devices come and go while it is worked out", "ask again, or for a shorter time")

    async def _spans(self, target: Target, times: list[Instant], now: Instant) -> list[EnvelopeRow]:
        found: list[EnvelopeRow] = []
        for span in self._desk.status.fleet.envelope(target, times, now):
            found.append(_row(span))
            await asyncio.sleep(0)  # of thousands of devices each span is some milliseconds' work
        return found

    def _check(self, target: Target, caller: Caller) -> None:
        fleet = self._desk.status.fleet
        if target.kind is TargetKind.GROUP:
            if fleet.group(target.id) is None or not sees_target(caller, target, fleet):
                raise unknown("group", target.id, "GET /api/v1/groups lists them")
        elif fleet.device(target.id) is None or not sees_device(caller, target.id, fleet):
            raise unknown("device", target.id, "GET /api/v1/devices lists them")


def _times(query: EnvelopeQuery, now: Instant) -> list[Instant]:
    """Where spans end at least, from the start to the end.

    Raises:
        Refused: 400.
    """
    start = now if query.start is None else max(query.start, now)
    end = start + 86_400.0 if query.end is None else query.end
    if end <= start:
        raise Refused(400, "`end` is not after `start`, or over", "give an `end` that is to come")
    if end > now + _FARTHEST_S + 1.0:
        raise Refused(400, "`end` is more than 7 days ahead", "ask for less")
    if (end - start) / query.step > _MOST:
        raise Refused(400, f"more than {_MOST} steps lie between `start` and `end`", "give a longer `step`")
    first = math.floor(start / query.step) + 1
    grid = [query.step * number for number in range(first, math.ceil(end / query.step))]
    return [start, *grid, end]


def _row(span: EnvelopeSpan) -> EnvelopeRow:
    row: Any = plain(span)
    return cast("EnvelopeRow", row)
