"""Devices and groups: what they are, what they do, blocks."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device, Group
from gridiface.domain.ports import DecisionSearch
from gridiface.domain.telemetry import Quality
from gridiface.errors import DeviceError, DeviceTimeout
from gridiface.naming import following
from gridiface.operator.api.answers import TURN
from gridiface.operator.api.routing import Area, Call, get, post, unknown
from gridiface.operator.auth.access import Caller
from gridiface.operator.confined import sees_device, sees_target
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.rows.present import (
    SHOWN,
    decisions_about,
    device_facts,
    devices_of,
    group_detail,
    groups_of,
    plain,
    reading_row,
)
from gridiface.operator.rows.rows import DeviceDetail, DeviceRow, GroupDetail, GroupRow
from gridiface.operator.rows.status import delivery_row
from gridiface.operator.schema import Asked, NoBody, NoQuery, Page, Reason

#: How far back deliveries of a device are shown, s; readings that are shown.
_DELIVERIES_S, _READINGS = 600.0, 5_000


class DeviceQuery(Page):
    """Which devices."""

    limit: int = Field(default=10_000, ge=1, le=10_000, description="most members in this answer")
    group: str = Field(default="", max_length=128, description="only members of this group, through nested groups")
    driver: str = Field(default="", max_length=64, description="only devices of this driver")
    quality: Quality | Literal["none", ""] = Field(
        default="", description="only devices whose newest data have this quality; `none`: no data yet"
    )


class DeviceDetailQuery(Asked):
    """How much of a device's past."""

    readings_s: float = Field(default=120.0, ge=0, le=3600, allow_inf_nan=False, description="readings of so long, s")


class DeviceList(TypedDict):
    """A page of devices by id. `total` counts all that match; `next` goes into `after`, null at the end."""

    devices: list[DeviceRow]
    total: int
    next: str | None


class GroupList(TypedDict):
    """All groups, by id."""

    groups: list[GroupRow]


class AlarmsReset(TypedDict):
    """What was reset. `alarms`: those that the device still tells."""

    device: str
    alarms: list[str]


class DevicesArea(Area):
    """Devices and groups. `detail` is for pages, too."""

    name: ClassVar[str] = "devices"
    title: ClassVar[str] = "Devices and groups"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._status = desk.status

    @get(
        "/devices",
        "Devices by id; filters `group` (through nested groups), `driver`, `quality`",
        confined=True,
        problems=(404,),
    )
    async def list_devices(self, call: Call[DeviceQuery, NoBody]) -> DeviceList:
        """One page of devices."""
        query, fleet = call.query, self._status.fleet
        if query.group:
            self._group(call.caller, query.group)
        members = frozenset(fleet.members(query.group)) if query.group else None
        if call.caller.groups is not None:
            own = devices_of(call.caller.groups, fleet)
            members = frozenset(own if members is None else members & own)

        def fits(device: Device) -> bool:
            if (members is not None and device.id not in members) or query.driver not in {"", device.driver}:
                return False
            if not query.quality:
                return True
            snapshot = fleet.snapshot(Target(TargetKind.DEVICE, device.id))
            return query.quality == ("none" if snapshot is None else snapshot.quality.value)

        fitting = [device for device in fleet.devices() if fits(device)]
        left = following(fitting, query.after, lambda device: device.id)
        shown = left[: query.limit]
        rows: list[DeviceRow] = []
        for at in range(0, len(shown), TURN):
            rows += [self._status.device_row(device) for device in shown[at : at + TURN]]
            await asyncio.sleep(0)
        more = shown[-1].id if len(left) > len(shown) else None
        return DeviceList(devices=rows, total=len(fitting), next=more)

    @get(
        "/devices/{id}",
        "One device: identity, ratings, state, decisions, deliveries, readings",
        confined=True,
        problems=(404,),
    )
    async def get_device(self, call: Call[DeviceDetailQuery, NoBody]) -> DeviceDetail:
        """All that is known of one device."""
        return await self.detail(self._device(call), call.query.readings_s, call.caller)

    async def detail(self, device: Device, readings_s: float, caller: Caller) -> DeviceDetail:
        """Everything that is known of one device and that a caller may see.

        Raises:
            StoreUnavailable: its past cannot be read.
        """
        now, records, fleet = self._desk.clock.now(), self._desk.records, self._status.fleet
        groups = [g for g in groups_of(device.id, fleet) if sees_target(caller, Target(TargetKind.GROUP, g), fleet)]
        about = DecisionSearch(targets=(device.id, *groups))
        decisions = await records.decisions(limit=SHOWN, search=about)
        deliveries = await records.deliveries(device.id, start=now - _DELIVERIES_S, end=now + 1)
        readings = await records.readings(device.id, start=now - readings_s, end=now + 1) if readings_s else []
        rows = [row for one in reversed(deliveries) if (row := delivery_row(one)) is not None]
        known = self._status.device_row(device)
        return {
            **known,
            **device_facts(device),
            "why": self._status.why(known),
            "groups": groups,
            "snapshot": plain(fleet.snapshot(Target(TargetKind.DEVICE, device.id))),
            "setpoint": plain(fleet.setpoint(device.id)),
            "block": self._desk.blocks.of(device.id),
            "decisions": decisions_about(device.id, groups, decisions),
            "deliveries": rows[:SHOWN],
            "readings": [reading_row(reading) for reading in readings[-_READINGS:]],
        }

    @post(
        "/devices/{id}/block",
        "Release a device and leave it out until it is unblocked, also after a restart",
        scope="control",
        confined=True,
        problems=(404,),
    )
    async def block_device(self, call: Call[NoQuery, Reason]) -> DeviceRow:
        """Blocking again renews who and why."""
        device = self._device(call)
        await self._desk.blocks.block(device.id, call.now, by=call.caller.name, reason=call.body.reason)
        return self._status.device_row(device)

    @post(
        "/devices/{id}/unblock", "Let a blocked device take part again", scope="control", confined=True, problems=(404,)
    )
    async def unblock_device(self, call: Call[NoQuery, Reason]) -> DeviceRow:
        """One that is not blocked stays so."""
        device = self._device(call)
        await self._desk.blocks.unblock(device.id, call.now, by=call.caller.name, reason=call.body.reason)
        return self._status.device_row(device)

    @post(
        "/devices/{id}/reset-alarms",
        "Reset the alarms that a device has latched",
        scope="control",
        confined=True,
        problems=(404, 504),
    )
    async def reset_alarms(self, call: Call[NoQuery, Reason]) -> AlarmsReset:
        """What the device still tells afterwards is not over."""
        device, reset = self._device(call), self._desk.reset_alarms
        entry = Entry(
            at=call.now,
            who=call.caller.name,
            what="device.reset_alarms",
            subject=device.id,
            reason=call.body.reason,
        )
        if reset is None:
            raise Refused(409, "no device has a driver here")
        try:
            left = await reset(device.id)
        except DeviceTimeout as problem:
            raise Refused(504, problem.reason, "see whether it is online: GET /api/v1/devices/{id}") from problem
        except DeviceError as problem:
            raise Refused(409, problem.reason) from problem
        await self._desk.records.commit([entry.change()])
        entry.log()
        return {"device": device.id, "alarms": sorted(left)}

    @get("/groups", "Groups: asked, told, done", confined=True)
    async def list_groups(self, call: Call[NoQuery, NoBody]) -> GroupList:
        """All groups."""
        rows, fleet = self._status.group_rows(call.now), self._status.fleet
        return GroupList(
            groups=[row for row in rows if sees_target(call.caller, Target(TargetKind.GROUP, row["id"]), fleet)]
        )

    @get("/groups/{id}", "One group: caps, members, the controls that name it", confined=True, problems=(404,))
    async def get_group(self, call: Call[NoQuery, NoBody]) -> GroupDetail:
        """One group."""
        return group_detail(self._group(call.caller, call.id), self._status, call.now)

    def _group(self, caller: Caller, name: str) -> Group:
        """What somebody may not see is answered as what is not there."""
        group, fleet = self._status.fleet.group(name), self._status.fleet
        if group is None or not sees_target(caller, Target(TargetKind.GROUP, name), fleet):
            raise unknown("group", name, "GET /api/v1/groups lists them")
        return group

    def _device(self, call: Call[Any, Any]) -> Device:
        device, fleet = self._status.fleet.device(call.id), self._status.fleet
        if device is None or not sees_device(call.caller, device.id, fleet):
            raise unknown("device", call.id, "GET /api/v1/devices lists them")
        return device
