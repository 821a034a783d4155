"""`gridiface portfolio qualification`: which request it makes, and what it shows."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from gridiface.cli.fleet.portfolio import app

PROGRAM = {
    "program": "dr",
    "qualified": ["b1"],
    "qualified_kw": 5.0,
    "enrolled": [],
    "refused": [{"asset_id": "b2", "program": "dr", "failures": ["has 2 kW; at least 4 kW are asked"]}],
}


def test_it_shows_who_qualifies_and_what_the_others_fail(asked: Any) -> None:
    asked.answers["/portfolios/p1/qualification"] = {"id": "p1", "name": "north", "computed": 0, "programs": [PROGRAM]}
    told = CliRunner().invoke(app, ["qualification", "p1"], env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    assert asked.requests[0][:2] == ("GET", "/portfolios/p1/qualification")
    assert "north" in told.output
    assert "b2" in told.output
    assert "at least 4 kW are asked" in told.output


def test_the_status_says_what_is_left_out_and_who_is_in_two_portfolios(asked: Any) -> None:
    asked.answers["/portfolios/p1/status"] = {
        "name": "north",
        "dispatchable_capacity_kw": 2.0,
        "nameplate_capacity_kw": 10.0,
        "hold_h": 1.0,
        "withheld": [{"cause": "daily_cap", "kw": 3.0, "assets": 1}],
        "assets": 2,
        "observed_assets": 2,
        "dr_programs": [],
        "wholesale_market_eligibility": {},
        "also_in": {"b1": ["p2", "p3"]},
    }
    told = CliRunner().invoke(app, ["status", "p1"], env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    for said in ("2.0 kW sure of 10.0 kW", "counted on for 1 h", "daily cap", "3.0", "b1", "p2, p3"):
        assert said in told.output, said
