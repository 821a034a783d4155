"""Device information: maker, model, versions and languages."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    BITS32,
    BITS64,
    HEX160,
    LOCALE,
    PEN,
    POWER_SOURCE,
    SEP2,
    STRING32,
    TIME,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import GPSLocationType, List, ListLink, Resource
from gridiface.protocols.sep2.resources.quantities import ActivePower, RealEnergy
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class DRLCCapabilities(WireObject):
    """Load control abilities: average energy per hour, maximum demand and options."""

    averageEnergy: RealEnergy = element(RealEnergy)
    maxDemand: ActivePower = element(ActivePower)
    optionsImplemented: int = element(BITS32)


@wire(SEP2)
class DeviceInformation(Resource):
    """Maker, model, versions, power sources and functions (enums.FunctionsImplemented)."""

    pollRate: int | None = attribute(UINT32, default=None)
    dRLCCapabilities: DRLCCapabilities | None = element(DRLCCapabilities, "DRLCCapabilities", default=None)
    functionsImplemented: int | None = element(BITS64, default=None)
    gpsLocation: GPSLocationType | None = element(GPSLocationType, default=None)
    lFDI: str = element(HEX160)
    mfDate: int = element(TIME)
    mfHwVer: str = element(STRING32)
    mfID: int = element(PEN)
    mfInfo: str | None = element(STRING32, default=None)
    mfModel: str = element(STRING32)
    mfSerNum: str = element(STRING32)
    primaryPower: int = element(POWER_SOURCE)
    secondaryPower: int = element(POWER_SOURCE)
    SupportedLocaleListLink: ListLink | None = element(ListLink, default=None)
    swActTime: int = element(TIME)
    swVer: str = element(STRING32)


@wire(SEP2)
class SupportedLocale(Resource):
    """A language a device can show, as in RFC 4646."""

    locale: str = element(LOCALE)


@wire(SEP2)
class SupportedLocaleList(List):
    """The languages of a device."""

    members: list[SupportedLocale] = element(SupportedLocale, "SupportedLocale", default_factory=list)
