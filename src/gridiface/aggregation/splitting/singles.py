"""Says of each device that has a control of its own whether it can do what is asked: once, until that changes.

What group totals come to is said by the step that makes them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control

#: What was said of a device: nothing yet (it may be on its ramp), in full, or short.
_NOTHING, _FULL, _SHORT = 0, 1, 2


class Singles:
    """Looks at each step.

    Args:
        columns: the fleet.
        config: what counts as a shortfall.
        log: where entries go.
    """

    def __init__(self, columns: Columns, config: EngineConfig, log: DecisionLog) -> None:
        self._c, self._config, self._log = columns, config, log
        self._plan: Plan | None = None
        self._leading: dict[int, Control] = {}
        self._rows = np.empty(0, dtype=np.int64)
        #: By row.
        self._said = np.empty(0, dtype=np.int8)

    def look(self, plan: Plan, watts: FloatArray, now: Instant) -> None:
        """Note what became of the devices' own controls.

        Args:
            plan: who rules.
            watts: what each row is told, W; NaN: nothing.
            now: when.
        """
        if plan is not self._plan:
            self._take(plan)
        if not self._rows.size:
            return
        c, rows = self._c, self._rows
        asked, told = plan.device_w[rows], watts[rows]
        low = np.maximum(c.hard_lo[rows], plan.device_low[rows])
        leaving = np.isin(rows, plan.floors) & np.isfinite(told)
        most = np.where(leaving, np.minimum(told, c.hard_hi[rows]), c.hard_hi[rows])
        reachable = np.minimum(np.maximum(asked, low), np.minimum(most, plan.device_high[rows]))
        short = np.abs(asked - reachable) > np.maximum(self._config.shortfall_rel * np.abs(asked), 1.0)
        full = np.abs(told - asked) <= 0.02 * np.maximum(np.abs(asked), 1.0)
        state = np.where(np.isfinite(told), np.where(short, _SHORT, np.where(full, _FULL, _NOTHING)), _NOTHING)
        said = self._said[rows]
        for place in np.flatnonzero((state != _NOTHING) & (state != said)).tolist():
            control = self._leading[int(rows[place])]
            if state[place] == _SHORT:
                gap = float(asked[place] - reachable[place])
                reason = f"{asked[place]:.0f} W were asked, {reachable[place]:.0f} W can be reached"
                reason += ": it must charge to be ready for its departure" if leaving[place] else ""
                self._log.about(now, control, "shortfall", reason, value=gap)
            else:
                self._log.about(now, control, "allocated", f"{asked[place]:.0f} W in full", value=float(asked[place]))
        self._said[rows] = np.where(state == _NOTHING, said, state)

    def _take(self, plan: Plan) -> None:
        """Another plan: what was said of a device counts as long as the same control leads it."""
        rows: Iterable[int] = plan.rulings
        before: dict[tuple[str, str], int] = {}
        follows = self._plan is not None and plan.number == self._plan.number + 1
        if follows and plan.fresh is not None:
            rows = plan.fresh
        else:
            before = {_key(control): int(self._said[row]) for row, control in self._leading.items()}
            self._leading, self._said = {}, np.zeros(len(plan.order), dtype=np.int8)
        self._plan = plan
        for row in rows:
            ruling, led = plan.rulings.get(row), self._leading.pop(row, None)
            leading = None if ruling is None or not np.isfinite(plan.device_w[row]) else ruling.leading
            if leading is None:
                continue
            control = self._leading[row] = leading.control
            if led is None or _key(led) != _key(control):
                self._said[row] = before.get(_key(control), _NOTHING)
        self._rows = np.fromiter(self._leading, dtype=np.int64, count=len(self._leading))


def _key(control: Control) -> tuple[str, str]:
    return control.id, control.target.id
