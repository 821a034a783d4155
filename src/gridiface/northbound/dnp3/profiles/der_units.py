"""The blocks of single meters, DER units, inverters and batteries of the DER profile, one for each device named.

The layout of a block is in der_units.csv; the blocks of one kind follow each other from a fixed index on. Points that
the domain knows nothing of exist, and are never online.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.protocols.dnp3.points import PointType

#: By kind of block: where the first begins.
STARTS: Mapping[str, int] = {"meters": 5000, "ders": 10_000, "inverters": 15_000, "batteries": 20_000}
_ROOM = 5_000
_FROZEN_CLASS = 3
_TYPES = {
    "AI": (PointType.ANALOG_INPUT, 1, 3),
    "BI": (PointType.BINARY_INPUT, 2, 2),
    "AO": (PointType.ANALOG_OUTPUT, 1, 3),
    "CT": (PointType.COUNTER, 1, 5),
}


@cache
def _rows(block: str) -> tuple[Mapping[str, str], ...]:
    text = files(__package__).joinpath("der_units.csv").read_text(encoding="utf-8")
    return tuple(row for row in csv.DictReader(text.splitlines()) if row["block"] == block)


def _size(block: str, kind: str) -> int:
    return max((int(row["offset"]) + 1 for row in _rows(block) if row["type"] == kind), default=0)


def most(block: str) -> int:
    """How many blocks of a kind there is room for."""
    return _ROOM // max(_size(block, kind) for kind in _TYPES)


def unit_entries(units: Mapping[str, Sequence[str]]) -> tuple[PointEntry, ...]:
    """The points of all blocks.

    Args:
        units: device ids by kind of block (`STARTS`), in the order of their numbers.

    Raises:
        ConfigError: there is no such kind, or no room for so many.
    """
    return tuple(entry for block, devices in units.items() for entry in _block(block, devices))


def _block(block: str, devices: Sequence[str]) -> Iterator[PointEntry]:
    if block not in STARTS:
        raise ConfigError(f"the DER profile has no blocks of {block!r}; there are {', '.join(STARTS)}")
    if len(devices) > most(block):
        raise ConfigError(f"the DER profile has room for {most(block)} {block}, not for {len(devices)}")
    for number, device in enumerate(devices):
        starts = {kind: STARTS[block] + number * _size(block, kind) for kind in _TYPES}
        for row in _rows(block):
            yield _entry(row, starts, device)


def _entry(row: Mapping[str, str], starts: Mapping[str, int], device: str) -> PointEntry:
    kind, (point_type, static, event) = row["type"], _TYPES[row["type"]]
    index, is_output = starts[kind] + int(row["offset"]), kind == "AO"
    low, high = float(row["minimum"] or "-inf"), float(row["maximum"] or "inf")
    return PointEntry(
        type=point_type,
        index=index,
        name=f"{kind}{index}",
        measure=Measure.UNKNOWN if is_output else Measure(row["meaning"]),
        action=Action(row["meaning"]) if is_output else Action.NONE,
        argument=_placed(row["argument"], starts["AO"]),
        target=Target(TargetKind.DEVICE, device),
        unit=row["unit"],
        scale=float(row["scale"]),
        event_class=int(row["event_class"]),
        static_variation=static,
        event_variation=event,
        minimum=low,
        maximum=high,
        initial=high if is_output and row["name"].endswith("high threshold") else 0.0,
        frozen_class=_FROZEN_CLASS if kind == "CT" else None,
    )


def _placed(argument: str, start: int) -> str:
    """The argument with the output that it names, AO by its offset in the block, at its own index."""
    before, _, offset = argument.partition("AO")
    return f"{before}AO{start + int(offset)}" if offset else argument
