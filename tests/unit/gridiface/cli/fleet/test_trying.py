"""`gridiface device try` against simulated devices in a thread: what it shows, what it tells them, how it fails."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gridiface.cli.main import app
from gridiface.simulation.sunspec.config import SimulationConfig
from gridiface.simulation.sunspec.server import Simulation

CONFIG = """\
operator: {{listen: "127.0.0.1:0"}}
devices:
  - {{id: store, driver: sunspec, connection: {{host: "{host}", port: {port}, timeout_s: 10}}}}
"""


@pytest.fixture(scope="module")
def place() -> Iterator[dict[str, Any]]:
    """Where a simulated battery of 4 kW is."""
    ready, found = threading.Event(), {}

    async def run() -> None:
        simulation = Simulation(SimulationConfig.model_validate({"units": [{"max_w": 4000, "energy_wh": 8000}]}))
        await simulation.start()
        ended = asyncio.Event()
        found.update(simulation.places()[0], loop=asyncio.get_running_loop(), ended=ended)
        ready.set()
        await ended.wait()
        await simulation.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(60)
    yield found
    found["loop"].call_soon_threadsafe(found["ended"].set)
    thread.join()


@pytest.fixture
def tried(tmp_path: Path, place: dict[str, Any]) -> Callable[..., Result]:
    (tmp_path / "g.yaml").write_text(CONFIG.format(host=place["host"], port=place["port"]))

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["device", "try", *(word.replace("@", str(tmp_path)) for word in words)])

    return run


def test_it_shows_what_a_device_is_and_reads_and_writes_nothing(tried: Callable[..., Result]) -> None:
    result = tried("store", "--config", "@/g.yaml")
    assert result.exit_code == 0, result.output
    assert "max_w" in result.output
    assert "4000" in result.output
    assert "model 704" in result.output
    assert "Told" not in result.output


def test_it_tells_a_power_when_it_is_asked_to_and_lets_go(
    tried: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridiface.cli.fleet.trying._SETTLES_S", 0.05)
    result = tried("store", "--config", "@/g.yaml", "--power", "-1500", "--json", "-c", "poll_period_s=0.05")
    told = json.loads(result.output)
    assert (result.exit_code, told["ok"], len(told["readings"])) == (0, True, 2)
    assert told["command"]["active_power_W"] == -1500
    assert told["command"]["verified"] is True
    assert told["released"]["verified"] is True


def test_a_device_that_does_not_answer_is_told_with_the_step_and_the_hints(
    tried: Callable[..., Result], tmp_path: Path
) -> None:
    table = tmp_path / "t.yaml"
    table.write_text(
        "kind: battery\naddress_base: 0\nnameplate: {max_w: 1}\n"
        "points: [{name: p, meaning: w, address: 40072, type: int16, positive: taken, unit: W}]\n"
    )
    result = tried("--driver", "modbus", "-c", "host=127.0.0.1", "-c", "port=1", "-c", "table=@/t.yaml")
    assert result.exit_code == 1
    assert "opening failed: 127.0.0.1:1 cannot be reached" in result.output
    assert "write 72 with address_base: 1" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("store",), "--config, or --driver"),
        (("stroe", "--config", "@/g.yaml"), "has no device stroe; it has store"),
        (("--driver", "sep2"), "calls the server by itself"),
        (("--driver", "sunspec", "-c", "hots=1"), "did you mean 'host'"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_words(
    tried: Callable[..., Result], words: tuple[str, ...], said: str
) -> None:
    result = tried(*words)
    assert result.exit_code != 0
    assert said in result.output + str(result.exception)
