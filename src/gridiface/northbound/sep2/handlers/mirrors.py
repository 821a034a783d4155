"""POST, PUT and DELETE of mirrors and their readings, rules MUP.001 to 013.

Everything that one request brings is checked before anything is kept, and is durable in one transaction together with
what the fleet learns from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gridiface.domain.changes import AppendReadings, Change
from gridiface.domain.fleet import Role
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Reading as DomainReading
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.members.metering import (
    Meter,
    Metering,
    Mirror,
    StoredSet,
    mirror_head,
    set_xml,
    stored_paths,
)
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    advised,
    bad_value,
    item_of,
    limit_reached,
    named,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.translate.parts import others_of, whole
from gridiface.northbound.sep2.translate.readings import (
    Meaning,
    last_value,
    meaning_of,
    mirror_to_readings,
    readings_to_snapshots,
)
from gridiface.northbound.sep2.translate.status import with_states
from gridiface.protocols.sep2.exchange import Reply, changed, check_content, created
from gridiface.protocols.sep2.mrids import same_mrid
from gridiface.protocols.sep2.resources import (
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorReadingSet,
    MirrorUsagePoint,
)
from gridiface.protocols.xmlwire import Limits, decode_element, parse, spec_of

_READINGS_TAG = f"{{{spec_of(MirrorMeterReadingList).ns}}}MirrorMeterReadingList"


@dataclass(slots=True)
class _Intake:
    """What a request adds to a mirror; applied when it is durable. `of_the_der`: its values are how the device is."""

    mirror: Mirror
    of_the_der: bool
    changes: list[Change] = field(default_factory=list)
    meters: dict[str, Meter] = field(default_factory=dict)
    readings: list[DomainReading] = field(default_factory=list)
    telemetry: list[DomainReading] = field(default_factory=list)
    next_meter: int = 0
    next_set: int = 0


class Mirrors:
    """Writes below /mup."""

    def __init__(self, services: Services, metering: Metering) -> None:
        self._s = services
        self._metering = metering

    # --- mirrors --------------------------------------------------------------------------------------------------

    async def post_mirror(self, call: Call) -> Reply:
        """Create a mirror, or overwrite the caller's one of the same mRID.

        Raises:
            RemoteProtocolError: 400, 403, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        if call.caller.role is Role.UTILITY:
            raise RemoteProtocolError("a utility does not mirror", answer=403)
        posted = call.read(MirrorUsagePoint, self._s)
        named(posted.mRID, "a mirror")
        record = self._owner(call, posted.deviceLFDI)
        async with self._s.locks.hold(f"/mup/{call.caller.lfdi}"):
            known = self._metering.posted(call.caller.lfdi, posted.mRID)
            if known is not None:
                await self._overwrite(known, posted, record, call)
                return changed(known.path)
            return created(await self._create(posted, record, call))

    async def _create(self, posted: MirrorUsagePoint, record: EndDeviceRecord, call: Call) -> str:
        if self._metering.count_of(record.lfdi) >= self._s.settings.limits.mirrors_per_device:
            raise limit_reached("mirror")
        # MUP.005 has a client send one MirrorMeterReading at least; the schema does not, and there are clients that
        # send theirs one by one afterwards.
        number, changes = self._s.state.counters.take("mup")
        mirror = Mirror(number, call.caller.lfdi, record.lfdi, posted.mRID)
        shown = self._shown(posted, mirror, record)
        intake = self._take_in(mirror, shown, posted.mirrorMeterReading, record, call)
        intake.changes += [*changes, documents.put(documents.MIRRORS, mirror.path, shown, mirror_head(mirror))]
        await self._store(intake, record, call)
        self._metering.place(mirror, shown)
        self._apply(intake)
        return mirror.path

    async def _overwrite(self, mirror: Mirror, posted: MirrorUsagePoint, record: EndDeviceRecord, call: Call) -> None:
        if posted.deviceLFDI != mirror.device_lfdi:
            raise bad_value("the mirror belongs to another device")
        shown = self._shown(posted, mirror, record)
        intake = self._take_in(mirror, shown, posted.mirrorMeterReading, record, call)
        intake.changes.append(documents.put(documents.MIRRORS, mirror.path, shown, mirror_head(mirror)))
        await self._store(intake, record, call)
        self._metering.update(mirror, shown)
        self._apply(intake)

    def _shown(self, posted: MirrorUsagePoint, mirror: Mirror, record: EndDeviceRecord) -> MirrorUsagePoint:
        """First-level elements only, with the post rate that the server sets."""
        post_rate = self._s.state.post_rate_of(record)
        return replace(posted, mRID=mirror.mrid, href=mirror.path, mirrorMeterReading=[], postRate=post_rate)

    async def put_mirror(self, call: Call) -> Reply:
        """Overwrite a mirror.

        Raises:
            RemoteProtocolError: 400, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        mirror, record = self._mirror(call)
        posted = call.read(MirrorUsagePoint, self._s)
        async with self._s.locks.hold(f"/mup/{mirror.poster}"):
            still_there(self._s, call.node)
            if not same_mrid(posted.mRID, mirror.mrid):
                raise bad_value("a mirror keeps its mRID")
            await self._overwrite(mirror, posted, record, call)
        return changed()

    async def delete_mirror(self, call: Call) -> Reply:
        """Take a mirror and its usage point away.

        Raises:
            RemoteProtocolError: 403, 404.
            StoreUnavailable: nothing was changed.
        """
        mirror, _ = self._mirror(call)
        async with self._s.locks.hold(f"/mup/{mirror.poster}"):
            still_there(self._s, call.node)
            await self._s.ledger.commit(
                [
                    documents.delete(space, path)
                    for path in stored_paths(mirror)
                    if (space := documents.space_of(path)) is not None
                ]
            )
            self._metering.remove(mirror)
        return changed()

    # --- readings -------------------------------------------------------------------------------------------------

    async def post_readings(self, call: Call) -> Reply:
        """Take one quantity's readings in, or several at once.

        Raises:
            RemoteProtocolError: 400 for an unknown mRID without ReadingType, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        mirror, record = self._mirror(call)
        body: Any = self._read_readings(call)
        posted: list[MirrorMeterReading] = body.members if isinstance(body, MirrorMeterReadingList) else [body]
        async with self._s.locks.hold(f"/mup/{mirror.poster}"):
            still_there(self._s, call.node)
            intake = self._take_in(mirror, item_of(call.node).obj, posted, record, call)
            await self._store(intake, record, call)
            self._apply(intake)
        if isinstance(body, MirrorMeterReadingList):
            return created(f"{mirror.usage_point}/mr")
        return created(mirror.meter_path(mirror.meters[body.mRID]))

    def _read_readings(self, call: Call) -> MirrorMeterReading | MirrorMeterReadingList:
        """The body; a list that does not say how many it holds is counted, as clients in the field post such."""
        check_content(call.headers)
        root = parse(call.body, Limits(octets=self._s.settings.limits.body_bytes))
        if root.tag == _READINGS_TAG:
            for name in ("all", "results"):
                root.set(name, root.get(name) or str(len(root)))
        body: Any = decode_element(root, (MirrorMeterReading, MirrorMeterReadingList))
        posted: MirrorMeterReading | MirrorMeterReadingList = advised(body)
        return posted

    def _mirror(self, call: Call) -> tuple[Mirror, EndDeviceRecord]:
        if not isinstance(call.node.data, Mirror):
            raise RemoteProtocolError("no such mirror", answer=404)
        return call.node.data, self._owner(call, call.node.data.device_lfdi)

    def _owner(self, call: Call, lfdi: str) -> EndDeviceRecord:
        record = self._s.state.by_lfdi.get(lfdi)
        if call.caller.role is Role.UTILITY or record is None or not call.caller.speaks_for(record):
            raise RemoteProtocolError("deviceLFDI is neither the caller's nor of a device that it manages", answer=403)
        return record

    def _take_in(
        self,
        mirror: Mirror,
        shown: MirrorUsagePoint,
        posted: list[MirrorMeterReading],
        record: EndDeviceRecord,
        call: Call,
    ) -> _Intake:
        """Check everything that was posted and say what it changes; nothing is changed yet."""
        of_the_der = self._metering.tells_of_the_der(mirror, shown)
        intake = _Intake(mirror, of_the_der, next_meter=mirror.next_meter, next_set=mirror.next_set)
        for each in posted:
            meter = self._meter(intake, each)
            self._take_sets(intake, meter, each.mirrorReadingSet)
            self._take_values(intake, meter, each, record, call)
        return intake

    def _meter(self, intake: _Intake, posted: MirrorMeterReading) -> Meter:
        """The quantity with its new attributes, as a copy."""
        mirror = intake.mirror
        known = intake.meters.get(posted.mRID) or mirror.meters.get(posted.mRID)
        if known is None:
            named(posted.mRID, "a MirrorMeterReading")
            if posted.readingType is None:
                raise bad_value("an unknown MirrorMeterReading comes with its ReadingType")
            if (
                len(mirror.meters) + intake.next_meter - mirror.next_meter
                >= self._s.settings.limits.meter_readings_per_mirror
            ):
                raise limit_reached("meter reading")
            self._check_mrid(mirror, posted.mRID)
            meter = Meter(intake.next_meter, replace(posted, mirrorReadingSet=[]))
            intake.next_meter += 1
        else:
            facts = _facts(posted, known.facts)
            if facts == known.facts:
                return self._same_meter(intake, known, posted)
            meaning = known.meaning if facts.readingType == known.facts.readingType else None
            meter = Meter(known.number, facts, known.sets.copy(), meaning, known.flows)
        intake.meters[posted.mRID] = meter
        path = mirror.meter_path(meter)
        intake.changes.append(documents.put(documents.METER_READINGS, path, replace(meter.facts, href=None)))
        return meter

    def _check_mrid(self, mirror: Mirror, mrid: str) -> None:
        """CSIP-AUS wants an mRID that another client's mirror holds refused; elsewhere they are apart per client."""
        if self._s.settings.csip_aus is not None and self._metering.holders.get(mrid, mirror.poster) != mirror.poster:
            raise RemoteProtocolError("another client has a MirrorMeterReading of this mRID", answer=409)

    @staticmethod
    def _same_meter(intake: _Intake, known: Meter, posted: MirrorMeterReading) -> Meter:
        """The quantity whose attributes stay; it is copied only where its sets change."""
        if not posted.mirrorReadingSet:
            return known
        copy = intake.meters[posted.mRID] = Meter(
            known.number, known.facts, known.sets.copy(), known.meaning, known.flows
        )
        return copy

    def _take_sets(self, intake: _Intake, meter: Meter, posted: list[MirrorReadingSet]) -> None:
        if not posted:
            return
        limits = self._s.settings.limits
        path = intake.mirror.meter_path(meter)
        for each in posted:
            if len(each.reading) > limits.readings_per_set:
                raise limit_reached("reading in a set")
            known = meter.sets.pop(each.mRID, None)
            number = known.number if known is not None else intake.next_set
            if known is None:
                intake.next_set += 1
            each.href = None
            xml = set_xml(each)
            meter.sets[each.mRID] = StoredSet(number, each.timePeriod.start, xml)
            intake.changes.append(documents.put_xml(documents.READING_SETS, f"{path}/rs/{number}", xml))
        most = min(limits.reading_sets_per_meter_reading, meter.reading_type.maxNumberOfIntervals or 1_000_000)
        surplus = len(meter.sets) - max(1, most)
        if surplus <= 0:
            return
        for mrid in sorted(meter.sets, key=lambda name: meter.sets[name].start)[:surplus]:
            gone = meter.sets.pop(mrid)
            intake.changes.append(documents.delete(documents.READING_SETS, f"{path}/rs/{gone.number}"))

    def _take_values(
        self, intake: _Intake, meter: Meter, posted: MirrorMeterReading, record: EndDeviceRecord, call: Call
    ) -> None:
        if record.device_id is None:
            return
        meaning = self._meaning(meter)
        values = mirror_to_readings(posted, meaning, record.device_id, call.now)
        self._s.counts.readings += len(values)
        if not (meaning.telemetry and intake.of_the_der):
            intake.readings.extend(values)
            return
        if meaning.part and values:
            meter.flows = {each.source_time: each.value for each in values}
            if meaning.phase is not Phase.ALL:
                intake.readings.extend(values)
            values = self._whole(intake, meter, meaning, values)
        intake.telemetry.extend(values)

    def _meaning(self, meter: Meter) -> Meaning:
        if meter.meaning is None:
            forward = self._s.settings.forward_is_delivered
            meter.meaning = meaning_of(meter.reading_type, forward_is_delivered=forward)
        return meter.meaning

    def _whole(
        self, intake: _Intake, meter: Meter, meaning: Meaning, values: list[DomainReading]
    ) -> list[DomainReading]:
        """The power of all phases, what flows out less what flows in, where the mirror has it in parts."""
        taken = {each.number: each for each in [*intake.mirror.meters.values(), *intake.meters.values()]}
        beside = ((self._meaning(each), each) for each in taken.values() if each.number != meter.number)
        others = others_of(meaning, beside)
        if others is None:
            return []
        return whole(values, ((each.flows, self._last(each)) for each in others))

    def _last(self, meter: Meter) -> float:
        return next(reversed(meter.flows.values()), last_value(meter.facts.reading, self._meaning(meter)))

    async def _store(self, intake: _Intake, record: EndDeviceRecord, call: Call) -> None:
        found, others = readings_to_snapshots(intake.telemetry)
        states = self._s.stated(record, "ders")
        snapshots = [with_states(snapshot, states) for snapshot in found]
        others += intake.readings
        changes = [*intake.changes, *([AppendReadings(tuple(others))] if others else [])]
        if snapshots:
            await self._s.registry.observe(snapshots, call.now, along=changes)
        elif changes:
            await self._s.ledger.commit(changes)

    def _apply(self, intake: _Intake) -> None:
        mirror = intake.mirror
        mirror.next_meter, mirror.next_set = intake.next_meter, intake.next_set
        for mrid, meter in intake.meters.items():
            before = mirror.meters.get(mrid)
            mirror.meters[mrid] = meter
            if before is None or before.facts != meter.facts:
                self._metering.show_meter(mirror, meter)
            else:
                self._metering.follow(mirror, meter)


def _facts(posted: MirrorMeterReading, before: MirrorMeterReading) -> MirrorMeterReading:
    """The attributes of a quantity after a post: what is named overwrites."""
    return replace(
        posted,
        mRID=before.mRID,
        mirrorReadingSet=[],
        description=posted.description if posted.description is not None else before.description,
        version=posted.version if posted.version is not None else before.version,
        reading=posted.reading or before.reading,
        readingType=posted.readingType or before.readingType,
    )
