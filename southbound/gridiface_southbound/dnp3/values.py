"""What an outstation's points say of a device, and what a command is on the wire. Pure.

Owns flags to quality, points to nameplate and snapshot, and the rounding of what is written: set-points to the nearest,
limits towards zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Capability, DeviceKind, Nameplate
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import PointType
from gridiface_southbound.dnp3.config import Dnp3Config, Input, Output

Points = Mapping[tuple[PointType, int], Measurement]

_TYPES = {"analog input": PointType.ANALOG_INPUT, "binary input": PointType.BINARY_INPUT}
_ABILITIES = {
    "set_w": Capability.SET_W,
    "limit_w": Capability.LIMIT_W,
    "set_var": Capability.SET_VAR,
    "connect": Capability.CONNECT,
    "energize": Capability.ENERGIZE,
}
_CONDUCTORS = (Phase.A, Phase.B, Phase.C)
_TO_NEUTRAL = (Phase.AN, Phase.BN, Phase.CN)
_INTEGERS = {1: 2**31, 2: 2**15}


def quality_of(flags: int) -> Quality:
    """The quality that a point's flags tell (IEEE 1815 clause 11.6)."""
    if not flags & Flags.ONLINE:
        return Quality.BAD
    if flags & Flags.RESTART:
        return Quality.STALE
    if flags & (Flags.LOCAL_FORCED | Flags.REMOTE_FORCED):
        return Quality.SUBSTITUTED
    return Quality.ESTIMATED if flags & (Flags.COMM_LOST | Flags.OVER_RANGE) else Quality.GOOD


def found(points: Points, inputs: Iterable[Input]) -> dict[str, tuple[float, Quality]]:
    """What is shown, SI, with its quality, by name; points that never came, or are no number, are left out."""
    values: dict[str, tuple[float, Quality]] = {}
    for point in inputs:
        seen = points.get((_TYPES[point.type], point.index))
        if seen is None or isinstance(seen.value, bytes) or not math.isfinite(seen.value):
            continue
        values[point.shows] = (point.si(seen.value), quality_of(seen.flags))
    return values


def nameplate(config: Dnp3Config, points: Points) -> Nameplate | None:
    """Ratings as the outstation tells them, else as configured; None: nobody tells how much it can deliver."""
    shown = {name: value for name, (value, quality) in found(points, config.all_inputs).items()
             if quality is not Quality.BAD}  # fmt: skip
    rated = next(
        (value for name in ("rated_w", "rated_discharge_w") if (value := shown.get(name)) is not None), config.rating_w
    )
    if rated is None or rated <= 0:
        return None
    charge = shown.get("rated_charge_w", config.max_charge_w)
    abilities = {_ABILITIES[point.does] for point in config.all_outputs if point.does in _ABILITIES}
    return Nameplate(
        max_w=rated,
        max_charge_w=abs(charge or 0.0),
        max_discharge_w=shown.get("rated_discharge_w"),
        max_va=shown.get("rated_va"),
        max_var=shown.get("rated_var"),
        energy_wh=shown.get("rated_wh", config.energy_wh),
        capabilities=frozenset(abilities),
    )


def kind_of(config: Dnp3Config, plate: Nameplate | None) -> DeviceKind:
    """What the device is: as configured, else by what it can do."""
    if config.kind is not None:
        return config.kind
    stores = plate is not None and plate.max_charge_w > 0
    return DeviceKind.BATTERY if stores else DeviceKind.PV


def snapshot(device_id: str, config: Dnp3Config, points: Points, now: Instant) -> Snapshot:
    """The device's state as of an answer at `now`: what does not change is not told again and is as fresh."""
    values = found(points, config.all_inputs)

    def value(name: str) -> float | None:
        one = values.get(name)
        return None if one is None or one[1] is Quality.BAD else one[0]

    power = values.get("w")
    quality = Quality.BAD if power is None else power[1]

    def of_phases(name: str, phases: Iterable[Phase] = _CONDUCTORS) -> dict[Phase, float]:
        known = zip(phases, (value(f"{name}_{phase.lower()}") for phase in _CONDUCTORS), strict=True)
        return {phase: one for phase, one in known if one is not None}

    soc = value("soc")
    volts = value("volts")
    return Snapshot(
        device_id=device_id,
        source_time=now,
        received=now,
        quality=quality,
        w=value("w"),
        var=value("var"),
        va=value("va"),
        hz=value("hz"),
        volts=of_phases("volts", _TO_NEUTRAL) or ({} if volts is None else {Phase.ALL: volts}),
        amps=of_phases("amps"),
        angles={phase: degrees % 360.0 for phase, degrees in of_phases("angle", _TO_NEUTRAL).items()},
        phase_w=of_phases("w"),
        phase_var=of_phases("var"),
        soc=None if soc is None else min(1.0, max(0.0, soc)),
        available_wh=value("available_wh"),
        available_up_w=value("available_up_w"),
        available_down_w=value("available_down_w"),
        connected=None if value("connected") is None else bool(value("connected")),
        state=_state(value),
        local_control=bool(value("local_control")),
        alarms=frozenset({"alarm"}) if value("alarm") else frozenset(),
    )


def _state(value: Callable[[str], float | None]) -> OperatingState:
    if value("fault"):
        return OperatingState.FAULT
    running = value("running")
    if running is None:
        return OperatingState.UNKNOWN
    return OperatingState.RUNNING if running else OperatingState.STANDBY


def wire_number(output: Output, value: float, *, limit: bool) -> float | None:
    """What is written for an SI value; None: it does not fit into the variation.

    Args:
        output: the point.
        value: SI.
        limit: a limit is rounded towards zero, a set-point to the nearest.
    """
    wire = output.wire(value)
    if output.variation in _INTEGERS:
        number = float(math.trunc(wire)) if limit else float(round(wire))
        bound = _INTEGERS[output.variation]
        return number if -bound <= number < bound else None
    if output.variation == 3:
        with np.errstate(over="ignore"):
            single = np.float32(wire)
        if limit and abs(float(single)) > abs(wire):
            single = np.nextafter(single, np.float32(0.0))
        return float(single) if np.isfinite(single) else None
    return wire
