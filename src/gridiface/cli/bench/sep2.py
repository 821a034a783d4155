"""Benchmarks of the 2030.5 server: reading, connecting, writing. The server runs on one core, the client on another."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gridiface.cli.bench.processes import ask_all, fleet_children, resident_kib
from gridiface.errors import GridifaceError
from gridiface.pki.identity import sfdi_from_lfdi
from gridiface.protocols.sep2.resources import DERProgramList, DeviceCapability
from gridiface.simulation.children import Child
from gridiface.simulation.load.figures import cpu_s, report, spread
from gridiface.simulation.load.fleet import RESPONSE_EVERY
from gridiface.simulation.load.nginx import Nginx
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
            bodies = [(await utility.request("GET", path))[2] for path in paths]
        jobs = [{"job": "get", "paths": [path], "connections": connections, "seconds": seconds} for path in paths]
        found = await _compared(world, jobs, bodies, runs)
    figures = {path: {"bytes": len(body), **each} for path, body, each in zip(paths, bodies, found, strict=True)}
    work = {"devices": devices, "controls": controls, "connections": connections, "seconds": seconds, "runs": runs}
    return report("sep2-get", work, figures)


async def connect(runs: int, seconds: float, idle: int) -> dict[str, Any]:
    """See `gridiface bench sep2-connect`."""
    async with World(_plan(1)) as world:
        await world.start()
        async with world.utility() as utility:
            body = (await utility.request("GET", "/dcap"))[2]
        job = {"job": "connect", "path": "/dcap", "seconds": seconds}
        (figures,) = await _compared(world, [job], [body], runs)
        figures["idle_connection_KiB"] = await _idle_memory(world, idle) if idle else None
    return report("sep2-connect", {"seconds": seconds, "idle": idle, "runs": runs}, figures)


async def write(runs: int, writes: int, connections: int) -> dict[str, Any]:
    """See `gridiface bench sep2-write`."""
    limits = {"connections_per_address": 20_000, "connections": 20_000}
    plan = WorldPlan(batteries=1, inverters=0, page_port=0, in_band=True, limits=limits, log_level="warning")
    async with World(plan) as world, contextlib.AsyncExitStack() as stack:
        await world.start()
        assert world.server is not None
        _keep_on(world.server.pid, _SERVER_CORE)
        children = await fleet_children(stack, world, connections, 1, core=_CLIENT_CORE)
        (registered,) = await ask_all(children, {"job": "register"})
        lives = -(-writes // (3 * RESPONSE_EVERY * connections))
        answers = []
        for run in range(runs + 1):
            controls = await _controls(world, registered["lfdis"], lives, run)
            before = cpu_s(world.server.pid)
            (answer,) = await ask_all(children, {"job": "burst", "writes": writes, "controls": controls})
            if answer["failures"]:
                raise GridifaceError(f"not every write was taken: {answer['failures']}")
            answer["cpu_us"] = 1e6 * (cpu_s(world.server.pid) - before) / answer["exchanges"]
            answers += [answer] if run else []
    figures = {key: spread([each[key] for each in answers]) for key in ("per_second", "p50_ms", "p99_ms", "cpu_us")}
    return report("sep2-write", {"writes": writes, "connections": connections, "runs": runs}, figures)


async def _controls(world: World, lfdis: Sequence[str], count: int, run: int) -> dict[str, list[tuple[str, str]]]:
    """`count` new controls of each client's own program: where its responses go, and the mRID."""
    found: dict[str, list[tuple[str, str]]] = {lfdi: [] for lfdi in lfdis}
    async with world.utility() as utility:
        listed = (await utility.get("/dcap", DeviceCapability)).DERProgramListLink
        assert listed is not None
        programs = {each.description: each for each in await utility.members(listed.href, DERProgramList)}
        for lfdi in lfdis:
            program = programs[f"sep2-{sfdi_from_lfdi(bytes.fromhex(lfdi))}"]
            for number in range(count):
                now = time.time()
                start = now + 86_400 + 60 * (count * run + number)
                posted = await utility.post_target(program, 100.0, start=start, duration_s=60, now=now, title="bench")
                assert posted.reply_to is not None
                found[lfdi].append((posted.reply_to, posted.mrid))
    return found


def _plan(devices: int) -> WorldPlan:
    """A world of one battery, and `devices` end devices that never connect."""
    limits = {"connections_per_identity": 20_000, "connections_per_address": 20_000, "connections": 20_000}
    return WorldPlan(batteries=1, inverters=0, page_port=0, idle_devices=devices, limits=limits, log_level="warning")


async def _compared(
    world: World, jobs: Sequence[dict[str, Any]], bodies: Sequence[bytes], runs: int
) -> list[dict[str, Any]]:
    """Run each job `runs` times after a warm-up, in turn against the server and, where there is one, against nginx.

    Both keep to one core; what is compared is the processor time that each takes for a request, because that neither
    depends on the client nor on who else uses the machine.
    """
    assert world.server is not None
    _keep_on(world.server.pid, _SERVER_CORE)
    async with contextlib.AsyncExitStack() as stack:
        ours = _Measured(await _client(stack, world, "utility", world.sep2_port), world.server.pid)
        theirs = None
        if Nginx.installed():
            files = {f"f{number}": body for number, body in enumerate(bodies)}
            nginx = await stack.enter_async_context(Nginx(world.folder / "nginx", world.pki, files))
            _keep_on(nginx.pid, _SERVER_CORE)
            theirs = _Measured(await _client(stack, world, "utility", nginx.port), nginx.pid)
        found = []
        for number, job in enumerate(jobs):
            rival = {**job, "paths": [f"/f{number}"], "path": f"/f{number}"}
            pairs = []
            for run in range(runs + 1):
                pair = (await ours.run(job), await theirs.run(rival) if theirs is not None else None)
                if run:
                    pairs.append(pair)
            found.append(_figures(pairs))
        return found


def _figures(pairs: Sequence[tuple[dict[str, float], dict[str, float] | None]]) -> dict[str, Any]:
    own = [pair[0] for pair in pairs]
    figures: dict[str, Any] = {key: spread([each[key] for each in own]) for key in own[0]}
    rivals = [(ours, theirs) for ours, theirs in pairs if theirs is not None]
    if rivals:
        figures["nginx"] = {key: spread([theirs[key] for _, theirs in rivals]) for key in ("per_second", "cpu_us")}
        figures["times_nginx"] = spread([theirs["cpu_us"] / ours["cpu_us"] for ours, theirs in rivals])
    return figures


class _Measured:
    """A load client and the process that it loads."""

    def __init__(self, client: Child, pid: int) -> None:
        self._client, self._pid = client, pid

    async def run(self, job: Mapping[str, Any]) -> dict[str, float]:
        """One job: what the client saw, and the processor time of the server per request, us."""
        before = cpu_s(self._pid)
        answer = await _ask(self._client, job)
        spent = cpu_s(self._pid) - before
        seen = answer["paths"][0] if "paths" in answer else answer
        count = seen.get("requests") or seen["connections"]
        return {**{key: seen[key] for key in ("per_second", "p50_ms", "p99_ms")}, "cpu_us": 1e6 * spent / count}


async def _client(stack: contextlib.AsyncExitStack, world: World, name: str, port: int) -> Child:
    client = load_child(world, name, port)
    stack.push_async_callback(client.stop)
    await client.start()
    return client


async def _ask(client: Child, job: Mapping[str, Any]) -> dict[str, Any]:
    await client.send(job)
    answer: dict[str, Any] = await client.receive()
    if "error" in answer:
        raise GridifaceError(f"the load client: {answer['error']}")
    return answer


def load_child(world: World, name: str, port: int) -> Child:
    """A load client with the certificate of `name`, not yet started."""
    config = {
        "host": "127.0.0.1",
        "port": port,
        "certificate": str(world.pki / f"{name}.pem"),
        "key": str(world.pki / f"{name}.key"),
        "roots": str(world.pki / "serca.pem"),
        "core": _CLIENT_CORE,
    }
    return Child("the load client", ["-m", "gridiface.simulation.load.client"], config, log=world.folder / "load.log")


async def _idle_memory(world: World, connections: int) -> float:
    """KiB of the server per idle connection."""
    assert world.server is not None
    before = resident_kib(world.server.pid)
    async with contextlib.AsyncExitStack() as stack:
        client = await _client(stack, world, "utility", world.sep2_port)
        await _ask(client, {"job": "hold", "connections": connections})
        return round((resident_kib(world.server.pid) - before) / connections, 1)


def _keep_on(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(pid, {core})
