"""Reactive power: a group's total split inside each device's capability circle, active power first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.allocate.water_filling import water_fill
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.state.columns import Columns


def var_bounds(columns: Columns, rows: IntArray | slice, watts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(lowest, highest) reactive power of each device beside its active power, var, + injected.

    The circle P^2 + Q^2 <= S^2 and the var ratings bound it; what the active power needs is not touched.
    """
    c = columns
    left = np.sqrt(np.maximum(c.max_va[rows] ** 2 - watts**2, 0.0))
    return -np.minimum(c.var_absorb[rows], left), np.minimum(c.var_inject[rows], left)


def split_vars(
    columns: Columns,
    plan: Plan,
    requested: Mapping[str, float],
    watts: FloatArray,
    beside: Callable[[str], float],
    above: FloatArray | float = 0.0,
) -> FloatArray:
    """Reactive power of every device, var; NaN where nothing is asked.

    Args:
        columns, plan: the fleet, who rules it.
        requested: var by group id, of the total at its metered point.
        beside: what lies beside a group's members there, var, by its id.
        watts: active power that goes with it, NaN where none is told (then the measured one counts).
        above: how much more than that, or less, each is told, W; see `probing.margins`, `try_to_move`.
    """
    result = np.full(columns.count, np.nan)
    single = np.isfinite(plan.device_var) & columns.can_set_var
    if not requested and not single.any():
        return result
    active = np.where(np.isfinite(watts), watts, known_or_zero(columns.w)) + above
    everyone = np.arange(columns.count)
    low, high = var_bounds(columns, everyone, active)
    result[single] = np.clip(plan.device_var[single], low[single], high[single])
    able = columns.can_set_var & columns.usable & columns.enabled & columns.counts
    able &= ~(columns.blocked | columns.down | columns.lost | columns.quarantined)
    wanted = {name: var - beside(name) for name, var in requested.items()}
    for root in plan.roots:
        _split_node(root, wanted, result, low, high, able, columns)
    return result


def _split_node(
    node: Node,
    wanted: Mapping[str, float],
    result: FloatArray,
    low: FloatArray,
    high: FloatArray,
    able: BoolArray,
    columns: Columns,
) -> None:
    """Inner groups first: to those around them their vars are given. A meter has none of its own."""
    for child in node.inside:
        _split_node(child, wanted, result, low, high, able, columns)
    if node.id not in wanted:
        return
    rows = node.rows[columns.counts[node.rows]]
    given = np.isfinite(result[rows])
    free = rows[~given & able[rows]]
    rest = rows[~given & ~able[rows]]
    held = float(result[rows[given]].sum()) + float(known_or_zero(columns.var[rest]).sum())
    weight = np.maximum(high[free] - low[free], 1.0)
    result[free] = water_fill(wanted[node.id] - held, low[free], high[free], np.zeros(free.size), weight)
