"""The processes of a benchmark's load, and what the system tells of a process. Owns no measure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridiface.errors import GridifaceError
from gridiface.simulation.children import Child
from gridiface.simulation.world import World

_READY_S = 300.0
_ANSWER_S = 900.0


async def fleet_children(
    stack: contextlib.AsyncExitStack, world: World, clients: int, processes: int, *, core: int | None = None
) -> list[Child]:
    """The processes of the clients, started; ended with the stack."""
    counts = [clients // processes + (1 if number < clients % processes else 0) for number in range(processes)]
    children = []
    for number, count in enumerate(counts):
        config = {
            "host": "127.0.0.1",
            "port": world.sep2_port,
            "pki": str(world.pki),
            "scratch": str(world.folder / f"fleet{number}"),
            "first": sum(counts[:number]),
            "count": count,
            "core": core,
        }
        command = ["-m", "gridiface.simulation.load.fleet"]
        child = Child(f"load process {number}", command, config, log=world.folder / f"fleet{number}.log")
        stack.push_async_callback(child.stop)
        children.append(child)
    await asyncio.gather(*(child.start(timeout_s=_READY_S) for child in children))
    return children


async def ask_all(children: Sequence[Child], job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give one job to every process and wait for all answers.

    Raises:
        GridifaceError: one of them could not do it at all.
    """
    for child in children:
        await child.send(job)
    answers = await asyncio.gather(*(asyncio.wait_for(child.receive(), _ANSWER_S) for child in children))
    for answer in answers:
        if "error" in answer:
            raise GridifaceError(f"a load process: {answer['error']}")
    return list(answers)


def resident_kib(pid: int) -> int:
    """Memory that a process has resident, KiB.

    Raises:
        GridifaceError: the system does not tell.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise GridifaceError("this system does not tell a process's memory in /proc")
