"""Units, the one sign rule, and power-of-ten scaling. Owns no state and knows no protocol.

THE SIGN RULE. Active power is positive when delivered to the grid (generation, discharge) and negative when
taken from it (load, charge). Reactive power is positive when injected (over-excited). All values are floats in
SI base units: W, var, VA, Wh, V, A, Hz, W/s; time is seconds since 1970-01-01T00:00:00Z. Each translator and
register map states how its own side differs from this page.

A percentage names its base (`PercentBase`); hundredths of a percent are what IEEE 2030.5 and SunSpec carry.
"""

from __future__ import annotations

import math
from enum import StrEnum


class Quantity(StrEnum):
    """What a reading measures; the unit is part of the meaning."""

    ACTIVE_POWER = "W"
    REACTIVE_POWER = "var"
    APPARENT_POWER = "VA"
    FREQUENCY = "Hz"
    VOLTAGE = "V"
    CURRENT = "A"
    POWER_FACTOR = "pf"
    ENERGY = "Wh"
    STATE_OF_CHARGE = "soc"
    AVAILABLE_ENERGY = "Wh_available"
    OTHER = "other"


class Phase(StrEnum):
    """Which conductor(s) a reading belongs to."""

    ALL = "ABC"
    A = "A"
    B = "B"
    C = "C"
    AN = "AN"
    BN = "BN"
    CN = "CN"
    AB = "AB"
    BC = "BC"
    CA = "CA"
    NONE = ""


class PercentBase(StrEnum):
    """The 100 % of a percentage."""

    MAX_W = "setMaxW"
    MAX_CHARGE_W = "setMaxChargeRateW"
    MAX_DISCHARGE_W = "setMaxDischargeRateW"
    MAX_VAR = "setMaxVar"
    AVAILABLE_VAR = "statVarAvail"
    ENERGY = "WHRtg"
    BASELINE = "baseline"


class Rounding(StrEnum):
    """How a value loses the digits that its wire form cannot carry."""

    NEAREST = "nearest"  # measurements and set-points; half goes to the even digit
    TOWARD_ZERO = "toward_zero"  # limits: a ceiling on the wire is never above the ceiling meant
    FLOOR = "floor"
    CEILING = "ceiling"


def round_to_int(value: float, rounding: Rounding = Rounding.NEAREST) -> int:
    """Round `value` to an integer by `rounding`.

    Raises:
        ValueError: `value` is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value!r} has no integer form")
    match rounding:
        case Rounding.TOWARD_ZERO:
            return math.trunc(value)
        case Rounding.FLOOR:
            return math.floor(value)
        case Rounding.CEILING:
            return math.ceil(value)
        case _:
            return round(value)


def to_power_of_ten(
    value: float,
    *,
    low: int = -32768,
    high: int = 32767,
    min_exponent: int = -9,
    max_exponent: int = 9,
    finest: int = 0,
    rounding: Rounding = Rounding.NEAREST,
) -> tuple[int, int]:
    """Write `value` as `mantissa * 10**exponent` with the mantissa in low..high.

    The smallest exponent >= `finest` that fits is taken, so no more digits are lost than must be. A value that is
    whole in units of 10**finest and fits is exact.

    Args:
        value: SI value, any sign.
        low, high: the integer range of the wire's mantissa.
        min_exponent, max_exponent: the range of the wire's exponent.
        finest: the finest exponent that is of interest (0 = whole watts, -1 = tenths of a volt).
        rounding: what happens to the digits lost.

    Returns:
        (mantissa, exponent).

    Raises:
        ValueError: `value` is not finite, or too large even at `max_exponent`.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value!r} cannot be scaled")
    for exponent in range(max(finest, min_exponent), max_exponent + 1):
        scaled = value / 10**exponent if exponent >= 0 else value * 10**-exponent
        mantissa = round_to_int(scaled, rounding)
        if low <= mantissa <= high:
            return mantissa, exponent
    raise ValueError(f"{value!r} does not fit into {low}..{high} x 10^{max_exponent}")


def from_power_of_ten(mantissa: int, exponent: int) -> float:
    """The SI value of `mantissa * 10**exponent`, without binary dust for negative exponents."""
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


def from_hundredths_percent(hundredths: float, base: float) -> float:
    """The SI value of `hundredths` of a percent of `base`: 10000 is the whole base."""
    return hundredths * base / 10_000.0


def to_hundredths_percent(value: float, base: float, rounding: Rounding = Rounding.NEAREST) -> int:
    """`value` in hundredths of a percent of `base`; 0 where the base is 0 (nothing can be shared out of nothing)."""
    if base == 0:
        return 0
    return round_to_int(value * 10_000.0 / base, rounding)
