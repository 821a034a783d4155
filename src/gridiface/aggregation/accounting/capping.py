"""What a limit bounds, and by how much that is passed: for the account of the control that sets it. Pure.

An export or import limit bounds the net total at the metered point, a generation limit (and a ceiling in percent) the
sum of what is given, a load limit the sum of what is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.allocate.problem import IntArray, span
from gridiface.aggregation.deciding.requests import limit_w, set_max_w
from gridiface.aggregation.envelope.limits import FIELD_OF
from gridiface.aggregation.envelope.rollup import Total, shows
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import LIMIT_MODES, ControlMode, ModeValue

#: A limit counts as passed by more than this part of it, and by more than so much, W: what meters and devices settle.
_REL, _LEAST_W = 0.005, 10.0

#: What bounds power that is taken.
_DOWNWARDS = frozenset({"draw", "load"})


def spare_w(limit_w: float) -> float:
    """So much beyond a limit is nothing, W."""
    return _REL * limit_w + _LEAST_W


def spares_w(limits_w: FloatArray) -> FloatArray:
    """As `spare_w`, of many."""
    return _REL * limits_w + _LEAST_W


@dataclass(frozen=True, slots=True)
class Capped:
    """One moment of the limit of a control that is nearest to being passed, or passed most.

    Attributes:
        limit_w: the bound on `w`, W, + delivered to the grid: a limit on power that is taken is negative.
        w: what it bounds, W, + delivered; None: not known.
        beyond_w: how far that is beyond the bound, W; negative: what is left to it; None: not known.
    """

    limit_w: float
    w: float | None
    beyond_w: float | None

    @property
    def excess_w(self) -> float | None:
        """By how much it is passed, W >= 0; 0 within what is nothing; None: not known."""
        beyond = self.beyond_w
        return None if beyond is None else beyond if beyond > spare_w(abs(self.limit_w)) else 0.0


def capped(columns: Columns, rows: IntArray, values: Mapping[ControlMode, ModeValue], total: Total) -> Capped | None:
    """What a control's limits come to now; None: it has none.

    Args:
        columns: the fleet; `rows`: the target's devices.
        values: the modes that are in force.
        total: of its target, as measured.
    """
    claims = [(mode, value) for mode, value in values.items() if mode in LIMIT_MODES]
    if not claims:
        return None
    most_w = set_max_w(columns, rows)
    limits = [(FIELD_OF[mode], limit_w(mode, value, most_w)) for mode, value in claims]
    given, taken = _parts(columns, rows)
    done = {"export": total.w, "draw": -total.w, "generation": given, "load": taken}
    kind, limit = max(limits, key=lambda one: done[one[0]] - one[1] - spare_w(one[1]))
    sign = -1.0 if kind in _DOWNWARDS else 1.0
    if not total.known:
        return Capped(sign * limit, None, None)
    return Capped(sign * limit, sign * done[kind], done[kind] - limit)


def _parts(columns: Columns, rows: IntArray) -> tuple[float, float]:
    """What these devices give, and what they take, W >= 0, as far as it is known."""
    here = span(rows)
    watts: FloatArray = np.where(shows(columns, here), columns.w[here], 0.0)
    return float(np.maximum(watts, 0.0).sum()), float(np.maximum(-watts, 0.0).sum())
