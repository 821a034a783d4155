"""What in a register table looks like a mistake and may be right: told to people, refused by nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gridiface.domain.fleet import DeviceKind
from gridiface_southbound.modbus.table import Area, Point, RegisterTable
from gridiface_southbound.points.meanings import Meaning

#: How manuals number areas by their first digit (Modicon): the first item of each.
_FIRST = {Area.HOLDING: 40001, Area.INPUT: 30001, Area.DISCRETE: 10001}

#: Devices whose power goes both ways.
_BOTH_WAYS = frozenset({DeviceKind.BATTERY, DeviceKind.PV_BATTERY})

_UNSIGNED = ("uint16", "uint32", "uint64")


def hints(table: RegisterTable, kind: DeviceKind) -> Iterator[str]:
    """What to look at again, in words; each names its point."""
    yield from _numbering(table)
    yield from _overlaps(table)
    yield from _signs(table, kind)


def _numbering(table: RegisterTable) -> Iterator[str]:
    for area, first in _FIRST.items():
        points = [point for point in table.points if point.area is area]
        if points and all(first <= point.address < first + 9999 for point in points):
            one = points[0]
            yield (
                f"{one.name}: {area} {one.address} is on the wire as {table.start(one)}; where the manual numbers "
                f"{area} items from {first}, write {one.address - first + 1} with address_base: 1"
            )


def _overlaps(table: RegisterTable) -> Iterator[str]:
    for area in Area:
        # One register may well be two points: a number and its bits.
        places = sorted({(table.start(p), p.width, p.name) for p in table.points if p.area is area})
        for (start, width, name), (other, size, second) in pairwise(places):
            if other < start + width and (start, width) != (other, size):
                yield f"{name} and {second} overlap: {width} from {start} and {size} from {other} on the wire ({area})"


def _signs(table: RegisterTable, kind: DeviceKind) -> Iterator[str]:
    for point in table.points:
        if kind in _BOTH_WAYS and point.meaning in (Meaning.W, Meaning.SET_W) and _only_one_way(point):
            yield f"{point.name}: {point.type} knows one direction of power alone; a {kind} has two (int16, int32)"


def _only_one_way(point: Point) -> bool:
    return point.type in _UNSIGNED and point.offset == 0.0
