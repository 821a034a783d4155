"""The DER profile (IEEE 1815.2, DNP3 AN2018-001): every mandatory point with index, unit, scale, range and class.

The points are in der_points.csv, one row each, as the profile has them; the columns `meaning`, `argument` and `extra`
say what the domain has for them. A point the domain knows nothing of exists all the same: an input of it is never
online, a command to it is answered NOT_SUPPORTED. Analogs are integers with the profile's multiplier (g30v1, g32v3,
g41v1). Points are named by type and index (AI537), as the profile's own references do.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gridiface.northbound.dnp3.points import Action, Measure, PointEntry
from gridiface.protocols.dnp3.points import PointType

_TYPES = {
    "AI": PointType.ANALOG_INPUT,
    "BI": PointType.BINARY_INPUT,
    "AO": PointType.ANALOG_OUTPUT,
    "BO": PointType.BINARY_OUTPUT,
}
_VARIATIONS = {"AI": (1, 3), "AO": (1, 3), "BI": (2, 2), "BO": (2, 2)}
_NUMBERS: Mapping[str, Callable[[str], Any]] = {"sign": int, "idle": float, "on_only": lambda text: text == "1"}


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One point of the profile: the entry, what the profile calls it, its paired point, and who demands it.

    Attributes:
        mandatory: S: by IEEE 1815.2, I: by IEEE 1547, both or empty.
    """

    entry: PointEntry
    title: str
    pair: str
    mandatory: str


@cache
def rows() -> tuple[ProfileRow, ...]:
    """All points of the profile that we have."""
    text = files(__package__).joinpath("der_points.csv").read_text(encoding="utf-8")
    return tuple(_row(fields) for fields in csv.DictReader(text.splitlines()))


def der_profile() -> tuple[PointEntry, ...]:
    """The entries, for a point map."""
    return tuple(row.entry for row in rows())


def _row(fields: Mapping[str, str]) -> ProfileRow:
    kind = fields["type"]
    static, event = _VARIATIONS[kind]
    is_output = kind in {"AO", "BO"}
    more: dict[str, Any] = (
        {"action": Action(fields["meaning"])} if is_output else {"measure": Measure(fields["meaning"])}
    )
    if kind == "AO":
        more |= {"minimum": float(fields["minimum"]), "maximum": float(fields["maximum"])}
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
