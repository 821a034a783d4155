"""A simulated battery on a socket, and the driver that is told about it."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.drivers.testkit import Bench, BenchFactory
from gridiface_southbound.iec61850.config import Iec61850Config
from gridiface_southbound.iec61850.driver import Iec61850Driver


def _device() -> ModuleType:
    """The module beside this one; tests are no package."""
    name = "iec61850_simulated_device"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("device.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
async def battery() -> AsyncIterator[Any]:
    one = _device().Battery()
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@pytest.fixture
def driver_for() -> Callable[..., Iec61850Driver]:
    """`driver_for(port, **keys)`; its time-outs are generous, those of faults short."""

    def make(port: int, **keys: Any) -> Iec61850Driver:
        given = {"table": "example-battery", "host": "127.0.0.1", "port": port, "timeout_s": 10.0} | keys
        return Iec61850Driver.create("b1", Iec61850Config.model_validate(given), clock=SystemClock())

    return make


@pytest.fixture
def bench(driver_for: Callable[..., Iec61850Driver]) -> BenchFactory:
    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[Bench]:
        one = _device().Battery()
        await one.start()
        driver = driver_for(one.port, timeout_s=0.5)
        try:
            yield Bench(driver=driver, peer=one, now=time.time, max_w=one.max_w, max_charge_w=one.max_charge_w)
        finally:
            await driver.close()
            await one.stop()

    return make
