"""Set-points for VENs below our VTN -> events, by what each VEN says it understands. Pure.

SIGN. OpenADR speaks of load: a set-point of + W delivered becomes a negative LOAD_DISPATCH, unless the VEN is
configured the other way. Owns the OpenADR column of "Commands, domain -> device" in the translation page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gridiface.domain.controls import Setpoint
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.stream import ItemBase
from gridiface.protocols.openadr.payloads.units import EnergyReal, power_reactive, power_real

SETPOINT = ("LOAD_DISPATCH", "setpoint")
DELTA = ("LOAD_DISPATCH", "delta")
MULTIPLIER = ("LOAD_DISPATCH", "multiplier")
SIMPLE = ("SIMPLE", "level")
CAPACITY = ("LOAD_CONTROL", "x-loadControlCapacity")
LEVEL_OFFSET = ("LOAD_CONTROL", "x-loadControlLevelOffset")
PERCENT_OFFSET = ("LOAD_CONTROL", "x-loadControlPercentOffset")
CONTROL_SETPOINT = ("LOAD_CONTROL", "x-loadControlSetpoint")
CHARGE_SETPOINT = ("CHARGE_STATE", "setpoint")
CHARGE_DELTA = ("CHARGE_STATE", "delta")
CHARGE_MULTIPLIER = ("CHARGE_STATE", "multiplier")
#: LOAD_DISPATCH setpoint of reactive power: the same pair as SETPOINT, told apart by its unit.
REACTIVE = ("LOAD_DISPATCH", "setpoint/powerReactive")

#: What a configuration calls them.
CLAIMS = {
    "setpoint": SETPOINT,
    "delta": DELTA,
    "multiplier": MULTIPLIER,
    "reactive": REACTIVE,
    "simple": SIMPLE,
    "capacity": CAPACITY,
    "level_offset": LEVEL_OFFSET,
    "percent_offset": PERCENT_OFFSET,
    "control_setpoint": CONTROL_SETPOINT,
    "charge_setpoint": CHARGE_SETPOINT,
    "charge_delta": CHARGE_DELTA,
    "charge_multiplier": CHARGE_MULTIPLIER,
}
#: Those that carry an active power.
POWERS = frozenset(CLAIMS.values()) - {CAPACITY, REACTIVE}
_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a VEN understands and what is known of it.

    Attributes:
        signals: (signalName, signalType) pairs.
        market_context: the program its events belong to.
        resource: resourceID that the events name; "": the VEN as a whole.
        baseline_w: its load without an event, W >= 0, for deltas and levels; None: not known.
        rated_load_w: the 1.0 of a capacity, W.
        levels, offsets: SIMPLE level and LOAD_CONTROL level offset -> fraction of the baseline that it sheds.
        setpoint_scale: watts of load that 1 of a LOAD_CONTROL set-point means.
        stored_wh, capacity_wh: what it holds now and at most, for CHARGE_STATE; None: not known.
        generation_positive: + is delivered.
    """

    signals: frozenset[tuple[str, str]]
    market_context: str
    resource: str = ""
    baseline_w: float | None = None
    rated_load_w: float | None = None
    levels: Mapping[int, float] = field(default_factory=lambda: {0: 0.0, 1: 0.33, 2: 0.66, 3: 1.0})
    offsets: Mapping[int, float] = field(default_factory=dict)
    setpoint_scale: float = 1.0
    stored_wh: float | None = None
    capacity_wh: float | None = None
    generation_positive: bool = False


def signals_for(setpoint: Setpoint, claims: Claims, duration: int) -> tuple[Signal, ...]:
    """The signals that tell a VEN its set-point, the best it understands first tried; empty: it can be told nothing.

    Args:
        setpoint: what the device is to do.
        claims: what it understands.
        duration: of the event, seconds; 0 open-ended.
    """
    found = []
    if setpoint.connect is False or setpoint.energize is False:
        found += _capacity(0.0, claims, duration)
    elif setpoint.active_power_w is not None:
        found += _power(setpoint.active_power_w, claims, duration)
    elif setpoint.ceiling_w is not None and claims.rated_load_w:
        found += _capacity(min(1.0, setpoint.ceiling_w / claims.rated_load_w), claims, duration)
    if setpoint.reactive_power_var is not None and REACTIVE in claims.signals:
        var = setpoint.reactive_power_var if claims.generation_positive else -setpoint.reactive_power_var
        found.append(
            replace(_signal(SETPOINT, var + 0.0, duration, power_reactive()), id=str(len(found))),
        )
    return tuple(found)


def event_for(
    setpoint: Setpoint, claims: Claims, event_id: str, now: float, *, duration: int | None = None
) -> Event | None:
    """The event for a set-point, running from now until it is not valid any more; None when there is nothing to say.

    A release is the end of the event: cancel it instead.
    """
    if setpoint.release:
        return None
    if duration is None:
        duration = 0 if setpoint.valid_until is None else max(1, int(setpoint.valid_until - now))
    signals = signals_for(setpoint, claims, duration)
    if not signals:
        return None
    return Event(
        id=event_id,
        market_context=claims.market_context,
        dtstart=now,
        duration=duration,
        signals=signals,
        ramp_up=-int(setpoint.ramp_s) if setpoint.ramp_s else None,
        target=EiTarget(resourceID=[claims.resource]) if claims.resource else EiTarget(),
        notification=0,
    )


def _power(watts: float, claims: Claims, duration: int) -> list[Signal]:
    """The best signal that the VEN understands: one that names the power, then a change, then energy, then a level."""
    makers = (_named_power, _changed_power, _energy, _levels)
    return next((made for make in makers if (made := make(watts, claims, duration))), [])


def _named_power(watts: float, claims: Claims, duration: int) -> list[Signal]:
    if SETPOINT in claims.signals:
        value = watts if claims.generation_positive else -watts
        return [_signal(SETPOINT, value + 0.0, duration, power_real())]
    if CONTROL_SETPOINT in claims.signals:
        return [_signal(CONTROL_SETPOINT, -watts / claims.setpoint_scale + 0.0, duration)]
    return []


def _changed_power(watts: float, claims: Claims, duration: int) -> list[Signal]:
    """Against the baseline, which is a load >= 0."""
    load, base = -watts, claims.baseline_w
    if base is None:
        return []
    if DELTA in claims.signals:
        change = load - base
        return [_signal(DELTA, (-change if claims.generation_positive else change) + 0.0, duration, power_real())]
    if base <= 0:
        return []
    if MULTIPLIER in claims.signals:
        return [_signal(MULTIPLIER, load / base + 0.0, duration)]
    if PERCENT_OFFSET in claims.signals:
        return [_signal(PERCENT_OFFSET, (load / base - 1.0) * 100.0, duration)]
    return []


def _energy(watts: float, claims: Claims, duration: int) -> list[Signal]:
    """The energy of the power over the event's time, + is charged; an open-ended event has none."""
    if not duration:
        return []
    charged = -watts * duration / _PER_HOUR
    if CHARGE_DELTA in claims.signals:
        return [_signal(CHARGE_DELTA, charged + 0.0, duration, _wh())]
    if claims.stored_wh is None:
        return []
    target = max(0.0, claims.stored_wh + charged)
    if CHARGE_SETPOINT in claims.signals:
        return [_signal(CHARGE_SETPOINT, target, duration, _wh())]
    if CHARGE_MULTIPLIER in claims.signals and claims.capacity_wh:
        return [_signal(CHARGE_MULTIPLIER, min(1.0, target / claims.capacity_wh), duration)]
    return []


def _levels(watts: float, claims: Claims, duration: int) -> list[Signal]:
    base = claims.baseline_w
    if base is None or base <= 0:
        return []
    shed = (base + watts) / base
    if LEVEL_OFFSET in claims.signals and claims.offsets:
        return [_signal(LEVEL_OFFSET, float(_level(shed, claims.offsets)), duration)]
    if SIMPLE in claims.signals:
        return [_signal(SIMPLE, float(_level(shed, claims.levels)), duration)]
    return []


def _level(shed: float, levels: Mapping[int, float]) -> int:
    """The level that sheds least of those that shed enough; that which sheds most where none does."""
    enough = [level for level, fraction in levels.items() if fraction >= shed - 1e-9]
    least = min(enough, key=lambda level: (levels[level], level), default=None)
    return max(levels, key=lambda level: levels[level]) if least is None else least


def _capacity(fraction: float, claims: Claims, duration: int) -> list[Signal]:
    return [_signal(CAPACITY, max(0.0, fraction), duration)] if CAPACITY in claims.signals else []


def _wh() -> EnergyReal:
    return EnergyReal(itemDescription="RealEnergy", itemUnits="Wh", siScaleCode="none")


def _signal(kind: tuple[str, str], value: float, duration: int, unit: ItemBase | None = None) -> Signal:
    return Signal(name=kind[0], type=kind[1], id="0", durations=(duration,), values=(value,), unit=unit)
