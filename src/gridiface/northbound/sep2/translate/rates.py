"""What a client is by its DERType, and the rates at which its storage charges and discharges. Pure.

The rates are optional on the wire, and beside generation they are those of the storage alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.fleet import GENERATING, DeviceKind
from gridiface.northbound.sep2.translate.scaling import si
from gridiface.protocols.sep2.enums import DERControlModes, DERType
from gridiface.protocols.sep2.resources import DERCapability, DERSettings

_Bits = DERControlModes
_KINDS: Mapping[int, DeviceKind] = {
    DERType.RECIPROCATING_ENGINE: DeviceKind.GENERATOR,
    DERType.FUEL_CELL: DeviceKind.GENERATOR,
    DERType.PHOTOVOLTAIC: DeviceKind.PV,
    DERType.COMBINED_HEAT_AND_POWER: DeviceKind.GENERATOR,
    DERType.OTHER_GENERATION: DeviceKind.GENERATOR,
    DERType.OTHER_STORAGE: DeviceKind.BATTERY,
    DERType.ELECTRIC_VEHICLE: DeviceKind.EV,
    DERType.EVSE: DeviceKind.EVSE,
    DERType.PHOTOVOLTAIC_AND_STORAGE: DeviceKind.PV_BATTERY,
}
#: DERTypes that take power, and those of which the charge mode in modesSupported says it.
_CHARGED = frozenset({DERType.OTHER_STORAGE, DERType.ELECTRIC_VEHICLE, DERType.EVSE})
_MIXED = frozenset({DERType.UNKNOWN, DERType.VIRTUAL_OR_MIXED, DERType.PHOTOVOLTAIC_AND_STORAGE})
#: DERTypes beside whose generation a rate of discharge is that of the storage alone.
_GENERATING = frozenset({DERType.VIRTUAL_OR_MIXED, *(number for number, kind in _KINDS.items() if kind in GENERATING)})


def kind_of(der_type: int) -> DeviceKind:
    """The device kind of a DERType; OTHER where the number says nothing."""
    return _KINDS.get(der_type, DeviceKind.OTHER)


def generates(der_type: int) -> bool:
    """Whether it delivers beside, or without, a storage, so that setMaxW is what it delivers at most."""
    return der_type in _GENERATING


def charge_rate(wire: DERCapability) -> float:
    """The rtgMaxChargeRateW; of storage that does not state it, what it delivers with: it can be charged."""
    stated = magnitude(si(wire.rtgMaxChargeRateW))
    if stated is not None:
        return stated
    charges, discharges = wire.modesSupported & _Bits.CHARGE, wire.modesSupported & _Bits.DISCHARGE
    if (charges and wire.type in _MIXED) or (wire.type in _CHARGED and (charges or not discharges)):
        return abs(si(wire.rtgMaxDischargeRateW) or si(wire.rtgMaxW) or 0.0)
    return 0.0


def discharge_rate(wire: DERCapability) -> float | None:
    """The rtgMaxDischargeRateW; inverters without storage state 0 where they mean none, a mixed DER a part."""
    if wire.type == DERType.VIRTUAL_OR_MIXED:
        return None
    return magnitude(si(wire.rtgMaxDischargeRateW)) or None


def held_discharge(wire: DERSettings, kind: DeviceKind) -> float | None:
    """The setMaxDischargeRateW; 0 means that storage may deliver nothing, and none where there is no storage."""
    held = magnitude(si(wire.setMaxDischargeRateW))
    return held or None if kind in GENERATING or kind is DeviceKind.OTHER else held


def magnitude(value: float | None) -> float | None:
    """Without its sign, where there is one."""
    return None if value is None else abs(value)
