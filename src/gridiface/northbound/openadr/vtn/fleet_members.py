"""VENs of our VTN as devices of the fleet: registration, what they can do, their reports as telemetry.

Owns which VEN is which device. Does not own the events they get (fleet_channel), nor any session (the core).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridiface.domain.clock import Instant, Interval
from gridiface.domain.fleet import Capability, Device, DriverTraits, Nameplate
from gridiface.domain.ports import DeviceRegistry
from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.northbound.openadr.settings import MemberSettings, VenEntry
from gridiface.northbound.openadr.translate.fleet import CAPACITY, POWERS, REACTIVE
from gridiface.northbound.openadr.translate.reports import quality_of, readings_of
from gridiface.protocols.openadr.payloads.report import OadrReportDescription
from gridiface.protocols.openadr.payloads.units import EnergyReal, scale_of
from gridiface.protocols.openadr.reports import ReportValue
from gridiface.protocols.openadr.vtn import Vtn
from gridiface.protocols.openadr.vtn.notices import (
    MetadataReceived,
    Notice,
    ReportReceived,
    VenCancelled,
    VenRegistered,
)

_log = logging.getLogger("gridiface.openadr")

DRIVER = "openadr"
_FIELDS: Mapping[Quantity, str] = {
    Quantity.ACTIVE_POWER: "w",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "va",
    Quantity.FREQUENCY: "hz",
}
#: Of one report, per member: what is older is left out.
_MOST_SNAPSHOTS = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """One device and whose it is."""

    ven_id: str
    settings: MemberSettings


class FleetMembers:
    """The members behind one VTN.

    Args:
        entries: VENs that are known beforehand.
        vtn: the core, for metadata and registrations.
        registry: where devices are registered.
        poll_s: how often a VEN asks, s: the least time between two set-points that makes sense.
    """

    def __init__(self, entries: Iterable[VenEntry], vtn: Vtn, registry: DeviceRegistry, poll_s: float) -> None:
        self._vtn = vtn
        self._registry = registry
        self._poll_s = poll_s
        self._members = {
            settings.device_id: Member(entry.ven_id, settings) for entry in entries for settings in entry.members
        }
        self._latest: dict[str, Snapshot] = {}
        self._barred: set[str] = set()
        self._away: dict[str, tuple[Interval, ...]] = {}

    def get(self, device_id: str) -> Member | None:
        """The member that a device is."""
        return self._members.get(device_id)

    def of_ven(self, ven_id: str) -> list[Member]:
        """The members that a VEN is."""
        return [member for member in self._members.values() if member.ven_id == ven_id]

    def reachable(self, device_id: str) -> bool:
        """Whether its VEN is registered."""
        member = self._members.get(device_id)
        ven = self._vtn.vens.get(member.ven_id) if member else None
        return ven is not None and ven.registered

    def latest(self, device_id: str) -> Snapshot | None:
        """What it reported last."""
        return self._latest.get(device_id)

    async def resume(self, now: Instant) -> None:
        """After a start: the devices of the VENs that are registered."""
        for member in self._members.values():
            if self.reachable(member.settings.device_id):
                await self.show(member, now)

    def names(self) -> list[str]:
        """All devices that are VENs or resources of them."""
        return list(self._members)

    async def opted(self, device_id: str, now: Instant, *, out: bool, away: tuple[Interval, ...]) -> None:
        """Take its capacity away or give it back, and tell when it will be away, where that is another than before.

        Args:
            device_id, now: whose, and when.
            out: whether its VEN takes no part now.
            away: when it will take none, from now on.
        """
        before = device_id in self._barred, self._ahead(device_id, now)
        (self._barred.add if out else self._barred.discard)(device_id)
        self._away[device_id] = away
        if before != (out, self._ahead(device_id, now)):
            await self._show_again(device_id, now)

    def _ahead(self, device_id: str, now: Instant) -> tuple[Interval, ...]:
        """What is told of its absences that is not over; one that has begun is told from now on."""
        spans = (one for one in self._away.get(device_id, ()) if one.end > now)
        return tuple(one if one.start > now else _until(now, one.end) for one in spans)

    def barred(self) -> frozenset[str]:
        """Devices without capacity."""
        return frozenset(self._barred)

    async def _show_again(self, device_id: str, now: Instant) -> None:
        if self.reachable(device_id):
            await self.show(self._members[device_id], now)

    async def note(self, notice: Notice, now: Instant) -> None:
        """Something happened at the core.

        Raises:
            StoreUnavailable: it was not taken in; the VEN will say it again.
        """
        match notice:
            case VenRegistered() | MetadataReceived():
                for member in self.of_ven(notice.venID):
                    await self.show(member, now)
            case VenCancelled():
                for member in self.of_ven(notice.venID):
                    await self._registry.remove(member.settings.device_id, now)
                    self._latest.pop(member.settings.device_id, None)
            case _:
                return

    async def show(self, member: Member, now: Instant) -> None:
        """Register the device as it is now.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        settings = member.settings
        device = Device(
            id=settings.device_id,
            name=settings.name,
            kind=settings.kind,
            nameplate=Nameplate(
                max_w=settings.max_w,
                max_charge_w=settings.rated_load_w,
                max_var=settings.max_var or None,
                max_var_neg=settings.max_var or None,
                capabilities=_capabilities(settings),
            ),
            traits=DriverTraits(min_period_s=self._poll_s, latency_s=self._poll_s, answers_itself=True, polls=True),
            driver=DRIVER,
            identities={"ven_id": member.ven_id},
            enabled=settings.device_id not in self._barred,
            away=self._away.get(settings.device_id, ()),
        )
        await self._registry.register(device, now, groups=settings.groups)

    # -- telemetry -------------------------------------------------------------------------------------------------

    def seen(self, notices: Iterable[Notice], now: Instant) -> tuple[list[Snapshot], Callable[[], None]]:
        """The telemetry of our members in these notices, and how to forget it again when it cannot be stored."""
        reports = [notice for notice in notices if isinstance(notice, ReportReceived)]
        if not reports:
            return [], _nothing
        names = {member.settings.device_id for notice in reports for member in self.of_ven(notice.venID)}
        before = {name: self._latest.get(name) for name in names}

        def undo() -> None:
            for name, snapshot in before.items():
                if snapshot is None:
                    self._latest.pop(name, None)
                else:
                    self._latest[name] = snapshot

        return [snapshot for notice in reports for snapshot in self._snapshots(notice, now)], undo

    def _snapshots(self, notice: ReportReceived, now: Instant) -> list[Snapshot]:
        """What the report says of our members, oldest first; values without a meaning here are left out."""
        points = self._points(notice.venID, notice.reportSpecifierID)
        found: list[Snapshot] = []
        for member in self.of_ven(notice.venID):
            own = [value for value in notice.values if _concerns(points.get(value.rid), member)]
            by_time: dict[float, list[ReportValue]] = {}
            for value in sorted(own, key=lambda value: value.start):
                by_time.setdefault(value.start, []).append(value)
            for values in list(by_time.values())[-_MOST_SNAPSHOTS:]:
                snapshot = self._merged(member, values, points, now)
                self._latest[snapshot.device_id] = snapshot
                found.append(snapshot)
        return found

    def _points(self, ven_id: str, specifier: str) -> dict[str, OadrReportDescription]:
        for report in self._vtn.reports(ven_id).metadata:
            if report.reportSpecifierID == specifier:
                return {point.rID: point for point in report.oadrReportDescription}
        return {}

    def _merged(
        self, member: Member, values: Sequence[ReportValue], points: Mapping[str, OadrReportDescription], now: Instant
    ) -> Snapshot:
        name = member.settings.device_id
        before = self._latest.get(name)
        lasted = float(values[0].duration or 0)
        fields: dict[str, Any] = {
            "source_time": min(values[0].start + lasted, now),
            "received": now,
            "duration_s": lasted,
        }
        qualities = []
        for value in values:
            qualities.append(quality_of(value.quality))
            if value.status is not None:
                fields["connected"] = value.status.oadrOnline
                fields["local_control"] = value.status.oadrManualOverride
                fields["state"] = OperatingState.RUNNING if value.status.oadrOnline else OperatingState.OFF
            unit = points[value.rid].itemBase
            if points[value.rid].reportType == "storedEnergy" and isinstance(unit, EnergyReal):
                if value.value is not None and quality_of(value.quality) is not Quality.BAD:
                    fields["available_wh"] = value.value * scale_of(unit)
                continue
            positive = member.settings.generation_positive
            for reading in readings_of([value], unit, name, now, generation_positive=positive):
                if reading.quality is Quality.BAD:
                    continue
                if reading.quantity in _FIELDS:
                    fields[_FIELDS[reading.quantity]] = reading.value
                elif reading.quantity is Quantity.VOLTAGE:
                    fields["volts"] = {Phase.ALL: reading.value}
        fields["quality"] = Quality.BAD if all(q is Quality.BAD for q in qualities) else _best(qualities)
        return Snapshot(device_id=name, **fields) if before is None else replace(before, **fields)


def _nothing() -> None:
    """Nothing was seen, nothing is to be forgotten."""


def _best(qualities: Sequence[Quality]) -> Quality:
    return Quality.GOOD if Quality.GOOD in qualities else next(q for q in qualities if q is not Quality.BAD)


def _concerns(point: OadrReportDescription | None, member: Member) -> bool:
    if point is None:
        return False
    named = point.reportDataSource.resourceID if point.reportDataSource is not None else []
    # A member that is the whole VEN takes what speaks of all, or of its only resource.
    return member.settings.resource in named if member.settings.resource else len(named) <= 1


def _capabilities(settings: MemberSettings) -> frozenset[Capability]:
    found = set()
    if settings.signals & POWERS:
        found.add(Capability.SET_W)
    if REACTIVE in settings.signals:
        found.add(Capability.SET_VAR)
    if CAPACITY in settings.signals:
        found |= {Capability.LIMIT_W, Capability.CONNECT, Capability.ENERGIZE}
    return frozenset(found)


def _until(now: Instant, end: Instant) -> Interval:
    return Interval(now, None if math.isinf(end) else end - now)
