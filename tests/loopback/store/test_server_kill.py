"""R2: a whole server on PostgreSQL, which is killed under its writers: 503 meanwhile, nothing acknowledged is lost.

GRIDIFACE_TEST_SERVER_KILLS sets how often PostgreSQL is killed (3 in an ordinary run).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter
from typing import Any

import asyncpg
import pytest

from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERProgram,
    EventStatus,
)
from gridiface.protocols.xmlwire import encode
from gridiface.simulation.utility import UtilityClient, UtilityFailed
from gridiface.simulation.world import World, WorldPlan

KILLS = int(os.environ.get("GRIDIFACE_TEST_SERVER_KILLS", "3"))
WRITERS = 6

pytestmark = [pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(120 + 40 * KILLS)]


class Writers:
    """Utilities that post controls of tomorrow without a pause, and what they were told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken: dict[str, str] = {}
        self.refused: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.without_word = 0
        self.last_taken = 0.0
        self.stop = asyncio.Event()

    async def run(self) -> None:
        async with self.world.utility() as utility:
            program = await utility.program("fleet")
            await asyncio.gather(*(self._write(utility, program, number) for number in range(WRITERS)))

    async def _write(self, utility: UtilityClient, program: DERProgram, writer: int) -> None:
        assert program.DERControlListLink is not None
        turn = 0
        while not self.stop.is_set():
            turn += 1
            mrid = secrets.token_hex(12).upper() + "0000B4F3"
            body = encode(control(mrid, int(time.time()), 86_400 + 10 * (WRITERS * turn + writer)))
            try:
                status, headers, _ = await utility.request("POST", program.DERControlListLink.href, body)
            except UtilityFailed:
                self.without_word += 1
                continue
            self.statuses[status] += 1
            if status == 201:
                self.taken[mrid] = headers["location"]
                self.last_taken = time.monotonic()
            else:
                assert (status, "retry-after" in headers) == (503, True)
                self.refused.add(mrid)
                await asyncio.sleep(0.02)

    async def more(self, count: int) -> None:
        least = len(self.taken) + count
        async with asyncio.timeout(60):
            while len(self.taken) < least:
                await asyncio.sleep(0.02)

    async def refusals(self) -> None:
        """Wait for a refusal. Only the COMMIT that broke waits for up to 30 s; all behind it do not."""
        before = self.statuses[503]
        async with asyncio.timeout(20):
            while self.statuses[503] == before:
                await asyncio.sleep(0.02)


def control(mrid: str, now: int, ahead: int) -> DERControl:
    return DERControl(
        mRID=mrid,
        creationTime=now,
        eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=1, start=now + ahead),
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=1)),
    )


async def test_kill_9_of_postgresql_under_a_server_loses_nothing_acknowledged(own_postgres: Any) -> None:
    url = await own_postgres.new_database()
    plan = WorldPlan(batteries=2, inverters=0, page_port=0, ready_s=60.0, settings={"database": url}, log_level="error")
    back = []
    async with World(plan) as world:
        await world.start()
        writers = Writers(world)
        work = asyncio.create_task(writers.run())
        try:
            await writers.more(50)
            for _ in range(KILLS):
                own_postgres.kill()
                await writers.refusals()
                taken = len(writers.taken)
                await asyncio.sleep(0.3)
                assert len(writers.taken) == taken, "acknowledged while there was no database"
                own_postgres.start()
                began = time.monotonic()
                await writers.more(1)
                back.append(time.monotonic() - began)
                await writers.more(50)
            assert world.server is not None
            assert world.server.alive
        finally:
            writers.stop.set()
            await work
        async with world.utility() as utility:
            for mrid, place in writers.taken.items():
                status, _, body = await utility.request("GET", place)
                assert status == 200, f"{place} was acknowledged and is gone"
                assert mrid.encode() in body
    connection = await asyncpg.connect(url)
    kept = Counter(row["id"].partition(":")[2] for row in await connection.fetch("SELECT id FROM controls"))
    await connection.close()
    assert writers.statuses[201] == len(writers.taken) >= 50 * KILLS
    assert max(kept.values()) == 1
    # refused means refused: a peer that tries again must not be counted twice
    assert not any(mrid in name for mrid in writers.refused for name in kept)
    print(f"{KILLS} kills, {len(writers.taken)} taken, {len(writers.refused)} refused, back after {back}")
