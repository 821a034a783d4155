"""What a target could deliver if it were asked: for the answer to a control, before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gridiface.aggregation.allocate import IntArray, Problem, strategy
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.arbitration import kind_of
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.requests import capacity, limit_w, requested_w
from gridiface.aggregation.envelope import timed
from gridiface.aggregation.envelope.limits import FIELD_OF, Envelope, kept_envelope, lasting_envelope
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.splitting.quickness import quick_only
from gridiface.aggregation.state.columns import Columns, charge_of
from gridiface.aggregation.state.log import group_target
from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import (
    FAST,
    LIMIT_MODES,
    Acceptance,
    Control,
    ControlMode,
    Share,
    Target,
    TargetKind,
    Verdict,
)
from gridiface.domain.fleet import Group


@dataclass(frozen=True, slots=True)
class Prospect:
    """Requested and feasible total, W; None where no power is asked for.

    `around_w`: of a regulation signal both are changes, of this total; None: they are totals.
    """

    requested_w: float | None = None
    feasible_w: float | None = None
    short: bool = False
    around_w: float | None = None

    @property
    def reason(self) -> str:
        """What is to be told where it falls short."""
        if self.around_w is None:
            return f"{self.feasible_w:.0f} W of {self.requested_w:.0f} W can be held for its duration"
        return f"{self.feasible_w:+.0f} W of {self.requested_w:+.0f} W can be done around {self.around_w:.0f} W"

    def onto(self, answer: Acceptance) -> Acceptance:
        """The answer with what was found; a promise of a part where it falls short."""
        found = replace(answer, feasible_w=self.feasible_w, requested_w=self.requested_w)
        if not self.short:
            return found
        kept = f"{self.reason}; {answer.reason}" if answer.reason else self.reason
        return replace(found, verdict=Verdict.PARTIAL, reason=kept)


class Feasibility:
    """Answers from the fleet's present state; pure."""

    def __init__(
        self,
        columns: Columns,
        book: ControlBook,
        fleet: Fleet,
        metering: Metering,
        config: EngineConfig,
        strategy_of: Callable[[Group, EngineConfig], str],
        standing_w: Callable[[Target], float | None],
    ) -> None:
        """An answerer.

        Args:
            columns, book, fleet, metering, config: the fleet, the controls, the groups, meters, settings.
            strategy_of: the name of a group's strategy.
            standing_w: what a target is asked now but for regulation, W; None: nothing.
        """
        self._c, self._book, self._fleet, self._metering, self._config = columns, book, fleet, metering, config
        self._strategy_of, self._standing_w = strategy_of, standing_w

    def of(self, control: Control, now: Instant) -> Prospect:
        """How much of a control's power its target can hold for the whole span: power x duration <= energy."""
        asked = next(((m, v) for m, v in control.values.items() if kind_of(m, v) == "power"), None)
        rows = self._fleet.rows_of(control.target)
        if asked is None and rows.size and (signal := control.values.get(ControlMode.REGULATION)) is not None:
            return self._of_signal(control, signal.value, rows)
        if asked is None or not rows.size:
            return Prospect()
        span_s = control.span.end - max(control.span.start, now)
        hold_s = max(self._config.hold_time_s, span_s) if np.isfinite(span_s) else self._config.hold_time_s
        begins, margin = max(control.span.start, now), self._config.departure_margin
        bounds = lasting_envelope(self._c, hold_s, self._config.soc_derate, at=begins, margin=margin)
        timed.keep_curves(self._c, bounds.lo, hold_s)
        self._leave_out(bounds, rows, control.span)
        if control.service_class in FAST:
            bounds = quick_only(self._c, rows, bounds, control.service_class)
        beside_w = self._metering.known(control.target)
        sums = capacity(self._c, rows, bounds).with_beside(beside_w).part(self._part(control))
        requested = requested_w(*asked, sums, start=sums, span_s=max(control.span.end - control.span.start, 1e-9))
        bottom, top = self._limits(control, bounds)
        feasible = min(max(requested, sums.low_w, bottom), sums.high_w, top)
        short = abs(requested - feasible) > max(self._config.shortfall_rel * abs(requested), 1.0)
        return Prospect(requested, feasible, short)

    def _of_signal(self, control: Control, change_w: float, rows: IntArray) -> Prospect:
        """How much of a regulation signal can be done around the set-point that rules, now: the next one comes soon."""
        bounds = kept_envelope(self._c, self._config.hold_time_s, self._config.soc_derate)
        if control.service_class in FAST:
            bounds = quick_only(self._c, rows, bounds, control.service_class)
        sums = capacity(self._c, rows, bounds).with_beside(self._metering.known(control.target))
        standing = self._standing_w(control.target)
        around = sums.base_w if standing is None else standing
        bottom, top = self._limits(control, bounds)
        low, high = max(sums.low_w, bottom), min(sums.high_w, top)
        feasible = min(max(around + change_w, low), high) - min(max(around, low), high)
        short = abs(change_w - feasible) > max(self._config.shortfall_rel * abs(change_w), 1.0)
        return Prospect(change_w, feasible, short, around)

    def shares(self, control: Control, now: Instant) -> list[Share]:
        """How the feasible power would be split over the target's devices as they are now; empty: no power is asked.

        A forecast: the control step follows with ramps, nested caps and what was split before.
        """
        prospect, rows = self.of(control, now), self._fleet.rows_of(control.target)
        if prospect.feasible_w is None:
            return []
        config = self._config
        bounds = lasting_envelope(
            self._c, config.hold_time_s, config.soc_derate, at=now, margin=config.departure_margin
        )
        self._leave_out(bounds, rows, control.span)
        beside_w = self._metering.known(control.target)
        counted = rows[self._c.counts[rows]]
        free, held = counted[bounds.free[counted]], counted[~bounds.free[counted]]
        group = self._fleet.tree.groups.get(control.target.id) if control.target.kind is TargetKind.GROUP else None
        problem = Problem(
            target=(prospect.around_w or 0.0) + prospect.feasible_w - float(bounds.held[held].sum()) - beside_w,
            lo=bounds.lo[free],
            hi=bounds.hi[free],
            base=bounds.base[free],
            weight=bounds.weight[free],
            tier=self._c.tier[free],
            charge=charge_of(self._c, free),
            running=np.abs(self._c.told_w[free]) > 0,
        )
        chosen = self._config.strategy if group is None else self._strategy_of(group, self._config)
        watts = strategy(chosen).split(problem)
        found = [
            Share(device_id=name, w=share, now_w=None if now_w != now_w else now_w)  # noqa: PLR0124 - NaN
            for name, share, now_w in zip(
                self._c.ids[free].tolist(), watts.tolist(), self._c.w[free].tolist(), strict=True
            )
        ]
        found += [Share(device_id=name, w=None, now_w=None) for name in self._c.ids[held].tolist()]
        return sorted(found, key=lambda share: share.device_id)

    def _leave_out(self, bounds: Envelope, rows: IntArray, span: Interval) -> None:
        """Who has told that it takes no part in some of a span is not counted on in it; in place."""
        away = [row for row in rows.tolist() if any(one.overlaps(span) for one in self._c.devices[row].away)]
        bounds.lo[away] = bounds.hi[away] = bounds.base[away] = 0.0

    def _part(self, control: Control) -> float:
        """The part of its target's power that a control has: what is reserved to its program, or what is left."""
        reserved = self._fleet.shares(control.target)
        lane = self._fleet.lane(control)
        if lane:
            return reserved[lane]
        rivals = (entry.control for entry in self._book.live(control.target))
        beside = any(self._fleet.lane(one) and one.span.overlaps(control.span) for one in rivals)
        return max(0.0, 1.0 - sum(reserved.values())) if beside else 1.0

    def _limits(self, control: Control, bounds: Envelope) -> tuple[float, float]:
        """(low, high) of the target's total from the limits that will stand with the control, W."""
        tops, bottoms = [np.inf], [np.inf]
        for target in self._around(control.target):
            group = self._fleet.tree.groups.get(target.id) if target.kind is TargetKind.GROUP else None
            if group is not None and group.max_export_w is not None:
                tops.append(group.max_export_w)
            if group is not None and group.max_import_w is not None:
                bottoms.append(group.max_import_w)
            values = [(claim.mode, claim.value) for claim in self._book.claims(target)]
            if target == control.target:
                values += list(control.values.items())
            limits = [(mode, value) for mode, value in values if mode in LIMIT_MODES]
            if not limits:
                continue
            sums = capacity(self._c, self._fleet.rows_of(target), bounds)
            for mode, value in limits:
                upward = FIELD_OF[mode] in ("export", "generation")
                (tops if upward else bottoms).append(limit_w(mode, value, sums.set_max_w))
        return -min(bottoms), min(tops)

    def _around(self, target: Target) -> list[Target]:
        """The target and, for a group, those around it; a device is bounded by the groups that hold it."""
        tree = self._fleet.tree
        if target.kind is TargetKind.DEVICE:
            return [target, *(group_target(name) for name in tree.around(target.id))]
        return [target, *(group_target(name) for name in tree.ancestors(target.id))]
