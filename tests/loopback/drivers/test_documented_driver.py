"""The driver on the page for those who write one: taken from there word by word, and examined by the kit."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.drivers.api import Driver
from gridiface.drivers.registry import DriverRegistry
from gridiface.drivers.testkit import CHECKS, Bench, Held, run_check

PAGE = Path(__file__).parents[3] / "docs" / "developer" / "writing-a-driver.md"


class Acme:
    """The battery that the page speaks of."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})

    def __init__(self) -> None:
        self.mode, self.count, self.port = "none", 0, 0
        self.power: float | None = None
        self.server: asyncio.Server | None = None
        self.callers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
        for caller in self.callers:
            caller.transport.abort()
        self.callers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.add(writer)
        with contextlib.suppress(OSError):
            while words := (await reader.readline()).decode().split():
                answer = self._answer(*words)
                if self.mode != "hang":
                    writer.write(answer.encode() + b"\n")

    def _answer(self, word: str, value: str = "0") -> str:
        if word == "RATING?":
            return "5000 4000"
        if word == "STATE?":
            return f"{self.power or 0.0} 55"
        if word == "POWER?":
            return str(self.power or 0.0)
        self.count += 1
        if self.mode == "reject":
            return "NO"
        if self.mode != "ignore":
            watts = float(value) / (2 if self.mode == "wrong_values" else 1)
            self.power = None if word == "AUTO" else watts
        return "OK"

    async def fault(self, name: str) -> None:
        if self.mode == "off" and name != "off":
            await self.start()
        if name == "off" and self.mode != "off":
            await self.stop()
        self.mode = name

    async def held(self) -> Held:
        return Held(active_power_w=self.power)

    async def power_w(self) -> float:
        return self.power or 0.0

    async def writes(self) -> int:
        return self.count


@pytest.fixture(scope="module")
def page() -> ModuleType:
    code = re.search(r"## A whole driver\n.*?```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    module = ModuleType("acme_gridiface_driver")
    sys.modules[module.__name__] = module
    exec(compile(code[1], str(PAGE), "exec"), module.__dict__)
    return module


@contextlib.asynccontextmanager
async def bench_of(page: ModuleType) -> AsyncIterator[Bench]:
    peer = Acme()
    await peer.start()
    config = page.AcmeConfig(host="127.0.0.1", port=peer.port, timeout_s=1)
    driver = page.AcmeDriver.create("unit", config, clock=SystemClock())
    try:
        yield Bench(driver=driver, peer=peer, now=time.time, max_w=5000, max_charge_w=4000)
    finally:
        await driver.close()
        if peer.mode != "off":
            await peer.stop()


@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
async def test_the_driver_on_the_page_passes(check: Any, page: ModuleType) -> None:
    await run_check(check, lambda: bench_of(page))


async def test_it_is_a_driver(page: ModuleType) -> None:
    config = page.AcmeConfig(host="h")
    assert isinstance(page.AcmeDriver.create("unit", config, clock=SystemClock()), Driver)


def test_it_is_found_as_the_page_says(page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "acme_gridiface-1.0.dist-info" in text
    info = tmp_path / "acme_gridiface-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gridiface\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gridiface.drivers]\nacme = acme_gridiface_driver:AcmeDriver\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = DriverRegistry()
    assert registry.factory("acme") is page.AcmeDriver
    assert registry.config("acme", {"host": "h"}, place="devices[0].connection").port == 7000
