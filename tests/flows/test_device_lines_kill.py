"""A server is killed in the middle of a control: what its devices were told and delivered until then is still there.

The control's own intervals and its devices' lines are looked at in every place that shows them: the dead server's
database, CSV and Parquet, REST, the page, and the rows of a settlement. Their energies must agree.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from gridiface.app.dispatching.downtime import REASON
from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ASKED_W = 9_000.0
NAMES = {"battery1", "battery2", "battery3", "battery4"}
#: What is kept is kept with each interval of a second; so long a control runs before each blow.
INTERVALS = 4
#: Rounding in files.
CLOSE = 1e-5


def energy(rows: Iterable[dict[str, Any]], field: str) -> float:
    """What so many rows of the account sum up to, W s; a mean counts for the time for which it is known."""
    return sum(
        (row["end"] - row["start"]) * (row.get("known", 1.0) if field == "delivered_w" else 1.0) * row[field]
        for row in rows
        if row[field] is not None
    )


def agree(own: list[dict[str, Any]], devices: list[dict[str, Any]]) -> None:
    """The devices' energies are the target's; both cover the same time."""
    assert {row["start"] for row in devices} <= {row["start"] for row in own}
    assert {row["end"] for row in devices} <= {row["end"] for row in own}
    for field in ("allocated_w", "acknowledged_w", "delivered_w"):
        assert energy(devices, field) == pytest.approx(energy(own, field), rel=CLOSE, abs=1.0), field


class Account:
    """One control's account, as different places show it."""

    def __init__(self, site: Any, control: str) -> None:
        self.site, self.control, self.token = site, control, ""

    async def run(self, *words: str) -> str:
        """One command of `gridiface`."""
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridiface.cli", *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, problem = await made.communicate()
        assert made.returncode == 0, problem.decode()
        return said.decode()

    async def exported(self, form: str) -> list[dict[str, Any]]:
        """From the database of a server that is not there, through a file."""
        file = self.site.folder / f"account.{form}"
        database = f"sqlite:///{self.site.folder / 'gridiface.sqlite'}"
        words = ("--database", database, "--control", self.control, "--format", form, "--output", str(file))
        await self.run("report", "export", *words)
        return self.of_csv(file) if form == "csv" else self.of_parquet(file)

    @staticmethod
    def of_csv(file: Path) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        with file.open(newline="") as text:
            for found in csv.DictReader(text):
                row: dict[str, Any] = {"target": found["target_id"]}
                row |= {name: datetime.fromisoformat(found[name]).timestamp() for name in ("start", "end")}
                names = ("allocated_w", "acknowledged_w", "delivered_w")
                rows.append(row | {name: float(found[name]) if found[name] else None for name in names})
        return rows

    @staticmethod
    def of_parquet(file: Path) -> list[dict[str, Any]]:
        parquet = pytest.importorskip("pyarrow.parquet")
        found = parquet.read_table(file).to_pylist()
        times = ("start", "end")
        return [row | {"target": row["target_id"], **{name: row[name].timestamp() for name in times}} for row in found]

    async def reported(self) -> list[dict[str, Any]]:
        """By REST."""
        found = await self.site.page(f"/api/v1/controls/{self.control}/report")
        return [{"target": one["target"], **row} for one in found["targets"] for row in one["intervals"]]

    async def sign_up(self) -> None:
        """Get a token, while there is no server."""
        words = ("--scope", "admin", "--config", str(self.site.config), "--json")
        self.token = json.loads(await self.run("token", "create", "test", *words))["token"]

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What REST answers to this."""
        url = f"http://127.0.0.1:{self.site.page_port}{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return cast("dict[str, Any]", await answer.json())

    async def page(self) -> str:
        """The control's page."""
        url = f"http://127.0.0.1:{self.site.page_port}/controls/{self.control}"

        def got() -> str:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(got)

    def split(self, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rows of the target, and those of its devices."""
        devices = [row for row in rows if row["target"] in NAMES]
        return [row for row in rows if row["target"] not in NAMES], devices


def left_to_keep(site: Any) -> list[tuple[Any, ...]]:
    """What the database keeps of the lines of running controls' devices."""
    return cast("list[tuple[Any, ...]]", site.rows("SELECT key FROM documents WHERE space = 'app/device-lines'"))


async def under_way(site: Any, eventually: Callable[..., Awaitable[float]], control: str, more: int) -> None:
    """Wait until so many further intervals of the control's target are durable."""
    count = "SELECT COUNT(*) FROM performance WHERE control_id = ? AND target_id NOT LIKE 'battery%'"
    before = site.rows(count, control)[0][0]

    async def there() -> bool:
        return bool(site.rows(count, control)[0][0] >= before + more)

    await eventually(there, 20.0, f"{more} intervals are recorded")


async def test_a_killed_server_keeps_the_lines_of_its_controls_devices(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    async with site_class(WorldPlan(batteries=4, inverters=0, page_port=0)) as site:
        await site.start()
        await site.fleet_is_up()
        async with site.utility() as utility:
            now = time.time()
            fleet = await utility.program("fleet")
            posted = await utility.post_target(fleet, ASKED_W, start=now, duration_s=600, now=now, title="killed in")

        async def delivers() -> bool:
            return sum(await site.powers()) > 0.95 * ASKED_W

        await eventually(delivers, 30.0, "the event runs")
        ((name,),) = site.rows("SELECT id FROM controls")
        account = Account(site, name)

        await under_way(site, eventually, name, INTERVALS)
        await site.kill_server()
        rows = await account.exported("csv")
        own, devices = account.split(rows)
        assert {row["target"] for row in devices} == NAMES
        assert len(devices) == len(NAMES)
        agree(own, devices)
        assert energy(devices, "delivered_w") > 0.5 * ASKED_W * INTERVALS
        first = {row["target"]: row for row in devices}
        parquet = {row["target"]: row for row in account.split(await account.exported("parquet"))[1]}
        assert parquet.keys() == NAMES
        for device, row in first.items():
            assert parquet[device]["delivered_w"] == pytest.approx(row["delivered_w"], rel=CLOSE)

        await account.sign_up()
        for turn in range(2):  # the second server is stopped as it should be
            await site.start_server()
            await under_way(site, eventually, name, INTERVALS)
            own, devices = account.split(await account.reported())
            assert {row["target"] for row in devices} == NAMES
            assert len(devices) == (2 + turn) * len(NAMES)
            agree(own, devices)
            gaps = [row for row in own if row["reason"]]
            assert {row["reason"] for row in gaps} == {REASON}
            assert len(gaps) == 1 + turn
            for before, after in pairwise(own):  # the account has no hole that is not told
                assert after["start"] == pytest.approx(before["end"], abs=1e-3)
            for device, row in first.items():
                kept = min((one for one in devices if one["target"] == device), key=lambda one: one["start"])
                assert kept["delivered_w"] == pytest.approx(row["delivered_w"], rel=CLOSE)
            if not turn:
                os.kill(site.server.pid, signal.SIGTERM)
                await site.server.stop()
                assert not left_to_keep(site)
                stopped = account.split(await account.exported("csv"))
                assert len(stopped[1]) == 2 * len(NAMES)
                agree(*stopped)
        shown = await account.page()
        assert all(device in shown for device in NAMES)

        async with site.utility() as utility:
            await utility.cancel(posted, now=time.time())

        async def forgotten() -> bool:
            return not left_to_keep(site)

        await eventually(forgotten, 20.0, "the control is over and all of it is recorded")
        lines = await account.reported()
        own, devices = account.split(lines)
        assert len(devices) == 3 * len(NAMES)
        agree(own, devices)
        assert energy(own, "delivered_w") > 0.5 * ASKED_W * 3 * INTERVALS
        asked = {"event": "killed-in", "control": name, "interval_s": 1.0, "method": "meter-before-after"}
        settled = await account.post("/api/v1/settlements", asked)
        assert {one["key"] for one in settled["resources"]} == NAMES

        os.kill(site.server.pid, signal.SIGTERM)
        await site.server.stop()
        stored = account.split(await account.exported("csv"))
        assert len(stored[1]) == 3 * len(NAMES)
        for field in ("allocated_w", "acknowledged_w", "delivered_w"):
            assert energy(stored[1], field) == pytest.approx(energy(devices, field), rel=1e-4), field
