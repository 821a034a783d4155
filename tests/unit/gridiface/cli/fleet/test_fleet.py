"""`gridiface device` and `gridiface group`: which requests their verbs make, and what they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gridiface.cli.main import app
from gridiface.errors import ConfigError

RUN = CliRunner()
WIDE = {"COLUMNS": "160"}


def test_a_device_is_blocked_and_released_with_a_reason(asked: Any) -> None:
    asked.answers["/devices/a%2Fb/block"] = {"id": "a/b", "blocked": True}
    told = RUN.invoke(app, ["device", "block", "a/b", "--reason", "being serviced"])
    assert told.exit_code == 0, told.output
    assert asked.requests == [("POST", "/devices/a%2Fb/block", {"reason": "being serviced"})]
    assert "a/b" in told.output


def test_devices_are_asked_for_by_group_and_driver(asked: Any) -> None:
    told = RUN.invoke(app, ["device", "list", "--group", "north", "--driver", "sunspec", "--json"])
    assert (told.exit_code, json.loads(told.output)) == (0, {"devices": []})
    [(_, path, query)] = asked.requests
    assert (path, query["group"], query["driver"]) == ("/devices", "north", "sunspec")


def test_a_strategy_is_chosen_or_those_that_there_are_are_shown(asked: Any) -> None:
    told = RUN.invoke(app, ["group", "strategy", "north", "merit-order", "--json"])
    assert told.exit_code == 0, told.output
    method, path, body = asked.requests[0]
    assert (method, path, body["strategy"]) == ("PUT", "/groups/north/strategy", "merit-order")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "gridiface.yaml"
    file.write_text("database: site.sqlite\noperator: {listen: 127.0.0.1:0}\n")
    return file


def stored(config: Path, *words: str) -> str:
    """A verb on the store of a stopped site: what it printed."""
    told = RUN.invoke(app, [*words, "--config", str(config)], env=WIDE, catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return told.stdout


def test_a_fleet_is_defined_on_a_stopped_site(config: Path) -> None:
    rated = ("--rating", "max_w=5000", "--rating", "max_charge_w=5000")
    words = ("-c", "host=10.0.0.17", "-c", "unit_id=1", *rated)
    assert stored(config, "group", "create", "north", "--name", "North feeder") == "north is made\n"
    assert stored(config, "device", "add", "b1", "--driver", "sunspec", *words, "--group", "north") == "b1 is added\n"
    # Keys that are not named stay; an empty value takes one away.
    stored(config, "device", "change", "b1", "-c", "host=10.0.0.18", "-c", "unit_id=", "--set", "tier=2")
    told = yaml.safe_load(stored(config, "device", "definition", "b1"))
    assert told["connection"] == {"host": "10.0.0.18"}
    assert (told["tier"], told["rating"]["max_charge_w"]) == (2, 5000)
    assert None not in told["rating"].values()
    # Another driver does not get the connection of the one before.
    stored(config, "device", "change", "b1", "--driver", "modbus", "-c", "host=10.0.0.19", "-c", "template=x")
    assert "unit_id" not in yaml.safe_load(stored(config, "device", "definition", "b1"))["connection"]
    assert stored(config, "device", "move", "b1") == "b1 is in no group\n"
    assert json.loads(stored(config, "group", "definition", "north", "--json"))["members"] == []
    assert stored(config, "group", "remove", "north") == "north is removed\n"
    assert stored(config, "device", "remove", "b1") == "b1 is removed\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("device", "add", "b1"), "say which driver"),
        (("device", "add", "b1", "--driver", "sunspec", "-c", "host"), "'host' is no KEY=VALUE"),
        (("device", "add", "b1", "--driver", "sunspec", "-c", "host={"), "not valid YAML"),
        (("device", "change", "b1", "--set", "tier=2"), "no such device"),
        (("group", "create", "north", "-m", "nobody"), "nobody"),
        (("device", "add", "b1", "--file", "none.yaml"), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(config: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RUN.invoke(app, [*words, "--config", str(config)], catch_exceptions=False)
