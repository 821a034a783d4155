"""R8: an event reaches every Modbus device: none missed, in time, and the sum of what was written is what was asked.

Server, devices and utility are processes of their own, as in `gridiface bench dispatch`; here every device's
acknowledged set-point is looked at. A last event runs with the closed loop on: what inverters lose on the way is made
up for, and the fleet is measured to deliver what was asked.
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
_DELIVERED_ERROR = 0.005
#: What each inverter lacks of what it was told, where the closed loop is looked at.
_LOSS = 0.03
_UP_S, _WAIT_S, _TRIM_S = 180.0, 30.0, 60.0


def _plan(count: int, *, trim: bool) -> WorldPlan:
    engine: dict[str, Any] = {"period_s": 0.5} if trim else {"period_s": 0.5, "trim_gain": 0.0}
    return WorldPlan(
        batteries=count,
        inverters=0,
        page_port=0,
        battery_poll_s=max(1.0, count / 200),
        ready_s=120.0,
        log_level="warning",
        battery_loss=_LOSS if trim else 0.0,
        settings={"engine": engine},
    )


async def _events(count: int, events: int) -> tuple[list[tuple[float, int, float]], float]:
    """Of each event: milliseconds to the last acknowledgement, devices that missed it, relative error of the sum.

    And the relative error of what the devices do after the last one, asked of themselves.

    The sum of what was written is looked at, so nothing may be added for what inverters lose on the way.
    """
    plan, found = _plan(count, trim=False), []
    async with World(plan) as world:
        await world.start()
        await _up(world, count)
        async with world.utility() as utility:
            for number in range(events):
                await asyncio.sleep(1.1)  # creationTime has whole seconds
                watts = count * plan.battery_w * (0.3 + 0.05 * (number % 5))
                found.append(await _one(world, utility, watts, count))
            return found, await _carried_out(world, watts)


async def _carried_out(world: World, watts: float) -> float:
    """The relative error of what the devices deliver, by their own word, as soon as it is small enough, else at last.

    What a server says that it wrote shows nothing of registers, scales and units.
    """
    deadline = time.monotonic() + _WAIT_S
    error = 1.0
    while time.monotonic() < deadline and error > _SUM_ERROR:
        await asyncio.sleep(0.3)
        await world.devices.send({"unit": "all", "query": "state"})
        states = (await world.devices.receive())["states"]
        error = abs(sum(state["w"] for state in states) - watts) / watts
    return error


async def _trimmed(count: int) -> tuple[int, float]:
    """Of one event with the closed loop on: devices that missed it, relative error of what is delivered in the end."""
    plan = _plan(count, trim=True)
    async with World(plan) as world:
        await world.start()
        await _up(world, count)
        async with world.utility() as utility:
            watts = count * plan.battery_w * 0.4
            _, missed, _ = await _one(world, utility, watts, count)
            return missed, await _settled(world, watts)


async def _settled(world: World, watts: float) -> float:
    """The relative error of the measured total, as soon as it is small enough, else after a minute."""
    deadline = time.monotonic() + _TRIM_S
    error = 1.0
    while time.monotonic() < deadline and error > _DELIVERED_ERROR:
        await asyncio.sleep(0.5)
        groups = (await world.page("/api/v1/status"))["groups"]
        delivered = next((row["delivered_W"] for row in groups if row["id"] == "fleet"), None)
        error = 1.0 if delivered is None else abs(delivered - watts) / watts
    return error


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
    """Three events to 50 devices; in the full form 20 to 1,000. Then one more with the closed loop."""
    count = plan.count(50, 1_000)
    found, done = asyncio.run(_events(count, 20 if plan.full else 3))
    missed, delivered = asyncio.run(_trimmed(count))
    times = [took for took, _, _ in found]
    checks = {
        f"last acknowledgement within {_LATEST_MS:g} ms (p99)": percentile(times, 0.99) <= _LATEST_MS,
        "none missed": missed == 0 and all(away == 0 for _, away, _ in found),
        "sum within 0.1 %": all(error <= _SUM_ERROR for _, _, error in found),
        "the devices do it within 0.1 %": done <= _SUM_ERROR,
        f"with the closed loop the fleet delivers it within {_DELIVERED_ERROR:.1%}": delivered <= _DELIVERED_ERROR,
    }
    figures = {
        "devices": count,
        "events": len(found),
        "p50_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
        "missed": missed + sum(away for _, away, _ in found),
        "delivered_error": delivered,
        "done_error": round(done, 6),
        "worst_sum_error": max(error for _, _, error in found),
    }
    return Finding(checks, figures)


SCENARIO = Scenario("modbus-event", "R8", "an event reaches every Modbus device in time", run)
