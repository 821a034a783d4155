"""Signals of an event -> a mode and a value of the domain: each row of the signals table, or none (answer 460). Pure.

SIGN. As in translate.py: + is consumption in powers, energies and deltas, unless the program says otherwise.

Owns what a program's configuration makes of levels, capacities, energies and prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.controls import ControlMode, ModeValue, ServiceClass, Target
from gridiface.domain.quantities import PercentBase
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.events import Signal
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.signals import kind_of

#: Signals of prices: kept and published, and answered as a program's configuration says.
PRICES = ("ELECTRICITY_PRICE", "ENERGY_PRICE", "DEMAND_CHARGE")
#: Signals of a market's bids: kept and published, not acted on.
BIDS = frozenset({"BID_PRICE", "BID_LOAD", "BID_ENERGY"})
#: Signals that ask nothing of a device by themselves.
INFORMING = BIDS.union(PRICES)


@dataclass(frozen=True, slots=True)
class Level:
    """What one level of a program means: a fraction (-1..1) of what can be shed, or watts, + = more delivered."""

    fraction: float | None = None
    watts: float | None = None


def fractions(*steps: float) -> dict[int, Level]:
    """Levels 0, 1, 2, ... as fractions of what can be shed."""
    return {number: Level(fraction=step) for number, step in enumerate(steps)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStep:
    """From which price on what is done: `signal` and `type` of the table, `above` in currency per kWh or kW.

    Of several steps that a value reaches the highest counts; below all of them the load is normal.
    """

    signal: str = "ELECTRICITY_PRICE"
    type: str = "price"
    above: float
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How one market context is translated.

    Attributes:
        target: whom an event concerns that names no resource or group of ours.
        resources, groups: resourceID, groupID or groupName -> whom it means.
        device_classes: mrid of a signal's device class -> whom it means.
        generation_positive: + is delivered, against the profile's usual + = consumption.
        simple, dispatch, offsets: meaning of the levels of SIMPLE, LOAD_DISPATCH level and LOAD_CONTROL levelOffset.
        switchable: capacity 0 and 1 disconnect and connect, instead of limiting the load.
        rated_load_w: the 1.0 of LOAD_CONTROL capacity, W; None: capacity cannot be limited.
        stored_wh, capacity_wh: the energy now and at most, for CHARGE_STATE set-points and multipliers.
        reactive_var: the reactive power now, var, + injected, from which reactive deltas are counted.
        setpoint_scale: watts of load that 1 of x-loadControlSetpoint means; None: it has no meaning (460).
        prices: what prices make the fleet do; empty: prices are only passed on.
        authority: of the program against other sources; an event's priority orders inside it.
    """

    target: Target
    resources: Mapping[str, Target] = field(default_factory=dict)
    groups: Mapping[str, Target] = field(default_factory=dict)
    device_classes: Mapping[str, Target] = field(default_factory=dict)
    generation_positive: bool = False
    simple: Mapping[int, Level] = field(default_factory=lambda: fractions(0.0, 0.33, 0.66, 1.0))
    dispatch: Mapping[int, Level] = field(default_factory=dict)
    offsets: Mapping[int, Level] = field(default_factory=dict)
    switchable: bool = False
    rated_load_w: float | None = None
    stored_wh: float | None = None
    capacity_wh: float | None = None
    reactive_var: float | None = None
    setpoint_scale: float | None = None
    prices: tuple[PriceStep, ...] = ()
    authority: float = 0.0
    service_class: ServiceClass = ServiceClass.DEMAND_RESPONSE


Value = tuple[ControlMode, ModeValue]
Reader = Callable[[Signal, float, Program], Value]


def is_simple(signal: Signal) -> bool:
    """Whether it is the signal for receivers that understand nothing else, in either profile's spelling."""
    return signal.name in {"SIMPLE", "simple"}


def _load(value: float, program: Program) -> float:
    """A power or energy of the wire in the domain's sign."""
    return value if program.generation_positive else -value


def _scaled(signal: Signal, value: float) -> float:
    return value * units.scale_of(signal.unit)


def _setpoint(signal: Signal, value: float, program: Program) -> Value:
    watts = _load(_scaled(signal, value), program)
    if isinstance(signal.unit, units.PowerReactive):
        return ControlMode.SET_VAR, ModeValue(watts)
    return ControlMode.SET_W, ModeValue(watts)


def _delta(signal: Signal, value: float, program: Program) -> Value:
    if isinstance(signal.unit, units.PowerReactive):
        if program.reactive_var is None:
            raise Refusal(Code.DEPLOYMENT, "the reactive power, of which a delta is a change, is not known")
        return ControlMode.SET_VAR, ModeValue(program.reactive_var + _load(_scaled(signal, value), program))
    return ControlMode.DELTA_W, ModeValue(_load(_scaled(signal, value), program))


def _multiplier(signal: Signal, value: float, program: Program) -> Value:
    return ControlMode.SET_W_PERCENT, ModeValue(value * 100.0, PercentBase.BASELINE)


def _percent_offset(signal: Signal, value: float, program: Program) -> Value:
    return ControlMode.SET_W_PERCENT, ModeValue(100.0 + value, PercentBase.BASELINE)


def _level(table: Callable[[Program], Mapping[int, Level]]) -> Reader:
    def read(signal: Signal, value: float, program: Program) -> Value:
        meaning = table(program).get(int(value))
        if meaning is None or (meaning.watts is None and meaning.fraction is None):
            raise Refusal(Code.INVALID_DATA, f"level {value:g} of {signal.name} has no meaning in this program")
        if meaning.watts is not None:
            return ControlMode.DELTA_W, ModeValue(meaning.watts)
        return ControlMode.LOAD_LEVEL, ModeValue(meaning.fraction or 0.0)

    return read


def _control_setpoint(signal: Signal, value: float, program: Program) -> Value:
    assert program.setpoint_scale is not None  # reader_of gives no reader without it
    return ControlMode.SET_W, ModeValue(-value * program.setpoint_scale)


def _capacity(signal: Signal, value: float, program: Program) -> Value:
    if program.switchable and value in {0.0, 1.0}:
        return ControlMode.CONNECT, ModeValue(value)
    if program.rated_load_w is None:
        raise Refusal(Code.DEPLOYMENT, "the rated load, of which a capacity is a part, is not known")
    return ControlMode.LOAD_LIMIT, ModeValue(value * program.rated_load_w)


def _charge_delta(signal: Signal, value: float, program: Program) -> Value:
    # A higher state of charge takes energy from the grid, whatever sign the program gives to powers.
    return ControlMode.ENERGY_TARGET, ModeValue(-_scaled(signal, value))


def _charge_setpoint(signal: Signal, value: float, program: Program) -> Value:
    return ControlMode.ENERGY_TARGET, ModeValue(_stored(program) - _scaled(signal, value))


def _charge_multiplier(signal: Signal, value: float, program: Program) -> Value:
    if program.capacity_wh is None:
        raise Refusal(Code.DEPLOYMENT, "the energy capacity is not known")
    return ControlMode.ENERGY_TARGET, ModeValue(_stored(program) - value * program.capacity_wh)


def _stored(program: Program) -> float:
    if program.stored_wh is None:
        raise Refusal(Code.DEPLOYMENT, "the stored energy is not known")
    return program.stored_wh


def _price(signal: Signal, value: float, program: Program) -> Value:
    currency = getattr(signal.unit, "itemUnits", "")
    facts = {"signal": signal.name, "type": signal.type, "currency": currency}
    return ControlMode.PRICE, ModeValue(_scaled(signal, value), signal.type, facts)


def _bid(signal: Signal, value: float, program: Program) -> Value:
    unit = getattr(signal.unit, "itemUnits", "")
    scaled = _scaled(signal, value)
    facts = {"signal": signal.name, "type": signal.type, "unit": unit}
    return ControlMode.BID, ModeValue(
        scaled if signal.name == "BID_PRICE" else _load(scaled, program), signal.name, facts
    )


_READERS: Mapping[tuple[str, str], Reader] = {
    ("SIMPLE", "level"): _level(lambda program: program.simple),
    ("LOAD_DISPATCH", "setpoint"): _setpoint,
    ("LOAD_DISPATCH", "delta"): _delta,
    ("LOAD_DISPATCH", "multiplier"): _multiplier,
    ("LOAD_DISPATCH", "level"): _level(lambda program: program.dispatch),
    ("LOAD_CONTROL", "x-loadControlCapacity"): _capacity,
    ("LOAD_CONTROL", "x-loadControlLevelOffset"): _level(lambda program: program.offsets),
    ("LOAD_CONTROL", "x-loadControlPercentOffset"): _percent_offset,
    ("LOAD_CONTROL", "x-loadControlSetpoint"): _control_setpoint,
    ("CHARGE_STATE", "setpoint"): _charge_setpoint,
    ("CHARGE_STATE", "delta"): _charge_delta,
    ("CHARGE_STATE", "multiplier"): _charge_multiplier,
    **{(name, kind): _price for name in PRICES for kind in ("price", "priceRelative", "priceMultiplier")},
    **{(name, kind): _bid for name in BIDS for kind in ("price", "setpoint")},
}
_UNITS: Mapping[str, tuple[type, ...]] = {
    "setpoint": (units.PowerReal, units.PowerReactive),
    "delta": (units.PowerReal, units.PowerReactive),
}


def reader_of(signal: Signal, program: Program) -> Reader | None:
    """How a signal is read; None for one without a meaning here (a unit that is not ours counts, too)."""
    kind = kind_of(signal.name, signal.type)
    if kind is None or (kind.type == "x-loadControlSetpoint" and program.setpoint_scale is None):
        return None
    if kind.name in BIDS:
        fits = True  # The table says which units go with it, and nobody is to act on the number.
    elif kind.name == "CHARGE_STATE":
        fits = signal.unit is None or isinstance(signal.unit, units.EnergyReal)
    else:
        fits = signal.unit is None or isinstance(signal.unit, _UNITS.get(kind.type, (object,)))
    return _READERS.get((kind.name, kind.type)) if fits else None


def price_response(signal: Signal, value: float, program: Program) -> Value | None:
    """What the program does at a price, beside passing it on; None where it says nothing of this signal."""
    steps = [step for step in program.prices if (step.signal, step.type) == (signal.name, signal.type)]
    if not steps:
        return None
    price = _scaled(signal, value)
    reached = max((step for step in steps if price >= step.above), key=lambda step: step.above, default=None)
    level = reached.level if reached is not None else Level(fraction=0.0)
    if level.watts is not None:
        return ControlMode.DELTA_W, ModeValue(level.watts)
    return ControlMode.LOAD_LEVEL, ModeValue(level.fraction or 0.0)
