"""Curves as they travel through the house: a device's answer to voltage, frequency, power or time.

Owns the one form that a control of mode CURVE carries: a mapping of curve name to its record, with the names and
numbers of IEEE 2030.5's DERCurve, the richest of the forms in use; and that of FREQUENCY_DROOP, its FreqDroopType with
`minW` and `maxW` beside it, which that standard does not have: hundredths of a percent of a device's rated power.
`Curve` and `Droop` are what these records say, in plain units, for those who carry them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Self

from gridiface.domain.controls import ModeValue

#: Points that every carrier can take.
MOST_POINTS = 10

#: Names, in a record of droop, of the limits of power.
LEAST_W, MOST_W = "minW", "maxW"

_HUNDREDTHS = -2
_WHOLE = 10_000
_INT32 = 2**31


class BadCurve(ValueError):
    """A record that is no curve and no droop; the reason is its text."""


class CurveKind(Enum):
    """What a curve is for: its name, and its number in a record."""

    FREQ_WATT = ("opModFreqWatt", 0)
    HFRT_MAY_TRIP = ("opModHFRTMayTrip", 1)
    HFRT_MUST_TRIP = ("opModHFRTMustTrip", 2)
    HVRT_MAY_TRIP = ("opModHVRTMayTrip", 3)
    HVRT_MOMENTARY_CESSATION = ("opModHVRTMomentaryCessation", 4)
    HVRT_MUST_TRIP = ("opModHVRTMustTrip", 5)
    LFRT_MAY_TRIP = ("opModLFRTMayTrip", 6)
    LFRT_MUST_TRIP = ("opModLFRTMustTrip", 7)
    LVRT_MAY_TRIP = ("opModLVRTMayTrip", 8)
    LVRT_MOMENTARY_CESSATION = ("opModLVRTMomentaryCessation", 9)
    LVRT_MUST_TRIP = ("opModLVRTMustTrip", 10)
    VOLT_VAR = ("opModVoltVar", 11)
    VOLT_WATT = ("opModVoltWatt", 12)
    WATT_PF = ("opModWattPF", 13)
    WATT_VAR = ("opModWattVar", 14)
    # those for which IEEE 2030.5 has no curve, with numbers beyond its own
    HFRT_MOMENTARY_CESSATION = ("opModHFRTMomentaryCessation", 101)
    LFRT_MOMENTARY_CESSATION = ("opModLFRTMomentaryCessation", 102)

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
    MAX_CHARGE_W = 5
    MAX_DISCHARGE_W = 6
    AVAILABLE_W = 7


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


def curves_in(value: ModeValue) -> dict[str, Any]:
    """The records of a CURVE value by curve name; where it names one curve, what it carries stands under that name."""
    payload = value.payload
    if value.base:
        named = isinstance(payload, Mapping) and value.base in payload
        return {value.base: payload[value.base] if named else payload}
    return {str(name): record for name, record in payload.items()} if isinstance(payload, Mapping) else {}


def each_curve(value: ModeValue) -> list[ModeValue]:
    """One value for each curve that a CURVE value carries: each is ruled by itself. One that names none stays whole."""
    if value.base:
        return [value]
    found = [ModeValue(1.0, name, {name: record}) for name, record in curves_in(value).items()]
    return found or [value]


def _number(record: Mapping[str, Any], name: str, *, signed: bool = False) -> float | None:
    """A number of a record.

    Raises:
        BadCurve: it is none, or it is negative where it cannot be.
    """
    given = record.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise BadCurve(f"{name} is no number")
    if given < 0 and not signed:
        raise BadCurve(f"{name} cannot be {given:g}")
    return float(given)


_MOST_EXPONENT = 9


def _factor(record: Mapping[str, Any], name: str) -> float:
    exponent = _number(record, name, signed=True) or 0.0
    if exponent != int(exponent) or abs(exponent) > _MOST_EXPONENT:
        raise BadCurve(f"{name} cannot be {exponent:g}")
    return float(10.0 ** int(exponent))


def _scaled(given: float, factor: float) -> float:
    # 9850 hundredths are 98.5, not 98.50000000000001.
    return float(given * factor) if factor >= 1 else float(given / round(1 / factor))


def _times(record: Mapping[str, Any], name: str) -> float | None:
    hundredths = _number(record, name)
    return None if hundredths is None else hundredths / 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What a record says.

    `points`: x in percent, hertz or seconds; y in percent or hertz. `base`: of the y axis. `response_s`: open-loop
    response time; `pt1_s`: time to 95 % of a change. `reference_percent`: of nominal voltage, by which the x values of
    a volt-var curve are adjusted; `follows`: whether the reference follows the voltage by itself, with the time
    constant `follows_s`. None: not told.
    """

    kind: CurveKind
    points: tuple[tuple[float, float], ...]
    base: int = CurveBase.NONE
    response_s: float | None = None
    pt1_s: float | None = None
    reference_percent: float | None = None
    follows: bool | None = None
    follows_s: float | None = None

    @classmethod
    def of(cls, kind: CurveKind, record: object) -> Self:
        """What a record of this kind says.

        Raises:
            BadCurve: it is no such record.
        """
        if not isinstance(record, Mapping):
            raise BadCurve("a curve is a record with curveData")
        told = record.get("curveType", kind.number)
        if told != kind.number:
            raise BadCurve(f"curveType {told} is not that of {kind.mode}, {kind.number}")
        given = record.get("curveData")
        if not isinstance(given, Sequence) or isinstance(given, str | bytes) or not 1 <= len(given) <= MOST_POINTS:
            raise BadCurve(f"curveData has 1 to {MOST_POINTS} points")
        x_by, y_by = _factor(record, "xMultiplier"), _factor(record, "yMultiplier")
        points = []
        for point in given:
            plain = point if isinstance(point, Mapping) else {}
            x, y = _number(plain, "xvalue", signed=True), _number(plain, "yvalue", signed=True)
            if x is None or y is None:
                raise BadCurve("a point has xvalue and yvalue")
            points.append((_scaled(x, x_by), _scaled(y, y_by)))
        reference, follows = _number(record, "vRef"), record.get("autonomousVRefEnable")
        return cls(
            kind=kind,
            points=tuple(points),
            base=int(_number(record, "yRefType") or 0),
            response_s=_times(record, "openLoopTms"),
            pt1_s=_times(record, "rampPT1Tms"),
            reference_percent=None if reference is None else reference / 100.0,
            follows=None if follows is None else bool(follows),
            follows_s=_times(record, "autonomousVRefTimeConstant"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Droop:
    """What a record of droop says: dead-bands in Hz; change of frequency by change of power, both per unit; s.

    `least_percent`, `most_percent`: of rated power, how far power may go down and up by droop (IEEE 1547-2018, 5.7.2:
    prime mover and energy constraints); None: not told, a device's own stay.
    """

    over_hz: float
    under_hz: float
    over_gain: float
    under_gain: float
    response_s: float
    least_percent: float | None = None
    most_percent: float | None = None

    @classmethod
    def of(cls, record: object) -> Self:
        """What a record says: thousandths of a hertz and of the gains, hundredths of a second and of a percent.

        Raises:
            BadCurve: it is no such record.
        """
        if not isinstance(record, Mapping):
            raise BadCurve("a droop is a record with dBOF, dBUF, kOF, kUF and openLoopTms")
        told = [_number(record, name) for name in ("dBOF", "dBUF", "kOF", "kUF", "openLoopTms")]
        if any(one is None for one in told):
            raise BadCurve("a droop has dBOF, dBUF, kOF, kUF and openLoopTms")
        over_hz, under_hz, over, under, response = (one or 0.0 for one in told)
        if not over or not under:
            raise BadCurve("kOF and kUF are above 0")
        least, most = (_percent(record, name) for name in (LEAST_W, MOST_W))
        if least is not None and most is not None and least > most:
            raise BadCurve(f"{LEAST_W} is above {MOST_W}")
        return cls(
            over_hz=over_hz / 1000.0,
            under_hz=under_hz / 1000.0,
            over_gain=over / 1000.0,
            under_gain=under / 1000.0,
            response_s=response / 100.0,
            least_percent=least,
            most_percent=most,
        )


def _percent(record: Mapping[str, Any], name: str) -> float | None:
    """Hundredths of a percent of a rated power.

    Raises:
        BadCurve: it is no number, or beyond the rating.
    """
    hundredths = _number(record, name, signed=True)
    if hundredths is None:
        return None
    if abs(hundredths) > _WHOLE:
        raise BadCurve(f"{name} cannot be {hundredths / 100.0:g} % of rated power")
    return hundredths / 100.0


#: Curves by the name under which they travel.
KIND_OF_MODE: Mapping[str, CurveKind] = {kind.mode: kind for kind in CurveKind}


def fault_of_curves(value: ModeValue) -> str:
    """What is wrong with the records of a CURVE value; empty: nothing, of those whose name is known."""
    for name, record in curves_in(value).items():
        kind = KIND_OF_MODE.get(name)
        if kind is None:
            continue
        try:
            Curve.of(kind, record)
        except BadCurve as problem:
            return f"{name}: {problem}"
    return ""


def fault_of_droop(value: ModeValue) -> str:
    """What is wrong with the record of a FREQUENCY_DROOP value; empty: nothing."""
    try:
        Droop.of(value.payload)
    except BadCurve as problem:
        return str(problem)
    return ""
