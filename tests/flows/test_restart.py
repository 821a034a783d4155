"""A stop that was asked for, and what is there again after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERControlBase,
    LogEvent,
)
from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("restart"), pytest.mark.timeout(120)]

NS = "{urn:ieee:std:2030.5:ns}"
#: Bodies that say what is measured now, not what was recorded.
#: A battery's part of 16 kW: 5 of the 36 kW that four batteries and two inverters are rated for.
SHARE_W = 16_000 * 5 / 36
LIVE = frozenset(f"{NS}{name}" for name in ("Time", "DERStatus", "DERAvailability", "Reading"))


async def dump(wire: Any) -> dict[str, bytes]:
    """Every resource that links lead to, live ones empty."""
    found: dict[str, bytes] = {}
    waiting = ["/dcap"]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        answer = await wire.ask("GET", f"{path}?l=255")
        if answer.status != 200:
            found[path] = b""
            continue
        root = etree.fromstring(answer.body)
        found[path] = b"" if root.tag in LIVE else answer.body
        waiting += [each.get("href") for each in root.iter() if each.get("href", "").startswith("/")]
    return found


def terminate(site: Any) -> None:
    os.kill(site.server.pid, signal.SIGTERM)


async def ended(site: Any) -> bool:
    return not site.server.alive


async def test_a_graceful_stop_in_mid_event_leaves_nothing_and_all_is_there_again(
    site_class: Any, eventually: Callable[..., Awaitable[float]], processes_below: Callable[[Path], list[int]]
) -> None:
    async with site_class(WorldPlan(batteries=4, inverters=2, page_port=0)) as site:
        await site.start()
        await site.fleet_is_up()
        device, utility_wire = site.wire("inverter1"), site.wire("utility")
        own = etree.fromstring((await device.ask("GET", "/edev?l=9")).body)[0].get("href")
        event = LogEvent(
            createdDateTime=int(time.time()),
            functionSet=11,
            logEventCode=1,
            logEventID=7,
            logEventPEN=40732,
            profileID=2,
            details="kept",
        )
        assert (await device.ask("POST", f"{own}/lel", event)).status == 201
        async with site.utility() as utility:
            fleet, south = await utility.program("fleet"), await utility.program("south")
            now = time.time()
            posted = await utility.post_target(
                fleet, 16_000.0, start=now, duration_s=120, now=now, title="goes on afterwards"
            )
            later = await utility.post_target(south, 1_000.0, start=now + 3_600, duration_s=60, now=now, title="later")
            default = DefaultDERControl(mRID="D" * 24 + "0000B4F3", derControlBase=DERControlBase(opModMaxLimW=10_000))
            assert (await utility_wire.ask("PUT", f"{south.href}/dderc", default)).status == 204

            async def all_started() -> bool:
                return len((await utility.responses(posted)).get(2, set())) >= 6

            await eventually(all_started, 20.0, "the event was started by all six")
        since = [time.monotonic()]

        async def at_rest() -> bool:
            """The ramp is over and the closed loop adds nothing any more."""
            powers = await site.powers()
            if any(abs(power - SHARE_W) > 0.002 * SHARE_W for power in powers):
                since[0] = time.monotonic()
            return time.monotonic() - since[0] > 3.0

        await eventually(at_rest, 30.0, "the fleet is at rest")
        before = await dump(utility_wire)
        readings = site.rows("SELECT COUNT(*) FROM readings")[0][0]

        terminate(site)
        took = await eventually(lambda: ended(site), 8.0, "the server has ended")
        assert await site.server.stop() == 0
        assert took < 6.0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", site.sep2_port))
        left = {path.name for path in site.folder.iterdir() if path.name.startswith("gridiface.sqlite")}
        assert left == {"gridiface.sqlite", "gridiface.sqlite.lock"}
        assert site.devices.pid in (below := processes_below(site.folder)) or not below

        await site.start_server()
        after = await dump(site.wire("utility"))
        assert set(after) == set(before), "the inverters were told again, or something is gone"
        different = [path for path in before if before[path] != after[path]]
        assert not different, "\n".join(f"{path}\n{before[path]!r}\n{after[path]!r}" for path in different)
        assert site.rows("SELECT COUNT(*) FROM readings")[0][0] >= readings
        states = {control["description"]: control["state"] for control in (await site.status())["controls"]}
        assert states["goes on afterwards"] == "active"
        assert states["later"] == "scheduled"
        assert posted.href in after
        assert later.href in after


async def test_a_stop_waits_for_no_slow_client(site_class: Any, eventually: Callable[..., Awaitable[float]]) -> None:
    async with site_class(WorldPlan(batteries=1, inverters=0, page_port=0)) as site:
        await site.start()
        await site.issue("stranger")
        silent = [site.wire("stranger") for _ in range(4)]
        for wire in silent:
            _, writer = await wire.streams()
            writer.write(b"GET /dcap HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        terminate(site)
        took = await eventually(lambda: ended(site), 15.0, "the server has ended")
        assert await site.server.stop() == 0
        assert took < 12.0


async def test_a_second_server_on_the_same_database_is_refused(site_class: Any) -> None:
    async with site_class(WorldPlan(batteries=1, inverters=0, page_port=0)) as site:
        await site.start()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridiface.cli", "serve", str(site.config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(60):
                _, said = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert process.returncode == 3
        assert b"in use by another gridiface process" in said
        assert b"Traceback" not in said
        assert (await site.wire("utility").ask("GET", "/dcap")).status == 200
