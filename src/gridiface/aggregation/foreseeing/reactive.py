"""Reactive power that a target can be counted on for: what circles leave, beside what is there already. Numbers only.

As steps split it (`splitting.vars`): active power comes first; who has vars of its own, or of a group inside, goes on
with them; what those do who cannot be told vars counts as it is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.splitting.vars import var_bounds
from gridiface.aggregation.state.columns import Columns

#: The columns that are looked at.
COLUMNS = ("var", "can_set_var", "max_va", "var_inject", "var_absorb")

#: Least and most, var, + injected; None: nothing is certain.
Range = tuple[float, float] | None

#: Totals that are farther apart than this are not one, var.
_SAME_VAR = 0.5


@dataclass(frozen=True, slots=True)
class VarPart:
    """A group inside a target: positions of its devices, what they are asked (NaN: nothing), var, and groups inside."""

    rows: IntArray
    asked: float
    inside: tuple[VarPart, ...] = ()


@dataclass(frozen=True, slots=True)
class VarRule:
    """What is asked inside a target: of devices themselves, var per position (NaN: nothing), and of groups inside."""

    own: FloatArray
    inside: tuple[VarPart, ...] = ()


def part_of(node: Node, place: IntArray, requested: dict[str, float]) -> VarPart:
    """A group of the plan as a part of a target.

    Args:
        node: the group.
        place: position of each row of the fleet in the target, -1: outside.
        requested: of the members, var by group id.
    """
    mine = place[node.rows]
    inside = tuple(part_of(one, place, requested) for one in node.inside)
    return VarPart(mine[mine >= 0], requested.get(node.id, np.nan), inside)


def counted_on(
    columns: Columns, rule: VarRule, absent: BoolArray, powers: tuple[FloatArray, FloatArray], beside: float
) -> Range:
    """The least and the most total that is certain.

    Args:
        columns: the devices of the target.
        rule: what is asked inside.
        absent: who will not be there: it does what it does now, or nothing.
        powers: two ends of each active power, by magnitude, W: whatever lies between may be.
        beside: what lies beside the devices, var.
    """
    c = columns
    able = c.can_set_var & c.usable & c.enabled & c.counts & ~absent
    able &= ~(c.blocked | c.down | c.lost | c.quarantined)
    lows, highs, fixed = zip(*(_looked(c, rule, able, one) for one in powers), strict=True)
    gone = known_or_zero(c.var[absent & c.counts])
    least = max(lows) + max(fixed) - float(np.minimum(gone, 0.0).sum()) + beside
    most = min(highs) + min(fixed) - float(np.maximum(gone, 0.0).sum()) + beside
    return (least, max(most, least)) if least <= most + _SAME_VAR else None


def _looked(c: Columns, rule: VarRule, able: BoolArray, powers: FloatArray) -> tuple[float, float, float]:
    """(least, most) of those that can be told beside these powers, and what all others come to, var."""
    low, high = var_bounds(c, slice(None), powers)
    low, high = np.where(able, low, 0.0), np.where(able, high, 0.0)
    there = np.where(able | ~c.counts, 0.0, known_or_zero(c.var))
    free = able.copy()
    own = np.flatnonzero(np.isfinite(rule.own) & able)
    there[own], free[own] = np.clip(rule.own[own], low[own], high[own]), False
    for part in rule.inside:
        _fix(part, there, free, (low, high))
    return float(low[free].sum()), float(high[free].sum()), float(there.sum())


def _fix(part: VarPart, there: FloatArray, free: BoolArray, ends: tuple[FloatArray, FloatArray]) -> None:
    """What a group inside comes to with its own vars is there; as one sum, on one of its devices."""
    for one in part.inside:
        _fix(one, there, free, ends)
    if np.isnan(part.asked) or not part.rows.size:
        return
    mine = part.rows[free[part.rows]]
    rest = part.asked - float(there[part.rows].sum())
    if mine.size:
        there[mine[0]] += min(max(rest, float(ends[0][mine].sum())), float(ends[1][mine].sum()))
        free[mine] = False
