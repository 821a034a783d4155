"""From MMS values to scalars, quality and time of a point, and back. Pure.

Owned here: which attribute of a data object is value, quality and time. Not owned: what a point means (points).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gridiface.domain.telemetry import Quality
from gridiface.protocols.mms.data import Data, Kind, UtcTime, float32
from gridiface.protocols.mms.quality import Quality as WireQuality
from gridiface.protocols.mms.quality import Validity, position
from gridiface.protocols.mms.types import Type
from gridiface_southbound.iec61850.table import Point
from gridiface_southbound.points.image import Raw, Write
from gridiface_southbound.points.scalar import ScalarImage

#: From the best to the worst.
_ORDER = (Quality.GOOD, Quality.ESTIMATED, Quality.SUBSTITUTED, Quality.STALE, Quality.BAD)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a point shows: the scalar (None where it cannot be used), its quality, and the device's time of it."""

    raw: Raw | None
    quality: Quality | None = None
    at: float | None = None

    @property
    def usable(self) -> Raw | None:
        """The scalar, None where it is bad."""
        return None if self.quality is Quality.BAD else self.raw


def scalar(data: Data) -> Raw | None:
    """A value as a scalar; a bit string as a number whose bit n is its bit n, one of two bits as Dbpos."""
    match data.kind:
        case Kind.ARRAY | Kind.STRUCTURE:
            return None
        case Kind.BIT_STRING | Kind.BOOLEAN_ARRAY:
            double = position(data.value)
            return sum(1 << n for n, bit in enumerate(data.value) if bit == "1") if double is None else int(double)
        case Kind.OCTET_STRING | Kind.OBJECT_ID:
            return bytes(data.value).hex()
        case Kind.UTC_TIME | Kind.BINARY_TIME:
            at: float | None = data.value.instant
            return at
        case _:
            value: Raw = data.value
            return value


def quality(data: Data | None) -> Quality | None:
    """The domain's word for a quality; None where there is none."""
    if data is None or data.kind is not Kind.BIT_STRING:
        return None
    told = WireQuality.of(data.value)
    if told.validity in (Validity.INVALID, Validity.RESERVED) or "test" in told.details:
        # a test value is no measurement
        return Quality.BAD
    if "old_data" in told.details or "operator_blocked" in told.details:
        return Quality.STALE
    if "substituted" in told.details:
        return Quality.SUBSTITUTED
    return Quality.ESTIMATED if told.validity is Validity.QUESTIONABLE else Quality.GOOD


def instant(data: Data | None) -> float | None:
    """The device's time of a value; None where its clock cannot be believed."""
    if data is None or not isinstance(data.value, UtcTime):
        return None
    told = data.value
    return None if told.clock_failure or told.not_synchronised or not told.seconds else told.instant


def worst(found: Iterable[Quality | None]) -> Quality:
    """The worst of some qualities; good where nobody tells any."""
    return max((q for q in found if q is not None), key=_ORDER.index, default=Quality.GOOD)


def dig(data: Data, path: Sequence[int]) -> Data | None:
    """A part of a structure."""
    for step in path:
        if step >= len(data.items):
            return None
        data = data.items[step]
    return data


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in a data object a point is: the ways to its value, quality and time, as names and as numbers."""

    kind: Type
    value: tuple[str, ...]
    quality: tuple[str, ...] | None
    time: tuple[str, ...] | None

    def read(self, data: Data, whole: Type) -> Reading:
        """What the point shows in a value of its data object, whose type is `whole`."""
        told = _part(data, whole, self.value)
        grade = quality(_part(data, whole, self.quality))
        raw = None if told is None or grade is Quality.BAD else scalar(told)
        return Reading(raw, grade, instant(_part(data, whole, self.time)))


def _part(data: Data, whole: Type, path: tuple[str, ...] | None) -> Data | None:
    place = None if path is None else whole.place(path)
    return None if place is None else dig(data, place)


def spot(whole: Type, path: tuple[str, ...]) -> Spot | None:
    """Where an attribute of a data object is; quality and time are the nearest ones around it. None: it has no such."""
    kind = whole.at(path)
    if kind is None or kind.kind in (Kind.ARRAY, Kind.STRUCTURE):
        return None
    return Spot(kind, path, _beside(whole, path, "q"), _beside(whole, path, "t"))


def _beside(whole: Type, path: tuple[str, ...], name: str) -> tuple[str, ...] | None:
    for depth in range(len(path) - 1, -1, -1):
        beside = (*path[:depth], name)
        if whole.at(beside) is not None:
            return beside
    return None


class ReferenceImage(ScalarImage[Point]):
    """The scalars of a device; a float of four octets shows what four octets can hold."""

    def holds(self, write: Write[Point]) -> bool:
        """As `Image.holds`."""
        raw = self.raw(write.point)
        if raw is None or isinstance(raw, str) or isinstance(write.data, str):
            return raw is not None and bool(raw == write.data)
        return bool(raw == write.data) or float(raw) == float32(float(write.data))
