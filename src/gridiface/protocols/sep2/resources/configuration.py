"""Configuration: settings of a device that its owner may change."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    DST_RULE,
    INT32,
    LOCALE,
    SEP2,
    STRING32,
    TIME,
    TIME_OFFSET,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Link, List, ListLink, Resource, SubscribableResource
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class PowerConfiguration(WireObject):
    """Battery installation time and low charge threshold."""

    batteryInstallTime: int | None = element(TIME, default=None)
    lowChargeThreshold: int | None = element(UINT32, default=None, unit="s")


@wire(SEP2)
class TimeConfiguration(WireObject):
    """Time zone and daylight saving rules of a device (DstRule bit fields)."""

    dstEndRule: int = element(DST_RULE)
    dstOffset: int = element(TIME_OFFSET, unit="s")
    dstStartRule: int = element(DST_RULE)
    tzOffset: int = element(TIME_OFFSET, unit="s")


@wire(SEP2)
class Configuration(SubscribableResource):
    """Language, name, clock and power settings of a device."""

    pollRate: int | None = attribute(UINT32, default=None)
    currentLocale: str = element(LOCALE)
    powerConfiguration: PowerConfiguration | None = element(PowerConfiguration, "PowerConfiguration", default=None)
    PriceResponseCfgListLink: ListLink | None = element(ListLink, default=None)
    timeConfiguration: TimeConfiguration | None = element(TimeConfiguration, "TimeConfiguration", default=None)
    userDeviceName: str = element(STRING32)


@wire(SEP2)
class PriceResponseCfg(Resource):
    """At which price a device consumes freely or reduces to the most."""

    consumeThreshold: int = element(INT32)
    maxReductionThreshold: int = element(INT32)
    RateComponentLink: Link = element(Link)


@wire(SEP2)
class PriceResponseCfgList(List):
    """Price thresholds of a device."""

    members: list[PriceResponseCfg] = element(PriceResponseCfg, "PriceResponseCfg", default_factory=list)
