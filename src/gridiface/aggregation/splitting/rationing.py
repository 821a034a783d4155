"""Stored energy over the rest of a power that ends: nobody gives so much at first that it is empty before the end.

A total that was accepted to its end is what all can hold together. Split by rating, or by order, those who hold less
than their part would run out before the others, who cannot make up for them any more. So nobody gets more than it can
hold to the end, as long as the total can be had so; where it cannot, what there is now is given.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.allocate.tree import Cap, reach
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.envelope.limits import day_bounds, energy_bounds
from gridiface.aggregation.envelope.timed import keep_curves, stay_ready
from gridiface.aggregation.splitting.parts import opened
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: Beyond what all can hold to the end by this part of it a total is given by all alike: charge is not known better.
_ALIKE = 0.03

#: Least and most of each, W.
Ends = tuple[FloatArray, FloatArray]

_NEEDED = (
    *("energy_wh", "soc", "soc_variance", "soc_min", "soc_max", "available_wh", "day_cap_wh", "day_wh", "curve"),
    *("step_w", "min_w", "modes", "leave_at", "leave_soc", "import_w"),
)


class Rations:
    """Bounds of splits with what each can hold to the end of the power that is split.

    Args:
        columns: the fleet.
        at: when.
        hold_time_s: for so long all powers can be held anyway, s.
        departure_margin: see `timed.departure_floor`.
    """

    def __init__(self, columns: Columns, at: Instant, hold_time_s: float, departure_margin: float = 0.05) -> None:
        self._c, self._at, self._hold_time_s, self._margin = columns, at, hold_time_s, departure_margin

    def of(
        self,
        node: Node,
        rows: IntArray,
        target: float,
        ends: Ends,
        caps: tuple[Cap, ...],
        powers: FloatArray | None = None,
    ) -> Ends:
        """Those of one split.

        Args:
            node: whose total is split.
            rows: over whom.
            target: of their sum, W.
            ends: least and most of each now, W; not changed.
            caps: of groups inside; positions in `rows`.
            powers: these are within, W; None: of nobody.
        """
        left_s = node.ruling.ends - self._at
        if not self._hold_time_s < left_s < np.inf:
            return ends
        steps = self._at, self._hold_time_s, self._margin
        lo, hi = rationed(self._c, rows, target, ends, caps, left_s, steps)
        return (lo, hi) if powers is None else (np.minimum(lo, powers), np.maximum(hi, powers))


def rationed(
    columns: Columns,
    rows: IntArray,
    target: float,
    ends: Ends,
    caps: tuple[Cap, ...],
    left_s: float,
    steps: tuple[Instant, float, float] | None = None,
) -> Ends:
    """The bounds of a split with what each can hold to the end, where the target can be had with these.

    Args:
        columns: the fleet.
        rows: whose.
        target: of their sum, W.
        ends: least and most of each now, W; not changed.
        caps: of groups inside; positions in `rows`.
        left_s: how long the power still lasts, s.
        steps: (when, hold time in s, departure margin), see `timed.stay_ready`; None: departures do not count.
    """
    lo, hi = ends
    part = columns.part(span(rows), _NEEDED)
    part.levels = columns.levels
    least, most = np.full(rows.size, -np.inf), np.full(rows.size, np.inf)
    energy_bounds(part, least, most, left_s)
    day_bounds(part, least, most, left_s)
    if steps is not None and columns.departing:
        at, hold_s, margin = steps
        most = np.minimum(most, hi)
        stay_ready(part, most, at, left_s, span_s=hold_s, margin=margin)
    least = np.maximum(least, lo)
    keep_curves(part, least, left_s)
    if columns.stepped:  # these know few powers, and stand at one of them
        coarse = is_coarse(part)
        least[coarse], most[coarse] = -np.inf, np.inf
    least, most = np.clip(least, lo, hi), np.clip(most, lo, hi)
    if bool((least <= lo).all() and (most >= hi).all()):
        return ends
    low, high = reach(least, most, caps)
    if target > high:
        most = opened(most, hi, float(most.sum()) + target - high) if target - high <= _ALIKE * abs(high) else hi
    if target < low:
        least = -opened(-least, -lo, low - target - float(least.sum())) if low - target <= _ALIKE * abs(low) else lo
    low, high = reach(least, most, caps)
    return (lo if target < low - 1e-6 else least), (hi if target > high + 1e-6 else most)
