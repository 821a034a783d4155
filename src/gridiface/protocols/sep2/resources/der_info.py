"""Distributed energy resources: what a device is, how it is set, and how it does."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    BITS8,
    BITS32,
    CSIP_AUS,
    DER_CONTROL_MODES,
    DER_TYPE,
    INT16,
    PERCENT,
    SEP2,
    STRING6,
    TIME,
    UINT8,
    UINT16,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import Link, List, ListLink, Resource, SubscribableResource
from gridiface.protocols.sep2.resources.quantities import (
    ActivePower,
    AmpereHour,
    ApparentPower,
    CurrentRMS,
    PowerFactor,
    ReactivePower,
    ReactiveSusceptance,
    VoltageRMS,
    WattHour,
)
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class DER(SubscribableResource):
    """One resource behind an end device, its parts by link."""

    AssociatedDERProgramListLink: ListLink | None = element(ListLink, default=None)
    AssociatedUsagePointLink: Link | None = element(Link, default=None)
    CurrentDERProgramLink: Link | None = element(Link, default=None)
    DERAvailabilityLink: Link | None = element(Link, default=None)
    DERCapabilityLink: Link | None = element(Link, default=None)
    DERSettingsLink: Link | None = element(Link, default=None)
    DERStatusLink: Link | None = element(Link, default=None)


@wire(SEP2)
class DERList(List):
    """The resources of an end device; order href ascending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[DER] = element(DER, "DER", default_factory=list)


@wire(SEP2)
class DERCapability(Resource):
    """Nameplate: type (enums.DERType), ratings and modes (enums.DERControlModes)."""

    modesSupported: int = element(DER_CONTROL_MODES)
    rtgAbnormalCategory: int | None = element(UINT8, default=None)
    rtgMaxA: CurrentRMS | None = element(CurrentRMS, default=None)
    rtgMaxAh: AmpereHour | None = element(AmpereHour, default=None)
    rtgMaxChargeRateVA: ApparentPower | None = element(ApparentPower, default=None)
    rtgMaxChargeRateW: ActivePower | None = element(ActivePower, default=None)
    rtgMaxDischargeRateVA: ApparentPower | None = element(ApparentPower, default=None)
    rtgMaxDischargeRateW: ActivePower | None = element(ActivePower, default=None)
    rtgMaxV: VoltageRMS | None = element(VoltageRMS, default=None)
    rtgMaxVA: ApparentPower | None = element(ApparentPower, default=None)
    rtgMaxVar: ReactivePower | None = element(ReactivePower, default=None)
    rtgMaxVarNeg: ReactivePower | None = element(ReactivePower, default=None)
    rtgMaxW: ActivePower = element(ActivePower)
    rtgMaxWh: WattHour | None = element(WattHour, default=None)
    rtgMinPFOverExcited: PowerFactor | None = element(PowerFactor, default=None)
    rtgMinPFUnderExcited: PowerFactor | None = element(PowerFactor, default=None)
    rtgMinV: VoltageRMS | None = element(VoltageRMS, default=None)
    rtgNormalCategory: int | None = element(UINT8, default=None)
    rtgOverExcitedPF: PowerFactor | None = element(PowerFactor, default=None)
    rtgOverExcitedW: ActivePower | None = element(ActivePower, default=None)
    rtgReactiveSusceptance: ReactiveSusceptance | None = element(ReactiveSusceptance, default=None)
    rtgUnderExcitedPF: PowerFactor | None = element(PowerFactor, default=None)
    rtgUnderExcitedW: ActivePower | None = element(ActivePower, default=None)
    rtgVNom: VoltageRMS | None = element(VoltageRMS, default=None)
    type: int = element(DER_TYPE)
    # CSIP-AUS: enums.DOEControlModes; required there.
    doeModesSupported: int | None = element(BITS8, default=None, ns=CSIP_AUS, extension=True)
    # CSIP-AUS 1.3: bit 0 opModStorageTargetW.
    vppModesSupported: int | None = element(BITS8, default=None, ns=CSIP_AUS, extension=True)


@wire(SEP2)
class DERSettings(SubscribableResource):
    """Settings in force: modes enabled, limits, ramps and connection conditions."""

    modesEnabled: int | None = element(DER_CONTROL_MODES, default=None)
    setESDelay: int | None = element(UINT32, default=None, unit="0.01 s")
    setESHighFreq: int | None = element(UINT16, default=None, unit="0.01 Hz")
    setESHighVolt: int | None = element(INT16, default=None, unit="0.01 %")
    setESLowFreq: int | None = element(UINT16, default=None, unit="0.01 Hz")
    setESLowVolt: int | None = element(INT16, default=None, unit="0.01 %")
    setESRampTms: int | None = element(UINT32, default=None, unit="0.01 s")
    setESRandomDelay: int | None = element(UINT32, default=None, unit="0.01 s")
    setGradW: int = element(UINT16, unit="0.01 % of setMaxW per s")
    setMaxA: CurrentRMS | None = element(CurrentRMS, default=None)
    setMaxAh: AmpereHour | None = element(AmpereHour, default=None)
    setMaxChargeRateVA: ApparentPower | None = element(ApparentPower, default=None)
    setMaxChargeRateW: ActivePower | None = element(ActivePower, default=None)
    setMaxDischargeRateVA: ApparentPower | None = element(ApparentPower, default=None)
    setMaxDischargeRateW: ActivePower | None = element(ActivePower, default=None)
    setMaxV: VoltageRMS | None = element(VoltageRMS, default=None)
    setMaxVA: ApparentPower | None = element(ApparentPower, default=None)
    setMaxVar: ReactivePower | None = element(ReactivePower, default=None)
    setMaxVarNeg: ReactivePower | None = element(ReactivePower, default=None)
    setMaxW: ActivePower = element(ActivePower)
    setMaxWh: WattHour | None = element(WattHour, default=None)
    setMinPFOverExcited: PowerFactor | None = element(PowerFactor, default=None)
    setMinPFUnderExcited: PowerFactor | None = element(PowerFactor, default=None)
    setMinV: VoltageRMS | None = element(VoltageRMS, default=None)
    setSoftGradW: int | None = element(UINT16, default=None, unit="0.01 % of setMaxW per s")
    setVNom: VoltageRMS | None = element(VoltageRMS, default=None)
    setVRef: VoltageRMS | None = element(VoltageRMS, default=None)
    setVRefOfs: VoltageRMS | None = element(VoltageRMS, default=None)
    updatedTime: int = element(TIME)
    # CSIP-AUS: enums.DOEControlModes.
    doeModesEnabled: int | None = element(BITS8, default=None, ns=CSIP_AUS, extension=True)
    # CSIP-AUS 1.3: bit 0 opModStorageTargetW; energy that the storage keeps.
    vppModesEnabled: int | None = element(BITS8, default=None, ns=CSIP_AUS, extension=True)
    setMinWh: WattHour | None = element(WattHour, default=None, ns=CSIP_AUS, extension=True)


@wire(SEP2)
class ConnectStatusType(WireObject):
    """Connection bits (enums.ConnectStatus) since dateTime."""

    dateTime: int = element(TIME)
    value: int = element(BITS8)


@wire(SEP2)
class InverterStatusType(WireObject):
    """Inverter state (enums.InverterStatus) since dateTime."""

    dateTime: int = element(TIME)
    value: int = element(UINT8)


@wire(SEP2)
class LocalControlModeStatusType(WireObject):
    """0 local, 1 remote control since dateTime."""

    dateTime: int = element(TIME)
    value: int = element(UINT8)


@wire(SEP2)
class ManufacturerStatusType(WireObject):
    """The maker's own status word since dateTime."""

    dateTime: int = element(TIME)
    value: str = element(STRING6)


@wire(SEP2)
class OperationalModeStatusType(WireObject):
    """Operating state (enums.OperationalMode) since dateTime."""

    dateTime: int = element(TIME)
    value: int = element(UINT8)


@wire(SEP2)
class StateOfChargeStatusType(WireObject):
    """State of charge, 0.01 %, at dateTime."""

    dateTime: int = element(TIME)
    value: int = element(PERCENT, unit="0.01 %")


@wire(SEP2)
class StorageModeStatusType(WireObject):
    """0 charging, 1 discharging, 2 holding since dateTime."""

    dateTime: int = element(TIME)
    value: int = element(UINT8)


@wire(SEP2)
class DERStatus(SubscribableResource):
    """How a resource is doing: alarms (enums.DERAlarm), connection, modes and charge."""

    alarmStatus: int | None = element(BITS32, default=None)
    genConnectStatus: ConnectStatusType | None = element(ConnectStatusType, default=None)
    inverterStatus: InverterStatusType | None = element(InverterStatusType, default=None)
    localControlModeStatus: LocalControlModeStatusType | None = element(LocalControlModeStatusType, default=None)
    manufacturerStatus: ManufacturerStatusType | None = element(ManufacturerStatusType, default=None)
    operationalModeStatus: OperationalModeStatusType | None = element(OperationalModeStatusType, default=None)
    readingTime: int = element(TIME)
    stateOfChargeStatus: StateOfChargeStatusType | None = element(StateOfChargeStatusType, default=None)
    storageModeStatus: StorageModeStatusType | None = element(StorageModeStatusType, default=None)
    storConnectStatus: ConnectStatusType | None = element(ConnectStatusType, default=None)


@wire(SEP2)
class DERAvailability(SubscribableResource):
    """What a resource could give or take, and for how long."""

    availabilityDuration: int | None = element(UINT32, default=None, unit="s")
    maxChargeDuration: int | None = element(UINT32, default=None, unit="s")
    readingTime: int = element(TIME)
    reserveChargePercent: int | None = element(PERCENT, default=None, unit="0.01 %")
    reservePercent: int | None = element(PERCENT, default=None, unit="0.01 %")
    statVarAvail: ReactivePower | None = element(ReactivePower, default=None)
    statWAvail: ActivePower | None = element(ActivePower, default=None)
