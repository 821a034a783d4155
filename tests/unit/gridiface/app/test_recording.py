"""What is recorded of a step and when, and what goes first where the store cannot write for long."""

from __future__ import annotations

import asyncio

from gridiface.aggregation.config import TickResult
from gridiface.app.recording import changes_of, devices_first, trimmed
from gridiface.domain.controls import Decision, Outcome, OutcomeKind, Source, Target, TargetKind
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.ports import AppendDecisions, AppendDeliveries, AppendOutcome, AppendPerformance, Change

OUTCOME = Outcome(control_id="c", kind=OutcomeKind.STARTED, at=1.0, device_id="a")
DECISION = Decision(
    at=1.0,
    target=Target(TargetKind.DEVICE, "a"),
    signal="set_w",
    source=Source(protocol="sep2"),
    verdict="accepted",
    reason="will run",
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
    assert found == [AppendOutcome(OUTCOME), AppendDecisions((DECISION,)), AppendPerformance((INTERVAL,))]
    assert changes_of(TickResult()) == []


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
