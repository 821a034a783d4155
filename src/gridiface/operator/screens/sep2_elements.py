"""Elements of IEEE 2030.5 as fields for people and back: percents, kW and degrees, not hundredths and exponents. Pure.

One row per element; a form, its filling with what there is, and its body are made from the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridiface.domain.quantities import Rounding, from_power_of_ten, round_to_int, to_power_of_ten
from gridiface.operator.screens.forms import Form, wrong
from gridiface.protocols.sep2.enums import UnitType

Words = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form.

    Attributes:
        name: in the form; label: for people.
        kind: text, number, area, select, tick, when, whom or link.
        unit: of a number; hint: one line under it.
        options: (value, label) of a select, or what a text may be.
        wide: over the whole width.
        most: characters of a text.
        says: what a refusal calls it.
    """

    name: str
    label: str
    kind: str = "text"
    unit: str = ""
    hint: str = ""
    options: Sequence[tuple[str, str]] = ()
    required: bool = False
    wide: bool = False
    most: int = 256
    says: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a kind of value is written and read; `write` raises ValueError for what does not fit."""

    kind: str
    write: Callable[[str], Any]
    read: Callable[[Any], str]
    options: Sequence[tuple[str, str]] = ()


def _number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", "."))


def _times(factor: float) -> Shape:
    """A whole number on the wire of so many per unit of the form."""
    return Shape("number", lambda text: round_to_int(_number(text) * factor), lambda value: f"{value / factor:.10g}")


def _watts(text: str) -> Words:
    mantissa, exponent = to_power_of_ten(_number(text) * 1e3, rounding=Rounding.NEAREST)
    return {"multiplier": exponent, "value": mantissa}


def _kilo(value: Words) -> str:
    return f"{from_power_of_ten(value['value'], value['multiplier']) / 1e3:.10g}"


def _power_factor(text: str) -> Words:
    factor = _number(text)
    if not 0 < abs(factor) <= 1:
        raise ValueError("a power factor is between -1 and 1, and not 0")
    return {"displacement": round(abs(factor) * 1000), "excitation": factor < 0, "multiplier": -3}


def _factor(value: Words) -> str:
    size = from_power_of_ten(value["displacement"], value["multiplier"])
    return f"{-size if value['excitation'] else size:.10g}"


def _choice(*options: tuple[str, str]) -> Shape:
    known = {value for value, _ in options if value}

    def write(text: str) -> int:
        if text not in known:
            raise ValueError("it is none of the choices")
        return int(text)

    return Shape("select", write, str, (("", "–"), *options))


YES = Shape(
    "select", lambda text: text == "true", lambda value: "true" if value else "false",
    (("", "–"), ("true", "yes"), ("false", "no")),
)  # fmt: skip
HUNDREDTHS, TENTHS, WHOLE = _times(100), _times(10), _times(1)
POWER = Shape("number", _watts, _kilo)
POWER_FACTOR = Shape("number", _power_factor, _factor)
LINK = Shape("link", lambda text: {"href": text}, lambda value: str(value["href"]))


@dataclass(frozen=True, slots=True)
class Element:
    """One element by its path, what people call it, its shape, unit and hint."""

    path: str
    label: str
    shape: Shape
    unit: str = ""
    hint: str = ""

    @property
    def field(self) -> Field:
        """As a field of a form; it bears the element's own name."""
        last = self.path.rpartition(".")[2]
        hint = " · ".join(part for part in (self.hint, self.path) if part)
        return Field(
            name=self.path, label=self.label, kind=self.shape.kind, unit=self.unit, hint=hint,
            options=self.shape.options, says=(last, last[:1].lower() + last[1:]),
        )  # fmt: skip


#: What a DERControlBase may ask for; what is not here (frequency droop, ...) is kept as it is.
BASE = (
    Element("opModMaxLimW", "Generate at most", HUNDREDTHS, "%", "of setMaxW"),
    Element("opModTargetW", "Deliver (+) or take (−)", POWER, "kW"),
    Element("opModFixedW", "Share of the rating", HUNDREDTHS, "%", "− charges"),
    Element("opModExpLimW", "Export at most", POWER, "kW", "at the connection point"),
    Element("opModImpLimW", "Import at most", POWER, "kW", "at the connection point"),
    Element("opModGenLimW", "Generation limit", POWER, "kW"),
    Element("opModLoadLimW", "Load limit", POWER, "kW"),
    Element("opModConnect", "Connected to the grid", YES),
    Element("opModEnergize", "May give and take power", YES),
    Element("opModFixedPFInjectW", "Power factor while delivering", POWER_FACTOR, "", "− absorbs vars"),
    Element("opModFixedPFAbsorbW", "Power factor while taking", POWER_FACTOR, "", "− absorbs vars"),
    Element("rampTms", "Ramp", HUNDREDTHS, "s"),
)
CURVES = tuple(
    Element(f"opMod{name}", label, LINK)
    for name, label in (
        ("VoltVar", "Volt-var curve"),
        ("VoltWatt", "Volt-watt curve"),
        ("FreqWatt", "Frequency-watt curve"),
        ("WattVar", "Watt-var curve"),
        ("WattPF", "Watt-power factor curve"),
        ("HVRTMustTrip", "Must trip at high voltage"),
        ("HVRTMayTrip", "May trip at high voltage"),
        ("HVRTMomentaryCessation", "Momentary cessation at high voltage"),
        ("LVRTMustTrip", "Must trip at low voltage"),
        ("LVRTMayTrip", "May trip at low voltage"),
        ("LVRTMomentaryCessation", "Momentary cessation at low voltage"),
        ("HFRTMustTrip", "Must trip at high frequency"),
        ("HFRTMayTrip", "May trip at high frequency"),
        ("LFRTMustTrip", "Must trip at low frequency"),
        ("LFRTMayTrip", "May trip at low frequency"),
    )
)

#: What a DefaultDERControl sets beside its base.
SETTINGS = (
    Element("setGradW", "Ramp rate", HUNDREDTHS, "%/s", "of setMaxW"),
    Element("setSoftGradW", "Soft start ramp rate", HUNDREDTHS, "%/s", "of setMaxW"),
    Element("setESDelay", "Delay before entering service", HUNDREDTHS, "s"),
    Element("setESRandomDelay", "Random delay more", HUNDREDTHS, "s"),
    Element("setESRampTms", "Ramp on entering service", HUNDREDTHS, "s"),
    Element("setESHighFreq", "Enter service below", HUNDREDTHS, "Hz"),
    Element("setESLowFreq", "Enter service above", HUNDREDTHS, "Hz"),
    Element("setESHighVolt", "Enter service below", HUNDREDTHS, "%"),
    Element("setESLowVolt", "Enter service above", HUNDREDTHS, "%"),
)

#: What an EndDeviceControl may ask for.
LOAD = (
    Element("DutyCycle.normalValue", "Duty cycle", WHOLE, "%", "part of the time that a load may run"),
    Element("Offset.loadAdjustmentPercentageOffset", "Reduce the load by", HUNDREDTHS, "%"),
    Element("TargetReduction.value", "Reduce by", WHOLE, "", "in the unit beside it"),
    Element(
        "TargetReduction.type", "Unit of the reduction",
        _choice(*((str(one.value), one.name.replace("_", " ").lower()) for one in UnitType)),
    ),
    Element("Offset.coolingOffset", "Cool less by", TENTHS, "°C"),
    Element("Offset.heatingOffset", "Heat less by", TENTHS, "°C"),
    Element("SetPoint.coolingSetpoint", "Cool to", HUNDREDTHS, "°C"),
    Element("SetPoint.heatingSetpoint", "Heat to", HUNDREDTHS, "°C"),
    Element("ApplianceLoadReduction.type", "Appliances", _choice(("0", "delay"), ("1", "temporarily off"))),
)  # fmt: skip


def written(form: Form, elements: Sequence[Element]) -> Words:
    """The elements that a form fills in, nested as on the wire.

    Raises:
        Refused: 422, a value does not fit its element.
    """
    found: Words = {}
    for element in elements:
        text = form.text(element.path)
        if not text:
            continue
        try:
            value = element.shape.write(text)
        except (ValueError, OverflowError) as error:
            raise wrong(element.path, f"{text[:40]!r} does not fit {element.path}: {error}", "correct it") from error
        *outer, last = element.path.split(".")
        place = found
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def read(resource: Mapping[str, Any], elements: Sequence[Element]) -> dict[str, str]:
    """What stands in the fields for a resource as it is."""
    found = {}
    for element in elements:
        value: Any = resource
        for part in element.path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found[element.path] = element.shape.read(value)
    return found


def kept(resource: Mapping[str, Any], elements: Sequence[Element]) -> Words:
    """What a resource has that the fields do not show."""
    shown = {element.path.partition(".")[0] for element in elements}
    return {name: value for name, value in resource.items() if name not in shown}
