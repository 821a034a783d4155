"""What the resources of a DER show before, or instead of, what a client writes: from a fleet's device or group.

Knows nothing of the tree: placing.py puts these where they belong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device
from gridiface.domain.ports import FleetView
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.settings import CsipAusSettings
from gridiface.northbound.sep2.translate import ratings, status
from gridiface.protocols.sep2.enums import DERType
from gridiface.protocols.sep2.resources import ActivePower, DERAvailability, DERCapability, DERSettings, DERStatus


def with_profile(
    make: Callable[[Instant], Any], record: EndDeviceRecord, fleet: FleetView, profile: CsipAusSettings
) -> Callable[[Instant], Any]:
    """What we write of a DER, with what CSIP-AUS adds to it."""

    def made(now: Instant) -> Any:
        if record.group_id is not None:
            return csip_aus.with_limits(make(now), csip_aus.all_limits(), profile)
        device = fleet.device(record.device_id) if record.device_id else None
        limits = 0 if device is None else csip_aus.limits_of(device.nameplate.capabilities)
        storage = device is not None and ratings.stores_energy(device)
        return csip_aus.with_limits(make(now), limits, profile, storage=storage)

    return made


def client_default(name: str, record: EndDeviceRecord, fleet: FleetView) -> Any:
    """What dercap, derg, ders or dera shows of a client that has not written it yet.

    A member of the fleet without a rating is one that nobody has described: nothing is said in its name.
    """
    device = fleet.device(record.device_id) if record.device_id else None
    if device is not None and not (device.nameplate.max_w or device.nameplate.max_charge_w):
        device = None
    match name:
        case "dercap":
            empty = DERCapability(modesSupported=0, rtgMaxW=ActivePower(multiplier=0, value=0), type=DERType.UNKNOWN)
            return ratings.nameplate_to_capability(device) if device else empty
        case "derg":
            nothing = DERSettings(setGradW=0, setMaxW=ActivePower(multiplier=0, value=0), updatedTime=record.changed)
            return ratings.device_to_settings(device, record.changed) if device else nothing
        case "ders":
            return DERStatus(readingTime=0)
        case _:
            return DERAvailability(readingTime=0)


def live_der(record: EndDeviceRecord, fleet: FleetView) -> dict[str, Callable[[Instant], Any]]:
    """What makes dercap, derg, ders and dera of a group, or of a device that speaks another protocol."""
    if record.group_id is not None:
        group_id = record.group_id
        target = Target(TargetKind.GROUP, group_id)

        def members() -> list[Device]:
            return [d for name in fleet.members(group_id) if (d := fleet.device(name)) is not None]

        return {
            "dercap": lambda _: ratings.group_capability(members()),
            "derg": lambda _: ratings.group_settings(members(), record.changed),
            "ders": lambda _: status.snapshot_to_status(
                fleet.snapshot(target), storage=any(ratings.stores_energy(d) for d in members())
            ),
            "dera": lambda _: status.snapshot_to_availability(fleet.snapshot(target)),
        }
    device_id = record.device_id or ""
    target = Target(TargetKind.DEVICE, device_id)

    def device() -> Device | None:
        return fleet.device(device_id)

    return {
        "dercap": lambda _: (
            ratings.nameplate_to_capability(d) if (d := device()) else client_default("dercap", record, fleet)
        ),
        "derg": lambda _: (
            ratings.device_to_settings(d, record.changed) if (d := device()) else client_default("derg", record, fleet)
        ),
        "ders": lambda _: status.snapshot_to_status(
            fleet.snapshot(target), storage=(d := device()) is not None and ratings.stores_energy(d)
        ),
        "dera": lambda _: status.snapshot_to_availability(fleet.snapshot(target)),
    }
