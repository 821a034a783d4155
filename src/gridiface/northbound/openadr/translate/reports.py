"""Telemetry both ways: snapshots -> values of our reports, and reports of VENs below us -> readings. Pure.

SIGN. A report of usage speaks of load: + is consumption, so powers and energies change sign, unless the program's
configuration says that + is delivered. Quality words go both ways by the two tables here.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import OperatingState, Quality, Reading, Snapshot
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.stream import (
    ItemBase,
    LoadControlValue,
    OadrLoadControlState,
    OadrPayloadResourceStatus,
)
from gridiface.protocols.openadr.reports import ReportValue
from gridiface.protocols.openadr.ven import Sample

COMM_FAILURE = "Quality Bad - Comm Failure"
_WORDS: Mapping[Quality, str] = {
    Quality.GOOD: "Quality Good - Non Specific",
    Quality.STALE: "Quality Uncertain - Last Usable Value",
    Quality.ESTIMATED: "Quality Uncertain - Non Specific",
    Quality.SUBSTITUTED: "Quality Good - Local Override",
    Quality.BAD: "Quality Bad - Non Specific",
}
#: Words that begin with these; the longest that fits counts.
_QUALITIES: Mapping[str, Quality] = {
    "Quality Good - Local Override": Quality.SUBSTITUTED,
    "Quality Good": Quality.GOOD,
    "Quality Uncertain - Last Usable Value": Quality.STALE,
    "Quality Uncertain": Quality.ESTIMATED,
    "No New Value": Quality.STALE,
    "Quality Limit": Quality.GOOD,
    "": Quality.BAD,
}
_QUANTITIES: Mapping[type, Quantity] = {
    units.PowerReal: Quantity.ACTIVE_POWER,
    units.PowerReactive: Quantity.REACTIVE_POWER,
    units.PowerApparent: Quantity.APPARENT_POWER,
    units.EnergyReal: Quantity.ENERGY,
    units.Voltage: Quantity.VOLTAGE,
    units.Current: Quantity.CURRENT,
    units.Frequency: Quantity.FREQUENCY,
}
_SIGNED = frozenset({Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.ENERGY})
_OFFLINE = frozenset({OperatingState.OFF, OperatingState.FAULT, OperatingState.SHUTTING_DOWN})


def quality_of(word: str | None) -> Quality:
    """The quality of the standard's word; none is good, x- words are bad."""
    if word is None:
        return Quality.GOOD
    best = max((start for start in _QUALITIES if word.startswith(start)), key=len)
    return _QUALITIES[best]


def usage_sample(snapshot: Snapshot | None, unit: ItemBase, now: float, *, generation_positive: bool = False) -> Sample:
    """The value of a data point in `unit`, from a snapshot; None or an unknown value is a communication failure.

    Metered energy is not part of a snapshot: it comes from the history.
    """
    value = None if snapshot is None else _value_in(snapshot, unit)
    if snapshot is None or value is None:
        return Sample(at=now, value=0.0, quality=COMM_FAILURE)
    sign = 1.0 if generation_positive or _QUANTITIES.get(type(unit)) not in _SIGNED else -1.0
    value = sign * value / units.scale_of(unit) + 0.0
    return Sample(at=snapshot.source_time, value=value, quality=_WORDS[snapshot.quality])


def stored_energy_sample(snapshot: Snapshot | None, unit: units.EnergyReal, now: float) -> Sample:
    """The energy that can still be delivered, for storedEnergy reports: never negative, so without a change of sign."""
    if snapshot is None or snapshot.available_wh is None:
        return Sample(at=now, value=0.0, quality=COMM_FAILURE)
    value = snapshot.available_wh / units.scale_of(unit)
    return Sample(at=snapshot.source_time, value=value, quality=_WORDS[snapshot.quality])


def _value_in(snapshot: Snapshot, unit: ItemBase) -> float | None:
    match _QUANTITIES.get(type(unit)):
        case Quantity.ACTIVE_POWER:
            return snapshot.w
        case Quantity.REACTIVE_POWER:
            return snapshot.var
        case Quantity.APPARENT_POWER:
            return snapshot.va
        case Quantity.FREQUENCY:
            return snapshot.hz
        case Quantity.VOLTAGE:
            volts = list(snapshot.volts.values())
            return sum(volts) / len(volts) if volts else None
        case _:
            return None


def status_sample(snapshot: Snapshot | None, now: float, *, rated_load_w: float | None = None) -> Sample:
    """TELEMETRY_STATUS of a snapshot; with a rated load its use now and its range as LOAD_CONTROL capacities."""
    if snapshot is None:
        status = OadrPayloadResourceStatus(oadrOnline=False, oadrManualOverride=False)
        return Sample(at=now, status=status, quality=COMM_FAILURE)
    status = OadrPayloadResourceStatus(
        oadrOnline=snapshot.connected is not False and snapshot.state not in _OFFLINE,
        oadrManualOverride=snapshot.local_control,
        oadrLoadControlState=_load_control_state(snapshot, rated_load_w),
    )
    return Sample(at=snapshot.source_time, status=status, quality=_WORDS[snapshot.quality])


def _load_control_state(snapshot: Snapshot, rated_load_w: float | None) -> OadrLoadControlState | None:
    if not rated_load_w or snapshot.w is None:
        return None
    load = -snapshot.w
    # More delivered is less load: what can go up in the domain's sign is what the load can go down.
    least = load - (snapshot.available_up_w or 0.0)
    most = load + (snapshot.available_down_w or 0.0)
    capacity = LoadControlValue(
        oadrMin=least / rated_load_w,
        oadrMax=most / rated_load_w,
        oadrCurrent=load / rated_load_w,
        oadrNormal=1.0,
    )
    return OadrLoadControlState(oadrCapacity=capacity)


def readings_of(
    values: list[ReportValue],
    unit: ItemBase | None,
    device_id: str,
    received: float,
    *,
    generation_positive: bool = False,
) -> list[Reading]:
    """What a VEN below us reported of one device as readings; values of other kinds give none."""
    quantity = _QUANTITIES.get(type(unit))
    if quantity is None:
        return []
    sign = 1.0 if generation_positive or quantity not in _SIGNED else -1.0
    scale = sign * units.scale_of(unit)
    return [
        Reading(
            device_id=device_id,
            quantity=quantity,
            value=value.value * scale + 0.0,
            source_time=min(value.start + float(value.duration or 0), max(received, value.start)),
            received=received,
            quality=quality_of(value.quality),
            duration_s=float(value.duration or 0),
        )
        for value in values
        if value.value is not None
    ]
