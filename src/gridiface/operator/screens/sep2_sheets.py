"""The forms of IEEE 2030.5: curves, default controls, messages, prices, demand response. Declared, both ways. Pure.

A form becomes a body of the REST API, whose rules (and then the server's) hold for both; a resource that is there
becomes the fields of the form that changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from gridiface.domain.quantities import from_power_of_ten
from gridiface.operator.areas.sep2_programs import NewCurve, NewDefault
from gridiface.operator.areas.sep2_resources import NewDrEvent, NewMessage, NewPrice
from gridiface.operator.screens import sep2_elements as elements
from gridiface.operator.screens.forms import Form, checked, picked, wrong
from gridiface.operator.screens.sep2_elements import Field, Words
from gridiface.protocols.sep2.enums import DERCurveType, DERUnitRefType, DeviceCategory, MessagePriority

#: Points of one curve (DERCurve.CurveData), and the decimal places that 10^-9 can hold.
_POINTS, _PLACES = 10, 9

#: No coordinate of a curve is so large.
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One form.

    Attributes:
        name: in paths; noun, title, lead: for people.
        fields, more: what it asks; `more` is folded away.
        body: of the REST API, made of the form and of the resource that is changed ({}: none).
        filled: the fields for a resource; of an event that runs, the time that is left where `seen` says when it was
            read, s since 1970.
        root: where such things are published; empty: they belong to a program.
        sources, listed: links from the root's members down to the things.
        event: it is cancelled, not removed.
    """

    name: str
    noun: str
    title: str
    lead: str
    fields: Sequence[Field]
    more: Sequence[Field] = ()
    body: Callable[[Form, Mapping[str, Any]], BaseModel]
    filled: Callable[[Mapping[str, Any]], dict[str, str]]
    root: str = ""
    listed: Sequence[str] = ()
    event: bool = False

    @property
    def says(self) -> dict[str, Sequence[str]]:
        """By field, the words by which a refusal speaks of it."""
        return {one.name: (one.name, *one.says) for one in (*self.fields, *self.more)}


_WHOM = Field(name="whom", label="Who", kind="whom", wide=True, says=("device", "group"))
_START = Field(name="start", label="From", kind="when")
_MINUTES = Field(name="minutes", label="For how long", kind="number", unit="min", required=True, says=("duration",))
_PROGRAM = Field(
    name="program", label="Program", kind="number", required=True, hint="its number, as the list of programs has it"
)
_RANDOM = (
    Field(name="randomize_start", label="Random start", kind="number", unit="s", says=("randomizeStart",),
          hint="devices begin by chance within so long; −: before the start"),
    Field(name="randomize_duration", label="Random duration", kind="number", unit="s", says=("randomizeDuration",)),
)  # fmt: skip


def _timed(form: Form) -> Words:
    """Whom it is for and when it holds, as the API says it."""
    kind, _, name = form.text("whom", most=300).partition(":")
    minutes, start = form.number("minutes"), form.instant()
    if minutes is None:
        raise wrong("minutes", "it is not said for how long", "write how many minutes")
    return {
        "device": name if kind == "device" else None,
        "group": name if kind == "group" else None,
        "start": None if start is None else start.timestamp(),
        "duration": round(60 * minutes),
    }


def _interval(resource: Mapping[str, Any]) -> dict[str, str]:
    interval = resource.get("interval") or {}
    ahead = (resource.get("EventStatus") or {}).get("currentStatus") == 0
    left = interval.get("duration", 3600)
    if not ahead and "seen" in resource:
        left = max(60, interval.get("start", 0) + left - resource["seen"])
    return {
        "minutes": f"{round(left / 60, 1):.10g}",
        "start": picked(interval.get("start")) if ahead else "",
        "epoch": str(interval.get("start", "")) if ahead else "",
        **{name: str(resource[wire]) for name, wire in (("randomize_start", "randomizeStart"),
           ("randomize_duration", "randomizeDuration")) if resource.get(wire)},
    }  # fmt: skip


def _whole(form: Form, name: str, default: int = 0) -> int:
    value = form.number(name)
    if value is not None and value != round(value):
        raise wrong(name, f"{value:g} is no whole number ({name})", "write a whole number")
    return default if value is None else round(value)


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
    points, kind = points_of(form.lines("points")), _whole(form, "type", DERCurveType.VOLT_VAR)
    x_power, xs = _scaled([x for x, _ in points], "x")
    # A power factor below 0 absorbs vars: the wire says so beside its size.
    is_factor = kind == DERCurveType.WATT_PF
    y_power, ys = _scaled([abs(y) if is_factor else y for _, y in points], "y")
    data: list[Words] = [{"xvalue": x, "yvalue": y} for x, y in zip(xs, ys, strict=True)]
    if is_factor:
        for one, (_, y) in zip(data, points, strict=True):
            one["excitation"] = y < 0
    curve: Words = {name: value for name, value in was.items() if name in _CURVE_KEPT}
    curve |= {"CurveData": data, "curveType": kind, "yRefType": _whole(form, "y_ref"), "xMultiplier": x_power,
              "yMultiplier": y_power, **elements.written(form, _CURVE_TIMES)}  # fmt: skip
    if form.text("description"):
        curve["description"] = form.text("description")
    return checked(NewCurve, {"program": _whole(form, "program"), "curve": curve})


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
        _PROGRAM,
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
    return checked(NewDefault, {"program": _whole(form, "program"), "base": base, "more": more})


def _default_filled(default: Mapping[str, Any]) -> dict[str, str]:
    return elements.read(default.get("DERControlBase") or {}, _DEFAULT_BASE) | elements.read(default, elements.SETTINGS)


DEFAULT = Sheet(
    name="defaults",
    noun="default control",
    title="Default control",
    lead="It holds in its program while no control is active there. An empty field leaves that to the device.",
    fields=(_PROGRAM, *(one.field for one in elements.BASE)),
    more=tuple(one.field for one in (*elements.SETTINGS, *elements.CURVES)),
    body=_default_body,
    filled=_default_filled,
)


# --- messages, prices, demand response --------------------------------------------------------------------------------


def _message_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    body = {
        "text": " ".join(form.lines("text")[:5_000].split()),
        "language": form.text("language", "en"),
        "priority": _whole(form, "priority", MessagePriority.NORMAL),
        "originator": form.text("originator") or None,
    }
    return checked(NewMessage, _timed(form) | body)


def _message_filled(message: Mapping[str, Any]) -> dict[str, str]:
    return _interval(message) | {
        "text": str(message.get("textMessage", "")),
        "priority": str(message.get("priority", 1)),
        "originator": str(message.get("originator") or ""),
        "language": str((message.get("source") or {}).get("locale") or "en"),
    }


MESSAGE = Sheet(
    name="messages",
    noun="message",
    title="Message",
    lead="A text to people at devices; they are asked to acknowledge it.",
    root="/msg",
    listed=("TextMessageListLink",),
    event=True,
    fields=(
        _WHOM,
        Field(name="text", label="Text", kind="area", required=True, wide=True, says=("textMessage", "the text"),
              hint="up to 1000 characters"),
        Field(name="priority", label="Priority", kind="select",
              options=[(str(one.value), one.name.lower()) for one in MessagePriority]),
        Field(name="language", label="Language", most=16, required=True, says=("locale",), hint="such as en or de-AT"),
        _START,
        _MINUTES,
        Field(name="originator", label="From", most=20, hint="who says so; up to 20 characters"),
    ),
    body=_message_body,
    filled=_message_filled,
)  # fmt: skip

#: Currencies that the form names; any number of ISO 4217 may be written.
CURRENCIES = {36: "AUD", 124: "CAD", 392: "JPY", 554: "NZD", 756: "CHF", 826: "GBP", 840: "USD", 978: "EUR"}


def _price_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    price = form.number("price")
    if price is None:
        raise wrong("price", "no price is given", "write what a kWh costs")
    body = {"price": price, "currency": _whole(form, "currency", 840), "tier": _whole(form, "tier")}
    return checked(NewPrice, _timed(form) | body)


def _price_filled(tariff: Mapping[str, Any]) -> dict[str, str]:
    source = tariff.get("source") or {}
    blocks = tariff.get("below") or [{}]
    price = blocks[0].get("price")
    power = source.get("pricePowerOfTenMultiplier") or 0
    return _interval(tariff) | {
        "price": "" if price is None else f"{from_power_of_ten(price, power):.10g}",
        "currency": str(source.get("currency") or 840),
        "tier": str(tariff.get("touTier", 0)),
    }


PRICE = Sheet(
    name="prices",
    noun="price",
    title="Price",
    lead="What a kWh costs for a time; devices decide themselves what they make of it.",
    root="/tp",
    listed=("RateComponentListLink", "TimeTariffIntervalListLink", "ConsumptionTariffIntervalListLink"),
    event=True,
    fields=(
        _WHOM,
        Field(name="price", label="Price", kind="number", unit="per kWh", required=True),
        Field(name="currency", label="Currency", kind="number", required=True,
              hint="number of ISO 4217: " + ", ".join(f"{number} {name}" for number, name in CURRENCIES.items())),
        Field(name="tier", label="Tier", kind="number", says=("touTier",), hint="touTier, 0 to 15"),
        _START,
        _MINUTES,
    ),
    body=_price_body,
    filled=_price_filled,
)  # fmt: skip


def _load_body(form: Form, was: Mapping[str, Any]) -> BaseModel:
    asked = elements.written(form, elements.LOAD)
    if not asked:
        raise wrong("DutyCycle.normalValue", "it asks for nothing", "fill in at least one of what it may ask for")
    body = {
        "asked": asked,
        "category": form.text("category") or "00000000",
        "mandatory": form.ticked("mandatory"),
        "primacy": _whole(form, "primacy"),
        "randomize_start": _whole(form, "randomize_start"),
        "randomize_duration": _whole(form, "randomize_duration"),
    }
    return checked(NewDrEvent, _timed(form) | body)


def _load_filled(event: Mapping[str, Any]) -> dict[str, str]:
    return (
        _interval(event)
        | elements.read(event, elements.LOAD)
        | {
            "category": str(event.get("deviceCategory") or "00000000").zfill(8),
            "mandatory": "1" if event.get("drProgramMandatory") else "",
            "primacy": str((event.get("source") or {}).get("primacy", 0)),
        }
    )


LOAD = Sheet(
    name="demand-response",
    noun="demand response event",
    title="Demand response event",
    lead="It asks loads to use less, or at another time (EndDeviceControl).",
    root="/dr",
    listed=("EndDeviceControlListLink",),
    event=True,
    fields=(
        _WHOM,
        *(one.field for one in elements.LOAD),
        Field(name="category", label="Kind of device", kind="select", says=("deviceCategory",),
              options=[("00000000", "every kind"), *((f"{one.value:08X}", str(one.name).replace("_", " ").lower())
                       for one in DeviceCategory)]),
        _START,
        _MINUTES,
        Field(name="mandatory", label="devices must take part", kind="tick", says=("drProgramMandatory",)),
    ),
    more=(*_RANDOM, Field(name="primacy", label="Primacy", kind="number", hint="of its program; the lower rules")),
    body=_load_body,
    filled=_load_filled,
)  # fmt: skip

SHEETS = {one.name: one for one in (CURVE, DEFAULT, MESSAGE, PRICE, LOAD)}
