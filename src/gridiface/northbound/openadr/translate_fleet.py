"""Set-points for VENs below our VTN -> events, by what each VEN says it understands. Pure.

SIGN. OpenADR speaks of load: a set-point of + W delivered becomes a negative LOAD_DISPATCH, unless the VEN is
configured the other way. Owns the OpenADR column of "Commands, domain -> device" in the translation page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.domain.controls import Setpoint
from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.units import power_real

SETPOINT = ("LOAD_DISPATCH", "setpoint")
DELTA = ("LOAD_DISPATCH", "delta")
SIMPLE = ("SIMPLE", "level")
CAPACITY = ("LOAD_CONTROL", "x-loadControlCapacity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a VEN understands and what is known of it.

    Attributes:
        signals: (signalName, signalType) pairs.
        market_context: the program its events belong to.
        resource: resourceID that the events name; "": the VEN as a whole.
        baseline_w: its load without an event, W >= 0, for deltas and levels; None: not known.
        rated_load_w: the 1.0 of a capacity, W.
        levels: SIMPLE level -> fraction of the baseline that it sheds.
        generation_positive: + is delivered.
    """

    signals: frozenset[tuple[str, str]]
    market_context: str
    resource: str = ""
    baseline_w: float | None = None
    rated_load_w: float | None = None
    levels: Mapping[int, float] = field(default_factory=lambda: {0: 0.0, 1: 0.33, 2: 0.66, 3: 1.0})
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
    value = watts if claims.generation_positive else -watts
    if SETPOINT in claims.signals:
        return [_signal(SETPOINT, value + 0.0, duration, watts=True)]
    if claims.baseline_w is None:
        return []
    load = -watts
    if DELTA in claims.signals:
        change = load - claims.baseline_w
        return [_signal(DELTA, (-change if claims.generation_positive else change) + 0.0, duration, watts=True)]
    if SIMPLE in claims.signals and claims.baseline_w > 0:
        return [_signal(SIMPLE, float(_level((claims.baseline_w - load) / claims.baseline_w, claims)), duration)]
    return []


def _level(shed: float, claims: Claims) -> int:
    """The lowest level that sheds at least so much; the highest where none does."""
    enough = [level for level, fraction in sorted(claims.levels.items()) if fraction >= shed - 1e-9]
    return enough[0] if enough else max(claims.levels)


def _capacity(fraction: float, claims: Claims, duration: int) -> list[Signal]:
    return [_signal(CAPACITY, max(0.0, fraction), duration)] if CAPACITY in claims.signals else []


def _signal(kind: tuple[str, str], value: float, duration: int, *, watts: bool = False) -> Signal:
    unit = power_real() if watts else None
    return Signal(name=kind[0], type=kind[1], id="0", durations=(duration,), values=(value,), unit=unit)
