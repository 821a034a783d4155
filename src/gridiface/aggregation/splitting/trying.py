"""A device that failed and is back is tried before it is counted on.

Asked for a share at once, it would leave a hole if it failed again: the others give back what it is to take over, and
make up for it once it has failed, step by step, each time that it is tried. So it is told the power that it has, and
has its share from the step on that follows its answer. Owned here: what that does to a step. Who is on trial is told by
health and deliveries.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.state.columns import Columns


def held_on_trial(columns: Columns, bounds: Envelope) -> Envelope:
    """The envelope of a step in which those on trial stay where they are, as far as they may.

    Devices of a few powers are left out: the one that they have need not be one that they can be told.
    """
    if not columns.trial.any():
        return bounds
    rows = np.flatnonzero(columns.trial & bounds.free & ~is_coarse(columns))
    lo, hi = bounds.near_lo.copy(), bounds.near_hi.copy()
    lo[rows] = hi[rows] = np.clip(bounds.position[rows], bounds.lo[rows], bounds.hi[rows])
    return replace(bounds, near_lo=lo, near_hi=hi)
