"""Physical quantities: a value times a power of ten, each with its unit in the type."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    BOOLEAN,
    INT16,
    INT32,
    INT48,
    POWER_OF_TEN,
    SEP2,
    UINT16,
    UINT48,
    UOM,
)
from gridiface.protocols.xmlwire import WireObject, element, wire


@wire(SEP2)
class ActivePower(WireObject):
    """Active power, value x 10^multiplier W."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(INT16)


@wire(SEP2)
class ApparentPower(WireObject):
    """Apparent power, value x 10^multiplier VA."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class ReactivePower(WireObject):
    """Reactive power, value x 10^multiplier var."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(INT16)


@wire(SEP2)
class ReactiveSusceptance(WireObject):
    """Reactive susceptance, value x 10^multiplier S."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class RealEnergy(WireObject):
    """Energy without sign, value x 10^multiplier Wh."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT48)


@wire(SEP2)
class SignedRealEnergy(WireObject):
    """Energy with sign, value x 10^multiplier Wh."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(INT48)


@wire(SEP2)
class WattHour(WireObject):
    """Energy capacity, value x 10^multiplier Wh."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class AmpereHour(WireObject):
    """Charge capacity, value x 10^multiplier Ah."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class CurrentRMS(WireObject):
    """Current, value x 10^multiplier A."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class VoltageRMS(WireObject):
    """Voltage, value x 10^multiplier V."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class PowerFactor(WireObject):
    """Power factor, displacement x 10^multiplier."""

    displacement: int = element(UINT16)
    multiplier: int = element(POWER_OF_TEN)


@wire(SEP2)
class PowerFactorWithExcitation(WireObject):
    """Power factor, displacement x 10^multiplier; excitation is true when vars are absorbed."""

    displacement: int = element(UINT16)
    excitation: bool = element(BOOLEAN)
    multiplier: int = element(POWER_OF_TEN)


@wire(SEP2)
class FixedPointType(WireObject):
    """A number without unit, value x 10^multiplier."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(INT16)


@wire(SEP2)
class UnsignedFixedPointType(WireObject):
    """A number without unit and sign, value x 10^multiplier."""

    multiplier: int = element(POWER_OF_TEN)
    value: int = element(UINT16)


@wire(SEP2)
class UnitValueType(WireObject):
    """A value x 10^multiplier with its unit of measure (enums.Uom)."""

    multiplier: int = element(POWER_OF_TEN)
    unit: int = element(UOM)
    value: int = element(INT32)
