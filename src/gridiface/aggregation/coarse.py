"""Devices that cannot take every power: whole steps, a least power while on, modes. Numbers only.

They are rounded towards zero; fine devices take up the difference; what these cannot carry raises coarse ones by one
step each, those first that lost most by rounding. Where limits or totals lie in each other, all is split once more
around the powers that were chosen for them: see `pinned`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray, Problem, Strategy
from gridiface.aggregation.allocate.tree import Cap, reach, split_tree
from gridiface.aggregation.columns import Columns
from gridiface.aggregation.levels import COARSE, SLACK, is_coarse, levels_around
from gridiface.aggregation.limits import Envelope
from gridiface.aggregation.solution import Solution


def snapped(columns: Columns, rows: IntArray, powers: FloatArray, towards: FloatArray | float = 0.0) -> FloatArray:
    """Powers of `rows`, W, where those of coarse devices are between two that they know moved to the one on that side.

    Args:
        columns, rows: the fleet, and whose powers.
        powers: W, NaN stays.
        towards: the power on whose side it lies, W.
    """
    c, mine = columns, np.flatnonzero(is_coarse(columns, rows) & np.isfinite(powers))
    if not mine.size:
        return powers
    here, before = rows[mine], powers[mine]
    down, up = levels_around(c.part(here, COARSE), before)
    below, above = np.minimum(down, up), np.maximum(down, up)
    goal = towards if isinstance(towards, float) else towards[mine]
    result = powers.copy()
    result[mine] = np.where(goal < before, below, above)
    known = np.abs(down - before) <= SLACK
    result[mine[known]] = before[known]
    return result


def pinned(columns: Columns, bounds: Envelope, solution: Solution, *, off: bool = False) -> Envelope:
    """The envelope with coarse devices at the powers that a solution gave them, those towards zero that they know.

    Who was told nothing stays as it is. `off`: all that can be off instead, where steps keep a limit from being kept.
    """
    c, rows = columns, np.flatnonzero(is_coarse(columns) & bounds.free)
    told = np.isfinite(solution.watts[rows])
    level = np.zeros(rows.size) if off else snapped(c, rows, solution.watts[rows])
    level = np.where(told, np.clip(level, bounds.lo[rows], bounds.hi[rows]), solution.will[rows])
    made = {name: getattr(bounds, name).copy() for name in ("lo", "hi", "near_lo", "near_hi")}
    for values in made.values():
        values[rows] = level
    return replace(bounds, **made)


def in_steps(
    columns: Columns,
    rows: IntArray,
    strategy: Strategy,
    problem: Problem,
    powers: FloatArray,
    caps: tuple[Cap, ...],
) -> FloatArray:
    """`powers` of `rows` with each coarse device at a power it knows; the sum as near to the target as that allows.

    Args:
        columns, rows: the fleet, and whom `powers` speaks of.
        strategy: splits the rest over the fine devices.
        problem: what `powers` is the answer to.
        powers: W, one per row.
        caps: see `split_tree`.
    """
    c = columns
    coarse = is_coarse(c, rows)
    if not coarse.any():
        return powers
    down, up = levels_around(c.part(rows, COARSE), powers)
    fits = (up >= problem.lo - SLACK) & (up <= problem.hi + SLACK) & coarse
    chosen = np.where(coarse, down, powers)
    if coarse.all() or _lacks(problem, chosen, coarse, caps) != 0.0:
        chosen = _raised(problem, chosen, np.where(fits, up, down), powers, coarse, caps)
    if coarse.all():
        return chosen
    lo, hi = np.where(coarse, chosen, problem.lo), np.where(coarse, chosen, problem.hi)
    return split_tree(strategy, replace(problem, lo=lo, hi=hi), caps)


def _lacks(problem: Problem, chosen: FloatArray, coarse: BoolArray, caps: tuple[Cap, ...]) -> float:
    """What the fine devices cannot carry of the target while the coarse ones stand as chosen, W."""
    low, high = reach(np.where(coarse, chosen, problem.lo), np.where(coarse, chosen, problem.hi), caps)
    return problem.target - min(max(problem.target, low), high)


def _raised(
    problem: Problem, chosen: FloatArray, up: FloatArray, powers: FloatArray, coarse: BoolArray, caps: tuple[Cap, ...]
) -> FloatArray:
    """Coarse devices set to their next level, largest remainder first, while that brings the sum nearer."""
    lack = _lacks(problem, chosen, coarse, caps)
    gain = (up - chosen) * np.sign(lack)
    able = np.flatnonzero(coarse & (gain > 0))
    if lack == 0.0 or not able.size:
        return chosen
    raised = chosen.copy()
    left, room = abs(lack) + SLACK, 0.0 if caps else _room(problem, coarse, lack)
    # Large steps first, of equals those that lost most by rounding; who would pass the target is passed over.
    for at in able[np.lexsort((-np.abs(powers - chosen)[able], -gain[able]))].tolist():
        if gain[at] <= left + room:
            raised[at] = up[at]
            room = room if gain[at] <= left else room - (float(gain[at]) - left)
            left -= float(gain[at])
            if left <= SLACK:
                break
    if not caps:
        return raised
    # Under caps a raise may break one: then none is raised.
    for cap in caps:
        total = float(raised[cap.rows].sum())
        if not cap.low - SLACK <= total <= cap.high + SLACK:
            return chosen
    return raised


def _room(problem: Problem, coarse: BoolArray, lack: float) -> float:
    """How far the fine devices can come back towards zero from their end on the lacking side, W."""
    end = problem.hi if lack > 0 else problem.lo
    rest = np.clip(0.0, problem.lo, problem.hi)
    return float(np.abs(end - rest)[~coarse & ((end - rest) * lack > 0)].sum())
