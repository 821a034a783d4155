"""What the fleet is, as points: snapshots and ratings into numbers with flags and times. Pure.

Signs: ours and the domain's are the same (+ delivered, + injected); a point whose map says sign -1 is turned there.
Flags: a lost source is COMM_LOST without ONLINE and keeps its last number and time; what is doubtful is flagged as
the station's QualityPolicy says; what was never known is RESTART without ONLINE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.northbound.dnp3.pointmap.meanings import Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import QualityPolicy, StaleFlags
from gridiface.northbound.dnp3.translate.ratings import OF_RATINGS, Ratings
from gridiface.protocols.dnp3.objects import Flags

_SQRT3 = math.sqrt(3.0)
_SOC_STEP = 0.001
_IDLE_W = 1.0
_FORMS: Mapping[StaleFlags, int] = {
    StaleFlags.ONLINE: int(Flags.ONLINE),
    StaleFlags.RESTART: int(Flags.ONLINE | Flags.RESTART),
    StaleFlags.LOCAL_FORCED: int(Flags.ONLINE | Flags.LOCAL_FORCED),
    StaleFlags.COMM_LOST: int(Flags.ONLINE | Flags.COMM_LOST),
}
_OFF = frozenset({OperatingState.OFF, OperatingState.STANDBY})
_STOPPED = _OFF | {OperatingState.FAULT}
_RUNNING = frozenset({OperatingState.RUNNING, OperatingState.THROTTLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """All that is known of a target now.

    Attributes:
        snapshot: of the device or group; None: it is not there or was never heard.
        meter: of the device itself, or of the group's meter: what is true of single phases there.
        grid: where frequency and voltage come from: the group's meter, or a member; None: from `snapshot`.
        number: the SI value that an output holds, for thresholds.
        counted: Wh and varh that the station counted, by measure.
    """

    snapshot: Snapshot | None = None
    grid: Snapshot | None = None
    meter: Snapshot | None = None
    ratings: Ratings = field(default_factory=Ratings)
    number: Callable[[str], float | None] = lambda _: None
    counted: Callable[[Measure], float | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Sample:
    """A point's new state: `value` None keeps the last number; `time_ms` since 1970, None keeps the last time."""

    value: float | None
    flags: int
    time_ms: int | None = None


# --- measures -------------------------------------------------------------------------------------------------------


def _va(snapshot: Snapshot) -> float | None:
    if snapshot.va is not None or snapshot.w is None or snapshot.var is None:
        return snapshot.va
    return math.hypot(snapshot.w, snapshot.var)


def _power_factor(snapshot: Snapshot) -> float | None:
    apparent = _va(snapshot)
    if apparent is None or snapshot.w is None:
        return None
    return snapshot.w / apparent if apparent else 1.0


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _moved(snapshot: Snapshot, by: float | None) -> float | None:
    return None if snapshot.w is None or by is None else snapshot.w + by


_NEUTRAL = ((Phase.AN, Phase.A), (Phase.BN, Phase.B), (Phase.CN, Phase.C))


def _phase(number: int) -> Callable[[Snapshot], float | None]:
    def volts(snapshot: Snapshot) -> float | None:
        found = (snapshot.volts.get(name) for name in _NEUTRAL[number])
        own = next((value for value in found if value is not None), None)
        return snapshot.volts.get(Phase.ALL) if own is None else own

    return volts


def _volts(snapshot: Snapshot) -> float | None:
    known = [value for number in range(3) if (value := _phase(number)(snapshot)) is not None]
    return fmean(known) if known else None


def _volts_ll(snapshot: Snapshot) -> float | None:
    known = [snapshot.volts[name] for name in (Phase.AB, Phase.BC, Phase.CA) if name in snapshot.volts]
    if known:
        return fmean(known)
    neutral = _volts(snapshot)
    return None if neutral is None else neutral * _SQRT3


def _state(known: bool | None) -> float | None:
    return None if known is None else float(known)


def _off_available(snapshot: Snapshot) -> float:
    return float(snapshot.state in _OFF and not snapshot.alarms)


def _off_unavailable(snapshot: Snapshot) -> float:
    return float(snapshot.state is OperatingState.FAULT or (snapshot.state in _OFF and bool(snapshot.alarms)))


def _full(view: TargetView) -> float | None:
    return _against(view, view.ratings.soc_max, highest=True)


def _empty(view: TargetView) -> float | None:
    return _against(view, view.ratings.soc_min, highest=False)


#: Numbers of this house: the public lists leave the enumeration open.
START_UP_STATES: Mapping[OperatingState, int] = {
    OperatingState.OFF: 0,
    OperatingState.STANDBY: 1,
    OperatingState.STARTING: 2,
    OperatingState.RUNNING: 3,
    OperatingState.THROTTLED: 3,
    OperatingState.SHUTTING_DOWN: 4,
    OperatingState.FAULT: 5,
}


def _against(view: TargetView, bound: float | None, *, highest: bool) -> float | None:
    soc = None if view.snapshot is None else view.snapshot.soc
    if soc is None or bound is None:
        return None
    return float(soc >= bound - _SOC_STEP if highest else soc <= bound + _SOC_STEP)


def _usable_soc(view: TargetView) -> float | None:
    soc = None if view.snapshot is None else view.snapshot.soc
    low, high = view.ratings.soc_min or 0.0, 1.0 if view.ratings.soc_max is None else view.ratings.soc_max
    if soc is None or low >= high:
        return soc
    return min(1.0, max(0.0, (soc - low) / (high - low)))


def _left_var(view: TargetView, bound: float | None) -> float | None:
    """What is left of a maximum of reactive power where the apparent power has a maximum, too."""
    watts = None if view.snapshot is None else view.snapshot.w
    if bound is None or watts is None:
        return None
    apparent = view.ratings.set_va
    return bound if apparent is None else min(bound, math.sqrt(max(0.0, apparent**2 - watts**2)))


def _flow(sign: int) -> Callable[[Snapshot], float | None]:
    """Whether power flows out (1), in (-1) or not at all (0), while connected."""

    def state(snapshot: Snapshot) -> float | None:
        if snapshot.w is None:
            return None
        least = _IDLE_W if snapshot.connected is not False else math.inf
        flows = (snapshot.w > least) - (snapshot.w < -least)
        return float(flows == sign and (sign != 0 or snapshot.connected is not False))

    return state


#: Measures of the target's own snapshot.
_OF_SNAPSHOT: Mapping[Measure, Callable[[Snapshot], float | None]] = {
    Measure.W: lambda s: s.w,
    Measure.VAR: lambda s: s.var,
    Measure.VA: _va,
    Measure.POWER_FACTOR: _power_factor,
    Measure.SOC: lambda s: s.soc,
    Measure.AVAILABLE_WH: lambda s: s.available_wh,
    Measure.AVAILABLE_UP_W: lambda s: s.available_up_w,
    Measure.AVAILABLE_DOWN_W: lambda s: s.available_down_w,
    Measure.HIGHEST_W: lambda s: _moved(s, s.available_up_w),
    Measure.LOWEST_W: lambda s: _moved(s, _negative(s.available_down_w)),
    Measure.CHARGE_W: lambda s: (
        None if (lowest := _moved(s, _negative(s.available_down_w))) is None else min(0.0, lowest)
    ),
    Measure.CONNECTED: lambda s: _state(s.connected),
    Measure.GENERATING: _flow(1),
    Measure.CHARGING: _flow(-1),
    Measure.IDLE: _flow(0),
    Measure.RUNNING: lambda s: float(s.state in _RUNNING),
    Measure.START_UP: lambda s: float(START_UP_STATES.get(s.state, -1)),
    Measure.OFF_AVAILABLE: _off_available,
    Measure.OFF_UNAVAILABLE: _off_unavailable,
    Measure.LOCAL_CONTROL: lambda s: float(s.local_control),
    Measure.ALARM: lambda s: float(bool(s.alarms)),
}

#: Measures of the point of connection.
_OF_GRID: Mapping[Measure, Callable[[Snapshot], float | None]] = {
    Measure.HZ: lambda s: s.hz,
    Measure.VOLTS: _volts,
    Measure.VOLTS_A: _phase(0),
    Measure.VOLTS_B: _phase(1),
    Measure.VOLTS_C: _phase(2),
    Measure.ANGLE_A: lambda s: s.angles.get(Phase.AN),
    Measure.ANGLE_B: lambda s: s.angles.get(Phase.BN),
    Measure.ANGLE_C: lambda s: s.angles.get(Phase.CN),
    Measure.VOLTS_LL: _volts_ll,
}


#: Measures of single phases, of the meter.
_OF_PHASES: Mapping[Measure, Callable[[Snapshot], float | None]] = {
    Measure.W_A: lambda s: s.phase_w.get(Phase.A),
    Measure.W_B: lambda s: s.phase_w.get(Phase.B),
    Measure.W_C: lambda s: s.phase_w.get(Phase.C),
    Measure.VAR_A: lambda s: s.phase_var.get(Phase.A),
    Measure.VAR_B: lambda s: s.phase_var.get(Phase.B),
    Measure.VAR_C: lambda s: s.phase_var.get(Phase.C),
    Measure.AMPS_A: lambda s: s.amps.get(Phase.A),
    Measure.AMPS_B: lambda s: s.amps.get(Phase.B),
    Measure.AMPS_C: lambda s: s.amps.get(Phase.C),
}

#: Measures of the snapshot against ratings and settings.
_OF_BOTH: Mapping[Measure, Callable[[TargetView], float | None]] = {
    Measure.USABLE_SOC: _usable_soc,
    Measure.SOC_FULL: _full,
    Measure.SOC_EMPTY: _empty,
    Measure.AVAILABLE_VAR: lambda view: _left_var(view, view.ratings.set_var),
    Measure.AVAILABLE_VAR_NEG: lambda view: _left_var(view, view.ratings.set_var_neg),
}

#: What the station counts from the power of its targets.
COUNTED = frozenset({Measure.ENERGY_OUT, Measure.ENERGY_IN, Measure.REACTIVE_OUT, Measure.REACTIVE_IN})

#: Measures that say how good the telemetry is: they are good themselves.
_OF_QUALITY: Mapping[Measure, Callable[[Snapshot | None], float]] = {
    Measure.TELEMETRY_OK: lambda s: float(s is not None and s.quality is Quality.GOOD),
    Measure.COMM_LOST: lambda s: float(s is None or s.quality is Quality.BAD),
}

_CERTAIN = frozenset({*OF_RATINGS, *_OF_QUALITY, Measure.SUPPORTS})

#: Measures of what a target does of what an output told it: they follow a command at once.
OF_OPERATION = frozenset({Measure.STARTING, Measure.STOPPING, Measure.STOPPED})

#: Measures that the station works out itself.
OF_STATION = OF_OPERATION | frozenset(
    {
        Measure.HEARTBEAT,
        Measure.READ_BACK,
        Measure.IN_FORCE,
        Measure.CONSTANT,
        Measure.UNKNOWN,
        Measure.CURVE_IN_USE,
        Measure.SCHEDULE_STATE,
    }
)

_LOST = Sample(None, int(Flags.COMM_LOST))
_NEVER = Sample(None, int(Flags.RESTART))


def operation(measure: Measure, told: bool, snapshot: Snapshot | None, policy: QualityPolicy) -> Sample:
    """How far a start or a stop is.

    Args:
        measure: of OF_OPERATION.
        told: whether the output that commands it is on.
        snapshot: of what starts and stops.
        policy: flags of its quality.
    """
    if snapshot is None or snapshot.quality is Quality.BAD:
        return _LOST
    state = snapshot.state
    match measure:
        case Measure.STARTING:
            value = state is OperatingState.STARTING or (told and state not in _RUNNING)
        case Measure.STOPPING:
            value = state is OperatingState.SHUTTING_DOWN or (told and state not in _STOPPED)
        case _:
            value = state in _STOPPED
    return Sample(float(value), flags_of(snapshot.quality, policy))


def flags_of(quality: Quality, policy: QualityPolicy) -> int:
    """The flags octet of a quality; BAD is a lost source."""
    match quality:
        case Quality.GOOD:
            return int(Flags.ONLINE)
        case Quality.STALE:
            return _FORMS[policy.stale]
        case Quality.ESTIMATED:
            return _FORMS[policy.estimated]
        case Quality.SUBSTITUTED:
            return _FORMS[policy.substituted]
        case _:
            return int(Flags.COMM_LOST)


def sample(entry: PointEntry, view: TargetView, policy: QualityPolicy) -> Sample:
    """The state of an input that shows something of its target.

    Raises:
        KeyError: a measure of OF_STATION, which is not asked here.
    """
    measure = entry.measure
    if measure in _CERTAIN:
        value = _certain(entry, view)
        return _NEVER if value is None else Sample(entry.to_wire(value), int(Flags.ONLINE))
    if measure in {Measure.ABOVE, Measure.BELOW}:
        return _beyond(entry, view, policy)
    if measure in _OF_GRID:
        return _read(entry, view.grid or view.snapshot, _OF_GRID[measure], policy)
    if measure in _OF_PHASES:
        return _NEVER if view.meter is None else _read(entry, view.meter, _OF_PHASES[measure], policy)
    if measure in _OF_BOTH:
        of_both = _OF_BOTH[measure]
        return _read(entry, view.snapshot, lambda _: of_both(view), policy)
    if measure in _OF_ALARMS:
        return _read(entry, view.snapshot, lambda shown: _alarmed(entry, view, shown), policy)
    if measure in COUNTED:
        return _read(entry, view.snapshot, lambda _: view.counted(measure), policy)
    return _read(entry, view.snapshot, _OF_SNAPSHOT[measure], policy)


_OF_ALARMS = frozenset({Measure.ALARMED, Measure.TOLD_ALARM})


def _alarmed(entry: PointEntry, view: TargetView, snapshot: Snapshot) -> float | None:
    """Whether an alarm is raised; None where it takes a member that is known to tell it, and none is."""
    names = frozenset(entry.argument.split())
    if entry.measure is Measure.TOLD_ALARM and names.isdisjoint(view.ratings.alarms):
        return None
    return float(not names.isdisjoint(snapshot.alarms))


def _certain(entry: PointEntry, view: TargetView) -> float | None:
    """What is known without telemetry, or is about the telemetry itself."""
    if entry.measure in OF_RATINGS:
        return OF_RATINGS[entry.measure](view.ratings)
    if entry.measure in _OF_QUALITY:
        return _OF_QUALITY[entry.measure](view.snapshot)
    return float(any(word in view.ratings.capabilities for word in entry.argument.split()))


def _beyond(entry: PointEntry, view: TargetView, policy: QualityPolicy) -> Sample:
    """Whether a measure is beyond the threshold that an output holds; a lower threshold of 0 is none."""
    name, _, output = entry.argument.partition(" ")
    measure, threshold = Measure(name), view.number(output)
    of_grid = measure in _OF_GRID
    of = _OF_GRID[measure] if of_grid else _OF_SNAPSHOT[measure]
    above = entry.measure is Measure.ABOVE

    def state(snapshot: Snapshot) -> float | None:
        value = of(snapshot)
        if value is None or threshold is None:
            return None
        return float(value > threshold if above else threshold != 0 and value < threshold)

    return _read(entry, (view.grid or view.snapshot) if of_grid else view.snapshot, state, policy)


def _read(
    entry: PointEntry, snapshot: Snapshot | None, of: Callable[[Snapshot], float | None], policy: QualityPolicy
) -> Sample:
    if snapshot is None or snapshot.quality is Quality.BAD:
        return _LOST
    value = of(snapshot)
    if value is None:
        return _NEVER
    return Sample(entry.to_wire(value), flags_of(snapshot.quality, policy), round(snapshot.source_time * 1000))
