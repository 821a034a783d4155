"""The register image of a SunSpec device: models laid out behind the marker, points written and read by name. Pure.

The layout comes from the model definitions that pysunspec2 carries. Nothing here is shared with the driver, so that
each can be checked by the other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sunspec2.device import get_model_def

_CODES = {
    "int16": "h",
    "sunssf": "h",
    "int32": "i",
    "int64": "q",
    "float32": "f",
    "float64": "d",
    **dict.fromkeys(("uint16", "enum16", "bitfield16", "count", "acc16", "pad", "raw16"), "H"),
    **dict.fromkeys(("uint32", "enum32", "bitfield32", "acc32", "ipaddr"), "I"),
    **dict.fromkeys(("uint64", "acc64", "bitfield64", "eui48"), "Q"),
}
_UNIMPLEMENTED: Mapping[str, float] = {
    "int16": -0x8000,
    "sunssf": -0x8000,
    "int32": -0x8000_0000,
    "int64": -(1 << 63),
    "float32": math.nan,
    "float64": math.nan,
    "pad": 0x8000,
    **dict.fromkeys(("acc16", "acc32", "acc64", "ipaddr"), 0),
    **dict.fromkeys(("uint16", "enum16", "bitfield16", "count", "raw16"), 0xFFFF),
    **dict.fromkeys(("uint32", "enum32", "bitfield32"), 0xFFFF_FFFF),
    **dict.fromkeys(("uint64", "bitfield64"), 0xFFFF_FFFF_FFFF_FFFF),
    "eui48": 0xFFFF_FFFF_FFFF,
}


@dataclass(frozen=True, slots=True)
class Slot:
    """One point in a model: register offset and size, how it is packed, its scale factor, who may write it."""

    name: str
    type: str
    offset: int
    size: int
    scale: str | None
    writable: bool
    allowed: frozenset[int]


#: How often the repeated groups of our models are there, by the point that tells it.
REPEATS: Mapping[str, int] = {"NPt": 10, "NCrv": 3, "NCrvSet": 3, "NCtl": 3}


@cache
def table(model_id: int) -> dict[str, Slot]:
    """The points of a model by name; those of groups as "PFWInj.PF", of repeated ones as "Crv2.Pt3.V"."""
    slots: dict[str, Slot] = {}

    def walk(group: Mapping[str, Any], prefix: str, offset: int) -> int:
        for point in group.get("points", ()):
            enumerated = point["type"].startswith("enum")
            slots[prefix + point["name"]] = Slot(
                prefix + point["name"],
                point["type"],
                offset,
                point["size"],
                point.get("sf"),
                point.get("access") == "RW",
                frozenset(s["value"] for s in point.get("symbols", ())) if enumerated else frozenset(),
            )
            offset += point["size"]
        for inner in group.get("groups", ()):
            count, name = inner.get("count", 1), inner["name"]
            if count == 1:
                offset = walk(inner, f"{prefix}{name}.", offset)
                continue
            if count not in REPEATS:
                break
            for number in range(1, REPEATS[count] + 1):
                offset = walk(inner, f"{prefix}{name}{number}.", offset)
        return offset

    walk(get_model_def(model_id)["group"], "", 0)
    return slots


@cache
def codec(kind: str) -> struct.Struct:
    """How a type is packed."""
    return struct.Struct(">" + _CODES[kind])


class RegisterImage:
    """All registers of a device from its base address to the end marker.

    Args:
        base: register of the marker.
        model_ids: models in order; all points begin as "not implemented".
    """

    def __init__(self, base: int, model_ids: Iterable[int]) -> None:
        self.base = base
        self.places: dict[int, int] = {}
        self._where: dict[tuple[int, str], tuple[Callable[[bytearray, int], tuple[Any, ...]], int, float]] = {}
        parts = [b"SunS"]
        at = 4
        for model_id in model_ids:
            self.places[model_id] = at
            part = _blank(model_id)
            parts.append(part)
            at += len(part)
        parts.append(b"\xff\xff\x00\x00")
        self.data = bytearray(b"".join(parts))
        self.end = base + len(self.data) // 2

    def address(self, model_id: int, name: str) -> int:
        """The register of a point."""
        return self.base + self.places[model_id] // 2 + table(model_id)[name].offset

    def put_raw(self, model_id: int, name: str, raw: float) -> None:
        """Store an unscaled number."""
        slot = table(model_id)[name]
        codec(slot.type).pack_into(self.data, self.places[model_id] + 2 * slot.offset, raw)

    def raw(self, model_id: int, name: str) -> int | float | None:
        """The unscaled number, None where not implemented."""
        where = self._where.get((model_id, name))
        if where is None:
            slot = table(model_id)[name]
            at = self.places[model_id] + 2 * slot.offset
            where = self._where[model_id, name] = (codec(slot.type).unpack_from, at, _UNIMPLEMENTED[slot.type])
        unpack, at, missing = where
        value: int | float = unpack(self.data, at)[0]
        return None if value == missing or value != value else value  # noqa: PLR0124 - nan is unequal to itself

    def put(self, model_id: int, name: str, value: float) -> None:
        """Store a value by its scale factor, rounded and held inside what its type can carry."""
        slot = table(model_id)[name]
        if slot.type.startswith("float"):
            self.put_raw(model_id, name, value)
            return
        exponent = self._exponent(model_id, slot)
        scaled = value / 10**exponent if exponent >= 0 else value * 10**-exponent
        bits = 16 * slot.size
        low, high = (1 - (1 << bits - 1), (1 << bits - 1) - 1) if slot.type[0] in "is" else (0, (1 << bits) - 2)
        self.put_raw(model_id, name, max(low, min(high, round(scaled))))

    def get(self, model_id: int, name: str) -> float | None:
        """The scaled value, None where not implemented."""
        raw = self.raw(model_id, name)
        if raw is None:
            return None
        exponent = self._exponent(model_id, table(model_id)[name])
        return float(raw * 10**exponent) if exponent >= 0 else float(raw / 10**-exponent)

    def text(self, model_id: int, name: str, value: str) -> None:
        """Store a text, cut to its point."""
        slot = table(model_id)[name]
        start = self.places[model_id] + 2 * slot.offset
        self.data[start : start + 2 * slot.size] = value.encode()[: 2 * slot.size].ljust(2 * slot.size, b"\0")

    def rescale(self, model_id: int, scale: str, exponent: int) -> None:
        """Change a scale factor while running: every value that it scales keeps its meaning."""
        names = [slot.name for slot in table(model_id).values() if slot.scale == scale]
        values = {name: self.get(model_id, name) for name in names}
        self.put_raw(model_id, scale, exponent)
        for name, value in values.items():
            if value is not None:
                self.put(model_id, name, value)

    def _exponent(self, model_id: int, slot: Slot) -> int:
        if slot.scale is None:
            return 0
        exponent = self.raw(model_id, slot.scale)
        return 0 if exponent is None else int(exponent)


@cache
def _blank(model_id: int) -> bytes:
    """A model with every point "not implemented"."""
    slots = table(model_id)
    length = max(slot.offset + slot.size for slot in slots.values())
    data = bytearray(2 * length)
    for slot in slots.values():
        if slot.type in _CODES:
            codec(slot.type).pack_into(data, 2 * slot.offset, _UNIMPLEMENTED[slot.type])
    struct.pack_into(">HH", data, 0, model_id, length - 2)
    return bytes(data)
