"""SIGHUP on a running server: what changes at once does, a mistake changes nothing, and no connection is dropped."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import aiohttp
import pytest
import yaml
from tests.waiting import until

from gridiface.simulation.world import World, WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(90)]


async def test_a_reload_changes_groups_and_keeps_connections() -> None:
    async with World(WorldPlan(batteries=2, inverters=0, page_port=0)) as world:
        await world.start()
        assert world.server is not None
        pid = world.server.pid
        good = world.config.read_text(encoding="utf-8")

        def send(text: str) -> None:
            world.config.write_text(text, encoding="utf-8")
            os.kill(pid, signal.SIGHUP)

        log = world.folder / "server.log"

        async def cap() -> float | None:
            found: float | None = (await world.page("/api/v1/groups/north"))["max_export_w"]
            return found

        home = f"http://127.0.0.1:{world.page_port}"
        async with aiohttp.ClientSession() as session, session.get(f"{home}/live") as stream:
            send("site: [this is no site")
            await until(lambda: _said(log, "nothing was changed"), "the mistake is told")
            assert await cap() is None

            changed = yaml.safe_load(good)
            next(group for group in changed["groups"] if group["id"] == "north")["max_export_w"] = 1234.0
            changed["site"] = "renamed"
            send(yaml.safe_dump(changed))

            async def capped() -> bool:
                return await cap() == 1234.0

            await until(capped, "the cap is there")
            await until(lambda: _said(log, "wait for a restart: site"), "what waits is told")
            assert (await world.page("/api/v1/status"))["site"] == "demo"
            stream.content.read_nowait()
            assert (await stream.content.readline()) is not None
            assert not stream.content.at_eof()


async def _said(log: Path, words: str) -> bool:
    return words in log.read_text(encoding="utf-8")
