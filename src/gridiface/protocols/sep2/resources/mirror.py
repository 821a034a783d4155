"""Metering mirror: readings that a device posts because it cannot serve them itself."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import HEX160, SEP2, TIME, UINT32
from gridiface.protocols.sep2.resources.common import List
from gridiface.protocols.sep2.resources.metering import (
    MeterReadingBase,
    Reading,
    ReadingSetBase,
    ReadingType,
    UsagePointBase,
)
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class MirrorReadingSet(ReadingSetBase):
    """A set of readings of one period, with the readings in it."""

    reading: list[Reading] = element(Reading, "Reading", default_factory=list)


@wire(SEP2)
class MirrorMeterReading(MeterReadingBase):
    """A mirrored quantity: its type and its values."""

    lastUpdateTime: int | None = element(TIME, default=None)
    mirrorReadingSet: list[MirrorReadingSet] = element(MirrorReadingSet, "MirrorReadingSet", default_factory=list)
    nextUpdateTime: int | None = element(TIME, default=None)
    reading: Reading | None = element(Reading, "Reading", default=None)
    readingType: ReadingType | None = element(ReadingType, "ReadingType", default=None)


@wire(SEP2)
class MirrorMeterReadingList(List):
    """Several mirrored quantities in one post."""

    members: list[MirrorMeterReading] = element(MirrorMeterReading, "MirrorMeterReading", default_factory=list)


@wire(SEP2)
class MirrorUsagePoint(UsagePointBase):
    """A usage point posted by a device; postRate says how often to post."""

    deviceLFDI: str = element(HEX160)
    mirrorMeterReading: list[MirrorMeterReading] = element(
        MirrorMeterReading, "MirrorMeterReading", default_factory=list
    )
    postRate: int | None = element(UINT32, default=None, unit="s")


@wire(SEP2)
class MirrorUsagePointList(List):
    """Mirrored usage points; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[MirrorUsagePoint] = element(MirrorUsagePoint, "MirrorUsagePoint", default_factory=list)
