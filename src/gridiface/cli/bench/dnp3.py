"""Benchmarks of the DNP3 adapter: polls and commands, and events told unasked.

The server with all its shell runs in a process of its own on one core, the master in this process on another. The
house behind it is in memory: what is measured is protocol, points and sockets, not the store. Where opendnp3 is at
hand its outstation answers the same master in turn with ours, in the same rounds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from gridiface.cli.bench import opendnp3
from gridiface.cli.bench.beside import SERVER_CORE, Beside, keep_on
from gridiface.domain.changes import Change, Document
from gridiface.domain.controls import Acceptance, Control, Setpoint, Target, TargetKind, Verdict
from gridiface.domain.fleet import Device, Group
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import GridifaceError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.northbound.dnp3.server import Dnp3Server
from gridiface.northbound.dnp3.settings import Dnp3Settings, EndpointSettings, MasterEntry, StationSettings
from gridiface.protocols.dnp3.application import IIN, FunctionCode
from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.heads import all_head
from gridiface.protocols.dnp3.master.settings import MasterSettings, PointsReceived
from gridiface.protocols.dnp3.master.tasks import command_objects
from gridiface.protocols.dnp3.outstation.settings import Trigger, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointType
from gridiface.simulation.dnp3.bare import BareMaster
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed
from gridiface.simulation.load.figures import percentile, report, spread

_READY_S = 60.0
_SLICE_S = 0.01
_DRAIN_S = 60.0
#: opendnp3 leaves Nagle's algorithm on: an answer of several fragments waits for it, and so many are enough.
_FEW = 20
_SEVERAL_FRAGMENTS = frozenset({"class 0", "integrity"})

_CLASS_0 = all_head(60, 1)
_EVENTS = b"".join(all_head(60, variation) for variation in (2, 3, 4))


Work = Callable[[], list[bytes]]
Timed = dict[str, list[float]]
"""Median and 99th percentile of each run, ms, as `p50_ms` and `p99_ms`."""


async def poll(runs: int, points: int = 1000, polls: int = 500) -> dict[str, Any]:
    """See `gridiface bench dnp3-poll`: class 0, integrity, empty event poll, direct operate, select-operate."""
    figures: dict[str, Any] = {}
    with ExitStack() as open_:
        server = open_.enter_context(_server(points, None))
        masters = {"ours": open_.enter_context(BareMaster(server.port))}
        if opendnp3.python():
            rival = open_.enter_context(opendnp3.OpenDnp3(points))
            masters["opendnp3"] = open_.enter_context(BareMaster(rival.port))
        works = {who: _works(master) for who, master in masters.items()}
        for name in works["ours"]:
            found: dict[str, Timed] = {who: {"p50_ms": [], "p99_ms": []} for who in masters}
            for run in range(runs + 1):
                for who, master in masters.items():
                    # each in turn, so that what else the machine does falls on both; the first one warms up
                    most = _FEW if who == "opendnp3" and name in _SEVERAL_FRAGMENTS else polls
                    _time(master, works[who][name], min(polls, most), found[who], keep=bool(run))
            figures[name] = _compared(found)
    return report("dnp3-poll", {"points": points, "polls": polls, "runs": runs}, figures)


def _works(master: BareMaster) -> dict[str, Work]:
    numbers = count()
    return {
        "class 0": lambda: [master.prepare(FunctionCode.READ, _CLASS_0)],
        "integrity": lambda: [master.prepare(FunctionCode.READ, _EVENTS + _CLASS_0)],
        "empty event poll": lambda: [master.prepare(FunctionCode.READ, _EVENTS)],
        "direct operate": lambda: [master.prepare(FunctionCode.DIRECT_OPERATE, _command(next(numbers)))],
        "select-operate": lambda: _selected(master, next(numbers)),
    }


def _compared(found: dict[str, Timed]) -> dict[str, Any]:
    """Our figures, and beside them the rival's and how many times its time ours is, at the median."""
    figures: dict[str, Any] = {name: spread(values) for name, values in found["ours"].items()}
    for who, timed in found.items():
        if who != "ours":
            theirs = {name: spread(values) for name, values in timed.items()}
            figures[who] = theirs
            figures[f"times_{who}"] = figures["p50_ms"]["median"] / theirs["p50_ms"]["median"]
    return figures


async def events(runs: int, rate: int = 20_000, seconds: float = 2.0) -> dict[str, Any]:
    """See `gridiface bench dnp3-events`: events with time, told unasked and confirmed, while so many a second come."""
    answers = []
    for _ in range(runs):
        with _server(1000, rate) as server:
            answers.append(await _listen(server, seconds))
    figures: dict[str, Any] = {
        name: spread([float(answer[name]) for answer in answers])
        for name in ("offered", "offered_per_second", "received", "received_per_second", "lost")
    }
    return report("dnp3-events", {"rate": rate, "seconds": seconds, "runs": runs}, figures)


def _command(number: int) -> bytes:
    return command_objects([(0, AnalogOutput(float(number)))])


def _selected(master: BareMaster, number: int) -> list[bytes]:
    objects = _command(number)
    return [master.prepare(FunctionCode.SELECT, objects), master.prepare(FunctionCode.OPERATE, objects)]


def _time(master: BareMaster, work: Work, times: int, found: Timed, *, keep: bool) -> None:
    """One run; requests are prepared before the clock starts."""
    taken = []
    for _ in range(times):
        requests = work()
        began = time.perf_counter()
        answers = [master.exchange(request) for request in requests]
        taken.append(1000 * (time.perf_counter() - began))
        _check(answers)
    if keep:
        found["p50_ms"].append(percentile(taken, 0.5))
        found["p99_ms"].append(percentile(taken, 0.99))


def _check(answers: Sequence[bytes]) -> None:
    errors = IIN.NO_FUNC_CODE_SUPPORT | IIN.OBJECT_UNKNOWN | IIN.PARAMETER_ERROR
    for answer in answers:
        if (answer[2] | answer[3] << 8) & errors:
            raise GridifaceError(f"the outstation refused a request: {answer.hex()}")


async def _listen(server: Beside, seconds: float) -> dict[str, float]:
    """Count the events that come while the producer runs, and after it, until none is missing or none comes."""
    settings = MasterSettings(1, 10, startup_integrity=False, enable_classes=(1, 2, 3))
    received = 0
    last = time.perf_counter()

    def note(points: PointsReceived) -> None:
        nonlocal received, last
        received += sum(len(block.indices) for block in points.blocks if block.is_event)
        last = time.perf_counter()

    async with MasterClient(settings, "127.0.0.1", server.port) as client:
        client.on_points = note
        await client.until(lambda: "enable unsolicited" in client.done)
        began = time.perf_counter()
        server.ask({"produce": seconds})
        answer = await asyncio.to_thread(server.answer, seconds + _DRAIN_S)
        offered, took = int(answer["offered"]), float(answer["seconds"])
        with suppress(MasterFailed):
            await client.until(lambda: received >= offered, _DRAIN_S)
    return {
        "offered": offered,
        "offered_per_second": offered / took,
        "received": received,
        "received_per_second": received / max(last - began, 1e-9),
        "lost": offered - received,
    }


@contextmanager
def whole_server(points: int = 200) -> Iterator[int]:
    """The server of these benchmarks with its shell, in a process of its own; its port on loopback."""
    with _server(points, None) as server:
        yield server.port


# --- the server's process --------------------------------------------------------------------------------------------


def _server(points: int, rate: int | None) -> Beside:
    return Beside(_serve, points, rate, ready_s=_READY_S)


def _serve(pipe: Connection, points: int, rate: int | None) -> None:
    keep_on(SERVER_CORE)
    asyncio.run(_run(pipe, points, rate))


async def _run(pipe: Connection, points: int, rate: int | None) -> None:
    house = _House()
    server = Dnp3Server(
        _settings(points, told=rate is not None), clock=house, inbox=house, ledger=house, fleet=house, history=house
    )
    await server.start()
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    loop.add_reader(pipe.fileno(), lambda: asked.put_nowait(pipe.recv()))
    pipe.send({"port": server.port})
    while "stop" not in (request := await asked.get()):
        pipe.send(await _produce(server, points, rate or 0, float(request["produce"])))
    loop.remove_reader(pipe.fileno())
    await server.stop()


async def _produce(server: Dnp3Server, points: int, rate: int, seconds: float) -> dict[str, float]:
    """Change points so often a second, each change an event, in slices of 10 ms."""
    station = server.stations["bench"]
    began = time.perf_counter()
    offered, value = 0, 0.0
    while (elapsed := time.perf_counter() - began) < seconds:
        due = int(elapsed * rate) - offered
        while due > 0:
            batch = min(due, points)
            value += 1.0
            now = time.time()
            station.database.update_many(now, PointType.ANALOG_INPUT, [value] * batch, list(range(batch)))
            offered += batch
            due -= batch
        server.pump(time.time())
        await asyncio.sleep(_SLICE_S)
    return {"offered": offered, "seconds": time.perf_counter() - began}


def _settings(points: int, *, told: bool) -> Dnp3Settings:
    entries = [
        PointEntry(type=PointType.ANALOG_INPUT, index=index, name=f"AI{index}", measure=Measure.UNKNOWN, event_class=2)
        for index in range(points)
    ]
    entries.append(PointEntry(type=PointType.ANALOG_OUTPUT, index=0, name="set-point", action=Action.SET_W, scale=1e6))
    triggers = {2: Trigger(count=500, hold_time=0.01)}
    master = MasterEntry(
        name="bench",
        address=1,
        unsolicited=UnsolicitedSettings(triggers=triggers) if told else None,
        event_capacity=1_000_000,
        max_fragment=16_384 if told else 2048,
    )
    target = Target(TargetKind.GROUP, "fleet")
    station = StationSettings(
        name="bench", address=10, target=target, points=PointMap(entries), masters=(master,), keep_alive_s=None
    )
    return Dnp3Settings(stations=(station,), endpoints=(EndpointSettings(port=0),), refresh_s=3600, journal_frames=0)


class _House:
    """Clock and ports in one: takes every control, keeps nothing, has no devices."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def commit(self, changes: Sequence[Change]) -> None:
        return None

    async def documents(self, space: str) -> list[Document]:
        return []

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        return None

    async def controls(self, *, live_after: float | None = None) -> list[Control]:
        return []

    def preview(self, control: Control, now: float, *, noted: bool = False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    async def submit(self, control: Control, now: float, *, along: Sequence[Change] = ()) -> Acceptance:
        return self.preview(control, now)

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Sequence[Change] = ()) -> bool:
        return False

    async def rank(
        self, control_ids: Sequence[str], authority: float, now: float, *, along: Sequence[Change] = ()
    ) -> int:
        return 0

    def device(self, device_id: str) -> Device | None:
        return None

    def devices(self) -> Sequence[Device]:
        return ()

    def group(self, group_id: str) -> Group | None:
        return None

    def groups(self) -> Sequence[Group]:
        return ()

    def members(self, group_id: str) -> Sequence[str]:
        return ()

    def groups_of(self, device_id: str) -> Sequence[str]:
        return ()

    def snapshot(self, target: Target) -> Snapshot | None:
        return None

    def setpoint(self, device_id: str) -> Setpoint | None:
        return None

    def barred(self, target: Target) -> str:
        return ""
