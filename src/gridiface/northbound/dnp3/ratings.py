"""What the members of a target are rated for and set to, summed up. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gridiface.domain.fleet import Capability, Device, DeviceKind

_BATTERIES = frozenset({DeviceKind.BATTERY, DeviceKind.MODE_BATTERY, DeviceKind.PV_BATTERY})


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
    set_charge_w: float | None = None
    usable_wh: float | None = None
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
        set_charge_w=_sum(_set(d.settings.max_charge_w, d.nameplate.max_charge_w) for d in producing),
        usable_wh=math.fsum(_usable_wh(device) for device in stored) if stored else None,
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


def _usable_wh(device: Device) -> float:
    return (device.nameplate.energy_wh or 0.0) * max(0.0, device.settings.soc_max - device.settings.soc_min)


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
