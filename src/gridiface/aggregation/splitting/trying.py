"""A device that failed and is back is tried before it is counted on.

Asked for a share at once, it would leave a hole if it failed again: the others give back what it is to take over, and
make up for it once it has failed, step by step, each time that it is tried. So it is told the power that it has, and
has its share from the step on that follows its answer. The answer of who acknowledged and did not follow says nothing:
it is told a little more or less than it has, is planned in with what it has, and is counted on once it has moved.
Owned here: what that does to a step. Who is on trial is told by health, deliveries and plausibility.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, IntArray
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.listening.health import SHOWS
from gridiface.aggregation.splitting.leeway import Leeway
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import Columns

#: How far who is to show that it moves is told to, part of its rating.
MOVE = 0.05

#: A limit is passed from here on, W.
_PASSED_W = 1e-3


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


def try_to_move(
    columns: Columns,
    plan: Plan,
    bounds: Envelope,
    solution: Solution,
    leeway: Leeway,
    on_top: Mapping[str, float],
    above: FloatArray,
) -> None:
    """Add to `above` what those who have to move are told beside their shares, W, + delivered.

    It goes the way that their group is asked to go, the other way where limits or they themselves leave no room; where
    neither does nobody is tried, nor in a group whose total stands on a ramp.

    Args:
        columns: the fleet.
        plan: who rules.
        bounds: what each device can do.
        solution: the shares of this step.
        leeway: what limits leave.
        on_top: how much more than it is asked each bound node may give in this step, W; infinite: as it likes.
        above: what is told beside the shares, W, one per row; changed here.
    """
    c = columns
    tried = c.trial & c.unmoved & bounds.free & np.isfinite(solution.watts)
    if not tried.any():
        return
    tried &= ~(is_coarse(c) | c.natural | plan.off)
    for node in plan.nodes():
        if np.isfinite(on_top.get(node.id, np.inf)):
            tried[node.rows] = False
    rows = np.flatnonzero(tried)
    if not rows.size:
        return
    way = _way(plan, solution, rows)
    before = leeway.passed(plan, solution)
    for sign in (way, -way):
        moves = _moves(c, plan, bounds, solution.watts[rows], rows, sign)
        if leeway.passed(plan, _with(plan, solution, rows, moves)) <= before + _PASSED_W:
            above[rows] += moves
            return


def _way(plan: Plan, solution: Solution, rows: IntArray) -> FloatArray:
    """Which way each is to move: 1 up, -1 down."""
    way = np.ones(solution.watts.size)
    for node in plan.nodes():  # those inside come after the ones around them
        result = solution.results.get(node.id)
        if result is not None and result.wanted is not None:
            way[node.rows] = -1.0 if result.wanted < 0.0 else 1.0
    return way[rows]


def _moves(c: Columns, plan: Plan, bounds: Envelope, share: FloatArray, rows: IntArray, way: FloatArray) -> FloatArray:
    """How far each can be told to move that way, or else the other, W; nothing for who is told to move anyhow."""
    rating = np.maximum(c.export_w[rows], c.import_w[rows])
    up = np.minimum(bounds.hi[rows], plan.device_high[rows]) - share
    down = share - np.maximum(bounds.lo[rows], plan.device_low[rows])
    most, least = MOVE * rating, SHOWS * rating
    forth, back = (np.clip(room, 0.0, most) for room in (np.where(way > 0, up, down), np.where(way > 0, down, up)))
    moves = np.where(forth >= least, way * forth, np.where(back >= least, -way * back, 0.0))
    return np.where(np.abs(share - bounds.position[rows]) >= least, 0.0, moves)


def _with(plan: Plan, solution: Solution, rows: IntArray, moves: FloatArray) -> Solution:
    """The solution with these moves made."""
    each = np.zeros(solution.watts.size)
    each[rows] = moves
    results = dict(solution.results)
    for node in plan.nodes():
        if (one := results.get(node.id)) is not None:
            results[node.id] = replace(one, total=one.total + float(each[node.rows].sum()))
    return replace(solution, watts=solution.watts + each, results=results)
