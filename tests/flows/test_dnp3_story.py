"""A DNP3 master sets the fleet's power by analog output and sees the megawatts follow, over real wires."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gridiface.simulation.children import Child
from gridiface.simulation.world import World, WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]

DNP3 = {
    "outstations": [
        {"name": "rtu", "address": 10, "group": "fleet", "masters": [{"name": "scada", "address": 1}], "points": [
            {"name": "mw", "type": "analog input", "index": 900, "measure": "w", "scale": 1e6},
            {"name": "set_mw", "type": "analog output", "index": 900, "action": "set_w", "scale": 1e6},
        ]}
    ],
    "endpoints": [{"listen": "127.0.0.1:0"}],
    "refresh_s": 0.2,
}  # fmt: skip


async def value(master: Child, kind: str, index: int) -> float | None:
    await master.send({"poll": [0]})
    await master.receive()
    await master.send({"points": True})
    points: list[dict[str, Any]] = (await master.receive())["points"]
    return next((float(p["value"]) for p in points if (p["type"], p["index"]) == (kind, index)), None)


async def test_analog_output_moves_the_fleet_and_the_reading_follows() -> None:
    plan = WorldPlan(batteries=4, inverters=0, page_port=0, settings={"dnp3": DNP3})
    async with World(plan) as world:
        await world.start()
        config = {"host": "127.0.0.1", "port": world.ports["dnp3"], "address": 1, "outstation": 10}
        async with Child("master", ["-m", "gridiface.simulation.dnp3"], config) as master:
            await master.start()
            deadline = time.monotonic() + 60
            status = ""
            while status != "SUCCESS" and time.monotonic() < deadline:
                await master.send({"operate": {"analog": 900, "value": 0.008, "select": True}})
                status = (await master.receive()).get("status", "")
            assert status == "SUCCESS"
            seen: float | None = None
            while time.monotonic() < deadline:
                seen = await value(master, "analog input", 900)
                if seen is not None and abs(seen - 0.008) < 0.0002:
                    break
                await asyncio.sleep(0.2)
            assert seen == pytest.approx(0.008, abs=0.0002)
        shown = (await world.page("/api/v1/status"))["controls"][0]
        assert shown["source"] == "dnp3"
        assert shown["values"]["set_w"] == pytest.approx(8000.0, abs=0.01)
