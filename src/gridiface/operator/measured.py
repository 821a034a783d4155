"""What came of controls: as the engine accounts for it, and what the store has of the time before this start.

The engine's accounts begin anew with the server. Owns how both are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.ports import History, PerformanceView
from gridiface.naming import by_name


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

        Raises:
            StoreUnavailable: its past cannot be read.
        """
        kept = self.performance.report(control.id)
        began = min((one.start for report in kept for one in report.intervals), default=None)
        # One that ran before has its first interval here when its devices are heard again, a while after the start.
        if began is not None and min(began, control.span.start) > self.since:
            return kept
        stored = await self.history.performance(control.id)
        return joined(control, kept, [one for one in stored if began is None or one.end <= began])


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
