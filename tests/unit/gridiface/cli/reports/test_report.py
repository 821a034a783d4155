"""`gridiface report`: a whole settlement by command line, late data, export, and from the store."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gridiface.app.desks import device_series
from gridiface.cli.reports import importing, report
from gridiface.errors import ConfigError, GridifaceError

#: A Tuesday, 16:00 to 18:00 UTC, long ago: settlements of it are final at once.
DAY = datetime(2026, 3, 3, tzinfo=UTC)
TIMES = ("--start", "2026-03-03T16:00", "--end", "2026-03-03T18:00")


def run(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(report.app, [str(argument) for argument in arguments])
    if result.exception is not None and isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def hours(today: Mapping[int, float | None], *, days: int = 20, usual_kw: float = 3.0) -> str:
    """CSV of one meter: 3 kW each hour, but what is given for hours of the day itself; None leaves a line out."""
    lines = ["meter,time,kw"]
    for hour in range((days + 1) * 24):
        value = today.get(hour - days * 24, usual_kw)
        if value is not None:
            lines.append(f"house,{(DAY + timedelta(hours=hour - days * 24)).isoformat()},{value}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def meter(tmp_path: Path) -> Path:
    path = tmp_path / "m.csv"
    path.write_text(hours({16: 1.2, 17: None}))
    return path


def test_a_baseline_in_words_and_json(meter: Path) -> None:
    assert "-3.000        -1.200 kW  good" in run("baseline", meter, *TIMES).stdout
    found = json.loads(run("baseline", meter, *TIMES, "--json").stdout)
    assert [row["baseline_w"] for row in found["rows"]] == [-3000.0, -3000.0]
    assert [row["metered_w"] for row in found["rows"]] == [-1200.0, None]


def test_settle_late_data_reopen_and_export(meter: Path, tmp_path: Path) -> None:
    kept = tmp_path / "ev.json"
    common = ("--event", "ev-7", *TIMES, "--committed-kw", "2")
    first = json.loads(run("settle", meter, *common, "--output", kept, "--json").stdout)
    # 3000 - 1200 = 1800 W for an hour of 2000 W committed; the second hour is not known.
    assert first["total"][0]["delivered_wh"] == 1800.0
    assert (first["total"][0]["performance"], first["total"][0]["coverage"]) == (0.9, 0.5)
    assert (first["revision"], first["final"]) == (1, True)
    late = tmp_path / "late.csv"
    late.write_text("meter,time,kw\nhouse,2026-03-03T16:00Z,1.2\nhouse,2026-03-03T17:00Z,0.5\n")
    refused = run("settle", meter, late, *common, "--previous", kept, code=1)
    assert "is final; 1 rows would change" in refused.stderr
    second = run("settle", meter, late, *common, "--previous", kept, "--reopen", "--output", kept)
    assert "ev-7: revision 2, final" in second.stdout
    assert "changed: house 2026-03-03T17:00:00Z: metered_w, delivered_w, quality" in second.stdout
    # 1800 + 2500 = 4300 Wh of 4000.
    assert "delivered      4.300 kWh  performance  107.5%" in second.stdout
    again = json.loads(run("settle", meter, late, *common, "--previous", kept, "--json").stdout)
    assert (again["revision"], again["changes"], again["note"]) == (2, [], "nothing changed")
    out = tmp_path / "ev.csv"
    assert json.loads(run("export", kept, "--output", out, "--json").stdout)["rows"] == 2
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["delivered_w"], row["revision"]) for row in rows] == [("1800.0", "1"), ("2500.0", "2")]


@pytest.mark.parametrize(
    "late",
    ["house,2026-03-03T17:00Z,0.5\n", "house,2026-03-03T14:00Z,3\nhouse,2026-03-03T17:00Z,0.5\n"],
    ids=["one value", "values far apart"],
)
def test_late_values_are_of_the_interval_that_the_meter_had(meter: Path, tmp_path: Path, late: str) -> None:
    file = tmp_path / "late.csv"
    file.write_text("meter,time,kwh\n" + late)
    made = json.loads(run("settle", meter, file, "--event", "ev-7", *TIMES, "--committed-kw", "2", "--json").stdout)
    assert made["total"][0]["delivered_wh"] == 4300.0


def test_an_export_is_what_its_name_says(meter: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    kept, out = tmp_path / "ev.json", tmp_path / "ev.parquet"
    run("settle", meter, "--event", "ev-7", *TIMES, "--output", kept)
    run("export", kept, "--output", out)
    assert parquet.read_table(out).num_rows == 2
    run("export", kept, "--output", out, "--format", "csv")
    assert out.read_text().startswith("event_id,")


def test_storage_commitments_holidays_and_event_days(meter: Path, tmp_path: Path) -> None:
    committed, days = tmp_path / "c.csv", tmp_path / "days.txt"
    committed.write_text("resource,committed_kw\nhouse,1.8\n")
    days.write_text("2026-03-02\n")
    options = ("--committed", committed, "--event-days", days, "--holidays", days, "--nerc-holidays")
    found = json.loads(run("settle", meter, "--event", "e", *TIMES, *options, "--json").stdout)
    assert found["resources"][0]["performance"] == 1.0
    storage = json.loads(run("settle", meter, "--event", "e", *TIMES, "--storage", "house", "--json").stdout)
    assert storage["total"][0]["delivered_wh"] == 1800.0


def test_from_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'g.sqlite'}"
    path = tmp_path / "m.csv"
    path.write_text(hours({16: 1.0, 17: 1.0}))
    assert CliRunner().invoke(importing.app, ["meter", str(path), "--database", url]).exit_code == 0
    options = ("--database", url, "--interval", "3600")
    found = json.loads(run("settle", "--event", "e", *TIMES, *options, "--meter", "house", "--json").stdout)
    assert found["total"][0]["delivered_wh"] == 4000.0
    with pytest.raises(ConfigError, match="no active power of shed"):
        run("settle", "--event", "e", *TIMES, *options, "--meter", "shed")
    with pytest.raises(ConfigError, match="no performance of control c"):
        run("export", "--control", "c", "--database", url, "--output", tmp_path / "x.csv")


def test_pages_of_the_store_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_series, "_PAGE", 7)
    test_from_the_store(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("baseline", *TIMES), "say where the meter data are"),
        (("baseline", "m.csv", "--start", "noon", "--end", "x"), "'noon' is no time"),
        (("baseline", "m.csv", *TIMES, "--method", "guess"), "no baseline method 'guess'"),
        (("baseline", "m.csv", *TIMES, "--zone", "Mars"), "no time zone"),
        (("settle", "m.csv", "--event", "e", *TIMES, "--committed-kw", "1", "--committed", "c"), "not both"),
        (("settle", "m.csv", "--event", "e", *TIMES, "--committed-kw", "nan"), "must be a number"),
        (("export", "--output", "x"), "say what to export"),
        (("export", "none.json", "--output", "x"), "cannot be read"),
    ],
)
def test_mistakes_say_what_to_do(
    arguments: tuple[str, ...], wrong: str, meter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(meter.parent)
    with pytest.raises(ConfigError, match=wrong):
        run(*arguments)


def test_a_settlement_of_another_event_is_refused(meter: Path, tmp_path: Path) -> None:
    kept = tmp_path / "ev.json"
    run("settle", meter, "--event", "e", *TIMES, "--output", kept)
    with pytest.raises(ConfigError, match="is a settlement of e, not of f"):
        run("settle", meter, "--event", "f", *TIMES, "--previous", kept)


def samples(path: Path, watts: list[float | None], every_s: int = 10) -> Path:
    times = ((DAY + timedelta(seconds=every_s * at)).isoformat() for at in range(len(watts)))
    lines = [f"{time},{w}" for time, w in zip(times, watts, strict=True) if w is not None]
    path.write_text("\n".join(["time,w", *lines]) + "\n")
    return path


def wave(shift: int = 0) -> list[float | None]:
    return [1000.0 * ((at - shift) // 7 % 3 - 1) for at in range(360)]


def test_a_regulation_signal_that_was_followed_and_one_that_was_late(tmp_path: Path) -> None:
    asked = samples(tmp_path / "asked.csv", wave())
    exact = json.loads(run("regulation", asked, samples(tmp_path / "exact.csv", wave()), "--json").stdout)
    assert (exact["score"], exact["samples"], exact["missing"]) == (pytest.approx(1.0), 360, 0)
    late = json.loads(run("regulation", asked, samples(tmp_path / "late.csv", wave(3)), "--json").stdout)
    # Three of thirty samples late.
    assert late["delay"] == pytest.approx(0.9, abs=0.01)
    assert late["precision"] < 0.8
    words = run("regulation", asked, tmp_path / "exact.csv", "--start", "2026-03-03T00:10", "--end", "2026-03-03T00:20")
    assert words.stdout.splitlines()[0].split() == ["score", "1.000"]
    assert "60 samples, 0 missing, 31 windows" in words.stdout


def test_what_cannot_be_scored_says_why(tmp_path: Path) -> None:
    asked = samples(tmp_path / "asked.csv", wave())
    with pytest.raises(ConfigError, match="wanted is one series with a value every 10 s"):
        run("regulation", asked, samples(tmp_path / "minutes.csv", wave(), every_s=60))
    with pytest.raises(ConfigError, match="of more than 30 samples"):
        run("regulation", asked, asked, "--end", "2026-03-03T00:05")
    with pytest.raises(ConfigError, match="2026-03-03"):
        run("regulation", asked, asked, "--start", "2026-03-03T00:00:03")
