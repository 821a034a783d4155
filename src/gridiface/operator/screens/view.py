"""What of the fleet a reader sees: all of it, or what the groups that they are confined to hold. Decides no access.

Every page that is open to confined readers takes its devices, groups and controls from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target, TargetKind
from gridiface.domain.fleet import Device, Group
from gridiface.operator.auth.access import CALLER
from gridiface.operator.rows.present import devices_of, reached
from gridiface.operator.rows.rows import GroupRow
from gridiface.operator.rows.status import Status


@dataclass(slots=True)
class View:
    """One reader's view for one request. `names`: devices that are seen; None: all."""

    status: Status
    request: web.Request
    names: frozenset[str] | None = field(init=False)

    def __post_init__(self) -> None:
        groups = self.request[CALLER].groups
        self.names = None if groups is None else frozenset(devices_of(groups, self.status.fleet))

    @property
    def key(self) -> frozenset[str] | None:
        """What two readers who see the same have in common."""
        return self.request[CALLER].groups

    def device(self, name: str) -> bool:
        """Whether a device is seen."""
        return self.names is None or name in self.names

    def target(self, target: Target) -> bool:
        """Whether a device or group is seen; as operator.confined, but the devices are looked up once."""
        if self.names is None:
            return True
        if target.kind is TargetKind.GROUP and target.id in (self.key or ()):
            return True
        wanted = reached(target, self.status.fleet)
        return bool(wanted) and wanted <= self.names

    def group(self, name: str) -> bool:
        """Whether a group is seen."""
        return self.target(Target(TargetKind.GROUP, name))

    def devices(self) -> list[Device]:
        """The devices that are seen."""
        found = self.status.fleet.devices()
        return list(found) if self.names is None else [device for device in found if self.device(device.id)]

    def groups(self) -> list[Group]:
        """The groups that are seen."""
        found = self.status.fleet.groups()
        return list(found) if self.names is None else [group for group in found if self.group(group.id)]

    def group_rows(self, now: Instant) -> list[GroupRow]:
        """Rows of the groups that are seen; a group inside one that is not stands on its own."""
        rows = self.status.group_rows(now)
        if self.names is None:
            return rows
        own = {group.id for group in self.groups()}
        return [
            cast("GroupRow", {**row, "parent": row["parent"] if row["parent"] in own else None})
            for row in rows
            if row["id"] in own
        ]

    def controls(self) -> list[Control]:
        """The controls whose target is seen."""
        found = self.status.controls()
        return list(found) if self.names is None else [one for one in found if self.target(one.target)]

    def these(self, names: Iterable[str]) -> list[str]:
        """Of these devices the seen ones, in their order."""
        return [name for name in names if self.device(name)]
