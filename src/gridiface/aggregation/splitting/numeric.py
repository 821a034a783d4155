"""The numbers of one control step alone, over whole columns: envelope, split, 5-s look-ahead, dead-band.

What `stepper` does for any plan, for the one case of a single group without meter or nested caps and without
records. Public so that it can be measured by itself; and the synthetic fleets to measure on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, Problem, Strategy
from gridiface.aggregation.allocate.quiet import to_send
from gridiface.aggregation.allocate.water_filling import WaterFilling
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.envelope import twin
from gridiface.aggregation.envelope.limits import envelope
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Capability, Device, Nameplate, Settings

_DEFAULT = WaterFilling()


@dataclass(frozen=True, slots=True)
class NumericStep:
    """Set-points of all devices, W, and who gets a new one."""

    watts: FloatArray
    send: BoolArray


def control_step(
    columns: Columns,
    target_w: float,
    now: Instant,
    config: EngineConfig,
    *,
    horizon_s: float = 5.0,
    strategy: Strategy = _DEFAULT,
) -> NumericStep:
    """Split `target_w` over the whole fleet and note in the columns what everyone is told.

    Args:
        columns: the fleet; `told_w`, `from_w` and `from_at` are written.
        target_w: total, W, + delivered.
        now: time of the step.
        config: dead-bands, hold time, look-ahead.
        horizon_s: how far the ramp reaches.
        strategy: how to split.
    """
    c = columns
    bounds = envelope(c, now, horizon_s=horizon_s, hold_time_s=config.hold_time_s, soc_derate=config.soc_derate)
    problem = Problem(
        target=target_w, lo=bounds.near_lo, hi=bounds.near_hi, base=bounds.base, weight=bounds.weight, tier=c.tier
    )
    watts = strategy.split(problem)
    watts, _ = twin.keep_energy(c, bounds.position, watts, horizon_s=config.lookahead_s, response_s=config.response_s)
    deadband = np.maximum(config.deadband_w, config.deadband_rel * bounds.weight)
    send = to_send(c.told_w, watts, deadband, max(config.total_tolerance * abs(target_w), 0.5))
    np.copyto(c.from_w, bounds.position, where=send)
    np.copyto(c.from_at, now, where=send)
    np.copyto(c.told_w, watts, where=send)
    return NumericStep(watts, send)


def fleet_of(count: int, *, seed: int = 0) -> list[Device]:
    """Batteries of 3-10 kW, two hours of energy, ramps of a tenth of their rating per second."""
    random = np.random.default_rng(seed)
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    return [
        Device(
            id=f"device-{at:07d}",
            nameplate=Nameplate(max_w=watts, max_charge_w=watts, energy_wh=2 * watts, capabilities=able),
            settings=Settings(ramp_w_per_s=watts / 10, soc_min=0.1, soc_max=0.95),
            tier=1 + at % 4,
        )
        for at, watts in enumerate(random.uniform(3e3, 1e4, count).tolist())
    ]


def columns_of(count: int, now: Instant, *, seed: int = 0) -> Columns:
    """Columns of such a fleet with telemetry of `now`, made without a Device object for each."""
    random = np.random.default_rng(seed)
    columns = Columns()
    columns.fill(count)
    rating = random.uniform(3e3, 1e4, count)
    for column in (columns.export_w, columns.import_w, columns.set_max_w, columns.charge_w, columns.discharge_w):
        column[:] = rating
    columns.energy_wh[:] = 2 * rating
    columns.ramp_w_per_s[:] = rating / 10
    columns.soc_min[:], columns.soc_max[:] = 0.1, 0.95
    columns.soc[:] = random.uniform(0.2, 0.9, count)
    columns.soc_at[:] = now
    columns.tier[:] = random.integers(1, 5, count)
    columns.can_set_w[:] = True
    columns.w[:] = 0.0
    columns.received[:], columns.seen[:] = now, 1
    return columns
