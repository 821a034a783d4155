"""Distributed energy resources: programs, controls and curves."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    BOOLEAN,
    CSIP_AUS,
    DER_CURVE_TYPE,
    DER_UNIT_REF,
    DEVICE_CATEGORY,
    INT16,
    INT32,
    PERCENT,
    POWER_OF_TEN,
    PRIMACY,
    SEP2,
    SIGNED_PERCENT,
    TIME,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import (
    IdentifiedObject,
    Link,
    List,
    ListLink,
    RandomizableEvent,
    SubscribableIdentifiedObject,
    SubscribableList,
)
from gridiface.protocols.sep2.resources.quantities import ActivePower, PowerFactorWithExcitation, ReactivePower
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class FreqDroopType(WireObject):
    """Frequency droop: dead bands in mHz, slopes in 0.001, response time."""

    dBOF: int = element(UINT32, unit="0.001 Hz")
    dBUF: int = element(UINT32, unit="0.001 Hz")
    kOF: int = element(UINT16, unit="0.001")
    kUF: int = element(UINT16, unit="0.001")
    openLoopTms: int = element(UINT16, unit="0.01 s")


@wire(SEP2)
class FixedVar(WireObject):
    """Reactive power, 0.01 % of the base refType (enums.DERUnitRefType); positive is injected."""

    refType: int = element(DER_UNIT_REF)
    value: int = element(SIGNED_PERCENT, unit="0.01 % of refType")


@wire(SEP2)
class DERControlBase(WireObject):
    """What a control asks for, mode by mode; each mode is superseded by itself (enums.ControlMode)."""

    opModConnect: bool | None = element(BOOLEAN, default=None)
    opModEnergize: bool | None = element(BOOLEAN, default=None)
    opModFixedPFAbsorbW: PowerFactorWithExcitation | None = element(PowerFactorWithExcitation, default=None)
    opModFixedPFInjectW: PowerFactorWithExcitation | None = element(PowerFactorWithExcitation, default=None)
    opModFixedVar: FixedVar | None = element(FixedVar, default=None)
    opModFixedW: int | None = element(
        SIGNED_PERCENT, default=None, unit="0.01 % of setMaxW, or of setMaxChargeRateW when negative"
    )
    opModFreqDroop: FreqDroopType | None = element(FreqDroopType, default=None)
    opModFreqWatt: Link | None = element(Link, default=None)
    opModHFRTMayTrip: Link | None = element(Link, default=None)
    opModHFRTMustTrip: Link | None = element(Link, default=None)
    opModHVRTMayTrip: Link | None = element(Link, default=None)
    opModHVRTMomentaryCessation: Link | None = element(Link, default=None)
    opModHVRTMustTrip: Link | None = element(Link, default=None)
    opModLFRTMayTrip: Link | None = element(Link, default=None)
    opModLFRTMustTrip: Link | None = element(Link, default=None)
    opModLVRTMayTrip: Link | None = element(Link, default=None)
    opModLVRTMomentaryCessation: Link | None = element(Link, default=None)
    opModLVRTMustTrip: Link | None = element(Link, default=None)
    opModMaxLimW: int | None = element(PERCENT, default=None, unit="0.01 % of setMaxW")
    opModTargetVar: ReactivePower | None = element(ReactivePower, default=None)
    opModTargetW: ActivePower | None = element(ActivePower, default=None)
    opModVoltVar: Link | None = element(Link, default=None)
    opModVoltWatt: Link | None = element(Link, default=None)
    opModWattPF: Link | None = element(Link, default=None)
    opModWattVar: Link | None = element(Link, default=None)
    rampTms: int | None = element(UINT16, default=None, unit="0.01 s")
    # CSIP-AUS: connection point and device limits; schema order after all of 2030.5.
    opModImpLimW: ActivePower | None = element(ActivePower, default=None, ns=CSIP_AUS, extension=True)
    opModExpLimW: ActivePower | None = element(ActivePower, default=None, ns=CSIP_AUS, extension=True)
    opModGenLimW: ActivePower | None = element(ActivePower, default=None, ns=CSIP_AUS, extension=True)
    opModLoadLimW: ActivePower | None = element(ActivePower, default=None, ns=CSIP_AUS, extension=True)
    # CSIP-AUS 1.3, storage: power of the storage, + discharging.
    opModStorageTargetW: ActivePower | None = element(ActivePower, default=None, ns=CSIP_AUS, extension=True)


@wire(SEP2)
class DERControl(RandomizableEvent):
    """A control of a program for an interval, for the categories of deviceCategory."""

    derControlBase: DERControlBase = element(DERControlBase, "DERControlBase")
    deviceCategory: int | None = element(DEVICE_CATEGORY, default=None)


@wire(SEP2)
class DERControlList(SubscribableList):
    """Controls; order start, then creationTime descending, then mRID descending."""

    members: list[DERControl] = element(DERControl, "DERControl", default_factory=list)


@wire(SEP2)
class DefaultDERControl(SubscribableIdentifiedObject):
    """What holds while no control is active; its settings overwrite those of DERSettings."""

    derControlBase: DERControlBase = element(DERControlBase, "DERControlBase")
    setESDelay: int | None = element(UINT32, default=None, unit="0.01 s")
    setESHighFreq: int | None = element(UINT16, default=None, unit="0.01 Hz")
    setESHighVolt: int | None = element(INT16, default=None, unit="0.01 %")
    setESLowFreq: int | None = element(UINT16, default=None, unit="0.01 Hz")
    setESLowVolt: int | None = element(INT16, default=None, unit="0.01 %")
    setESRampTms: int | None = element(UINT32, default=None, unit="0.01 s")
    setESRandomDelay: int | None = element(UINT32, default=None, unit="0.01 s")
    setGradW: int | None = element(UINT16, default=None, unit="0.01 % of setMaxW per s")
    setSoftGradW: int | None = element(UINT16, default=None, unit="0.01 % of setMaxW per s")


@wire(SEP2)
class CurveData(WireObject):
    """A point of a curve; excitation only where y is a power factor (true: vars are absorbed)."""

    excitation: bool | None = element(BOOLEAN, default=None)
    xvalue: int = element(INT32)
    yvalue: int = element(INT32)


@wire(SEP2)
class DERCurve(IdentifiedObject):
    """A curve of curveType (enums.DERCurveType), points scaled by 10^xMultiplier and 10^yMultiplier."""

    autonomousVRefEnable: bool | None = element(BOOLEAN, default=None)
    autonomousVRefTimeConstant: int | None = element(UINT32, default=None, unit="0.01 s")
    creationTime: int = element(TIME)
    curveData: list[CurveData] = element(CurveData, "CurveData", default_factory=list, at_least=1, at_most=10)
    curveType: int = element(DER_CURVE_TYPE)
    openLoopTms: int | None = element(UINT16, default=None, unit="0.01 s")
    rampDecTms: int | None = element(UINT16, default=None, unit="0.01 s")
    rampIncTms: int | None = element(UINT16, default=None, unit="0.01 s")
    rampPT1Tms: int | None = element(UINT16, default=None, unit="0.01 s")
    vRef: int | None = element(PERCENT, default=None, unit="0.01 %")
    xMultiplier: int = element(POWER_OF_TEN)
    yMultiplier: int = element(POWER_OF_TEN)
    yRefType: int = element(DER_UNIT_REF)


@wire(SEP2)
class DERCurveList(List):
    """Curves; order creationTime descending, then mRID descending."""

    members: list[DERCurve] = element(DERCurve, "DERCurve", default_factory=list)


@wire(SEP2)
class DERProgram(SubscribableIdentifiedObject):
    """A program: a group's controls, its default and its curves; the lowest primacy wins."""

    ActiveDERControlListLink: ListLink | None = element(ListLink, default=None)
    DefaultDERControlLink: Link | None = element(Link, default=None)
    DERControlListLink: ListLink | None = element(ListLink, default=None)
    DERCurveListLink: ListLink | None = element(ListLink, default=None)
    primacy: int = element(PRIMACY)


@wire(SEP2)
class DERProgramList(SubscribableList):
    """Programs; order primacy, then mRID descending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[DERProgram] = element(DERProgram, "DERProgram", default_factory=list)
