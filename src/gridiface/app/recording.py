"""What is recorded of a control step, when, and what of it goes where the store cannot write for long."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from gridiface.aggregation.config import TickResult
from gridiface.domain.controls import Decision
from gridiface.domain.ports import AppendDecisions, AppendOutcome, AppendPerformance, Change, PutControl

#: Records that wait for a store that cannot write; beyond this the oldest performance and delivery rows go first.
BACKLOG = 100_000

#: How long the record of a control step waits for its set-points to leave, s; while the loop answers timers later than
#: `_BUSY_S`, again and again, up to `_DEVICES_LAST_S`.
_DEVICES_FIRST_S, _BUSY_S, _DEVICES_LAST_S = 0.5, 0.02, 2.0


async def devices_first(handing_out: Collection[asyncio.Task[None]]) -> None:
    """Wait until a step's set-points have left, or for a short while.

    While the loop is busy with nothing but them it is longer: a record would only make them wait.
    """
    loop = asyncio.get_running_loop()
    latest = loop.time() + _DEVICES_LAST_S
    while handing_out and loop.time() < latest:
        due = loop.time() + _DEVICES_FIRST_S
        _, under_way = await asyncio.wait(handing_out, timeout=_DEVICES_FIRST_S)
        if not under_way or loop.time() - due < _BUSY_S:
            return


def decided(decisions: Sequence[Decision]) -> list[Change]:
    """The records of decisions, if there are any."""
    return [AppendDecisions(tuple(decisions))] if decisions else []


def changes_of(result: TickResult) -> list[Change]:
    """The records of one step; what is told of thousands of devices is made here (`aggregation.late`)."""
    changes: list[Change] = [AppendOutcome(outcome) for outcome in result.outcomes]
    changes += decided(result.decisions)
    if result.performance:
        changes.append(AppendPerformance(tuple(result.performance)))
    return changes


def trimmed(changes: list[Change], most: int = BACKLOG) -> list[Change]:
    """At most `most` changes: controls and outcomes stay, the oldest of the rest go."""
    surplus = len(changes) - most
    if surplus <= 0:
        return changes
    kept: list[Change] = []
    for change in changes:
        if surplus and not isinstance(change, PutControl | AppendOutcome):
            surplus -= 1
            continue
        kept.append(change)
    return kept
