"""Pricing: tariffs, their components, time intervals and consumption blocks."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    CONSUMPTION_BLOCK,
    COST_KIND,
    CSIP_AUS,
    CURRENCY_CODE,
    INT32,
    NAMESPACE,
    POWER_OF_TEN,
    PRIMACY,
    ROLE_FLAGS,
    SEP2,
    SERVICE_KIND,
    STRING20,
    TOU,
    UINT8,
    UINT32,
    UINT48,
)
from gridiface.protocols.sep2.resources.common import (
    IdentifiedObject,
    Link,
    List,
    ListLink,
    RandomizableEvent,
    Resource,
    SubscribableList,
)
from gridiface.protocols.sep2.resources.quantities import UnitValueType
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class EnvironmentalCost(WireObject):
    """Environmental cost of a unit of the commodity."""

    amount: int = element(UINT32)
    costKind: int = element(COST_KIND)
    costLevel: int = element(UINT8)
    numCostLevels: int = element(UINT8)


@wire(SEP2)
class ConsumptionTariffInterval(Resource):
    """The price from startValue of consumption on."""

    consumptionBlock: int = element(CONSUMPTION_BLOCK)
    environmentalCost: list[EnvironmentalCost] = element(EnvironmentalCost, "EnvironmentalCost", default_factory=list)
    price: int | None = element(INT32, default=None)
    startValue: int = element(UINT48)


@wire(SEP2)
class ConsumptionTariffIntervalList(List):
    """Prices by consumption; order startValue ascending, the first is 0."""

    members: list[ConsumptionTariffInterval] = element(
        ConsumptionTariffInterval, "ConsumptionTariffInterval", default_factory=list
    )


@wire(SEP2, ns=CSIP_AUS)
class ConsumptionTariffIntervalListSummary(List):
    """CSIP-AUS 1.3: the prices of an interval in place, for whom a further request would be one too many."""

    members: list[ConsumptionTariffInterval] = element(
        ConsumptionTariffInterval, "ConsumptionTariffInterval", default_factory=list, ns=NAMESPACE
    )


@wire(SEP2)
class TimeTariffInterval(RandomizableEvent):
    """A tariff in force for a time, as an event."""

    ConsumptionTariffIntervalListLink: ListLink | None = element(ListLink, default=None)
    touTier: int = element(TOU)
    # CSIP-AUS 1.3, where intervals are also read in a list of all components
    consumptionTariffIntervalListSummary: ConsumptionTariffIntervalListSummary | None = element(
        ConsumptionTariffIntervalListSummary,
        "ConsumptionTariffIntervalListSummary",
        default=None,
        ns=CSIP_AUS,
        extension=True,
    )
    RateComponentLink: Link | None = element(Link, default=None, extension=True)


@wire(SEP2)
class TimeTariffIntervalList(SubscribableList):
    """Tariff intervals; order start, then creationTime descending, then mRID descending."""

    members: list[TimeTariffInterval] = element(TimeTariffInterval, "TimeTariffInterval", default_factory=list)


@wire(SEP2)
class RateComponent(IdentifiedObject):
    """One part of a tariff: what is measured and within which flow limits."""

    ActiveTimeTariffIntervalListLink: ListLink | None = element(ListLink, default=None)
    flowRateEndLimit: UnitValueType | None = element(UnitValueType, default=None)
    flowRateStartLimit: UnitValueType | None = element(UnitValueType, default=None)
    ReadingTypeLink: Link = element(Link)
    roleFlags: int = element(ROLE_FLAGS)
    TimeTariffIntervalListLink: ListLink = element(ListLink)


@wire(SEP2)
class RateComponentList(List):
    """The parts of a tariff; order mRID descending."""

    members: list[RateComponent] = element(RateComponent, "RateComponent", default_factory=list)


@wire(SEP2)
class TariffProfile(IdentifiedObject):
    """A tariff: currency, scale of its prices and its parts."""

    currency: int | None = element(CURRENCY_CODE, default=None)
    pricePowerOfTenMultiplier: int | None = element(POWER_OF_TEN, default=None)
    primacy: int = element(PRIMACY)
    rateCode: str | None = element(STRING20, default=None)
    RateComponentListLink: ListLink | None = element(ListLink, default=None)
    serviceCategoryKind: int = element(SERVICE_KIND)
    # CSIP-AUS 1.3: the intervals of all components in one list
    CombinedTimeTariffIntervalListLink: ListLink | None = element(ListLink, default=None, ns=CSIP_AUS, extension=True)


@wire(SEP2)
class TariffProfileList(SubscribableList):
    """Tariffs; order mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[TariffProfile] = element(TariffProfile, "TariffProfile", default_factory=list)
