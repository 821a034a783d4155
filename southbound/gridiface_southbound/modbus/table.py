"""The register table: the one description of a device from which it is read, written, simulated and documented.

Owned here: where a point is found on a Modbus device and every rule about that which can be checked without the device.
What points mean and how they are written is `gridiface_southbound.points.table`. Not owned: where a table comes from
(loading), bytes (codec), requests (plan).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from gridiface_southbound.points import table as points
from gridiface_southbound.points.meanings import TEXTS, Meaning
from gridiface_southbound.points.problems import Wrong

#: Registers of each type; None: as `length` says.
WIDTHS: dict[str, int | None] = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
    "enum": None,
    "bitfield": None,
    "string": None,
    "bit": 1,
}
PointType = Literal[
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "enum",
    "bitfield",
    "string",
    "bit",
]
Order = Literal["big", "little"]


class Area(StrEnum):
    """The four tables of a Modbus device (MODBUS Application Protocol V1.1b3, 4.3)."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def bits(self) -> bool:
        """Whether its items are single bits."""
        return self in (Area.COIL, Area.DISCRETE)


class WriteRule(points.WriteRule):
    """How a register is written."""

    function: Literal[5, 6, 15, 16, 22] | None = Field(
        None,
        description="None: 16 for registers, 6 where the device does not know that; 5 for coils. 22: with mask.",
    )


class Point(points.Point):
    """One value of the device."""

    area: Area = Area.HOLDING
    address: int = Field(ge=0, le=0x10000)
    type: PointType
    length: int | None = Field(None, ge=1, le=125, description="Registers of a string, bitfield or enum.")
    word_order: Order = "big"
    byte_order: Order = "big"
    mask: int | None = Field(None, ge=1, lt=1 << 64, description="The bits that are this point; none: all.")
    scale_factor: str | None = Field(None, description="The point that holds the power of ten.")
    not_available: tuple[int, ...] = ()
    values: dict[int, str | bool] = Field(default_factory=dict)
    write: WriteRule | None = None

    @property
    def place(self) -> str:
        """As `Point.place`."""
        return f"{self.area} {self.address}"

    @property
    def width(self) -> int:
        """Registers (or bits of a coil area) it takes."""
        return WIDTHS[self.type] or self.length or 1

    @property
    def shift(self) -> int:
        """The lowest bit of its mask."""
        return 0 if self.mask is None else (self.mask & -self.mask).bit_length() - 1

    @property
    def function(self) -> int:
        """The function code that writes it."""
        given = None if self.write is None else self.write.function
        return given or (5 if self.area is Area.COIL else 16)

    @property
    def single_will_do(self) -> bool:
        """Whether function 6 writes it as well as 16, and the table leaves the choice."""
        return self.function == 16 and self.width == 1 and (self.write is None or self.write.function is None)

    @property
    def state_words(self) -> tuple[str, ...]:
        """The words of its enumeration."""
        return tuple(self.words.values())

    def _shape(self) -> Iterator[Wrong]:
        if self.area.bits != (self.type == "bit"):
            yield "area", f"area {self.area} and type {self.type} do not fit: coils and discrete inputs are of type bit"
        if WIDTHS[self.type] is None:
            if self.type == "string" and self.length is None:
                yield "type", "a string needs length, in registers"
            if self.type in ("enum", "bitfield") and self.width not in (1, 2, 4):
                yield "length", f"an {self.type} has 1, 2 or 4 registers"
        elif self.length is not None:
            yield "length", f"length is for string, enum and bitfield; {self.type} has its own"
        if self.mask is not None:
            yield from self._masking(self.mask)
        yield from super()._shape()

    def _masking(self, mask: int) -> Iterator[Wrong]:
        alone = mask >> self.shift
        if self.type not in ("uint16", "uint32", "uint64", "enum", "bitfield"):
            yield "mask", f"mask picks bits of uint16, uint32, uint64, enum and bitfield, not of {self.type}"
        elif mask >> 16 * self.width:
            yield "mask", f"mask {mask:#x} has more bits than {self.type} of {16 * self.width}"
        elif alone & (alone + 1):
            yield "mask", f"the bits of mask {mask:#x} do not lie side by side: make two points of them"

    def _quantity(self) -> Iterator[Wrong]:
        if self.meaning in TEXTS and self.type != "string":
            yield "type", f"{self.meaning} is a string"
        if self.meaning is Meaning.ALARMS and not self.bits:
            yield "bits", "alarms need bits: {number: name}"
        yield from super()._quantity()

    def _writing(self) -> Iterator[Wrong]:
        yield from self._function() if self.write is not None else ()
        yield from super()._writing()

    def _function(self) -> Iterator[Wrong]:
        if self.area in (Area.INPUT, Area.DISCRETE):
            yield "write", f"{self.area} cannot be written"
        if (self.function in (5, 15)) != self.area.bits:
            yield "write.function", f"function {self.function} does not write area {self.area}"
        if self.function in (6, 22) and self.width != 1:
            yield (
                "write.function",
                f"function {self.function} writes one register; {self.type} has {self.width}: use function 16",
            )
        if self.function == 22 and self.mask is None:
            yield "write.function", "function 22 writes some bits of a register: mask says which"
        if self.type == "string":
            yield "write", "strings are not written"

    @property
    def words(self) -> dict[int, str]:
        """`values` as words: YAML reads a bare off, on, yes and no as a truth value."""
        spoken = {True: "true", False: "off" if self.meaning is Meaning.STATE else "false"}
        return {raw: spoken[word] if isinstance(word, bool) else word for raw, word in self.values.items()}


class Gap(points.Part):
    """Items without a point that may be read over, so that one request serves both sides."""

    area: Area = Area.HOLDING
    address: int = Field(ge=0, le=0x10000)
    count: int = Field(ge=1, le=2000)


class RegisterTable(points.Table[Point]):
    """A whole device."""

    address_base: Literal[0, 1] = Field(description="0: addresses as on the wire; 1: the manual counts from 1.")
    word_order: Order = "big"
    byte_order: Order = "big"
    max_registers: int = Field(125, ge=1, le=125, description="The most registers the device gives in one answer.")
    gaps: tuple[Gap, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _hand_down_orders(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("points"), list):
            return data
        orders = {key: data[key] for key in ("word_order", "byte_order") if key in data}
        return {**data, "points": [{**orders, **p} if isinstance(p, dict) else p for p in data["points"]]}

    def _problems(self) -> Iterator[Wrong]:
        yield from super()._problems()
        for point in self.points:
            start = self.start(point)
            if start < 0 or start + point.width > 0x10000:
                yield f"points.{point.name}.address", f"address {point.address} is outside 0..65535 of the wire"
            if point.width > self.max_registers:
                yield f"points.{point.name}", f"{point.width} registers are more than max_registers"

    def _references(self) -> Iterator[tuple[str, str, str]]:
        yield from super()._references()
        for point in self.points:
            if point.scale_factor is not None:
                yield f"points.{point.name}.scale_factor", point.scale_factor, "read"

    def start(self, item: Point | Gap) -> int:
        """The address on the wire."""
        return item.address - self.address_base
