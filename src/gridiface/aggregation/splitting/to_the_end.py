"""Powers that end soon: stored energy need not carry them beyond their end. Owns the column `lasts_s`.

A power that was accepted to its end for the energy that there is would be cut in its last minutes, were it held to the
whole hold time until then.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant


def note_ends(columns: Columns, plan: Plan, now: Instant, config: EngineConfig) -> None:
    """Note for how long the power that rules each device still lasts, where that is less than the hold time.

    A step and its look-ahead are counted at least: so long it goes on.
    """
    least_s = config.lookahead_s + plan.period_s
    c = columns
    lasts: FloatArray | None = None
    for ruling, rows in (
        *((node.ruling, node.loose) for node in plan.nodes()),
        *((ruling, np.array([row])) for row, ruling in plan.rulings.items()),
    ):
        left = ruling.ends - now
        if left < config.hold_time_s:
            lasts = np.full(c.count, np.inf) if lasts is None else lasts
            lasts[rows] = max(left, least_s)
    if lasts is None:
        over = np.flatnonzero(np.isfinite(c.lasts_s))
        if over.size:
            c.lasts_s[over], c.touched[over] = np.inf, True
        return
    # Who is held back by nothing but its rating is not worked out anew for that.
    held = (c.hard_hi < c.export_w) | (c.hard_lo > -c.import_w)
    c.touched |= (lasts != c.lasts_s) & np.isfinite(c.energy_wh) & (held | (lasts > c.lasts_s))
    c.lasts_s[:] = lasts
