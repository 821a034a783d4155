"""The store cannot write for a while: writers are told to come back, the fleet keeps its control, all recovers."""

from __future__ import annotations

import contextlib
import itertools
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from lxml import etree

from gridiface.protocols.sep2.resources import LogEvent
from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("trouble"), pytest.mark.timeout(120)]

BATTERIES, ASKED_W = 4, 8_000.0


@contextlib.contextmanager
def locked(site: Any) -> Iterator[None]:
    """Another program holds SQLite's write lock."""
    connection = sqlite3.connect(site.folder / "gridiface.sqlite", isolation_level=None, timeout=10.0)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextlib.contextmanager
def full(site: Any) -> Iterator[None]:
    """No file of the server may grow any more, as on a full disk."""
    soft, hard = resource.prlimit(site.server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(site.server.pid, resource.RLIMIT_FSIZE, (4_096, hard))
    try:
        yield
    finally:
        if site.server.alive:
            resource.prlimit(site.server.pid, resource.RLIMIT_FSIZE, (soft, hard))


TROUBLES = {"locked": locked, "full": full}


@pytest_asyncio.fixture
async def site(site_class: Any) -> AsyncIterator[Any]:
    async with site_class(WorldPlan(batteries=BATTERIES, inverters=1, inverter_w=1.0, page_port=0)) as made:
        await made.start()
        await made.fleet_is_up()
        yield made


def log_event(number: int) -> LogEvent:
    return LogEvent(
        createdDateTime=int(time.time()),
        functionSet=11,
        logEventCode=1,
        logEventID=number,
        logEventPEN=40732,
        profileID=2,
    )


@pytest.mark.parametrize("name", sorted(TROUBLES))
async def test_writers_are_told_to_come_back_and_the_last_control_stays(
    site: Any, eventually: Callable[..., Awaitable[float]], name: str
) -> None:
    async with site.utility() as utility:
        south = await utility.program("south")
        now = time.time()
        await utility.post_target(south, ASKED_W / 2, start=now, duration_s=600, now=now, title="stays active")

    async def at_its_share() -> bool:
        powers = (await site.powers())[BATTERIES // 2 :]
        return all(abs(watts - ASKED_W / BATTERIES) < 0.03 * ASKED_W / BATTERIES for watts in powers)

    await eventually(at_its_share, 20.0, "the event runs")
    device, utility_wire = site.wire("inverter1"), site.wire("utility")
    own = etree.fromstring((await device.ask("GET", "/edev?l=9")).body)[0].get("href")
    assert (await device.ask("POST", f"{own}/lel", log_event(1))).status == 201
    before = (await device.ask("GET", f"{own}/lel?l=255")).body

    with TROUBLES[name](site):
        for number in range(2, 4):
            answer = await device.ask("POST", f"{own}/lel", log_event(number))
            assert (answer.status, answer.reason) == (503, 2)
            assert int(answer.headers["retry-after"]) > 0
        assert (await device.ask("GET", f"{own}/lel?l=255")).body == before, "what was refused must not be seen"
        assert (await utility_wire.ask("GET", f"{south.href}/actderc?l=9")).status == 200
        assert await at_its_share()
        assert await ready(site) == 503
        shown = {control["description"]: control["state"] for control in (await site.status())["controls"]}
        assert shown["stays active"] == "active"
        assert site.server.alive

    async def accepted() -> bool:
        return bool((await device.ask("POST", f"{own}/lel", log_event(9))).status == 201)

    await eventually(accepted, 15.0, "writes are taken again", every_s=0.5)
    listed = etree.fromstring((await device.ask("GET", f"{own}/lel?l=255")).body)
    assert {each.findtext("{*}logEventID") for each in listed} == {"1", "9"}
    assert await at_its_share()

    async def is_ready() -> bool:
        return await ready(site) == 200

    await eventually(is_ready, 10.0, "the server is ready again")
    # What drivers measured meanwhile waited in memory: it is there, in order, and once.
    trouble_log = Path(site.folder / "server.log").read_text()
    assert "Traceback" not in trouble_log, trouble_log[-3000:]
    doubled = site.rows(
        "SELECT device_id, quantity, source_time, COUNT(*) FROM readings WHERE phase = 'ABC' OR quantity = 'W' "
        "GROUP BY device_id, quantity, source_time, phase HAVING COUNT(*) > 1"
    )
    assert not doubled
    times = [at for (at,) in site.rows("SELECT source_time FROM readings WHERE device_id='battery3' AND quantity='W'")]
    assert max(b - a for a, b in itertools.pairwise(times)) < 3.0, "readings of the time of trouble are gone"


async def ready(site: Any) -> int:
    """The status of the readiness probe."""
    url = f"http://127.0.0.1:{site.page_port}/readyz"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def test_a_server_killed_while_it_cannot_write_has_kept_its_promises(site: Any) -> None:
    device = site.wire("inverter1")
    own = etree.fromstring((await device.ask("GET", "/edev?l=9")).body)[0].get("href")
    promised = []
    for number in range(5):
        answer = await device.ask("POST", f"{own}/lel", log_event(number))
        assert answer.status == 201
        promised.append(answer.headers["location"])
    with full(site):
        assert (await device.ask("POST", f"{own}/lel", log_event(9))).status == 503
        await site.kill_server()
    await site.start_server()
    for path in promised:
        assert (await site.wire("inverter1").ask("GET", path)).status == 200
