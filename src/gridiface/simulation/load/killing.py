"""The server is killed under mixed writes, again and again: what it acknowledged is there afterwards, and once.

Clients in processes of their own post readings with values that nothing else has, and register newcomers; a utility
posts controls. After each restart the acknowledged ones are looked for: readings in the database, registrations and
controls over the wire. Owns the story and its count; what a run must show is the caller's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gridiface.errors import GridifaceError
from gridiface.simulation.children import Child
from gridiface.simulation.utility import Posted, UtilityFailed
from gridiface.simulation.world import World, WorldPlan

#: Values of the readings begin here: no device of the world measures so much.
FIRST_MARK = 10_000_000
_READY_S = 120.0


@dataclass(slots=True)
class Account:
    """What happened. `lost`: acknowledged and not there; `doubled`: there more than once."""

    kills: int = 0
    readings: int = 0
    registrations: int = 0
    controls: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    ready_s: list[float] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """All writes that were answered with 2xx."""
        return self.readings + self.registrations + self.controls


async def kill_again_and_again(kills: int, *, clients: int = 8, newcomers: int = 2, seed: int = 1) -> Account:
    """Run the story.

    Raises:
        GridifaceError: the server did not come back, or a process of the load failed as a whole.
    """
    chance = random.Random(seed)  # noqa: S311 - when to kill, no secret
    account = Account()
    plan = WorldPlan(batteries=1, inverters=0, page_port=0, in_band=True, log_level="warning", ready_s=_READY_S)
    async with World(plan) as world, contextlib.AsyncExitStack() as stack:
        await world.start()
        load = await _load(stack, world, clients)
        await _ask(load, {"job": "register"})
        for number in range(kills):
            first = clients + number * newcomers
            await load.send({"job": "record", "newcomers": [first, newcomers], "first_mark": FIRST_MARK})
            posting = asyncio.create_task(_controls(world))
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            await world.kill_server()
            answer, controls = await load.receive(), await posting
            if "error" in answer:
                raise GridifaceError(f"the load process: {answer['error']}")
            began = time.perf_counter()
            await world.start_server()
            account.ready_s.append(time.perf_counter() - began)
            await _check(world, account, answer, controls)
            account.kills += 1
    return account


async def _load(stack: contextlib.AsyncExitStack, world: World, clients: int) -> Child:
    config = {
        "host": "127.0.0.1",
        "port": world.sep2_port,
        "pki": str(world.pki),
        "scratch": str(world.folder / "fleet"),
        "first": 0,
        "count": clients,
    }
    load = Child("the load", ["-m", "gridiface.simulation.load.fleet"], config, log=world.folder / "fleet.log")
    stack.push_async_callback(load.stop)
    await load.start(timeout_s=_READY_S)
    return load


async def _ask(load: Child, job: dict[str, Any]) -> dict[str, Any]:
    await load.send(job)
    answer = await load.receive()
    if "error" in answer or answer.get("failures"):
        raise GridifaceError(f"the load process: {answer.get('error') or answer['failures']}")
    return answer


async def _controls(world: World) -> list[Posted]:
    """Controls of tomorrow, as many as are taken until the server is gone."""
    taken: list[Posted] = []
    with contextlib.suppress(UtilityFailed):
        async with world.utility() as utility:
            program = await utility.program("fleet")
            while True:
                now = time.time()
                start = now + 86_400 + 2 * len(taken)
                taken.append(
                    await utility.post_target(program, 100.0, start=start, duration_s=1, now=now, title="kept")
                )
    return taken


async def _check(world: World, account: Account, answer: dict[str, Any], controls: Sequence[Posted]) -> None:
    """Look for everything that was acknowledged in this round."""
    marks: list[int] = answer["marks"]
    stored = await asyncio.to_thread(_stored_marks, world)
    account.readings += len(marks)
    account.lost += [f"reading {mark}" for mark in marks if mark not in stored]
    account.doubled += [f"reading {mark}" for mark, count in stored.items() if count > 1]
    account.registrations += len(answer["registered"])
    account.controls += len(controls)
    async with world.utility() as utility:
        known = await utility.device_lfdis()
        account.lost += [f"registration {lfdi}" for lfdi in answer["registered"] if lfdi not in known]
        for control in controls:
            status, _, _ = await utility.request("GET", control.href)
            if status != 200:
                account.lost.append(f"control {control.mrid}")


def _stored_marks(world: World) -> dict[int, int]:
    """How often each mark is in the database."""
    path = world.folder / "gridiface.sqlite"
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30.0)) as database:
        rows = database.execute(
            "SELECT value, COUNT(*) FROM readings WHERE value >= ? GROUP BY value", (FIRST_MARK,)
        ).fetchall()
    return {int(value): count for value, count in rows}
