"""Metering: usage points, meter readings, reading sets and readings."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    ACCUMULATION_BEHAVIOUR,
    BITS16,
    BOOLEAN,
    COMMODITY,
    CONSUMPTION_BLOCK,
    DATA_QUALIFIER,
    FLOW_DIRECTION,
    HEX160,
    INT48,
    KIND,
    PHASE_CODE,
    POWER_OF_TEN,
    ROLE_FLAGS,
    SEP2,
    SERVICE_KIND,
    SUBSCRIBABLE,
    TOU,
    UINT8,
    UINT32,
    UINT48,
    UOM,
)
from gridiface.protocols.sep2.resources.common import (
    DateTimeInterval,
    IdentifiedObject,
    Link,
    ListLink,
    Resource,
    SubscribableList,
)
from gridiface.protocols.sep2.resources.quantities import UnitValueType
from gridiface.protocols.xmlwire import attribute, element, wire


@wire(SEP2)
class ReadingBase(Resource):
    """A measured value of a period; its unit is in the ReadingType."""

    consumptionBlock: int | None = element(CONSUMPTION_BLOCK, default=None)
    qualityFlags: int | None = element(BITS16, default=None)
    timePeriod: DateTimeInterval | None = element(DateTimeInterval, default=None)
    touTier: int | None = element(TOU, default=None)
    value: int | None = element(INT48, default=None)


@wire(SEP2)
class Reading(ReadingBase):
    """One value within a set, or the current value of a meter."""

    subscribable: int | None = attribute(SUBSCRIBABLE, default=None)
    localID: int | None = element(BITS16, default=None)


@wire(SEP2)
class ReadingList(SubscribableList):
    """Readings; order localID, consumptionBlock, touTier."""

    members: list[Reading] = element(Reading, "Reading", default_factory=list)


@wire(SEP2)
class ReadingSetBase(IdentifiedObject):
    """A set of readings of one period."""

    timePeriod: DateTimeInterval = element(DateTimeInterval)


@wire(SEP2)
class ReadingSet(ReadingSetBase):
    """A set of readings of one period, by link."""

    ReadingListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class ReadingSetList(SubscribableList):
    """Reading sets; newest period first, then mRID descending."""

    members: list[ReadingSet] = element(ReadingSet, "ReadingSet", default_factory=list)


@wire(SEP2)
class ReadingType(Resource):
    """What a meter measures: commodity, kind, unit, phase, direction, accumulation and intervals."""

    accumulationBehaviour: int | None = element(ACCUMULATION_BEHAVIOUR, default=None)
    calorificValue: UnitValueType | None = element(UnitValueType, default=None)
    commodity: int | None = element(COMMODITY, default=None)
    conversionFactor: UnitValueType | None = element(UnitValueType, default=None)
    dataQualifier: int | None = element(DATA_QUALIFIER, default=None)
    flowDirection: int | None = element(FLOW_DIRECTION, default=None)
    intervalLength: int | None = element(UINT32, default=None, unit="s")
    kind: int | None = element(KIND, default=None)
    maxNumberOfIntervals: int | None = element(UINT8, default=None)
    numberOfConsumptionBlocks: int | None = element(UINT8, default=None)
    numberOfTouTiers: int | None = element(UINT8, default=None)
    phase: int | None = element(PHASE_CODE, default=None)
    powerOfTenMultiplier: int | None = element(POWER_OF_TEN, default=None)
    subIntervalLength: int | None = element(UINT32, default=None, unit="s")
    supplyLimit: int | None = element(UINT48, default=None)
    tieredConsumptionBlocks: bool | None = element(BOOLEAN, default=None)
    uom: int | None = element(UOM, default=None)


@wire(SEP2)
class MeterReadingBase(IdentifiedObject):
    """A quantity measured at a usage point."""


@wire(SEP2)
class MeterReading(MeterReadingBase):
    """A quantity measured at a usage point, its type and its values, by link."""

    RateComponentListLink: ListLink | None = element(ListLink, default=None)
    ReadingLink: Link | None = element(Link, default=None)
    ReadingSetListLink: ListLink | None = element(ListLink, default=None)
    ReadingTypeLink: Link = element(Link)


@wire(SEP2)
class MeterReadingList(SubscribableList):
    """The quantities of a usage point; order mRID descending."""

    members: list[MeterReading] = element(MeterReading, "MeterReading", default_factory=list)


@wire(SEP2)
class UsagePointBase(IdentifiedObject):
    """A place where a service is measured: roleFlags (enums.RoleFlags), status 0 off, 1 on."""

    roleFlags: int = element(ROLE_FLAGS)
    serviceCategoryKind: int = element(SERVICE_KIND)
    status: int = element(UINT8)


@wire(SEP2)
class UsagePoint(UsagePointBase):
    """A usage point as it is served."""

    deviceLFDI: str | None = element(HEX160, default=None)
    MeterReadingListLink: ListLink | None = element(ListLink, default=None)


@wire(SEP2)
class UsagePointList(SubscribableList):
    """Usage points; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[UsagePoint] = element(UsagePoint, "UsagePoint", default_factory=list)
