"""The audit of the look-ahead: simulated against reported state of charge, recorded at even times. Columns only."""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.state.column_table import NAN
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target, group_target
from gridiface.domain.clock import Instant

#: Devices named in one record, the worst first.
NAMED = 20


class SocAudit:
    """Counts what each device was told, apart from what it reports, and sets the two side by side.

    The simulated state of charge starts at a report and follows the commands (the trapezoid of the twin is exact
    enough over one step: the power half way). It knows nothing of later reports until the next record.
    """

    def __init__(self, columns: Columns, log: DecisionLog, *, every_s: float, limit: float) -> None:
        self._c, self._log, self._every_s, self._limit = columns, log, every_s, limit
        self._simulated: FloatArray = np.empty(0)
        self._version = -1
        self._at: Instant | None = None
        self._due: Instant | None = None

    def step(self, position: FloatArray, now: Instant) -> None:
        """Let the simulation go on with the powers the devices have by their commands; record when it is time.

        Args:
            position: W, one per row: where each command has brought its device.
            now: when.
        """
        if self._every_s <= 0:
            return
        c = self._c
        if self._version != c.version or self._at is None or self._due is None or not -1 <= now - self._at <= 900:
            self._begin(now)
        elif now > self._at:
            moved = position * ((now - self._at) / 3600.0) / c.energy_wh
            self._simulated -= np.where(c.told & np.isfinite(c.told_w), moved, 0.0)
            # Who is under no command is not simulated: it follows its reports.
            np.copyto(self._simulated, c.soc_reported, where=~c.told)
        self._at = now
        if self._due is not None and now >= self._due:
            self._record(now)
            self._begin(now)

    def _begin(self, now: Instant) -> None:
        self._simulated = self._c.soc_reported.copy()
        self._version, self._at, self._due = self._c.version, now, now + self._every_s

    def _record(self, now: Instant) -> None:
        c = self._c
        gap = np.where(c.told & c.counts, self._simulated - c.soc_reported, NAN)
        known = np.flatnonzero(np.isfinite(gap))
        if not known.size:
            return
        worst = float(np.abs(gap[known]).max())
        mean = float(np.abs(gap[known]).mean())
        reason = f"{known.size} devices simulated: mean gap {mean:.2%}, largest {worst:.2%} of reported state of charge"
        self._log.add(now, group_target(""), "soc audit", "compared", reason, value=worst)
        off = known[np.abs(gap[known]) > self._limit]
        for row in off[np.argsort(-np.abs(gap[off]), kind="stable")][:NAMED].tolist():
            text = f"simulated {self._simulated[row]:.1%}, reported {c.soc_reported[row]:.1%}"
            self._log.add(now, device_target(c.ids[row]), "soc audit", "differs", text, value=float(gap[row]))
