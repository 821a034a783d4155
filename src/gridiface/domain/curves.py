"""Curves as they travel through the house: a device's answer to voltage, frequency, power or time.

Owns the one form that a control of mode CURVE carries: a mapping of curve name to its record, with the names and
numbers of IEEE 2030.5's DERCurve, the richest of the forms in use. Points are hundredths of a percent, of a hertz or
of a second; the record says what a percentage on the y axis is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Any

#: Points that every carrier can take.
MOST_POINTS = 10

_HUNDREDTHS = -2
_INT32 = 2**31


class CurveKind(Enum):
    """What a curve is for: its name, and its number in a record."""

    FREQ_WATT = ("opModFreqWatt", 0)
    HFRT_MUST_TRIP = ("opModHFRTMustTrip", 2)
    HVRT_MOMENTARY_CESSATION = ("opModHVRTMomentaryCessation", 4)
    HVRT_MUST_TRIP = ("opModHVRTMustTrip", 5)
    LFRT_MUST_TRIP = ("opModLFRTMustTrip", 7)
    LVRT_MOMENTARY_CESSATION = ("opModLVRTMomentaryCessation", 9)
    LVRT_MUST_TRIP = ("opModLVRTMustTrip", 10)
    VOLT_VAR = ("opModVoltVar", 11)
    VOLT_WATT = ("opModVoltWatt", 12)
    WATT_VAR = ("opModWattVar", 14)

    @property
    def mode(self) -> str:
        """The name under which it travels."""
        return self.value[0]

    @property
    def number(self) -> int:
        """Its number in a record."""
        return self.value[1]


class CurveBase(IntEnum):
    """What 100 % on the y axis is."""

    NONE = 0
    MAX_W = 1
    MAX_VAR = 2
    AVAILABLE_VAR = 3
    EFFECTIVE_V = 4


def curve_payload(
    kind: CurveKind, points: Sequence[tuple[float, float]], base: CurveBase, created: float
) -> dict[str, dict[str, Any]] | None:
    """The payload of a control that asks for one curve; None where no carrier could take these points.

    Args:
        kind: what the curve is for.
        points: x in percent, hertz or seconds; y in percent or hertz.
        base: of the y axis.
        created: when the curve was made, s since 1970.
    """
    if not 1 <= len(points) <= MOST_POINTS:
        return None
    data = [{"xvalue": round(100 * x), "yvalue": round(100 * y)} for x, y in points]
    if any(abs(number) >= _INT32 for point in data for number in point.values()):
        return None
    record = {
        "creationTime": int(created),
        "curveData": data,
        "curveType": kind.number,
        "xMultiplier": _HUNDREDTHS,
        "yMultiplier": _HUNDREDTHS,
        "yRefType": int(base),
    }
    return {kind.mode: record}
