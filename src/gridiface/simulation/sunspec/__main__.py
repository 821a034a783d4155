"""Runs simulated devices in a process of their own.

    python -m gridiface.simulation.sunspec --config units.json

prints one JSON line {"ready": true, "units": [...]} and then answers control lines, one JSON object each, on its
standard input until that is closed; then it exits. Without --config the configuration is the first line.
Control lines: {"unit": 3, "fault": "off"}, {"unit": "all", "fault": "none"}, {"unit": 3, "fault": "slow",
"seconds": 2}, {"unit": 3, "query": "state"}, {"unit": 3, "power_cycle": true}, {"unit": 3, "available": 0.5}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gridiface.simulation.lines import input_lines, say
from gridiface.simulation.sunspec.config import SimulationConfig
from gridiface.simulation.sunspec.server import Simulation, fault_of


async def obey(simulation: Simulation, line: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out one control line; a wrong one is answered with {"error": ...}."""
    try:
        units, fault, seconds = fault_of(line)
        chosen = list(range(len(simulation.devices))) if units is None else list(units)
        if not all(0 <= index < len(simulation.devices) for index in chosen):
            return {"error": "no such unit"}
        if line.get("query") == "state":
            return {"states": [simulation.state(index) for index in chosen]}
        for index in chosen:
            if line.get("power_cycle"):
                simulation.power_cycle(index)
            elif "available" in line:
                simulation.devices[index].unit.available = max(0.0, min(1.0, float(line["available"])))
            elif "fault" in line:
                await simulation.set_fault(index, fault, seconds)
            else:
                return {"error": "neither fault, query, power_cycle nor available"}
    except (ValueError, TypeError, OSError) as error:
        return {"error": str(error)}
    return {"ok": True, "units": len(chosen)}


async def serve(config_path: Path | None) -> int:
    """Run until the standard input closes; the exit code."""
    lines = input_lines()
    try:
        text = await lines.get() if config_path is None else await asyncio.to_thread(config_path.read_text, "utf-8")
        config = SimulationConfig.model_validate_json(text or "")
    except (ValidationError, OSError) as error:
        say({"ready": False, "error": str(error)})
        return 2
    simulation = Simulation(config)
    try:
        await simulation.start()
        say({"ready": True, "units": simulation.places()})
        while (line := await lines.get()) is not None:
            if not line.strip():
                continue
            try:
                asked = json.loads(line)
            except ValueError as error:
                say({"error": f"not JSON: {error}"})
                continue
            say(await obey(simulation, asked) if isinstance(asked, dict) else {"error": "not an object"})
    except OSError as error:
        say({"ready": False, "error": str(error)})
        return 1
    finally:
        await simulation.stop()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The process entry."""
    parser = argparse.ArgumentParser(prog="gridiface.simulation.sunspec", description=__doc__)
    parser.add_argument("--config", type=Path, help="JSON file; without it the first input line is the configuration")
    options = parser.parse_args(arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return asyncio.run(serve(options.config))


if __name__ == "__main__":
    raise SystemExit(main())
