"""Mirrors and the usage points made of them: what was posted, kept small, and shown under /mup and /upt.

A mirror's quantities are kept as records, each reading set as its XML; the resources below a meter reading are made
when somebody looks, because thousands of devices post and few are read. Nothing here checks who posts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served.kinds import MIRRORED, kind, list_kind
from gridiface.northbound.sep2.served.nodes import Audience, Item, Listing
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.translate.readings import Meaning, of_the_der
from gridiface.protocols.sep2.enums import RoleFlags
from gridiface.protocols.sep2.mrids import ByMrid
from gridiface.protocols.sep2.resources import (
    Link,
    ListLink,
    MeterReading,
    MirrorMeterReading,
    MirrorReadingSet,
    MirrorUsagePoint,
    Reading,
    ReadingSet,
    ReadingType,
    UsagePoint,
)
from gridiface.protocols.xmlwire import Limits, decode, encode

_LIMITS = Limits(octets=64 * 1024 * 1024, tags=4_000_000)


@dataclass(slots=True)
class StoredSet:
    """One reading set: its number in the path, the start of its period, its XML."""

    number: int
    start: int
    xml: bytes


@dataclass(slots=True)
class Meter:
    """One mirrored quantity. `facts` is the MirrorMeterReading without sets; `reading` in it is the newest value.

    `meaning`: what its values are to the fleet; worked out on first use. `flows`: of a power that is one part
    of the whole, the values that came last, by their time; not stored.
    """

    number: int
    facts: MirrorMeterReading
    sets: ByMrid[StoredSet] = field(default_factory=ByMrid)
    meaning: Meaning | None = None
    flows: dict[Instant, float] = field(default_factory=dict)

    @property
    def reading_type(self) -> ReadingType:
        """What the values are."""
        return self.facts.readingType or ReadingType()


@dataclass(slots=True)
class Mirror:
    """One mirror and its usage point; both have the same number. `poster` is the LFDI of the client that posts."""

    number: int
    poster: str
    device_lfdi: str
    mrid: str
    meters: ByMrid[Meter] = field(default_factory=ByMrid)
    next_meter: int = 1
    next_set: int = 1
    expanded: bool = False

    @property
    def path(self) -> str:
        """The mirror."""
        return f"/mup/{self.number}"

    @property
    def usage_point(self) -> str:
        """Its usage point."""
        return f"/upt/{self.number}"

    def meter_path(self, meter: Meter) -> str:
        """The MeterReading of a quantity."""
        return f"{self.usage_point}/mr/{meter.number}"


class Metering:
    """All mirrors, and their place in the tree."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._tree = state.tree
        self.mirrors: dict[int, Mirror] = {}
        self._of_poster: dict[str, ByMrid[Mirror]] = {}
        self._of_device: dict[str, dict[int, Mirror]] = {}
        #: The client that first mirrored a quantity, by the quantity's mRID.
        self.holders: ByMrid[str] = ByMrid()
        #: Told of a resource whose values mean something else from now on.
        self.on_redefined: Callable[[str], None] = lambda path: None

    def posted(self, poster: str, mrid: str) -> Mirror | None:
        """The mirror of this mRID that a client has posted; None: it has not."""
        posted = self._of_poster.get(poster)
        return None if posted is None else posted.get(mrid)

    def count_of(self, device_lfdi: str) -> int:
        """How many mirrors a device has."""
        return len(self._of_device.get(device_lfdi, ()))

    def tells_of_the_der(self, mirror: Mirror, shown: MirrorUsagePoint) -> bool:
        """Whether its values are how the device is; those of another point are not beside a mirror of the DER."""
        if of_the_der(shown.roleFlags):
            return True
        others = (
            self._tree.item(m.path) for m in self._of_device.get(mirror.device_lfdi, {}).values() if m is not mirror
        )
        return not any(of_the_der(other.obj.roleFlags) for other in others if other is not None)

    def place(self, mirror: Mirror, shown: MirrorUsagePoint) -> None:
        """Show a new mirror and its usage point."""
        record = self._state.by_lfdi.get(mirror.device_lfdi)
        audience = record.audience if record is not None else Audience(readers={mirror.device_lfdi})
        self.mirrors[mirror.number] = mirror
        self._of_device.setdefault(mirror.device_lfdi, {})[mirror.number] = mirror
        self._of_poster.setdefault(mirror.poster, ByMrid())[mirror.mrid] = mirror
        self._tree.add(Item(mirror.path, kind("/mup/{id1}"), audience, shown, data=mirror), "/mup")
        self._tree.add(Listing(f"{mirror.usage_point}/mr", list_kind("/upt/{id1}/mr", MIRRORED), audience, data=mirror))
        item = Item(mirror.usage_point, kind("/upt/{id1}", MIRRORED), audience, usage_point_of(shown), data=mirror)
        self._tree.add(item, "/upt")
        for meter in mirror.meters.values():
            self._place_meter(mirror, meter, audience)
        self._associate(mirror.device_lfdi)

    def _associate(self, lfdi: str) -> None:
        """Show the first mirror of a device's DER as the usage point that is associated with the DER."""
        record = self._state.by_lfdi.get(lfdi)
        item = None if record is None else self._tree.item(f"{record.der}/upt")
        if item is None:
            return
        points = (self._tree.item(mirror.usage_point) for mirror in self._of_device.get(lfdi, {}).values())
        of_der = [point for point in points if point is not None and point.obj.roleFlags & RoleFlags.IS_DER]
        first = min(of_der, key=lambda point: point.data.number, default=None)
        shown = None if first is None else replace(first.obj, MeterReadingListLink=ListLink(href=f"{first.path}/mr"))
        if shown != item.obj:
            self._tree.set(item, shown)

    def update(self, mirror: Mirror, shown: MirrorUsagePoint) -> None:
        """Show a mirror's new attributes."""
        for path, obj in ((mirror.path, shown), (mirror.usage_point, usage_point_of(shown))):
            item = self._tree.item(path)
            if item is not None:
                self._tree.set(item, obj)
        self._associate(mirror.device_lfdi)

    def _place_meter(self, mirror: Mirror, meter: Meter, audience: Audience) -> None:
        self.holders.setdefault(meter.facts.mRID, mirror.poster)
        path = mirror.meter_path(meter)
        obj = meter_reading_of(meter, path)
        item = self._tree.item(path)
        if item is not None:
            self._tree.set(item, obj)
            return
        placed = Item(path, kind("/upt/{id1}/mr/{id2}", MIRRORED), audience, obj, data=mirror)
        self._tree.add(placed, f"{mirror.usage_point}/mr")

    def show_meter(self, mirror: Mirror, meter: Meter) -> None:
        """A quantity is new or has new values."""
        self.follow(mirror, meter)
        item = self._tree.item(mirror.usage_point)
        if item is not None:
            self._place_meter(mirror, meter, item.audience)

    def follow(self, mirror: Mirror, meter: Meter) -> None:
        """What is below a quantity changed: bring it up to date where somebody subscribes to it, else fold it."""
        if mirror.expanded and self._watched(mirror):
            self._renew(mirror, meter)
        else:
            self.fold(mirror)

    def _watched(self, mirror: Mirror) -> bool:
        """Whether somebody subscribes to what is below the meter readings: then it stays, and follows."""
        below = self._tree.below(*(mirror.meter_path(meter) for meter in mirror.meters.values()))
        return any(path in self._tree.watched for path in below)

    def _renew(self, mirror: Mirror, meter: Meter) -> None:
        """Bring what is below one meter reading up to its new values."""
        item, path = self._tree.item(mirror.usage_point), mirror.meter_path(meter)
        if item is None:
            return
        kind_of = self._tree.item(f"{path}/rt")
        if kind_of is not None and kind_of.obj != replace(meter.reading_type, href=kind_of.path):
            for name in ("r", "rs"):
                self.on_redefined(f"{path}/{name}")
            self._tree.set(kind_of, replace(meter.reading_type))
        self._expand_meter(mirror, meter, item.audience)
        kept = {f"{path}/rs/{stored.number}" for stored in meter.sets.values()}
        sets = self._tree.listing(f"{path}/rs")
        for gone in [p for p in sets.items if p not in kept] if sets is not None else ():
            self._tree.remove(gone)

    def fold(self, mirror: Mirror) -> None:
        """Take the resources below the meter readings away; they are made again when somebody looks."""
        if not mirror.expanded:
            return
        mirror.expanded = False
        for meter in mirror.meters.values():
            for name in ("rt", "r", "rs"):
                self._tree.remove(f"{mirror.meter_path(meter)}/{name}")

    def expand(self, path: str) -> None:
        """Make the resources below the meter readings of the usage point that `path` is in."""
        parts = path.split("/")
        if len(parts) < 4 or parts[1] != "upt" or not parts[2].isdecimal():
            return
        mirror = self.mirrors.get(int(parts[2]))
        if mirror is None or mirror.expanded:
            return
        mirror.expanded = True
        item = self._tree.item(mirror.usage_point)
        if item is not None:
            for meter in mirror.meters.values():
                self._expand_meter(mirror, meter, item.audience)

    def _expand_meter(self, mirror: Mirror, meter: Meter, audience: Audience) -> None:
        path, tree = mirror.meter_path(meter), self._tree
        below = "/upt/{id1}/mr/{id2}"
        if tree.get(f"{path}/rt") is None:
            tree.add(
                Item(f"{path}/rt", kind(f"{below}/rt", MIRRORED), audience, replace(meter.reading_type), data=mirror)
            )
            tree.add(
                Listing(f"{path}/rs", list_kind(f"{below}/rs", MIRRORED), audience, shown_empty=False, data=mirror)
            )
        value = tree.item(f"{path}/r")
        if meter.facts.reading is not None and value is None:
            tree.add(
                Item(f"{path}/r", kind(f"{below}/r", MIRRORED), audience, replace(meter.facts.reading), data=mirror)
            )
        elif meter.facts.reading is not None and value is not None:
            tree.set(value, replace(meter.facts.reading))
        for stored in meter.sets.values():
            if tree.get(f"{path}/rs/{stored.number}") is not None:
                continue
            self._expand_set(
                f"{path}/rs/{stored.number}", decode(stored.xml, MirrorReadingSet, _LIMITS), mirror, audience
            )

    def _expand_set(self, path: str, posted: MirrorReadingSet, mirror: Mirror, audience: Audience) -> None:
        tree, below = self._tree, "/upt/{id1}/mr/{id2}/rs/{id3}"
        shown = ReadingSet(
            mRID=posted.mRID, description=posted.description, version=posted.version, timePeriod=posted.timePeriod
        )
        tree.add(Listing(f"{path}/r", list_kind(f"{below}/r", MIRRORED), audience, data=mirror))
        for number, reading in enumerate(posted.reading, start=1):
            item = Item(
                f"{path}/r/{number}", kind(f"{below}/r/{{id4}}", MIRRORED), audience, _plain(reading), data=mirror
            )
            tree.add(item, f"{path}/r")
        tree.add(Item(path, kind(below, MIRRORED), audience, shown, data=mirror), path.rpartition("/")[0])

    def remove(self, mirror: Mirror) -> None:
        """Forget a mirror and its usage point."""
        self.mirrors.pop(mirror.number, None)
        self._of_device.get(mirror.device_lfdi, {}).pop(mirror.number, None)
        self._of_poster.get(mirror.poster, ByMrid()).pop(mirror.mrid, None)
        for mrid in mirror.meters:
            if self.holders.get(mrid) == mirror.poster:
                del self.holders[mrid]
        self._tree.remove(mirror.path)
        self._tree.remove(mirror.usage_point)
        self._associate(mirror.device_lfdi)

    def remove_of(self, record: EndDeviceRecord) -> None:
        """Forget the mirrors of an end device."""
        for mirror in list(self._of_device.pop(record.lfdi, {}).values()):
            self.remove(mirror)

    def places_of(self, record: EndDeviceRecord) -> list[str]:
        """Where an end device's mirrors and their usage points are."""
        return [p for m in self._of_device.get(record.lfdi, {}).values() for p in (m.path, m.usage_point)]

    def paths_of(self, record: EndDeviceRecord) -> list[str]:
        """Where the records of an end device's mirrors are stored."""
        return [p for m in self._of_device.get(record.lfdi, {}).values() for p in stored_paths(m)]


def stored_paths(mirror: Mirror) -> list[str]:
    """The keys of a mirror's documents."""
    paths = [mirror.path]
    for meter in mirror.meters.values():
        path = mirror.meter_path(meter)
        paths += [path, *(f"{path}/rs/{stored.number}" for stored in meter.sets.values())]
    return paths


def usage_point_of(shown: MirrorUsagePoint) -> UsagePoint:
    """The usage point of a mirror: its attributes and mRID, with isMirror set."""
    return UsagePoint(
        mRID=shown.mRID,
        description=shown.description,
        version=shown.version,
        roleFlags=shown.roleFlags | RoleFlags.IS_MIRROR,
        serviceCategoryKind=shown.serviceCategoryKind,
        status=shown.status,
        deviceLFDI=shown.deviceLFDI,
    )


def meter_reading_of(meter: Meter, path: str) -> MeterReading:
    """The meter reading of a mirrored quantity; the links are set anew whenever it is shown."""
    facts = meter.facts
    return MeterReading(
        mRID=facts.mRID,
        description=facts.description,
        version=facts.version,
        ReadingTypeLink=Link(href=f"{path}/rt"),
    )


def _plain(reading: Reading) -> Reading:
    """A value without an address of the client's own."""
    return replace(reading, href=None, subscribable=None)


def mirror_head(mirror: Mirror) -> Mapping[str, Any]:
    """What is stored of a mirror beside its XML."""
    return {"number": mirror.number, "poster": mirror.poster}


def set_xml(posted: MirrorReadingSet) -> bytes:
    """A reading set as it is kept and stored."""
    return encode(posted)
