"""When a device may return to service, setES* of DefaultDERControl <-> the domain's modes. Pure.

Wire: hundredths of a percent of nominal voltage, of a hertz and of a second.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.domain.controls import ControlMode, ModeValue
from gridiface.domain.quantities import round_to_int
from gridiface.northbound.sep2.translate.scaling import clamp
from gridiface.protocols.sep2.resources import DefaultDERControl

_INT16, _UINT16, _UINT32 = 0x7FFF, 0xFFFF, 0xFFFF_FFFF

#: The element of each mode, and the most that its type holds.
ELEMENTS: Mapping[ControlMode, tuple[str, int]] = {
    ControlMode.ENTER_V_HIGH: ("setESHighVolt", _INT16),
    ControlMode.ENTER_V_LOW: ("setESLowVolt", _INT16),
    ControlMode.ENTER_HZ_HIGH: ("setESHighFreq", _UINT16),
    ControlMode.ENTER_HZ_LOW: ("setESLowFreq", _UINT16),
    ControlMode.ENTER_DELAY: ("setESDelay", _UINT32),
    ControlMode.ENTER_RANDOM_DELAY: ("setESRandomDelay", _UINT32),
    ControlMode.ENTER_RAMP: ("setESRampTms", _UINT32),
}


def entering_values(default: DefaultDERControl) -> dict[ControlMode, ModeValue]:
    """What a default control asks of devices that enter service."""
    told = ((mode, getattr(default, name)) for mode, (name, _) in ELEMENTS.items())
    return {mode: ModeValue(value / 100) for mode, value in told if value is not None}


def entering_elements(values: Mapping[ControlMode, ModeValue]) -> dict[str, int]:
    """The inverse: element by element, modes of other kinds left out."""
    return {
        name: clamp(round_to_int(100 * values[mode].value), 0, most)
        for mode, (name, most) in ELEMENTS.items()
        if mode in values
    }
