"""Between a point's own unit and the domain's: unit, direction, percent of a rating, amperes. Pure.

Numbers are scaled as fractions, so a tenth stays a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from gridiface_southbound.points.meanings import UNITS
from gridiface_southbound.points.table import Point


def si_factor(point: Point, bases: Mapping[str, float | None]) -> Fraction | None:
    """SI units in one unit of the point, with its sign; None: the rating that its percentage refers to is unknown."""
    if point.percent_of is not None:
        base = bases.get(point.percent_of) if isinstance(point.percent_of, str) else point.percent_of
        return None if not base else point.sign * exact(base) / 100
    if point.watts_per_amp is not None:
        return point.sign * exact(point.watts_per_amp)
    return point.sign * (UNITS[point.unit][1] if point.unit in UNITS else Fraction(1))


def to_si(value: float, factor: Fraction) -> float:
    """A value in SI units; never minus zero."""
    return float(exact(value) * factor) + 0.0


def from_si(value: float, factor: Fraction) -> float:
    """An SI value in the point's unit."""
    return float(exact(value) / factor) + 0.0


@lru_cache(maxsize=4096)
def exact(value: float) -> Fraction:
    """The number as people wrote it: 0.1 is a tenth, not the nearest binary fraction."""
    return Fraction(repr(float(value)))
