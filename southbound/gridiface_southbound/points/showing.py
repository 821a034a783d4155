"""A device's points as last read, for people who install it: raw, and as they were understood. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from gridiface.drivers.api import Shown
from gridiface_southbound.points.image import Image
from gridiface_southbound.points.table import Point, Poll
from gridiface_southbound.points.template import text_of

P = TypeVar("P", bound=Point)


def shown(image: Image[P], values: Mapping[str, Any]) -> list[Shown]:
    """Every point that is read, in the order of the table; some may have no value. `values`: of the parameters."""
    points = image.table.points
    return [_one(image, p, values) for p in points if p.polled is not Poll.NEVER or image.raw(p) is not None]


def _one(image: Image[P], point: P, values: Mapping[str, Any]) -> Shown:
    raw = image.raw(point)
    return Shown(
        name=point.name,
        place=text_of(point.place, values),
        raw="-" if raw is None else f"{raw:#x}" if point.bits and isinstance(raw, int) else str(raw),
        value=_value(image, point, raw),
        unit=point.unit,
        meaning=""
        if point.meaning is None
        else f"{point.meaning.value}{f' {point.phase.value}' if point.phase else ''}",
    )


def _value(image: Image[P], point: P, raw: object) -> str:
    if raw is None:
        return ", ".join(image.alarms(point)) or "no value"  # a list of names is no number
    if point.bits:
        return ", ".join(image.alarms(point)) or "none"
    if point.state_words and (word := image.word(point)) is not None:
        return word
    if isinstance(raw, str):
        return raw
    value = image.value(point)
    return "no value" if value is None else f"{value:.6g}"
