"""Alarms by their real causes in a whole server: raised, told by webhook, acknowledged, cleared with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.operator import alarm_kinds, alarms
from gridiface.simulation.sunspec.config import SimulationConfig
from gridiface.simulation.sunspec.server import Simulation

CONFIG = """\
site: alarming
engine: {{period_s: 0.2, stale_after_s: 0.5, lost_after_s: 1}}
operator:
  listen: "127.0.0.1:0"
  approval_share: 0.0
  webhooks:
    - {{name: hook, url: "http://127.0.0.1:{hook}/hook", private_addresses: true, severity: info}}
    - {{name: nobody, url: "http://127.0.0.1:1/hook", private_addresses: true}}
devices:
  - id: live
    driver: sunspec
    connection: {{host: 127.0.0.1, port: {modbus}, unit_id: 1, poll_period_s: 0.1, timeout_s: 0.3}}
groups:
  - {{id: fleet, members: [live]}}
"""


class Site:
    """A server, the device behind it, and what its webhook was told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.server: GridServer
        self.token = ""

    async def hook(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        return web.Response()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        url = f"http://127.0.0.1:{self.server.ports()['operator']}/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body, headers=headers) as sent:
            found = await sent.json(content_type=None)
            assert sent.status < 400, (sent.status, found)
            return found

    async def standing(self, kind: str, subject: str = "") -> dict[str, Any] | None:
        rows = (await self.ask("GET", f"/alarms?state=standing&kind={kind}&limit=100"))["alarms"]
        return next((row for row in rows if subject in row["subject"]), None)

    async def raised(self, kind: str, subject: str = "") -> dict[str, Any]:
        """The alarm, once it stands and the webhook was told of it."""
        async with asyncio.timeout(40):
            while True:
                found = await self.standing(kind, subject)
                if found is not None and any(
                    one["alarm"]["kind"] == kind and subject in one["alarm"]["subject"] for one in self.told
                ):
                    return found
                await asyncio.sleep(0.05)

    async def cleared(self, kind: str, subject: str = "") -> None:
        async with asyncio.timeout(40):
            while await self.standing(kind, subject) is not None:
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    quick = {name: replace(kind, after_s=min(kind.after_s, 0.2)) for name, kind in alarm_kinds.KINDS.items()}
    monkeypatch.setattr(alarms, "KINDS", quick)
    made = Site()
    app = web.Application()
    app.router.add_post("/hook", made.hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.simulation = Simulation(SimulationConfig.model_validate({"units": [{"max_w": 4000}]}))  # type: ignore[attr-defined]
    await made.simulation.start()  # type: ignore[attr-defined]
    config = tmp_path / "g.yaml"
    port = made.simulation.places()[0]["port"]  # type: ignore[attr-defined]
    config.write_text(CONFIG.format(hook=runner.addresses[0][1], modbus=port))
    made.server = GridServer(load_config(config))
    await made.server.start()
    assert made.server._operator is not None
    tokens = made.server._operator.desk.tokens
    made.token = (await tokens.create("root", ["admin"], 1.0, made.server.clock.now(), by="test"))["token"]
    yield made
    await made.server.stop()
    await made.simulation.stop()  # type: ignore[attr-defined]
    await runner.cleanup()


async def until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(40):
        while not check():
            await asyncio.sleep(0.05)


async def test_alarms_are_raised_by_their_causes_and_cleared_with_them(site: Site) -> None:
    """A quarantine, notices that nobody takes, a waiting approval, a set clock; acknowledged, cleared."""
    await site.ask("POST", "/devices/live/quarantine", {"reason": "a test"})
    alarm = await site.raised("quarantined", "live")
    assert (alarm["severity"], alarm["state"]) == ("critical", "raised")
    seen = await site.ask("POST", f"/alarms/{alarm['id']}/acknowledge", {"reason": "looking"})
    assert (seen["state"], seen["acknowledged"] is not None) == ("acknowledged", True)
    await site.raised("notice_undelivered", "nobody")
    await site.ask("POST", "/devices/live/release", {"reason": "it was well"})
    await site.cleared("quarantined", "live")

    body = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 100.0}, "duration_s": 60}
    waiting = await site.ask("POST", "/controls", body)
    assert waiting["verdict"] == "pending"
    await site.raised("approval_waiting")
    (pending,) = (await site.ask("GET", "/approvals"))["approvals"]
    await site.ask("POST", f"/approvals/{pending['control']}/reject", {"reason": "no"})
    await site.cleared("approval_waiting")

    site.server._clock_set(3600.0, site.server.clock.now())
    jump = await site.raised("clock_jump")
    assert "3600" in jump["text"]
    assert (await site.ask("POST", f"/alarms/{jump['id']}/acknowledge", {"reason": "NTP"}))["state"] == "cleared"


async def test_a_device_that_goes_away_and_comes_back(site: Site) -> None:
    engine = site.server.engine
    await until(lambda: engine.device("live") is not None and engine.qualities()["live"] is not None)
    assert await site.standing("device_lost") is None
    await site.simulation.stop()  # type: ignore[attr-defined]
    lost = await site.raised("device_lost", "live")
    assert json.loads(json.dumps(lost))["state"] == "raised"
    assert "bad" in lost["text"] or "stale" in lost["text"]
    await site.ask("POST", "/devices/live/block", {"reason": "works"})
    await site.cleared("device_lost", "live")
    assert next(one["event"] for one in site.told if one["alarm"]["kind"] == "device_lost")


async def test_a_store_that_cannot_write_is_told_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm stands in memory while nothing can be written, and is gone when it can be again."""
    assert site.server.store is not None
    monkeypatch.setattr(type(site.server.store), "trouble", property(lambda self: "the disk is full"))
    found = await site.raised("store_trouble", "store")
    assert (found["severity"], found["text"]) == ("critical", "the disk is full")
    monkeypatch.undo()
    await site.cleared("store_trouble")
