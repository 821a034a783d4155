"""Devices' lines that go on from one control of a fast service to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.accounting.device_lines import DeviceLines
from gridiface.aggregation.accounting.runs import PATIENCE_S, Runs
from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, ServiceClass, Source, Target, TargetKind
from gridiface.domain.fleet import Device, Nameplate
from gridiface.domain.performance import LONGEST_LINE_S
from gridiface.domain.telemetry import Quality

ROWS = np.arange(2, dtype=np.int64)


@pytest.fixture
def columns() -> Columns:
    columns = Columns()
    for name in "ab":
        columns.put(Device(id=name, nameplate=Nameplate(max_w=1e4)))
    columns.told_w[:], columns.acknowledged[:], columns.w[:] = 100.0, True, [90.0, 110.0]
    return columns


def signal(name: str, program: str = "agc") -> Control:
    return Control(
        id=name,
        source=Source(protocol="dnp3", program=program, identity="iso"),
        target=Target(TargetKind.GROUP, "g"),
        values={ControlMode.REGULATION: ModeValue(1.0)},
        interval=Interval(0.0, 12.0),
        created=0.0,
    )


def sample(**more: Any) -> Sample:
    return Sample(200.0, 200.0, 200.0, 200.0, 200.0, Quality.GOOD, ROWS, **more)


def told(lines: DeviceLines) -> list[tuple[str, str, float, float, float | None]]:
    return [(one.control_id, one.target_id, one.start, one.end, one.delivered_w) for one in lines.intervals()]


def test_a_line_goes_on_over_the_controls_of_a_program_and_ends_after_a_while_without_any(columns: Columns) -> None:
    runs = Runs(columns, 1e9)
    for number in range(5):
        at = 4.0 * number
        if number:
            assert runs.sample(signal(f"s{number - 1}"), None, at) == []
        assert runs.sample(signal(f"s{number}"), sample(), at) == []
    columns.w[0] = 10.0
    assert runs.sample(signal("s4"), None, 20.0) == []
    assert runs.expire(20.0 + PATIENCE_S - 1) == []
    (lines,) = runs.expire(20.0 + PATIENCE_S)
    assert lines.over
    assert told(lines) == [("s0", "a", 0.0, 20.0, 90.0), ("s0", "b", 0.0, 20.0, 110.0)]
    assert len(runs) == 0


def test_it_ends_after_a_quarter_of_an_hour_and_the_next_one_begins_there(columns: Columns) -> None:
    runs = Runs(columns, 1e9)
    assert runs.sample(signal("long"), sample(), 0.0) == []
    (lines,) = runs.sample(signal("long"), sample(), LONGEST_LINE_S)
    assert [one[2:4] for one in told(lines)] == [(0.0, LONGEST_LINE_S)] * 2
    (rest,) = runs.suspend(LONGEST_LINE_S + 100.0)
    assert [one[2:4] for one in told(rest)] == [(LONGEST_LINE_S, LONGEST_LINE_S + 100.0)] * 2
    assert runs.suspend(5000.0) == []


def test_time_without_a_signal_counts_for_nobody(columns: Columns) -> None:
    runs = Runs(columns, 1e9)
    runs.sample(signal("s0"), sample(), 0.0)
    runs.sample(signal("s0"), None, 10.0)
    runs.sample(signal("s1"), sample(held=np.full((3, 2), 50.0)), 40.0)
    (lines,) = runs.suspend(50.0)
    # 10 s of 90 W and 10 s of 50 W; the half minute between them is told nothing and not counted.
    assert [(one[0], one[4]) for one in told(lines)] == [("s0", 70.0), ("s0", 80.0)]
    assert lines.figures[6].tolist() == [20.0, 20.0]


def test_programs_are_apart_and_lines_are_made_durable_now_and_then(columns: Columns) -> None:
    runs = Runs(columns, 5.0)
    runs.sample(signal("s0"), sample(), 0.0)
    runs.sample(signal("o0", "other"), sample(), 2.0)
    assert len(runs) == 2
    # A control that does not rule ends nobody else's line.
    assert runs.sample(signal("s9"), None, 3.0) == []
    (kept,) = runs.sample(signal("s1"), sample(), 5.0)
    assert (kept.control_id, kept.over) == ("s0", False)
    assert runs.sample(signal("s1"), sample(), 6.0) == []
    live = runs.lines("s0")
    assert live is not None
    assert {one[3] for one in told(live)} == {6.0}
    assert runs.lines("s1") is None


def test_a_clock_that_was_set_leaves_no_hole(columns: Columns) -> None:
    runs = Runs(columns, 1e9)
    runs.sample(signal("s0"), sample(), 0.0)
    runs.shift_time(3600.0)
    (lines,) = runs.suspend(3610.0)
    assert [one[2:4] for one in told(lines)] == [(3600.0, 3610.0)] * 2


def test_how_long_devices_took_to_take_each_signal_is_counted_once(columns: Columns) -> None:
    runs = Runs(columns, 1e9)
    runs.responded(signal("s0"), "a", 0.5)  # nothing runs yet
    for number, seconds in enumerate((0.2, 0.4)):
        control = signal(f"s{number}")
        runs.sample(control, sample(), 4.0 * number)
        runs.responded(control, "a", seconds)
        runs.responded(control, "a", 9.0)  # told anew while the signal stands
    [lines] = runs.suspend(8.0)
    found = {one.target_id: one.responses for one in lines.intervals()}
    assert found["b"] is None
    assert found["a"] is not None
    assert (found["a"].count, found["a"].total_s, found["a"].max_s) == (2, pytest.approx(0.6), 0.4)


@pytest.mark.parametrize("service", [ServiceClass.REGULATION, ServiceClass.FAST_FREQUENCY])
def test_devices_in_fast_services_have_response_times(bench: Any, service: ServiceClass) -> None:
    world = bench(battery("a"), battery("b"))
    world.takes_s |= {"a": 0.1, "b": 0.25}
    mode = "regulation" if service is ServiceClass.REGULATION else "set_w"
    for number in range(3):
        value = {mode: 1_000.0 * (number + 1)}
        world.submit(ask(f"s{number}", 4.0 * number, 4.0, program="agc", service_class=service, **value))
        world.step(1, 4)
    reports = [report for number in range(3) for report in world.engine.performance.report(f"s{number}")]
    found = {report.target_id: line.responses for report in reports for line in report.intervals if line.responses}
    assert {name: one.count for name, one in found.items()} == {"a": 3, "b": 3}
    assert (found["a"].max_s, found["b"].total_s) == (pytest.approx(0.1), pytest.approx(0.75))
    # Those of slower services are told one by one, at the start of each device.
    world.submit(ask("slow", 60.0, 10.0, program="other", set_w=500.0))
    world.step(1, 60)
    assert not any(line.responses for report in world.engine.performance.report("slow") for line in report.intervals)
