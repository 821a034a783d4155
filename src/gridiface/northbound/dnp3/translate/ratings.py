"""What the members of a target are rated for and set to, summed up, and which measure tells which of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gridiface.domain.fleet import CURVE_CAPABILITIES, Capability, Device, DeviceKind, Settings
from gridiface.northbound.dnp3.pointmap.meanings import Measure

_BATTERIES = frozenset({DeviceKind.BATTERY, DeviceKind.MODE_BATTERY, DeviceKind.PV_BATTERY})


@dataclass(frozen=True, slots=True)
class Excited:
    """The active power, W, that is there at a power factor, 0..1; None where no member states it."""

    w: float | None = None
    pf: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """Sums over the members of a target: W, var, VA, Wh, A, S, W/s >= 0; None where no member states it.

    Voltages are the window that every member stands; they and currents are told of members of one nominal voltage
    only. A category of IEEE 1547 is claimed when every member claims it.
    """

    w: float | None = None
    charge_w: float | None = None
    discharge_w: float | None = None
    va: float | None = None
    var: float | None = None
    var_neg: float | None = None
    wh: float | None = None
    v: float | None = None
    min_v: float | None = None
    max_v: float | None = None
    amps: float | None = None
    charge_va: float | None = None
    over_excited: Excited = Excited()
    under_excited: Excited = Excited()
    over_excited_charge_w: float | None = None
    under_excited_charge_w: float | None = None
    susceptance_s: float | None = None
    normal_category: int | None = None
    abnormal_category: int | None = None
    set_w: float | None = None
    set_charge_w: float | None = None
    usable_wh: float | None = None
    set_va: float | None = None
    set_charge_va: float | None = None
    set_min_v: float | None = None
    set_max_v: float | None = None
    set_var: float | None = None
    set_var_neg: float | None = None
    ramp_w_per_s: float | None = None
    enter: Mapping[str, float] = field(default_factory=dict)
    soc_min: float | None = None
    soc_max: float | None = None
    members: int = 0
    batteries: int = 0
    meters: int = 0
    capabilities: frozenset[Capability] = frozenset()
    alarms: frozenset[str] = frozenset()


def ratings_of(devices: Iterable[Device]) -> Ratings:
    """The sums of ratings and settings; disabled devices do not count, meters count only as meters."""
    members = [device for device in devices if device.enabled]
    producing = [device for device in members if device.kind is not DeviceKind.METER]
    nameplates = [device.nameplate for device in producing]
    stored = [device for device in producing if device.nameplate.energy_wh]
    energy = sum(device.nameplate.energy_wh or 0.0 for device in stored)
    nominal = {n.nominal_v for n in nameplates if n.nominal_v is not None}
    alike = len(nominal) <= 1
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
        min_v=_first_of(max, (n.min_v for n in nameplates if alike)),
        max_v=_first_of(min, (n.max_v for n in nameplates if alike)),
        amps=_sum(n.max_a for n in nameplates if alike),
        charge_va=_sum(n.max_charge_va for n in nameplates),
        over_excited=_excited([(n.over_excited_w, n.over_excited_pf) for n in nameplates]),
        under_excited=_excited([(n.under_excited_w, n.under_excited_pf) for n in nameplates]),
        over_excited_charge_w=_sum(n.over_excited_charge_w for n in nameplates),
        under_excited_charge_w=_sum(n.under_excited_charge_w for n in nameplates),
        susceptance_s=_sum(n.susceptance_s for n in nameplates),
        normal_category=_claimed([n.normal_category for n in nameplates]),
        abnormal_category=_claimed([n.abnormal_category for n in nameplates]),
        set_w=_sum(device.max_export_w for device in producing),
        set_charge_w=_sum(_set(d.settings.max_charge_w, d.nameplate.max_charge_w) for d in producing),
        usable_wh=math.fsum(_usable_wh(device) for device in stored) if stored else None,
        set_va=_sum(_set(d.settings.max_va, d.nameplate.max_va) for d in producing),
        set_charge_va=_sum(_set(d.settings.max_charge_va, d.nameplate.max_charge_va) for d in producing),
        set_min_v=_first_of(max, (_either(d.settings.min_v, d.nameplate.min_v) for d in producing if alike)),
        set_max_v=_first_of(min, (_either(d.settings.max_v, d.nameplate.max_v) for d in producing if alike)),
        set_var=_sum(_set(d.settings.max_var, d.nameplate.max_var) for d in producing),
        set_var_neg=_sum(_set(d.settings.max_var_neg, d.nameplate.max_var_neg) for d in producing),
        ramp_w_per_s=_sum(d.settings.ramp_w_per_s for d in producing),
        enter=_entering([device.settings for device in producing]),
        soc_min=_weighted(stored, energy, lambda device: device.settings.soc_min),
        soc_max=_weighted(stored, energy, lambda device: device.settings.soc_max),
        members=len(members),
        batteries=sum(device.kind in _BATTERIES for device in producing),
        meters=len(members) - len(producing),
        capabilities=frozenset(abilities | (CURVE_CAPABILITIES if Capability.CURVES in abilities else frozenset())),
        alarms=frozenset().union(*(device.nameplate.alarms for device in members)),
    )


#: Of what members are set to for returning to service that which holds for all of them.
_ENTER: Mapping[str, Callable[[list[float]], float]] = {
    "enter_v_high": min,
    "enter_v_low": max,
    "enter_hz_high": min,
    "enter_hz_low": max,
    "enter_delay_s": max,
    "enter_ramp_s": max,
}


def _entering(settings: Sequence[Settings]) -> dict[str, float]:
    """The windows within which every member may return, and the longest times."""
    told = {name: _first_of(choose, (getattr(one, name) for one in settings)) for name, choose in _ENTER.items()}
    return {name: value for name, value in told.items() if value is not None}


def _usable_wh(device: Device) -> float:
    return (device.nameplate.energy_wh or 0.0) * max(0.0, device.settings.soc_max - device.settings.soc_min)


def _set(setting: float | None, rating: float | None) -> float | None:
    known = [value for value in (setting, rating) if value is not None]
    return min(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def _either(setting: float | None, rating: float | None) -> float | None:
    return rating if setting is None else setting


def _first_of(choose: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _claimed(categories: Sequence[int | None]) -> int | None:
    known = [category for category in categories if category is not None]
    return min(known) if known and len(known) == len(categories) else None


def _excited(stated: Sequence[tuple[float | None, float | None]]) -> Excited:
    """Active powers add up, and so does the reactive power that each gives or takes beside its own."""
    known = [(watts, pf) for watts, pf in stated if watts is not None and pf is not None and 0 < pf <= 1]
    if not known:
        return Excited()
    total = math.fsum(watts for watts, _ in known)
    reactive = math.fsum(watts * math.tan(math.acos(pf)) for watts, pf in known)
    apparent = math.hypot(total, reactive)
    return Excited(total, total / apparent if apparent else 1.0)


def _weighted(devices: Sequence[Device], energy: float, of: Callable[[Device], float]) -> float | None:
    if not devices or energy <= 0:
        return None
    return math.fsum(of(device) * (device.nameplate.energy_wh or 0.0) for device in devices) / energy


def _ramp_percent(ratings: Ratings, base: float | None) -> float | None:
    return None if ratings.ramp_w_per_s is None or not base else 100.0 * ratings.ramp_w_per_s / base


_ENTERING = (
    Measure.ENTER_V_HIGH,
    Measure.ENTER_V_LOW,
    Measure.ENTER_HZ_HIGH,
    Measure.ENTER_HZ_LOW,
    Measure.ENTER_DELAY,
    Measure.ENTER_RAMP,
)


def _told(measure: Measure) -> Callable[[Ratings], float | None]:
    return lambda ratings: ratings.enter.get(measure.value)


#: Measures of ratings and settings: known without telemetry, always good.
OF_RATINGS: Mapping[Measure, Callable[[Ratings], float | None]] = {
    Measure.RATED_W: lambda r: r.w,
    Measure.RATED_CHARGE_W: lambda r: r.charge_w,
    Measure.RATED_DISCHARGE_W: lambda r: r.discharge_w,
    Measure.RATED_VA: lambda r: r.va,
    Measure.RATED_VAR: lambda r: r.var,
    Measure.RATED_VAR_NEG: lambda r: r.var_neg,
    Measure.RATED_WH: lambda r: r.wh,
    Measure.USABLE_WH: lambda r: r.usable_wh,
    Measure.RATED_V: lambda r: r.v,
    Measure.RATED_MIN_V: lambda r: r.min_v,
    Measure.RATED_MAX_V: lambda r: r.max_v,
    Measure.RATED_AMPS: lambda r: r.amps,
    Measure.RATED_CHARGE_VA: lambda r: r.charge_va,
    Measure.OVER_EXCITED_W: lambda r: r.over_excited.w,
    Measure.OVER_EXCITED_PF: lambda r: r.over_excited.pf,
    Measure.UNDER_EXCITED_W: lambda r: r.under_excited.w,
    Measure.UNDER_EXCITED_PF: lambda r: r.under_excited.pf,
    Measure.OVER_EXCITED_CHARGE_W: lambda r: r.over_excited_charge_w,
    Measure.UNDER_EXCITED_CHARGE_W: lambda r: r.under_excited_charge_w,
    Measure.SUSCEPTANCE: lambda r: r.susceptance_s,
    Measure.NORMAL_CATEGORY: lambda r: r.normal_category,
    Measure.ABNORMAL_CATEGORY: lambda r: r.abnormal_category,
    Measure.SET_MAX_W: lambda r: r.set_w,
    Measure.SET_MAX_CHARGE_W: lambda r: r.set_charge_w,
    Measure.SET_MAX_VA: lambda r: r.set_va,
    Measure.SET_MAX_VAR: lambda r: r.set_var,
    Measure.SET_MAX_VAR_NEG: lambda r: r.set_var_neg,
    Measure.SET_MAX_CHARGE_VA: lambda r: r.set_charge_va,
    Measure.SET_MIN_V: lambda r: r.set_min_v,
    Measure.SET_MAX_V: lambda r: r.set_max_v,
    **{measure: _told(measure) for measure in _ENTERING},
    Measure.RAMP_W_PER_S: lambda r: r.ramp_w_per_s,
    Measure.RAMP_PERCENT_PER_S: lambda r: _ramp_percent(r, r.w),
    Measure.CHARGE_RAMP_PERCENT_PER_S: lambda r: _ramp_percent(r, r.charge_w),
    Measure.SOC_MIN: lambda r: r.soc_min,
    Measure.SOC_MAX: lambda r: r.soc_max,
    Measure.MEMBERS: lambda r: float(r.members),
    Measure.BATTERIES: lambda r: float(r.batteries),
    Measure.METERS: lambda r: float(r.meters),
    Measure.INVERTERS: lambda r: float(r.members - r.meters),
}
