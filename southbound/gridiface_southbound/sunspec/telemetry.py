"""What SunSpec blocks say: nameplate, settings, kind and snapshot in the domain's words. Pure.

Signs: 701 and 101-113 count generation positive as the domain does; charge and discharge rates are magnitudes.
SoC percentages become 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import GENERATING, Capability, DeviceKind, Nameplate, Settings
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec.functions import Blocks, Ratings
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.supervision import is_local

INVERTER_MODELS = (103, 113, 102, 112, 101, 111)

_STATES_701 = {
    "OFF": OperatingState.OFF,
    "SLEEPING": OperatingState.STANDBY,
    "STARTING": OperatingState.STARTING,
    "RUNNING": OperatingState.RUNNING,
    "THROTTLED": OperatingState.THROTTLED,
    "SHUTTING_DOWN": OperatingState.SHUTTING_DOWN,
    "FAULT": OperatingState.FAULT,
    "STANDBY": OperatingState.STANDBY,
}
_STATES_10X = {**_STATES_701, "MPPT": OperatingState.RUNNING}
_VOLTS_701 = {
    Phase.AN: "VL1",
    Phase.BN: "VL2",
    Phase.CN: "VL3",
    Phase.AB: "VL1L2",
    Phase.BC: "VL2L3",
    Phase.CA: "VL3L1",
}
_VOLTS_10X = {
    Phase.AN: "PhVphA",
    Phase.BN: "PhVphB",
    Phase.CN: "PhVphC",
    Phase.AB: "PPVphAB",
    Phase.BC: "PPVphBC",
    Phase.CA: "PPVphCA",
}
_PHASES = (Phase.A, Phase.B, Phase.C)
_AMPS_701 = dict(zip(_PHASES, ("AL1", "AL2", "AL3"), strict=True))
_AMPS_10X = dict(zip(_PHASES, ("AphA", "AphB", "AphC"), strict=True))
_WATTS_701 = dict(zip(_PHASES, ("WL1", "WL2", "WL3"), strict=True))
_VARS_701 = dict(zip(_PHASES, ("VarL1", "VarL2", "VarL3"), strict=True))
#: What the models of a battery tell, each where it tells anything.
_STORAGE = {
    713: ("WHRtg", "WHAvail", "SoC", "SoH", "Sta"),
    124: ("WChaMax", "MinRsvPct", "ChaState", "StorAval", "ChaSt"),
    802: ("AHRtg", "WHRtg", "WChaRteMax", "SoC", "W"),
}
_DER_KINDS = {4: DeviceKind.PV, 82: DeviceKind.PV_BATTERY}


def _value(blocks: Blocks, *places: tuple[int, str]) -> float | None:
    """The first of the points that is implemented."""
    for model_id, name in places:
        block = blocks.get(model_id)
        if block is not None and (value := block.value(name)) is not None:
            return value
    return None


def _magnitude(blocks: Blocks, *places: tuple[int, str]) -> float | None:
    value = _value(blocks, *places)
    return None if value is None else abs(value)


def _category(blocks: Blocks, name: str) -> int | None:
    """A performance category of IEEE 1547: SunSpec counts from 0, the domain from 1."""
    number = blocks[702].raw(name) if 702 in blocks else None
    return None if number is None else int(number) + 1


def nameplate(blocks: Blocks, capabilities: frozenset[Capability], *, rating_w: float | None = None) -> Nameplate:
    """The nameplate from 702, else 120, with energy from 713 or 802 and names from model 1.

    Raises:
        DeviceRejected: no rating in the device and none given.
    """
    max_w = _value(blocks, (702, "WMaxRtg"), (120, "WRtg"), (702, "WMax"), (121, "WMax")) or rating_w
    if not max_w:
        raise DeviceRejected("the device tells no rated power (702 WMaxRtg, 120 WRtg): set rating_w")
    charge = _value(blocks, (702, "WChaRteMaxRtg"), (120, "MaxChaRte"), (802, "WChaRteMax"), (124, "WChaMax"))
    common = blocks.get(1)
    return Nameplate(
        max_w=max_w,
        max_charge_w=charge or 0.0,
        # 0 is told by inverters without a battery, and bounds nothing.
        max_discharge_w=_value(blocks, (702, "WDisChaRteMaxRtg"), (120, "MaxDisChaRte"), (802, "WDisChaRteMax"))
        or None,
        max_va=_value(blocks, (702, "VAMaxRtg"), (120, "VARtg")),
        max_var=_magnitude(blocks, (702, "VarMaxInjRtg"), (120, "VArRtgQ1")),
        max_var_neg=_magnitude(blocks, (702, "VarMaxAbsRtg"), (120, "VArRtgQ4")),
        energy_wh=_value(blocks, (713, "WHRtg"), (802, "WHRtg"), (120, "WHRtg")),
        nominal_v=_value(blocks, (702, "VNomRtg"), (702, "VNom"), (121, "VRef")),
        min_v=_value(blocks, (702, "VMinRtg")),
        max_v=_value(blocks, (702, "VMaxRtg")),
        max_a=_value(blocks, (702, "AMaxRtg"), (120, "ARtg")),
        max_charge_va=_value(blocks, (702, "VAChaRteMaxRtg")),
        over_excited_w=_value(blocks, (702, "WOvrExtRtg")),
        over_excited_pf=_magnitude(blocks, (702, "WOvrExtRtgPF")),
        under_excited_w=_value(blocks, (702, "WUndExtRtg")),
        under_excited_pf=_magnitude(blocks, (702, "WUndExtRtgPF")),
        susceptance_s=_value(blocks, (702, "ReactSusceptRtg")),
        normal_category=_category(blocks, "NorOpCatRtg"),
        abnormal_category=_category(blocks, "AbnOpCatRtg"),
        capabilities=capabilities,
        manufacturer=common.text("Mn") if common else "",
        model=common.text("Md") if common else "",
        serial=common.text("SN") if common else "",
        version=common.text("Vr") if common else "",
    )


def settings(blocks: Blocks, *, now: Instant) -> Settings:
    """The settings from 702, else 121 and 124, with the SoC window from 802 or 124's reserve."""
    max_w = _value(blocks, (702, "WMax"), (121, "WMax"))
    gradient = _value(blocks, (704, "WRmp"), (121, "WGra"))
    reserve = _value(blocks, (802, "SoCRsvMin"), (802, "SoCMin"), (124, "MinRsvPct"))
    top = _value(blocks, (802, "SocRsvMax"), (802, "SoCMax"))
    return Settings(
        max_w=max_w,
        max_charge_w=_value(blocks, (702, "WChaRteMax"), (124, "WChaMax")),
        max_discharge_w=_value(blocks, (702, "WDisChaRteMax"))
        if _value(blocks, (702, "WDisChaRteMaxRtg")) != 0
        else None,
        max_va=_value(blocks, (702, "VAMax"), (121, "VAMax")),
        max_charge_va=_value(blocks, (702, "VAChaRteMax")),
        max_var=_magnitude(blocks, (702, "VarMaxInj"), (121, "VArMaxQ1")),
        max_var_neg=_magnitude(blocks, (702, "VarMaxAbs"), (121, "VArMaxQ4")),
        min_v=_value(blocks, (702, "VMin"), (121, "VMin")),
        max_v=_value(blocks, (702, "VMax"), (121, "VMax")),
        ramp_w_per_s=gradient * max_w / 100.0 if gradient and max_w else None,
        soc_min=min(1.0, reserve / 100.0) if reserve is not None else 0.0,
        soc_max=min(1.0, top / 100.0) if top is not None else 1.0,
        enter_v_high=_value(blocks, (703, "ESVHi")),
        enter_v_low=_value(blocks, (703, "ESVLo")),
        enter_hz_high=_value(blocks, (703, "ESHzHi")),
        enter_hz_low=_value(blocks, (703, "ESHzLo")),
        enter_delay_s=_value(blocks, (703, "ESDlyTms")),
        enter_random_s=_value(blocks, (703, "ESRndTms")),
        enter_ramp_s=_value(blocks, (703, "ESRmpTms")),
        updated=now,
    )


def ratings(plate: Nameplate, setting: Settings, kind: DeviceKind = DeviceKind.OTHER) -> Ratings:
    """The 100 % of the percentages: the setting where there is one, never above the nameplate.

    Beside generation a rate of discharge is that of the storage alone and bounds nothing.
    """

    def least(rated: float | None, held: float | None) -> float:
        known = [value for value in (rated, held) if value is not None]
        return min(known) if known else 0.0

    return Ratings(
        max_w=least(plate.max_w, setting.max_w),
        max_charge_w=least(plate.max_charge_w, setting.max_charge_w),
        max_discharge_w=0.0 if kind in GENERATING else least(plate.max_discharge_w, setting.max_discharge_w),
        max_var=least(plate.max_var, setting.max_var),
        max_var_neg=least(plate.max_var_neg, setting.max_var_neg),
    )


def kind_of(blocks: Blocks) -> DeviceKind:
    """What the device is: 120 says it, else a storage model or a charge rate does."""
    der_type = blocks[120].raw("DERTyp") if 120 in blocks else None
    # Inverters without a battery have the models all the same, with nothing in them.
    stores = any(
        m in blocks and any(blocks[m].raw(name) is not None for name in names) for m, names in _STORAGE.items()
    )
    if der_type in _DER_KINDS and not (stores and der_type == 4):
        return _DER_KINDS[int(der_type)]
    charge = _value(blocks, (702, "WChaRteMaxRtg"), (120, "MaxChaRte"))
    return DeviceKind.BATTERY if stores or charge else DeviceKind.PV


def _by_phase(block: Block, names: Mapping[Phase, str]) -> dict[Phase, float]:
    return {phase: value for phase, name in names.items() if (value := block.value(name)) is not None}


def _volts(block: Block, names: Mapping[Phase, str]) -> dict[Phase, float]:
    found = _by_phase(block, names)
    if not found and (value := block.value("LNV")) is not None:
        found[Phase.AN] = value
    return found


def _state(blocks: Blocks) -> OperatingState:
    if 701 in blocks:
        word = blocks[701].symbol("InvSt") or ("RUNNING" if blocks[701].symbol("St") == "ON" else "")
        if not word and blocks[701].symbol("St") == "OFF":
            word = "OFF"
        return _STATES_701.get(word, OperatingState.UNKNOWN)
    for model_id in INVERTER_MODELS:
        if model_id in blocks:
            return _STATES_10X.get(blocks[model_id].symbol("St") or "", OperatingState.UNKNOWN)
    return OperatingState.UNKNOWN


def _connected(blocks: Blocks) -> bool | None:
    if 701 in blocks and (state := blocks[701].raw("ConnSt")) is not None:
        return bool(state == 1)
    if 122 in blocks and (bits := blocks[122].raw("ECPConn")) is not None:
        return bool(int(bits) & 1)
    if 123 in blocks and (state := blocks[123].raw("Conn")) is not None:
        return bool(state == 1)
    return None


def _alarms(blocks: Blocks) -> frozenset[str]:
    names = blocks[701].bits("Alrm") if 701 in blocks else frozenset()
    for model_id in (*INVERTER_MODELS, 802):
        if model_id in blocks:
            names |= blocks[model_id].bits("Evt1")
    return names


def _room(blocks: Blocks, limits: Ratings, watts: float | None, soc: float | None) -> tuple[float | None, float | None]:
    """(W upwards, W downwards) from the present power, by ratings, state of charge and, for PV, 122 WAval."""
    if watts is None:
        return None, None
    top = limits.max_discharge_w or limits.max_w
    if soc is None:
        available = _value(blocks, (122, "WAval"))
        up = None if available is None else max(0.0, min(top, available) - watts)
        return up, max(0.0, watts + limits.max_charge_w)
    top = 0.0 if soc <= 0.0 else top
    bottom = 0.0 if soc >= 1.0 else -limits.max_charge_w
    return max(0.0, top - watts), max(0.0, watts - bottom)


def snapshot(device_id: str, blocks: Blocks, limits: Ratings, energy_wh: float | None, *, now: Instant) -> Snapshot:
    """All that the blocks say. SunSpec carries no time of measurement: `now`, when they were read, is both times."""
    measured = next((blocks[m] for m in (701, *INVERTER_MODELS) if m in blocks), None)
    newer = measured is not None and measured.model.id == 701
    percent = _value(blocks, (713, "SoC"), (802, "SoC"), (124, "ChaState"))
    soc = None if percent is None else max(0.0, min(1.0, percent / 100.0))
    watts = measured.value("W") if measured else None
    up, down = _room(blocks, limits, watts, soc)
    available = _value(blocks, (713, "WHAvail"))
    if available is None and soc is not None and energy_wh is not None:
        available = soc * energy_wh
    return Snapshot(
        device_id=device_id,
        source_time=now,
        received=now,
        w=watts,
        var=measured.value("Var" if newer else "VAr") if measured else None,
        va=measured.value("VA") if measured else None,
        hz=measured.value("Hz") if measured else None,
        volts=_volts(measured, _VOLTS_701 if newer else _VOLTS_10X) if measured else {},
        amps=_by_phase(measured, _AMPS_701 if newer else _AMPS_10X) if measured else {},
        phase_w=_by_phase(measured, _WATTS_701) if measured and newer else {},
        phase_var=_by_phase(measured, _VARS_701) if measured and newer else {},
        soc=soc,
        available_wh=available,
        available_up_w=up,
        available_down_w=down,
        connected=_connected(blocks),
        state=_state(blocks),
        local_control=is_local(blocks),
        alarms=_alarms(blocks),
    )
