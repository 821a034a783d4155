"""What went through devices with a daily cap today: told before a restart, taken up after it.

Counting is estimation's, the cap limits'; the end of the day is the engine's. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant


class Throughput:
    """Of one fleet. `ends`: when the present local day ends; minus infinity before the first tick."""

    def __init__(self, columns: Columns) -> None:
        self._c = columns
        self._carried: dict[str, float] = {}
        self.ends: Instant = -np.inf

    def today(self) -> tuple[Instant, dict[str, float]]:
        """When the day ends, and Wh by device of those that have a cap and moved something."""
        rows = np.flatnonzero(np.isfinite(self._c.day_cap_wh) & (self._c.day_wh > 0.0))
        return self.ends, dict(zip(self._c.ids[rows].tolist(), self._c.day_wh[rows].tolist(), strict=True))

    def carry(self, ends: Instant, watt_hours: Mapping[str, float], now: Instant) -> None:
        """Go on from what `today` told before a restart, where that day still is. Devices may come later."""
        if now < ends:
            self._carried = dict(watt_hours)
            for device_id in list(self._carried):
                self.arrived(device_id)

    def arrived(self, device_id: str) -> None:
        """A device is there: what it moved before the restart counts."""
        row = self._c.row.get(device_id)
        if row is not None and (carried := self._carried.pop(device_id, None)) is not None:
            self._c.day_wh[row] += carried
            self._c.touched[row] = True

    def begin_day(self, ends: Instant) -> None:
        """A day begins; the first one after a start goes on with what was carried."""
        if np.isfinite(self.ends):
            self._c.day_wh[:] = 0.0
            self._c.touched |= np.isfinite(self._c.day_cap_wh)
            self._carried = {}
        self.ends = ends
