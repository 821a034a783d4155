"""What is said of a split in the log of decisions: which limit cut it, what is short, what is given in full.

Owns the words and when they are news: each is said once until it changes. Changes no set-point.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.deciding.demands import Demands
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import known_or_zero
from gridiface.aggregation.splitting.solution import NodeResult, Solution
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, group_target
from gridiface.domain.clock import Instant

#: A total within this part of what was asked is there in full.
_FULL = 0.02


class Telling:
    """The record of a split.

    Args:
        columns: the fleet.
        shortfall_rel: a gap of more than this part of what is asked is a shortfall (config `shortfall_rel`).
        log: where it is said.
    """

    def __init__(self, columns: Columns, shortfall_rel: float, log: DecisionLog) -> None:
        self._c, self._shortfall_rel, self._log = columns, shortfall_rel, log

    def reach(self, asked: float, result: NodeResult) -> tuple[float, bool]:
        """What of `asked` can be reached, W, and whether that is short of it."""
        reachable = min(max(asked, result.low), result.high)
        return reachable, self._is_short(asked, reachable)

    def tell_powers(
        self, plan: Plan, solution: Solution, in_the_end: Callable[[Node], float | None], now: Instant
    ) -> None:
        """Say which limit cut a target, and where the fleet falls short of it.

        Args:
            plan: what rules.
            solution: the split.
            in_the_end: what is to be there of a node with a total once a ramp is over, W; None: nothing is said of it.
            now: when.
        """
        for node in plan.nodes():
            result = solution.results.get(node.id)
            if result is None:
                continue
            self._tell_limit(node, result, now)
            if node.bound and (asked := in_the_end(node)) is not None:
                self._tell_total(node, asked, result, now)

    def tell_vars(
        self, plan: Plan, demands: Demands, vars_: FloatArray, beside: Callable[[str], float], now: Instant
    ) -> None:
        """Say whether the reactive power that was asked of a group is there beside its active power.

        Args:
            plan: what rules.
            demands: what is asked, by node.
            vars_: what each device is told, var; NaN: nothing.
            beside: what a group's meter shows beside its members, var.
            now: when.
        """
        for node in plan.nodes():
            asked, claim = demands.requested_var.get(node.id), node.ruling.var
            if asked is None or claim is None:
                continue
            rows = node.rows[self._c.counts[node.rows]]
            total = float(np.where(np.isfinite(vars_[rows]), vars_[rows], known_or_zero(self._c.var[rows])).sum())
            total += beside(node.id)
            short = self._is_short(asked, total)
            if not self._log.news("var", node.id, value=(short, claim.control.id)):
                continue
            if short:
                reason = f"{asked:.0f} var were asked, {total:.0f} var can be given beside the active power"
                self._log.about(now, claim.control, "shortfall", reason, value=asked - total)
            else:
                self._log.about(now, claim.control, "allocated", f"{total:.0f} var in full", value=total)

    def _tell_limit(self, node: Node, result: NodeResult, now: Instant) -> None:
        cut = result.clipped
        key = None if cut is None else (cut.control_id, cut.source.identity, cut.mode, cut.watts)
        if not self._log.news("limit", node.id, value=key) or cut is None:
            return
        reason = f"{cut.source.protocol} {cut.source.program} allows {cut.watts:.0f} W".replace("  ", " ")
        where, what, who = group_target(node.id), cut.mode.value, cut.source
        self._log.add(now, where, what, "limited", reason, source=who, control_id=cut.control_id, value=cut.watts)

    def _tell_total(self, node: Node, asked: float, result: NodeResult, now: Instant) -> None:
        reachable, short = self.reach(asked, result)
        full = result.wanted is not None and abs(result.total - asked) <= _FULL * max(abs(asked), 1.0)
        leading = node.ruling.leading
        if leading is None or not (short or full):
            return
        if not self._log.news("short", node.id, value=(short, leading.control.id)):
            return
        if short:
            reason = f"{asked:.0f} W were asked, {reachable:.0f} W can be reached"
            self._log.about(now, leading.control, "shortfall", reason, value=asked - reachable)
        else:
            self._log.about(now, leading.control, "allocated", f"{asked:.0f} W in full", value=asked)

    def _is_short(self, asked: float, there: float) -> bool:
        return abs(asked - there) > max(self._shortfall_rel * abs(asked), 1.0)
