"""What is recorded of a step and when, and what goes first where the store cannot write for long."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gridiface.aggregation.accounting.device_lines import FIGURES, UNTIL, DeviceLines
from gridiface.aggregation.deciding.late import Late
from gridiface.aggregation.tick_result import TickResult
from gridiface.app.dispatching.device_lines import documents_of, lines_of
from gridiface.app.dispatching.recording import PART, changes_of, devices_first, in_parts, left_behind, trimmed
from gridiface.domain.changes import (
    AppendDecisions,
    AppendDeliveries,
    AppendOutcome,
    AppendPerformance,
    Change,
    DeleteDocument,
    Document,
    PutControl,
    PutDocument,
)
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, Decision, Outcome, OutcomeKind, Source, Target, TargetKind
from gridiface.domain.performance import PerformanceInterval

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


def lines(count: int, *, over: bool = False) -> DeviceLines:
    ids = np.array([f"d{number}" for number in range(count)], dtype=np.object_)
    return DeviceLines("c", ids, np.ones((FIGURES, count)), over)


def test_the_lines_of_devices_are_kept_together_with_the_intervals_of_their_target() -> None:
    decisions = tuple(replace(DECISION, at=float(number)) for number in range(PART))
    result = TickResult(decisions=decisions, performance=(INTERVAL,), lines=(lines(3),))
    parts = list(in_parts(changes_of(result)))
    assert [[type(change) for change in part] for part in parts] == [
        [AppendDecisions],
        [AppendPerformance, PutDocument],
    ]


def test_the_lines_of_a_control_that_ended_are_kept_until_all_of_them_are_recorded() -> None:
    performance = tuple(replace(INTERVAL, target_id=f"d{number}") for number in range(2 * PART))
    result = TickResult(performance=performance, lines=(lines(2 * PART, over=True),))
    changes = [change for part in in_parts(changes_of(result)) for change in part]
    kinds = [type(change) for change in changes]
    assert kinds == [AppendPerformance, PutDocument, AppendPerformance, DeleteDocument]
    assert changes[1].key == changes[3].key  # type: ignore[union-attr]  # the kinds are told above


def test_what_a_server_that_died_left_is_recorded_and_forgotten() -> None:
    kept = replace(lines(PART + 1))
    kept.figures[UNTIL] = 2.0
    (document,) = documents_of(kept)
    assert isinstance(document, PutDocument)
    stored = Document(document.space, document.key, document.body)
    changes = list(left_behind([(stored, lines_of(stored))]))
    assert [len(one.intervals) for one in changes if isinstance(one, AppendPerformance)] == [PART, 1]
    assert changes[-1] == DeleteDocument(stored.space, stored.key)


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
