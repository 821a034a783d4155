"""What is to be settled, made whole from what is on record: when, who, who opted out, and with what right.

Owns the body that asks for a settlement. Does not settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Outcome, TargetKind
from gridiface.domain.fleet import reserved_key
from gridiface.operator.accounts import optouts
from gridiface.operator.accounts.optouts import Leave
from gridiface.operator.api.routing import unknown
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows.present import reached
from gridiface.operator.schema import Asked, Id, Name, Number, Text
from gridiface.wording import worded

#: Devices of one settlement: each costs up to 47 days of readings, some 30 ms of quarter hours.
_MOST_DEVICES = 5000

#: Longest body: so many devices with a name and a commitment each.
MOST_BYTES = 1024 * 1024

#: Holidays and days of events that are named; times of opt-outs.
_MOST_DAYS, _MOST_SPANS = 1000, 5000

Time = Annotated[float, Field(ge=0, le=253_402_300_799, allow_inf_nan=False)]


class OptedOut(Asked):
    """A device took no part for a while."""

    device: Name = Field(description="which")
    start: Time = Field(description="s since 1970")
    end: Time | None = Field(default=None, description="s since 1970; none: the event's end")
    reason: Text = Field(default="", description="for people; it stands in the rows")


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
    opt_outs: list[OptedOut] | None = Field(
        default=None,
        max_length=_MOST_SPANS,
        description="when devices took no part; none: as on record, by answers of devices, blocks and opt-outs",
    )
    authority: Number | None = Field(
        default=None,
        description="of events at the same time the larger counts a watt-hour; none: the control's, 0 without",
    )
    reopen: bool = Field(default=False, description="true: change a settlement that is final, too")
    reason: Text = Field(default="", description="for people and the audit log")


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What is on record of the control that is settled. `left`: why our own side left it at `ended`; else empty."""

    control: Control
    outcomes: Sequence[Outcome]
    ended: Instant
    left: str

    @property
    def end(self) -> Instant:
        """When the event ended: for its sender it goes on when our own side leaves."""
        return self.control.span.end if self.left else self.ended


async def asked_of(desk: Desk, body: NewSettlement) -> dict[str, Any]:
    """What is to be settled, whole.

    That is the body with `start`, `end`, `devices`, `opt_outs` (of `Leave`), `authority`, and `reserved`: of each
    device the part of its power that is reserved to the control's program.

    Raises:
        Refused: 404 no such control or group, 422 something is missing.
        StoreUnavailable: the past cannot be read.
    """
    recorded = None if body.control is None else await _recorded(desk, body.control)
    start, end = body.start, body.end
    if recorded is not None:
        start = recorded.control.span.start if start is None else start
        end = recorded.end if end is None else end
    devices = await _devices(desk, body, None if recorded is None else recorded.control)
    if start is not None and end is not None and end <= start:
        what = "the event" if body.control is None else f"control {body.control}"
        raise Refused(422, f"{what} ended before it began: there is nothing to settle", "give `start` and `end`")
    if start is None or end is None or end == float("inf"):
        raise Refused(422, "it is not said when the event began and ended", "give `start` and `end`, or a control")
    if not 0 < len(devices) <= _MOST_DEVICES:
        raise Refused(422, f"{len(devices)} devices are to be settled", f"name 1 to {_MOST_DEVICES}")
    if body.opt_outs is None:
        leaves = await _leaves(desk, recorded, devices, start, end)
    else:
        leaves = _said(body.opt_outs, devices, end)
    rank = 0.0 if recorded is None else recorded.control.source.authority
    return {
        **body.model_dump(exclude={"control", "group", "reason", "opt_outs"}),
        "start": start,
        "end": end,
        "devices": devices,
        "opt_outs": leaves,
        "authority": rank if body.authority is None else body.authority,
        "reserved": {} if recorded is None else _reserved(desk, recorded.control, devices),
    }


async def _recorded(desk: Desk, control_id: str) -> _Recorded:
    control = await desk.records.control(control_id)
    if control is None:
        raise unknown("control", control_id, "GET /api/v1/controls lists them")
    outcomes = await desk.records.outcomes(control.id)
    ended = optouts.ended(control, outcomes)
    why = await optouts.left(desk.records, control, ended) if ended < control.span.end else ""
    return _Recorded(control, outcomes, ended, why)


async def _leaves(
    desk: Desk, recorded: _Recorded | None, devices: Sequence[str], start: Instant, end: Instant
) -> list[Leave]:
    """Who took no part for a while, as it is on record."""
    outcomes = () if recorded is None else recorded.outcomes
    found = await optouts.recorded(desk.records, desk.blocks, devices, outcomes, start, end)
    if recorded is not None and recorded.left and recorded.ended < end:
        found += [Leave(device_id=name, start=recorded.ended, end=end, reason=recorded.left) for name in devices]
    return found


def _said(spans: Sequence[OptedOut], devices: Sequence[str], end: Instant) -> list[Leave]:
    """The opt-outs that are told.

    Raises:
        Refused: 422 one is of a device that is not settled, or ends before it begins.
    """
    for at, one in enumerate(spans):
        if one.device not in devices:
            raise Refused(422, f"opt_outs[{at}]: {one.device!r} is not settled", "name it among the devices")
        if one.end is not None and one.end <= one.start:
            raise Refused(422, f"opt_outs[{at}]: it ends before it begins", "give `start` before `end`")
    return [
        Leave(
            device_id=one.device,
            start=one.start,
            end=end if one.end is None else one.end,
            reason=one.reason or "opted out",
        )
        for one in spans
    ]


def _reserved(desk: Desk, control: Control, devices: Sequence[str]) -> dict[str, float]:
    """The part of each device's power that is reserved to the control's program; those without are left out."""
    target = control.target
    place = desk.status.fleet.device(target.id) if target.kind is TargetKind.DEVICE else None
    found = place or desk.status.fleet.group(target.id)
    key = "" if found is None else reserved_key(control.source.protocol, control.source.program, found.shares)
    return dict.fromkeys(devices, found.shares[key]) if found is not None and key else {}


async def _devices(desk: Desk, body: NewSettlement, control: Control | None) -> list[str]:
    """Whose event it was."""
    fleet, devices = desk.status.fleet, list(body.devices)
    if control is not None and not devices and body.group is None:
        devices = await _devices_of(desk, control)
    if body.group is not None:
        if fleet.group(body.group) is None:
            raise unknown("group", body.group, "GET /api/v1/groups lists them")
        devices += [name for name in fleet.members(body.group) if name not in devices]
    return devices


async def _devices_of(desk: Desk, control: Control) -> list[str]:
    """The devices that have a line in its account; those of its target now where there is none."""
    target = control.target
    if target.kind is TargetKind.DEVICE:
        return [target.id]
    lines = {interval.target_id for interval in await desk.records.performance(control.id)}
    lines |= {report.target_id for report in desk.status.performance.report(control.id)}  # while it runs
    return sorted(lines - {target.id} or reached(target, desk.status.fleet))
