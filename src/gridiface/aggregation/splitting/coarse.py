"""Devices that cannot take every power: whole steps, a least power while on, modes. Numbers only.

What they know, and where they stand while all others are split around them. Which of the powers they take is chosen in
level_choice.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.envelope.levels import COARSE, SLACK, is_coarse, levels_around
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import Columns


def largest_step(columns: Columns, rows: IntArray) -> float:
    """The widest gap between two powers that one of `rows` knows, W."""
    c = columns
    found = float(np.maximum(c.step_w[rows], c.min_w[rows]).max(initial=0.0))
    known = np.unique(c.modes[rows])
    return max([found, *(float(np.diff(c.levels[number]).max(initial=0.0)) for number in known[known >= 0].tolist())])


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


def between_levels(columns: Columns, powers: FloatArray) -> bool:
    """Whether any coarse device is told a power, W, that it does not know."""
    rows = np.flatnonzero(is_coarse(columns) & np.isfinite(powers))
    return bool(np.any(np.abs(snapped(columns, rows, powers[rows]) - powers[rows]) > SLACK))


def pinned(
    columns: Columns, bounds: Envelope, solution: Solution, among: IntArray | slice = slice(None), *, off: bool = False
) -> Envelope:
    """The envelope with coarse devices at the powers that a solution gave them, those towards zero that they know.

    `among`: rows. Who was told nothing stays as it is. `off`: all that can be off instead, where steps keep a limit
    from being kept.
    """
    mine = np.zeros(columns.count, dtype=np.bool_)
    mine[among] = True
    c, rows = columns, np.flatnonzero(is_coarse(columns) & bounds.free & mine)
    told = np.isfinite(solution.watts[rows])
    level = np.zeros(rows.size) if off else snapped(c, rows, solution.watts[rows])
    level = np.where(told, np.clip(level, bounds.lo[rows], bounds.hi[rows]), solution.will[rows])
    made = {name: getattr(bounds, name).copy() for name in ("lo", "hi", "near_lo", "near_hi")}
    for values in made.values():
        values[rows] = level
    return replace(bounds, **made)
