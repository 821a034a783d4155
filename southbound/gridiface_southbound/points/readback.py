"""Whether a device shows what was written to its points. Pure; when it is asked is the driver's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from gridiface.domain.fleet import Nameplate
from gridiface.drivers.api import DeviceBusy
from gridiface_southbound.points import telemetry
from gridiface_southbound.points.image import Image, Write
from gridiface_southbound.points.scaling import from_si, si_factor, to_si
from gridiface_southbound.points.table import Point, Table

P = TypeVar("P", bound=Point)


def to_be_shown(final: Mapping[str, Write[P]], table: Table[P]) -> dict[str, tuple[Write[P], P]]:
    """For each written point that can be read back: what it must hold, and the point that shows it."""
    shown: dict[str, tuple[Write[P], P]] = {}
    for name, write in final.items():
        rule = write.point.write
        if rule is None or rule.read_back is False:
            continue
        shown[name] = (write, write.point if rule.read_back is True else table.by_name[rule.read_back])
    return shown


def showing(shown: Mapping[str, tuple[Write[P], P]]) -> list[P]:
    """The points that show what was written, each once."""
    return list({point.name: point for _, point in shown.values()}.values())


def compared(shown: Mapping[str, tuple[Write[P], P]], after: Image[P], plate: Nameplate | None) -> dict[str, float]:
    """What the device shows.

    Args:
        shown: as `to_be_shown`.
        after: what was read.
        plate: what percentages refer to.

    Raises:
        DeviceBusy: something else than what was written.
    """
    seen: dict[str, float] = {}
    for name, (write, point) in shown.items():
        value, taken = shows(write, point, after, plate)
        if value is None or not taken:
            text = "nothing" if value is None else f"{value:g}"
            raise DeviceBusy(f"{point.name} reads {text} after {write.value:g} was written")
        seen[name] = value
    return seen


def shows(write: Write[P], point: P, after: Image[P], plate: Nameplate | None) -> tuple[float | None, bool]:
    """What `point` shows of a write, in the written point's unit, and whether that is what was written."""
    tolerance = 0.0 if write.point.write is None else write.point.write.tolerance
    if point is write.point and after.holds(write):
        return write.value, True
    value = after.value(point)
    if value is not None and point is not write.point:
        value = _in_unit_of(write.point, point, value, plate)
    room = tolerance + 1e-9 * abs(write.value)
    return value, value is not None and abs(value - write.value) <= room


def delay_s(writes: Iterable[Write[P]]) -> float:
    """The longest time that a written point needs until it can be read back, seconds."""
    rules = (write.point.write for write in writes)
    return max((rule.read_back_delay_s for rule in rules if rule is not None), default=0.0)


def _in_unit_of(target: P, source: P, value: float, plate: Nameplate | None) -> float:
    """What another point shows, in the target's unit; a helper without a meaning counts as the target does."""
    if source.meaning is None and source.unit in ("", target.unit):
        return value
    known = {} if plate is None else telemetry.bases(plate)
    there, here = si_factor(source, known), si_factor(target, known)
    if there is None or not here:
        return value
    return from_si(to_si(value, there * target.sign if source.meaning is None else there), here)
