"""Mirror readings -> domain Readings and Snapshots. Pure.

Direction: flowDirection 19 (reverse, from the customer) is delivered, 1 (forward, to the customer) is received from
the grid; without a direction the sign of the value is ours. `forward_is_delivered` turns 1 around for profiles that
count a generator's output as forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Phase, Quantity, from_power_of_ten
from gridiface.domain.telemetry import Quality, Reading, Snapshot
from gridiface.protocols.sep2.reading_codes import (
    AccumulationBehaviour,
    DataQualifier,
    FlowDirection,
    QualityFlags,
    RoleFlags,
    Uom,
)
from gridiface.protocols.sep2.reading_codes import Phase as WirePhase
from gridiface.protocols.sep2.resources import MirrorMeterReading, ReadingType
from gridiface.protocols.sep2.resources import Reading as WireReading

#: Units of measure whose meaning the domain knows; others are kept as OTHER.
QUANTITIES: Mapping[int, Quantity] = {
    Uom.AMPERE: Quantity.CURRENT,
    Uom.VOLT: Quantity.VOLTAGE,
    Uom.HERTZ: Quantity.FREQUENCY,
    Uom.WATT: Quantity.ACTIVE_POWER,
    Uom.VA: Quantity.APPARENT_POWER,
    Uom.VAR: Quantity.REACTIVE_POWER,
    Uom.POWER_FACTOR: Quantity.POWER_FACTOR,
    Uom.WATT_HOUR: Quantity.ENERGY,
}
PHASES: Mapping[int, Phase] = {
    **{int(code): Phase(code.name) for code in WirePhase if code.name in set(Phase)},
    WirePhase.NOT_APPLICABLE: Phase.ALL,
}
#: What a device says is in it at a moment, such as the energy stored in a battery, and not what has passed through.
_STATES = frozenset({AccumulationBehaviour.INDICATING, AccumulationBehaviour.INSTANTANEOUS})
_DIRECTIONS = frozenset({FlowDirection.FORWARD, FlowDirection.REVERSE})
_POWERS = frozenset({Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER})
_SIGNED = frozenset({Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.ENERGY})
#: dataQualifier values whose readings are what the quantity is (not a maximum, minimum or deviation).
_PLAIN_QUALIFIERS = frozenset({None, DataQualifier.NOT_APPLICABLE, DataQualifier.AVERAGE, DataQualifier.NORMAL})
_FIELDS: Mapping[Quantity, str] = {
    Quantity.ACTIVE_POWER: "w",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "va",
    Quantity.FREQUENCY: "hz",
    Quantity.AVAILABLE_ENERGY: "available_wh",
}
_TELEMETRY = frozenset({*_FIELDS, Quantity.VOLTAGE})
_ESTIMATED = (
    QualityFlags.ESTIMATED_REFERENCE_DAY
    | QualityFlags.ESTIMATED_INTERPOLATION
    | QualityFlags.QUESTIONABLE
    | QualityFlags.PROJECTED
)
_SUBSTITUTED = QualityFlags.EDITED | QualityFlags.DERIVED


def quality_of(flags: int | None) -> Quality:
    """The quality that a reading's qualityFlags give it; without flags it is good."""
    if flags is None or flags == 0:
        return Quality.GOOD
    if flags & _ESTIMATED:
        return Quality.ESTIMATED
    return Quality.SUBSTITUTED if flags & _SUBSTITUTED else Quality.GOOD


def direction_sign(kind: ReadingType, *, forward_is_delivered: bool = False) -> int:
    """+1 where a positive value is delivered or injected, -1 where it is received or absorbed."""
    if kind.flowDirection == FlowDirection.FORWARD and not forward_is_delivered:
        return -1
    return 1


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the values of a ReadingType are to the domain; worked out once per mirrored quantity.

    `sign` and `exponent`: a value counts as sign x value x 10^exponent in the quantity's unit. `one_way`: it is the
    power in one direction; `part`: other quantities of the same mirror may complete it (translate/parts.py).
    """

    quantity: Quantity
    phase: Phase
    sign: int
    exponent: int
    telemetry: bool
    one_way: bool = False

    @property
    def part(self) -> bool:
        """Whether it is an active or reactive power that may be one part of the whole."""
        return self.telemetry and self.quantity in _POWERS and (self.one_way or self.phase is not Phase.ALL)


def of_the_der(role_flags: int) -> bool:
    """Whether a usage point is where the DER itself is measured.

    It is not where the premises meet the grid, with their load, nor behind an inverter, in direct current.
    """
    if role_flags & RoleFlags.IS_DC:
        return False
    return bool(role_flags & RoleFlags.IS_DER) or not role_flags & RoleFlags.IS_PREMISES_AGGREGATION_POINT


def quantity_of(kind: ReadingType) -> Quantity:
    """What a ReadingType measures; an energy that is there at a moment is one that can be had."""
    quantity = QUANTITIES.get(kind.uom or 0, Quantity.OTHER)
    if quantity is Quantity.ENERGY and kind.accumulationBehaviour in _STATES:
        return Quantity.AVAILABLE_ENERGY
    return quantity


def meaning_of(kind: ReadingType, *, forward_is_delivered: bool = False) -> Meaning:
    """The meaning of a ReadingType."""
    quantity = quantity_of(kind)
    telemetry = is_telemetry(kind)
    return Meaning(
        quantity=quantity,
        phase=PHASES.get(kind.phase or 0, Phase.NONE),
        sign=direction_sign(kind, forward_is_delivered=forward_is_delivered) if quantity in _SIGNED else 1,
        exponent=kind.powerOfTenMultiplier or 0,
        telemetry=telemetry,
        one_way=telemetry and quantity in _POWERS and kind.flowDirection in _DIRECTIONS,
    )


def mirror_to_readings(mirror: MirrorMeterReading, meaning: Meaning, device_id: str, now: Instant) -> list[Reading]:
    """Every value of a mirrored quantity, oldest first; a value without a time counts as measured now."""
    if not mirror.mirrorReadingSet:
        return [] if mirror.reading is None else _readings([mirror.reading], meaning, device_id, now)
    found = [r for s in mirror.mirrorReadingSet for r in s.reading]
    if mirror.reading is not None:
        found.append(mirror.reading)
    return sorted(_readings(found, meaning, device_id, now), key=lambda reading: reading.source_time)


def last_value(posted: WireReading | None, meaning: Meaning) -> float:
    """What a single value of a quantity says; 0 without one."""
    if posted is None or posted.value is None:
        return 0.0
    return meaning.sign * from_power_of_ten(posted.value, meaning.exponent)


def _readings(found: list[WireReading], meaning: Meaning, device_id: str, now: Instant) -> list[Reading]:
    return [
        Reading(
            device_id=device_id,
            quantity=meaning.quantity,
            value=meaning.sign * from_power_of_ten(wire.value, meaning.exponent),
            source_time=_source_time(wire, now),
            received=now,
            quality=quality_of(wire.qualityFlags),
            phase=meaning.phase,
            duration_s=float(wire.timePeriod.duration) if wire.timePeriod else 0.0,
        )
        for wire in found
        if wire.value is not None
    ]


def _source_time(wire: WireReading, now: Instant) -> Instant:
    if wire.timePeriod is None:
        return now
    return min(float(wire.timePeriod.start + wire.timePeriod.duration), now)


def is_telemetry(kind: ReadingType) -> bool:
    """Whether it says how the device is now: power, frequency, voltage, stored energy; not an extreme of one."""
    return quantity_of(kind) in _TELEMETRY and kind.dataQualifier in _PLAIN_QUALIFIERS


def readings_to_snapshots(readings: Iterable[Reading]) -> tuple[list[Snapshot], list[Reading]]:
    """Telemetry as snapshots, one per device and time, oldest first; and the readings that no snapshot can hold.

    A value per phase of W or var does not tell the total and stays a reading; voltages are kept by phase.
    """
    moments: dict[tuple[str, Instant], dict[str, Any]] = {}
    others: list[Reading] = []
    for reading in readings:
        name = _FIELDS.get(reading.quantity)
        if reading.quantity is not Quantity.VOLTAGE and (name is None or reading.phase is not Phase.ALL):
            others.append(reading)
            continue
        moment = moments.setdefault((reading.device_id, reading.source_time), {"volts": {}, "quality": []})
        moment["quality"].append(reading.quality)
        moment["received"] = reading.received
        if name is None:
            moment["volts"][reading.phase] = reading.value
        else:
            moment[name] = reading.value
            if reading.quantity is Quantity.ACTIVE_POWER:
                moment["duration_s"] = reading.duration_s
    snapshots = [
        _snapshot(device_id, at, moment) for (device_id, at), moment in sorted(moments.items(), key=lambda kv: kv[0][1])
    ]
    return snapshots, others


def _snapshot(device_id: str, at: Instant, moment: dict[str, Any]) -> Snapshot:
    qualities = moment.pop("quality")
    worst = max(qualities, key=(Quality.GOOD, Quality.SUBSTITUTED, Quality.ESTIMATED).index)
    return Snapshot(device_id=device_id, source_time=at, quality=worst, **moment)
