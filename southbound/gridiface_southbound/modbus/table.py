"""The register table: the one description of a device from which it is read, written, simulated and documented.

Owned here: the table's form and every rule about it that can be checked without the device. Not owned: where a table
comes from (loading), bytes (codec), requests (plan). Unknown keys are errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gridiface.domain.fleet import DeviceKind
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState
from gridiface_southbound.modbus.meanings import (
    CONTROLS,
    DIMENSION,
    DIRECTIONS,
    PERCENT,
    RATINGS,
    REPEATED,
    TEXTS,
    UNITS,
    WORDS,
    Meaning,
)

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
Direction = Literal["delivered", "taken", "injected", "absorbed"]


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


class Poll(StrEnum):
    """How often a point is read."""

    FAST = "fast"
    SLOW = "slow"
    ONCE = "once"
    NEVER = "never"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


class Step(_Part):
    """One more register that is written for a command."""

    point: str
    value: float = Field(description="In the point's own unit; of an enumeration the number.")


class WriteRule(_Part):
    """How a point is written."""

    function: Literal[5, 6, 15, 16] | None = Field(None, description="None: 16 for registers, 5 for coils.")
    read_back: bool | str = Field(default=True, description="A name: the point that shows what was taken over.")
    read_back_delay_s: float = Field(0.0, ge=0, le=30)
    tolerance: float = Field(0.0, ge=0, description="A read-back this far off still counts, in the point's unit.")
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    release: tuple[Step, ...] = Field((), description="What is written to let go.")
    revert: str | None = Field(None, description="The point that holds the device's own fall-back timer.")
    memory: Literal["ram", "flash"] = "ram"
    min_period_s: float = Field(0.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _flash_is_spared(self) -> WriteRule:
        if self.memory == "flash" and not self.min_period_s:
            raise ValueError("a flash register wears out: give min_period_s, or memory: ram if it is not one")
        return self


class Point(_Part):
    """One value of the device."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    meaning: Meaning | None = None
    phase: Phase | None = None
    area: Area = Area.HOLDING
    address: int = Field(ge=0, le=0x10000)
    type: PointType
    length: int | None = Field(None, ge=1, le=125, description="Registers of a string, bitfield or enum.")
    word_order: Order = "big"
    byte_order: Order = "big"
    scale: float = Field(1.0, allow_inf_nan=False)
    scale_factor: str | None = Field(None, description="The point that holds the power of ten.")
    offset: float = Field(0.0, allow_inf_nan=False)
    unit: str = ""
    positive: Direction | None = None
    percent_of: Literal["max_w", "max_charge_w", "max_va", "max_var"] | float | None = None
    watts_per_amp: float | None = Field(None, gt=0)
    valid: tuple[float, float] | None = Field(None, description="Least and most, in the point's unit.")
    not_available: tuple[int, ...] = ()
    values: dict[int, str | bool] = Field(default_factory=dict)
    bits: dict[int, str] = Field(default_factory=dict)
    poll: Poll | None = None
    optional: bool = False
    write: WriteRule | None = None

    @property
    def width(self) -> int:
        """Registers (or bits of a coil area) it takes."""
        return WIDTHS[self.type] or self.length or 1

    @property
    def sign(self) -> int:
        """1 where the device counts as the domain does, else -1."""
        if self.positive is None or self.meaning is None:
            return 1
        return 1 if self.positive == DIRECTIONS[self.meaning][0] else -1

    @property
    def function(self) -> int:
        """The function code that writes it."""
        given = None if self.write is None else self.write.function
        return given or (5 if self.area is Area.COIL else 16)

    @property
    def polled(self) -> Poll:
        """How often it is read, the meaning's habit where the table does not say."""
        if self.poll is not None:
            return self.poll
        if self.meaning is None or self.meaning in CONTROLS:
            return Poll.NEVER
        return Poll.ONCE if self.meaning in RATINGS | TEXTS else Poll.FAST

    @model_validator(mode="after")
    def _consistent(self) -> Point:
        for problem in (*self._shape(), *self._quantity(), *self._writing()):
            raise ValueError(problem)
        return self

    def _shape(self) -> Iterator[str]:
        if self.area.bits != (self.type == "bit"):
            yield f"area {self.area} and type {self.type} do not fit: coils and discrete inputs are of type bit"
        if WIDTHS[self.type] is None:
            if self.type == "string" and self.length is None:
                yield "a string needs length, in registers"
            if self.type in ("enum", "bitfield") and self.width not in (1, 2, 4):
                yield f"an {self.type} has 1, 2 or 4 registers"
        elif self.length is not None:
            yield f"length is for string, enum and bitfield; {self.type} has its own"
        if self.scale == 0:
            yield "scale 0 makes every value 0"
        if self.valid is not None and self.valid[0] > self.valid[1]:
            yield f"valid: {self.valid[0]:g} is above {self.valid[1]:g}"

    def _quantity(self) -> Iterator[str]:
        meaning = self.meaning
        if (meaning is Meaning.VOLTS) != (self.phase is not None):
            yield "phase belongs to volts, and volts need one (AN, BN, CN, AB, BC, CA)"
        if meaning in TEXTS and self.type != "string":
            yield f"{meaning} is a string"
        if meaning is Meaning.ALARMS and not self.bits:
            yield "alarms need bits: {number: name}"
        if meaning is Meaning.STATE:
            known = {state.value for state in OperatingState}
            odd = [word for word in self.words.values() if word not in known]
            if odd or not self.values:
                yield f"state needs values: {{number: word}} with words of {', '.join(sorted(known))}, not {odd}"
        if (meaning in DIRECTIONS) != (self.positive is not None):
            yield "positive says which direction the device counts as positive; w, var, set_w and set_var need it"
        elif meaning in DIRECTIONS and self.positive not in DIRECTIONS[meaning]:
            yield f"positive of {meaning} is one of {', '.join(DIRECTIONS[meaning])}"
        yield from self._units()

    def _units(self) -> Iterator[str]:
        meaning = self.meaning
        if meaning is None or meaning in WORDS:
            if self.unit and self.unit not in UNITS:
                yield f"unit {self.unit!r} is not one of {', '.join(UNITS)}"
            return
        if (self.unit == "A") != (self.watts_per_amp is not None):
            yield "unit A and watts_per_amp (phases x volts) belong together"
        elif (self.unit == "%" and meaning in PERCENT) != (self.percent_of is not None):
            yield "percent_of names the 100 % of a power in %, and nothing else has it"
        elif self.unit == "A":
            if DIMENSION[meaning] != "W":
                yield f"{meaning} cannot be given in A"
        elif self.unit not in UNITS or (self.percent_of is None and UNITS[self.unit][0] != DIMENSION[meaning]):
            fitting = [u for u, (base, _) in UNITS.items() if base == DIMENSION[meaning]]
            yield f"unit of {meaning} is one of {', '.join(fitting)}, not {self.unit!r}"

    def _writing(self) -> Iterator[str]:
        if (self.meaning in CONTROLS) and self.write is None:
            yield f"{self.meaning} is a control and needs write"
        if self.write is None:
            return
        if self.area in (Area.INPUT, Area.DISCRETE):
            yield f"{self.area} cannot be written"
        if (self.function in (5, 15)) != self.area.bits:
            yield f"function {self.function} does not write area {self.area}"
        if self.function == 6 and self.width != 1:
            yield f"function 6 writes one register; {self.type} has {self.width}: use function 16"
        if self.type == "string":
            yield "strings are not written"
        if self.meaning in CONTROLS - {Meaning.CONNECT} and not self.write.release:
            yield "release is missing: what is written so that the device returns to its own default"

    @property
    def words(self) -> dict[int, str]:
        """`values` as words: YAML reads a bare off, on, yes and no as a truth value."""
        spoken = {True: "true", False: "off" if self.meaning is Meaning.STATE else "false"}
        return {raw: spoken[word] if isinstance(word, bool) else word for raw, word in self.values.items()}


class Gap(_Part):
    """Items without a point that may be read over, so that one request serves both sides."""

    area: Area = Area.HOLDING
    address: int = Field(ge=0, le=0x10000)
    count: int = Field(ge=1, le=2000)


class Identity(_Part):
    """What a point must show when the driver opens."""

    point: str
    one_of: tuple[int | str, ...] = ()
    starts_with: str | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Identity:
        if bool(self.one_of) == (self.starts_with is not None):
            raise ValueError("give one_of or starts_with")
        return self


class Heartbeat(_Part):
    """What is written again and again so that the device knows its controller lives."""

    point: str
    period_s: float = Field(gt=0, le=3600)
    kind: Literal["counter", "toggle", "constant"] = "counter"
    modulo: int = Field(65536, ge=2, le=65536, description="A counter runs from 0 to one less.")
    value: int = Field(1, ge=0, le=65535, description="What a constant heartbeat writes.")


class TableNameplate(_Part):
    """Ratings that the device does not tell; points and the device's configuration come first."""

    max_w: float | None = Field(default=None, ge=0)
    max_charge_w: float | None = Field(default=None, ge=0)
    max_va: float | None = Field(default=None, ge=0)
    max_var: float | None = Field(default=None, ge=0)
    energy_wh: float | None = Field(default=None, gt=0)
    nominal_v: float | None = Field(default=None, gt=0)
    manufacturer: str = ""
    model: str = ""


class RegisterTable(_Part):
    """A whole device."""

    title: str = ""
    source: str = Field("", description="Where the register numbers come from.")
    tried_on_hardware: bool = False
    kind: DeviceKind
    address_base: Literal[0, 1] = Field(description="0: addresses as on the wire; 1: the manual counts from 1.")
    word_order: Order = "big"
    byte_order: Order = "big"
    max_registers: int = Field(125, ge=1, le=125, description="The most registers the device gives in one answer.")
    slow_period_s: float = Field(60.0, gt=0, le=86_400)
    power_step_w: float = Field(0.0, ge=0)
    nameplate: TableNameplate = TableNameplate()
    identity: tuple[Identity, ...] = ()
    heartbeat: Heartbeat | None = None
    gaps: tuple[Gap, ...] = ()
    points: tuple[Point, ...] = Field(min_length=1, max_length=1000)

    @model_validator(mode="before")
    @classmethod
    def _hand_down_orders(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("points"), list):
            return data
        orders = {key: data[key] for key in ("word_order", "byte_order") if key in data}
        return {**data, "points": [{**orders, **p} if isinstance(p, dict) else p for p in data["points"]]}

    @model_validator(mode="after")
    def _consistent(self) -> RegisterTable:
        twice = [name for name, count in Counter(p.name for p in self.points).items() if count > 1]
        if twice:
            raise ValueError(f"points: the name {twice[0]} is used twice")
        meanings = Counter(p.meaning for p in self.points if p.meaning is not None and p.meaning not in REPEATED)
        for meaning, count in meanings.items():
            if count > 1:
                raise ValueError(f"points: {count} points mean {meaning}; one can")
        for place, name, wants in self._references():
            target = self.by_name.get(name)
            if target is None:
                raise ValueError(f"{place}: no point is called {name!r}; points: {', '.join(self.by_name)}")
            if wants == "write" and target.write is None:
                raise ValueError(f"{place}: point {name} is written, so it needs write: {{}}")
        for point in self.points:
            start = self.start(point)
            if start < 0 or start + point.width > 0x10000:
                raise ValueError(f"points.{point.name}: address {point.address} is outside 0..65535 of the wire")
            if point.width > self.max_registers:
                raise ValueError(f"points.{point.name}: {point.width} registers are more than max_registers")
        return self

    def _references(self) -> Iterator[tuple[str, str, str]]:
        for identity in self.identity:
            yield "identity", identity.point, "read"
        if self.heartbeat is not None:
            yield "heartbeat", self.heartbeat.point, "write"
        for point in self.points:
            place = f"points.{point.name}"
            if point.scale_factor is not None:
                yield f"{place}.scale_factor", point.scale_factor, "read"
            if point.write is None:
                continue
            if isinstance(point.write.read_back, str):
                yield f"{place}.write.read_back", point.write.read_back, "read"
            if point.write.revert is not None:
                yield f"{place}.write.revert", point.write.revert, "write"
            for step in (*point.write.before, *point.write.after, *point.write.release):
                yield f"{place}.write", step.point, "write"

    @cached_property
    def by_name(self) -> dict[str, Point]:
        """The points by name."""
        return {point.name: point for point in self.points}

    @cached_property
    def controls(self) -> dict[Meaning, Point]:
        """The points that carry out commands."""
        return {p.meaning: p for p in self.points if p.meaning is not None and p.meaning in CONTROLS}

    @property
    def has_bits(self) -> bool:
        """Whether coils or discrete inputs are used."""
        return any(point.area.bits for point in self.points)

    def start(self, item: Point | Gap) -> int:
        """The address on the wire."""
        return item.address - self.address_base
