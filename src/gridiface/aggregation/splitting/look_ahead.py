"""Before anything leaves: the fleet's next seconds, and what of a solution is changed for them (the sums: twin.py).

Stored energy is kept device by device; then each group with limits, from the outside in, is held inside them on the way
to its powers. Says in the record what it changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope import twin
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.splitting.coarse import snapped
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target, group_target
from gridiface.domain.clock import Instant


def look_ahead(
    columns: Columns,
    plan: Plan,
    bounds: Envelope,
    residuals: Mapping[str, Beside],
    solution: Solution,
    config: EngineConfig,
    log: DecisionLog,
    now: Instant,
) -> None:
    """Correct the powers and ceilings of a solution, in place, that would break something within `lookahead_s`."""
    c = columns
    safe, changed = twin.keep_energy(
        c, bounds.position, solution.watts, horizon_s=config.lookahead_s, response_s=config.response_s
    )
    for row in np.flatnonzero(changed).tolist():
        reason = f"state of charge would leave its window within {config.lookahead_s:g} s"
        log.add(now, device_target(c.ids[row]), "look-ahead", "corrected", reason, value=float(safe[row]))
    if c.stepped and changed.any():
        safe = snapped(c, np.arange(c.count), safe)
    solution.watts = safe
    planned = np.where(np.isfinite(safe), safe, solution.will)
    for root in plan.roots:
        for node in root.walk():
            if node.limits.any:
                held_back = _hold_back(c, node, bounds, residuals[node.id], solution, planned, config)
                if held_back:
                    reason = "devices of different ramps would pass the limit on their way: the quick ones wait"
                    log.add(now, group_target(node.id), "look-ahead", "corrected", reason, value=held_back)


def _hold_back(
    c: Columns,
    node: Node,
    bounds: Envelope,
    beside: Beside,
    solution: Solution,
    planned: FloatArray,
    config: EngineConfig,
) -> float:
    """Powers and ceilings of a group with which its total is inside its limits on the way, too; how much changed, W."""
    led = np.isfinite(solution.watts[node.rows])
    # Who is led by a ceiling rises with it, and needs the same room.
    capped = ~led & np.isfinite(solution.ceilings[node.rows]) & bounds.free[node.rows]
    rows = node.rows[led | capped]
    if not rows.size:
        return 0.0
    rest = np.setdiff1d(node.rows, rows, assume_unique=True)
    by_ceiling, ceilings = capped[led | capped], solution.ceilings[rows]
    wanted = np.where(by_ceiling, solution.will[rows], solution.watts[rows])
    held = float(bounds.held[rest].sum())
    safe = twin.overshoot(
        c,
        rows,
        bounds.position[rows],
        wanted,
        held,
        node.limits.members(beside),
        able=(bounds.near_lo[rows], bounds.near_hi[rows]),
        planned=held + float(planned[rows].sum()),
        horizon_s=config.lookahead_s,
        response_s=config.response_s,
    )
    if safe is wanted:
        return 0.0
    if c.stepped:  # who cannot go part of the way waits where it is
        safe = np.where(safe == wanted, safe, snapped(c, rows, safe, bounds.position[rows]))
    solution.watts[rows] = np.where(by_ceiling, np.nan, safe)
    solution.will[rows] = safe
    moved = np.where(safe < wanted, np.maximum(safe, 0.0), np.fmax(ceilings, safe))
    solution.ceilings[rows] = np.where(by_ceiling & (safe != wanted), moved, ceilings)
    return float(np.abs(wanted - safe).sum())
