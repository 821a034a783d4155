"""An operator sends a control by the command line, devices on real wires follow, and let go when it is cancelled."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until

from gridiface.simulation.world import World, WorldPlan

pytestmark = [pytest.mark.processes]


class TokenWorld(World):
    """A world whose server knows a token from its start on."""

    @property
    def token_file(self) -> Path:
        return self.folder / "ops.token"

    async def start_server(self) -> None:
        if not self.token_file.exists():
            made = ["token", "create", "ops", "--scope", "control", "--config", str(self.config)]
            await verb(*made, "--out", str(self.token_file))
        await super().start_server()

    async def run(self, *words: str) -> Any:
        url = f"http://127.0.0.1:{self.page_port}"
        return json.loads(await verb(*words, "--json", "--url", url, "--token-file", str(self.token_file)))


async def verb(*words: str) -> str:
    """Run `gridiface WORDS` in a process of its own; its standard output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gridiface.cli",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()
    return out.decode()


async def test_operator_sends_and_cancels() -> None:
    async with TokenWorld(WorldPlan(batteries=2, inverters=0, page_port=0)) as world:
        await world.start()

        async def delivered() -> list[float | None]:
            rows = (await world.page("/api/v1/devices"))["devices"]
            return [row["delivered_W"] for row in rows]

        async def online() -> bool:
            return bool((await world.page("/api/v1/status"))["devices"]["online"] == 2)

        async def both_follow() -> bool:
            return all(w is not None and abs(w - 2000.0) < 100.0 for w in await delivered())

        async def both_rest() -> bool:
            return all(w is not None and abs(w) < 100.0 for w in await delivered())

        await until(online, "both devices are up")
        send = ["control", "send", "set_w=4000", "--group", "fleet", "--duration", "600", "--description", "by hand"]
        sent = await world.run(*send)
        assert sent["verdict"] == "accepted"
        await until(both_follow, "both devices deliver their half")

        async def started() -> bool:
            shown = await world.run("control", "show", sent["control"])
            return {part["device"] for part in shown["devices"] if "started" in part["steps"]} == {
                "battery1",
                "battery2",
            }

        await until(started, "both devices told that they started")
        device = await world.run("device", "show", "battery1")
        assert device["setpoint_W"] == pytest.approx(2000.0, rel=0.05)
        assert any(sent["control"] in row["controls"] for row in device["deliveries"])
        assert (await world.run("control", "cancel", sent["control"]))["state"] == "cancelled"
        await until(both_rest, "both devices let go")
        shown = await world.run("control", "show", sent["control"])
        assert (shown["state"], shown["responses"]["cancelled"]) == ("cancelled", 2)
