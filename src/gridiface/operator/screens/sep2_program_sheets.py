"""The forms of a DER program: its curves and its default control. Declared, both ways. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from gridiface.operator.areas.sep2_programs import NewCurve, NewDefault
from gridiface.operator.screens import sep2_elements as elements
from gridiface.operator.screens.forms import Form, checked, wrong
from gridiface.operator.screens.sep2_elements import Field, Words
from gridiface.operator.screens.sep2_sheet import PROGRAM, Sheet, whole
from gridiface.protocols.sep2.enums import DERCurveType, DERUnitRefType

#: Points of one curve (DERCurve.CurveData), and the decimal places that 10^-9 can hold.
_POINTS, _PLACES = 10, 9

#: No coordinate of a curve is so large.
_LARGEST = 1_000_000


# --- curves -----------------------------------------------------------------------------------------------------------

#: What x and y of each type of curve are; y of a var or W curve is in percent of what yRefType says.
CURVE_UNITS: Mapping[DERCurveType, tuple[str, str]] = {
    DERCurveType.FREQ_WATT: ("Hz", "%"),
    DERCurveType.VOLT_VAR: ("%V", "%"),
    DERCurveType.VOLT_WATT: ("%V", "%"),
    DERCurveType.WATT_PF: ("%W", "power factor"),
    DERCurveType.WATT_VAR: ("%W", "%"),
    **{kind: ("s", "Hz") for kind in DERCurveType if kind.name.startswith(("HF", "LF"))},
    **{kind: ("s", "%V") for kind in DERCurveType if kind.name.startswith(("HV", "LV"))},
}
_REFERENCES = {
    DERUnitRefType.NOT_APPLICABLE: "nothing",
    DERUnitRefType.SET_MAX_W: "setMaxW",
    DERUnitRefType.SET_MAX_VAR: "setMaxVar",
    DERUnitRefType.STAT_VAR_AVAIL: "the vars that are available",
    DERUnitRefType.SET_EFFECTIVE_V: "setEffectiveV (VRef)",
    DERUnitRefType.SET_MAX_CHARGE_RATE_W: "setMaxChargeRateW",
    DERUnitRefType.SET_MAX_DISCHARGE_RATE_W: "setMaxDischargeRateW",
    DERUnitRefType.STAT_W_AVAIL: "the power that is available",
}


def _curve_label(kind: DERCurveType) -> str:
    x, y = CURVE_UNITS[kind]
    return f"{kind.name.replace('_', '-').lower()}: {x}, {y}"


def points_of(text: str) -> list[tuple[Decimal, Decimal]]:
    """The points of lines of "x y".

    Raises:
        Refused: 422, a line is none, or there are too many or none.
    """
    found = []
    for line in text.replace("\u2212", "-").splitlines()[: 2 * _POINTS]:
        parts = line.replace(",", ".").replace(";", " ").split()
        if not parts:
            continue
        try:
            x, y = (Decimal(part) for part in parts)
        except (ValueError, InvalidOperation) as error:
            raise wrong("points", f"the point {line[:40]!r} is not `x y`", "write a line like 92 44") from error
        if not (abs(x) < _LARGEST and abs(y) < _LARGEST):
            raise wrong("points", f"the point {line[:40]!r} is out of range", "write smaller numbers")
        found.append((x, y))
    if not 0 < len(found) <= _POINTS:
        raise wrong("points", "the curve has no points, or too many", f"write 1 to {_POINTS} lines of `x y`")
    return found


def _scaled(values: Sequence[Decimal], name: str) -> tuple[int, list[int]]:
    """(power of ten, whole numbers) that hold all values exactly."""
    places = max(0, *(-int(value.normalize().as_tuple().exponent) for value in values))
    if places > _PLACES or any(abs(value) * 10**places >= 2**31 for value in values):
        raise wrong("points", f"{name} has more digits than the wire can hold", "write fewer decimal places")
    return -places, [int(value.scaleb(places)) for value in values]


def _curve_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    points, kind = points_of(form.lines("points")), whole(form, "type", DERCurveType.VOLT_VAR)
    x_power, xs = _scaled([x for x, _ in points], "x")
    # A power factor below 0 absorbs vars: the wire says so beside its size.
    is_factor = kind == DERCurveType.WATT_PF
    y_power, ys = _scaled([abs(y) if is_factor else y for _, y in points], "y")
    data: list[Words] = [{"xvalue": x, "yvalue": y} for x, y in zip(xs, ys, strict=True)]
    if is_factor:
        for one, (_, y) in zip(data, points, strict=True):
            one["excitation"] = y < 0
    curve: Words = {name: value for name, value in was.items() if name in _CURVE_KEPT}
    curve |= {"CurveData": data, "curveType": kind, "yRefType": whole(form, "y_ref"), "xMultiplier": x_power,
              "yMultiplier": y_power, **elements.written(form, _CURVE_TIMES)}  # fmt: skip
    if form.text("description"):
        curve["description"] = form.text("description")
    return checked(NewCurve, {"program": whole(form, "program"), "curve": curve})


def curve_points(curve: Mapping[str, Any]) -> list[tuple[float, float]]:
    """The points of a curve as numbers."""
    x_size, y_size = Decimal(10) ** curve.get("xMultiplier", 0), Decimal(10) ** curve.get("yMultiplier", 0)
    return [
        (float(one["xvalue"] * x_size), float(one["yvalue"] * y_size * (-1 if one.get("excitation") else 1)))
        for one in curve.get("CurveData", ())
    ]


def _curve_filled(curve: Mapping[str, Any]) -> dict[str, str]:
    return {
        "type": str(curve.get("curveType", "")),
        "y_ref": str(curve.get("yRefType", 0)),
        "points": "\n".join(f"{x:.10g} {y:.10g}" for x, y in curve_points(curve)),
        "description": str(curve.get("description") or ""),
        **elements.read(curve, _CURVE_TIMES),
    }


_CURVE_TIMES = tuple(
    elements.Element(path, label, elements.HUNDREDTHS, unit)
    for path, label, unit in (
        ("openLoopTms", "Open loop response time", "s"),
        ("rampIncTms", "Ramp upwards", "s"),
        ("rampDecTms", "Ramp downwards", "s"),
        ("rampPT1Tms", "PT1 time constant", "s"),
        ("vRef", "Reference voltage", "%"),
    )
)
_CURVE_KEPT = frozenset({"autonomousVRefEnable", "autonomousVRefTimeConstant"})

CURVE = Sheet(
    name="curves",
    noun="curve",
    title="Curve",
    lead="Controls of its program can link to it. Devices that have fetched a curve keep it as it was: "
    "what you change becomes a new one.",
    fields=(
        PROGRAM,
        Field(name="type", label="Type: x, y", kind="select", says=("curveType",),
              options=[(str(kind.value), _curve_label(kind)) for kind in DERCurveType]),
        Field(name="y_ref", label="y is a part of", kind="select", says=("yRefType",),
              options=[(str(one.value), word) for one, word in _REFERENCES.items()]),
        Field(name="points", label="Points", kind="area", required=True, wide=True, says=("CurveData", "excitation"),
              hint="one a line: x, then y, from left to right; up to ten. Vars: + injected; power factor: − absorbs"),
        Field(name="description", label="Note", most=32, wide=True, hint="for people; up to 32 characters"),
    ),
    more=tuple(one.field for one in _CURVE_TIMES),
    body=_curve_body,
    filled=_curve_filled,
)  # fmt: skip


# --- default controls -------------------------------------------------------------------------------------------------

_DEFAULT_BASE = (*elements.BASE, *elements.CURVES)


def _default_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    base = elements.kept(was.get("DERControlBase") or {}, _DEFAULT_BASE) | elements.written(form, _DEFAULT_BASE)
    more = {name: was[name] for name in ("description",) if was.get(name)}
    more |= elements.written(form, elements.SETTINGS)
    return checked(NewDefault, {"program": whole(form, "program"), "base": base, "more": more})


def _default_filled(default: Mapping[str, Any]) -> dict[str, str]:
    return elements.read(default.get("DERControlBase") or {}, _DEFAULT_BASE) | elements.read(default, elements.SETTINGS)


DEFAULT = Sheet(
    name="defaults",
    noun="default control",
    title="Default control",
    lead="It holds in its program while no control is active there. An empty field leaves that to the device.",
    fields=(PROGRAM, *(one.field for one in elements.BASE)),
    more=tuple(one.field for one in (*elements.SETTINGS, *elements.CURVES)),
    body=_default_body,
    filled=_default_filled,
)
