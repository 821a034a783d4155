"""Keeps devices that cannot follow a fast service out of it: they fetch what they are told, or are told too seldom.

A device that polls would take its share of a fast response when the event is over, and of regulation when the signal
is another one long since. It keeps what it was told, or does as it does by
itself, and the quick ones carry the signal; where a fast signal stands around a slower set-point, the slow ones have
their share of that. A limit still reaches them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.deciding.arbitration import Claim
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import FASTEST_FIRST, Columns
from gridiface.aggregation.state.log import DecisionLog
from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, ServiceClass


def quick_only(columns: Columns, rows: IntArray, bounds: Envelope, service: ServiceClass) -> Envelope:
    """The envelope in which those of `rows` that are too slow for a service cannot be asked."""
    slow = _too_slow(columns, rows, service)
    if not slow.size:
        return bounds
    free = bounds.free.copy()
    free[slow] = False
    return replace(bounds, free=free)


class Quickness:
    """Of one control step.

    Args:
        columns: the fleet.
        plan: who rules.
        bounds: the envelope; what `bounds` holds afterwards keeps slow devices where they are.
    """

    def __init__(self, columns: Columns, plan: Plan, bounds: Envelope) -> None:
        self._c, self._whole = columns, bounds
        found = [(node, service) for node in plan.nodes() if (service := _service(node)) is not None]
        if not (found and columns.slow.any()):
            found = []
        slow = [(node, _too_slow(columns, node.loose[bounds.free[node.loose]], service)) for node, service in found]
        self._nodes = [(node, rows) for node, rows in slow if rows.size]
        self._limited = any(node.limits.any for node in plan.nodes())
        self.bounds = bounds

    def keep(self, solve: Callable[[Callable[[Node], float]], FloatArray], targets: Callable[[Node], float]) -> None:
        """Work out `bounds`.

        Args:
            solve: powers of all rows where each node is asked so much, W; called where a fast signal stands around a
                set-point that is none.
            targets: what each node is asked, W.
        """
        if not self._nodes:
            return
        c, whole = self._c, self._whole
        lo, hi, free = whole.near_lo.copy(), whole.near_hi.copy(), whole.free.copy()
        around = {node.id: claim.value.value for node, _ in self._nodes if (claim := _signal_around(node)) is not None}
        slower = solve(lambda node: targets(node) - around.get(node.id, 0.0)) if around else None
        for node, rows in self._nodes:
            stay = c.told_w[rows]
            if slower is not None and node.id in around:
                stay = slower[rows]
            elif _service(node) is ServiceClass.REGULATION:  # it may stand for hours: they are let go of
                stay = np.where(c.natural[rows] | (not self._limited), np.nan, whole.base[rows])
            untold = np.isnan(stay)
            alone = rows[untold & c.natural[rows]] if self._limited else rows[untold]
            if not self._limited:
                free[alone] = False
            kept = np.setdiff1d(rows, alone, assume_unique=True)
            at = np.where(untold, whole.position[rows], stay)[np.isin(rows, kept)]
            lo[kept] = hi[kept] = np.clip(at, whole.lo[kept], whole.hi[kept])
        self.bounds = replace(whole, near_lo=lo, near_hi=hi, free=free)

    def account(self, solution: Solution, log: DecisionLog, now: Instant) -> None:
        """What can be reached does not count what slow devices could still do; who is left out is said once."""
        for node, rows in self._nodes:
            result, fast = solution.results.get(node.id), _fastest(node)
            if result is None or fast is None:
                continue
            stays = np.where(self.bounds.free[rows], self.bounds.near_hi[rows], self._c.held[rows])
            up = float((self._whole.hi[rows] - stays).sum())
            down = float((stays - self._whole.lo[rows]).sum())
            quick = node.rows[self.bounds.free[node.rows]]
            rest = result.total - float(solution.watts[quick][np.isfinite(solution.watts[quick])].sum())
            high = rest + float(np.where(np.isin(quick, rows), self.bounds.near_hi[quick], self._whole.hi[quick]).sum())
            low = rest + float(np.where(np.isin(quick, rows), self.bounds.near_lo[quick], self._whole.lo[quick]).sum())
            solution.results[node.id] = replace(
                result,
                high=max(min(result.high, high), result.low),
                low=min(max(result.low, low), result.high),
            )
            control = fast.control
            # A regulation signal is a new control every few seconds.
            once = control.source.program if control.service_class is ServiceClass.REGULATION else control.id
            if log.news("slow", node.id, value=(once, rows.size)):
                reason = (
                    f"{rows.size} members are too slow for {control.service_class.value} and stay as they are: "
                    f"{up:.0f} W up, {down:.0f} W down"
                )
                log.about(now, control, "left out", reason)


def _fastest(node: Node) -> Claim | None:
    """The claim of the fastest of the fast services that a node is asked a power by."""
    asked = [one for one in node.ruling.powers if one.control.service_class in FAST]
    return min(asked, key=lambda one: FASTEST_FIRST.index(one.control.service_class), default=None)


def _service(node: Node) -> ServiceClass | None:
    fast = _fastest(node)
    return None if fast is None else fast.control.service_class


def _too_slow(columns: Columns, rows: IntArray, service: ServiceClass) -> IntArray:
    return rows[columns.slow[rows] > FASTEST_FIRST.index(service)] if service in FASTEST_FIRST else rows[:0]


def _signal_around(node: Node) -> Claim | None:
    """A fast signal around set-points that are not fast themselves."""
    ruling = node.ruling
    named = [*ruling.shared.values(), *([] if ruling.power is None else [ruling.power])]
    if not named or any(one.control.service_class in FAST for one in named):
        return None
    return ruling.regulation
