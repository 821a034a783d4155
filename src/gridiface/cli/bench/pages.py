"""How long the operator's pages take on the server, over a large simulated fleet, a real engine and a real store.

The clock goes on by a second with every request, so that no page is answered from what was looked at before.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from gridiface.aggregation.engine import Engine
from gridiface.cli.bench.control_step import engine_of
from gridiface.domain.changes import AppendDecisions
from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import (
    Acceptance,
    Control,
    ControlMode,
    Decision,
    ModeValue,
    Source,
    Target,
    TargetKind,
)
from gridiface.errors import GridifaceError
from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.settlements import SettlementsArea
from gridiface.operator.desk import Desk
from gridiface.operator.pages import Pages
from gridiface.operator.rows.status import Status
from gridiface.operator.server import OperatorServer
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
    "controls, searched": "/controls?q=9&page=2",
    "performance": "/performance",
    "alarms": "/alarms",
    "decisions of a device": "/decisions?device={device}",
    "decisions, by words": "/decisions?q=nonesuch",
    "settlements": "/settlements",
    "rows of a settlement": "/settlements/event-00001?page=2",
    "portfolios": "/portfolios",
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

    def preview(self, control: Control, now: Instant, *, noted: bool = False) -> Acceptance:
        """See domain.ports.ControlInbox.preview."""
        raise GridifaceError("nothing is sent in this benchmark")

    async def submit(self, control: Control, now: Instant, *, along: Any = ()) -> Acceptance:
        """See domain.ports.ControlInbox.submit."""
        raise GridifaceError("nothing is sent in this benchmark")

    async def cancel(self, control_id: str, now: Instant, *, reason: str = "", along: Any = ()) -> bool:
        """See domain.ports.ControlInbox.cancel."""
        return False

    async def rank(self, control_ids: Sequence[str], authority: float, now: Instant, *, along: Any = ()) -> int:
        """See domain.ports.ControlInbox.rank."""
        return 0


class _Settlements:
    """Settlements of events, each with rows of 100 resources."""

    def __init__(self, count: int) -> None:
        self._ends = {f"event-{number:05}": _START + number for number in range(count)}

    def ends(self) -> Mapping[str, float]:
        """See operator.areas.settlements.SettlementPort."""
        return self._ends

    def one(self, event: str) -> Mapping[str, Any] | None:
        """See SettlementPort."""
        if event not in self._ends:
            return None
        known = {"event": event, "end": self._ends[event], "revision": 1, "computed": _START, "final": False}
        return {**known, "rows": 9_600, "total": [], "resources": []}

    def rows(self, event: str, first: int, count: int) -> list[Mapping[str, Any]]:
        """See SettlementPort."""
        numbers = ("baseline_w", "metered_w", "delivered_w", "credited_w", "committed_w", "performance")
        row = {"event_id": event, "resource_id": "a", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:15:00Z"}
        told = {**row, **dict.fromkeys(numbers, 1.0), "quality": "good", "method": "10-of-10", "revision": 1}
        told |= {"eligible": 1.0, "share": 1.0, "reason": ""}
        return [told] * min(count, 9_600 - first)

    def methods(self, event: str) -> list[str]:
        """See SettlementPort."""
        return ["10-of-10"]

    def revisions(self, event: str) -> list[Mapping[str, Any]]:
        """See SettlementPort."""
        one = {"revision": 1, "computed": _START, "final": False, "rows": 9_600, "changed": 9_600, "total": []}
        return [one]


class _Portfolios:
    """Portfolios of one asset each."""

    def __init__(self, count: int) -> None:
        self._names = {f"{number:036}": f"roofs {number}" for number in range(count)}

    def names(self) -> Mapping[str, str]:
        """See operator.areas.portfolios.PortfolioPort."""
        return self._names

    def one(self, name: str) -> Mapping[str, Any] | None:
        """See PortfolioPort."""
        return {"id": name, "name": self._names[name], "assets": [{}]}


async def measure(runs: int, devices: int, groups: int, rows: int) -> dict[str, Any]:
    """See `gridiface bench pages`.

    Raises:
        GridifaceError: a page was not answered with 200.
    """
    engine = engine_of(devices, groups)
    _fill(engine, rows)
    clock = _Clock()
    with tempfile.TemporaryDirectory(prefix="gridiface-bench-") as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'pages.sqlite'}")
        async with store:
            await _decide(store, engine, rows)
            desk = _desk(engine, clock, store)
            await desk.open()
            silent = {device.id: "it does not answer" for device in engine.devices()[:rows]}
            for at in (_START - 3_600.0, _START):
                desk.alarms.observe("device_lost", silent, at)
            settlements: Any = _Settlements(rows)
            portfolios: Any = _Portfolios(rows)
            pages = Pages(desk, areas=[SettlementsArea(desk, settlements), PortfoliosArea(desk, portfolios)])
            server = OperatorServer(desk, host="127.0.0.1", port=0, pages=pages.pages(), extend=[pages.extend])
            await server.start()
            try:
                figures = await _ask(server.url, clock, runs, engine.devices()[0].id)
            finally:
                await server.stop()
    return report("pages", {"runs": runs, "devices": devices, "groups": groups, "rows": rows}, figures)


def _fill(engine: Engine, rows: int) -> None:
    """Controls that lie ahead, one for each device in turn."""
    devices = engine.devices()
    for number in range(rows):
        target = Target(TargetKind.DEVICE, devices[number % len(devices)].id)
        engine.admit(
            Control(
                id=f"ahead-{number}",
                source=Source(protocol="sep2", program=f"program {number % 20}"),
                target=target,
                values={ControlMode.SET_W: ModeValue(1_000.0)},
                interval=Interval(_START + 3_600.0 + 60.0 * number, 60.0),
                created=_START,
            ),
            _START,
        )


async def _decide(store: Store, engine: Engine, rows: int) -> None:
    """A hundred decisions for each row, spread over the devices and three months."""
    devices, source = engine.devices(), Source(protocol="sep2", program="program", authority=100.0)
    for step in range(100):
        at = _START - 90 * 86_400.0 + step * 0.9 * 86_400.0
        made = [
            Decision(
                at=at,
                target=Target(TargetKind.DEVICE, devices[(step * rows + number) % len(devices)].id),
                signal="active_power",
                source=source,
                verdict="won",
                reason="the highest authority of those that ask",
                control_id=f"c{step}",
            )
            for number in range(rows)
        ]
        await store.commit([AppendDecisions(tuple(made))])


def _desk(engine: Engine, clock: _Clock, store: Store) -> Desk:
    def block(device_id: str, *, blocked: bool, now: Instant) -> None:
        engine.desk.block(device_id, blocked, now)

    status = Status("bench", engine, engine.performance, engine.controls)
    return Desk(status=status, clock=clock, inbox=_Inbox(), records=store, block=block, ready=lambda: True)


async def _ask(url: str, clock: _Clock, runs: int, device: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        for name, path in PATHS.items():
            times, work, size = [], [], 0
            for turn in range(runs + 2):
                clock.at += 1.0
                began, before = time.perf_counter(), time.process_time()
                async with session.get(url.rstrip("/") + path.format(device=device)) as answer:
                    body = await answer.read()
                if answer.status != 200:
                    raise GridifaceError(f"{path} was answered with {answer.status}")
                size = len(body)
                if turn > 1:
                    times.append(1000 * (time.perf_counter() - began))
                    work.append(1000 * (time.process_time() - before))
            figures[name] = {
                "milliseconds": spread(times),
                "p99_ms": percentile(times, 0.99),
                "cpu_milliseconds": spread(work),
                "octets": size,
            }
    return figures
