"""How long the operator's pages take on the server, over a large simulated fleet, a real engine and a real store.

The clock goes on by a second with every request, so that no page is answered from what was looked at before.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from gridiface.aggregation.engine import Engine
from gridiface.cli.bench.control_step import engine_of
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control
from gridiface.errors import GridifaceError
from gridiface.operator.desk import Desk
from gridiface.operator.pages import Pages
from gridiface.operator.server import OperatorServer
from gridiface.operator.status import Status
from gridiface.simulation.load.figures import percentile, report, spread
from gridiface.store.repository import Store

#: The fleet's last word came at this time.
_START = 1_700_000_000.0

PATHS = {
    "overview": "/",
    "overview, what is renewed each second": "/parts/overview?part=top",
    "devices": "/devices",
    "devices, searched": "/devices?q=9&show=online",
    "groups": "/groups",
    "controls": "/controls",
    "a device": "/devices/{device}",
}


class _Clock:
    """Goes on by a second whenever it is told."""

    def __init__(self) -> None:
        self.at = _START + 30.0

    def now(self) -> Instant:
        """See domain.clock.Clock.now."""
        return self.at

    def monotonic(self) -> float:
        """See domain.clock.Clock.monotonic."""
        return time.monotonic()


class _Inbox:
    """Takes nothing: pages are only read here."""

    def preview(self, control: Control, now: Instant) -> Acceptance:
        """See domain.ports.ControlInbox.preview."""
        raise GridifaceError("nothing is sent in this benchmark")

    async def submit(self, control: Control, now: Instant, *, along: Any = ()) -> Acceptance:
        """See domain.ports.ControlInbox.submit."""
        raise GridifaceError("nothing is sent in this benchmark")

    async def cancel(self, control_id: str, now: Instant, *, reason: str = "", along: Any = ()) -> bool:
        """See domain.ports.ControlInbox.cancel."""
        return False


async def measure(runs: int, devices: int, groups: int) -> dict[str, Any]:
    """See `gridiface bench pages`.

    Raises:
        GridifaceError: a page was not answered with 200.
    """
    engine = engine_of(devices, groups)
    clock = _Clock()
    with tempfile.TemporaryDirectory(prefix="gridiface-bench-") as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'pages.sqlite'}")
        async with store:
            desk = _desk(engine, clock, store)
            await desk.open()
            pages = Pages(desk)
            server = OperatorServer(desk, host="127.0.0.1", port=0, pages=pages.pages(), extend=[pages.extend])
            await server.start()
            try:
                figures = await _ask(server.url, clock, runs, engine.devices()[0].id)
            finally:
                await server.stop()
    return report("pages", {"runs": runs, "devices": devices, "groups": groups}, figures)


def _desk(engine: Engine, clock: _Clock, store: Store) -> Desk:
    def block(device_id: str, *, blocked: bool, now: Instant) -> None:
        engine.desk.block(device_id, blocked, now)

    status = Status("bench", engine, engine.performance, engine.controls)
    return Desk(status=status, clock=clock, inbox=_Inbox(), records=store, block=block, ready=lambda: True)


async def _ask(url: str, clock: _Clock, runs: int, device: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        for name, path in PATHS.items():
            times, size = [], 0
            for turn in range(runs + 2):
                clock.at += 1.0
                began = time.perf_counter()
                async with session.get(url.rstrip("/") + path.format(device=device)) as answer:
                    body = await answer.read()
                if answer.status != 200:
                    raise GridifaceError(f"{path} was answered with {answer.status}")
                size = len(body)
                if turn > 1:
                    times.append(1000 * (time.perf_counter() - began))
            figures[name] = {"milliseconds": spread(times), "p99_ms": percentile(times, 0.99), "octets": size}
    return figures
