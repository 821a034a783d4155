"""Benchmarks of the 2030.5 server: reading, connecting, writing. The server runs on one core, the client on another."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridiface.errors import GridifaceError
from gridiface.protocols.sep2.resources import DERControlResponse, MirrorUsagePoint
from gridiface.protocols.xmlwire import decode, encode
from gridiface.simulation.children import Child
from gridiface.simulation.inverter import resources
from gridiface.simulation.load.figures import report, spread
from gridiface.simulation.sunspec.physics import Measured
from gridiface.simulation.utility import UtilityClient
from gridiface.simulation.world import World, WorldPlan

_SERVER_CORE, _CLIENT_CORE = 0, 1


async def get(runs: int, seconds: float, devices: int, controls: int, connections: int) -> dict[str, Any]:
    """See `gridiface bench sep2-get`."""
    async with World(_plan(devices)) as world:
        await world.start()
        async with world.utility() as utility:
            program = await utility.program("fleet")
            start = int(time.time()) + 7200
            for number in range(controls):
                title = f"benchmark {number}"
                now = time.time()
                await utility.post_target(
                    program, 1000.0 + number, start=start + 60 * number, duration_s=60, now=now, title=title
                )
            listed = program.DERControlListLink
            assert listed is not None
        paths = ["/dcap", "/edev?l=100", f"{listed.href}?l=100"]
        job = {"job": "get", "paths": paths, "connections": connections, "seconds": seconds}
        answers = await _measure(world, "utility", job, runs)
    figures = {
        path: {
            "bytes": answers[0]["paths"][index]["bytes"],
            **{key: spread([a["paths"][index][key] for a in answers]) for key in ("per_second", "p50_ms", "p99_ms")},
        }
        for index, path in enumerate(paths)
    }
    work = {"devices": devices, "controls": controls, "connections": connections, "seconds": seconds, "runs": runs}
    return report("sep2-get", work, figures)


async def connect(runs: int, seconds: float, idle: int) -> dict[str, Any]:
    """See `gridiface bench sep2-connect`."""
    async with World(_plan(1)) as world:
        await world.start()
        answers = await _measure(world, "utility", {"job": "connect", "path": "/dcap", "seconds": seconds}, runs)
        per_connection = await _idle_memory(world, idle) if idle else None
    keys = ("per_second", "p50_ms", "p99_ms")
    figures: dict[str, Any] = {key: spread([answer[key] for answer in answers]) for key in keys}
    figures["idle_connection_KiB"] = per_connection
    return report("sep2-connect", {"seconds": seconds, "idle": idle, "runs": runs}, figures)


async def write(runs: int, writes: int, connections: int) -> dict[str, Any]:
    """See `gridiface bench sep2-write`."""
    async with World(_plan(0, inverters=1)) as world:
        await world.start()
        async with world.utility() as utility:
            requests = await _requests(world, utility, writes)
        await world.inverters[0].stop()
        job = {"job": "send", "requests": requests, "connections": connections}
        answers = await _measure(world, "inverter1", job, runs)
    for answer in answers:
        if set(answer["statuses"]) - {"201", "204"}:
            raise GridifaceError(f"not every write was taken: {answer['statuses']}")
    keys = ("per_second", "p50_ms", "p99_ms")
    figures = {key: spread([answer[key] for answer in answers]) for key in keys}
    return report("sep2-write", {"writes": writes, "connections": connections, "runs": runs}, figures)


def _plan(devices: int, *, inverters: int = 0) -> WorldPlan:
    """A world of one battery, and `devices` end devices that never connect."""
    limits = {"connections_per_identity": 20_000, "connections_per_address": 20_000, "connections": 20_000}
    return WorldPlan(
        batteries=1, inverters=inverters, page_port=0, idle_devices=devices, limits=limits, log_level="warning"
    )


async def _measure(world: World, name: str, job: Mapping[str, Any], runs: int) -> list[dict[str, Any]]:
    """Run one job `runs` times after a warm-up, from one client process."""
    assert world.server is not None
    _keep_on(world.server.pid, _SERVER_CORE)
    client = load_child(world, name)
    try:
        await client.start()
        answers = []
        for run in range(runs + 1):
            await client.send(job)
            answer = await client.receive()
            if "error" in answer:
                raise GridifaceError(f"the load client: {answer['error']}")
            if run:
                answers.append(answer)
        return answers
    finally:
        await client.stop()


def load_child(world: World, name: str) -> Child:
    """A load client with the certificate of `name`, not yet started."""
    config = {
        "host": "127.0.0.1",
        "port": world.sep2_port,
        "certificate": str(world.pki / f"{name}.pem"),
        "key": str(world.pki / f"{name}.key"),
        "roots": str(world.pki / "serca.pem"),
        "core": _CLIENT_CORE,
    }
    return Child("the load client", ["-m", "gridiface.simulation.load.client"], config, log=world.folder / "load.log")


async def _idle_memory(world: World, connections: int) -> float:
    """KiB of the server per idle connection."""
    assert world.server is not None
    before = _resident_kib(world.server.pid)
    client = load_child(world, "utility")
    try:
        await client.start()
        await client.send({"job": "hold", "connections": connections})
        answer = await client.receive()
        if "error" in answer:
            raise GridifaceError(f"the load client: {answer['error']}")
        return round((_resident_kib(world.server.pid) - before) / connections, 1)
    finally:
        await client.stop()


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise GridifaceError("this system does not tell a process's memory in /proc")


def _keep_on(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(pid, {core})


async def _requests(world: World, utility: UtilityClient, writes: int) -> list[tuple[str, str, str]]:
    """Half posts of readings to the inverter's mirror, half responses to a control of its program."""
    lfdi = (await _state(world))["lfdi"]
    program = await utility.program("inverter1")
    now = time.time()
    posted = await utility.post_target(program, 1000.0, start=now + 3600, duration_s=60, now=now, title="benchmark")
    mirror = await _mirror(utility)
    measured = Measured(w=1234.0, var=5.0, va=1234.0, hz=50.0, volts=230.0, soc=0.5)
    reading = encode(resources.readings("inverter1", measured)).decode()
    response = encode(
        DERControlResponse(createdDateTime=int(now), endDeviceLFDI=lfdi, status=1, subject=posted.mrid)
    ).decode()
    assert posted.reply_to is not None
    pair = [("POST", mirror, reading), ("POST", posted.reply_to, response)]
    return pair * (writes // 2)


async def _state(world: World) -> dict[str, Any]:
    await world.inverters[0].send({"query": "state"})
    return await world.inverters[0].receive()


async def _mirror(utility: UtilityClient) -> str:
    """Where the inverter's mirror lives, once it has posted it.

    Raises:
        GridifaceError: there is none.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        status, _, body = await utility.request("GET", "/mup/1")
        if status == 200:
            href = decode(body, MirrorUsagePoint).href
            assert href is not None
            return href
    raise GridifaceError("the inverter posted no mirror")
