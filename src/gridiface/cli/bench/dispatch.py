"""From a utility's POST to the last acknowledged Modbus write.

Server, devices and utility are processes of their own. The clock starts before the POST leaves and ends at the last
read-back that the server acknowledged. Nobody asks the server anything meanwhile. Processor time is the server's, from
the POST until everything is recorded: on a machine that is shared it says more than the time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from gridiface.errors import GridifaceError
from gridiface.protocols.sep2.resources import DERProgram
from gridiface.simulation.load.figures import cpu_s, percentile, report, spread
from gridiface.simulation.utility import UtilityClient
from gridiface.simulation.world import World, WorldPlan

_WAIT_S = 60.0
_OPEN_S = 300.0
#: How long the server is left alone after a POST at least, and for each device, s. It must be asked before the engine
#: looks at its split anew (`engine.resplit_s`): devices that are told again then would count as told late.
_LEAVE_S, _LEAVE_EACH_S = 0.5, 0.00025


async def measure(runs: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """See `gridiface bench dispatch`."""
    figures = {str(size): await _size(size, runs) for size in sizes}
    return report("dispatch", {"runs": runs, "sizes": list(sizes)}, figures)


async def _size(size: int, runs: int) -> dict[str, Any]:
    plan = WorldPlan(
        batteries=size,
        inverters=0,
        page_port=0,
        battery_poll_s=max(1.0, size / 200),
        ready_s=120.0,
        log_level="warning",
    )
    async with World(plan) as world:
        await world.start()
        await _all_open(world, size)
        async with world.utility() as utility:
            program = await utility.program("fleet")
            times, work = [], []
            for run in range(runs + 1):
                # creationTime has whole seconds: a control of the same second does not supersede the one before.
                await asyncio.sleep(1.1)
                share = 0.3 + 0.05 * (run % 5)
                took, worked = await _once(world, utility, program, size * plan.battery_w * share, size)
                if run:
                    times.append(took)
                    work.append(worked)
    return {"milliseconds": spread(times), "p99_ms": percentile(times, 0.99), "server_cpu_ms": spread(work)}


async def _all_open(world: World, size: int) -> None:
    deadline = time.monotonic() + _OPEN_S
    while time.monotonic() < deadline:
        if (await world.page("/api/v1/status"))["devices"]["online"] >= size:
            return
        await asyncio.sleep(0.5)
    raise GridifaceError(f"{size} devices did not come up within {_OPEN_S} s")


async def _once(
    world: World, utility: UtilityClient, program: DERProgram, watts: float, size: int
) -> tuple[float, float]:
    """Of one control that starts at once: milliseconds from POST to the last acknowledgement, and of the processor."""
    pid = world.server.pid if world.server is not None else 0
    began, before = time.time(), cpu_s(pid)
    posted = await utility.post_target(
        program, watts, start=began, duration_s=3600, now=began, title=f"benchmark at {watts:.0f} W"
    )
    mine = f"sep2:{posted.mrid}"
    deadline = time.monotonic() + _WAIT_S
    done: list[float] = []
    work = 0.0
    while time.monotonic() < deadline and len(done) < size:
        await asyncio.sleep(_LEAVE_S + size * _LEAVE_EACH_S)
        work = work or 1000 * (cpu_s(pid) - before)
        rows = (await world.page("/api/v1/devices"))["devices"]
        found = [row["delivery"] for row in rows if row["delivery"] and mine in row["delivery"]["controls"]]
        done = [delivery["at"] for delivery in found if delivery["outcome"] == "acknowledged"]
    if len(done) < size:
        raise GridifaceError(f"only {len(done)} of {size} devices acknowledged the control within {_WAIT_S} s")
    return 1000 * (max(done) - began), work
