"""What came of controls: as the engine accounts for it, and what the store has of the time before this start.

The engine's accounts begin anew with the server. Owns how both are put together.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Control
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.ports import History, PerformanceView
from gridiface.naming import by_name

#: Reports of running controls after which others have their turn.
TURN = 500


@dataclass(slots=True)
class Measured:
    """The reports of one server's controls.

    Attributes:
        performance: the engine's accounts.
        history: the store.
        since: when the surface began; what began later is wholly in the accounts.
    """

    performance: PerformanceView
    history: History
    since: Instant = float("-inf")

    async def reports(self, control: Control) -> Sequence[PerformanceReport]:
        """One report per target, the control's own first; empty where it never ran.

        In the fast services of its own target alone: devices' lines go on from one control to the next.

        Raises:
            StoreUnavailable: its past cannot be read.
        """
        fast = control.service_class in FAST
        kept = await self._kept(control.id, devices=not fast)
        begins = {report.target_id: report.intervals[0].start for report in kept if report.intervals}
        began = min(begins.values(), default=math.inf)
        # One that ran before has its first interval here when its devices are heard again, a while after the start.
        later = not control.is_default and min(began, control.span.start) > self.since
        if begins and later and all(report.whole for report in kept):
            return kept
        stored = await self.history.performance(control.id)
        if fast:
            stored = [one for one in stored if one.target_id == control.target.id]
        before = [one for one in stored if one.end <= begins.get(one.target_id, began)]
        # Of a hundred thousand devices their order alone takes a second: others have their turn meanwhile.
        return await asyncio.to_thread(joined, control, kept, before)

    async def _kept(self, control_id: str, *, devices: bool) -> list[PerformanceReport]:
        """The engine's account; of thousands of devices it is made in parts, between which others have their turn."""
        kept = []
        for report in self.performance.report(control_id, devices=devices):
            kept.append(report)
            if len(kept) % TURN == 0:
                await asyncio.sleep(0)
        return kept


def joined(
    control: Control, kept: Sequence[PerformanceReport], stored: Sequence[PerformanceInterval]
) -> list[PerformanceReport]:
    """Reports of what was kept, and of what was stored before it; the control's own target first, then by name."""
    lines: dict[str, list[PerformanceInterval]] = {}
    for interval in stored:
        lines.setdefault(interval.target_id, []).append(interval)
    for report in kept:
        lines.setdefault(report.target_id, []).extend(report.intervals)
    own = lines.pop(control.target.id, [])
    listed = [*([(control.target.id, own)] if own else []), *by_name(lines)]
    return [
        PerformanceReport(control_id=control.id, target_id=target, intervals=tuple(intervals))
        for target, intervals in listed
    ]
