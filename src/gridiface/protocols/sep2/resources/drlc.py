"""Demand response and load control."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    APPLIANCE_LOAD_REDUCTION,
    BOOLEAN,
    DEVICE_CATEGORY,
    INT16,
    PERCENT,
    PRIMACY,
    SEP2,
    UINT8,
    UINT16,
    UINT32,
    UNIT,
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
from gridiface.protocols.sep2.resources.quantities import ActivePower
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class ApplianceLoadReduction(WireObject):
    """How an appliance is to reduce: 0 delay, 1 temporarily off."""

    type: int = element(APPLIANCE_LOAD_REDUCTION)


@wire(SEP2)
class DutyCycle(WireObject):
    """Duty cycle of a load; normalValue in percent."""

    normalValue: int = element(UINT8, unit="%")


@wire(SEP2)
class Offset(WireObject):
    """Offsets of temperatures (0.1 degrees Celsius) or of load."""

    coolingOffset: int | None = element(UINT8, default=None, unit="0.1 C")
    heatingOffset: int | None = element(UINT8, default=None, unit="0.1 C")
    loadAdjustmentPercentageOffset: int | None = element(PERCENT, default=None, unit="0.01 %")


@wire(SEP2)
class SetPoint(WireObject):
    """Temperature set-points, 0.01 degrees Celsius."""

    coolingSetpoint: int | None = element(INT16, default=None, unit="0.01 C")
    heatingSetpoint: int | None = element(INT16, default=None, unit="0.01 C")


@wire(SEP2)
class TargetReduction(WireObject):
    """By how much to reduce, in the unit `type` (enums.UnitType)."""

    type: int = element(UNIT)
    value: int = element(UINT16)


@wire(SEP2)
class DemandResponseProgram(IdentifiedObject):
    """A demand response program and what changes of availability it wants to hear of."""

    ActiveEndDeviceControlListLink: ListLink | None = element(ListLink, default=None)
    availabilityUpdatePercentChangeThreshold: int | None = element(PERCENT, default=None, unit="0.01 %")
    availabilityUpdatePowerChangeThreshold: ActivePower | None = element(ActivePower, default=None)
    EndDeviceControlListLink: ListLink | None = element(ListLink, default=None)
    primacy: int = element(PRIMACY)


@wire(SEP2)
class DemandResponseProgramList(SubscribableList):
    """Demand response programs; order primacy, then mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[DemandResponseProgram] = element(DemandResponseProgram, "DemandResponseProgram", default_factory=list)


@wire(SEP2)
class EndDeviceControl(RandomizableEvent):
    """A load control event for the device categories of deviceCategory."""

    applianceLoadReduction: ApplianceLoadReduction | None = element(
        ApplianceLoadReduction, "ApplianceLoadReduction", default=None
    )
    deviceCategory: int = element(DEVICE_CATEGORY)
    drProgramMandatory: bool = element(BOOLEAN)
    dutyCycle: DutyCycle | None = element(DutyCycle, "DutyCycle", default=None)
    loadShiftForward: bool = element(BOOLEAN)
    offset: Offset | None = element(Offset, "Offset", default=None)
    overrideDuration: int | None = element(UINT16, default=None, unit="s")
    setPoint: SetPoint | None = element(SetPoint, "SetPoint", default=None)
    targetReduction: TargetReduction | None = element(TargetReduction, "TargetReduction", default=None)


@wire(SEP2)
class EndDeviceControlList(SubscribableList):
    """Load control events; order start, then creationTime descending, then mRID descending."""

    members: list[EndDeviceControl] = element(EndDeviceControl, "EndDeviceControl", default_factory=list)


@wire(SEP2)
class LoadShedAvailability(Resource):
    """How much load a device could shed, and for how long."""

    availabilityDuration: int | None = element(UINT32, default=None, unit="s")
    DemandResponseProgramLink: Link | None = element(Link, default=None)
    sheddablePercent: int | None = element(PERCENT, default=None, unit="0.01 %")
    sheddablePower: ActivePower | None = element(ActivePower, default=None)


@wire(SEP2)
class LoadShedAvailabilityList(List):
    """Load shed availability per program."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[LoadShedAvailability] = element(LoadShedAvailability, "LoadShedAvailability", default_factory=list)
