"""R8: an event reaches every Modbus device: none missed, in time, and the sum of what was written is what was asked.

Server, devices and utility are processes of their own, as in `gridiface bench dispatch`; here every device's
acknowledged set-point is looked at.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.errors import GridifaceError
from gridiface.simulation.load.figures import percentile
from gridiface.simulation.utility import UtilityClient
from gridiface.simulation.world import World, WorldPlan

_LATEST_MS = 500.0
_SUM_ERROR = 0.001
_UP_S, _WAIT_S = 180.0, 30.0


async def _events(count: int, events: int) -> list[tuple[float, int, float]]:
    """Of each event: milliseconds to the last acknowledgement, devices that missed it, relative error of the sum."""
    plan = WorldPlan(
        batteries=count,
        inverters=0,
        page_port=0,
        battery_poll_s=max(1.0, count / 200),
        ready_s=120.0,
        log_level="warning",
        # The sum of what was written is looked at, so nothing may be added for what inverters lose on the way.
        settings={"engine": {"period_s": 0.5, "trim_gain": 0.0}},
    )
    found = []
    async with World(plan) as world:
        await world.start()
        await _up(world, count)
        async with world.utility() as utility:
            for number in range(events):
                await asyncio.sleep(1.1)  # creationTime has whole seconds
                watts = count * plan.battery_w * (0.3 + 0.05 * (number % 5))
                found.append(await _one(world, utility, watts, count))
    return found


async def _up(world: World, count: int) -> None:
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        if (await world.page("/api/v1/status"))["devices"]["online"] >= count:
            return
        await asyncio.sleep(0.3)
    raise GridifaceError(f"{count} devices did not come up within {_UP_S} s")


async def _one(world: World, utility: UtilityClient, watts: float, count: int) -> tuple[float, int, float]:
    program = await utility.program("fleet")
    began = time.time()
    posted = await utility.post_target(program, watts, start=began, duration_s=3600, now=began, title="R8")
    mine = f"sep2:{posted.mrid}"
    deadline = time.monotonic() + _WAIT_S
    done: list[dict[str, Any]] = []
    while time.monotonic() < deadline and len(done) < count:
        await asyncio.sleep(0.3)
        rows = (await world.page("/api/v1/devices?limit=10000"))["devices"]
        done = [
            row
            for row in rows
            if row["delivery"] and mine in row["delivery"]["controls"] and row["delivery"]["outcome"] == "acknowledged"
        ]
    latest = max((row["delivery"]["at"] for row in done), default=began + _WAIT_S)
    told = sum(row["setpoint_W"] or 0.0 for row in done)
    return 1000 * (latest - began), count - len(done), abs(told - watts) / watts


def run(plan: Plan) -> Finding:
    """Three events to 50 devices; in the full form 20 to 1,000."""
    count = plan.count(50, 1_000)
    found = asyncio.run(_events(count, 20 if plan.full else 3))
    times = [took for took, _, _ in found]
    checks = {
        f"last acknowledgement within {_LATEST_MS:g} ms (p99)": percentile(times, 0.99) <= _LATEST_MS,
        "none missed": all(missed == 0 for _, missed, _ in found),
        "sum within 0.1 %": all(error <= _SUM_ERROR for _, _, error in found),
    }
    figures = {
        "devices": count,
        "events": len(found),
        "p50_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
        "missed": sum(missed for _, missed, _ in found),
        "worst_sum_error": max(error for _, _, error in found),
    }
    return Finding(checks, figures)


SCENARIO = Scenario("modbus-event", "R8", "an event reaches every Modbus device in time", run)
