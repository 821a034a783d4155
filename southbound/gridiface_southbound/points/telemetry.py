"""What the points of a device say in the domain's words: ratings, settings, snapshots. Pure: values in, values out.

Not owned: how points are read (each carrier) and when (driver).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Capability, DeviceKind, Nameplate
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Snapshot
from gridiface_southbound.points.config import PointsConfig
from gridiface_southbound.points.image import Image
from gridiface_southbound.points.meanings import PHASES, RATINGS, SUMMED, TEXTS, WORDS, Meaning
from gridiface_southbound.points.scaling import si_factor, to_si
from gridiface_southbound.points.table import Point, Table

P = TypeVar("P", bound=Point)

_CAPABILITIES: dict[Meaning, tuple[Capability, ...]] = {
    Meaning.SET_W: (Capability.SET_W,),
    Meaning.LIMIT_W: (Capability.LIMIT_W,),
    Meaning.SET_VAR: (Capability.SET_VAR,),
    Meaning.CONNECT: (Capability.CONNECT, Capability.ENERGIZE),
}


def capabilities(table: Table[P]) -> frozenset[Capability]:
    """What the table's controls can carry out."""
    return frozenset(word for meaning in table.controls for word in _CAPABILITIES[meaning])


def told_alarms(table: Table[P]) -> frozenset[str]:
    """The alarms that the table names: of its bits, or of a flag, which goes by its own name."""
    points = [point for point in table.points if point.meaning is Meaning.ALARMS]
    flags = {point.name for point in points if not point.bits and getattr(point, "type", None) == "flag"}
    return frozenset(flags.union(*(point.bits.values() for point in points)))


def nameplate(image: Image[P], config: PointsConfig) -> Nameplate | None:
    """Ratings from the configuration, the device and the table, in this order; None: no rated power anywhere."""
    table = image.table
    told = {p.meaning: _si(image, p, {}) for p in table.points if p.meaning in RATINGS}
    texts = {p.meaning: raw for p in table.points if p.meaning in TEXTS and isinstance(raw := image.raw(p), str)}
    plate = table.nameplate
    max_w = _first(config.rating_w, told.get(Meaning.MAX_W), plate.max_w)
    if max_w is None:
        if table.controls:
            return None
        max_w = 0.0
    return Nameplate(
        max_w=max_w,
        max_charge_w=_first(config.max_charge_w, told.get(Meaning.MAX_CHARGE_W), plate.max_charge_w) or 0.0,
        max_va=_first(told.get(Meaning.MAX_VA), plate.max_va),
        max_var=_first(told.get(Meaning.MAX_VAR), plate.max_var),
        max_var_neg=_first(told.get(Meaning.MAX_VAR), plate.max_var),
        energy_wh=_first(config.energy_wh, told.get(Meaning.ENERGY_WH), plate.energy_wh),
        nominal_v=_first(told.get(Meaning.NOMINAL_V), plate.nominal_v),
        capabilities=capabilities(table),
        alarms=told_alarms(table),
        manufacturer=texts.get(Meaning.MANUFACTURER, plate.manufacturer),
        model=texts.get(Meaning.MODEL, plate.model),
        serial=texts.get(Meaning.SERIAL, ""),
        version=texts.get(Meaning.VERSION, ""),
    )


def bases(plate: Nameplate) -> dict[str, float | None]:
    """What percentages can refer to."""
    return {
        "max_w": plate.max_w,
        "max_charge_w": plate.max_charge_w,
        "max_va": plate.max_va,
        "max_var": plate.max_var,
    }


def snapshot(device_id: str, image: Image[P], plate: Nameplate, kind: DeviceKind, *, now: Instant) -> Snapshot:
    """All that the points say. Where the carrier tells no time of measurement, `now`, when they were read, is both."""
    known = bases(plate)
    numbers: dict[Meaning, float] = {}
    missing: set[Meaning] = set()
    of_phases: dict[Meaning, dict[Phase, float]] = {meaning: {} for meaning in PHASES}
    whole = {point.meaning for point in image.table.points if point.phase is None}
    for point in image.table.points:
        meaning = point.meaning
        if meaning is None or meaning in WORDS:
            continue
        value = _si(image, point, known)
        if value is not None and point.phase is not None:
            of_phases[meaning][point.phase] = value
        if point.phase is not None and (meaning in whole or meaning not in SUMMED):
            continue
        if value is None:
            missing.add(meaning)
        else:
            numbers[meaning] = numbers.get(meaning, 0.0) + value
    for meaning in SUMMED & missing:
        # A sum without one of its parts is not the sum.
        numbers.pop(meaning, None)
    soc = numbers.get(Meaning.SOC)
    soc = None if soc is None else max(0.0, min(1.0, soc))
    watts = numbers.get(Meaning.W)
    up, down = (None, None) if kind is DeviceKind.METER else _room(plate, watts, soc)
    available = numbers.get(Meaning.AVAILABLE_WH)
    if available is None and soc is not None and plate.energy_wh is not None:
        available = soc * plate.energy_wh
    words = {p.meaning: word for p in image.table.points if p.meaning in WORDS and (word := image.word(p)) is not None}
    connected = words.get(Meaning.CONNECTED)
    return Snapshot(
        device_id=device_id,
        source_time=now,
        received=now,
        w=watts,
        var=numbers.get(Meaning.VAR),
        va=numbers.get(Meaning.VA),
        hz=numbers.get(Meaning.HZ),
        volts=of_phases[Meaning.VOLTS],
        amps=of_phases[Meaning.AMPS],
        angles={phase: degrees % 360.0 for phase, degrees in of_phases[Meaning.ANGLE].items()},
        phase_w=of_phases[Meaning.W],
        phase_var=of_phases[Meaning.VAR],
        soc=soc,
        available_wh=available,
        available_up_w=numbers.get(Meaning.AVAILABLE_UP_W, up),
        available_down_w=numbers.get(Meaning.AVAILABLE_DOWN_W, down),
        connected=None if connected is None else connected == "true",
        state=OperatingState(words.get(Meaning.STATE, "unknown")),
        local_control=words.get(Meaning.LOCAL_CONTROL) == "true",
        alarms=frozenset(name for p in image.table.points if p.meaning is Meaning.ALARMS for name in image.alarms(p)),
    )


def _si(image: Image[P], point: P, known: Mapping[str, float | None]) -> float | None:
    value, factor = image.value(point), si_factor(point, known)
    return None if value is None or factor is None else to_si(value, factor)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _room(plate: Nameplate, watts: float | None, soc: float | None) -> tuple[float | None, float | None]:
    """(W upwards, W downwards) from the present power by ratings and state of charge."""
    if watts is None:
        return None, None
    if soc is None:
        # What the sun or a car would give is not known.
        return None, max(0.0, watts + plate.max_charge_w)
    top = 0.0 if soc <= 0.0 else plate.max_w
    bottom = 0.0 if soc >= 1.0 else -plate.max_charge_w
    return max(0.0, top - watts), max(0.0, watts - bottom)
