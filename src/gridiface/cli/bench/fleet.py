"""A fleet of 2030.5 clients with certificates of their own: rounds of polls and readings, then a restart and its storm.

The clients run in processes of their own, by default two; the server in one more.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gridiface.cli.bench.processes import ask_all, fleet_children, resident_kib
from gridiface.simulation.children import Child
from gridiface.simulation.load.figures import cpu_s, report
from gridiface.simulation.world import World, WorldPlan


async def measure(clients: int, processes: int, period: float, seconds: float) -> dict[str, Any]:
    """See `gridiface bench sep2-fleet`.

    Raises:
        GridifaceError: a process of the load failed as a whole.
    """
    limits = {"connections_per_identity": 16, "connections_per_address": 50_000, "connections": 50_000}
    # A restart with many devices is measured, not given up, also on a busy machine.
    plan = WorldPlan(
        batteries=1, inverters=0, page_port=0, in_band=True, limits=limits, log_level="warning", ready_s=300.0
    )
    async with World(plan) as world, contextlib.AsyncExitStack() as stack:
        await world.start()
        children = await fleet_children(stack, world, clients, processes)
        figures: dict[str, Any] = {"register": _merged(await ask_all(children, {"job": "register"}))}
        figures["poll"] = await _poll(world, children, period, seconds)
        figures["restart"] = await _restart(world, children)
        figures["resident_MiB_after"] = _resident_mib(world)
    work = {"clients": clients, "processes": processes, "period_s": period, "seconds": seconds}
    return report("sep2-fleet", work, figures)


async def _poll(world: World, children: Sequence[Child], period: float, seconds: float) -> dict[str, Any]:
    assert world.server is not None
    before, began = cpu_s(world.server.pid), time.perf_counter()
    answers = await ask_all(children, {"job": "poll", "seconds": seconds, "period": period})
    spent = time.perf_counter() - began
    found = _merged(answers)
    found["per_second"] = sum(answer["per_second"] for answer in answers)
    found["cores"] = (cpu_s(world.server.pid) - before) / spent
    found["resident_MiB"] = _resident_mib(world)
    return found


async def _restart(world: World, children: Sequence[Child]) -> dict[str, Any]:
    """Kill the server, start it again, and let everybody come back at once."""
    await world.kill_server()
    began = time.perf_counter()
    await world.start_server()
    ready = time.perf_counter() - began
    answers = await ask_all(children, {"job": "return"})
    found = _merged(answers)
    found["ready_s"] = ready
    found["all_back_s"] = max(answer["seconds"] for answer in answers)
    found["tries_refused"] = sum(answer["tries_refused"] for answer in answers)
    return found


def _merged(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts added, times the worst of any process."""
    failures: dict[str, int] = {}
    for answer in answers:
        for reason, count in answer["failures"].items():
            failures[reason] = failures.get(reason, 0) + count
    worst = {
        key: max(answer[key] for answer in answers if key in answer)
        for key in ("p50_ms", "p99_ms", "max_ms")
        if any(key in answer for answer in answers)
    }
    exchanges = sum(answer["exchanges"] for answer in answers)
    return {"exchanges": exchanges, "failed": sum(failures.values()), "failures": failures, **worst}


def _resident_mib(world: World) -> float:
    assert world.server is not None
    return round(resident_kib(world.server.pid) / 1024, 1)
