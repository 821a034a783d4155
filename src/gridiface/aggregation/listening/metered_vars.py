"""What the meters of groups see of reactive power beside their members: loads and filters that nobody commands, var.

As `metering` of active power, and with its rules: a reading of the meter is set against what the members were read to,
smoothed; a meter that does not show what its members do is not followed. That is judged of reactive power by itself: a
meter that counts watts well may count vars the wrong way round, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, IntArray, span
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.envelope.residual import Members, Residual
from gridiface.aggregation.listening.sight import Sight
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: A group and its meter.
Key = tuple[str, str]

#: A meter that was found not to show what members do is tried again after so long, s.
AGAIN_S = 3_600.0


@dataclass(slots=True)
class _Meter:
    """Of one group. `good`: what lay beside the members before it ceased to see them; `until`: it counts so long."""

    residual: Residual
    sight: Sight = field(default_factory=Sight)
    good: float | None = None
    until: Instant = -np.inf


class MeteredVars:
    """Of all groups whose meters tell reactive power."""

    def __init__(self, columns: Columns, config: EngineConfig) -> None:
        self._c, self._config = columns, config
        self._meters: dict[Key, _Meter] = {}

    def beside(self, key: Key) -> float:
        """What lies beside the members of a group at its own meter, var, + injected; 0: nothing is known."""
        meter = self._meters.get(key)
        if meter is None:
            return 0.0
        return meter.residual.watts if meter.good is None else meter.good

    def held(self) -> Iterator[tuple[str, float]]:
        """The same by group, of all that were read."""
        return ((key[0], self.beside(key)) for key in self._meters)

    def carry(self, key: Key, var: float) -> None:
        """Count with that until the meter is read."""
        self._meters.setdefault(key, _Meter(Residual(var)))

    def forget(self, key: Key) -> None:
        """The group has other members than before: who they are is compared from the next reading on."""
        if (meter := self._meters.get(key)) is not None:
            meter.residual.forget()

    def drop(self, key: Key) -> None:
        """What the meter told is no knowledge of what lies beside the members."""
        self._meters.pop(key, None)

    def read(self, key: Key, row: int, rows: IntArray, heard: BoolArray, now: Instant) -> bool:
        """A group's meter was read anew. Whether it was found just now not to show what its members do.

        Args:
            key: the group and its meter.
            row: the meter's.
            rows: the members'.
            heard: who of them is heard, whether or not it tells watts, too.
            now: when.
        """
        c, here, read = self._c, span(rows), float(self._c.received[row])
        metered = float(c.var[row])
        if not np.isfinite(metered):
            return False
        meter = self._meters.setdefault(key, _Meter(Residual()))
        if not meter.residual.takes(read):
            return False
        told = known_or_zero(c.told_var[here])
        vars_ = np.where(heard, np.where(np.isnan(c.var[here]), told, c.var[here]), 0.0)
        members, before = Members(vars_, heard), self.beside(key)
        others = meter.residual.others(heard)
        usual_s = max(float(c.period_s[row]), self._config.stale_after_s)
        meter.residual.update(metered, members, filter_s=self._config.meter_filter_s, read=read, usual_s=usual_s)
        if meter.good is not None and now >= meter.until:
            meter.good = None
        if self._config.meter_check_rel <= 0:
            return False
        if others:
            meter.sight.forget()
        rating = float(np.maximum(c.var_inject, c.var_absorb)[here].sum())
        total, period_s = float(vars_.sum()), float(c.period_s[row])
        least_s = 2.0 * self._config.meter_filter_s
        good = meter.sight.look(read, metered, total, before, rating_w=rating, period_s=period_s, least_s=least_s)
        if good is None or meter.good is not None:
            return False
        meter.good, meter.until = good, now + AGAIN_S
        return True

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        for meter in self._meters.values():
            meter.residual.shift_time(seconds)
            meter.sight.forget()
            meter.until += seconds
