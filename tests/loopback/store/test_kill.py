"""kill -9: of the process that writes, and of PostgreSQL under it. No acknowledged commit is lost, none doubled.

GRIDIFACE_TEST_KILLS raises the number of kills of the writing process (10 in an ordinary run),
GRIDIFACE_TEST_SERVER_KILLS that of PostgreSQL (3).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.changes import AppendReadings, PutDocument
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import StoreUnavailable
from gridiface.store.repository import Store, StoreOptions

WORKER = Path(__file__).with_name("worker.py")
KILLS = int(os.environ.get("GRIDIFACE_TEST_KILLS", "10"))
SERVER_KILLS = int(os.environ.get("GRIDIFACE_TEST_SERVER_KILLS", "3"))


def run_and_kill(url: str, run: int, least: int, cache: Path) -> set[str]:
    """Start the worker, kill it after `least` acknowledgements; what it acknowledged."""
    command = [sys.executable, str(WORKER), url, f"run{run}"]
    # Compiled once, not at each start.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    acknowledged: list[str] = []
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        while len(acknowledged) < least:
            line = worker.stdout.readline()
            assert line.endswith("\n"), "the worker ended by itself"
            acknowledged.append(line.split()[1])
    finally:
        worker.kill()
        rest = worker.communicate()[0]
    acknowledged += [line.split()[1] for line in rest.split("\n")[:-1]]
    return set(acknowledged)


@pytest.mark.processes
@pytest.mark.timeout(60 + 10 * KILLS)
async def test_kill_9_of_the_writer_loses_nothing_acknowledged(url: str, tmp_path: Path) -> None:
    chance = random.Random(20300)
    acknowledged: set[str] = set()
    for run in range(KILLS):
        acknowledged |= await asyncio.to_thread(run_and_kill, url, run, chance.randrange(1, 400), tmp_path / "cache")
    async with await Store.open(url) as store:
        documents = {document.key: document for document in await store.documents("kill")}
        controls = {control.id for control in await store.controls()}
        assert acknowledged
        assert acknowledged - documents.keys() == set()
        # All or nothing, acknowledged or not: each document has its control, its one outcome and its one reading.
        assert documents.keys() == controls
        assert {document.version for document in documents.values()} == {1}
        readings = await store.readings("kill", start=0, end=math.inf, limit=10_000_000)
        assert sorted(str(number(name)) for name in documents) == sorted(str(r.source_time) for r in readings)
        for name in chance.sample(sorted(documents), 50):
            assert len(await store.outcomes(name)) == 1


def number(name: str) -> float:
    """The source time that the worker gave the reading of this name (see worker.py)."""
    run, caller, turn = name.removeprefix("run").split("-")
    return float(run) * 1e8 + float(caller) * 1e6 + float(turn)


def reading(name: str) -> Reading:
    caller, turn = map(float, name.split("-"))
    return Reading(device_id="kill", quantity=Quantity.ACTIVE_POWER, value=turn, source_time=caller, received=1.0)


@pytest.mark.postgres
@pytest.mark.processes
@pytest.mark.timeout(60 + 30 * SERVER_KILLS)
async def test_kill_9_of_postgresql_loses_nothing_acknowledged(own_postgres: Any) -> None:
    store = await Store.open(await own_postgres.new_database(), options=StoreOptions(resolve_s=20.0))
    acknowledged: set[str] = set()
    refused: set[str] = set()
    stop = asyncio.Event()

    async def caller(number: int) -> None:
        turn = 0
        while not stop.is_set():
            name, turn = f"{number}-{turn}", turn + 1
            try:
                await store.commit([PutDocument("kill", name, b""), AppendReadings((reading(name),))])
                acknowledged.add(name)
            except StoreUnavailable:
                refused.add(name)
                await asyncio.sleep(0.02)

    callers = [asyncio.create_task(caller(number)) for number in range(16)]
    for _ in range(SERVER_KILLS):
        await more(acknowledged, 300)
        own_postgres.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(more(refused, 1), 1.0)
        own_postgres.start()
        await more(acknowledged, 300)
    stop.set()
    await asyncio.gather(*callers)
    kept = {document.key: document.version for document in await store.documents("kill")}
    assert acknowledged - kept.keys() == set()
    # Refused means refused: nothing of it may be there, or a peer that tries again would be counted twice.
    assert refused & kept.keys() == set()
    assert refused
    assert set(kept.values()) == {1}
    readings = await store.readings("kill", start=0, end=math.inf, limit=10_000_000)
    assert sorted(kept) == sorted(f"{r.source_time:.0f}-{r.value:.0f}" for r in readings)
    await store.close()


async def more(names: set[str], count: int) -> None:
    """Until `count` further names have come."""
    least = len(names) + count
    async with asyncio.timeout(30):
        while len(names) < least:
            await asyncio.sleep(0.01)
