"""Which devices and groups the engine knows: configuration, what drivers found, and devices that registered themselves.

Owns the merge of those three and the memory of what a driver found (so that a restart knows a device before it
answers). Does not own the engine's state nor any connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from gridiface.app.config.model import Config
from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.definitions import DeviceEntry, Rating
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Group, Nameplate, Settings

#: Where a driver's findings are kept.
SPACE = "app/device"

#: The driver name of devices that speak IEEE 2030.5 themselves.
SEP2 = "sep2"


class Members:
    """The fleet as configured and found.

    Args:
        config: the installation.
        remembered: documents of SPACE.
    """

    def __init__(self, config: Config, remembered: Iterable[Document] = ()) -> None:
        self._entries = {entry.id: entry for entry in config.devices}
        self._groups = config.groups
        self._joined: dict[str, dict[str, None]] = {}  # in the order of their joining
        self._found = {document.key: _unpack(document.body) for document in remembered}

    def retake(self, config: Config) -> None:
        """Take over devices and groups that were changed; what was found of a device that is gone is forgotten."""
        self._entries = {entry.id: entry for entry in config.devices}
        self._groups = config.groups
        self._found = {name: found for name, found in self._found.items() if name in self._entries}
        for group in self._groups:
            for name in [name for name in self._joined.get(group.id, ()) if self._is_placed(name)]:
                del self._joined[group.id][name]

    def forget(self, device_id: str) -> None:
        """A device is reached otherwise now: what was found of it before says nothing."""
        self._found.pop(device_id, None)

    def initial(self) -> list[Device]:
        """All devices of the configuration, as far as each can be told of before it has answered."""
        return [self.known(name) for name in self._entries]

    def known(self, device_id: str) -> Device:
        """A device of the configuration as far as it can be told of without asking it.

        One that nothing is known of has no rating and no capability: it is seen, and nothing is asked of it.
        """
        entry = self._entries[device_id]
        found = self._found.get(device_id)
        if found is not None:
            return self._device(entry, *found)
        if entry.driver == SEP2 or entry.rating.max_w is not None:
            traits = DriverTraits(answers_itself=entry.driver == SEP2, polls=entry.driver == SEP2)
            return self._device(entry, _assumed(Nameplate(max_w=0.0)), Settings(), traits, None)
        return self._device(entry, Nameplate(max_w=0.0), Settings(), DriverTraits(), None)

    def opened(
        self, device_id: str, nameplate: Nameplate, settings: Settings, traits: DriverTraits, kind: DeviceKind
    ) -> tuple[Device, PutDocument | None]:
        """The device as its driver found it, and what to remember; None where that is known already.

        Settings that were read again and are the same keep the time at which they were found first.
        """
        known = self._found.get(device_id)
        if known is not None and replace(settings, updated=known[1].updated) == known[1]:
            settings = known[1]
        found = (nameplate, settings, traits, kind)
        device = self._device(self._entries[device_id], *found)
        if known == found:
            return device, None
        self._found[device_id] = found
        return device, PutDocument(SPACE, device_id, _pack(*found))

    def registered(self, device: Device) -> Device:
        """A device that registered itself, within what the configuration says of it."""
        entry = self._entries.get(device.id)
        device = replace(device, nameplate=_assumed(device.nameplate))
        if entry is None:
            return device
        kind = entry.kind or device.kind
        nameplate = _limited(device.nameplate, entry.rating)
        return replace(
            device,
            name=entry.name or device.name,
            kind=kind,
            nameplate=nameplate,
            settings=_set(device.settings, entry.rating),
            phases=entry.phases,
            tier=entry.tier,
            enabled=entry.enabled,
            constraints=entry.constraints.rule(),
            shares=entry.shares,
        )

    def join(self, device_id: str, groups: Sequence[str]) -> list[str]:
        """Put a device into groups beside those that name it; those that it was not in before."""
        # Where the configuration says where a device belongs, that counts.
        wanted = () if self._is_placed(device_id) else groups
        new = [group for group in wanted if device_id not in self._joined.setdefault(group, {})]
        for group in new:
            self._joined[group][device_id] = None
        return new

    def leave(self, device_id: str) -> bool:
        """Take a device out of the groups it joined; whether that changed anything."""
        changed = False
        for members in self._joined.values():
            if device_id in members:
                del members[device_id]
                changed = True
        return changed

    def groups(self) -> list[Group]:
        """All groups with their present members."""
        names = {group.id for group in self._groups}
        parents = {member: group.id for group in self._groups for member in group.members if member in names}
        return [
            Group(
                id=group.id,
                name=group.name,
                members=(*group.members, *self._joined.get(group.id, ())),
                parent=parents.get(group.id),
                meter=group.meter,
                max_export_w=group.max_export_w,
                max_import_w=group.max_import_w,
                strategy=group.strategy,
                shares=group.shares,
            )
            for group in self._groups
        ]

    def _is_placed(self, device_id: str) -> bool:
        return any(device_id in group.members for group in self._groups)

    @staticmethod
    def _device(
        entry: DeviceEntry, nameplate: Nameplate, settings: Settings, traits: DriverTraits, kind: DeviceKind | None
    ) -> Device:
        return Device(
            id=entry.id,
            name=entry.name,
            kind=entry.kind or kind or DeviceKind.BATTERY,
            nameplate=_limited(nameplate, entry.rating),
            settings=_set(settings, entry.rating),
            traits=traits,
            phases=entry.phases,
            tier=entry.tier,
            driver=entry.driver,
            enabled=entry.enabled,
            constraints=entry.constraints.rule(),
            shares=entry.shares,
        )


def _least(found: float | None, given: float | None) -> float | None:
    """The configured rating where the device tells none, else the smaller: an operator may only narrow."""
    if found is None or found == 0.0:
        return given if given is not None else found
    return found if given is None else min(found, given)


def _assumed(nameplate: Nameplate) -> Nameplate:
    """A device that has not stated its capability yet may be able to do anything: controls for it are not refused."""
    unstated = nameplate.max_w == 0.0 and not nameplate.capabilities
    return replace(nameplate, capabilities=frozenset(Capability)) if unstated else nameplate


def _limited(nameplate: Nameplate, rating: Rating) -> Nameplate:
    chosen = frozenset(rating.capabilities) if rating.capabilities else nameplate.capabilities
    return replace(
        nameplate,
        max_w=_least(nameplate.max_w, rating.max_w) or 0.0,
        max_charge_w=_least(nameplate.max_charge_w, rating.max_charge_w) or 0.0,
        max_va=_least(nameplate.max_va, rating.max_va),
        max_var=_least(nameplate.max_var, rating.max_var),
        max_var_neg=_least(nameplate.max_var_neg, rating.max_var_neg),
        over_excited_charge_w=_least(nameplate.over_excited_charge_w, rating.over_excited_charge_w),
        under_excited_charge_w=_least(nameplate.under_excited_charge_w, rating.under_excited_charge_w),
        energy_wh=_least(nameplate.energy_wh, rating.energy_wh),
        capabilities=chosen,
    )


def _set(settings: Settings, rating: Rating) -> Settings:
    return replace(
        settings,
        ramp_w_per_s=_least(settings.ramp_w_per_s, rating.ramp_w_per_s),
        soc_min=max(settings.soc_min, rating.soc_min),
        soc_max=min(settings.soc_max, rating.soc_max),
    )


Found = tuple[Nameplate, Settings, DriverTraits, DeviceKind]


def _pack(nameplate: Nameplate, settings: Settings, traits: DriverTraits, kind: DeviceKind) -> bytes:
    plain: dict[str, Any] = asdict(nameplate)
    plain |= {"capabilities": sorted(nameplate.capabilities), "alarms": sorted(nameplate.alarms)}
    whole = {"nameplate": plain, "settings": asdict(settings), "traits": asdict(traits), "kind": kind.value}
    return json.dumps(whole, sort_keys=True).encode()


def _unpack(body: bytes) -> Found:
    whole: Mapping[str, Any] = json.loads(body)
    plain = dict(whole["nameplate"])
    plain["capabilities"] = frozenset(Capability(name) for name in plain["capabilities"])
    plain["alarms"] = frozenset(plain.get("alarms", ()))
    settings, traits = Settings(**whole["settings"]), DriverTraits(**whole["traits"])
    return Nameplate(**plain), settings, traits, DeviceKind(whole["kind"])
