"""Devices with a web API, simulated in words of their own: nothing is taken from the driver's code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from tests.clocks import StrideClock

from gridiface.drivers.testkit import Bench, BenchFactory, Held
from gridiface_southbound.http.driver import HttpDriver
from gridiface_southbound.http.loading import load_table


class Peer:
    """A device behind aiohttp's server, with the testkit's faults. Subclasses answer `get` and take `put`."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})
    max_w, max_charge_w, step_w, stride = 10_000.0, 8_000.0, 10.0, 0.0
    #: Which requests change something.
    writing: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.mode = "none"
        self.port = 0
        self.count = 0
        self.seen: list[tuple[str, str, str]] = []
        self.runner: web.AppRunner | None = None
        self.odd: Callable[[web.Request], web.StreamResponse | None] = lambda request: None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self.runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        runner, self.runner = self.runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.seen.append((request.method, request.path_qs, text))
        if (odd := self.odd(request)) is not None:
            return odd
        write = self.writes_something(request)
        self.count += write
        if self.mode == "hang":
            # A device that hangs acts and is not heard.
            self.answer(request, text)
            await asyncio.sleep(30)
        if write and self.mode == "reject":
            return web.Response(status=400, text="no")
        return self.answer(request, text)

    def writes_something(self, request: web.Request) -> bool:
        return request.path.endswith(self.writing)

    def answer(self, request: web.Request, text: str) -> web.Response:
        raise NotImplementedError

    async def fault(self, name: str) -> None:
        if self.mode == "off" and name != "off":
            await self.start()
        if name == "off" and self.mode != "off":
            await self.stop()
        self.mode = name

    async def writes(self) -> int:
        return self.count

    async def power_w(self) -> float:
        held = await self.held()
        watts = held.active_power_w or 0.0
        return watts if held.ceiling_w is None else min(watts, held.ceiling_w)

    async def held(self) -> Held:
        raise NotImplementedError


def js(value: Any) -> web.Response:
    return web.json_response(value)


class ExampleBattery(Peer):
    """The battery of template example-battery: charging counts as positive, kilowatts on its label."""

    writing = ("/power", "/mode", "/limit", "/switch")

    def __init__(self) -> None:
        super().__init__()
        self.remote, self.charge, self.seconds, self.percent, self.closed = False, 0, 0, 100.0, True
        self.beats: list[int] = []

    def answer(self, request: web.Request, text: str) -> web.Response:
        match request.path:
            case "/api/1/info":
                rating = {"discharge_kw": 10, "charge_kw": 8.0, "kwh": "20.5"}
                return js({"model": "EXAMPLE-1", "serial": "S 7", "rating": rating})
            case "/api/1/status":
                grid = {"hz": 50.02, "volts": [230.5]}
                alarms = ["too_warm"] if self.remote else []
                state = "run" if self.remote else "idle"
                return js({"power": -self.delivered(), "grid": grid, "soc": 55.5, "state": state, "alarms": alarms,
                           "closed": self.closed})  # fmt: skip
            case "/api/1/control":
                return js({"mode": "remote" if self.remote else "own", "watts": self.charge, "seconds": self.seconds,
                           "limit": self.percent, "closed": self.closed})  # fmt: skip
            case "/api/1/alive":
                self.beats.append(int(text))
                return web.Response(status=204)
        if self.mode == "ignore":
            return js({"result": "ok"})
        self.take(request, text, 2 if self.mode == "wrong_values" else 1)
        return js({"result": "ok"})

    def take(self, request: web.Request, text: str, wrong: int) -> None:
        match request.path:
            case "/api/1/power":
                told = json.loads(text)
                assert type(told["watts"]) is int
                self.charge, self.seconds = told["watts"] * wrong, told["seconds"]
            case "/api/1/mode":
                self.remote = json.loads(text)["mode"] == "remote"
            case "/api/1/limit":
                self.percent = float(request.query["percent"]) / wrong
            case "/api/1/switch":
                self.closed = text == "on=true"

    def delivered(self) -> float:
        return -self.charge if self.remote else 0.0

    async def held(self) -> Held:
        ceiling = None if self.percent >= 100 else self.percent * self.max_w / 100
        watts = float(-self.charge) if self.remote else None
        return Held(active_power_w=watts, ceiling_w=ceiling, connected=self.closed)


class GoECharger(Peer):
    """A charging point by the maker's public key list: amp, frc, car, nrg."""

    max_w, max_charge_w, step_w, stride = 0.0, 22_080.0, 690.0, 100.0
    writing = ("/api/set",)

    def __init__(self) -> None:
        super().__init__()
        self.amp, self.frc = 32, 0

    def answer(self, request: web.Request, text: str) -> web.Response:
        if request.path == "/api/set":
            if self.mode != "ignore":
                wrong = self.mode == "wrong_values"
                self.amp = int(request.query.get("amp", self.amp)) + wrong
                self.frc = int(request.query.get("frc", self.frc))
            return js(dict.fromkeys(request.query, True))
        watts = 0 if self.frc == 1 else 690 * self.amp
        powers = [watts // 3] * 3 + [0, watts] + [0] * 4
        nrg = [230, 230, 230, 0, self.amp, self.amp, self.amp, *powers]
        return js({"sse": "012345", "fwv": "56.1", "car": 2, "amp": self.amp, "frc": self.frc, "nrg": nrg})

    async def held(self) -> Held:
        return Held(active_power_w=None if self.amp == 32 else -690.0 * self.amp, connected=self.frc != 1)

    async def power_w(self) -> float:
        return -690.0 * self.amp


class ShellySwitch(Peer):
    """A relay with a meter by the maker's public RPC documentation."""

    max_w, max_charge_w, step_w = 0.0, 0.0, 1.0
    writing = ("/rpc/Switch.Set",)

    def __init__(self) -> None:
        super().__init__()
        self.output = True

    def answer(self, request: web.Request, text: str) -> web.Response:
        match request.path:
            case "/rpc/Shelly.GetDeviceInfo":
                return js({"id": "shellyplus1pm-0", "mac": "A0", "model": "SNSW-001P16EU", "gen": 2, "ver": "1.4.4"})
            case "/rpc/Switch.GetStatus":
                assert request.query["id"] == "0"
                return js({"id": 0, "output": self.output, "apower": 812.5 if self.output else 0.0, "voltage": 231.2})
        before = self.output
        if self.mode != "ignore":
            self.output = (request.query["on"] == "true") != (self.mode == "wrong_values")
        return js({"was_on": before})

    async def held(self) -> Held:
        return Held(connected=self.output)


PEERS: dict[str, type[Peer]] = {
    "example-battery": ExampleBattery,
    "go-e-charger": GoECharger,
    "shelly-gen2-switch": ShellySwitch,
}


@pytest.fixture
def simulate() -> Callable[..., contextlib.AbstractAsyncContextManager[Any]]:
    """`async with simulate("example-battery") as peer`."""

    @contextlib.asynccontextmanager
    async def run(name: str) -> AsyncIterator[Peer]:
        peer = PEERS[name]()
        await peer.start()
        try:
            yield peer
        finally:
            await peer.stop()

    return run


@pytest.fixture
def driver_for() -> Callable[..., HttpDriver]:
    """`driver_for(peer, table, **keys)`: a driver for a simulated device, not open."""

    def make(peer: Peer, table: Any, **keys: Any) -> HttpDriver:
        defaults = {"url": f"http://127.0.0.1:{peer.port}", "timeout_s": 1.0, "connect_timeout_s": 5.0}
        config = HttpDriver.Config(**({"table": table} | defaults | keys))
        return HttpDriver.create("unit", config, clock=StrideClock(peer.stride))

    return make


@pytest.fixture
def benches(simulate: Any, driver_for: Any) -> Callable[..., BenchFactory]:
    """`benches("example-battery")` gives a factory for the testkit."""

    def factory_of(name: str, **keys: Any) -> BenchFactory:
        @contextlib.asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            async with simulate(name) as peer:
                yield Bench(
                    driver=driver_for(peer, quick(name), **keys),
                    peer=peer,
                    now=time.time,
                    max_w=peer.max_w,
                    max_charge_w=peer.max_charge_w,
                    step_w=peer.step_w,
                )

        return bench

    return factory_of


def quick(name: str) -> Any:
    """The template without the time that a real device takes to show what it was told."""
    table = load_table(name).model_dump(mode="json", exclude_unset=True)
    for point in table["points"]:
        if "write" in point:
            point["write"].pop("read_back_delay_s", None)
    return table
