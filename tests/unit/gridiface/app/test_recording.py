"""What is recorded of a step and when, and what goes first where the store cannot write for long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from gridiface.aggregation.config import TickResult
from gridiface.aggregation.late import Late
from gridiface.app.recording import PART, changes_of, devices_first, in_parts, trimmed
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, Decision, Outcome, OutcomeKind, Source, Target, TargetKind
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.ports import (
    AppendDecisions,
    AppendDeliveries,
    AppendOutcome,
    AppendPerformance,
    Change,
    PutControl,
)

OUTCOME = Outcome(control_id="c", kind=OutcomeKind.STARTED, at=1.0, device_id="a")
DECISION = Decision(
    at=1.0,
    target=Target(TargetKind.DEVICE, "a"),
    signal="set_w",
    source=Source(protocol="sep2"),
    verdict="accepted",
    reason="will run",
)
CONTROL = Control(
    id="c",
    source=Source(protocol="sep2"),
    target=Target(TargetKind.GROUP, "all"),
    values={},
    interval=Interval(0.0, 60.0),
    created=0.0,
)
INTERVAL = PerformanceInterval(
    control_id="c",
    target_id="a",
    start=0.0,
    end=1.0,
    requested_w=1.0,
    accepted_w=1.0,
    allocated_w=1.0,
    acknowledged_w=None,
    delivered_w=None,
)


def test_a_step_is_recorded_with_what_was_told_decided_and_measured() -> None:
    found = changes_of(TickResult(outcomes=(OUTCOME,), decisions=(DECISION,), performance=(INTERVAL,)))
    assert list(found) == [AppendDecisions((DECISION,)), AppendOutcome(OUTCOME), AppendPerformance((INTERVAL,))]
    assert list(changes_of(TickResult())) == []


def test_what_thousands_of_devices_did_is_made_and_recorded_in_parts() -> None:
    made: list[int] = []

    def outcomes() -> Iterator[Outcome]:
        for number in range(3 * PART):
            made.append(number)
            yield replace(OUTCOME, device_id=f"d{number}")

    def performance() -> Iterator[PerformanceInterval]:
        return (replace(INTERVAL, target_id=f"d{number}") for number in range(2 * PART + 1))

    over = PutControl(CONTROL)
    result = TickResult(outcomes=Late(outcomes), decisions=(DECISION,), performance=Late(performance))
    parts = in_parts(changes_of(result), [over])
    first = next(parts)
    assert len(first) == PART
    assert len(made) <= PART + 1
    rest = list(parts)
    rows = [sum(len(c.intervals) if isinstance(c, AppendPerformance) else 1 for c in part) for part in (first, *rest)]
    assert max(rows) <= PART
    assert sum(rows) == 3 * PART + 1 + 2 * PART + 1 + 1
    assert rest[-1][-1] == over
    assert list(in_parts([], [])) == []


def test_where_too_much_waits_outcomes_stay_and_the_oldest_of_the_rest_go() -> None:
    waiting: list[Change] = [AppendDeliveries(()), AppendOutcome(OUTCOME), AppendPerformance(()), AppendDecisions(())]
    assert trimmed(waiting, 4) == waiting
    assert trimmed(waiting, 2) == [AppendOutcome(OUTCOME), AppendDecisions(())]
    assert trimmed([AppendOutcome(OUTCOME)] * 3, 2) == [AppendOutcome(OUTCOME)] * 3


async def test_a_record_waits_for_its_set_points_to_leave() -> None:
    left = asyncio.Event()

    async def leave() -> None:
        await asyncio.sleep(0)
        left.set()

    await devices_first([asyncio.get_running_loop().create_task(leave())])
    assert left.is_set()


async def test_set_points_that_do_not_leave_hold_a_record_up_for_a_short_while_only() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    stuck = asyncio.get_running_loop().create_task(never())
    await devices_first([stuck])
    assert not stuck.done()
    stuck.cancel()
