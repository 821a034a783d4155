"""`gridiface report performance`: what it asks a server, and how it shows the answer."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.cli.places.remote import Remote
from gridiface.errors import ConfigError

ROW: dict[str, Any] = {
    "name": "=peak", "protocol": "openadr", "program": "=peak", "identity": "vtn1", "target": None,
    "controls": 2, "seconds": 5400.0,
    "requested_wh": 1500.0, "accepted_wh": 1400.0, "allocated_wh": 1400.0, "acknowledged_wh": 1300.0,
    "delivered_wh": None, "tracking_error": None, "availability": 0.0, "acknowledged": 0.9, "quality": "bad",
    "responses": {"count": 3, "mean_s": 1.25, "median_s": 1.0, "p95_s": 2.0, "max_s": 2.0},
    "regulation": {
        "score": 0.9375, "correlation": 0.95, "delay": 0.9, "precision": 0.96, "hours": 2, "samples": 720, "missing": 0
    },
    "limit": {
        "seconds": 60.0, "limit_w": -5000.0, "kept": 0.9166, "over_s": 5.0, "excess_wh": 1.67, "peak_w": 2000.0
    },
}  # fmt: skip
SPAN = ("report", "performance", "--from", "2026-07-22", "--to", "2026-07-23")


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What has been asked; the answer is one row."""
    kept: list[dict[str, Any]] = []

    def pages(_: Remote, path: str, key: str, most: int, **query: object) -> list[Any]:
        kept.append({"path": path, "key": key, **query})
        return [ROW]

    monkeypatch.setattr(Remote, "pages", pages)
    return kept


def test_a_span_is_asked_for_in_seconds(queries: list[dict[str, Any]]) -> None:
    result = CliRunner().invoke(app, [*SPAN, "--by", "group", "--zone", "Europe/Berlin"])
    assert result.exit_code == 0, result.output
    told = {"path": "/performance", "key": "performance", "by": "group"}
    assert queries == [{**told, "start": "1784671200.0", "end": "1784757600.0"}]
    # A time that a query would leave out as nothing is sent all the same.
    assert CliRunner().invoke(app, ["report", "performance", "--from", "1970-01-01"]).exit_code == 0
    assert queries[1]["start"] == "0.0"
    assert float(queries[1]["end"]) > 1_700_000_000


def test_the_table_says_what_is_not_known(queries: list[dict[str, Any]]) -> None:
    result = CliRunner().invoke(app, list(SPAN))
    line = next(line for line in result.stdout.splitlines() if "openadr/vtn1" in line)
    cells = [cell.strip() for cell in line.strip("│┃ ").split("│")]
    assert cells[:3] == ["=peak", "openadr/vtn1", "2"]
    assert cells[3:] == [
        "1.500",
        "1.500",
        "1.400",
        "1.300",
        "-",
        "-",
        "0.0",
        "1.250",
        "2.000",
        "0.938",
        "91.7",
        "5.0",
        "bad",
    ]
    assert "sender" not in CliRunner().invoke(app, [*SPAN, "--by", "device"]).stdout


def test_json_is_what_the_server_said(queries: list[dict[str, Any]]) -> None:
    found = json.loads(CliRunner().invoke(app, [*SPAN, "--json"]).stdout)
    assert found == {"start": 1784678400.0, "end": 1784764800.0, "by": "program", "performance": [ROW]}


def test_csv_has_a_column_for_each_figure_and_no_formula(queries: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "sums.csv"
    assert CliRunner().invoke(app, [*SPAN, "-o", str(file)]).exit_code == 0
    [row] = csv.DictReader(file.read_text().splitlines())
    assert (row["name"], row["requested_wh"], row["delivered_wh"]) == ("'=peak", "1500.0", "")
    assert (row["response_count"], row["response_p95_s"], row["acknowledged"]) == ("3", "2.0", "0.9")
    assert (row["regulation_score"], row["regulation_samples"]) == ("0.9375", "720")
    assert (row["limit_w"], row["limit_kept"], row["limit_over_s"]) == ("-5000.0", "0.9166", "5.0")
    assert (row["limit_seconds"], row["limit_excess_wh"], row["limit_peak_w"]) == ("60.0", "1.67", "2000.0")
    result = CliRunner().invoke(app, [*SPAN, "-o", str(tmp_path / "none" / "sums.csv")])
    assert isinstance(result.exception, ConfigError)


@pytest.mark.parametrize("more", [("--to", "soon"), ("--zone", "Nowhere/Land"), ("--from", "never")])
def test_what_is_no_time_or_place_asks_nobody(queries: list[dict[str, Any]], more: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, [*SPAN, *more])
    assert isinstance(result.exception, ConfigError)
    assert queries == []
