"""What the meters of groups see beside their members: loads and generation that nobody commands.

A group's total is what its metered point shows. Where a group has no meter of its own, the meters of the groups inside
it count, each outermost one; so a control of a whole fleet and one of a feeder speak of the same watts. The difference
between a meter and its members is smoothed, as the two are not read at one instant.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.closed_loop import Residual
from gridiface.aggregation.columns import Columns
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.fleet import Fleet
from gridiface.aggregation.limits import Envelope, known_or_zero
from gridiface.aggregation.log import DecisionLog, group_target
from gridiface.aggregation.rollup import speaks
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind


class Metering:
    """The residuals of all groups with meters. `beside` takes the newest readings in; `known` and `last` only look."""

    def __init__(self, columns: Columns, fleet: Fleet, config: EngineConfig, log: DecisionLog) -> None:
        self._c, self._fleet, self._config, self._log = columns, fleet, config, log
        self._residuals: dict[str, Residual] = {}

    def beside(self, group_id: str, bounds: Envelope, now: Instant) -> float:
        """What lies beside the members of a group at its metered points now, W, + delivered; 0 without a meter.

        Members count as the solver counts them: see `Envelope.held`.
        """
        return sum(self._take(each, bounds, now) for each in self._fleet.metered(group_id))

    def known(self, target: Target, bounds: Envelope, now: Instant) -> float:
        """The same of any target, and nothing is changed: what was smoothed lately, else as it is read now."""
        if target.kind is not TargetKind.GROUP:
            return 0.0
        return sum(self._look(each, bounds, now) for each in self._fleet.metered(target.id))

    def last(self, group_id: str) -> float:
        """What the group's own meter saw beside its members when that was looked at last, W."""
        residual = self._residuals.get(group_id)
        return 0.0 if residual is None else residual.watts

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        for residual in self._residuals.values():
            residual.read += seconds
            if residual.at is not None:
                residual.at += seconds

    def _take(self, group_id: str, bounds: Envelope, now: Instant) -> float:
        c, meter = self._c, self._meter(group_id)
        alive = speaks(c, meter)
        if self._log.news("meter", group_id, value=alive) and not alive:
            silent = "not to be believed" if c.quarantined[meter] else "silent"
            reason = f"the group's meter is {silent}: the sum of its members stands in"
            self._log.add(now, group_target(group_id), "meter", "lost", reason)
        if c.quarantined[meter]:
            self._residuals.pop(group_id, None)  # what it told is no knowledge of what lies beside the members
        elif alive:
            residual, read = self._residuals.setdefault(group_id, Residual()), float(c.received[meter])
            if residual.takes(read):
                members, smoothing = self._members(group_id, bounds), self._config.meter_filter_s
                residual.update(float(c.w[meter]), members, now, filter_s=smoothing, read=read)
        return self.last(group_id)

    def _look(self, group_id: str, bounds: Envelope, now: Instant) -> float:
        c, meter, residual = self._c, self._meter(group_id), self._residuals.get(group_id)
        recent = residual is not None and residual.at is not None and now - residual.at < self._config.meter_filter_s
        if recent or (residual is not None and not residual.takes(float(c.received[meter]))) or not speaks(c, meter):
            return 0.0 if c.quarantined[meter] else self.last(group_id)
        return float(c.w[meter]) - self._members(group_id, bounds)

    def _members(self, group_id: str, bounds: Envelope) -> float:
        """What the members of a group give, W: as read, else as told; who cannot be asked as the envelope holds it."""
        c, rows = self._c, self._fleet.rows(group_id)
        counted = rows[c.counts[rows]]
        shown = np.where(np.isfinite(c.w[counted]), c.w[counted], known_or_zero(c.told_w[counted]))
        return float(np.where(bounds.free[counted], shown, bounds.held[counted]).sum())

    def _meter(self, group_id: str) -> int:
        """The row of a group's meter, one of those that `Fleet.metered` names."""
        meter = self._fleet.meter(group_id)
        assert meter is not None
        return meter
