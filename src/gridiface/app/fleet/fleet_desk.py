"""Devices and groups changed while the server runs, or in the store of a stopped one: planned, checked, durable, done.

A change is planned as a whole new configuration (file and overlay), held against all checks, made durable with its
audit entry, and only then carried out. What it means to carry it out is `FleetChange`'s reader's: app/live_fleet.py for
a running server, nothing for a stopped one. Owns the plans, not the running parts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gridiface.aggregation.state.grouping import GroupTree
from gridiface.app.config.model import Config
from gridiface.app.desks.engine_desk import QUARANTINE, STRATEGY
from gridiface.app.fleet.members import SPACE as FOUND
from gridiface.app.fleet.members import Members
from gridiface.app.fleet.overlay import DEVICES, GROUPS, Overlay, check
from gridiface.domain.changes import Change, DeleteDocument
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Target, TargetKind
from gridiface.domain.definitions import DeviceEntry, GroupEntry
from gridiface.domain.ports import Ledger
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.errors import ConfigConflict, ConfigError
from gridiface.operator.records.blocks import SPACE as BLOCKS

#: Controls that may still matter, at an instant.
LiveControls = Callable[[Instant], Awaitable[Sequence[Control]]]

#: Where in an Overlay a change stands.
Part = Literal["devices", "groups"]
Entry = DeviceEntry | GroupEntry


@dataclass(frozen=True, slots=True)
class FleetChange:
    """One change: the configuration before and after it."""

    before: Config
    after: Config

    def gone(self) -> list[DeviceEntry]:
        """Devices that were taken out."""
        kept = {entry.id for entry in self.after.devices}
        return [entry for entry in self.before.devices if entry.id not in kept]

    def changed(self) -> list[tuple[DeviceEntry | None, DeviceEntry]]:
        """Devices that are new (before: None) or are defined otherwise now."""
        known = {entry.id: entry for entry in self.before.devices}
        return [(known.get(entry.id), entry) for entry in self.after.devices if known.get(entry.id) != entry]

    def groups_gone(self) -> list[str]:
        """Groups that were taken out."""
        kept = {entry.id for entry in self.after.groups}
        return [entry.id for entry in self.before.groups if entry.id not in kept]


class FleetDesk:
    """Implements operator.areas.fleet.FleetPort.

    Args:
        file: the configuration as its file says it.
        overlay: what was changed before.
        ledger: where changes are kept.
        controls: those that may still run.
        prepare: makes what a change needs, before it is durable; raises ConfigError where that cannot be.
        apply: carries a durable change out.
        adopt: the definition of a device that registered itself, or None.
    """

    def __init__(
        self,
        file: Config,
        overlay: Overlay,
        ledger: Ledger,
        *,
        controls: LiveControls,
        prepare: Callable[[FleetChange], None] = lambda change: None,
        apply: Callable[[FleetChange, Instant], Awaitable[None]] | None = None,
        adopt: Callable[[str], DeviceEntry | None] = lambda name: None,
    ) -> None:
        self.file = file
        self.overlay = overlay
        self.config = overlay.applied(file)
        self._ledger = ledger
        self._controls = controls
        self._prepare = prepare
        self._apply = apply
        self._adopt = adopt
        self._one_by_one = asyncio.Lock()

    # --- looking ------------------------------------------------------------------------------------------------

    def device(self, name: str) -> dict[str, Any] | None:
        """The definition of a device, with its group and where it comes from; None where there is none."""
        entry = next((one for one in self.config.devices if one.id == name), None)
        if entry is None:
            return None
        group = next((one.id for one in self.config.groups if name in one.members), None)
        origin = self.overlay.origin(name, self.file, group=False)
        return {**entry.model_dump(mode="json"), "group": group, "origin": origin}

    def group(self, name: str) -> dict[str, Any] | None:
        """The definition of a group, and where it comes from; None where there is none."""
        entry = next((one for one in self.config.groups if one.id == name), None)
        if entry is None:
            return None
        return {**entry.model_dump(mode="json"), "origin": self.overlay.origin(name, self.file, group=True)}

    # --- changing -----------------------------------------------------------------------------------------------

    async def add_device(
        self, entry: DeviceEntry, now: Instant, *, group: str | None = None, along: Sequence[Change] = ()
    ) -> None:
        """A new device, in a group or in none.

        Raises:
            ConfigConflict: the id is taken, or the certificate is another device's.
            ConfigError: the definition is not right; the text names the place and the fix.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            self._free(entry.id)
            await self._take(self._moved(self._with(entry.id, entry, of="devices"), entry.id, group), now, along)

    async def change_device(self, entry: DeviceEntry, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Another definition of a device. Raises as `add_device`."""
        async with self._one_by_one:
            self._known_device(entry.id)
            await self._take(self._with(entry.id, entry, of="devices"), now, along)

    async def remove_device(self, name: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Take a device out of the fleet and out of its groups; it is let go of first.

        Raises:
            ConfigConflict: a control is addressed to it, or something of the configuration speaks of it.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            self._known_device(name)
            await self._remove(Target(TargetKind.DEVICE, name), "devices", (FOUND, QUARANTINE, BLOCKS), now, along)

    async def move_device(self, name: str, group: str | None, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Put a device into another group, or into none. One that registered itself is defined here from now on.

        Raises:
            ConfigConflict: the device came over a protocol that says itself where it belongs.
            ConfigError: there is no such group.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            overlay = self.overlay
            if self.device(name) is None:
                adopted = self._adopt(name)
                if adopted is None:
                    fix = "the groups of a VEN's device are changed with `gridiface openadr vtn change`"
                    raise ConfigConflict(f"device {name!r} is not defined here; {fix}")
                overlay = replace(overlay, devices={**overlay.devices, name: adopted})
            await self._take(self._moved(overlay, name, group), now, along)

    async def add_group(self, entry: GroupEntry, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """A new group. Raises as `add_device`."""
        async with self._one_by_one:
            self._free(entry.id)
            await self._take(self._with(entry.id, entry, of="groups"), now, along)

    async def change_group(self, entry: GroupEntry, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Another definition of a group. Raises as `add_device`."""
        async with self._one_by_one:
            self._known_group(entry.id)
            await self._take(self._with(entry.id, entry, of="groups"), now, along)

    async def remove_group(self, name: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Take a group away; its members stay, in no group.

        Raises:
            ConfigConflict: a control is addressed to it, or something of the configuration speaks of it.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            self._known_group(name)
            await self._remove(Target(TargetKind.GROUP, name), "groups", (STRATEGY,), now, along)

    # --- planning -----------------------------------------------------------------------------------------------

    def _free(self, name: str) -> None:
        if self.device(name) is not None or self.group(name) is not None:
            raise ConfigConflict(f"{name!r} is there already; choose another id, or change that one")

    def _with(self, name: str, entry: Entry | None, *, of: Part, overlay: Overlay | None = None) -> Overlay:
        """The changes with one more: this definition of a device or group, or none any more."""
        known = self.overlay if overlay is None else overlay
        changed: dict[str, Any] = {of: {**getattr(known, of), name: entry}}
        return replace(known, **changed)

    async def _remove(
        self, what: Target, of: Part, forget: Iterable[str], now: Instant, along: Sequence[Change]
    ) -> None:
        """Take a device or group out of the fleet and of its groups, with what else is kept of it in `forget`."""
        await self._check_free(what, now)
        new = self._with(what.id, None, of=of, overlay=self._moved(self.overlay, what.id, None))
        await self._take(new, now, [*(DeleteDocument(space, what.id) for space in forget), *along], removal=True)

    def _known_device(self, name: str) -> None:
        if self.device(name) is None:
            raise ConfigError(f"no device {name!r} is defined here; `gridiface device list` shows them")

    def _known_group(self, name: str) -> None:
        if self.group(name) is None:
            raise ConfigError(f"there is no group {name!r}; `gridiface group list` shows them")

    async def _check_free(self, target: Target, now: Instant) -> None:
        for control in await self._controls(now):
            if control.target == target and state_at(control, now) not in TERMINAL:
                what = "default control" if control.is_default else "control"
                fix = f"`gridiface control cancel {control.id}` first"
                raise ConfigConflict(f"the {what} {control.id!r} is addressed to {target.id!r}; {fix}")

    def _moved(self, overlay: Overlay, name: str, group: str | None) -> Overlay:
        """`name` a member of that group alone; of none where it is None."""
        config = overlay.applied(self.file)
        if group is not None and all(entry.id != group for entry in config.groups):
            raise ConfigError(f"there is no group {group!r}; `gridiface group list` shows them")
        groups = dict(overlay.groups)
        for entry in config.groups:
            if entry.id == group:
                wanted = entry.members if name in entry.members else (*entry.members, name)
            else:
                wanted = tuple(member for member in entry.members if member != name)
            if wanted != entry.members:
                groups[entry.id] = entry.model_copy(update={"members": wanted})
        return replace(overlay, groups=groups)

    async def _take(self, overlay: Overlay, now: Instant, along: Sequence[Change], *, removal: bool = False) -> None:
        """Check a plan, make it durable, carry it out."""
        await self._rule(self.file, overlay, now, along, removal=removal)

    async def reread(self, file: Config, now: Instant) -> None:
        """Go on with another file below what was changed since.

        Raises:
            ConfigError: the two do not agree; nothing was changed.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            await self._rule(file, self.overlay, now, ())

    async def _rule(
        self, file: Config, overlay: Overlay, now: Instant, along: Sequence[Change], *, removal: bool = False
    ) -> None:
        overlay = _tidy(overlay, file)
        new = overlay.applied(file)
        try:
            check(new)
            GroupTree(Members(new).groups())
        except ConfigError as problem:
            if removal:
                raise ConfigConflict(str(problem)) from problem
            raise
        change = FleetChange(self.config, new)
        self._prepare(change)
        if changes := [*self.overlay.changes_to(overlay), *along]:
            await self._ledger.commit(changes)
        self.file, self.overlay, self.config = file, overlay, new
        if self._apply is not None:
            await self._apply(change, now)


def _tidy(overlay: Overlay, file: Config) -> Overlay:
    """Without what says the same as the file, and without the removal of what the file does not have."""
    devices = {entry.id: entry for entry in file.devices}
    groups = {entry.id: entry for entry in file.groups}
    return Overlay(
        {name: entry for name, entry in overlay.devices.items() if entry != devices.get(name)},
        {name: entry for name, entry in overlay.groups.items() if entry != groups.get(name)},
    )


async def stored_desk(file: Config, ledger: Any) -> FleetDesk:
    """The desk of a stopped server's store.

    Args:
        file: its configuration.
        ledger: the open store.

    Raises:
        StoreUnavailable: it does not answer.
    """

    async def controls(now: Instant) -> Sequence[Control]:
        found: Sequence[Control] = await ledger.controls(live_after=now)
        return found

    overlay = Overlay.of(await ledger.documents(DEVICES), await ledger.documents(GROUPS))
    return FleetDesk(file, overlay, ledger, controls=controls)
