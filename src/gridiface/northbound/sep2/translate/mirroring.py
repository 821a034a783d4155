"""Our readings as a mirror: means over an interval, with the mRIDs by which a server knows them again. Pure.

Direction: flowDirection 19 (reverse, from the customer) throughout, so that + is delivered as in the domain. Each post
carries its reading types, so that a server that has lost a meter reading makes it anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.domain.performance import worst_quality
from gridiface.domain.quantities import Phase, Quantity, round_to_int
from gridiface.domain.telemetry import Quality, Reading, Snapshot
from gridiface.protocols.sep2.reading_codes import (
    AccumulationBehaviour,
    Commodity,
    DataQualifier,
    FlowDirection,
    Kind,
    QualityFlags,
    RoleFlags,
    ServiceKind,
    Uom,
)
from gridiface.protocols.sep2.reading_codes import Phase as WirePhase
from gridiface.protocols.sep2.resources import (
    DateTimeInterval,
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorReadingSet,
    MirrorUsagePoint,
    ReadingType,
)
from gridiface.protocols.sep2.resources import Reading as WireReading

Channel = tuple[Quantity, Phase]
"""What is mirrored as one meter reading."""

_PLAIN: Mapping[Quantity, tuple[Uom, int]] = {
    Quantity.ACTIVE_POWER: (Uom.WATT, 0),
    Quantity.REACTIVE_POWER: (Uom.VAR, 0),
    Quantity.APPARENT_POWER: (Uom.VA, 0),
    Quantity.VOLTAGE: (Uom.VOLT, -1),
    Quantity.FREQUENCY: (Uom.HERTZ, -2),
}
_SIGNED = frozenset({Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER})
#: The quantities that CSIP asks of every inverter.
CHANNELS: tuple[Channel, ...] = (
    (Quantity.ACTIVE_POWER, Phase.ALL),
    (Quantity.REACTIVE_POWER, Phase.ALL),
    (Quantity.FREQUENCY, Phase.ALL),
    (Quantity.VOLTAGE, Phase.ALL),
)
_FLAGS: Mapping[Quality, int] = {
    Quality.ESTIMATED: int(QualityFlags.ESTIMATED_INTERPOLATION),
    Quality.SUBSTITUTED: int(QualityFlags.DERIVED),
    Quality.STALE: int(QualityFlags.QUESTIONABLE),
}


@dataclass(slots=True)
class Means:
    """Samples of an interval, channel by channel; stale and bad ones do not count."""

    sums: dict[Channel, tuple[float, int]] = field(default_factory=dict)
    qualities: set[Quality] = field(default_factory=set)
    newest: Instant = float("-inf")

    def take(self, snapshot: Snapshot) -> None:
        """Count a snapshot; the same one twice, and one of no use, changes nothing."""
        if snapshot.source_time <= self.newest or snapshot.quality in {Quality.STALE, Quality.BAD}:
            return
        self.newest = snapshot.source_time
        self.qualities.add(snapshot.quality)
        plain = (
            (Quantity.ACTIVE_POWER, snapshot.w),
            (Quantity.REACTIVE_POWER, snapshot.var),
            (Quantity.APPARENT_POWER, snapshot.va),
            (Quantity.FREQUENCY, snapshot.hz),
        )
        for quantity, value in plain:
            if value is not None:
                self._add((quantity, Phase.ALL), value)
        for phase, value in snapshot.volts.items():
            self._add((Quantity.VOLTAGE, phase), value)

    def take_readings(self, readings: Iterable[Reading]) -> None:
        """Count what was recorded."""
        for reading in readings:
            if reading.quantity in _PLAIN and reading.quality not in {Quality.STALE, Quality.BAD}:
                self._add((reading.quantity, reading.phase), reading.value)
                self.qualities.add(reading.quality)

    def _add(self, channel: Channel, value: float) -> None:
        if not math.isfinite(value):
            return
        total, count = self.sums.get(channel, (0.0, 0))
        self.sums[channel] = (total + value, count + 1)

    def values(self) -> dict[Channel, float]:
        """The mean of each channel that was seen."""
        return {channel: total / count for channel, (total, count) in self.sums.items()}

    def flags(self) -> int:
        """The qualityFlags of the worst sample; 0 is valid."""
        return _FLAGS.get(worst_quality(self.qualities), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorNames:
    """The mRIDs of one device's mirror: they follow from what they name, and end in our PEN."""

    session: str
    lfdi: str
    pen: int

    @property
    def mirror(self) -> str:
        """Of the MirrorUsagePoint."""
        return self._name("mup")

    def meter(self, channel: Channel) -> str:
        """Of a MirrorMeterReading."""
        return self._name("mmr", *channel)

    def reading_set(self, channel: Channel, start: int) -> str:
        """Of a MirrorReadingSet."""
        return self._name("mrs", *channel, str(start))

    def _name(self, *parts: str) -> str:
        text = "\x1f".join((self.session, self.lfdi, *parts))
        return hashlib.sha256(text.encode()).hexdigest().upper()[:24] + f"{self.pen:08X}"


def mirror(names: MirrorNames, title: str, rate: int) -> MirrorUsagePoint:
    """The MirrorUsagePoint to post, with the meter readings that every device has."""
    return MirrorUsagePoint(
        mRID=names.mirror,
        description=title[:32] or None,
        deviceLFDI=names.lfdi,
        mirrorMeterReading=[
            MirrorMeterReading(mRID=names.meter(channel), readingType=reading_type(channel, rate))
            for channel in CHANNELS
        ],
        postRate=rate,
        roleFlags=RoleFlags.IS_MIRROR | RoleFlags.IS_DER | RoleFlags.IS_SUBMETER,
        serviceCategoryKind=ServiceKind.ELECTRICITY,
        status=1,
    )


def reading_type(channel: Channel, rate: int) -> ReadingType:
    """What a channel measures: means over `rate` s."""
    quantity, phase = channel
    uom, exponent = _PLAIN[quantity]
    return ReadingType(
        accumulationBehaviour=AccumulationBehaviour.INSTANTANEOUS,
        commodity=Commodity.ELECTRICITY_SECONDARY,
        dataQualifier=DataQualifier.AVERAGE,
        flowDirection=FlowDirection.REVERSE if quantity in _SIGNED else FlowDirection.NOT_APPLICABLE,
        intervalLength=rate,
        kind=Kind.POWER,
        phase=_phase(phase),
        powerOfTenMultiplier=exponent,
        uom=uom,
    )


def reading_post(names: MirrorNames, means: Means, start: int, rate: int) -> MirrorMeterReadingList | None:
    """What is posted of one interval that began at `start` (server's clock, s); None where nothing was measured."""
    found = [
        MirrorMeterReading(
            mRID=names.meter(channel),
            lastUpdateTime=start + rate,
            mirrorReadingSet=[
                MirrorReadingSet(
                    mRID=names.reading_set(channel, start),
                    timePeriod=DateTimeInterval(duration=rate, start=start),
                    reading=[
                        WireReading(
                            qualityFlags=means.flags(),
                            timePeriod=DateTimeInterval(duration=rate, start=start),
                            value=round_to_int(value / 10.0 ** _PLAIN[channel[0]][1]),
                        )
                    ],
                )
            ],
            readingType=reading_type(channel, rate),
        )
        for channel, value in sorted(means.values().items())
    ]
    return MirrorMeterReadingList(all=len(found), results=len(found), members=found) if found else None


def _phase(phase: Phase) -> int:
    if phase in {Phase.ALL, Phase.NONE}:
        return WirePhase.NOT_APPLICABLE
    return WirePhase[phase.name]
