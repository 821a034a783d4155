"""DERCapability and DERSettings <-> Nameplate and Settings, and the sums that a group shows. Pure.

Wire: setMaxVarNeg and rtgMaxVarNeg are negative; rates of charge and discharge are magnitudes. Domain: magnitudes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gridiface.domain.fleet import (
    CURVE_CAPABILITIES,
    TRIP_CAPABILITIES,
    Capability,
    Device,
    DeviceKind,
    Nameplate,
    Settings,
)
from gridiface.domain.quantities import Rounding, from_hundredths_percent, round_to_int, to_hundredths_percent
from gridiface.northbound.sep2.translate.rates import charge_rate, discharge_rate, held_discharge, magnitude
from gridiface.northbound.sep2.translate.scaling import (
    clamp,
    optional_unsigned,
    optional_watts,
    pf_size,
    si,
    signed,
    watts,
    wire_pf_size,
)
from gridiface.protocols.sep2.enums import DERControlModes, DERType, DeviceCategory, DOEControlModes
from gridiface.protocols.sep2.resources import (
    ApparentPower,
    CurrentRMS,
    DERCapability,
    DERSettings,
    ReactivePower,
    ReactiveSusceptance,
    VoltageRMS,
    WattHour,
)

_Bits = DERControlModes
_INT16, _UINT16, _UINT32 = 0x7FFF, 0xFFFF, 0xFFFF_FFFF

#: Modes by the control that a device can carry out.
CAPABILITY_MODES: Mapping[Capability, DERControlModes] = {
    Capability.SET_W: _Bits.FIXED_W | _Bits.TARGET_W,
    Capability.LIMIT_W: _Bits.MAX_LIM_W,
    Capability.SET_VAR: _Bits.FIXED_VAR | _Bits.TARGET_VAR,
    Capability.POWER_FACTOR: _Bits.FIXED_PF_ABSORB_W | _Bits.FIXED_PF_INJECT_W,
    Capability.CONNECT: _Bits.CONNECT,
    Capability.ENERGIZE: _Bits.ENERGIZE,
    Capability.VOLT_VAR: _Bits.VOLT_VAR,
    Capability.VOLT_WATT: _Bits.VOLT_WATT,
    Capability.WATT_VAR: _Bits.WATT_VAR,
    Capability.WATT_PF: _Bits.WATT_PF,
    Capability.FREQ_WATT: _Bits.FREQ_WATT,
    Capability.LOW_VOLTAGE_TRIP: _Bits.LVRT_MUST_TRIP,
    Capability.LOW_VOLTAGE_MAY_TRIP: _Bits.LVRT_MAY_TRIP,
    Capability.LOW_VOLTAGE_CESSATION: _Bits.LVRT_MOMENTARY_CESSATION,
    Capability.HIGH_VOLTAGE_TRIP: _Bits.HVRT_MUST_TRIP,
    Capability.HIGH_VOLTAGE_MAY_TRIP: _Bits.HVRT_MAY_TRIP,
    Capability.HIGH_VOLTAGE_CESSATION: _Bits.HVRT_MOMENTARY_CESSATION,
    Capability.LOW_FREQUENCY_TRIP: _Bits.LFRT_MUST_TRIP,
    Capability.LOW_FREQUENCY_MAY_TRIP: _Bits.LFRT_MAY_TRIP,
    Capability.HIGH_FREQUENCY_TRIP: _Bits.HFRT_MUST_TRIP,
    Capability.HIGH_FREQUENCY_MAY_TRIP: _Bits.HFRT_MAY_TRIP,
    Capability.FREQUENCY_DROOP: _Bits.FREQ_DROOP,
}

#: What the program of a group's total offers, whoever its members are.
GROUP_MODES = _Bits.CONNECT | _Bits.ENERGIZE | _Bits.FIXED_W | _Bits.MAX_LIM_W | _Bits.TARGET_W

DER_TYPES: Mapping[DeviceKind, DERType] = {
    DeviceKind.BATTERY: DERType.OTHER_STORAGE,
    DeviceKind.MODE_BATTERY: DERType.OTHER_STORAGE,
    DeviceKind.PV: DERType.PHOTOVOLTAIC,
    DeviceKind.PV_BATTERY: DERType.PHOTOVOLTAIC_AND_STORAGE,
    DeviceKind.EV: DERType.ELECTRIC_VEHICLE,
    DeviceKind.EVSE: DERType.EVSE,
    DeviceKind.GENERATOR: DERType.OTHER_GENERATION,
    DeviceKind.LOAD: DERType.UNKNOWN,
    DeviceKind.METER: DERType.UNKNOWN,
    DeviceKind.OTHER: DERType.UNKNOWN,
}
CATEGORIES: Mapping[DeviceKind, DeviceCategory] = {
    DeviceKind.BATTERY: DeviceCategory.OTHER_STORAGE,
    DeviceKind.MODE_BATTERY: DeviceCategory.OTHER_STORAGE,
    DeviceKind.PV: DeviceCategory.PHOTOVOLTAIC,
    DeviceKind.PV_BATTERY: DeviceCategory.PHOTOVOLTAIC_AND_STORAGE,
    DeviceKind.EV: DeviceCategory.ELECTRIC_VEHICLE,
    DeviceKind.EVSE: DeviceCategory.EVSE,
    DeviceKind.GENERATOR: DeviceCategory.OTHER_GENERATION,
    DeviceKind.LOAD: DeviceCategory.COMMERCIAL_INDUSTRIAL_LOAD,
    DeviceKind.METER: DeviceCategory.SMART_ENERGY_MODULE,
    DeviceKind.OTHER: DeviceCategory.SMART_ENERGY_MODULE,
}

_STORAGE = frozenset({DeviceKind.BATTERY, DeviceKind.MODE_BATTERY, DeviceKind.PV_BATTERY, DeviceKind.EV})


def stores_energy(device: Device) -> bool:
    """Whether a positive percentage counts against the discharge rate."""
    return device.kind in _STORAGE


def can_enter(devices: Sequence[Device]) -> bool:
    """Whether somebody among these can be told when to return to service; of nobody it is not known."""
    return not devices or any(Capability.ENTER_SERVICE in device.nameplate.capabilities for device in devices)


def modes_of(capabilities: Iterable[Capability], *, charges: bool) -> int:
    """The modesSupported bit map of what a device can do."""
    given = frozenset(capabilities)
    if Capability.CURVES in given:  # the trip settings are claimed only by those who name them
        given |= CURVE_CAPABILITIES - TRIP_CAPABILITIES
    modes = DERControlModes(0)
    for capability in given:
        modes |= CAPABILITY_MODES.get(capability, DERControlModes(0))
    if Capability.SET_W in given:
        modes |= _Bits.DISCHARGE | (_Bits.CHARGE if charges else DERControlModes(0))
    return int(modes)


def told_modes(modes: int) -> int:
    """The modes that a device with this bit map is told power by.

    Charge and discharge mode have bits and no element: a device that claims them and no mode for power besides (clients
    that pass on SunSpec's CtrlModes do) is told by opModFixedW and opModMaxLimW all the same.
    """
    if modes & (_Bits.CHARGE | _Bits.DISCHARGE) and not modes & (_Bits.FIXED_W | _Bits.TARGET_W | _Bits.MAX_LIM_W):
        return int(modes | _Bits.FIXED_W | _Bits.MAX_LIM_W)
    return modes


def capabilities_of(modes: int) -> frozenset[Capability]:
    """What a device with this modesSupported can do: a control counts when one of its modes is there."""
    modes = told_modes(modes)
    return frozenset(c for c, wanted in CAPABILITY_MODES.items() if modes & wanted)


def limits_generation(capability: DERCapability, settings: DERSettings | None = None) -> bool:
    """Whether a client of CSIP-AUS keeps opModGenLimW: supported and, where it said so, enabled."""
    limits = capability.doeModesSupported or 0
    if settings is not None and settings.doeModesEnabled is not None:
        limits &= settings.doeModesEnabled
    return bool(limits & DOEControlModes.GEN_LIM_W)


def capability_to_nameplate(
    wire: DERCapability, known: Nameplate | None = None, *, csip_aus: bool = False
) -> Nameplate:
    """The nameplate that a DERCapability states.

    Args:
        wire: what was posted.
        known: maker and model stay as they are here.
        csip_aus: the profile is on: a limit of generation that the client names is a ceiling that it can be told.
    """
    base = known or Nameplate(max_w=0.0)
    able = capabilities_of(wire.modesSupported)
    if csip_aus and limits_generation(wire):
        able |= {Capability.LIMIT_W}
    var_neg = si(wire.rtgMaxVarNeg)
    return replace(
        base,
        max_w=abs(si(wire.rtgMaxW) or 0.0),
        max_charge_w=charge_rate(wire),
        max_discharge_w=discharge_rate(wire),
        max_va=si(wire.rtgMaxVA),
        max_var=magnitude(si(wire.rtgMaxVar)),
        max_var_neg=magnitude(var_neg),
        energy_wh=si(wire.rtgMaxWh),
        nominal_v=si(wire.rtgVNom),
        min_v=si(wire.rtgMinV),
        max_v=si(wire.rtgMaxV),
        max_a=si(wire.rtgMaxA),
        max_charge_va=si(wire.rtgMaxChargeRateVA),
        over_excited_w=magnitude(si(wire.rtgOverExcitedW)),
        over_excited_pf=pf_size(wire.rtgOverExcitedPF),
        under_excited_w=magnitude(si(wire.rtgUnderExcitedW)),
        under_excited_pf=pf_size(wire.rtgUnderExcitedPF),
        susceptance_s=si(wire.rtgReactiveSusceptance),
        # 0 says that no category is specified
        normal_category=wire.rtgNormalCategory or None,
        abnormal_category=wire.rtgAbnormalCategory or None,
        # DefaultDERControl has it for every client, and no bit says who obeys; DERSettings shows who did
        capabilities=able | {Capability.ENTER_SERVICE},
    )


def settings_from_wire(
    wire: DERSettings, known: Settings | None = None, kind: DeviceKind = DeviceKind.OTHER
) -> Settings:
    """The settings that a DERSettings states; the SoC window, which it does not carry, stays as known.

    Args:
        wire: what was posted.
        known: what was known before.
        kind: of the device; beside generation, setMaxDischargeRateW bounds the storage alone.
    """
    base = known or Settings()
    max_w = abs(si(wire.setMaxW) or 0.0)
    return replace(
        base,
        max_w=max_w,
        max_charge_w=magnitude(si(wire.setMaxChargeRateW)),
        max_discharge_w=held_discharge(wire, kind),
        max_va=si(wire.setMaxVA),
        max_charge_va=si(wire.setMaxChargeRateVA),
        min_v=si(wire.setMinV),
        max_v=si(wire.setMaxV),
        max_var=magnitude(si(wire.setMaxVar)),
        max_var_neg=magnitude(si(wire.setMaxVarNeg)),
        ramp_w_per_s=from_hundredths_percent(wire.setGradW, max_w) if wire.setGradW else None,
        enter_v_high=_from_hundredths(wire.setESHighVolt),
        enter_v_low=_from_hundredths(wire.setESLowVolt),
        enter_hz_high=_from_hundredths(wire.setESHighFreq),
        enter_hz_low=_from_hundredths(wire.setESLowFreq),
        enter_delay_s=_from_hundredths(wire.setESDelay),
        enter_random_s=_from_hundredths(wire.setESRandomDelay),
        enter_ramp_s=_from_hundredths(wire.setESRampTms),
        updated=float(wire.updatedTime),
    )


def nameplate_to_capability(device: Device) -> DERCapability:
    """DERCapability of a device that does not speak IEEE 2030.5 itself."""
    return _capability(
        device.nameplate,
        modes_of(device.nameplate.capabilities, charges=device.nameplate.max_charge_w > 0),
        DER_TYPES[device.kind],
    )


def device_to_settings(device: Device, changed: float) -> DERSettings:
    """DERSettings of a device that does not speak IEEE 2030.5 itself; unset values are those of the nameplate.

    Args:
        device: whose settings.
        changed: updatedTime where the device does not tell, s since 1970.
    """
    n, s = device.nameplate, device.settings
    full = replace(
        s,
        max_w=s.max_w if s.max_w is not None else n.max_w,
        max_charge_w=s.max_charge_w if s.max_charge_w is not None else n.max_charge_w,
        max_discharge_w=s.max_discharge_w if s.max_discharge_w is not None else n.max_discharge_w,
        max_va=s.max_va if s.max_va is not None else n.max_va,
        max_charge_va=s.max_charge_va if s.max_charge_va is not None else n.max_charge_va,
        min_v=s.min_v if s.min_v is not None else n.min_v,
        max_v=s.max_v if s.max_v is not None else n.max_v,
        max_var=s.max_var if s.max_var is not None else n.max_var,
        max_var_neg=s.max_var_neg if s.max_var_neg is not None else n.max_var_neg,
        updated=s.updated if s.updated is not None else changed,
    )
    modes = modes_of(n.capabilities, charges=n.max_charge_w > 0)
    return _settings(full, modes, n.energy_wh)


def group_capability(members: Sequence[Device]) -> DERCapability:
    """DERCapability of a group as one virtual DER: the members' sums, and what the group or any member can be told."""
    return _capability(_sum_of_nameplates(members), _group_modes(members), DERType.VIRTUAL_OR_MIXED)


def group_settings(members: Sequence[Device], changed: float) -> DERSettings:
    """DERSettings of a group as one virtual DER: the sums of what its members may do.

    Args:
        members: all devices below the group.
        changed: updatedTime, s since 1970.
    """
    ramps = [d.settings.ramp_w_per_s for d in members if d.settings.ramp_w_per_s is not None]
    total = Settings(
        max_w=sum(d.max_export_w for d in members),
        max_charge_w=sum(d.max_import_w for d in members),
        max_discharge_w=sum(d.max_export_w for d in members if stores_energy(d)),
        max_var=_sum(d.nameplate.max_var for d in members),
        max_var_neg=_sum(d.nameplate.max_var_neg for d in members),
        max_va=_sum(d.nameplate.max_va for d in members),
        ramp_w_per_s=sum(ramps) if len(ramps) == len(members) and ramps else None,
        updated=changed,
    )
    return _settings(total, _group_modes(members), _sum(d.nameplate.energy_wh for d in members))


def _group_modes(members: Sequence[Device]) -> int:
    """What a group's total can be told, and besides what any member can: it is handed on to those who can."""
    charges = any(d.nameplate.max_charge_w > 0 for d in members)
    theirs = frozenset().union(*(d.nameplate.capabilities for d in members))
    total = GROUP_MODES | _Bits.DISCHARGE | (_Bits.CHARGE if charges else DERControlModes(0))
    return int(total) | modes_of(theirs, charges=charges)


def _sum_of_nameplates(members: Sequence[Device]) -> Nameplate:
    plates = [d.nameplate for d in members]
    return Nameplate(
        max_w=sum(p.max_w for p in plates),
        max_charge_w=sum(p.max_charge_w for p in plates),
        max_discharge_w=_sum(p.max_discharge_w for p in plates),
        max_va=_sum(p.max_va for p in plates),
        max_var=_sum(p.max_var for p in plates),
        max_var_neg=_sum(p.max_var_neg for p in plates),
        energy_wh=_sum(p.energy_wh for p in plates),
    )


def _capability(plate: Nameplate, modes: int, der_type: int) -> DERCapability:
    return DERCapability(
        modesSupported=modes,
        rtgAbnormalCategory=plate.abnormal_category,
        rtgMaxA=optional_unsigned(CurrentRMS, plate.max_a, finest=-1),
        rtgMaxChargeRateVA=optional_unsigned(ApparentPower, plate.max_charge_va),
        rtgMaxChargeRateW=watts(plate.max_charge_w) if plate.max_charge_w else None,
        rtgMaxDischargeRateW=optional_watts(plate.max_discharge_w),
        rtgMaxV=optional_unsigned(VoltageRMS, plate.max_v, finest=-1),
        rtgMaxVA=optional_unsigned(ApparentPower, plate.max_va),
        rtgMaxVar=None if plate.max_var is None else signed(ReactivePower, plate.max_var),
        rtgMaxVarNeg=None if plate.max_var_neg is None else signed(ReactivePower, -plate.max_var_neg),
        rtgMaxW=watts(plate.max_w),
        rtgMaxWh=optional_unsigned(WattHour, plate.energy_wh),
        rtgMinV=optional_unsigned(VoltageRMS, plate.min_v, finest=-1),
        rtgNormalCategory=plate.normal_category,
        rtgOverExcitedPF=wire_pf_size(plate.over_excited_pf),
        rtgOverExcitedW=optional_watts(plate.over_excited_w),
        rtgReactiveSusceptance=optional_unsigned(ReactiveSusceptance, plate.susceptance_s, finest=-3),
        rtgUnderExcitedPF=wire_pf_size(plate.under_excited_pf),
        rtgUnderExcitedW=optional_watts(plate.under_excited_w),
        rtgVNom=optional_unsigned(VoltageRMS, plate.nominal_v, finest=-1),
        type=der_type,
    )


def _settings(s: Settings, modes: int, energy_wh: float | None) -> DERSettings:
    max_w = s.max_w or 0.0
    ramp = 0 if s.ramp_w_per_s is None else to_hundredths_percent(s.ramp_w_per_s, max_w, Rounding.CEILING)
    return DERSettings(
        modesEnabled=modes,
        setESDelay=_hundredths(s.enter_delay_s, _UINT32),
        setESHighFreq=_hundredths(s.enter_hz_high, _UINT16),
        setESHighVolt=_hundredths(s.enter_v_high, _INT16),
        setESLowFreq=_hundredths(s.enter_hz_low, _UINT16),
        setESLowVolt=_hundredths(s.enter_v_low, _INT16),
        setESRampTms=_hundredths(s.enter_ramp_s, _UINT32),
        setESRandomDelay=_hundredths(s.enter_random_s, _UINT32),
        setGradW=clamp(ramp, 0, _UINT16),
        setMaxChargeRateVA=optional_unsigned(ApparentPower, s.max_charge_va),
        setMaxChargeRateW=watts(s.max_charge_w) if s.max_charge_w else None,
        setMaxDischargeRateW=watts(s.max_discharge_w) if s.max_discharge_w else None,
        setMaxV=optional_unsigned(VoltageRMS, s.max_v, finest=-1),
        setMaxVA=optional_unsigned(ApparentPower, s.max_va),
        setMaxVar=signed(ReactivePower, s.max_var) if s.max_var else None,
        setMaxVarNeg=signed(ReactivePower, -s.max_var_neg) if s.max_var_neg else None,
        setMaxW=watts(max_w),
        setMaxWh=optional_unsigned(WattHour, energy_wh),
        setMinV=optional_unsigned(VoltageRMS, s.min_v, finest=-1),
        updatedTime=round_to_int(s.updated or 0.0, Rounding.FLOOR),
    )


def _from_hundredths(value: int | None) -> float | None:
    return None if value is None else value / 100


def _hundredths(value: float | None, most: int) -> int | None:
    """Percent, Hz or s in hundredths, as conditions for entering service are told; at most what the type holds."""
    return None if value is None else clamp(round_to_int(100 * value), 0, most)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
