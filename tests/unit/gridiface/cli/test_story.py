"""The day's story in small: tracked, explained, settled, drawn; and that a fleet that fails is not called fine."""

import csv
import io
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.cli.story.day import EVENING, MIDNIGHT, Day, Times
from gridiface.cli.story.drawing import spark, svg, terminal
from gridiface.cli.story.show import decisions_csv, summary
from gridiface.cli.story.signals import dnp3_regulation, openadr_event, regulation_signal, sep2_limit
from gridiface.domain.controls import ControlMode, ServiceClass


@pytest.fixture(scope="module")
def evening():
    day = Day(devices=120, times=EVENING)
    record = day.run()
    return day, record, summary(day, record)


def test_the_evening_is_as_it_should_be(evening):
    _, _, result = evening
    assert result["checks"] == dict.fromkeys(result["checks"], True)
    assert result["tracking"]["error_pct"] <= 2.0
    assert result["tracking"]["samples"] > 400
    assert set(result["controls"]) == {"openadr", "sep2", "dnp3"}
    assert result["controls"]["dnp3"] == 300
    assert result["explained"]["failures"] == 6
    assert result["explained"]["liars"] == 2


def test_settlement_rows_sum_up_to_the_energy_that_really_flowed(evening):
    day, record, result = evening
    rows, settled = record.settlement()
    assert len(rows) == 4 * 120
    really = sum(
        sum(one.kinds) * seconds / 3600
        for one, seconds in zip(
            record.samples, [record.samples[0].at - EVENING.begin, *_gaps(record.samples)], strict=True
        )
        if EVENING.event[0] < one.at <= EVENING.event[1]
    )
    assert settled["metered_mwh"] * 1e6 == pytest.approx(really, rel=1e-3)
    assert sum((row.delivered_w or 0) * row.hours for row in rows) / 1e6 == pytest.approx(
        settled["delivered_mwh"], abs=1e-5
    )
    assert result["settlement"]["largest_gap_wh"] < 1e-3
    assert day.engine.performance.report(day.controls[0].id)


def _gaps(samples):
    return [later.at - one.at for one, later in pairwise(samples)]


def test_every_decision_is_one_record_with_source_priority_verdict_and_reason(evening):
    _, record, _ = evening
    rows = list(csv.DictReader(io.StringIO(decisions_csv(record))))
    assert len(rows) == len(record.decisions)
    assert all(row["verdict"] and row["reason"] and row["source"] for row in rows)
    limited = next(row for row in rows if row["verdict"] == "limited")
    assert (limited["target"], limited["source"], limited["priority"]) == (
        "feeder-2",
        "sep2 program of feeder-2",
        "250",
    )


def test_it_is_drawn(evening):
    _, record, _ = evening
    picture = ElementTree.fromstring(svg(record, title="An evening & more"))
    lines = [one for one in picture.iter() if one.tag.endswith("polyline")]
    assert len(lines) == 3 + 2 + 4
    assert all("nan" not in line.get("points") for line in lines)
    assert any("delivered" in line for line in terminal(record))
    assert spark([], 5) == ""
    assert spark([0.0, 1.0], 5) == "▁█"


def test_vehicles_are_ready_at_seven_though_the_schedule_keeps_them_waiting():
    day = Day(devices=60, times=Times(end=MIDNIGHT + 7.05 * 3600))
    day.run()
    assert day.ready is not None
    assert day.ready[0] == day.ready[1] > 0
    early = [one for one in day.record.samples if one.at < MIDNIGHT + 3600]
    assert all(abs(one.kinds[2]) < 1.0 for one in early[2:])


def test_a_fleet_that_does_not_follow_is_not_called_fine(evening, monkeypatch):
    from gridiface.simulation.fleet.physics import SimulatedFleet  # noqa: PLC0415 - patched here

    really = SimulatedFleet.apply

    def half(self, setpoints, now):
        deliveries = really(self, setpoints, now)
        self.told *= 0.5
        return deliveries

    monkeypatch.setattr(SimulatedFleet, "apply", half)
    day = Day(devices=40, times=EVENING)
    result = summary(day, day.run())
    assert not result["checks"]["tracking"]
    assert not result["ok"]


def test_a_feeder_may_be_above_its_limit_by_what_just_died_or_came_back_and_by_nothing_else(evening):
    day, record, _ = evening
    (start, end), watts = record.limit
    at = [at for at, one in enumerate(record.samples) if start + 10 < one.at < end][3]
    kept, own = record.samples[at], 0.001 * watts
    try:
        for feeder, jumped, fine in (
            (watts + 0.9 * own, 0.0, True),
            (watts + 1.5 * own, 0.0, False),
            (watts + 50.0 * own, 50.0 * own, True),
            (watts + 55.0 * own, 50.0 * own, False),
        ):
            record.samples[at] = replace(kept, feeder=feeder, jumped=jumped)
            result = summary(day, record)
            assert result["checks"]["limit"] is fine
            assert result["limit"]["above_w"] == pytest.approx(feeder - watts, abs=0.1)
    finally:
        record.samples[at] = kept


def test_what_dies_on_the_limited_feeder_or_comes_back_is_told_from_all_else():
    day = Day(devices=120, times=replace(EVENING, end=EVENING.begin + 600.0))
    record, fleet = day.run(), day.fleet
    assert not any(one.jumped for one in record.samples)
    rows = record.rows_of("feeder-2")
    load, roof = (next(row for row in rows.tolist() if of[row] and fleet.w[row]) for of in (fleet.load, fleet.sun))
    elsewhere = next(row for row in np.flatnonzero(fleet.load).tolist() if row not in rows)
    took, at = -float(fleet.w[load]), EVENING.begin + 604.0
    names = [fleet.ids[row] for row in (load, roof, elsewhere)]

    def jumped():
        fleet.advance(4.0, at)
        record.sample(at, 4.0, None)
        return record.samples[-1].jumped

    fleet.fail(names)
    assert jumped() == pytest.approx(took)  # that the roof is gone makes it less
    assert jumped() == 0.0
    fleet.heal(names)
    assert jumped() == pytest.approx(float(fleet.w[roof]))
    assert fleet.w[roof] > 0.0
    assert jumped() == 0.0


def test_what_the_programs_send_is_translated_with_their_signs():
    event = openadr_event(5e6, 100.0, 3600.0, 0.0)
    assert event.values[ControlMode.SET_W].value == pytest.approx(5e6)
    limit = sep2_limit("feeder-1", 123_456.0, 100.0, 60.0, 0.0)
    assert limit.values[ControlMode.EXPORT_LIMIT].value == pytest.approx(123_400.0)
    moved = dnp3_regulation(-2e5, 100.0, 7)
    assert moved.values[ControlMode.REGULATION].value == pytest.approx(-2e5)
    assert moved.service_class is ServiceClass.REGULATION
    assert max(abs(regulation_signal(at, 1.0)) for at in range(1200)) <= 1.0


def test_the_verb(tmp_path):
    run = CliRunner().invoke(app, ["demo", "--story", "evening", "--devices", "40", "--keep", str(tmp_path), "--json"])
    result = json.loads(run.stdout)
    assert run.exit_code == (0 if result["ok"] else 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.svg", "decisions.csv", "settlement.csv"]
    first = (tmp_path / "settlement.csv").read_text().splitlines()[1]
    assert first.startswith("evening-peak,")
    assert CliRunner().invoke(app, ["demo", "--story", "nothing"]).exit_code == 2
    assert datetime.fromtimestamp(MIDNIGHT, UTC).hour == 0
