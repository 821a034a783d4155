"""What holds for each running control now, for its account: asked, accepted, told, delivered, and what its limits do.

Reads the plan and the columns, changes nothing. Of single devices, of which thousands may have controls of their own,
it is made for all of them together; what rides on others or shares a device is made one by one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gridiface.aggregation.accounting.accounts import sample_of
from gridiface.aggregation.accounting.capping import capped
from gridiface.aggregation.accounting.riding import Moved, Rides, Split, of_part, of_signal, without_signal
from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.accounting.single_accounts import SingleAccounts
from gridiface.aggregation.accounting.single_samples import Samples
from gridiface.aggregation.accounting.standing import Standing
from gridiface.aggregation.deciding.arbitration import Claim, Ruling, asks_power
from gridiface.aggregation.deciding.demands import Demands
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.plan import Plan, empty_plan
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.single_looks import SingleLooks
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.stepper import Stepper
from gridiface.domain.clock import Instant
from gridiface.domain.controls import LIMIT_MODES, Target, TargetKind


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of one total, W, regulation included; what of it is accepted; the range that can be had."""

    ruling: Ruling
    total_w: float
    accepted_w: float | None
    low_w: float = -math.inf
    high_w: float = math.inf


def set_points(ruling: Ruling) -> list[Claim]:
    """The claims that name a power: of the whole, or of a part reserved to a program."""
    return [claim for claim in (ruling.power, *ruling.shared.values()) if claim is not None]


class Sampling:
    """Looks at one engine's controls.

    Args:
        columns, book, fleet: of the engine.
        stepper: what the last step came to.
        metering: what lies beside a group's members.
    """

    def __init__(self, columns: Columns, book: ControlBook, fleet: Fleet, stepper: Stepper, metering: Metering) -> None:
        self._c, self._book, self._fleet = columns, book, fleet
        self._stepper, self._metering = stepper, metering
        self._moved = Moved()
        self._looks = SingleLooks(columns, fleet.stale_after_s, self._has_lost)
        self._now = 0.0
        self._plan, self._demands = empty_plan(columns), Demands()
        self._standing: Mapping[str, Standing] = {}
        self._splits: dict[Target, Split] = {}

    def at(self, plan: Plan, demands: Demands, standing: Mapping[str, Standing], now: Instant) -> Sampling:
        """These looks, at `now`: they stand until something changes."""
        self._plan, self._demands, self._standing, self._now = plan, demands, standing, now
        self._splits.clear()
        return self

    def singles(self, accounts: SingleAccounts) -> Samples:
        """What holds for all controls of single devices."""
        return self._looks.look(accounts, self._plan, self.one, self._now)

    def _has_lost(self, control_id: str) -> bool:
        """Whether a control has lost modes to another one for good."""
        entry = self._book.get(control_id)
        return entry is None or bool(entry.dead)

    def one(self, control_id: str) -> Sample | None:
        """What holds for a control; None while it asks for a power and another control's power rules, and that is all.

        What limits it sets hold all the same: meanwhile its account is that of a control of limits alone.
        """
        stands, entry, now = self._standing.get(control_id), self._book.get(control_id), self._now
        if stands is not None:
            target, values = stands.control.target, stands.values
        elif entry is not None:
            target, values = entry.control.target, entry.values
        else:
            return None
        asked = self._asked(target, now)
        claims = [] if asked is None else set_points(asked.ruling)
        named = control_id in {one.control.id for one in claims}
        signal = None if asked is None else asked.ruling.regulation
        signals = signal is not None and signal.control.id == control_id
        covered = not (named or signals) and asks_power(values)
        if covered and LIMIT_MODES.isdisjoint(values):
            return None
        total = self._fleet.total(target, self._metering.last, now)
        rows = self._fleet.rows_of(target)
        requested, accepted = (None, None) if asked is None or not named else (asked.total_w, asked.accepted_w)
        lines = self._fleet.counted(target) if stands is None and not covered else None
        sample = sample_of(self._c, rows, total, requested, accepted, lines)
        limits = capped(self._c, rows, values, total)
        if limits is not None:
            bounded_w = sample.delivered_w if named or signals else limits.w
            sample = replace(sample, capped=limits, delivered_w=bounded_w)
        if asked is not None and signal is not None and named is not signals:
            rides = self._rides(target, asked, signal, now)
            if (split := self._splits.get(target)) is None:
                split = self._splits[target] = Split.of(sample, rides, self._c, rows)
            if signals:
                return of_signal(sample, rides, split)
            sample = without_signal(sample, rides, split)
        part = self._demands.parts.get(control_id)
        if part is None:
            return sample
        given = sum(
            other.now(now)
            for name, other in self._demands.parts.items()
            if (beside := self._book.get(name)) is not None and beside.control.target == target
        )
        sample = of_part(sample, part.now(now), part.share, given, self._c)
        return replace(sample, requested_w=part.begun.on_its_way(part.asked, now), accepted_w=part.now(now))

    def _rides(self, target: Target, asked: _Asked, signal: Claim, now: Instant) -> Rides:
        """The signal on what is asked of a target. With nothing beside it, all that the total moves is its own."""
        alone = asked.ruling.power is None and not asked.ruling.shared
        moved = self._moved.by(target, signal.value.value, now)
        return Rides.of(asked.total_w, signal.value.value, asked.low_w, asked.high_w, math.inf if alone else moved)

    def _asked(self, target: Target, now: Instant) -> _Asked | None:
        """What is asked of a target now; None while nobody asks for a power."""
        if target.kind is TargetKind.DEVICE:
            row = self._c.row.get(target.id)
            ruling = None if row is None else self._plan.rulings.get(row)
            if row is None or ruling is None or ruling.leading is None:
                return None
            told = float(self._c.told_w[row])
            return _Asked(
                ruling,
                float(self._plan.device_w[row]),
                told if math.isfinite(told) else None,
                float(self._plan.device_low[row]),
                float(self._plan.device_high[row]),
            )
        node = self._plan.node(target.id)
        if node is None or node.ruling.leading is None:
            return None
        requested = self._stepper.requested(node, self._demands, now)
        result = self._stepper.results.get(node.id)
        if result is None:
            return _Asked(node.ruling, requested, requested)
        accepted = min(max(requested, result.low), result.high)
        return _Asked(node.ruling, requested, accepted, result.low, result.high)
