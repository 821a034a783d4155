"""Who rules, and what everybody will do, at an instant that is still to come: nothing is changed or told.

The same planner and solver as the control step, over the lasting envelope (no ramps, nothing measured later).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.arbitration import Claim
from gridiface.aggregation.deciding.changes import Changes
from gridiface.aggregation.deciding.demands import Demands
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.deciding.planner import Planner
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.deciding.setpoints import Orders
from gridiface.aggregation.envelope.limits import lasting_envelope
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.slices import Slices, at_once
from gridiface.aggregation.splitting.parts import by_itself
from gridiface.aggregation.splitting.solution import Settings, Solution
from gridiface.aggregation.splitting.solver import Solver
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind


class BookAhead:
    """The controls as they will stand at `at`; a `planner.Book`."""

    def __init__(self, book: ControlBook, at: Instant) -> None:
        self._book, self._at = book, at

    def get(self, control_id: str) -> Entry | None:
        """See `ControlBook.get`."""
        return self._book.get(control_id)

    def targets(self) -> set[Target]:
        """Whom controls speak of then."""
        running = {entry.control.target for entry in self._book.ahead() if entry.control.span.contains(self._at)}
        return running | self._book.default_targets()

    def group_targets(self) -> set[Target]:
        """Those of them that are groups."""
        return {target for target in self.targets() if target.kind is TargetKind.GROUP}

    def stands(self, target: Target) -> bool:
        """Whether a control runs for a target then, or a default stands."""
        running = any(entry.control.span.contains(self._at) for entry in self._book.live(target))
        return running or bool(self._book.default_claims(target))

    def changes(self) -> Changes:
        """None: a plan of it is the first one."""
        return Changes()

    def claims(self, target: Target) -> list[Claim]:
        """The modes that controls claim of this target then."""
        return [c for e in self._book.live(target) if e.control.span.contains(self._at) for c in e.claims]

    def default_claims(self, target: Target) -> list[Claim]:
        """See `ControlBook.default_claims`."""
        return self._book.default_claims(target)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Who rules at an instant, on whose behalf devices are told, and what they are told."""

    plan: Plan
    demands: Demands
    orders: Orders
    solution: Solution


class Foresight:
    """Looks ahead of one fleet.

    Args:
        columns, book, fleet, schedules: the fleet, its controls, its groups, the local schedule.
        ruling: who plans now; strategies chosen there count.
        config: settings.
    """

    def __init__(
        self,
        columns: Columns,
        book: ControlBook,
        fleet: Fleet,
        schedules: Schedules,
        ruling: Planner,
        config: EngineConfig,
    ) -> None:
        self._c, self._book, self._fleet, self._config = columns, book, fleet, config
        self._schedules, self._ruling = schedules, ruling

    def at(self, at: Instant, beside_w: Callable[[str], float]) -> Ahead:
        """What holds at an instant, at once.

        Args:
            at: when.
            beside_w: what lies beside a group's members at its metered points, W, by the group's id.
        """
        return at_once(self.looking(at, beside_w))

    def looking(self, at: Instant, beside_w: Callable[[str], float]) -> Slices[Ahead]:
        """The same, in slices of a few milliseconds."""
        c, config, orders = self._c, self._config, Orders()
        bounds = lasting_envelope(c, config.hold_time_s, config.soc_derate)
        planner = Planner(c, BookAhead(self._book, at), orders, self._schedules.ahead(at), self._fleet.shares)
        planner.chosen = self._ruling.chosen
        beside = cache(beside_w)
        plan, demands = yield from planner.making(self._fleet.tree, self._fleet.rows, beside, config, bounds, at)
        yield ()
        settings = Settings.of(config)
        residuals = {node.id: Beside.steady(beside(node.id)) for node in plan.nodes()}
        solution = Solver(c, plan, bounds, lambda node: demands.requested_w[node.id], residuals, settings).solve()
        # Who is told something now, and nothing then, does what it does by itself.
        let_go = np.flatnonzero((plan.order < 0) & c.told & bounds.free)
        alone = by_itself(c, let_go)
        solution.will[let_go] = np.where(np.isfinite(alone), alone, bounds.base[let_go])
        return Ahead(plan, demands, orders, solution)
