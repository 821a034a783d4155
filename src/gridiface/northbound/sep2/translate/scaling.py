"""Powers of ten and hundredths of a percent: the two number forms of IEEE 2030.5. Pure."""

from __future__ import annotations

from typing import Protocol, TypeVar

from gridiface.domain.quantities import Rounding, from_power_of_ten, round_to_int, to_power_of_ten
from gridiface.protocols.sep2.resources import (
    ActivePower,
    ApparentPower,
    CurrentRMS,
    PowerFactor,
    PowerFactorWithExcitation,
    ReactivePower,
    ReactiveSusceptance,
    VoltageRMS,
    WattHour,
)

_SIGNED = (-32768, 32767)
_UNSIGNED = (0, 65535)


class Scaled(Protocol):
    """Any of the quantity types: value x 10^multiplier."""

    multiplier: int
    value: int


_Signed = TypeVar("_Signed", ActivePower, ReactivePower)
_Unsigned = TypeVar("_Unsigned", ApparentPower, WattHour, VoltageRMS, CurrentRMS, ReactiveSusceptance)


def si(quantity: Scaled | None) -> float | None:
    """The SI value; None stays None."""
    return None if quantity is None else from_power_of_ten(quantity.value, quantity.multiplier)


def signed(cls: type[_Signed], value: float, rounding: Rounding = Rounding.NEAREST) -> _Signed:
    """A signed quantity (W, var) of an SI value.

    Raises:
        ValueError: not finite, or above 32767 x 10^9.
    """
    mantissa, exponent = to_power_of_ten(value, low=_SIGNED[0], high=_SIGNED[1], rounding=rounding)
    return cls(multiplier=exponent, value=mantissa)


def unsigned(cls: type[_Unsigned], value: float, *, finest: int = 0) -> _Unsigned:
    """An unsigned quantity (VA, Wh, V, A, S) of an SI value >= 0; negative values become 0.

    Raises:
        ValueError: not finite, or above 65535 x 10^9.
    """
    mantissa, exponent = to_power_of_ten(max(0.0, value), low=_UNSIGNED[0], high=_UNSIGNED[1], finest=finest)
    return cls(multiplier=exponent, value=mantissa)


def watts(value: float, rounding: Rounding = Rounding.NEAREST) -> ActivePower:
    """ActivePower of W."""
    return signed(ActivePower, value, rounding)


def optional_unsigned(cls: type[_Unsigned], value: float | None, *, finest: int = 0) -> _Unsigned | None:
    """The same, None of None."""
    return None if value is None else unsigned(cls, value, finest=finest)


def optional_watts(value: float | None) -> ActivePower | None:
    """ActivePower of W, None of None."""
    return None if value is None else watts(value)


def pf_size(wire: PowerFactor | None) -> float | None:
    """The size of a power factor that has no excitation; None stays None."""
    return None if wire is None else from_power_of_ten(wire.displacement, wire.multiplier)


def wire_pf_size(value: float | None) -> PowerFactor | None:
    """The wire form of it, in thousandths; None of None."""
    return None if value is None else PowerFactor(displacement=round_to_int(abs(value) * 1000), multiplier=-3)


def power_factor(wire: PowerFactorWithExcitation) -> float:
    """Our signed power factor: + over-excited (var injected), - under-excited (excitation true: var absorbed)."""
    size = from_power_of_ten(wire.displacement, wire.multiplier)
    return -size if wire.excitation else size


def wire_power_factor(value: float) -> PowerFactorWithExcitation:
    """The wire form of a signed power factor, in thousandths, the precision of what devices take."""
    return PowerFactorWithExcitation(displacement=round_to_int(abs(value) * 1000), excitation=value < 0, multiplier=-3)


def clamp(value: int, low: int, high: int) -> int:
    """`value` moved into low..high."""
    return min(max(value, low), high)
