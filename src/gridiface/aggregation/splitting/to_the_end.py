"""Powers that end soon: stored energy need not carry them beyond their end. Owns the column `lasts_s`.

A power that was accepted to its end for the energy that there is would be cut in its last minutes, were it held to the
whole hold time until then.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant


def note_lasts(columns: Columns, plan: Plan, now: Instant, config: EngineConfig) -> None:
    """Note for how long the power that rules each device still lasts, where that is less than the hold time.

    A step and its look-ahead are counted at least: so long it goes on.
    """
    c, hold_s = columns, config.hold_time_s
    if float(plan.power_ends.min(initial=np.inf)) - now >= hold_s:
        over = np.flatnonzero(np.isfinite(c.lasts_s))
        if over.size:
            c.lasts_s[over], c.touched[over] = np.inf, True
        return
    left = plan.power_ends - now
    lasts = np.where(left < hold_s, np.maximum(left, config.lookahead_s + plan.period_s), np.inf)
    # Who is held back by nothing but its rating is not worked out anew for that.
    held = (c.hard_hi < c.export_w) | (c.hard_lo > -c.import_w)
    c.touched |= (lasts != c.lasts_s) & np.isfinite(c.energy_wh) & (held | (lasts > c.lasts_s))
    c.lasts_s[:] = lasts
