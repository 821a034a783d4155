"""What a point of a table can mean, and in which units and directions a device may say it. Declarations only.

Not owned: the table itself (table) and what is done with a meaning (telemetry, commands).
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from gridiface.domain.quantities import Phase


class Meaning(StrEnum):
    """A quantity of the domain; units and signs are the domain's (W, var, Wh; + delivered, + injected)."""

    W = "w"
    VAR = "var"
    VA = "va"
    HZ = "hz"
    VOLTS = "volts"  # with `phase`
    AMPS = "amps"  # with `phase`
    ANGLE = "angle"  # of the voltage, with `phase`
    SOC = "soc"
    AVAILABLE_WH = "available_wh"
    AVAILABLE_UP_W = "available_up_w"
    AVAILABLE_DOWN_W = "available_down_w"
    CONNECTED = "connected"
    STATE = "state"
    LOCAL_CONTROL = "local_control"
    ALARMS = "alarms"
    MAX_W = "max_w"
    MAX_CHARGE_W = "max_charge_w"
    MAX_VA = "max_va"
    MAX_VAR = "max_var"
    ENERGY_WH = "energy_wh"
    NOMINAL_V = "nominal_v"
    MANUFACTURER = "manufacturer"
    MODEL = "model"
    SERIAL = "serial"
    VERSION = "version"
    SET_W = "set_w"
    LIMIT_W = "limit_w"
    SET_VAR = "set_var"
    CONNECT = "connect"


#: Meanings that are written.
CONTROLS = frozenset({Meaning.SET_W, Meaning.LIMIT_W, Meaning.SET_VAR, Meaning.CONNECT})

#: What a device is built for: read once, at opening.
RATINGS = frozenset(
    {Meaning.MAX_W, Meaning.MAX_CHARGE_W, Meaning.MAX_VA, Meaning.MAX_VAR, Meaning.ENERGY_WH, Meaning.NOMINAL_V}
)
TEXTS = frozenset({Meaning.MANUFACTURER, Meaning.MODEL, Meaning.SERIAL, Meaning.VERSION})

#: Several points may share these: numbers are added (phases of a meter), alarms joined.
SUMMED = frozenset({Meaning.W, Meaning.VAR, Meaning.VA})

_CONDUCTORS = (Phase.A, Phase.B, Phase.C)
_TO_NEUTRAL = (Phase.AN, Phase.BN, Phase.CN)

#: The phases of what is told of single ones. Powers may be told without, too: that is then their total, else their sum.
PHASES: dict[Meaning, tuple[Phase, ...]] = {
    Meaning.VOLTS: (*_TO_NEUTRAL, Phase.AB, Phase.BC, Phase.CA),
    Meaning.ANGLE: _TO_NEUTRAL,
    Meaning.AMPS: _CONDUCTORS,
    Meaning.W: _CONDUCTORS,
    Meaning.VAR: _CONDUCTORS,
}
REPEATED = SUMMED | {Meaning.ALARMS} | PHASES.keys()

#: Words and flags, which have no unit.
WORDS = TEXTS | {Meaning.STATE, Meaning.ALARMS, Meaning.CONNECTED, Meaning.CONNECT, Meaning.LOCAL_CONTROL}

#: The base unit of each number.
DIMENSION: dict[Meaning, str] = {
    Meaning.W: "W",
    Meaning.SET_W: "W",
    Meaning.LIMIT_W: "W",
    Meaning.AVAILABLE_UP_W: "W",
    Meaning.AVAILABLE_DOWN_W: "W",
    Meaning.MAX_W: "W",
    Meaning.MAX_CHARGE_W: "W",
    Meaning.VAR: "var",
    Meaning.SET_VAR: "var",
    Meaning.MAX_VAR: "var",
    Meaning.VA: "VA",
    Meaning.MAX_VA: "VA",
    Meaning.HZ: "Hz",
    Meaning.VOLTS: "V",
    Meaning.AMPS: "A",
    Meaning.ANGLE: "deg",
    Meaning.NOMINAL_V: "V",
    Meaning.SOC: "",
    Meaning.AVAILABLE_WH: "Wh",
    Meaning.ENERGY_WH: "Wh",
}

#: Unit on the device -> (base unit, how many of it).
UNITS: dict[str, tuple[str, Fraction]] = {
    "W": ("W", Fraction(1)),
    "kW": ("W", Fraction(1000)),
    "MW": ("W", Fraction(1_000_000)),
    "var": ("var", Fraction(1)),
    "kvar": ("var", Fraction(1000)),
    "Mvar": ("var", Fraction(1_000_000)),
    "VA": ("VA", Fraction(1)),
    "kVA": ("VA", Fraction(1000)),
    "MVA": ("VA", Fraction(1_000_000)),
    "Hz": ("Hz", Fraction(1)),
    "mHz": ("Hz", Fraction(1, 1000)),
    "V": ("V", Fraction(1)),
    "kV": ("V", Fraction(1000)),
    "A": ("A", Fraction(1)),
    "mA": ("A", Fraction(1, 1000)),
    "kA": ("A", Fraction(1000)),
    "deg": ("deg", Fraction(1)),
    "Wh": ("Wh", Fraction(1)),
    "kWh": ("Wh", Fraction(1000)),
    "MWh": ("Wh", Fraction(1_000_000)),
    "%": ("", Fraction(1, 100)),
    "fraction": ("", Fraction(1)),
    "s": ("s", Fraction(1)),
    "min": ("s", Fraction(60)),
    "ms": ("s", Fraction(1, 1000)),
}

#: Which words say the direction of a signed quantity; the first is the domain's own positive direction.
DIRECTIONS: dict[Meaning, tuple[str, str]] = {
    Meaning.W: ("delivered", "taken"),
    Meaning.SET_W: ("delivered", "taken"),
    Meaning.VAR: ("injected", "absorbed"),
    Meaning.SET_VAR: ("injected", "absorbed"),
}

#: Quantities that a device may give in percent of a rating; the rating is then named.
PERCENT = frozenset({Meaning.W, Meaning.VAR, Meaning.SET_W, Meaning.LIMIT_W, Meaning.SET_VAR})
