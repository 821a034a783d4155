"""Where devices and groups are defined: at a running server, or in the store of a stopped one. Owns no words.

Both places take and give the same: bodies and answers of the REST API's area `fleet`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gridiface.app.config import load_config
from gridiface.app.fleet.fleet_desk import FleetDesk, stored_desk
from gridiface.cli.places.direct import me, on_store
from gridiface.cli.places.place import Plain, checked, chosen
from gridiface.cli.places.remote import Remote
from gridiface.domain.definitions import DeviceEntry, GroupEntry
from gridiface.errors import ConfigConflict, ConfigError
from gridiface.operator.auth.tokens import TokenBook
from gridiface.operator.auth.users import UserBook
from gridiface.operator.confined import confined_to
from gridiface.operator.records.audit import Entry
from gridiface.segments import segment
from gridiface.store.repository import Store


class FleetPlace(Protocol):
    """A place; `kind` is devices or groups."""

    def definition(self, kind: str, name: str) -> tuple[Plain, str]:
        """A definition and its ETag."""
        ...

    def add(self, kind: str, body: Plain) -> Plain:
        """A new device or group."""
        ...

    def change(self, kind: str, name: str, body: Plain, etag: str) -> Plain:
        """Another definition; `etag` of the one that was read."""
        ...

    def move(self, name: str, group: str | None, reason: str) -> Plain:
        """A device into another group."""
        ...

    def remove(self, kind: str, name: str, reason: str) -> Plain:
        """Take a device or group away."""
        ...


def place_of(url: str | None, config: Path | None, token_file: Path | None) -> FleetPlace:
    """Where the options say.

    Raises:
        ConfigError: an address or token that cannot be used.
    """
    at = chosen(url, config, token_file)
    return StoredFleet(at) if isinstance(at, Path) else RemoteFleet(at)


@dataclass(frozen=True, slots=True)
class RemoteFleet:
    """The definitions at a running server."""

    remote: Remote

    def definition(self, kind: str, name: str) -> tuple[Plain, str]:
        """See FleetPlace."""
        return self.remote.tagged(f"/{kind}/{segment(name)}/definition")

    def add(self, kind: str, body: Plain) -> Plain:
        """See FleetPlace."""
        found: Plain = self.remote.post(f"/{kind}", body)
        return found

    def change(self, kind: str, name: str, body: Plain, etag: str) -> Plain:
        """See FleetPlace."""
        path = f"/{kind}/{segment(name)}/definition"
        found: Plain = self.remote.put(path, body, headers={"If-Match": etag})
        return found

    def move(self, name: str, group: str | None, reason: str) -> Plain:
        """See FleetPlace."""
        found: Plain = self.remote.post(f"/devices/{segment(name)}/move", {"group": group, "reason": reason})
        return found

    def remove(self, kind: str, name: str, reason: str) -> Plain:
        """See FleetPlace."""
        found: Plain = self.remote.delete(f"/{kind}/{segment(name)}", reason=reason)
        return found


@dataclass(frozen=True, slots=True)
class StoredFleet:
    """The definitions in the store of a stopped server. A running server has the store to itself."""

    config: Path

    def definition(self, kind: str, name: str) -> tuple[Plain, str]:
        """See FleetPlace."""

        async def look(desk: FleetDesk, store: Store, now: float) -> Plain:
            return _shown(desk, kind, name)

        return self._do(look), ""

    def add(self, kind: str, body: Plain) -> Plain:
        """See FleetPlace."""
        group, reason = body.pop("group", None), body.pop("reason", "")

        async def add(desk: FleetDesk, store: Store, now: float) -> Plain:
            if kind == "devices":
                device = checked(DeviceEntry, body)
                entry = _entry(now, "device.add", device.id, None, {**body, "group": group}, reason)
                await desk.add_device(device, now, group=group, along=[entry.change()])
                return _shown(desk, kind, device.id)
            made = checked(GroupEntry, body)
            entry = _entry(now, "group.add", made.id, None, body, reason)
            await desk.add_group(made, now, along=[entry.change()])
            return _shown(desk, kind, made.id)

        return self._do(add)

    def change(self, kind: str, name: str, body: Plain, etag: str) -> Plain:
        """See FleetPlace; nobody else can have changed it since it was read."""

        async def change(desk: FleetDesk, store: Store, now: float) -> Plain:
            before = _shown(desk, kind, name)
            if kind == "devices":
                entry = _entry(now, "device.change", name, before, body)
                await desk.change_device(checked(DeviceEntry, body), now, along=[entry.change()])
            else:
                entry = _entry(now, "group.change", name, before, body)
                await desk.change_group(checked(GroupEntry, body), now, along=[entry.change()])
            return _shown(desk, kind, name)

        return self._do(change)

    def move(self, name: str, group: str | None, reason: str) -> Plain:
        """See FleetPlace."""

        async def move(desk: FleetDesk, store: Store, now: float) -> Plain:
            before = {"group": _shown(desk, "devices", name)["group"]}
            entry = _entry(now, "device.move", name, before, {"group": group}, reason)
            await desk.move_device(name, group, now, along=[entry.change()])
            return _shown(desk, "devices", name)

        return self._do(move)

    def remove(self, kind: str, name: str, reason: str) -> Plain:
        """See FleetPlace."""

        async def remove(desk: FleetDesk, store: Store, now: float) -> Plain:
            gone = _shown(desk, kind, name)
            if kind == "devices":
                entry = _entry(now, "device.remove", name, gone, None, reason)
                await desk.remove_device(name, now, along=[entry.change()])
                return gone
            users, tokens = UserBook(store), TokenBook(store)
            await users.load(now)
            await tokens.load(now)
            if named := confined_to(name, users.rows(), tokens.rows(now)):
                raise ConfigConflict(f"confined to this group: {', '.join(named[:10])}; give them other groups first")
            entry = _entry(now, "group.remove", name, gone, None, reason)
            await desk.remove_group(name, now, along=[entry.change()])
            return gone

        return self._do(remove)

    def _do(self, work: Callable[[FleetDesk, Store, float], Awaitable[Plain]]) -> Plain:
        file = load_config(self.config)

        async def on(store: Store, now: float) -> Plain:
            return await work(await stored_desk(file, store), store, now)

        return on_store(self.config, on)


def _shown(desk: FleetDesk, kind: str, name: str) -> Plain:
    found = desk.device(name) if kind == "devices" else desk.group(name)
    if found is None:
        raise ConfigError(f"no such {kind.removesuffix('s')}: {name!r}; look for it in the configuration")
    return found


def _entry(now: float, what: str, subject: str, before: Any, after: Any, reason: str = "") -> Entry:
    return Entry(at=now, who=me(), what=what, subject=subject, before=before, after=after, reason=reason)
