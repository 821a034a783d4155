"""What was changed of the fleet while the server runs, laid over the configuration file. Pure.

The file says how the installation began; what people change over REST or the command line is kept in the store, by
device and by group, and wins over the file. Both together are one configuration, held against the same checks. Owns the
records' form and the laying over; not when a change is made (fleet_desk.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from gridiface.app.config.base import Pin
from gridiface.app.config.checks import cross_checks
from gridiface.app.config.model import Client, Config, Lfdi
from gridiface.app.fleet.identities import lfdi_of
from gridiface.app.fleet.members import SEP2
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.definitions import Block, DeviceEntry, GroupEntry, as_title
from gridiface.errors import ConfigError
from gridiface.wording import said

#: Where the changes are kept: by device, and by group.
DEVICES, GROUPS = "app/fleet/device", "app/fleet/group"

E = TypeVar("E", DeviceEntry, GroupEntry)


class Sep2Connection(Block):
    """How a device that speaks IEEE 2030.5 itself is recognised."""

    lfdi: Lfdi = Field(description="of its certificate, 40 hex digits")
    pin: Pin | None = Field(default=None, ge=0, le=999_999, description="registration PIN with its check digit")


@dataclass(frozen=True, slots=True)
class Overlay:
    """Changes by id; None: it was taken away although the file has it."""

    devices: Mapping[str, DeviceEntry | None] = field(default_factory=dict)
    groups: Mapping[str, GroupEntry | None] = field(default_factory=dict)

    @classmethod
    def of(cls, devices: Iterable[Document], groups: Iterable[Document]) -> Overlay:
        """What the store has.

        Raises:
            ConfigError: a record is none of ours, or of a newer version.
        """
        return cls(
            {document.key: _entry(document, DeviceEntry) for document in devices},
            {document.key: _entry(document, GroupEntry) for document in groups},
        )

    def applied(self, file: Config) -> Config:
        """The configuration that rules: the file with these changes."""
        devices = _laid({entry.id: entry for entry in file.devices}, self.devices)
        groups = _laid({entry.id: entry for entry in file.groups}, self.groups)
        return file.model_copy(update={"devices": devices, "groups": groups, "sep2": self._clients(file, devices)})

    def origin(self, name: str, file: Config, *, group: bool) -> str:
        """Where a definition comes from: configuration, changed (there, and changed since), or added."""
        changed = name in (self.groups if group else self.devices)
        known = any(entry.id == name for entry in (file.groups if group else file.devices))
        return "configuration" if not changed else "changed" if known else "added"

    def changes_to(self, new: Overlay) -> list[PutDocument | DeleteDocument]:
        """What has to be written to come from here to `new`."""
        return [*_changes(DEVICES, self.devices, new.devices), *_changes(GROUPS, self.groups, new.groups)]

    def _clients(self, file: Config, devices: Iterable[DeviceEntry]) -> Any:
        """The 2030.5 clients: the file's that are still devices, and those of devices that name their LFDI."""
        if file.sep2 is None:
            return None
        own = [entry for entry in devices if entry.driver == SEP2 and entry.connection]
        redefined = {entry.id for entry in own} | {name for name, entry in self.devices.items() if entry is None}
        kept = [client for client in file.sep2.clients if client.device is None or client.device not in redefined]
        made = [client_of(entry) for entry in own]
        return file.sep2.model_copy(update={"clients": (*kept, *made)})


def client_of(entry: DeviceEntry) -> Client:
    """The 2030.5 client that a device of the driver sep2 is.

    Raises:
        ConfigError: its connection is not right.
    """
    try:
        found = Sep2Connection.model_validate(entry.connection)
    except ValidationError as problem:
        fault = problem.errors(include_url=False)[0]
        where = ".".join(str(step) for step in fault["loc"])
        text = f"connection.{where}: {said(fault)}"
        raise ConfigError(f"{text}; a device of the driver sep2 has lfdi and, if need be, pin") from problem
    return Client(name=entry.name, lfdi=found.lfdi, device=entry.id, pin=found.pin)


def check(config: Config) -> None:
    """Hold a configuration that was laid over against the checks that a file has to pass.

    Raises:
        ConfigError: the first mistake, with its fix.
    """
    for place, text in cross_checks(config):
        raise ConfigError(f"{'.'.join(str(step) for step in place)}: {text}")
    if config.sep2 is None:
        return
    seen: dict[str, str] = {}
    for client in config.sep2.clients:
        lfdi, name = lfdi_of(client), client.device or client.name or "another client"
        if lfdi in seen:
            raise ConfigError(f"the LFDI {lfdi} is that of {seen[lfdi]!r} and of {name!r}; each has its own")
        seen[lfdi] = name


def _laid(known: dict[str, E], changes: Mapping[str, E | None]) -> tuple[E, ...]:
    for name, entry in changes.items():
        if entry is None:
            known.pop(name, None)
        else:
            known[name] = entry
    return tuple(known.values())


def _changes(
    space: str, old: Mapping[str, DeviceEntry | GroupEntry | None], new: Mapping[str, DeviceEntry | GroupEntry | None]
) -> Iterable[PutDocument | DeleteDocument]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield DeleteDocument(space, name)
        elif name not in old or old[name] != new[name]:
            yield PutDocument(space, name, _packed(new[name]))


def _packed(entry: DeviceEntry | GroupEntry | None) -> bytes:
    plain = None if entry is None else entry.model_dump(mode="json", exclude_defaults=True)
    return json.dumps({"entry": plain}, sort_keys=True).encode()


def _entry(document: Document, kind: type[E]) -> E | None:
    try:
        plain = json.loads(document.body)["entry"]
        if plain is not None and isinstance(plain.get("name"), str):
            plain["name"] = as_title(plain["name"])  # earlier versions took any text
        return None if plain is None else kind.model_validate(plain)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        text = f"the database's {document.space} {document.key!r} cannot be read: {problem}"
        raise ConfigError(f"{text}; use the version of gridiface that wrote it, or a backup") from problem
