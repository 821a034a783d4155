"""The signals table of the profile: which signalName goes with which signalType, unit and values (rule 104).

Owns the table and its checks, for both ends: a VTN refuses to send what is not in it, a VEN answers 460 to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.event import SIGNAL_TYPES
from gridiface.protocols.openadr.payloads.stream import ItemBase
from gridiface.protocols.xmlwire import WireObject

UnitClass = type[WireObject]
_POWER: tuple[UnitClass, ...] = (units.PowerReal, units.PowerApparent, units.PowerReactive)
_ENERGY: tuple[UnitClass, ...] = (units.EnergyReal, units.EnergyApparent, units.EnergyReactive)
_PER_KWH: tuple[UnitClass, ...] = (units.CurrencyPerKWh,)
_PER_KW: tuple[UnitClass, ...] = (units.CurrencyPerKW,)
_MONEY: tuple[UnitClass, ...] = (units.Currency, units.CurrencyPerKWh, units.CurrencyPerKW, units.CurrencyPerThm)


def _any(value: float) -> bool:
    return math.isfinite(value)


def _level(value: float) -> bool:
    return value in {0.0, 1.0, 2.0, 3.0}


def _fraction(value: float) -> bool:
    return 0.0 <= value <= 1.0


def _ten(value: float) -> bool:
    return -10 <= value <= 10 and value == int(value)


def _whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


@dataclass(frozen=True, slots=True)
class SignalKind:
    """One row of the table: `units` empty means that no unit is sent; `allows` judges one value."""

    name: str
    type: str
    units: tuple[UnitClass, ...]
    allows: Callable[[float], bool]


_PRICES = tuple(
    SignalKind(name, kind, unit, _any)
    for name, per in (("ELECTRICITY_PRICE", _PER_KWH), ("ENERGY_PRICE", _PER_KWH), ("DEMAND_CHARGE", _PER_KW))
    for kind, unit in (("price", per), ("priceRelative", per), ("priceMultiplier", ()))
)
#: The table, by (signalName, signalType).
SIGNALS: dict[tuple[str, str], SignalKind] = {
    (row.name, row.type): row
    for row in (
        SignalKind("SIMPLE", "level", (), _level),
        *_PRICES,
        SignalKind("BID_PRICE", "price", _MONEY, _any),
        SignalKind("BID_LOAD", "setpoint", _POWER, _any),
        SignalKind("BID_ENERGY", "setpoint", _ENERGY, _any),
        SignalKind("CHARGE_STATE", "setpoint", _ENERGY, _any),
        SignalKind("CHARGE_STATE", "delta", _ENERGY, _any),
        SignalKind("CHARGE_STATE", "multiplier", (), _fraction),
        SignalKind("LOAD_DISPATCH", "setpoint", _POWER, _any),
        SignalKind("LOAD_DISPATCH", "delta", _POWER, _any),
        SignalKind("LOAD_DISPATCH", "multiplier", (), _any),
        SignalKind("LOAD_DISPATCH", "level", _POWER, _ten),
        SignalKind("LOAD_CONTROL", "x-loadControlCapacity", (), _fraction),
        SignalKind("LOAD_CONTROL", "x-loadControlLevelOffset", (), _whole),
        SignalKind("LOAD_CONTROL", "x-loadControlSetpoint", (), _any),
        SignalKind("LOAD_CONTROL", "x-loadControlPercentOffset", (), _any),
    )
}


def kind_of(name: str, signal_type: str) -> SignalKind | None:
    """The row of a signal, None when it is not in the table; "simple" is the A profile's spelling of SIMPLE."""
    if name == "simple":
        name = "SIMPLE"
    # A profile senders put any type beside SIMPLE, as it is informative there (rule 69).
    return SIGNALS.get((name, "level" if name == "SIMPLE" else signal_type))


def complaint(name: str, signal_type: str, unit: ItemBase | None, values: Iterable[float]) -> str:
    """What is wrong with a signal that is to be sent, by the table; "" when nothing is.

    Of private names (x-) only the type is judged, of which the schema has a list.
    """
    if name.startswith("x-"):
        return "" if signal_type in SIGNAL_TYPES else f"there is no signalType {signal_type}"
    row = SIGNALS.get((name, signal_type))
    if row is None:
        return f"there is no signal {name} of type {signal_type}"
    if row.units and not isinstance(unit, row.units):
        names = ", ".join(cls.__name__ for cls in row.units)
        return f"{name} {signal_type} needs a unit of {names}"
    # A level dispatch stands in the table with a power unit, which means nothing: both ways are sent in practice.
    if not row.units and unit is not None:
        return f"{name} {signal_type} has no unit"
    wrong = next((value for value in values if not row.allows(value)), None)
    return "" if wrong is None else f"{wrong} is not a value of {name} {signal_type}"


def unsupported(name: str, signal_type: str, unit: ItemBase | None) -> str:
    """Why a received signal cannot be understood (answer 460); "" when it can. A missing unit does not matter."""
    row = kind_of(name, signal_type)
    if row is None:
        return f"signal {name} of type {signal_type} is not supported"
    if unit is not None and row.units and not isinstance(unit, row.units):
        return f"unit {type(unit).__name__} of {name} {signal_type} is not supported"
    return ""


def bad_value(name: str, signal_type: str, values: Iterable[float]) -> str:
    """Which received value is out of range (answer 454); "" when none is."""
    row = kind_of(name, signal_type)
    if row is None:
        return ""
    wrong = next((value for value in values if not row.allows(value)), None)
    return "" if wrong is None else f"{wrong} is not a value of {name} {signal_type}"
