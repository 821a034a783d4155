"""The physics of one battery or PV inverter. Pure: time passes by `step(dt)`, chance comes from a seeded generator.

Signs as in the domain: + delivered. The output follows a ramp-limited reference with a first-order lag; both are
solved exactly within a step, so that long steps are as right as short ones except at the edges of the battery,
where steps are cut to one second.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

_LONGEST_STEP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """What a unit is built for. W, Wh, s; `efficiency` is that of one direction."""

    max_w: float
    max_charge_w: float
    max_var: float
    energy_wh: float | None
    soc_min: float = 0.0
    soc_max: float = 1.0
    ramp_w_per_s: float = 1e9
    time_constant_s: float = 0.0
    efficiency: float = 1.0
    loss: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a unit was told. None = nothing; `power_factor` is signed by excitation, + over-excited."""

    power_w: float | None = None
    ceiling_w: float | None = None
    reactive_var: float | None = None
    power_factor: float | None = None
    connected: bool = True
    ramp_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What its meter shows, with noise. W, var, VA, Hz, V, 0..1."""

    w: float
    var: float
    va: float
    hz: float
    volts: float
    soc: float | None


class Unit:
    """The state of one unit: power, reference, state of charge, energy counters.

    Args:
        plant: its ratings.
        soc: at the start, 0..1; ignored without storage.
        available: PV power available, share of max_w.
        nominal_v, nominal_hz: the grid.
        seed: of its measurement noise.
    """

    def __init__(
        self,
        plant: Plant,
        *,
        soc: float = 0.5,
        available: float = 1.0,
        nominal_v: float = 230.0,
        nominal_hz: float = 50.0,
        seed: int = 0,
    ) -> None:
        self.plant = plant
        self.soc = soc if plant.energy_wh is not None else None
        self.available = available
        self.demand = Demand()
        self.w = 0.0
        self.var = 0.0
        self.injected_wh = 0.0
        self.absorbed_wh = 0.0
        self._reference = 0.0
        self._ramp = plant.ramp_w_per_s
        self._nominal_v = nominal_v
        self._nominal_hz = nominal_hz
        self._chance = random.Random(seed)  # noqa: S311 - measurement noise, not a secret

    def tell(self, demand: Demand) -> None:
        """Take a demand over; its ramp time counts from the present power."""
        self.demand = demand
        self._ramp = self.plant.ramp_w_per_s
        if demand.ramp_s:
            self._ramp = min(self._ramp, max(1.0, abs(self._target() - self._reference)) / demand.ramp_s)

    def step(self, dt: float) -> None:
        """Let `dt` seconds pass; nothing happens for dt <= 0."""
        while dt > 0:
            part = min(dt, _LONGEST_STEP_S) if self.soc is not None else dt
            self._step(part)
            dt -= part

    def measure(self) -> Measured:
        """Read the meters; each reading draws its own noise."""
        noise = self.plant.noise
        gauss = self._chance.gauss
        w = self.w * (1.0 + gauss(0.0, noise)) if noise else self.w
        var = self.var * (1.0 + gauss(0.0, noise)) if noise else self.var
        return Measured(
            w=w,
            var=var,
            va=math.hypot(w, var),
            hz=self._nominal_hz + (gauss(0.0, noise) if noise else 0.0),
            volts=self._nominal_v * (1.0 + (gauss(0.0, noise) if noise else 0.0)),
            soc=self.soc,
        )

    @property
    def stored_wh(self) -> float | None:
        """Energy in the battery, None without one."""
        return None if self.soc is None or self.plant.energy_wh is None else self.soc * self.plant.energy_wh

    def _target(self) -> float:
        demand, plant = self.demand, self.plant
        if not demand.connected:
            return 0.0
        if self.soc is None:
            high, low = self.available * plant.max_w, 0.0
            wanted = high if demand.power_w is None else demand.power_w
        else:
            high = plant.max_w if self.soc > plant.soc_min else 0.0
            low = -plant.max_charge_w if self.soc < plant.soc_max else 0.0
            wanted = 0.0 if demand.power_w is None else demand.power_w
        if demand.ceiling_w is not None:
            high = min(high, demand.ceiling_w)
        held = max(low, min(high, wanted))
        return held * (1.0 - plant.loss) if held > 0 else held

    def _step(self, dt: float) -> None:
        target = self._target()
        gap = target - self._reference
        ramping = min(dt, abs(gap) / self._ramp)
        energy = 0.0
        if not self.demand.connected:
            # The contactor opens at once; the ramp begins anew after reconnection.
            self.w = self._reference = 0.0
            ramping = dt
        else:
            if ramping > 0:
                energy += self._follow(ramping, math.copysign(self._ramp, gap))
            if dt > ramping:
                self._reference = target
                energy += self._follow(dt - ramping, 0.0)
        self._account(energy / 3600.0)
        self._react()

    def _follow(self, dt: float, slope: float) -> float:
        """The lag behind a reference that moves by `slope` W/s; returns the energy in Ws."""
        tau, start, reference = self.plant.time_constant_s, self.w, self._reference
        end = reference + slope * dt
        self._reference = end
        if tau <= 0:
            self.w = end
            return (reference + end) / 2.0 * dt
        lag = start - reference + slope * tau
        decay = math.exp(-dt / tau)
        self.w = end - slope * tau + lag * decay
        return (reference + end) / 2.0 * dt - slope * tau * dt + lag * tau * (1.0 - decay)

    def _account(self, wh: float) -> None:
        if wh >= 0:
            self.injected_wh += wh
        else:
            self.absorbed_wh -= wh
        plant = self.plant
        if self.soc is None or plant.energy_wh is None:
            return
        change = -wh / plant.efficiency if wh >= 0 else -wh * plant.efficiency
        soc = self.soc + change / plant.energy_wh
        # The edges stop the battery within the step: it neither over-charges nor goes below its floor.
        if (soc <= plant.soc_min and wh > 0) or (soc >= plant.soc_max and wh < 0):
            self.w = self._reference = 0.0
        if wh:
            low, high = min(plant.soc_min, self.soc), max(plant.soc_max, self.soc)
            self.soc = max(low, min(high, soc))

    def _react(self) -> None:
        demand, limit = self.demand, self.plant.max_var
        if not demand.connected:
            self.var = 0.0
        elif demand.reactive_var is not None:
            self.var = max(-limit, min(limit, demand.reactive_var))
        elif demand.power_factor:
            share = math.tan(math.acos(min(1.0, abs(demand.power_factor))))
            self.var = max(-limit, min(limit, math.copysign(abs(self.w) * share, demand.power_factor)))
        else:
            self.var = 0.0
