"""The powers that coarse devices know: steps, a least power, the modes of a mode device."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.state.columns import Columns

#: The columns that say which powers a device knows.
COARSE = ("step_w", "min_w", "modes")

SLACK = 1e-6

#: So many steps on each side of a power are named one by one.
MOST_STEPS = 25


def is_coarse(columns: Columns, rows: IntArray | slice = slice(None)) -> BoolArray:
    """Who knows some powers only."""
    c = columns
    found: BoolArray = (c.step_w[rows] > 0) | (c.min_w[rows] > 0) | (c.modes[rows] >= 0)
    return found


def levels_around(columns: Columns, powers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(the nearest level towards zero, the next one away from it) of each device of a part of the fleet, W."""
    c, step, least, modes = columns, columns.step_w, columns.min_w, columns.modes
    down, steps = np.abs(powers), step > 0
    if steps.all():  # the usual case of tens of thousands: without a copy for each condition
        unit, up = step, np.floor((down + SLACK) / step)
        np.multiply(up, step, out=down)
        np.add(down, step, out=up)
    else:
        unit, size = np.where(steps, step, 1.0), down
        down = np.where(steps, np.floor((size + SLACK) / unit) * unit, size)
        up = np.where(steps, down + unit, size)
    if (least > 0).any():
        off = down < least - SLACK
        first = np.where(steps, np.ceil(least / unit) * unit, least)
        np.copyto(up, np.maximum(first, step), where=off)
        down[off] = 0.0
    negative = powers < 0
    np.negative(down, out=down, where=negative)
    np.negative(up, out=up, where=negative)
    for number in np.unique(modes[modes >= 0]).tolist():
        mine = modes == number
        below, over = _modes(c.levels[number], powers[mine])
        down[mine], up[mine] = below, over
    return down, up


def known_levels(columns: Columns, row: int, least: float, most: float, near: float) -> FloatArray:
    """The powers between two that a device of a part of the fleet knows, ascending, W.

    Of very many steps those about `near` and the ends; of one that has a least power alone that, the ends, and `near`.
    """
    c, step, floor = columns, float(columns.step_w[row]), float(columns.min_w[row])
    if c.modes[row] >= 0:
        found = c.levels[int(c.modes[row])]
    elif step > 0:
        first, last, middle = (int(np.floor(value / step + SLACK)) for value in (least, most, near))
        around = np.arange(max(first, middle - MOST_STEPS), min(last, middle + MOST_STEPS) + 1)
        found = np.unique([0, first, first + 1, *around.tolist(), last]) * step
        found = found[(found == 0.0) | (np.abs(found) >= floor - SLACK)]
    else:
        found = np.unique(
            [value for value in (least, -floor, 0.0, floor, near, most) if abs(value) >= floor or not value]
        )
    return found[(found >= least - SLACK) & (found <= most + SLACK)]


def _modes(levels: FloatArray, powers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The levels around each power, nearer to zero and farther; where there is none farther, the nearer twice."""
    positive, negative = levels[levels >= 0], np.sort(-levels[levels <= 0])
    down, up = np.empty(powers.size), np.empty(powers.size)
    for mine, known, sign in ((powers >= 0, positive, 1.0), (powers < 0, negative, -1.0)):
        at = np.searchsorted(known, np.abs(powers[mine]) + SLACK, side="right") - 1
        down[mine] = sign * known[at]
        up[mine] = sign * known[np.minimum(at + 1, known.size - 1)]
    return down, up
