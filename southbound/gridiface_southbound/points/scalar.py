"""Points whose value is one scalar of JSON or text: what a web API, a topic or a signal gives. Pure.

A *raw* value is a number, a truth value or a text; a *value* is in the point's own unit. Not owned: where the scalar is
found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from gridiface.domain.quantities import Rounding
from gridiface_southbound.points import table as points
from gridiface_southbound.points.image import Image, Raw, Unplannable, Write
from gridiface_southbound.points.meanings import TEXTS, WORDS, Meaning
from gridiface_southbound.points.problems import Wrong
from gridiface_southbound.points.scaling import exact

#: A text longer than this is neither a number nor a word nor a name.
MAX_TEXT = 256
#: Alarms that one answer may name.
MAX_ALARMS = 64


class ScalarPoint(points.Point):
    """One value of the device."""

    type: Literal["number", "flag", "text"] = Field("number", description="What is written: 5, true, or a text.")
    step: float = Field(1.0, ge=0, description="Steps of what is written, before scaling; 0: any number.")
    values: dict[int | str, str | bool] = Field(default_factory=dict)

    @property
    def words(self) -> dict[int | str, str]:
        """`values` as words: YAML reads a bare off, on, yes and no as a truth value."""
        spoken = {True: "true", False: "off" if self.meaning is Meaning.STATE else "false"}
        return {raw: spoken[word] if isinstance(word, bool) else word for raw, word in self.values.items()}

    @property
    def state_words(self) -> tuple[str, ...]:
        """The words of its enumeration."""
        return tuple(self.words.values())

    def _shape(self) -> Iterator[Wrong]:
        if self.meaning in TEXTS and self.type != "text":
            yield "type", f"{self.meaning} is of type text"
        if self.meaning is not None and self.meaning not in WORDS and self.type != "number":
            yield "type", f"{self.meaning} is of type number"
        yield from super()._shape()


S = TypeVar("S", bound=ScalarPoint)


class ScalarImage(Image[S], Generic[S]):
    """The scalars of a device, by point name."""

    def __init__(self, table: points.Table[S], data: Mapping[str, Any] | None = None) -> None:
        self.table = table
        self.data: dict[str, Any] = dict(data or {})

    def value(self, point: S) -> float | None:
        """As `Image.value`; of an enumeration of texts the place in the list."""
        raw = self.raw(point)
        if raw is None:
            return None
        if raw in point.values and isinstance(raw, str):
            return float(list(point.values).index(raw))
        number = _number(raw)
        if number is None:
            return None
        value = number if (point.scale, point.offset) == (1, 0) else _scaled(point, number)
        inside = point.valid is None or point.valid[0] <= value <= point.valid[1]
        return value if inside and math.isfinite(value) else None

    def raw(self, point: S) -> Raw | None:
        """The scalar; None for everything that is none."""
        raw = self.data.get(point.name)
        if isinstance(raw, str):
            return raw.strip() or None if len(raw) <= MAX_TEXT else None
        return raw if isinstance(raw, int | float) else None

    def word(self, point: S) -> str | None:
        """As `Image.word`."""
        raw = self.raw(point)
        if raw is None:
            return None
        if point.values:
            known = point.words
            return known.get(raw if isinstance(raw, str) else int(raw)) or known.get(str(raw))
        if isinstance(raw, str):
            raw = {"true": 1, "false": 0}.get(raw.lower(), raw)
            number = _number(raw)
            return None if number is None else ("true" if number else "false")
        return "true" if raw else "false"

    def alarms(self, point: S) -> tuple[str, ...]:
        """A list of names, the names of the bits that are set, or one name."""
        raw = self.data.get(point.name)
        if isinstance(raw, list):
            return tuple(item[:MAX_TEXT] for item in raw[:MAX_ALARMS] if isinstance(item, str) and item)
        if point.bits and isinstance(raw, int):
            return tuple(name for bit, name in point.bits.items() if raw >> bit & 1)
        if isinstance(raw, str):
            return (raw,) if 0 < len(raw) <= MAX_TEXT else ()
        return (point.name,) if raw is True else ()

    def range_of(self, point: S) -> tuple[float, float]:
        """As `Image.range_of`."""
        return (-math.inf, math.inf) if point.valid is None else point.valid

    def encoded(self, point: S, value: float, rounding: Rounding = Rounding.NEAREST) -> Write[S]:
        """As `Image.encoded`."""
        if not math.isfinite(value):
            raise Unplannable(f"{point.name}: {value!r} cannot be written")
        if point.valid is not None and not point.valid[0] <= value <= point.valid[1]:
            raise Unplannable(f"{point.name}: {value:g} is outside {point.valid[0]:g}..{point.valid[1]:g}")
        if point.type == "flag":
            return Write(point, bool(value), float(bool(value)))
        if point.type == "text":
            raise Unplannable(f"{point.name} holds words, not numbers")
        meant = (exact(value) - exact(point.offset)) / exact(point.scale)
        raw = _stepped(meant, exact(point.step), value, point.scale, rounding)
        data = int(raw) if raw.denominator == 1 else float(raw)
        return Write(point, data, _scaled(point, data))

    def named(self, point: S, word: str) -> Write[S]:
        """As `Image.named`; a text without `values` is written as it is."""
        if not point.values and point.type == "text":
            return Write(point, word, 0.0)
        for place, (raw, said) in enumerate(point.words.items()):
            if word in (said, raw):
                return Write(point, raw, float(place if isinstance(raw, str) else raw))
        raise Unplannable(f"{point.name} has no value for {word}")

    def holds(self, write: Write[S]) -> bool:
        """As `Image.holds`."""
        raw = self.raw(write.point)
        return raw is not None and bool(raw == write.data)


def _number(raw: Raw) -> float | None:
    """A finite number, also one that is written as a text."""
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _scaled(point: ScalarPoint, number: float) -> float:
    return float(exact(number) * exact(point.scale) + exact(point.offset))


def _stepped(meant: Fraction, step: Fraction, value: float, scale: float, rounding: Rounding) -> Fraction:
    """`meant` in whole steps; towards zero means of the value, whatever the scale's sign."""
    if not step:
        return meant
    steps = meant / step
    if rounding is Rounding.NEAREST:
        return round(steps) * step
    if rounding is Rounding.CEILING:
        return (math.ceil(steps) if scale > 0 else math.floor(steps)) * step
    down = (value >= 0) == (scale > 0)
    return (math.floor(steps) if down else math.ceil(steps)) * step
