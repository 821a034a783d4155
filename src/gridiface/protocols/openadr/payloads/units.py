"""The units of signals and reports: the substitution group of emix:itemBase.

Each unit is an element of its own, with a fixed description and fixed units where the schema fixes them.
"""

from __future__ import annotations

from dataclasses import replace

from gridiface.protocols.openadr.payloads.namespaces import OADR, SCALE, V, oadr, power, token
from gridiface.protocols.xmlwire import WireObject, element, wire
from gridiface.protocols.xmlwire.primitives import BOOLEAN, DECIMAL, FLOAT, STRING, Primitive, enumeration, string

#: SI scale code -> power of ten.
SCALE_EXPONENT = {
    "p": -12,
    "n": -9,
    "micro": -6,
    "m": -3,
    "c": -2,
    "d": -1,
    "none": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
}
_SCALE_CODE = enumeration("SiScaleCodeType", SCALE_EXPONENT)
_CURRENCY = string("ISO3AlphaCurrencyCodeContentType", pattern="[A-Z]{3}")
_CURRENCY_WORD = token("currencyItemDescriptionType", ("currency", "currencyPerKW", "currencyPerKWh"))


def _fixed(text: str) -> Primitive:
    """An element whose value the schema fixes: written in full, and read as that when it comes empty."""
    written = enumeration("fixed text", (text,))

    def parse(given: str) -> str:
        found: str = written.parse(given or text)
        return found

    return replace(written, parse=parse)


@power
class PowerAttributes(WireObject):
    """Nominal frequency (Hz), voltage (V) and kind of current of a power unit."""

    hertz: float = element(DECIMAL)
    voltage: float = element(DECIMAL)
    ac: bool = element(BOOLEAN)


def _unscaled() -> str:
    """What a unit without a scale means."""
    return "none"


def _unknown_attributes() -> PowerAttributes:
    """Of a power whose attributes nobody said; they change none of its values."""
    return PowerAttributes(hertz=0.0, voltage=0.0, ac=True)


@power
class Voltage(WireObject):
    """Volts."""

    itemDescription: str = element(_fixed("Voltage"))
    itemUnits: str = element(_fixed("V"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@power
class EnergyApparent(WireObject):
    """Volt-ampere hours."""

    itemDescription: str = element(_fixed("ApparentEnergy"))
    itemUnits: str = element(_fixed("VAh"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@power
class EnergyReactive(WireObject):
    """Volt-ampere-reactive hours."""

    itemDescription: str = element(_fixed("ReactiveEnergy"))
    itemUnits: str = element(_fixed("VARh"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@power
class EnergyReal(WireObject):
    """Watt hours."""

    itemDescription: str = element(_fixed("RealEnergy"))
    itemUnits: str = element(_fixed("Wh"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@power
class PowerApparent(WireObject):
    """Volt-amperes."""

    itemDescription: str = element(_fixed("ApparentPower"))
    itemUnits: str = element(_fixed("VA"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)
    powerAttributes: PowerAttributes = element(PowerAttributes, assumed=_unknown_attributes)


@power
class PowerReactive(WireObject):
    """Volt-amperes reactive."""

    itemDescription: str = element(_fixed("ReactivePower"))
    itemUnits: str = element(_fixed("VAR"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)
    powerAttributes: PowerAttributes = element(PowerAttributes, assumed=_unknown_attributes)


@power
class PowerReal(WireObject):
    """Watts."""

    itemDescription: str = element(_fixed("RealPower"))
    itemUnits: str = element(token("RealPower units", ("W", "J/s")))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)
    powerAttributes: PowerAttributes = element(PowerAttributes, assumed=_unknown_attributes)


@oadr
class CustomUnit(WireObject):
    """A unit agreed between the parties."""

    itemDescription: str = element(STRING)
    itemUnits: str = element(STRING)
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


def unknown_unit(name: str) -> CustomUnit:
    """What stands in the place of a unit and is none that we know: never to be taken for one that is missing."""
    return CustomUnit(itemDescription=name, itemUnits=name, siScaleCode="none")


@oadr
class Current(WireObject):
    """Amperes."""

    itemDescription: str = element(_fixed("Current"))
    itemUnits: str = element(_fixed("A"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class Currency(WireObject):
    """An amount of money; itemUnits is the ISO 4217 code."""

    itemDescription: str = element(_CURRENCY_WORD)
    itemUnits: str = element(_CURRENCY)
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class CurrencyPerKWh(WireObject):
    """Money per kilowatt hour."""

    itemDescription: str = element(_CURRENCY_WORD)
    itemUnits: str = element(_CURRENCY)
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class CurrencyPerKW(WireObject):
    """Money per kilowatt."""

    itemDescription: str = element(_CURRENCY_WORD)
    itemUnits: str = element(_CURRENCY)
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class CurrencyPerThm(WireObject):
    """Money per therm; the schema lends it the words of the other currency units."""

    itemDescription: str = element(_CURRENCY_WORD)
    itemUnits: str = element(_CURRENCY)
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class Frequency(WireObject):
    """Hertz."""

    itemDescription: str = element(_fixed("Frequency"))
    itemUnits: str = element(_fixed("Hz"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@wire(V, ns=OADR)
class Therm(WireObject):
    """Therms."""

    itemDescription: str = element(_fixed("Therm"))
    itemUnits: str = element(_fixed("thm"))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class Temperature(WireObject):
    """Degrees, celsius or fahrenheit."""

    itemDescription: str = element(_fixed("temperature"))
    itemUnits: str = element(token("temperatureUnitType", ("celsius", "fahrenheit")))
    siScaleCode: str = element(_SCALE_CODE, ns=SCALE, assumed=_unscaled)


@oadr
class PulseCount(WireObject):
    """Pulses of a meter; pulseFactor is kWh per count."""

    itemDescription: str = element(_fixed("pulse count"))
    itemUnits: str = element(_fixed("count"))
    pulseFactor: float = element(FLOAT)


Unit = (
    Voltage
    | EnergyApparent
    | EnergyReactive
    | EnergyReal
    | PowerApparent
    | PowerReactive
    | PowerReal
    | CustomUnit
    | Current
    | Currency
    | CurrencyPerKWh
    | CurrencyPerKW
    | CurrencyPerThm
    | Frequency
    | Therm
    | Temperature
    | PulseCount
)

#: Concrete members of the substitution group, without the Green Button one (see stream).
UNITS: tuple[type[WireObject], ...] = (
    Voltage,
    EnergyApparent,
    EnergyReactive,
    EnergyReal,
    PowerApparent,
    PowerReactive,
    PowerReal,
    CustomUnit,
    Current,
    Currency,
    CurrencyPerKWh,
    CurrencyPerKW,
    CurrencyPerThm,
    Frequency,
    Therm,
    Temperature,
    PulseCount,
)


def power_real(scale: str = "none", *, hertz: float = 50, volts: float = 230, ac: bool = True) -> PowerReal:
    """Watts times the scale, of a grid of that frequency and voltage."""
    attributes = PowerAttributes(hertz=hertz, voltage=volts, ac=ac)
    return PowerReal(itemDescription="RealPower", itemUnits="W", siScaleCode=scale, powerAttributes=attributes)


def power_reactive(scale: str = "none", *, hertz: float = 50, volts: float = 230, ac: bool = True) -> PowerReactive:
    """Volt-amperes reactive times the scale."""
    attributes = PowerAttributes(hertz=hertz, voltage=volts, ac=ac)
    return PowerReactive(
        itemDescription="ReactivePower", itemUnits="VAR", siScaleCode=scale, powerAttributes=attributes
    )


def energy_real(scale: str = "none") -> EnergyReal:
    """Watt hours times the scale."""
    return EnergyReal(itemDescription="RealEnergy", itemUnits="Wh", siScaleCode=scale)


def price_per_kwh(code: str, scale: str = "none") -> CurrencyPerKWh:
    """Money of the ISO 4217 `code` per kWh."""
    return CurrencyPerKWh(itemDescription="currencyPerKWh", itemUnits=code, siScaleCode=scale)


def scale_of(unit: WireObject | None) -> float:
    """By what a value in `unit` is multiplied to have it in the unscaled unit; 1 for units without a scale."""
    code: str | None = getattr(unit, "siScaleCode", None)
    return 1.0 if code is None else float(10.0 ** SCALE_EXPONENT[code])
