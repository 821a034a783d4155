"""Curtailed sun: what a roof could give is not seen while it gives what it was told, so it is told a little more.

A roof that is asked for all that is known of its sun, and gives it, may have more by now: after a cloud it would stay
at what the cloud left it, and after a night at nothing. So its set-point, or its ceiling where it is led by that alone,
stands a little above its share. With no more sun that changes nothing; with more it gives up to so much more, which is
seen, becomes known, and is split like the rest. The margin is told to the device alone; shares, totals and accounts are
made of what is known. All margins together stay inside what limits, and the ramp of a fast response, leave.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.doubt import unheard
from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.envelope.residual import NOTHING, Beside
from gridiface.aggregation.listening.intake import BINDING
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import Columns

#: How far above its share a roof is told, part of its rating.
MARGIN = 0.05

#: A share this near to all that is known is all of it, part of a margin: what is seen is a little unsteady. Of a total
#: that was split just now it is all of it or is not: where the total is come to without the rest nobody asks for that.
_NEAR, _ALL = 0.6, 0.01

#: A roof that is known to give less than this part of its rating is in the dark.
_DARK = 0.002

#: More of a margin is worth a message, and sun that a margin showed a new split, from this part of the margin on.
_WORTH = 0.5


def margins(
    columns: Columns,
    plan: Plan,
    bounds: Envelope,
    solution: Solution,
    residuals: Mapping[str, Beside],
    on_top: Mapping[str, float],
) -> FloatArray:
    """How much more than its share each row is to be told, W, >= 0.

    Args:
        columns: the fleet.
        plan: who rules; its limits bound the sum of the margins below each node.
        bounds: what each device is known to be able to do.
        solution: the shares of this step, powers or ceilings.
        residuals: what lies beside the members of each node at its metered points.
        on_top: how much more than it is asked each bound node may give in this step, W.

    Returns:
        One per row; 0 but for roofs that give all that is known of them and were told no more.
    """
    c, found = columns, np.zeros(columns.count)
    if not (runs := c.natural & bounds.free).any():
        return found
    share, dark = shares(solution), _DARK * c.export_w
    with np.errstate(invalid="ignore"):  # told nothing, or not heard
        gives = c.w >= BINDING * np.where(np.isnan(c.told_w), c.told_ceiling_w, c.told_w) - dark
        # Who gives nothing though there was sun does so on purpose; where there was none the sun rises some time.
        whole = (share > 0.0) | (bounds.hi <= dark)
        whole &= share >= bounds.hi - np.where(solution.anew, _ALL, _NEAR) * MARGIN * c.export_w
    np.copyto(c.whole, whole, where=solution.anew)
    whole &= c.whole | ~solution.again
    asked = runs & gives & whole & c.acknowledged & np.isnan(c.up_w) & ~plan.off & ~is_coarse(c)
    if not asked.any():
        return found
    room = np.minimum(MARGIN * c.export_w, np.minimum(c.export_w, plan.device_high) - share)
    np.copyto(found, np.maximum(room, 0.0), where=asked)
    for root in plan.roots:
        for node in root.walk():
            if node.limits.any and found[node.rows].any():
                _keep_limits(c, node, bounds, share, residuals.get(node.id, NOTHING).high, found)
            _keep_within(found, node.rows, on_top.get(node.id, np.inf))
    return found


def shares(solution: Solution) -> FloatArray:
    """What each row is told to do at most, W: its power, or its ceiling where it has that alone; NaN: neither."""
    return np.where(np.isnan(solution.watts), solution.ceilings, solution.watts)


def news(columns: Columns, wanted: FloatArray, deadband: FloatArray) -> BoolArray:
    """Whose margin is to be told anew: less of it at once, more only where it is worth a message."""
    more = wanted - columns.margin_w
    found: BoolArray = (-more > deadband) | (more > np.maximum(deadband, _WORTH * wanted))
    return found


def found_more(columns: Columns, bounds: Envelope, solution: Solution) -> bool:
    """Whether a margin has shown more sun than shares make use of: the last split is worth no more then."""
    rows = np.flatnonzero(columns.natural & (columns.margin_w > 0.0))
    more = bounds.hi[rows] - shares(solution)[rows]
    return bool((more > _WORTH * columns.margin_w[rows]).any())


def _keep_limits(
    c: Columns, node: Node, bounds: Envelope, share: FloatArray, beside_w: float, found: FloatArray
) -> None:
    """Scale the margins below a node to what its limits on the way up leave; none while somebody in it is silent."""
    rows, limits = node.rows, node.limits
    if bool(unheard(c)[rows].any()):
        found[rows] = 0.0
        return
    each = np.where(np.isfinite(share[rows]), share[rows], bounds.held[rows])
    room = np.inf
    if limits.export is not None:
        room = limits.export.watts - float(each.sum()) - beside_w
    if limits.generation is not None:
        room = min(room, limits.generation.watts - float(np.maximum(each, 0.0).sum()) - max(beside_w, 0.0))
    _keep_within(found, rows, room)


def _keep_within(found: FloatArray, rows: IntArray, room: float) -> None:
    """Scale the margins of some rows to what there is room for, W."""
    if np.isinf(room):
        return
    whole = float(found[rows].sum())
    if whole > room:
        found[rows] *= max(room, 0.0) / whole
