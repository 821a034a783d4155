"""A Setpoint for one 2030.5 inverter as the DERControlBase it can carry out. Pure.

The mode is chosen by modesSupported and modesEnabled: opModTargetW, else opModFixedW, else opModMaxLimW, which is a
ceiling only and stops a device rather than let it charge. Clients of CSIP-AUS that have no opModMaxLimW are told a
ceiling by opModGenLimW where doeModesSupported names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.quantities import Rounding, round_to_int, to_hundredths_percent
from gridiface.northbound.sep2.translate.controls import values_to_base
from gridiface.northbound.sep2.translate.rates import charge_rate, generates
from gridiface.northbound.sep2.translate.ratings import limits_generation, told_modes
from gridiface.northbound.sep2.translate.scaling import clamp, si, signed, watts
from gridiface.protocols.sep2.enums import CURVE_MODES, MODE_BITS, DERControlModes, DERUnitRefType
from gridiface.protocols.sep2.resources import DERCapability, DERControlBase, DERSettings, FixedVar, ReactivePower

_M = DERControlModes
_PASSED_MODES = {
    ControlMode.POWER_FACTOR_ABSORB: _M.FIXED_PF_ABSORB_W,
    ControlMode.POWER_FACTOR_INJECT: _M.FIXED_PF_INJECT_W,
    ControlMode.FREQUENCY_DROOP: _M.FREQ_DROOP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterModes:
    """What one inverter can be told, and the bases of its percentages, W and var >= 0.

    `modes` None: the inverter has not said yet; everything is tried. `gen_lim`: opModGenLimW of CSIP-AUS is kept.
    """

    modes: int | None = None
    max_w: float = 0.0
    max_charge_w: float = 0.0
    max_discharge_w: float | None = None
    max_var: float | None = None
    gen_lim: bool = False

    def can(self, mode: DERControlModes) -> bool:
        """Whether the mode is supported (and enabled)."""
        return self.modes is None or bool(self.modes & mode)


def modes_of_inverter(
    capability: DERCapability | None, settings: DERSettings | None, *, csip_aus: bool = False
) -> InverterModes:
    """What an inverter that posted these can be told: supported and, where it said so, enabled modes.

    Args:
        capability, settings: what it posted.
        csip_aus: the profile is on, and its limits may be written.
    """
    if capability is None:
        return InverterModes()
    modes = capability.modesSupported
    if settings is not None and settings.modesEnabled is not None:
        modes &= settings.modesEnabled
    modes = told_modes(modes)
    max_w = si(settings.setMaxW) if settings is not None else si(capability.rtgMaxW)
    charge = (si(settings.setMaxChargeRateW) if settings else None) or charge_rate(capability)
    discharge = (si(settings.setMaxDischargeRateW) if settings else None) or si(capability.rtgMaxDischargeRateW)
    max_var = (si(settings.setMaxVar) if settings else None) or si(capability.rtgMaxVar)
    return InverterModes(
        modes=modes,
        max_w=abs(max_w or 0.0),
        max_charge_w=abs(charge or 0.0),
        # Inverters without a storage state 0 where they mean none: a share of that would be nothing. Beside generation
        # it is the rate of the storage alone; a share of setMaxW is never more than what is asked, whichever is meant.
        max_discharge_w=None if generates(capability.type) else discharge or None,
        max_var=None if max_var is None else abs(max_var),
        gen_lim=csip_aus and limits_generation(capability, settings),
    )


def setpoint_to_base(
    setpoint: Setpoint, inverter: InverterModes, curve_href: Callable[[str, Any], str]
) -> DERControlBase:
    """What the inverter is to be told; a quantity that it has no mode for is left out.

    Args:
        setpoint: not a release.
        inverter: what it can carry out.
        curve_href: (mode element, payload) -> where that curve is served.
    """
    passed = {mode: value for mode, value in setpoint.passed.items() if _can_pass(mode, inverter)}
    base = values_to_base(passed, curve_href)
    for name in CURVE_MODES:
        if not inverter.can(MODE_BITS[name]):
            setattr(base, name, None)
    _active_power(base, setpoint, inverter)
    _reactive_power(base, setpoint, inverter)
    if setpoint.connect is not None and inverter.can(_M.CONNECT):
        base.opModConnect = setpoint.connect
    if setpoint.energize is not None and inverter.can(_M.ENERGIZE):
        base.opModEnergize = setpoint.energize
    if setpoint.ramp_s is not None:
        base.rampTms = clamp(round_to_int(setpoint.ramp_s * 100), 0, 0xFFFF)
    return base


def _can_pass(mode: ControlMode, inverter: InverterModes) -> bool:
    """Curves are sorted out one by one afterwards."""
    return mode is ControlMode.CURVE or (mode in _PASSED_MODES and inverter.can(_PASSED_MODES[mode]))


def _active_power(base: DERControlBase, setpoint: Setpoint, inverter: InverterModes) -> None:
    power, ceiling = setpoint.active_power_w, setpoint.ceiling_w
    if power is not None:
        if inverter.can(_M.TARGET_W):
            base.opModTargetW = watts(power)
        elif inverter.can(_M.FIXED_W):
            base.opModFixedW = _percent(power, inverter)
        else:
            wanted = max(0.0, power)
            ceiling = wanted if ceiling is None else min(ceiling, wanted)
    if ceiling is None:
        return
    if inverter.can(_M.MAX_LIM_W) and inverter.max_w > 0:
        share = to_hundredths_percent(max(0.0, ceiling), inverter.max_w, Rounding.TOWARD_ZERO)
        base.opModMaxLimW = clamp(share, 0, 10_000)
    elif inverter.gen_lim:
        base.opModGenLimW = watts(max(0.0, ceiling), Rounding.TOWARD_ZERO)


def _percent(power: float, inverter: InverterModes) -> int:
    """opModFixedW: negative of setMaxChargeRateW, positive of setMaxDischargeRateW or setMaxW."""
    if power < 0:
        of = inverter.max_charge_w
    else:
        of = inverter.max_w if inverter.max_discharge_w is None else inverter.max_discharge_w
    return clamp(to_hundredths_percent(power, of), -10_000, 10_000)


def _reactive_power(base: DERControlBase, setpoint: Setpoint, inverter: InverterModes) -> None:
    var = setpoint.reactive_power_var
    if var is None:
        return
    if inverter.can(_M.TARGET_VAR):
        base.opModTargetVar = signed(ReactivePower, var)
    elif inverter.can(_M.FIXED_VAR) and inverter.max_var:
        share = clamp(to_hundredths_percent(var, inverter.max_var), -10_000, 10_000)
        base.opModFixedVar = FixedVar(refType=DERUnitRefType.SET_MAX_VAR, value=share)


def base_ceiling_w(base: DERControlBase, inverter: InverterModes) -> float | None:
    """The ceiling in W that a base names by opModMaxLimW or opModGenLimW; None where it names none."""
    if base.opModMaxLimW is not None:
        return base.opModMaxLimW / 10_000 * inverter.max_w
    return si(base.opModGenLimW)


def base_power_w(base: DERControlBase, inverter: InverterModes) -> float | None:
    """The active power in W that a base names by opModTargetW or opModFixedW; None where it names none."""
    if base.opModTargetW is not None:
        return si(base.opModTargetW)
    if base.opModFixedW is None:
        return None
    share = base.opModFixedW / 10_000
    if share < 0:
        return share * inverter.max_charge_w
    return share * (inverter.max_w if inverter.max_discharge_w is None else inverter.max_discharge_w)
