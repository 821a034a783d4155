"""Settling files of meter data with opt-outs, and beside settlements of other events."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gridiface.cli.reports import report
from gridiface.errors import ConfigError, GridifaceError

#: A Tuesday; an event from 16 to 18 h.
DAY = datetime(2026, 3, 3, tzinfo=UTC)
TIMES = ("--start", "2026-03-03T16:00", "--end", "2026-03-03T18:00", "--committed-kw", "2")


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(report.app, [str(argument) for argument in arguments])
    if isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    """3 kW each hour for twenty days, 1 kW from 16 to 19 h of the day itself."""
    hours = [DAY + timedelta(hours=hour) for hour in range(-20 * 24, 24)]
    low = range(20 * 24 + 16, 20 * 24 + 19)
    lines = [f"house,{at.isoformat()},{1.0 if place in low else 3.0}" for place, at in enumerate(hours)]
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["meter,time,kw", *lines]) + "\n")
    return path


def test_an_opt_out_half_way(meter: Path, tmp_path: Path) -> None:
    kept, out = tmp_path / "ev.json", tmp_path / "ev.csv"
    told = run("settle", meter, "--event", "ev", *TIMES, "--opt-out", "house=2026-03-03T16:30", "--output", kept)
    # The meter shows 4 kWh; half an hour of 2 kW counts, of 4 kWh that were committed.
    assert "delivered      4.000 kWh  counts 1.000 kWh  performance   25.0%" in told.stdout
    run("export", kept, "--output", out)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["eligible"], row["credited_w"], row["reason"]) for row in rows] == [
        ("0.5", "1000.0", "out from 16:30:00Z: opted out"),
        ("0.0", "0.0", "out all the time: opted out"),
    ]
    back = run("settle", meter, "--event", "ev", *TIMES, "--opt-out", "house=2026-03-03T16:30/2026-03-03T17:00Z")
    assert "counts 3.000 kWh  performance   75.0%" in back.stdout


def test_what_another_event_counts_is_not_counted_again(meter: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    run("settle", meter, "--event", "a", *TIMES, "--opt-out", "house=2026-03-03T17:30", "--output", first)
    later = ("--start", "2026-03-03T17:00", "--end", "2026-03-03T19:00", "--committed-kw", "2")
    found = json.loads(
        run("settle", meter, "--event", "b", *later, "--beside", first, "--output", second, "--json").stdout
    )
    # From 17 to 18 h the first counts half an hour, the second the other; from 18 h on all is the second's.
    assert (found["total"][0]["delivered_wh"], found["total"][0]["credited_wh"]) == (4000.0, 3000.0)
    rows = json.loads(second.read_text())["rows"]
    assert [row[-1] for row in rows] == ["a counts 50%", ""]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--opt-out", "2026-03-03T16:30"], "is no RESOURCE=FROM"),
        (["--opt-out", "hous=2026-03-03T16:30"], "no meter data of 'hous'"),
        (["--opt-out", "house=half past four"], "is no time"),
        (["--opt-out", "house=2026-03-03T19:00"], "ends before it begins"),
        (["--beside", "ev.json"], "of ev itself; give it as --previous"),
        (["--beside", "ev.json", "--beside", "ev.json"], "was given before"),
        (["--beside", "m.csv"], "not valid JSON"),
    ],
)
def test_mistakes_are_named(meter: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], said: str) -> None:
    monkeypatch.chdir(meter.parent)
    run("settle", meter, "--event", "ev", *TIMES, "--output", "ev.json")
    with pytest.raises(ConfigError, match=said):
        run("settle", meter, "--event", "ev", *TIMES, *more)
