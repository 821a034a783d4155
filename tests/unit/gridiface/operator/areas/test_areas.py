"""The verbs of `gridiface openadr` against the areas, over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gridiface.cli.openadr.app import app
from gridiface.errors import GridifaceError


@pytest.fixture
def run(openadr: Any) -> Any:
    """Runs a verb, in a thread of its own; its JSON, or its text."""

    async def verb(*words: str, text: bool = False) -> Any:
        args = [*words, "--url", f"http://127.0.0.1:{openadr.house.pages.port}"]
        env = {"GRIDIFACE_TOKEN": openadr.house.tokens["admin"]}
        runner = CliRunner()
        more = [] if text else ["--json"]
        result = await asyncio.to_thread(runner.invoke, app, [*args, *more], env=env)
        if isinstance(result.exception, GridifaceError):
            raise result.exception
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output if text else json.loads(result.output)

    return verb


async def test_an_event_by_verbs(openadr: Any, run: Any) -> None:
    signal = "LOAD_DISPATCH/setpoint/kW=600:-6,600:-3"
    made = await run(
        "vtn", "create", "--market-context", "urn:p", "--signal", signal, "--id", "E", "--group", "north", "--test"
    )
    assert (made["test"], made["target"], made["vens"]) == (True, {"groups": ["north"]}, 1)
    openadr.talk()
    shown = await run("vtn", "event", "E", text=True)
    assert "acknowledged" in shown
    assert "optIn" in shown
    assert (await run("vtn", "modify", "E", "--comment", "hello", "--priority", "1"))["modification"] == 1
    assert "E" in await run("vtn", "events", "--unanswered", text=True)
    assert (await run("vtn", "duplicate", "E", "--id", "F"))["id"] == "F"
    openadr.talk()
    assert [row["id"] for row in (await run("ven", "events", "utility"))["events"]] == ["F", "E"]
    assert (await run("ven", "opt", "utility", "E", "out", "--reason", "works"))["opt"] == "optOut"
    assert "optOut" in await run("ven", "events", "utility", text=True)
    assert (await run("vtn", "cancel", "E"))["status"] == "cancelled"
    openadr.talk()
    watched = await run("vtn", "watch", "E", text=True)
    assert "cancelled" in watched
    with pytest.raises(GridifaceError, match="no such event"):
        await run("vtn", "event", "NONE")


async def test_an_event_from_a_file(openadr: Any, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    steps = [{"duration_s": 60, "value": 1}]
    path.write_text(json.dumps({"market_context": "urn:p", "signals": [{"name": "SIMPLE", "intervals": steps}]}))
    made = await run("vtn", "create", "--file", str(path), "--everyone", "--no-answer", "--startafter", "30")
    assert (made["vens"], made["response_required"], made["startafter_s"]) == (2, False, 30)
    path.write_text("[]")
    with pytest.raises(GridifaceError, match="one JSON object"):
        await run("vtn", "create", "--file", str(path))


async def test_vens_by_verbs(openadr: Any, run: Any) -> None:
    assert (await run("vtn", "add", "VEN-C", "--group", "south", "--profile", "2.0a"))["profile"] == "2.0a"
    assert (await run("vtn", "change", "VEN-C", "--name", "shop"))["name"] == "shop"
    assert (await run("vtn", "group", "north", "VEN-B", "VEN-C"))["vens"] == ["VEN-B", "VEN-C"]
    assert "VEN-B, VEN-C" in await run("vtn", "groups", text=True)
    assert (await run("vtn", "remove", "VEN-C"))["id"] == "VEN-C"
    assert "present" in await run("vtn", "vens", text=True)
    assert "TELEMETRY_USAGE" in await run("vtn", "ven", "VEN-A", text=True)
    assert (await run("vtn", "reregister", "VEN-A"))["waiting"] == ["reregister"]
    assert (await run("vtn", "distribute", "VEN-A"))["waiting"] == ["reregister", "events"]
    assert "deregister" not in await run("vtn", "deregister", "VEN-A", text=True)


async def test_reports_by_verbs(openadr: Any, run: Any, tmp_path: Path) -> None:
    row = await run("vtn", "request", "VEN-A", "telemetry-usage", "--every", "10", "--back", "60")
    openadr.talk()
    assert row["id"] in await run("vtn", "reports", "VEN-A", text=True)
    assert row["id"] in await run("ven", "reports", "utility", text=True)
    await run("vtn", "metadata", "VEN-A")
    stopped = await run("vtn", "stop", "VEN-A", row["id"], "--follow")
    assert row["id"] in [one["id"] for one in stopped["requests"]]
    value = {
        "name": "TELEMETRY_USAGE",
        "rid": "site/W",
        "start": 1.0,
        "duration_s": None,
        "value": 5.5,
        "quality": None,
    }
    openadr.vtn.archive.kept["VEN-A"] = [value]
    assert "5.5" in await run("vtn", "data", "VEN-A", text=True)
    path = tmp_path / "data.csv"
    await run("vtn", "data", "VEN-A", "--csv", str(path), text=True)
    assert path.read_text().splitlines()[1].split(",")[4:8] == ["site/W", "1.0", "", "5.5"]


async def test_our_vens_by_verbs(openadr: Any, run: Any) -> None:
    assert "registered" in await run("ven", "list", text=True)
    made = await run("ven", "schedule", "utility", "2026-07-01T10:00:00Z/3600", "--resource", "site")
    (row,) = made["schedules"]
    assert row["id"] in await run("ven", "schedules", "utility", text=True)
    assert (await run("ven", "unschedule", "utility", row["id"]))["schedules"] == []
    for verb in ("register", "refresh", "deregister"):
        assert (await run("ven", verb, "utility"))["name"] == "utility"
