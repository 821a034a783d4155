"""SunSpec point tables and the reading and writing of values in a model's registers. Pure after loading.

The tables are the JSON model definitions that pysunspec2 carries (SunSpec Alliance, Apache-2.0). Owned here: types,
"not implemented" values, scale factors, bit fields, offsets, runs of neighbouring points. Not owned: where a model
lies (scan) and what its values mean for control (controls).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

from gridiface.domain.quantities import Rounding, from_power_of_ten, round_to_int
from gridiface.errors import LocalProtocolError
from gridiface_southbound.sunspec.curve_tables import CURVE_MODEL_IDS

#: The models that this driver reads or writes, in the order of preference of each group.
USED_MODELS = (
    *(1, 701, 702, 703, 704, 713, 715, 101, 102, 103, 111, 112, 113, 120, 121, 122, 123, 124, 802),
    *CURVE_MODEL_IDS,
)

#: Meters of three phases first, for whom a map has several; the `ac_meter` of floats behind that of integers.
METER_MODELS = (203, 213, 204, 214, 202, 212, 201, 211)


class _Kind(NamedTuple):
    code: str  # of struct, big-endian
    unimplemented: float  # the bit pattern that says "not implemented", as read by `code`
    low: int
    high: int


_KINDS: Mapping[str, _Kind] = {
    "int16": _Kind("h", -0x8000, -0x7FFF, 0x7FFF),
    "uint16": _Kind("H", 0xFFFF, 0, 0xFFFE),
    "count": _Kind("H", 0xFFFF, 0, 0xFFFE),
    "acc16": _Kind("H", 0, 1, 0xFFFF),
    "enum16": _Kind("H", 0xFFFF, 0, 0xFFFE),
    "bitfield16": _Kind("H", 0xFFFF, 0, 0x7FFF),
    "raw16": _Kind("H", 0xFFFF, 0, 0xFFFE),
    "pad": _Kind("H", 0x8000, 0x8000, 0x8000),
    "int32": _Kind("i", -0x8000_0000, -0x7FFF_FFFF, 0x7FFF_FFFF),
    "uint32": _Kind("I", 0xFFFF_FFFF, 0, 0xFFFF_FFFE),
    "acc32": _Kind("I", 0, 1, 0xFFFF_FFFF),
    "enum32": _Kind("I", 0xFFFF_FFFF, 0, 0xFFFF_FFFE),
    "bitfield32": _Kind("I", 0xFFFF_FFFF, 0, 0x7FFF_FFFF),
    "ipaddr": _Kind("I", 0, 1, 0xFFFF_FFFF),
    "int64": _Kind("q", -0x8000_0000_0000_0000, -0x7FFF_FFFF_FFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF),
    "uint64": _Kind("Q", 0xFFFF_FFFF_FFFF_FFFF, 0, 0xFFFF_FFFF_FFFF_FFFE),
    "acc64": _Kind("Q", 0, 1, 0xFFFF_FFFF_FFFF_FFFF),
    "bitfield64": _Kind("Q", 0xFFFF_FFFF_FFFF_FFFF, 0, 0x7FFF_FFFF_FFFF_FFFF),
    "eui48": _Kind("Q", 0xFFFF_FFFF_FFFF, 0, 0xFFFF_FFFF_FFFE),
    "float32": _Kind("f", math.nan, 0, 0),
    "float64": _Kind("d", math.nan, 0, 0),
    "sunssf": _Kind("h", -0x8000, -10, 10),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One row of a model's table. `offset` and `size` in registers; `scale`: a point's name, a number, or None."""

    name: str
    type: str
    offset: int
    size: int
    scale: str | int | None = None
    writable: bool = False
    static: bool = False
    symbols: Mapping[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> _Kind | None:
        """How its bits are read; None for texts and other byte strings."""
        return _KINDS.get(self.type)


class _Reader(NamedTuple):
    """How a point's number is found among the octets of its model; `real`: it may be no finite number."""

    unpack: Callable[[bytes, int], tuple[int | float]]
    start: int
    end: int
    unimplemented: float
    real: bool

    @classmethod
    def of(cls, point: Point, kind: _Kind) -> _Reader:
        start, codec = 2 * point.offset, struct.Struct(">" + kind.code)
        return cls(codec.unpack_from, start, start + 2 * point.size, kind.unimplemented, kind.code in "fd")


@dataclass(frozen=True, slots=True)
class Model:
    """The fixed part of one model: points by name ("WSet", "PFWInj.PF"). `length` counts ID and L in.

    `scales_static`: the definition promises that its scale factors never change. `readers`: of the points that are
    numbers, worked out once, for thousands of devices are read with them.
    """

    id: int
    label: str
    points: Mapping[str, Point]
    length: int
    scales_static: bool
    readers: Mapping[str, _Reader] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kinds = [(point, point.kind) for point in self.points.values()]
        readers = {point.name: _Reader.of(point, kind) for point, kind in kinds if kind is not None}
        object.__setattr__(self, "readers", readers)

    def __hash__(self) -> int:
        return self.id


def _flatten(
    group: Mapping[str, Any], prefix: str, offset: int, points: dict[str, Point], counts: Mapping[str, int]
) -> tuple[int, bool]:
    """Add the points of a group and of its sub-groups; (next offset, whether offsets after it are fixed).

    A group that is there several times needs its number in `counts`, by the name of the point that tells it, or by its
    own where none does: "Crv2.Pt3.V".
    """
    for row in group.get("points", ()):
        points[prefix + row["name"]] = Point(
            name=prefix + row["name"],
            type=row["type"],
            offset=offset,
            size=row["size"],
            scale=row.get("sf"),
            writable=row.get("access") == "RW",
            static=row.get("static") == "S",
            symbols={symbol["name"]: symbol["value"] for symbol in row.get("symbols", ())},
        )
        offset += row["size"]
    for inner in group.get("groups", ()):
        number, name = inner.get("count", 1), inner["name"]
        if number == 1:
            labels = [f"{prefix}{name}."]
        elif (known := counts.get(number or name)) is not None:
            labels = [f"{prefix}{name}{at}." for at in range(1, known + 1)]
        else:
            return offset, False
        for label in labels:
            offset, fixed = _flatten(inner, label, offset, points, counts)
            if not fixed:
                return offset, False
    return offset, True


@cache
def _definition(model_id: int) -> Mapping[str, Any] | None:
    source = resources.files("sunspec2") / "models" / "json" / f"model_{int(model_id)}.json"
    try:
        group: Mapping[str, Any] = json.loads(source.read_text("utf-8"))["group"]
    except FileNotFoundError:
        return None
    return group


def _table(model_id: int, counts: Mapping[str, int]) -> Model | None:
    group = _definition(model_id)
    if group is None:
        return None
    points: dict[str, Point] = {}
    length, _ = _flatten(group, "", 0, points, counts)
    static = all(point.static for point in points.values() if point.type == "sunssf")
    return Model(model_id, group.get("label", ""), points, length, static)


@cache
def model(model_id: int) -> Model | None:
    """The table of a model, or None where the definitions know no such model. Reads a file the first time."""
    return _table(model_id, {})


@lru_cache(maxsize=256)
def whole_model(model_id: int, counts: tuple[tuple[str, int], ...]) -> Model | None:
    """The table of a model with its repeated groups, so many as `counts` says (see `_flatten`)."""
    return _table(model_id, dict(counts))


def preload() -> None:
    """Read the tables of all used models; call it in a thread before the event loop needs them."""
    for model_id in (*USED_MODELS, *METER_MODELS):
        model(model_id)


class Run(NamedTuple):
    """Neighbouring points that go into one write: registers from `offset`, values first..last of the list."""

    offset: int
    codec: struct.Struct
    first: int
    last: int


@cache
def runs(of: Model, names: tuple[str, ...]) -> tuple[Run, ...]:
    """Cut points, named in the order of their offsets, into runs without gaps.

    Raises:
        LocalProtocolError: an unknown point, a point without a number, or not in order.
    """
    found: list[Run] = []
    codes, start, following, first = "", 0, -1, 0
    for index, name in enumerate(names):
        point = of.points.get(name)
        if point is None or point.kind is None or point.offset < following:
            raise LocalProtocolError(f"model {of.id}: {name} cannot be written here")
        if point.offset != following:
            if codes:
                found.append(Run(start, struct.Struct(">" + codes), first, index))
            codes, start, first = "", point.offset, index
        codes += point.kind.code
        following = point.offset + point.size
    if codes:
        found.append(Run(start, struct.Struct(">" + codes), first, len(names)))
    return tuple(found)


class Block:
    """The registers of one model as one device gave them, ID and L included; a short block lacks its last points."""

    __slots__ = ("_exponents", "_scales", "address", "data", "model")

    def __init__(self, of: Model, address: int, data: bytes) -> None:
        self.model = of
        self.address = address
        self.data = data
        self._scales: bytes | None = None
        self._exponents: Mapping[str, int | None] | None = None

    def raw(self, name: str) -> int | float | None:
        """The unscaled number, None where the point is absent, not a number or says "not implemented"."""
        reader = self.model.readers.get(name)
        if reader is None:
            return None
        unpack, start, end, unimplemented, real = reader
        if end > len(self.data):
            return None
        (value,) = unpack(self.data, start)
        return None if value == unimplemented or (real and not math.isfinite(value)) else value

    def scale(self, name: str) -> int | None:
        """The power of ten of a point: 0 without scale factor, None where its scale factor cannot be used."""
        if self._exponents is None:
            self._exponents = _exponents(self.model, self.scales())
        return self._exponents.get(name, 0)

    def value(self, name: str) -> float | None:
        """The number in the point's unit, None where it or its scale factor is not implemented."""
        number = self.raw(name)
        if number is None or (exponent := self.scale(name)) is None:
            return None
        return from_power_of_ten(number, exponent) if isinstance(number, int) else number

    def has(self, name: str) -> bool:
        """Whether the point is implemented and can be scaled."""
        return self.raw(name) is not None and self.scale(name) is not None

    def text(self, name: str) -> str:
        """A text point, empty where it is absent."""
        point = self.model.points.get(name)
        if point is None or point.type != "string":
            return ""
        data = self.data[2 * point.offset : 2 * (point.offset + point.size)]
        return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()

    def symbol(self, name: str) -> str | None:
        """The name of an enumeration's value, None where unknown."""
        number = self.raw(name)
        if number is None:
            return None
        return next((symbol for symbol, value in self.model.points[name].symbols.items() if value == number), None)

    def bits(self, name: str) -> frozenset[str]:
        """The names of the bits that are set; unnamed bits as "bit 12"."""
        number = self.raw(name)
        if not number:
            return frozenset()
        names = {value: symbol for symbol, value in self.model.points[name].symbols.items()}
        return frozenset(names.get(bit, f"bit {bit}") for bit in range(32) if int(number) >> bit & 1)

    def slice(self, offset: int, size: int) -> bytes:
        """`size` registers from `offset` of this model."""
        return self.data[2 * offset : 2 * (offset + size)]

    def scales(self) -> bytes:
        """The registers of all scale factors, to see whether one has changed."""
        if self._scales is None:
            data = self.data
            self._scales = b"".join([data[first:last] for first, last in scale_registers(self.model)])
        return self._scales


@lru_cache(maxsize=4096)
def _exponents(of: Model, scales: bytes) -> Mapping[str, int | None]:
    """The powers of ten of a model's points where its scale factors are `scales`; None: cannot be used.

    A device's scale factors hardly ever change, and those of many devices are the same.
    """
    held: dict[str, int | None] = {}
    rest = scales
    for name in (point.name for point in of.points.values() if point.type == "sunssf"):
        here, rest = rest[:2], rest[2:]
        exponent = int.from_bytes(here, "big", signed=True) if len(here) == 2 else None
        held[name] = exponent if exponent is not None and -10 <= exponent <= 10 else None
    # A factor inside a group belongs to the model: "PFWInj.PF" is scaled by "PF_SF".
    return {
        name: point.scale if isinstance(point.scale, int) else held.get(point.scale)
        for name, point in of.points.items()
        if point.scale is not None
    }


@cache
def scale_registers(of: Model) -> tuple[tuple[int, int], ...]:
    """Where the scale factors of a model lie: byte spans, neighbours together."""
    spans: list[tuple[int, int]] = []
    for point in of.points.values():
        if point.type != "sunssf":
            continue
        first, last = 2 * point.offset, 2 * (point.offset + point.size)
        if spans and spans[-1][1] == first:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return tuple(spans)


def present(block: Block, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that the block implements, in the same order."""
    return tuple(name for name in names if block.has(name))


def scaler(of: Model, name: str, exponent: int | None, rounding: Rounding = Rounding.NEAREST) -> Callable[[float], int]:
    """What turns a value of a point into its raw number, held inside the range of the point's type.

    Raises:
        LocalProtocolError: `exponent` says that its scale factor cannot be used, or it is not an integer point.
    """
    kind = of.points[name].kind
    if kind is None or exponent is None or kind.code in "fd":
        raise LocalProtocolError(f"model {of.id}: {name} cannot be scaled")
    factor = float(10**-exponent) if exponent <= 0 else 1.0
    divisor = float(10**exponent) if exponent > 0 else 1.0
    low, high = kind.low, kind.high

    def scale(value: float) -> int:
        scaled = value * factor / divisor
        # 99.99999999 of a decimal step is the step: binary dust must not cost a limit one unit.
        whole = round(scaled)
        if rounding is not Rounding.NEAREST and abs(scaled - whole) >= 1e-6:
            whole = round_to_int(scaled, rounding)
        return low if whole < low else min(whole, high)

    return scale
