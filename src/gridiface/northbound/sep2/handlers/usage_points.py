"""Usage points of the utility's own: meters of premises and feeders, beside those that devices mirror.

What the utility or the operator posts to /upt, its quantities, their types and values. One that names a device is for
that device; what is made of a mirror is written at the mirror, and not here.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.controls import Target, TargetKind
from gridiface.northbound.sep2.published.preparing import Place, Rule
from gridiface.northbound.sep2.served.services import bad_value
from gridiface.protocols.sep2.enums import RoleFlags
from gridiface.protocols.sep2.resources import Reading, ReadingSet, ReadingType, UsagePoint

_STATUSES = {0, 1}


def device_of(point: UsagePoint) -> Target | None:
    """The device that a usage point is for: the one that it names, be it registered yet or not."""
    return None if point.deviceLFDI is None else Target(TargetKind.DEVICE, point.deviceLFDI)


def _check_point(point: UsagePoint, place: Place) -> None:
    if point.roleFlags & RoleFlags.IS_MIRROR:
        raise bad_value("a mirrored usage point is made of its mirror")
    if point.status not in _STATUSES:
        raise bad_value(f"status {point.status} is not defined")


def _check_set(found: ReadingSet, place: Place) -> None:
    if not found.timePeriod.duration:
        raise bad_value("a set of readings covers at least a second")


def _check_reading(reading: Reading, place: Place) -> None:
    if reading.value is None:
        raise bad_value("a reading has a value")
    keys = [(member.localID, member.consumptionBlock, member.touTier) for member in place.members]
    if (reading.localID, reading.consumptionBlock, reading.touTier) in keys:
        raise bad_value("the set has a reading of this localID, block and tier")


def _check_type(found: ReadingType, place: Place) -> None:
    if found.subIntervalLength is not None and found.subIntervalLength > (found.intervalLength or 0):
        raise bad_value("subIntervalLength is above intervalLength")


RULES: Mapping[type, Rule] = {
    UsagePoint: _check_point,
    ReadingSet: _check_set,
    Reading: _check_reading,
    ReadingType: _check_type,
}
