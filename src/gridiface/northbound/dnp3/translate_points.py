"""What the fleet is, as points: snapshots and ratings into numbers with flags and times. Pure.

Signs: ours and the domain's are the same (+ delivered, + injected); a point whose map says sign -1 is turned there.
Flags: a lost source is COMM_LOST without ONLINE and keeps its last number and time; what is doubtful is flagged as
the station's QualityPolicy says; what was never known is RESTART without ONLINE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from gridiface.domain.fleet import Capability, Device, DeviceKind
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.northbound.dnp3.points import Measure, PointEntry
from gridiface.northbound.dnp3.settings import QualityPolicy, StaleFlags
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
_BATTERIES = frozenset({DeviceKind.BATTERY, DeviceKind.MODE_BATTERY, DeviceKind.PV_BATTERY})
_OFF = frozenset({OperatingState.OFF, OperatingState.STANDBY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Sums over the members of a target: W, var, VA, Wh, W/s >= 0; None where no member states it."""

    w: float | None = None
    charge_w: float | None = None
    discharge_w: float | None = None
    va: float | None = None
    var: float | None = None
    var_neg: float | None = None
    wh: float | None = None
    v: float | None = None
    set_w: float | None = None
    set_va: float | None = None
    set_var: float | None = None
    set_var_neg: float | None = None
    ramp_w_per_s: float | None = None
    soc_min: float | None = None
    soc_max: float | None = None
    members: int = 0
    batteries: int = 0
    meters: int = 0
    capabilities: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """All that is known of a target now.

    Attributes:
        snapshot: of the device or group; None: it is not there or was never heard.
        grid: where frequency and voltage come from: the group's meter, or a member; None: from `snapshot`.
        number: the SI value that an output holds, for thresholds.
        counted: Wh and varh that the station counted, by measure.
    """

    snapshot: Snapshot | None = None
    grid: Snapshot | None = None
    ratings: Ratings = field(default_factory=Ratings)
    number: Callable[[str], float | None] = lambda _: None
    counted: Callable[[Measure], float | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Sample:
    """A point's new state: `value` None keeps the last number; `time_ms` since 1970, None keeps the last time."""

    value: float | None
    flags: int
    time_ms: int | None = None


def ratings_of(devices: Iterable[Device]) -> Ratings:
    """The sums of ratings and settings; disabled devices do not count, meters count only as meters."""
    members = [device for device in devices if device.enabled]
    producing = [device for device in members if device.kind is not DeviceKind.METER]
    nameplates = [device.nameplate for device in producing]
    stored = [device for device in producing if device.nameplate.energy_wh]
    energy = sum(device.nameplate.energy_wh or 0.0 for device in stored)
    abilities: set[Capability] = set()
    for nameplate in nameplates:
        abilities |= nameplate.capabilities
    return Ratings(
        w=_sum(n.max_w for n in nameplates),
        charge_w=_sum(n.max_charge_w for n in nameplates),
        discharge_w=_sum(n.max_w if n.max_discharge_w is None else n.max_discharge_w for n in nameplates),
        va=_sum(n.max_va for n in nameplates),
        var=_sum(n.max_var for n in nameplates),
        var_neg=_sum(n.max_var_neg for n in nameplates),
        wh=energy if stored else None,
        v=next((n.nominal_v for n in nameplates if n.nominal_v is not None), None),
        set_w=_sum(device.max_export_w for device in producing),
        set_va=_sum(_set(d.settings.max_va, d.nameplate.max_va) for d in producing),
        set_var=_sum(_set(d.settings.max_var, d.nameplate.max_var) for d in producing),
        set_var_neg=_sum(_set(d.settings.max_var_neg, d.nameplate.max_var_neg) for d in producing),
        ramp_w_per_s=_sum(d.settings.ramp_w_per_s for d in producing),
        soc_min=_weighted(stored, energy, lambda device: device.settings.soc_min),
        soc_max=_weighted(stored, energy, lambda device: device.settings.soc_max),
        members=len(members),
        batteries=sum(device.kind in _BATTERIES for device in producing),
        meters=len(members) - len(producing),
        capabilities=frozenset(abilities),
    )


def _set(setting: float | None, rating: float | None) -> float | None:
    known = [value for value in (setting, rating) if value is not None]
    return min(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def _weighted(devices: Sequence[Device], energy: float, of: Callable[[Device], float]) -> float | None:
    if not devices or energy <= 0:
        return None
    return math.fsum(of(device) * (device.nameplate.energy_wh or 0.0) for device in devices) / energy


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


def _against(view: TargetView, bound: float | None, *, highest: bool) -> float | None:
    soc = None if view.snapshot is None else view.snapshot.soc
    if soc is None or bound is None:
        return None
    return float(soc >= bound - _SOC_STEP if highest else soc <= bound + _SOC_STEP)


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
    Measure.LOWEST_W: lambda s: _moved(s, None if s.available_down_w is None else -s.available_down_w),
    Measure.CONNECTED: lambda s: _state(s.connected),
    Measure.GENERATING: _flow(1),
    Measure.CHARGING: _flow(-1),
    Measure.IDLE: _flow(0),
    Measure.STOPPING: lambda s: float(s.state is OperatingState.SHUTTING_DOWN),
    Measure.RUNNING: lambda s: float(s.state in {OperatingState.RUNNING, OperatingState.THROTTLED}),
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
    Measure.VOLTS_LL: _volts_ll,
}


def _ramp_percent(ratings: Ratings) -> float | None:
    if ratings.ramp_w_per_s is None or not ratings.w:
        return None
    return 100.0 * ratings.ramp_w_per_s / ratings.w


#: Measures of ratings and settings: known without telemetry, always good.
_OF_RATINGS: Mapping[Measure, Callable[[Ratings], float | None]] = {
    Measure.RATED_W: lambda r: r.w,
    Measure.RATED_CHARGE_W: lambda r: r.charge_w,
    Measure.RATED_DISCHARGE_W: lambda r: r.discharge_w,
    Measure.RATED_VA: lambda r: r.va,
    Measure.RATED_VAR: lambda r: r.var,
    Measure.RATED_VAR_NEG: lambda r: r.var_neg,
    Measure.RATED_WH: lambda r: r.wh,
    Measure.RATED_V: lambda r: r.v,
    Measure.SET_MAX_W: lambda r: r.set_w,
    Measure.SET_MAX_VA: lambda r: r.set_va,
    Measure.SET_MAX_VAR: lambda r: r.set_var,
    Measure.SET_MAX_VAR_NEG: lambda r: r.set_var_neg,
    Measure.RAMP_W_PER_S: lambda r: r.ramp_w_per_s,
    Measure.RAMP_PERCENT_PER_S: _ramp_percent,
    Measure.SOC_MIN: lambda r: r.soc_min,
    Measure.SOC_MAX: lambda r: r.soc_max,
    Measure.MEMBERS: lambda r: float(r.members),
    Measure.BATTERIES: lambda r: float(r.batteries),
    Measure.METERS: lambda r: float(r.meters),
    Measure.INVERTERS: lambda r: float(r.members - r.meters),
}

#: Measures of the state of charge against the settings.
_OF_CHARGE: Mapping[Measure, Callable[[TargetView], float | None]] = {
    Measure.SOC_FULL: _full,
    Measure.SOC_EMPTY: _empty,
}

#: What the station counts from the power of its targets.
COUNTED = frozenset({Measure.ENERGY_OUT, Measure.ENERGY_IN, Measure.REACTIVE_OUT, Measure.REACTIVE_IN})

#: Measures that say how good the telemetry is: they are good themselves.
_OF_QUALITY: Mapping[Measure, Callable[[Snapshot | None], float]] = {
    Measure.TELEMETRY_OK: lambda s: float(s is not None and s.quality is Quality.GOOD),
    Measure.COMM_LOST: lambda s: float(s is None or s.quality is Quality.BAD),
}

#: Measures that need no target: the station knows them itself.
OF_STATION = frozenset(
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
    if measure in _OF_RATINGS:
        value = _OF_RATINGS[measure](view.ratings)
        return _NEVER if value is None else Sample(entry.to_wire(value), int(Flags.ONLINE))
    if measure is Measure.SUPPORTS:
        return Sample(entry.to_wire(float(entry.argument in view.ratings.capabilities)), int(Flags.ONLINE))
    if measure in _OF_QUALITY:
        return Sample(entry.to_wire(_OF_QUALITY[measure](view.snapshot)), int(Flags.ONLINE))
    if measure in {Measure.ABOVE, Measure.BELOW}:
        return _beyond(entry, view, policy)
    if measure in _OF_GRID:
        return _read(entry, view.grid or view.snapshot, _OF_GRID[measure], policy)
    if measure in _OF_CHARGE:
        of_charge = _OF_CHARGE[measure]
        return _read(entry, view.snapshot, lambda _: of_charge(view), policy)
    if measure in COUNTED:
        return _read(entry, view.snapshot, lambda _: view.counted(measure), policy)
    return _read(entry, view.snapshot, _OF_SNAPSHOT[measure], policy)


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
