"""Devices and groups as they are defined: added, shown, changed, moved and removed while the server runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.definitions import DeviceEntry, GroupEntry, Identifier
from gridiface.errors import ConfigConflict, ConfigError
from gridiface.operator.api.routing import Area, Call, Reply, delete, get, post, put, unknown
from gridiface.operator.confined import confined_to
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import Asked, NoBody, NoQuery, Reason, Text
from gridiface.segments import segment

#: Serial lines, which anybody who may set up devices may name.
_LINE = re.compile(r"/dev/(tty|serial/)[A-Za-z0-9/._:-]{1,200}")

_DEVICES, _GROUPS = "GET /api/v1/devices lists them", "GET /api/v1/groups lists them"


class KeyKinds(Protocol):
    """Keys of a driver that name files, and those whose texts may look like a path and are none."""

    @property
    def files(self) -> Collection[str]:
        """Keys that name files."""
        ...

    @property
    def texts(self) -> Collection[str]:
        """Keys that name none, whatever their texts look like."""
        ...


class FleetPort(Protocol):
    """The definitions as this area uses them; app/fleet/fleet_desk.py has them. What is changed is durable on return.

    Changes raise ConfigConflict for what stands against what is there, ConfigError for what is not right.
    """

    def device(self, name: str) -> Mapping[str, Any] | None:
        """The definition of a device, or None."""
        ...

    def group(self, name: str) -> Mapping[str, Any] | None:
        """The definition of a group, or None."""
        ...

    async def add_device(self, entry: DeviceEntry, now: Instant, *, group: str | None, along: Sequence[Change]) -> None:
        """A new device."""
        ...

    async def change_device(self, entry: DeviceEntry, now: Instant, *, along: Sequence[Change]) -> None:
        """Another definition."""
        ...

    async def remove_device(self, name: str, now: Instant, *, along: Sequence[Change]) -> None:
        """Take it out."""
        ...

    async def move_device(self, name: str, group: str | None, now: Instant, *, along: Sequence[Change]) -> None:
        """Into another group, or none."""
        ...

    async def add_group(self, entry: GroupEntry, now: Instant, *, along: Sequence[Change]) -> None:
        """A new group."""
        ...

    async def change_group(self, entry: GroupEntry, now: Instant, *, along: Sequence[Change]) -> None:
        """Another definition."""
        ...

    async def remove_group(self, name: str, now: Instant, *, along: Sequence[Change]) -> None:
        """Take it away."""
        ...


class NewDevice(DeviceEntry):
    """A device to be added. A device of the driver sep2 has `lfdi` and, if need be, `pin` as its connection."""

    group: Identifier | None = Field(default=None, description="the group it joins; none: no group")
    reason: Text = Field(default="", description="for people and the audit log")


class NewGroup(GroupEntry):
    """A group to be made."""

    reason: Text = Field(default="", description="for people and the audit log")


class Why(Asked):
    """Why something is removed."""

    reason: Text = Field(default="", description="for people and the audit log")


class Move(Reason):
    """Where a device goes."""

    group: Identifier | None = Field(description="its group from now on; null: none")


class DeviceDefinition(TypedDict):
    """How a device is defined, as in the configuration file.

    `origin`: configuration (by the file alone), changed (by the file, and changed since), added (by people since).
    """

    id: str
    name: str
    kind: str | None
    driver: str
    connection: dict[str, Any]
    rating: dict[str, Any]
    phases: str | int
    tier: int
    enabled: bool
    constraints: dict[str, Any]
    shares: dict[str, float]
    group: str | None
    origin: Literal["configuration", "changed", "added"]


class GroupDefinition(TypedDict):
    """How a group is defined, as in the configuration file; `origin` as of a device."""

    id: str
    name: str
    members: list[str]
    meter: str | None
    max_export_w: float | None
    max_import_w: float | None
    strategy: str
    shares: dict[str, float]
    origin: Literal["configuration", "changed", "added"]


class FleetArea(Area):
    """Definitions of devices and groups.

    Args:
        desk: for who is confined to a group, and blocks.
        port: the definitions.
        files: folder in which connections may name files; None: nowhere.
        key_kinds: which keys of a driver, by its name, name files, and which are texts that may look so.
    """

    name: ClassVar[str] = "fleet"
    title: ClassVar[str] = "Definitions of devices and groups"

    def __init__(
        self, desk: Desk, port: FleetPort, files: Path | None = None, *, key_kinds: Callable[[str], KeyKinds]
    ) -> None:
        self._desk, self._port, self._files, self._key_kinds = desk, port, files, key_kinds

    @post("/devices", "Add a device, durably; it is opened and takes part at once", scope="configure", done=201)
    async def add_device(self, call: Call[NoQuery, NewDevice]) -> Reply[DeviceDefinition]:
        """Its definition."""
        asked = call.body
        entry = DeviceEntry.model_validate(asked.model_dump(exclude={"group", "reason"}))
        self._check_paths(entry)
        told = _entry(call, "device.add", entry.id, None, {**_plain(entry), "group": asked.group}, asked.reason)
        with _refusing():
            await self._port.add_device(entry, call.now, group=asked.group, along=[told.change()])
        told.log()
        return Reply(self._device(entry.id), headers={"Location": f"/api/v1/devices/{segment(entry.id)}"})

    @get(
        "/devices/{id}/definition",
        "How a device is defined: by the configuration file, and as changed since",
        scope="configure",
        problems=(404,),
        tagged=True,
    )
    async def get_device_definition(self, call: Call[NoQuery, NoBody]) -> DeviceDefinition:
        """With its ETag."""
        return self._device(call.id)

    @put(
        "/devices/{id}/definition",
        "Replace a device's definition, durably; another driver or connection opens it anew",
        scope="configure",
        problems=(404, 409),
        match="get_device_definition",
        must_match=True,
    )
    async def change_device(self, call: Call[NoQuery, DeviceEntry]) -> DeviceDefinition:
        """As it is then."""
        before, entry = self._device(call.id), call.body
        if entry.id != call.id:
            raise Refused(422, f"the path names {call.id!r}, the body {entry.id!r}", "an id cannot be changed")
        self._check_paths(entry)
        told = _entry(call, "device.change", entry.id, before, _plain(entry))
        with _refusing():
            await self._port.change_device(entry, call.now, along=[told.change()])
        told.log()
        return self._device(entry.id)

    @post(
        "/devices/{id}/move",
        "Put a device into another group, or into none",
        scope="configure",
        problems=(404, 409),
    )
    async def move_device(self, call: Call[NoQuery, Move]) -> DeviceDefinition:
        """As it is then."""
        if self._desk.status.fleet.device(call.id) is None and self._port.device(call.id) is None:
            raise unknown("device", call.id, _DEVICES)
        known = self._port.device(call.id)
        before = None if known is None else {"group": known["group"]}
        told = _entry(call, "device.move", call.id, before, {"group": call.body.group}, call.body.reason)
        with _refusing():
            await self._port.move_device(call.id, call.body.group, call.now, along=[told.change()])
        told.log()
        return self._device(call.id)

    @delete(
        "/devices/{id}",
        "Let go of a device and take it out of the fleet, durably; what it did is kept",
        scope="configure",
        problems=(404, 409),
        match="get_device_definition",
    )
    async def remove_device(self, call: Call[Why, NoBody]) -> DeviceDefinition:
        """What is gone."""
        gone = self._device(call.id)
        told = _entry(call, "device.remove", call.id, gone, None, call.query.reason)
        with _refusing():
            await self._port.remove_device(call.id, call.now, along=[told.change()])
        self._desk.blocks.forget(call.id)
        told.log()
        return gone

    @post("/groups", "Make a group, durably; protocols that offer groups offer it at once", scope="configure", done=201)
    async def add_group(self, call: Call[NoQuery, NewGroup]) -> Reply[GroupDefinition]:
        """Its definition."""
        entry = GroupEntry.model_validate(call.body.model_dump(exclude={"reason"}))
        told = _entry(call, "group.add", entry.id, None, _plain(entry), call.body.reason)
        with _refusing():
            await self._port.add_group(entry, call.now, along=[told.change()])
        told.log()
        return Reply(self._group(entry.id), headers={"Location": f"/api/v1/groups/{segment(entry.id)}"})

    @get(
        "/groups/{id}/definition",
        "How a group is defined: by the configuration file, and as changed since",
        scope="configure",
        problems=(404,),
        tagged=True,
    )
    async def get_group_definition(self, call: Call[NoQuery, NoBody]) -> GroupDefinition:
        """With its ETag."""
        return self._group(call.id)

    @put(
        "/groups/{id}/definition",
        "Replace a group's definition, durably: members, caps, meter, strategy",
        scope="configure",
        problems=(404, 409),
        match="get_group_definition",
        must_match=True,
    )
    async def change_group(self, call: Call[NoQuery, GroupEntry]) -> GroupDefinition:
        """As it is then."""
        before, entry = self._group(call.id), call.body
        if entry.id != call.id:
            raise Refused(422, f"the path names {call.id!r}, the body {entry.id!r}", "an id cannot be changed")
        told = _entry(call, "group.change", entry.id, before, _plain(entry))
        with _refusing():
            await self._port.change_group(entry, call.now, along=[told.change()])
        told.log()
        return self._group(entry.id)

    @delete(
        "/groups/{id}",
        "Take a group away, durably; its members stay in the fleet",
        scope="configure",
        problems=(404, 409),
        match="get_group_definition",
    )
    async def remove_group(self, call: Call[Why, NoBody]) -> GroupDefinition:
        """What is gone."""
        gone = self._group(call.id)
        named = confined_to(call.id, self._desk.users.rows(), self._desk.tokens.rows(call.now))
        if named:
            fix = "give them other groups, or the whole fleet, first"
            raise Refused(409, f"confined to this group: {', '.join(named[:10])}", fix)
        told = _entry(call, "group.remove", call.id, gone, None, call.query.reason)
        with _refusing():
            await self._port.remove_group(call.id, call.now, along=[told.change()])
        told.log()
        return gone

    def _device(self, name: str) -> DeviceDefinition:
        found = self._port.device(name)
        if found is None:
            if self._desk.status.fleet.device(name) is not None:
                fix = "it registered itself; moving it into a group defines it here"
                raise Refused(404, f"device {name[:128]!r} has no definition", fix)
            raise unknown("device", name, _DEVICES)
        return cast("DeviceDefinition", dict(found))

    def _group(self, name: str) -> GroupDefinition:
        found = self._port.group(name)
        if found is None:
            raise unknown("group", name, _GROUPS)
        return cast("GroupDefinition", dict(found))

    def _check_paths(self, entry: DeviceEntry) -> None:
        """Files that the server reads for a device: only those of one folder, else REST could read any file.

        Raises:
            Refused: 422.
        """
        with _refusing():
            kinds = self._key_kinds(entry.driver)
        for key, text in entry.connection.items():
            # What stands deeper, in a table that came along, are topics, references and addresses of the device.
            if not isinstance(text, str) or key in kinds.texts:
                continue
            if key not in kinds.files and (not _is_path(text) or _LINE.fullmatch(text)):
                continue
            if self._files is None:
                fix = "name it in the configuration file, or set operator.device_files"
                raise Refused(422, f"{text[:128]!r} is a file, and REST may name none", fix)
            folder, wanted = self._files.resolve(), Path(text)
            if not wanted.is_absolute() or not wanted.resolve().is_relative_to(folder):
                raise Refused(422, f"{text[:128]!r} is not in operator.device_files", f"put it into {folder}")


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.lower().endswith((".yaml", ".yml", ".pem", ".key", ".crt"))


def _plain(entry: DeviceEntry | GroupEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json")


def _entry(call: Call[Any, Any], what: str, subject: str, before: Any, after: Any, reason: str = "") -> Entry:
    return Entry(
        at=call.now, who=call.caller.name, what=what, subject=subject, before=before, after=after, reason=reason
    )


class _refusing:  # noqa: N801 - reads as a word of the sentence, like contextlib's
    """What the port refuses, in the API's words."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ConfigConflict):
            reason, _, fix = str(error).partition("; ")
            raise Refused(409, reason, fix) from error
        if isinstance(error, ConfigError):
            reason, _, fix = str(error).partition("; ")
            raise Refused(422, reason, fix) from error
