"""The registers of a device as last read, and registers to write. Pure; which registers to read is plan's."""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.quantities import Rounding
from gridiface_southbound.modbus import codec
from gridiface_southbound.modbus.table import Point, RegisterTable
from gridiface_southbound.points.image import Image, Raw, Unplannable, Write


class RegisterImage(Image[Point]):
    """The registers of a device, by point name."""

    def __init__(self, table: RegisterTable, data: Mapping[str, bytes] | None = None) -> None:
        self.table: RegisterTable = table
        self.data: dict[str, bytes] = dict(data or {})

    def exponent(self, point: Point) -> int | None:
        """The point's power of ten: 0 where it has no scale factor, None where that is not known."""
        if point.scale_factor is None:
            return 0
        value = self.value(self.table.by_name[point.scale_factor])
        usable = value is not None and value.is_integer() and abs(value) <= codec.MAX_EXPONENT
        return int(value) if usable and value is not None else None

    def value(self, point: Point) -> float | None:
        """As `Image.value`."""
        data = self.data.get(point.name)
        if data is None:
            return None
        return codec.decode(point, data, 0 if point.scale_factor is None else self.exponent(point))

    def raw(self, point: Point) -> Raw | None:
        """The bare register value."""
        data = self.data.get(point.name)
        return None if data is None else codec.decode_raw(point, data)

    def word(self, point: Point) -> str | None:
        """As `Image.word`."""
        raw = self.raw(point)
        if not isinstance(raw, int):
            return None
        if point.values:
            return point.words.get(raw)
        return "true" if raw else "false"

    def alarms(self, point: Point) -> tuple[str, ...]:
        """The names of the bits that are set."""
        raw = self.raw(point)
        return tuple(name for bit, name in point.bits.items() if raw >> bit & 1) if isinstance(raw, int) else ()

    def range_of(self, point: Point) -> tuple[float, float]:
        """As `Image.range_of`."""
        return codec.value_range(point, self._known_exponent(point))

    def encoded(self, point: Point, value: float, rounding: Rounding = Rounding.NEAREST) -> Write[Point]:
        """As `Image.encoded`."""
        try:
            data, held = codec.encode(point, value, self._known_exponent(point), rounding=rounding)
        except Unplannable:
            raise
        except ValueError as error:
            raise Unplannable(str(error)) from error
        return Write(point, data, held)

    def named(self, point: Point, word: str) -> Write[Point]:
        """As `Image.named`."""
        found = next((number for number, said in point.words.items() if said == word), None)
        if found is None:
            raise Unplannable(f"{point.name} has no value for {word}")
        return self.encoded(point, float(found))

    def is_steady(self, point: Point) -> bool:
        """As `Image.is_steady`: where no scale factor of the device's is in it."""
        return point.scale_factor is None

    def holds(self, write: Write[Point]) -> bool:
        """As `Image.holds`."""
        data = self.data.get(write.point.name)
        return data is not None and bool(codec.own_bits(write.point, data) == write.data)

    def _known_exponent(self, point: Point) -> int:
        exponent = self.exponent(point)
        if exponent is None:
            raise Unplannable(f"the scale factor of {point.name} is not known")
        return exponent


def scale_points(table: RegisterTable) -> list[Point]:
    """The scale factors that controls depend on: read before each write, for devices change them."""
    names: set[str] = set()
    for point in table.controls.values():
        rule = point.write
        if rule is None:
            continue
        involved = [point.name, *(s.point for s in (*rule.before, *rule.after, *rule.release))]
        involved += [rule.revert] if rule.revert else []
        involved += [rule.read_back] if isinstance(rule.read_back, str) else []
        names |= {factor for name in involved if (factor := table.by_name[name].scale_factor) is not None}
    return [table.by_name[name] for name in sorted(names)]
