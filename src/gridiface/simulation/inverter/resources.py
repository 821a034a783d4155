"""What the simulated inverter tells of itself, as 2030.5 resources. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from gridiface.domain.quantities import Rounding, to_power_of_ten
from gridiface.protocols.sep2.der_codes import (
    ConnectStatus,
    DERControlModes,
    DERType,
    InverterStatus,
    LocalControlMode,
    OperationalMode,
)
from gridiface.protocols.sep2.reading_codes import (
    AccumulationBehaviour,
    Commodity,
    DataQualifier,
    FlowDirection,
    Kind,
    Phase,
    RoleFlags,
    ServiceKind,
    Uom,
)
from gridiface.protocols.sep2.resources import (
    ActivePower,
    ApparentPower,
    ConnectStatusType,
    DefaultDERControl,
    DERAvailability,
    DERCapability,
    DERSettings,
    DERStatus,
    InverterStatusType,
    LocalControlModeStatusType,
    MirrorMeterReading,
    MirrorMeterReadingList,
    MirrorUsagePoint,
    OperationalModeStatusType,
    ReactivePower,
    Reading,
    ReadingType,
    StateOfChargeStatusType,
    WattHour,
)
from gridiface.simulation.inverter.config import InverterConfig
from gridiface.simulation.sunspec.physics import Measured

MODES = (
    DERControlModes.CHARGE
    | DERControlModes.DISCHARGE
    | DERControlModes.CONNECT
    | DERControlModes.ENERGIZE
    | DERControlModes.FIXED_W
    | DERControlModes.MAX_LIM_W
    | DERControlModes.TARGET_W
)

#: When it returns to service unless it is told otherwise, hundredths of a percent, of a hertz and of a second.
_ENTERS: Mapping[str, int] = {
    "setESDelay": 30_000,
    "setESHighFreq": 5_010,
    "setESHighVolt": 10_500,
    "setESLowFreq": 4_950,
    "setESLowVolt": 9_170,
    "setESRampTms": 0,
    "setESRandomDelay": 0,
}

#: Largest value of the unsigned 16-bit mantissa of VA and Wh.
_UINT16 = 65_535

#: (tail of the mRID, unit of measure, exponent, is it signed by direction)
_QUANTITIES = (
    ("W", Uom.WATT, 0, True),
    ("VAR", Uom.VAR, 0, True),
    ("V", Uom.VOLT, -1, False),
    ("HZ", Uom.HERTZ, -2, False),
)


def mrid(name: str, part: str) -> str:
    """A stable mRID of this inverter's own objects."""
    return hashlib.sha256(f"{name}/{part}".encode()).hexdigest()[:32].upper()


def watts(value: float) -> ActivePower:
    """A power in W, rounded towards zero so that a rating is never overstated."""
    mantissa, multiplier = to_power_of_ten(value, rounding=Rounding.TOWARD_ZERO)
    return ActivePower(multiplier=multiplier, value=mantissa)


def capability(config: InverterConfig) -> DERCapability:
    """The nameplate."""
    va, va_multiplier = to_power_of_ten(config.max_w, low=0, high=_UINT16)
    wh, wh_multiplier = to_power_of_ten(config.energy_wh, low=0, high=_UINT16)
    return DERCapability(
        modesSupported=MODES,
        rtgMaxW=watts(config.max_w),
        rtgMaxChargeRateW=watts(config.max_charge_w),
        rtgMaxDischargeRateW=watts(config.max_w),
        rtgMaxVA=ApparentPower(multiplier=va_multiplier, value=va),
        rtgMaxWh=WattHour(multiplier=wh_multiplier, value=wh),
        type=DERType.PHOTOVOLTAIC_AND_STORAGE,
    )


def entering(defaults: Iterable[DefaultDERControl]) -> dict[str, int]:
    """When to return to service, by element: of the defaults, the strongest first, each setting that is stated."""
    found: dict[str, int] = {}
    for default in defaults:
        told = {name: getattr(default, name) for name in _ENTERS if getattr(default, name) is not None}
        found = told | found
    return found


def settings(config: InverterConfig, time: float, entering: Mapping[str, int]) -> DERSettings:
    """What the nameplate is set to: all of it, at its full ramp; `entering`: when it returns to service."""
    per_second = min(65_535, round(config.ramp_w_per_s / config.max_w * 10_000))
    told = DERSettings(
        modesEnabled=MODES,
        setGradW=per_second,
        setMaxW=watts(config.max_w),
        setMaxChargeRateW=watts(config.max_charge_w),
        setMaxDischargeRateW=watts(config.max_w),
        updatedTime=int(time),
    )
    for name, value in {**_ENTERS, **entering}.items():
        setattr(told, name, value)
    return told


def status(measured: Measured, *, connected: bool, time: float) -> DERStatus:
    """How it is."""
    at = int(time)
    bits = ConnectStatus.AVAILABLE
    if connected:
        bits |= ConnectStatus.CONNECTED | ConnectStatus.OPERATING
    soc = None
    if measured.soc is not None:
        soc = StateOfChargeStatusType(dateTime=at, value=round(measured.soc * 10_000))
    return DERStatus(
        genConnectStatus=ConnectStatusType(dateTime=at, value=bits),
        inverterStatus=InverterStatusType(
            dateTime=at, value=InverterStatus.TRACKING if connected else InverterStatus.STANDBY
        ),
        localControlModeStatus=LocalControlModeStatusType(dateTime=at, value=LocalControlMode.REMOTE),
        operationalModeStatus=OperationalModeStatusType(dateTime=at, value=OperationalMode.OPERATIONAL),
        readingTime=at,
        stateOfChargeStatus=soc,
        storConnectStatus=ConnectStatusType(dateTime=at, value=bits),
    )


def availability(config: InverterConfig, measured: Measured, time: float) -> DERAvailability:
    """What it could give, and for how long."""
    stored = (measured.soc or 0.0) * config.energy_wh
    room = (1.0 - (measured.soc or 0.0)) * config.energy_wh
    charge_s = room / config.max_charge_w * 3600 if config.max_charge_w else 0.0
    return DERAvailability(
        availabilityDuration=int(stored / config.max_w * 3600),
        maxChargeDuration=int(charge_s),
        readingTime=int(time),
        statVarAvail=ReactivePower(multiplier=0, value=0),
        statWAvail=watts(config.max_w if stored > 0 else 0.0),
    )


def mirror(name: str, lfdi: str) -> MirrorUsagePoint:
    """The mirror with its four quantities (real and reactive power, voltage, frequency)."""
    return MirrorUsagePoint(
        mRID=mrid(name, "mirror"),
        description=name,
        roleFlags=RoleFlags.IS_MIRROR | RoleFlags.IS_DER | RoleFlags.IS_SUBMETER,
        serviceCategoryKind=ServiceKind.ELECTRICITY,
        status=1,
        deviceLFDI=lfdi,
        mirrorMeterReading=[_quantity(name, *row) for row in _QUANTITIES],
    )


def _quantity(name: str, part: str, uom: int, exponent: int, signed: bool) -> MirrorMeterReading:
    return MirrorMeterReading(
        mRID=mrid(name, part),
        description=part,
        readingType=ReadingType(
            accumulationBehaviour=AccumulationBehaviour.INSTANTANEOUS,
            commodity=Commodity.ELECTRICITY_SECONDARY,
            dataQualifier=DataQualifier.NOT_APPLICABLE,
            flowDirection=FlowDirection.REVERSE if signed else FlowDirection.NOT_APPLICABLE,
            kind=Kind.POWER,
            phase=Phase.NOT_APPLICABLE,
            powerOfTenMultiplier=exponent,
            uom=uom,
        ),
    )


def readings(name: str, measured: Measured) -> MirrorMeterReadingList:
    """The present values of the four quantities."""
    values = {"W": measured.w, "VAR": measured.var, "V": measured.volts, "HZ": measured.hz}
    members = [
        MirrorMeterReading(mRID=mrid(name, part), reading=Reading(value=round(values[part] / 10**exponent)))
        for part, _, exponent, _ in _QUANTITIES
    ]
    return MirrorMeterReadingList(all=len(members), results=len(members), members=members)
