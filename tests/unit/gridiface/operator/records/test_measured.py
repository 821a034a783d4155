"""What came of a control is the engine's account and, of the time before this start, what the store has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gridiface.domain.clock import Interval
from gridiface.domain.controls import ServiceClass
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.operator.records.measured import Measured

PART = PerformanceInterval(
    control_id="c1",
    target_id="fleet",
    start=60.0,
    end=70.0,
    requested_w=3000.0,
    accepted_w=3000.0,
    allocated_w=3000.0,
    acknowledged_w=3000.0,
    delivered_w=1000.0,
    known=0.5,
)


class Stored:
    """The store's part."""

    def __init__(self, *parts: PerformanceInterval) -> None:
        self.parts = list(parts)
        self.asked = 0

    async def performance(self, control_id: str) -> list[PerformanceInterval]:
        self.asked += 1
        return [part for part in self.parts if part.control_id == control_id]


def measured(house: Any, stored: Any, since: float) -> Measured:
    return Measured(house.desk.status.performance, stored, since)


async def test_a_control_that_ended_before_the_start_is_told_from_the_store_its_own_target_first(house: Any) -> None:
    control = replace(house.desk.status.controls()[0], id="old")
    parts = [replace(PART, control_id="old", target_id=name) for name in ("b10", "b2", control.target.id)]
    reports = await measured(house, Stored(*parts), 100.0).reports(control)
    assert [report.target_id for report in reports] == [control.target.id, "b2", "b10"]
    assert (reports[0].mean("delivered_w"), reports[0].known) == (1000.0, 0.5)
    assert await measured(house, Stored(), 100.0).reports(control) == []


async def test_a_control_that_goes_on_over_a_restart_has_both_parts_and_nothing_twice(house: Any) -> None:
    control = house.desk.status.controls()[0]
    again = replace(PART, start=90.0, end=95.0, delivered_w=7.0)
    reports = await measured(house, Stored(PART, again), 92.0).reports(control)
    assert [(one.start, one.end, one.delivered_w) for one in reports[0].intervals] == [
        (60.0, 70.0, 1000.0),
        (90.0, 95.0, 2900.0),
    ]


async def test_one_whose_devices_are_heard_again_only_after_the_start_has_its_past_too(house: Any) -> None:
    control = replace(house.desk.status.controls()[0], interval=Interval(50.0, 60.0))
    line = replace(PART, target_id="battery1", start=60.0, end=70.0)
    reports = await measured(house, Stored(PART, line), 80.0).reports(control)
    assert [(one.target_id, [i.start for i in one.intervals]) for one in reports] == [
        ("fleet", [60.0, 90.0]),
        ("battery1", [60.0]),
    ]


async def test_what_began_since_the_start_needs_no_store(house: Any) -> None:
    stored = Stored(PART)
    reports = await measured(house, stored, 80.0).reports(house.desk.status.controls()[0])
    assert (len(reports), len(reports[0].intervals), stored.asked) == (1, 1, 0)


class Engine:
    """Accounts: the target's own, of which the oldest intervals are gone or not, and a device's line."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole

    def report(self, control_id: str, *, devices: bool = True) -> list[PerformanceReport]:
        own = replace(PART, start=100.0, end=105.0, delivered_w=2.0)
        line = replace(PART, target_id="battery1", start=60.0, end=105.0)
        return [
            PerformanceReport(control_id=control_id, target_id=one.target_id, intervals=(one,), whole=self.whole)
            for one in (own, line)
        ]


async def test_of_one_that_runs_for_so_long_that_its_account_lost_the_beginning_the_store_has_it(house: Any) -> None:
    control = replace(house.desk.status.controls()[0], interval=Interval(60.0, 200.0))
    stored = Stored(*(replace(PART, start=at, end=at + 5.0) for at in (60.0, 95.0, 100.0)))
    reports = await Measured(Engine(whole=False), stored, 50.0).reports(control)  # type: ignore[arg-type]
    assert [(one.target_id, [i.start for i in one.intervals]) for one in reports] == [
        ("fleet", [60.0, 95.0, 100.0]),
        ("battery1", [60.0]),
    ]
    assert len(await Measured(Engine(whole=True), stored, 50.0).reports(control)) == 2  # type: ignore[arg-type]
    assert stored.asked == 1


async def test_of_a_fast_service_the_target_alone_is_told_as_devices_lines_go_on_over_its_signals(house: Any) -> None:
    asked: list[bool] = []

    class Runs(Engine):
        def report(self, control_id: str, *, devices: bool = True) -> list[PerformanceReport]:
            asked.append(devices)
            return super().report(control_id)[: 2 if devices else 1]

    control = replace(house.desk.status.controls()[0], service_class=ServiceClass.REGULATION)
    stored = Stored(PART, replace(PART, target_id="battery1", start=0.0, end=900.0))
    reports = await Measured(Runs(whole=True), stored, 200.0).reports(control)  # type: ignore[arg-type]
    assert [(one.target_id, [i.start for i in one.intervals]) for one in reports] == [("fleet", [60.0, 100.0])]
    assert asked == [False]


async def test_of_a_default_what_was_before_is_looked_up_whenever_it_began(house: Any) -> None:
    control = replace(house.desk.status.controls()[0], is_default=True)
    before = replace(PART, start=80.0, end=85.0)
    reports = await measured(house, Stored(before), 0.0).reports(control)
    assert [one.start for one in reports[0].intervals] == [80.0, 90.0]
