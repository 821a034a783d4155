"""What one control step comes to: powers and ceilings of devices, the account of each node, and how it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.setpoints import Wanted
from gridiface.aggregation.envelope.limits import Bound
from gridiface.domain.controls import Setpoint


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What became of one node's total, W.

    `wanted`: asked of the solver (trim included), None = it only has limits. `total`: what was reached, with the
    parts that cannot be asked (`held`). `allocated`: the sum of set-points. `low`, `high`: the range that could have
    been reached. `clipped`: the limit that cut the target.
    """

    wanted: float | None
    total: float
    allocated: float
    held: float
    low: float
    high: float
    clipped: Bound | None = None


@dataclass(slots=True)
class Solution:
    """Powers and ceilings over the rows (NaN = leave alone), and the account of each node.

    `will`: what each row does, W, by what it is told and by what it does where it is told nothing. `anew`, `again`:
    whose power is a share of a total that was split now, or that of a split before which is used once more.
    """

    watts: FloatArray
    ceilings: FloatArray
    results: dict[str, NodeResult]
    will: FloatArray
    anew: BoolArray
    again: BoolArray

    @classmethod
    def of(cls, will: FloatArray) -> Solution:
        """Of nobody that is told anything yet."""
        none = np.zeros(will.size, dtype=np.bool_)
        return cls(np.full(will.size, np.nan), np.full(will.size, np.nan), {}, will, none, none.copy())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the solver takes from the engine's configuration."""

    tolerance: float = 0.0005
    phase_spread: float | None = None
    reuse: bool = False
    hold_time_s: float = np.inf
    departure_margin: float = 0.05

    @classmethod
    def of(cls, config: EngineConfig, *, reuse: bool = False) -> Settings:
        """Those of a configuration; `reuse`: the last split may be used again."""
        return cls(
            tolerance=config.total_tolerance,
            phase_spread=config.phase_spread,
            reuse=reuse,
            hold_time_s=config.hold_time_s,
            departure_margin=config.departure_margin,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: the batch to send, and the rows that follow a new order without being told."""

    batch: Sequence[Setpoint]
    sent: IntArray
    adopted: IntArray
    wanted: Wanted
