"""`gridiface group envelope` and `gridiface device envelope`: what they ask a server, and how they show the answer."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.cli.places.remote import Remote

SPAN: dict[str, Any] = {
    "start": 1784671200.0, "end": 1784672100.0, "min_w": -5000.0, "max_w": None, "min_var": -100.0, "max_var": 200.0,
    "sure_min_var": 0.0, "sure_max_var": 0.0, "planned_w": 1000.0, "beside_w": 0.0, "energy_up": True,
    "energy_down": False, "up_wh": 4000.0, "down_wh": 1000.0, "reach_up_s": 0.0, "reach_down_s": 0.0,
    "held_up": [
        {"cause": "limit", "watts": 2000.0, "devices": 2, "control_id": "c1", "source": "sep2"},
        {"cause": "daily_cap", "watts": 500.0, "devices": 1, "control_id": "", "source": ""},
    ],
    "held_down": [],
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been asked; the answer is one span."""
    kept: list[str] = []

    def get(_: Remote, path: str) -> Any:
        kept.append(path)
        return {"target": "x", "target_kind": "group", "at": 1784671200.0, "spans": [SPAN]}

    monkeypatch.setattr(Remote, "get", get)
    return kept


def test_a_group_from_now_on(asked: list[str]) -> None:
    result = CliRunner().invoke(app, ["group", "envelope", "north/1"])
    assert result.exit_code == 0, result.output
    assert asked == ["/groups/north%2F1/envelope?step=900.0"]
    line = next(line for line in result.stdout.splitlines() if "2026-07-21" in line)
    cells = [cell.strip() for cell in line.strip("│┃ ").split("│")]
    assert cells == [
        *("2026-07-21 22:00:00", "22:15:00", "-5.00", "-", "1.00", "-0.10", "0.20"),
        "up: limit (sep2/c1) 2.00, daily cap 0.50",
    ]


def test_a_device_over_a_time_that_is_chosen(asked: list[str]) -> None:
    times = ["--from", "2026-07-22", "--to", "2026-07-23T00:00Z", "--zone", "Europe/Berlin", "--step", "60", "--json"]
    result = CliRunner().invoke(app, ["device", "envelope", "b1", *times])
    assert asked == ["/devices/b1/envelope?start=1784671200.0&end=1784764800.0&step=3600.0"]
    assert json.loads(result.stdout)["spans"] == [SPAN]


def test_the_series_as_csv(asked: list[str], tmp_path: Path) -> None:
    into = tmp_path / "series.csv"
    result = CliRunner().invoke(app, ["group", "envelope", "all", "--output", str(into)])
    assert "1 span" in result.stdout
    (row,) = csv.DictReader(into.read_text().splitlines())
    assert (row["min_w"], row["max_w"], row["held_up"]) == ("-5000.0", "", "limit (sep2/c1) 2.00, daily cap 0.50")
    assert CliRunner().invoke(app, ["group", "envelope", "all", "--output", str(tmp_path)]).exit_code != 0
    assert asked
