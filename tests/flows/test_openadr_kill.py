"""A whole OpenADR conversation between two servers in processes of their own, over a bad link, with kills.

Either side is killed (SIGKILL) right after it, or the other, has acknowledged something; the link drops, delays, resets
and doubles requests. At the end both stores say the same. Each side is killed once; GRIDIFACE_OPENADR_ROUNDS=n has n
conversations with a kill at each step, GRIDIFACE_THOROUGH=1 one by push, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from gridiface.simulation.children import Child

#: 0: one conversation with one kill of each side; n: so many with a kill at each step.
ROUNDS = int(os.environ.get("GRIDIFACE_OPENADR_ROUNDS", "0"))
PROGRAM = "http://program.example/dr"
pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("openadr"), pytest.mark.timeout(240 * max(1, ROUNDS))]


def free_port() -> int:
    """A port that no system gives away by itself, so that it is still free after a kill."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class BadLink:
    """Forwards HTTP requests to a port, most of them well."""

    def __init__(self, target: int, chance: random.Random) -> None:
        self.target, self.chance = target, chance
        self.faults = dict.fromkeys(("drop", "delay", "reset", "double"), 0)
        self.good = False
        self.server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> BadLink:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while True:
                request = await self.message(reader)
                fault = "" if self.good else self.chance.choices(("", *self.faults), (12, 1, 1, 1, 1))[0]
                if fault:
                    self.faults[fault] += 1
                if fault == "drop":
                    break
                if fault == "delay":
                    await asyncio.sleep(0.3)
                answer = await self.forward(request)
                if fault == "double":
                    answer = await self.forward(request)
                if fault == "reset":
                    writer.transport.abort()
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            writer.write(request)
            return await self.message(reader)
        finally:
            writer.close()

    @staticmethod
    async def message(reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:] if b":" in line)
        return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))


class Side:
    """One server in a process of its own, with its operator."""

    def __init__(self, folder: Path, name: str, config: dict[str, Any]) -> None:
        self.folder, self.name = folder / name, name
        self.folder.mkdir()
        self.path = self.folder / "gridiface.yaml"
        self.page = free_port()
        whole = {
            "site": name,
            "database": "sqlite:///gridiface.sqlite",
            "operator": {"listen": f"127.0.0.1:{self.page}"},
            **config,
        }
        self.path.write_text(yaml.safe_dump(whole))
        self.child: Child | None = None
        self.kills = 0
        self.token = ""

    async def make_token(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridiface.cli", "token", "create", "test", "--scope", "admin"),
            *("--config", str(self.path), "--out", str(self.folder / "token")),
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await process.wait() == 0
        self.token = (self.folder / "token").read_text().strip()

    async def start(self) -> None:
        command = ["-m", "gridiface.cli", "serve", str(self.path), "--child"]
        self.child = Child(self.name, command, log=self.folder / "log")
        await self.child.start(timeout_s=60.0)

    async def kill(self) -> None:
        assert self.child is not None
        await self.child.kill()
        self.kills += 1
        await self.start()

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        url, headers = f"http://127.0.0.1:{self.page}/api/v1/openadr{path}", {"Authorization": f"Bearer {self.token}"}
        more = {} if body is None else {"json": body}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
            session.request(method, url, headers=headers, **more) as answer,
        ):
            said = await answer.json()
            assert answer.status in {200, 201}, (self.name, method, path, answer.status, said)
            return said


class Story:
    """Both sides, the devices behind the VEN, and the link."""

    def __init__(self, folder: Path, *, push: bool, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.devices = Child(
            "devices",
            ["-m", "gridiface.simulation.sunspec"],
            {"units": [{"name": "b", "copies": 2, "max_w": 5000.0, "energy_wh": 20000.0, "soc": 0.6}], "tick_s": 0.1},
        )
        self.push = push

    async def start(self) -> None:
        units = (await self.devices.start())["units"]
        vtn, ven = await self.sides()
        await self.serve(vtn, ven, units)

    async def sides(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The VTN and the VEN as they are configured, with the links between them."""
        vtn_port, push_port = free_port(), free_port()
        self.link = await BadLink(vtn_port, self.chance).start()
        self.back = await BadLink(push_port, self.chance).start()
        vtn = {
            "vtn_id": "VTN-1",
            "listen": f"127.0.0.1:{vtn_port}",
            "poll_s": 1,
            "wishes": [],
            "vens": [{"ven_id": "VEN-A", "resources": ["site"]}],
        }
        ven: dict[str, Any] = {
            "name": "utility",
            "ven_id": "VEN-A",
            "url": f"http://127.0.0.1:{self.link.port}",
        }
        if self.push:
            ven["push"] = {"listen": f"127.0.0.1:{push_port}", "address": f"http://127.0.0.1:{self.back.port}"}
        return vtn, ven

    async def serve(self, vtn: dict[str, Any], ven: dict[str, Any], units: list[dict[str, Any]]) -> None:
        devices = [
            {
                "id": f"b{number}",
                "driver": "sunspec",
                "connection": {"host": unit["host"], "port": unit["port"], "unit_id": unit["unit_id"]},
            }
            for number, unit in enumerate(units)
        ]
        groups = [{"id": "fleet", "members": ["b0", "b1"]}]
        programs = [{"market_context": PROGRAM, "group": "fleet"}]
        ven = {**ven, "programs": programs, "resources": [{"id": "site", "group": "fleet"}]}
        self.head = self.side("head", {"openadr": {"vtn": vtn}})
        self.site = self.side("site", {"openadr": {"vens": [ven]}, "devices": devices, "groups": groups})
        await asyncio.gather(self.head.make_token(), self.site.make_token())
        await asyncio.gather(self.head.start(), self.site.start())

    def side(self, name: str, config: dict[str, Any]) -> Side:
        """One of the two servers."""
        return Side(self.folder, name, config)

    def faults(self) -> int:
        """How often something befell what passed."""
        return sum(self.link.faults.values()) + sum(self.back.faults.values())

    async def stop(self) -> None:
        for part in (getattr(self, "head", None), getattr(self, "site", None), self.devices):
            if part is not None:
                await part.stop()
        for link in (getattr(self, "link", None), getattr(self, "back", None)):
            if link is not None:
                await link.stop()

    # -- looking -------------------------------------------------------------------------------------------------

    async def delivery(self, event: str = "E") -> dict[str, Any]:
        found: dict[str, Any] = (await self.head.ask("GET", f"/vtn/events/{event}"))["deliveries"][0]
        return found

    async def own(self, event: str = "E") -> dict[str, Any]:
        events = (await self.site.ask("GET", "/vens/utility/events"))["events"]
        return next((row for row in events if row["id"] == event), {})

    async def ven(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.head.ask("GET", "/vtn/vens/VEN-A")
        return found

    async def values(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.head.ask("GET", "/vtn/vens/VEN-A/reports/data"))["rows"]
        return found


def watts(*values: float) -> list[dict[str, Any]]:
    steps = [{"duration_s": 600, "value": value} for value in values]
    return [{"name": "LOAD_DISPATCH", "type": "setpoint", "unit": "kW", "intervals": steps}]


async def reached(check: Callable[[], Awaitable[Any]], what: str) -> None:
    """Wait until `check` holds; a side that is just coming back is waited for, too."""
    end = time.monotonic() + 120.0
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            if await check():
                return
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.1)


async def killed_at_each_step(story: Story, number: int) -> None:
    """The conversation; after each act that was acknowledged somebody dies."""
    head, site = story.head, story.site
    event = f"E{number}"

    async def dies(side: Side) -> None:
        if not ROUNDS:
            return
        if number:
            await asyncio.sleep(story.chance.uniform(0.0, 0.5))
        await side.kill()

    # 1: registration.
    await dies(head if number % 2 else site)
    await reached(lambda: _is(story.ven(), lambda ven: ven["liveness"] == "present" and ven["offers"]), "registration")

    # 2, 3: an event, its answer, its controls.
    start = datetime.fromtimestamp(int(time.time()) - 1, UTC).isoformat()
    body = {"id": event, "market_context": PROGRAM, "start": start, "signals": watts(-6, -3), "vens": ["VEN-A"]}
    await head.ask("POST", "/vtn/events", body)
    await dies(head)
    if not ROUNDS:
        await asyncio.gather(head.kill(), site.kill())
    await reached(lambda: _is(story.delivery(event), lambda row: row["opt"] == "optIn"), "optIn")
    await dies(site)
    await reached(lambda: _is(story.own(event), lambda row: len(row["controls"]) == 2), "its controls")

    # 4: a change.
    await head.ask("PATCH", f"/vtn/events/{event}", {"signals": watts(-2, -3)})
    await dies(site)
    await reached(lambda: _is(story.delivery(event), lambda row: row["state"] == "acknowledged"), "the change's answer")
    assert (await story.own(event))["modification"] == 1

    # 5, 6: our word, out and in again.
    await site.ask("POST", f"/vens/utility/events/{event}/opt", {"opt": "optOut", "reason": "works"})
    await dies(site)
    await reached(lambda: _is(story.delivery(event), lambda row: row["opt"] == "optOut"), "optOut")
    assert (await story.own(event))["controls"] == []
    await site.ask("POST", f"/vens/utility/events/{event}/opt", {"opt": "optIn"})
    await dies(head)
    await reached(lambda: _is(story.delivery(event), lambda row: row["opt"] == "optIn"), "optIn again")

    if ROUNDS:
        await opts_and_reports(story, dies)

    # 11: the event's end.
    await head.ask("POST", f"/vtn/events/{event}/cancel", {"reason": "enough"})
    await dies(head)
    await reached(lambda: _is(story.delivery(event), lambda row: row["cancel_confirmed"]), "the end's confirmation")


async def opts_and_reports(story: Story, dies: Callable[[Side], Awaitable[None]]) -> None:
    """Steps 7 to 10."""
    head, site = story.head, story.site

    # 7: an opt schedule.
    span = {"start": "2126-07-01T10:00:00Z", "duration_s": 3600}
    made = await site.ask("POST", "/vens/utility/schedules", {"spans": [span], "resources": ["site"]})
    await dies(site)
    opts = {row["id"] for row in made["schedules"]}
    await reached(lambda: _is(story.ven(), lambda ven: {row["id"] for row in ven["opts"]} == opts), "the schedule")

    # 8, 9: a report and its end.
    asked = {"specifier": "telemetry-usage", "granularity_s": 1, "back_s": 1}
    request = await head.ask("POST", "/vtn/vens/VEN-A/reports", asked)
    await dies(head)
    own = lambda rows: any(row["request"] == request["id"] for row in rows)  # noqa: E731 - said once, below
    await reached(lambda: _is(story.values(), own), "its data")
    await head.ask("POST", "/vtn/vens/VEN-A/reports/cancel", {"ids": [request["id"]], "follow": True})
    await dies(site)
    running = lambda found: all(row["id"] != request["id"] for row in found["requests"])  # noqa: E731 - as above
    await reached(lambda: _is(site.ask("GET", "/vens/utility/reports"), running), "the report's end")

    # 10: a re-registration.
    await head.ask("POST", "/vtn/vens/VEN-A/reregister", {})
    await dies(head)
    await reached(lambda: _is(story.ven(), lambda ven: ven["waiting"] == []), "the re-registration")


async def _is(asked: Awaitable[Any], check: Callable[[Any], Any]) -> bool:
    return bool(check(await asked))


async def agreed(story: Story) -> None:
    """Both stores say the same, and nothing was done twice."""
    # A last event, which nobody disturbs, is the last word on both sides. What was lost before it is sent again.
    story.link.good = story.back.good = True
    body = {"id": "LAST", "market_context": PROGRAM, "signals": watts(-4), "vens": ["VEN-A"]}
    await story.head.ask("POST", "/vtn/events", body)
    await reached(lambda: _is(story.delivery("LAST"), lambda row: row["opt"] == "optIn"), "the last answer")
    await reached(lambda: _is(story.site.ask("GET", "/vens"), lambda found: found["vens"][0]["waiting"] == 0), "rest")
    await reached(lambda: _is(story.own("LAST"), lambda row: len(row["controls"]) == 1), "one control")
    open_events = [
        row for row in (await story.head.ask("GET", "/vtn/events"))["events"] if row["status"] != "cancelled"
    ]
    own = {row["id"]: row for row in (await story.site.ask("GET", "/vens/utility/events"))["events"]}
    live = {name: row for name, row in own.items() if row["status"] != "cancelled"}
    assert {row["id"]: row["modification"] for row in open_events} == {n: r["modification"] for n, r in live.items()}
    assert all(row["controls"] == [] for name, row in own.items() if name not in live)
    schedules = (await story.site.ask("GET", "/vens/utility/schedules"))["schedules"]
    opts = (await story.ven())["opts"]
    assert {(row["id"], str(row["spans"])) for row in opts} == {
        (row["id"], str([[float(part) for part in span] for span in row["spans"]])) for row in schedules
    }
    rows = await story.values()
    times: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        times.setdefault((row["request"], row["rid"]), []).append(row["start"])
    for starts in times.values():
        assert starts == sorted(set(starts)), "in order, once"


async def test_a_conversation_survives_kills_over_a_bad_link() -> None:
    await conversation(lambda folder: Story(folder, push=False, seed=7))


@pytest.mark.usefixtures("thorough")
async def test_a_conversation_by_push_does_too() -> None:
    await conversation(lambda folder: Story(folder, push=True, seed=7))


async def conversation(make: Callable[[Path], Story]) -> None:
    """A whole one, with kills; at its end both sides agree."""
    with tempfile.TemporaryDirectory(prefix="gridiface-") as folder:
        story = make(Path(folder))
        try:
            await story.start()
            for number in range(max(1, ROUNDS)):
                await killed_at_each_step(story, number)
            await agreed(story)
            assert min(story.head.kills, story.site.kills) >= (5 if ROUNDS else 1)
            assert story.faults() > 0
        except BaseException:
            for side in (story.head, story.site):
                print(side.name, (side.folder / "log").read_text()[-3000:])
            raise
        finally:
            await story.stop()
