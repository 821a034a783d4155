"""A real broker (mosquitto), and devices behind it that speak by another client of their own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.drivers.testkit import Bench, BenchFactory, Held
from gridiface_southbound.mqtt.driver import MqttDriver

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
NUMBERS = itertools.count()


class Mosquitto:
    """One broker process on a port of its own; `start` and `stop` as often as wanted."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        self.folder = folder
        self.settings = settings
        self.others: tuple[int, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self) -> None:
        file = self.folder / f"mosquitto-{self.port}.conf"
        file.write_text(f"per_listener_settings true\nlistener {self.port} 127.0.0.1\n{self.settings}user root\n")
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(file)], stderr=subprocess.DEVNULL)
        for port in (self.port, *self.others):
            self._wait(port)

    def _wait(self, port: int) -> None:
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        raise AssertionError(f"mosquitto does not listen on {port}")

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait()


@pytest.fixture(scope="session")
def mosquitto() -> type[Mosquitto]:
    if not Path(MOSQUITTO).exists():
        pytest.skip("mosquitto is not installed: install the Debian package mosquitto")
    return Mosquitto


@pytest.fixture(scope="session")
def broker(mosquitto: type[Mosquitto], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that lets everybody in."""
    one = mosquitto(tmp_path_factory.mktemp("mosquitto"))
    one.start()
    try:
        yield one
    finally:
        one.stop()


class ExampleBattery:
    """The battery of template example-battery, with the testkit's faults; charging counts as positive."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})
    max_w, max_charge_w = 10_000.0, 8_000.0

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"test/bat{next(NUMBERS)}"
        self.mode = "none"
        self.count = 0
        self.remote, self.watts, self.seconds, self.percent, self.closed = False, 0, 0, 100.0, True
        self.beats: list[str] = []
        self.task: asyncio.Task[None] | None = None
        self.client: aiomqtt.Client | None = None
        self.ready = asyncio.Event()

    async def start(self) -> None:
        self.ready.clear()
        self.task = asyncio.create_task(self._run())
        ready = asyncio.create_task(self.ready.wait())
        await asyncio.wait((self.task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        task, self.task = self.task, None
        while task is not None and not task.done():
            # Python 3.11's wait_for, in aiomqtt, may swallow a cancellation that comes with its result: ask again.
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)

    async def tell(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        assert self.client is not None
        data = payload if isinstance(payload, str) else json.dumps(payload)
        await self.client.publish(f"{self.base}/{topic}", data, qos=1, retain=retain)

    async def _run(self) -> None:
        will = aiomqtt.Will(f"{self.base}/available", "offline", qos=1, retain=True)
        async with aiomqtt.Client("127.0.0.1", self.port, will=will) as self.client:
            for topic in ("ask", "set", "mode/set", "limit/set", "contactor/set", "alive"):
                await self.client.subscribe(f"{self.base}/{topic}", qos=1)
            info = {"model": "EXAMPLE-M", "max_kw": 10, "charge_kw": 8}
            await self.tell("info", info, retain=True)
            await self._held()
            await self._modes()
            await self.tell("available", "online", retain=True)
            self.ready.set()
            try:
                async for message in self.client.messages:
                    await self._told(message.topic.value.removeprefix(self.base + "/"), bytes(message.payload).decode())
            except asyncio.CancelledError:
                await self.tell("available", "offline", retain=True)
                raise

    async def _held(self) -> None:
        await self.tell("held", {"watts": self.watts, "seconds": self.seconds}, retain=True)

    async def _modes(self) -> None:
        await self.tell("mode", "remote" if self.remote else "own", retain=True)
        await self.tell("limit", str(self.percent), retain=True)
        await self.tell("contactor", "ON" if self.closed else "OFF", retain=True)

    async def _told(self, topic: str, text: str) -> None:
        if topic == "alive":
            self.beats.append(text)
            return
        if topic == "ask":
            if self.mode != "hang":
                state = {"w": -self.delivered(), "soc": 61.5, "state": "run" if self.remote else "idle"}
                await self.tell("state", state)
            return
        self.count += 1
        if self.mode not in ("reject", "ignore"):
            self._take(topic, text, 2 if self.mode == "wrong_values" else 1)
        if self.mode == "hang":
            return
        if topic == "set":
            await self.tell("result", {"result": "no" if self.mode == "reject" else "ok"})
        if self.mode != "reject":
            await self._held()
            await self._modes()

    def _take(self, topic: str, text: str, wrong: int) -> None:
        match topic:
            case "set":
                told = json.loads(text)
                self.watts, self.seconds = told["watts"] * wrong, told["seconds"]
            case "mode/set":
                self.remote = text == "remote"
            case "limit/set":
                self.percent = float(text) / wrong
            case "contactor/set":
                self.closed = text == "ON"

    def delivered(self) -> float:
        return -self.watts if self.remote else 0.0

    # The testkit's peer --------------------------------------------------------------------------------------------

    async def fault(self, name: str) -> None:
        if self.mode == "off" and name != "off":
            await self.start()
        if name == "off" and self.mode != "off":
            await self.stop()
        self.mode = name

    async def held(self) -> Held:
        ceiling = None if self.percent >= 100 else self.percent * self.max_w / 100
        watts = float(-self.watts) if self.remote else None
        return Held(active_power_w=watts, ceiling_w=ceiling, connected=self.closed)

    async def power_w(self) -> float:
        return self.delivered()

    async def writes(self) -> int:
        return self.count


@pytest.fixture
def simulate() -> Callable[..., contextlib.AbstractAsyncContextManager[ExampleBattery]]:
    """`async with simulate(port) as battery`."""

    @contextlib.asynccontextmanager
    async def run(port: int) -> AsyncIterator[ExampleBattery]:
        battery = ExampleBattery(port)
        await battery.start()
        try:
            yield battery
        finally:
            await battery.stop()

    return run


@pytest.fixture
def driver_for() -> Callable[..., MqttDriver]:
    """`driver_for(port, table, **keys)`: a driver, not open."""

    def make(port: int, table: Any = "example-battery", **keys: Any) -> MqttDriver:
        defaults = {"host": "127.0.0.1", "port": port, "timeout_s": 0.4, "first_reading_s": 0.8}
        return MqttDriver.create("unit", MqttDriver.Config(**({"table": table} | defaults | keys)), clock=SystemClock())

    return make


@pytest.fixture
def bench(broker: Mosquitto, simulate: Any, driver_for: Any) -> BenchFactory:
    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[Bench]:
        async with simulate(broker.port) as battery:
            driver = driver_for(broker.port, parameters={"base": battery.base})
            yield Bench(driver=driver, peer=battery, now=time.time, max_w=10_000, max_charge_w=8_000)

    return make
