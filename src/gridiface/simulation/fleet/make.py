"""Which devices a simulated fleet has: homes, shops, grid batteries, roofs, vehicles and loads, by a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.domain.fleet import (
    Capability,
    Constraints,
    Departure,
    Device,
    DeviceKind,
    DriverTraits,
    Group,
    Nameplate,
    Settings,
)
from gridiface.domain.local_time import DailyTime

_ABLE = frozenset({Capability.SET_W, Capability.LIMIT_W})
_SUN = frozenset({Capability.LIMIT_W})

#: Parts of the fleet by kind; the rest are vehicles.
_HOMES, _SHOPS, _ROOFS, _LOADS = 0.45, 0.03, 0.25, 0.07

#: Vehicles leave with 80 % at 7:00.
LEAVE_AT_S, LEAVE_SOC = 7 * 3600, 0.8

FEEDERS = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """Devices and groups of a fleet. `groups`: the fleet, its feeders, and the vehicles of each feeder."""

    devices: tuple[Device, ...]
    groups: tuple[Group, ...]


def make(count: int, *, seed: int = 1) -> Plan:
    """A fleet of `count` devices from 5 kWh to 20 MWh.

    Args:
        count: at least 20.
        seed: the same seed makes the same fleet.
    """
    random = np.random.default_rng(seed)
    homes, shops = int(count * _HOMES), max(2, int(count * _SHOPS))
    roofs, loads, grid = int(count * _ROOFS), max(2, int(count * _LOADS)), max(1, count // 500)
    cars = count - homes - shops - roofs - loads - grid
    devices = [
        *(_battery("home", at, wh, wh / 2, tier=1) for at, wh in enumerate(random.uniform(5e3, 2e4, homes).tolist())),
        *(_battery("shop", at, wh, wh / 2, tier=1) for at, wh in enumerate(random.uniform(1e5, 2e6, shops).tolist())),
        *(_battery("grid", at, wh, wh / 2, tier=2) for at, wh in enumerate(np.linspace(2e7, 5e6, grid).tolist())),
        *(_roof(at, watts) for at, watts in enumerate(random.uniform(3e3, 5e4, roofs).tolist())),
        *(_load(at, watts) for at, watts in enumerate(random.uniform(1e4, 2e5, loads).tolist())),
        *(_car(at, wh) for at, wh in enumerate(random.uniform(4e4, 8e4, cars).tolist())),
    ]
    order = random.permutation(len(devices)).tolist()
    groups: list[Group] = [Group(id="fleet", members=())]
    for number in range(FEEDERS):
        mine = [devices[at] for at in order[number::FEEDERS]]
        feeder = f"feeder-{number + 1}"
        others = tuple(sorted(d.id for d in mine if d.kind is not DeviceKind.EV))
        groups.append(Group(id=feeder, members=others, parent="fleet"))
        cars_here = tuple(sorted(d.id for d in mine if d.kind is DeviceKind.EV))
        groups.append(Group(id=f"{feeder}-cars", members=cars_here, parent=feeder))
    return Plan(tuple(devices), tuple(groups))


def _battery(word: str, at: int, wh: float, watts: float, *, tier: int) -> Device:
    plate = Nameplate(max_w=watts, max_charge_w=watts, max_va=1.1 * watts, energy_wh=wh, capabilities=_ABLE)
    settings = Settings(ramp_w_per_s=watts / 5, soc_min=0.1, soc_max=0.95)
    return Device(id=f"{word}-{at:04d}", nameplate=plate, settings=settings, tier=tier)


def _roof(at: int, watts: float) -> Device:
    plate = Nameplate(max_w=watts, capabilities=_SUN)
    return Device(id=f"roof-{at:04d}", kind=DeviceKind.PV, nameplate=plate, settings=Settings(ramp_w_per_s=watts / 2))


def _load(at: int, watts: float) -> Device:
    plate = Nameplate(max_w=0.0, max_charge_w=watts, capabilities=_ABLE)
    settings = Settings(ramp_w_per_s=watts / 4)
    return Device(id=f"load-{at:04d}", kind=DeviceKind.LOAD, nameplate=plate, settings=settings, tier=2)


def _car(at: int, wh: float) -> Device:
    watts = 11e3 if at % 3 else 22e3
    plate = Nameplate(max_w=0.0, max_charge_w=watts, energy_wh=wh, capabilities=_ABLE)
    rule = Constraints(
        charge_w_by_soc=((0.0, watts), (0.8, watts), (1.0, 0.1 * watts)),
        departure=Departure(time=DailyTime(at_s=LEAVE_AT_S), soc=LEAVE_SOC),
    )
    return Device(
        id=f"car-{at:04d}",
        kind=DeviceKind.EV,
        nameplate=plate,
        settings=Settings(ramp_w_per_s=watts / 3),
        traits=DriverTraits(),
        constraints=rule,
    )
