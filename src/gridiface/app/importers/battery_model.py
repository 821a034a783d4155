"""The `battery_model` JSON form of one battery -> our configuration, with its usual mistakes named. Reads no files.

Their side: kW and kWh, states of charge in percent (some files: fractions), both powers positive. The cells' equivalent
circuit has no place in our configuration and is noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridiface.app.importers.convert import (
    CONNECTION_KEYS,
    Imported,
    connection,
    finish,
    identifier,
    magnitude_kw,
    ramp_w_per_s,
    sunspec_models,
)
from gridiface.app.importers.findings import Document, Place

_KEYS = (
    "chemistry",
    "nominal_capacity_kwh",
    "soh_pct",
    "max_continuous_discharge_kw",
    "max_continuous_charge_kw",
    "doD_soc_limits",
    "equivalent_circuit_model",
    "dispatch_constraints",
    "communications",
)
_LIMIT_KEYS = ("min_soc_trip", "max_soc_trip", "recommended_window")
_CONSTRAINT_KEYS = ("min_discharge_time_min", "max_charge_power_vs_soc", "ramp_rate")
#: Hours at full power between which a battery's energy and power fit each other.
_SHORTEST_H, _LONGEST_H = 0.02, 100.0
#: Rows of a charge table that are read.
MOST_ROWS = 1000
_COMMUNICATION_KEYS = ("protocol", "modbus_tcp", "sunspec_model")


def import_battery_model(text: str, path: Path, device_id: str | None = None) -> Imported:
    """Convert one file.

    Args:
        text: JSON, with or without the key `battery_model` around it.
        path: for messages; is not opened.
        device_id: the device's id; None takes the file's name.

    Raises:
        ConfigError: every error, one a line: `file:line: place: what; fix`.
    """
    document = Document(path, text, "json")
    base = document.root("battery_model")
    document.unknown_keys(base, _KEYS)
    if document.get((*base, "equivalent_circuit_model")) is not None:
        fix = "the engine estimates the state of charge from energy and the reported value"
        document.note((*base, "equivalent_circuit_model"), "left out", fix)
    constraints = (*base, "dispatch_constraints")
    table = _table(document, (*constraints, "max_charge_power_vs_soc"))
    rating = _rating(document, base, table)
    own = identifier(document, (), device_id or path.stem or "battery")
    device: dict[str, Any] = {
        "id": own,
        "kind": "battery",
        "driver": "sunspec",
        "connection": _connection(document, (*base, "communications")),
        "rating": rating,
    }
    if table:
        device["constraints"] = {"charge_w_by_soc": [[soc, kw * 1000] for soc, kw in table]}
    chemistry = document.line((*base, "chemistry"))
    if chemistry:
        device["name"] = f"{own} ({chemistry})"
    content: dict[str, Any] = {"devices": [device]}
    minutes = _hold_time(document, (*constraints, "min_discharge_time_min"), rating)
    if minutes is not None:
        content["engine"] = {"hold_time_s": minutes * 60}
    return finish(document, "battery-model", content)


def _hold_time(document: Document, place: Place, rating: Mapping[str, float]) -> float | None:
    """For how long a power must be there, minutes; with a warning where the battery has not so much energy."""
    minutes = document.number(place, low=0, high=10_000, unit="minutes")
    if minutes == 0:
        document.error(place, "must be above 0", "write how long a power must be held, in minutes")
        return None
    usable = rating.get("energy_wh", 0.0) * (rating["soc_max"] - rating["soc_min"])
    needed = rating.get("max_w", 0.0) * (minutes or 0.0) / 60
    if usable and needed > usable:
        text = f"{minutes:g} minutes of full power are {needed / 1000:g} kWh, and {usable / 1000:g} kWh are usable"
        fix = "the power is bounded by it; was it meant in seconds, or the capacity in MWh?"
        document.warn(place, text, fix)
    return minutes


def _rating(document: Document, base: Place, table: list[tuple[float, float]]) -> dict[str, float]:
    rating: dict[str, float] = {}
    low, high = _window(document, (*base, "doD_soc_limits"))
    charge = magnitude_kw(document, (*base, "max_continuous_charge_kw"), negative=False)
    discharge = magnitude_kw(document, (*base, "max_continuous_discharge_kw"), negative=False)
    if discharge is None:
        document.error((*base, "max_continuous_discharge_kw"), "missing", "add the rated discharge in kW")
    else:
        rating["max_w"] = discharge * 1000
    constraints = (*base, "dispatch_constraints")
    ramps = [str(key) for key in document.mapping(constraints) if "ramp" in str(key).lower()]
    document.unknown_keys(constraints, _CONSTRAINT_KEYS, ramps)
    if charge is not None:
        rating["max_charge_w"] = charge * 1000
    elif table:
        rating["max_charge_w"] = max(kw for _, kw in table) * 1000
    else:
        fix = "add max_continuous_charge_kw: without it the battery is never charged on purpose"
        document.warn((*base, "max_continuous_charge_kw"), "missing", fix)
    _table_within(document, (*constraints, "max_charge_power_vs_soc"), table, charge)
    energy = _energy_wh(document, base)
    if energy is not None:
        rating["energy_wh"] = energy
        _hours(document, base, energy, discharge)
    rate = document.number((*constraints, "ramp_rate"), low=-1e7, high=1e7, unit="kW per minute")
    ramp = ramp_w_per_s(document, constraints, rate, (charge or 0.0) + (discharge or 0.0))
    if ramp is not None:
        rating["ramp_w_per_s"] = ramp
    return {**rating, "soc_min": low, "soc_max": high}


def _table_within(document: Document, place: Place, table: list[tuple[float, float]], charge: float | None) -> None:
    most = max((kw for _, kw in table), default=0.0)
    if charge is not None and most > charge:
        text = f"has {most:g} kW, above max_continuous_charge_kw ({charge:g} kW), which counts"
        document.warn(place, text, "one of the two is not meant so")


def _hours(document: Document, base: Place, energy_wh: float, discharge: float | None) -> None:
    """A battery that lasts for days or for minutes at full power has a wrong unit in one of the two."""
    if not discharge or not energy_wh:
        return
    hours = energy_wh / 1000 / discharge
    if hours > _LONGEST_H or hours < _SHORTEST_H:
        text = f"{energy_wh / 1000:g} kWh last for {hours:.3g} hours at {discharge:g} kW"
        document.warn((*base, "nominal_capacity_kwh"), text, "was one of the two meant in W, Wh or MWh?")


def _energy_wh(document: Document, base: Place) -> float | None:
    """Nominal capacity by state of health, Wh."""
    capacity = document.number((*base, "nominal_capacity_kwh"), low=0, high=1e7, unit="kWh")
    health = document.number((*base, "soh_pct"), low=0, high=100, unit="%")
    if capacity is None:
        if document.get((*base, "nominal_capacity_kwh")) is None:
            fix = "add nominal_capacity_kwh: without it no energy check is possible"
            document.warn((*base, "nominal_capacity_kwh"), "missing", fix)
        return None
    if capacity == 0 or health == 0:
        place = (*base, "nominal_capacity_kwh" if capacity == 0 else "soh_pct")
        document.error(place, "0 leaves no energy", "write what the battery holds; leave it out where it is not known")
        return None
    if health is not None and 0 < health <= 1:
        document.warn((*base, "soh_pct"), f"{health:g} % looks like a fraction: {health * 100:g} % is taken", "write %")
        health *= 100
    return capacity * 1000 * (100.0 if health is None else health) / 100


def _window(document: Document, place: Place) -> tuple[float, float]:
    """The window of the state of charge, 0..1: the recommended one inside the trips."""
    document.unknown_keys(place, _LIMIT_KEYS)
    low = document.number((*place, "min_soc_trip"), low=0, high=100, unit="%")
    high = document.number((*place, "max_soc_trip"), low=0, high=100, unit="%")
    percent = high is None or high > 1
    floor = _fraction(document, (*place, "min_soc_trip"), low, percent=percent, default=0.0)
    ceiling = _fraction(document, (*place, "max_soc_trip"), high, percent=percent, default=1.0)
    if floor >= ceiling:
        document.error((*place, "min_soc_trip"), "must be below max_soc_trip", "exchange the two")
        return 0.0, 1.0
    if not percent:
        document.note(place, "states of charge are fractions here", "the form has percent; taken as they are meant")
    wanted = _recommended(document, (*place, "recommended_window"), percent=percent)
    if wanted is None:
        return floor, ceiling
    inside = max(floor, wanted[0]), min(ceiling, wanted[1])
    if inside != wanted:
        text = "reaches beyond the trips: the part inside is taken"
        document.warn((*place, "recommended_window"), text, "a window up to a trip trips")
    if inside[0] >= inside[1]:
        document.error((*place, "recommended_window"), "leaves nothing inside the trips", "write [low, high]")
        return floor, ceiling
    return inside


def _recommended(document: Document, place: Place, *, percent: bool) -> tuple[float, float] | None:
    value = document.get(place)
    if value is None:
        return None
    places: list[Place]
    if isinstance(value, list) and len(value) == 2:
        places = [(*place, 0), (*place, 1)]
    elif isinstance(value, dict) and set(value) == {"min", "max"}:
        places = [(*place, "min"), (*place, "max")]
    else:
        document.error(place, "must be [low, high]", "write for example [20, 80]")
        return None
    ends = [document.number(each, low=0, high=100, unit="%") for each in places]
    if ends[0] is None or ends[1] is None:
        return None
    low, high = (_fraction(document, place, end, percent=percent, default=0.0) for end in ends)
    if low > high:
        document.warn(place, "stands the wrong way round: exchanged", "write [low, high]")
        low, high = high, low
    return low, high


def _fraction(document: Document, place: Place, value: float | None, *, percent: bool, default: float) -> float:
    if value is None:
        return default
    if percent and 0 < value < 1:
        document.warn(place, f"{value:g} looks like a fraction beside percents: {value * 100:g} % is taken", "write %")
        return value
    if not percent and value > 1:
        document.warn(place, f"{value:g} looks like percent beside fractions: {value:g} % is taken", "use one of both")
        return value / 100
    return value / 100 if percent else value


def _table(document: Document, place: Place) -> list[tuple[float, float]]:
    """The rows of the table by rising state of charge (0..1) with the most power taken, kW."""
    rows = document.items(place)
    if document.get(place) == []:
        document.warn(place, "is empty: nothing bounds charging but the rating", "write rows of soc and max_charge_kw")
    read: list[tuple[int, float, float]] = []
    for number in range(min(len(rows), MOST_ROWS)):
        document.unknown_keys((*place, number), ("soc", "max_charge_kw"))
        soc = document.number((*place, number, "soc"), low=0, high=100, unit="%")
        power = magnitude_kw(document, (*place, number, "max_charge_kw"), negative=False)
        if soc is None or power is None:
            document.warn((*place, number), "without soc or max_charge_kw: left out", "write both")
            continue
        read.append((number, soc, power))
    if len(rows) > MOST_ROWS:
        document.warn(place, f"has {len(rows)} rows: the first {MOST_ROWS} are taken", "a dozen are plenty")
    percent = any(soc > 1 for _, soc, _ in read)
    found = [
        (_fraction(document, (*place, number, "soc"), soc, percent=percent, default=0.0), power)
        for number, soc, power in read
    ]
    if found != sorted(found):
        document.warn(place, "is not in order of soc", "sort it: a reader that interpolates goes wrong")
    table: dict[float, float] = {}
    for at, power in found:
        if table.setdefault(at, power) != power:
            text = f"has two powers at {100 * at if percent else at:g}: the smaller is taken"
            document.warn(
                place, text, "between two rows the table is a straight line: a step needs two states of charge"
            )
            table[at] = min(table[at], power)
    rows_by_soc = sorted(table.items())
    if rows_by_soc and rows_by_soc[0][0] > 0.5:
        at, power = rows_by_soc[0]
        text = f"says nothing below {100 * at if percent else at:g}: {power:g} kW are taken there, too"
        document.warn(place, text, "write a row for an empty battery")
    return rows_by_soc


def _connection(document: Document, place: Place) -> dict[str, Any]:
    block = document.mapping(place)
    if not block:
        document.error(place, "missing: the battery cannot be reached", "add host, port and unit_id")
        return {}
    sunspec_models(document, (*place, "sunspec_model"), dispatched=True)
    if "modbus_tcp" in block:
        document.unknown_keys(place, _COMMUNICATION_KEYS)
        return connection(document, (*place, "modbus_tcp"))
    protocol = (document.text((*place, "protocol")) or "modbus").lower()
    if not any(word in protocol for word in ("modbus", "sunspec", "tcp")):
        document.error((*place, "protocol"), "no driver for it here", "SunSpec over Modbus TCP can be driven")
        return {}
    return _flat(document, place)


def _flat(document: Document, place: Place) -> dict[str, Any]:
    """host, port and unit_id directly in `communications`; the other keys of that block are no mistakes."""
    kept = {key: value for key, value in document.mapping(place).items() if key not in _COMMUNICATION_KEYS}
    strange = [key for key in kept if key not in (*CONNECTION_KEYS, "slave_id", "unit", "slave")]
    for key in strange:
        document.note((*place, str(key)[:60]), "left out", "the driver needs host, port and unit_id")
    before = len(document.findings)
    settings = connection(document, place)
    document.findings[before:] = [
        finding for finding in document.findings[before:] if finding.text != "unknown key, left out"
    ]
    return settings
