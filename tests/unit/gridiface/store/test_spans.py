"""What is kept of all controls over a span, read a part at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.changes import AppendOutcome, AppendPerformance, PutControl
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ModeValue,
    Outcome,
    OutcomeKind,
    ServiceClass,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.performance import LONGEST_LINE_S, LimitAccount, PerformanceInterval
from gridiface.domain.performance_sums import LimitFigures, Summed
from gridiface.domain.ports import Began
from gridiface.domain.response_counts import ResponseCounts
from gridiface.store import spans
from gridiface.store.repository import Store


def control(name: str, start: float, duration: float | None, target: Target | None = None) -> Control:
    return Control(
        id=name,
        source=Source(protocol="sep2", program="P1"),
        target=target or Target(TargetKind.GROUP, "g"),
        values={ControlMode.SET_W: ModeValue(1.0)},
        interval=Interval(start, duration),
        created=start,
    )


def interval(name: str, target: str, start: float, end: float) -> PerformanceInterval:
    powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"), 1.0)
    return PerformanceInterval(control_id=name, target_id=target, start=start, end=end, **powers)


async def read(store: Store, start: float, end: float, **more: Any) -> tuple[set[str], list[tuple[str, str, int]]]:
    """The controls; what is kept of each target: (control, target, how many intervals)."""
    names, found = set(), []
    async for part in store.accounted(start, end, **more):
        names.add(part.control.id)
        found += [(part.control.id, target, one.count) for target, one in part.portions]
    return names, found


@pytest.fixture
async def filled(store: Store) -> Store:
    alone = control("alone", 0.0, 100.0, Target(TargetKind.DEVICE, "b"))
    open_ended = replace(control("standing", 0.0, None), is_default=True)
    made = [control("old", 0.0, 10.0), control("now", 10.0, 90.0), control("next", 100.0, 10.0), alone, open_ended]
    await store.commit([PutControl(one) for one in made])
    lines = [interval("now", "g", float(at), at + 10.0) for at in range(10, 100, 10)]
    lines += [interval("now", name, 10.0, 100.0) for name in ("a", "b")]
    lines += [interval("old", "g", 0.0, 10.0), interval("alone", "b", 0.0, 100.0), interval("standing", "g", 0.0, 5.0)]
    await store.commit([AppendPerformance(tuple(lines))])
    return store


async def test_what_overlaps_the_span_and_no_more(filled: Store) -> None:
    names, found = await read(filled, 25.0, 40.0)
    # One that ended before it may have begun a line of a device that goes on; nothing of its own is in the span.
    assert names == {"old", "now", "alone", "standing"}
    assert sorted(found) == [("alone", "b", 1), ("now", "a", 1), ("now", "b", 1), ("now", "g", 2)]
    assert (await read(filled, 110.0 + LONGEST_LINE_S, math.inf)) == ({"standing"}, [])


async def test_a_controls_own_lines_or_those_of_devices(filled: Store) -> None:
    assert sorted((await read(filled, 25.0, 40.0, devices=False))[1]) == [("alone", "b", 1), ("now", "g", 2)]
    # A control of one device is that device's line.
    found = sorted((await read(filled, 25.0, 40.0, own=False))[1])
    assert found == [("alone", "b", 1), ("now", "a", 1), ("now", "b", 1)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 12, 100])
async def test_parts_of_any_size_hold_each_row_once(filled: Store, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await read(filled, 0.0, 200.0)
    monkeypatch.setattr(spans, "PART", size)
    monkeypatch.setattr(spans, "MOST_NAMES", 2)
    monkeypatch.setattr(spans, "ADDED_S", 95.0)
    names, found = await read(filled, 0.0, 200.0)
    assert (names, sorted(found)) == (whole[0], sorted(whole[1]))
    assert sorted(found) == [
        ("alone", "b", 1),
        ("now", "a", 1),
        ("now", "b", 1),
        ("now", "g", 9),
        ("old", "g", 1),
        ("standing", "g", 1),
    ]


async def test_what_a_span_cuts_counts_with_its_part(filled: Store) -> None:
    found = {}
    async for part in filled.accounted(25.0, 40.0):
        found.update({(part.control.id, target): one for target, one in part.portions})
    # Half of the second interval and the third whole; 15 s of a line of 90 s. 1 W each.
    assert found["now", "g"].seconds == found["now", "a"].seconds == found["alone", "b"].known_s == 15.0
    assert found["now", "g"].energies == (15.0,) * 5


async def test_devices_that_began_in_the_span_with_when_they_were_told_of_it(filled: Store) -> None:
    def step(kind: OutcomeKind, device: str | None, at: float) -> AppendOutcome:
        return AppendOutcome(Outcome(control_id="now", kind=kind, at=at, device_id=device))

    steps = [step(OutcomeKind.RECEIVED, "a", 8.0), step(OutcomeKind.STARTED, "a", 30.0)]
    steps += [step(OutcomeKind.STARTED, None, 30.0), step(OutcomeKind.STARTED, "b", 31.0)]
    steps += [step(OutcomeKind.RECEIVED, "c", 8.0), step(OutcomeKind.STARTED, "c", 40.0)]
    await filled.commit(steps)
    found = [one async for part in filled.accounted(25.0, 40.0) for one in part.began]
    assert found == [Began("a", 8.0, 30.0), Began("b", None, 31.0)]


async def test_where_accounts_of_controls_on_their_own_targets_end(filled: Store) -> None:
    names = ["old", "now", "next", "alone", "nobody"]
    assert await filled.accounted_until(names) == {"old": 10.0, "now": 100.0, "alone": 100.0}
    await filled.commit([AppendPerformance((interval("now", "a", 100.0, 200.0),))])
    assert (await filled.accounted_until(["now"])) == {"now": 100.0}
    assert await filled.accounted_until([]) == {}
    [gone] = [replace(interval("next", "g", 100.0, 101.0), known=0.0, reason="nobody was there")]
    await filled.commit([AppendPerformance((gone,))])
    assert await filled.performance("next") == [gone]


async def test_how_limits_were_kept_is_added_up_as_from_the_intervals(store: Store) -> None:
    passed = LimitAccount(limit_w=5000.0, excess_w=360.0, over_s=6.0, peak_w=900.0)
    kept, unknown = LimitAccount(limit_w=2000.0, excess_w=0.0, over_s=0.0, peak_w=0.0), LimitAccount(limit_w=2000.0)
    lines = [
        replace(interval("c", "g", -5.0, 5.0), limit=passed),
        replace(interval("c", "g", 10.0, 20.0), limit=kept, known=0.5),
        replace(interval("c", "g", 20.0, 30.0), limit=unknown, delivered_w=None, known=0.0),
        interval("c", "g", 40.0, 50.0),
        interval("c", "a", 0.0, 50.0),
    ]
    await store.commit([PutControl(control("c", -5.0, 55.0)), AppendPerformance(tuple(lines))])
    assert [one for one in await store.performance("c") if one.target_id == "g"] == lines[:-1]
    found = {}
    async for part in store.accounted(0.0, 60.0):
        found |= dict(part.portions)
    summed = Summed(0.0, 60.0)
    for line in lines[:-1]:
        summed.add(line)
    limit = found["g"].limit
    assert limit is not None
    assert limit.figures == summed.totals().limit
    assert limit.figures == LimitFigures(
        seconds=25.0, limit_w=None, kept=pytest.approx(0.7), over_s=3.0, excess_wh=0.5, peak_w=900.0
    )
    assert found["a"].limit is None


async def test_response_times_to_signals_are_those_of_lines_that_began_in_the_span(store: Store) -> None:
    took = ResponseCounts()
    took.add(0.2)
    fast = replace(control("f", 0.0, 50.0), service_class=ServiceClass.REGULATION)
    lines = [replace(interval("f", name, at, at + 10.0), responses=took) for name, at in (("a", 5.0), ("b", 20.0))]
    await store.commit([PutControl(fast), AppendPerformance((*lines, interval("f", "g", 0.0, 50.0)))])
    assert [one.responses for one in await store.performance("f")] == [took, took, None]

    async def found(start: float, **more: Any) -> list[tuple[str, ResponseCounts]]:
        return [pair async for part in store.accounted(start, 60.0, **more) for pair in part.took]

    assert await found(0.0) == [("a", took), ("b", took)]
    assert await found(10.0) == [("b", took)]
    assert await found(0.0, devices=False) == [("a", took), ("b", took)]  # of the control and its program


async def test_a_default_that_took_anothers_place_keeps_its_past(filled: Store) -> None:
    await filled.commit([PutControl(replace(control("standing", 500.0, None), is_default=True))])
    names, found = await read(filled, 0.0, 9.0)
    assert "standing" in names
    assert ("standing", "g", 1) in found
