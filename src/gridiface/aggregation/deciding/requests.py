"""From what a control says to watts and vars of its target's total; and whether it can be said at all.

Owns the meaning of each mode: which base 100 % has, what a level sheds. Signs as in domain.quantities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ENTER_SERVICE_MODES, ENTER_SERVICE_WINDOWS, ControlMode, ModeValue
from gridiface.domain.curves import LEAST_W, MOST_W, CurveKind, fault_of_curves, fault_of_droop
from gridiface.domain.fleet import Capability
from gridiface.domain.quantities import PercentBase

#: What a member must be able to do for each mode that concerns it; modes that only inform are not listed.
NEEDS: Mapping[ControlMode, frozenset[Capability]] = {
    ControlMode.CONNECT: frozenset({Capability.CONNECT}),
    ControlMode.ENERGIZE: frozenset({Capability.ENERGIZE, Capability.CONNECT}),
    ControlMode.SET_W: frozenset({Capability.SET_W}),
    ControlMode.SET_W_PERCENT: frozenset({Capability.SET_W}),
    ControlMode.DELTA_W: frozenset({Capability.SET_W}),
    ControlMode.LOAD_LEVEL: frozenset({Capability.SET_W, Capability.LIMIT_W}),
    ControlMode.ENERGY_TARGET: frozenset({Capability.SET_W}),
    ControlMode.REGULATION: frozenset({Capability.SET_W}),
    ControlMode.MAX_W_PERCENT: frozenset({Capability.LIMIT_W, Capability.SET_W}),
    ControlMode.EXPORT_LIMIT: frozenset({Capability.LIMIT_W, Capability.SET_W}),
    ControlMode.GENERATION_LIMIT: frozenset({Capability.LIMIT_W, Capability.SET_W}),
    ControlMode.IMPORT_LIMIT: frozenset({Capability.SET_W}),
    ControlMode.LOAD_LIMIT: frozenset({Capability.SET_W}),
    ControlMode.SET_VAR: frozenset({Capability.SET_VAR}),
    ControlMode.SET_VAR_PERCENT: frozenset({Capability.SET_VAR}),
    ControlMode.POWER_FACTOR_INJECT: frozenset({Capability.POWER_FACTOR}),
    ControlMode.POWER_FACTOR_ABSORB: frozenset({Capability.POWER_FACTOR}),
    ControlMode.FREQUENCY_DROOP: frozenset({Capability.FREQUENCY_DROOP}),
    **dict.fromkeys(ENTER_SERVICE_MODES, frozenset({Capability.ENTER_SERVICE})),
}

#: What a member must be able to do for each curve, by its name; `Capability.CURVES` stands for all of them.
CURVE_NEEDS: Mapping[str, Capability] = {
    kind.mode: able
    for kind, able in (
        (CurveKind.FREQ_WATT, Capability.FREQ_WATT),
        (CurveKind.VOLT_VAR, Capability.VOLT_VAR),
        (CurveKind.VOLT_WATT, Capability.VOLT_WATT),
        (CurveKind.WATT_PF, Capability.WATT_PF),
        (CurveKind.WATT_VAR, Capability.WATT_VAR),
        (CurveKind.HFRT_MAY_TRIP, Capability.HIGH_FREQUENCY_MAY_TRIP),
        (CurveKind.HFRT_MUST_TRIP, Capability.HIGH_FREQUENCY_TRIP),
        (CurveKind.LFRT_MAY_TRIP, Capability.LOW_FREQUENCY_MAY_TRIP),
        (CurveKind.LFRT_MUST_TRIP, Capability.LOW_FREQUENCY_TRIP),
        (CurveKind.HFRT_MOMENTARY_CESSATION, Capability.HIGH_FREQUENCY_CESSATION),
        (CurveKind.LFRT_MOMENTARY_CESSATION, Capability.LOW_FREQUENCY_CESSATION),
        (CurveKind.HVRT_MAY_TRIP, Capability.HIGH_VOLTAGE_MAY_TRIP),
        (CurveKind.HVRT_MOMENTARY_CESSATION, Capability.HIGH_VOLTAGE_CESSATION),
        (CurveKind.HVRT_MUST_TRIP, Capability.HIGH_VOLTAGE_TRIP),
        (CurveKind.LVRT_MAY_TRIP, Capability.LOW_VOLTAGE_MAY_TRIP),
        (CurveKind.LVRT_MOMENTARY_CESSATION, Capability.LOW_VOLTAGE_CESSATION),
        (CurveKind.LVRT_MUST_TRIP, Capability.LOW_VOLTAGE_TRIP),
    )
}

#: What a member must be able to do beside droop itself for a limit that a droop names.
_DROOP_LIMITS: Mapping[str, Capability] = {
    LEAST_W: Capability.FREQUENCY_DROOP_LEAST,
    MOST_W: Capability.FREQUENCY_DROOP_MOST,
}


def droop_needs(value: ModeValue) -> frozenset[Capability]:
    """What a member must be able to do for a droop: one that cannot be told a limit of it is not told the rest."""
    record = value.payload if isinstance(value.payload, Mapping) else {}
    limits = (able for name, able in _DROOP_LIMITS.items() if record.get(name) is not None)
    return frozenset({Capability.FREQUENCY_DROOP, *limits})


@dataclass(frozen=True, slots=True)
class Capacity:
    """Sums over the members of a target that can be asked. W, var; all >= 0 but the totals at the end of the list."""

    set_max_w: float
    charge_w: float
    discharge_w: float
    max_var: float
    available_var: float
    base_w: float  # total without a request
    now_w: float  # total as measured
    up_w: float  # how far the total can rise from base_w
    low_w: float = -math.inf  # the least the total can be
    high_w: float = math.inf  # the most

    def part(self, share: float) -> Capacity:
        """What a program has to which so much is reserved."""
        return Capacity(*(share * getattr(self, one.name) for one in fields(self)))

    def with_beside(self, watts: float) -> Capacity:
        """The same at the metered point, where so much lies beside the members, W, + delivered."""
        if watts == 0.0:
            return self
        return replace(
            self,
            base_w=self.base_w + watts,
            now_w=self.now_w + watts,
            low_w=self.low_w + watts,
            high_w=self.high_w + watts,
        )

    def percent_base(self, base: str, *, value: float) -> float:
        """The watts that 100 % of an active power means.

        Without a name: negative counts against the charge rating, positive against the discharge rating.
        """
        match base:
            case PercentBase.MAX_W:
                return self.set_max_w
            case PercentBase.MAX_CHARGE_W:
                return self.charge_w
            case PercentBase.MAX_DISCHARGE_W:
                return self.discharge_w
            case PercentBase.BASELINE:
                return self.base_w
            case _:
                return self.charge_w if value < 0 else self.discharge_w


def capacity(columns: Columns, rows: IntArray, bounds: Envelope) -> Capacity:
    """The sums over `rows`."""
    if rows.size == 1:
        return _capacity_of_one(columns, int(rows[0]), bounds)
    c, here = columns, span(rows)
    counts = c.counts[here]
    free = _Part(bounds.free[here] & counts)
    able = _Part((c.can_set_w[here] | c.can_limit_w[here]) & counts & c.enabled[here])
    held = 0.0 if free.whole else float(bounds.held[here][~free.mask].sum())
    watts = c.w[here]
    measured = np.where(np.isfinite(watts) & counts, watts, 0.0)
    base, hi = free.of(bounds.base[here]), free.of(bounds.hi[here])
    rated_var = available_var = 0.0
    if c.can_set_var[here].any():
        inject = np.where(c.can_set_var[here] & counts & c.enabled[here], c.var_inject[here], 0.0)
        left = np.sqrt(np.maximum(c.max_va[here] ** 2 - measured**2, 0.0))
        rated_var, available_var = float(inject.sum()), float(np.minimum(inject, left).sum())
    return Capacity(
        set_max_w=float(able.of(c.set_max_w[here]).sum()),
        charge_w=float(able.of(c.charge_w[here]).sum()),
        discharge_w=float(able.of(c.discharge_w[here]).sum()),
        max_var=rated_var,
        available_var=available_var,
        base_w=float(base.sum()) + held,
        now_w=float(measured.sum()),
        up_w=float(np.maximum(hi - base, 0.0).sum()),
        low_w=float(free.of(bounds.lo[here]).sum()) + held,
        high_w=float(hi.sum()) + held,
    )


def _capacity_of_one(c: Columns, row: int, bounds: Envelope) -> Capacity:
    """As `capacity`, of one device: thousands of devices with controls of their own are asked one by one."""
    counts = bool(c.counts[row])
    free = counts and bool(bounds.free[row])
    enabled = counts and bool(c.enabled[row])
    able = enabled and bool(c.can_set_w[row] or c.can_limit_w[row])
    held = 0.0 if free else float(bounds.held[row])
    watts = float(c.w[row])
    measured = watts if counts and math.isfinite(watts) else 0.0
    base, hi = (float(bounds.base[row]), float(bounds.hi[row])) if free else (0.0, 0.0)
    rated_var = available_var = 0.0
    if enabled and c.can_set_var[row]:
        rated_var = float(c.var_inject[row])
        available_var = min(rated_var, math.sqrt(max(float(c.max_va[row]) ** 2 - measured**2, 0.0)))
    return Capacity(
        set_max_w=float(c.set_max_w[row]) if able else 0.0,
        charge_w=float(c.charge_w[row]) if able else 0.0,
        discharge_w=float(c.discharge_w[row]) if able else 0.0,
        max_var=rated_var,
        available_var=available_var,
        base_w=base + held,
        now_w=measured,
        up_w=max(hi - base, 0.0),
        low_w=(float(bounds.lo[row]) if free else 0.0) + held,
        high_w=hi + held,
    )


class _Part:
    """Those of some rows that a mask chooses; all of them cost no copy."""

    def __init__(self, mask: BoolArray) -> None:
        self.mask, self.whole = mask, bool(mask.all())

    def of(self, values: FloatArray) -> FloatArray:
        return values if self.whole else values[self.mask]


def requested_w(mode: ControlMode, value: ModeValue, of: Capacity, *, start: Capacity, span_s: float) -> float:
    """The total asked for, W.

    Args:
        mode, value: a mode of the kind "power".
        of: the capacity now, for percentages of ratings.
        start: the capacity when the control began, for changes against the baseline.
        span_s: how long the control lasts, for energy.
    """
    match mode:
        case ControlMode.SET_W_PERCENT:
            sums = start if value.base == PercentBase.BASELINE else of
            return value.value / 100.0 * sums.percent_base(value.base, value=value.value)
        case ControlMode.DELTA_W:
            return start.base_w + value.value
        case ControlMode.LOAD_LEVEL:
            return start.base_w + value.value * start.up_w
        case ControlMode.ENERGY_TARGET:
            return value.value * 3600.0 / span_s
        case _:
            return value.value


def limit_w(mode: ControlMode, value: ModeValue, set_max_w: float) -> float:
    """The watts (>= 0) of a limit; a percentage is of what is set as the most (see `set_max_w`)."""
    if mode is ControlMode.MAX_W_PERCENT:
        return value.value / 100.0 * set_max_w
    return value.value


def set_max_w(columns: Columns, rows: IntArray) -> float:
    """What is set as the most of those of `rows` that can be told a power, together, W."""
    c, here = columns, span(rows)
    able = (c.can_set_w[here] | c.can_limit_w[here]) & c.counts[here] & c.enabled[here]
    return float(c.set_max_w[here][able].sum())


def requested_var(mode: ControlMode, value: ModeValue, of: Capacity) -> float:
    """The total reactive power asked for, var, + injected."""
    if mode is not ControlMode.SET_VAR_PERCENT:
        return value.value
    match value.base:
        case PercentBase.MAX_W:
            base = of.set_max_w
        case PercentBase.AVAILABLE_VAR:
            base = of.available_var
        case _:
            base = of.max_var
    return value.value / 100.0 * base


def _between(low: float, high: float) -> Callable[[float], bool]:
    return lambda value: low <= value <= high


#: The longest delay or ramp on entering service, s: what every carrier's 32 bits hold, in hundredths.
_LONGEST_S = 42_949_672.0

#: What each mode's number may be; finite is asked of all.
ALLOWED: Mapping[ControlMode, Callable[[float], bool]] = {
    ControlMode.CONNECT: lambda value: value in (0.0, 1.0),
    ControlMode.ENERGIZE: lambda value: value in (0.0, 1.0),
    ControlMode.SET_W_PERCENT: _between(-1000.0, 1000.0),  # of a baseline it may be above 100
    ControlMode.LOAD_LEVEL: _between(-1.0, 1.0),
    ControlMode.MAX_W_PERCENT: _between(0.0, 100.0),
    ControlMode.EXPORT_LIMIT: _between(0.0, math.inf),
    ControlMode.IMPORT_LIMIT: _between(0.0, math.inf),
    ControlMode.GENERATION_LIMIT: _between(0.0, math.inf),
    ControlMode.LOAD_LIMIT: _between(0.0, math.inf),
    ControlMode.SET_VAR_PERCENT: _between(-100.0, 100.0),
    ControlMode.POWER_FACTOR_INJECT: lambda value: 0.0 < abs(value) <= 1.0,
    ControlMode.POWER_FACTOR_ABSORB: lambda value: 0.0 < abs(value) <= 1.0,
    ControlMode.ENTER_V_HIGH: _between(0.0, 200.0),
    ControlMode.ENTER_V_LOW: _between(0.0, 200.0),
    ControlMode.ENTER_HZ_HIGH: _between(0.0, 100.0),
    ControlMode.ENTER_HZ_LOW: _between(0.0, 100.0),
    ControlMode.ENTER_DELAY: _between(0.0, _LONGEST_S),
    ControlMode.ENTER_RANDOM_DELAY: _between(0.0, _LONGEST_S),
    ControlMode.ENTER_RAMP: _between(0.0, _LONGEST_S),
}


def fault_of(mode: ControlMode, value: ModeValue, *, span_s: float) -> str:
    """What is wrong with one mode's value; empty when nothing is."""
    if not math.isfinite(value.value):
        return f"{mode} must be a finite number"
    allowed = ALLOWED.get(mode)
    if allowed is not None and not allowed(value.value):
        return f"{mode} cannot be {value.value:g}"
    if mode is ControlMode.SET_W_PERCENT and value.base != PercentBase.BASELINE and abs(value.value) > 100.0:
        return f"{mode} cannot be {value.value:g} % of a rating"
    if mode is ControlMode.CURVE:
        return fault_of_curves(value)
    if mode is ControlMode.FREQUENCY_DROOP:
        return fault_of_droop(value)
    if mode is ControlMode.ENERGY_TARGET and not 0 < span_s < math.inf:
        return "an energy target needs a duration"
    return ""


def empty_window(values: Mapping[ControlMode, ModeValue]) -> str:
    """The window for entering service that these values leave nothing of; empty where they leave something."""
    for lower, upper in ENTER_SERVICE_WINDOWS:
        low, high = values.get(lower), values.get(upper)
        if low is not None and high is not None and low.value >= high.value:
            return f"nothing lies between {lower} {low.value:g} and {upper} {high.value:g}"
    return ""
