"""The DER profile (IEEE 1815.2, DNP3 AN2018-001): every mandatory point with index, unit, scale, range and class.

The points are in der_points.csv, one row each, as the profile has them (the edit windows of curves and schedules are
made in der_windows.py); the columns `meaning`, `argument` and `extra` say what the domain has for them. An optional
point of which the domain knows nothing is in the list, and not served: a command to it is answered NOT_SUPPORTED.
Analogs are integers with the profile's multiplier (g30v1, g32v3, g41v1). Points are named by type and index (AI537), as
the profile's own references do.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from gridiface.domain.controls import ServiceClass
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.profiles.der_functions import functions
from gridiface.northbound.dnp3.profiles.der_windows import LARGEST, STATES, window_rows
from gridiface.protocols.dnp3.points import PointType

_TYPES = {
    "AI": PointType.ANALOG_INPUT,
    "BI": PointType.BINARY_INPUT,
    "AO": PointType.ANALOG_OUTPUT,
    "BO": PointType.BINARY_OUTPUT,
    "CT": PointType.COUNTER,
}
_VARIATIONS = {"AI": (1, 3), "AO": (1, 3), "BI": (2, 2), "BO": (2, 2), "CT": (1, 5)}
#: Of the frozen values of the profile's counters.
_FROZEN_CLASS = 3
_NUMBERS: Mapping[str, Callable[[str], Any]] = {
    "sign": int,
    "idle": float,
    "initial": float,
    "on_only": lambda text: text == "1",
    "keeps": lambda text: text == "1",
    "or_kept": lambda text: text == "1",
    "only": float,
    "service_class": ServiceClass,
}


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One point of the profile: the entry, what the profile calls it, its paired point, and who demands it.

    Attributes:
        mandatory: S: by IEEE 1815.2, I: by IEEE 1547, both or empty.
        served: whether an outstation has it: see `der_profile`.
    """

    entry: PointEntry
    title: str
    pair: str
    mandatory: str
    served: bool = True


@cache
def rows() -> tuple[ProfileRow, ...]:
    """All points of the profile that we have."""
    text = files(__package__).joinpath("der_points.csv").read_text(encoding="utf-8")
    found = [_row(fields) for fields in csv.DictReader(text.splitlines())]
    known = {row.entry.key for row in found}
    found += [row for row in _windows() if row.entry.key not in known]
    every = {row.entry.name: row.entry for row in found}
    return tuple(replace(row, served=bool(row.mandatory) or _means_something(row.entry, every)) for row in found)


def _windows() -> Iterator[ProfileRow]:
    """The edit windows, each output with its read-back, and the states of schedules."""
    for row in window_rows():
        name, back = f"{row.kind}{row.index}", f"{'AI' if row.kind == 'AO' else 'BI'}{row.back}"
        analog = row.kind == "AO"
        limits: dict[str, Any] = {"minimum": float(row.low), "maximum": float(row.high)} if analog else {}
        output = PointEntry(
            type=_TYPES[row.kind],
            index=row.index,
            name=name,
            action=Action.EDIT,
            argument=f"{row.window}/{row.field}",
            unit=row.unit,
            slot=row.window,
            **_variation(row.kind),
            **limits,
        )
        yield ProfileRow(output, row.title, back, "")
        reader = PointEntry(
            type=_TYPES[back[:2]],
            index=row.back,
            name=back,
            measure=Measure.READ_BACK,
            argument=name,
            unit=row.unit,
            event_class=row.event_class,
            **_variation(back[:2]),
            **(limits | {"maximum": LARGEST} if row.field == "select" else limits),
        )
        yield ProfileRow(reader, row.title, name, row.mandatory)
    for index, title, argument, event_class in STATES:
        entry = PointEntry(
            type=PointType.ANALOG_INPUT,
            index=index,
            name=f"AI{index}",
            measure=Measure.SCHEDULE_STATE,
            argument=argument,
            event_class=event_class,
            **_variation("AI"),
        )
        yield ProfileRow(entry, title, "", "")


def _variation(kind: str) -> dict[str, Any]:
    static, event = _VARIATIONS[kind]
    return {"static_variation": static, "event_variation": event}


def der_profile() -> tuple[PointEntry, ...]:
    """The entries, for a point map: those that mean something here, and the mandatory ones.

    An outstation serves no points of what it does not support (IEEE 1815.2): outputs that do nothing, what reads them
    back, inputs that are never known, and inputs of functions that cannot be enabled.
    """
    return tuple(row.entry for row in rows() if row.served)


def _means_something(entry: PointEntry, every: Mapping[str, PointEntry]) -> bool:
    if entry.is_output:
        return entry.action is not Action.NONE
    behind = [entry.effect_with, entry.argument if entry.measure is Measure.READ_BACK else ""]
    return entry.measure is not Measure.UNKNOWN and all(
        every[name].action is not Action.NONE for name in behind if name
    )


def _row(fields: Mapping[str, str]) -> ProfileRow:
    kind = fields["type"]
    static, event = _VARIATIONS[kind]
    is_output = kind in {"AO", "BO"}
    more: dict[str, Any] = (
        {"action": Action(fields["meaning"])} if is_output else {"measure": Measure(fields["meaning"])}
    )
    if kind in {"AI", "AO"}:
        more |= {"minimum": float(fields["minimum"]), "maximum": float(fields["maximum"])}
    if kind == "CT":
        more["frozen_class"] = _FROZEN_CLASS
    if not is_output:
        more["effect_with"] = functions().get(f"{kind}{fields['index']}", "")
    for pair in filter(None, fields["extra"].split(";")):
        name, _, text = pair.partition("=")
        more[name] = _NUMBERS.get(name, str)(text)
    entry = PointEntry(
        type=_TYPES[kind],
        index=int(fields["index"]),
        name=f"{kind}{fields['index']}",
        argument=fields["argument"],
        unit=fields["unit"],
        scale=float(fields["scale"]),
        event_class=int(fields["event_class"]),
        static_variation=static,
        event_variation=event,
        **more,
    )
    return ProfileRow(entry, fields["name"], fields["pair"], fields["mandatory"])
