"""Simulated SunSpec devices on real sockets, and the benches on which drivers are examined against them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.loopback.drivers.foreign_curves import ForeignDevice, Opened

from gridiface.app.process.clock import SystemClock
from gridiface.drivers.testkit import Bench, BenchFactory, Held
from gridiface.simulation.sunspec.config import SimulationConfig, UnitConfig
from gridiface.simulation.sunspec.device import Fault
from gridiface.simulation.sunspec.server import Simulation
from gridiface_southbound.sunspec.driver import SunSpecDriver


class SimulatedPeer:
    """One unit of a simulation as the testkit's peer."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})

    def __init__(self, simulation: Simulation, index: int = 0) -> None:
        self.simulation = simulation
        self.index = index

    async def fault(self, name: str) -> None:
        await self.simulation.set_fault(self.index, Fault(name))

    async def held(self) -> Held:
        state = self.simulation.state(self.index)
        return Held(active_power_w=state["power_w"], ceiling_w=state["ceiling_w"], connected=bool(state["connected"]))

    async def power_w(self) -> float:
        return float(self.simulation.state(self.index)["w"])

    async def writes(self) -> int:
        return int(self.simulation.state(self.index)["writes"])


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def simulate() -> Callable[..., contextlib.AbstractAsyncContextManager[Simulation]]:
    """`async with simulate(UnitConfig(...), ...) as simulation` runs units in this process."""

    @contextlib.asynccontextmanager
    async def run(*units: UnitConfig, **options: Any) -> AsyncIterator[Simulation]:
        simulation = Simulation(SimulationConfig(units=units or (UnitConfig(),), **options))
        await simulation.start()
        try:
            yield simulation
        finally:
            await simulation.stop()

    return run


@pytest.fixture
def driver_for(clock: SystemClock) -> Callable[..., SunSpecDriver]:
    """`driver_for(simulation, index, **keys)`: a driver for one unit, not open."""

    def make(simulation: Simulation, index: int = 0, **keys: Any) -> SunSpecDriver:
        place = simulation.places()[index]
        where = {"host": place["host"], "port": place["port"], "unit_id": place["unit_id"]}
        config = SunSpecDriver.Config(**({"timeout_s": 1.0, "connect_timeout_s": 5.0} | where | keys))
        return SunSpecDriver.create(place["name"], config, clock=clock)

    return make


@pytest.fixture
def benches(
    simulate: Callable[..., contextlib.AbstractAsyncContextManager[Simulation]],
    driver_for: Callable[..., SunSpecDriver],
    clock: SystemClock,
) -> Callable[..., BenchFactory]:
    """`benches(UnitConfig(...), **driver_keys)` gives a factory for the testkit."""

    def factory_of(unit: UnitConfig, fault: Fault | None = None, **keys: Any) -> BenchFactory:
        @contextlib.asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            async with simulate(unit) as simulation:
                driver = driver_for(simulation, **keys)
                yield Bench(
                    driver=driver,
                    peer=SimulatedPeer(simulation),
                    now=clock.now,
                    max_w=unit.max_w,
                    max_charge_w=unit.charge_w,
                    step_w=unit.max_w / 1000,
                )

        return bench

    return factory_of


@pytest.fixture
def opened() -> Opened:
    """`async with opened([models], **driver_keys) as (device, driver)`."""

    @contextlib.asynccontextmanager
    async def run(
        models: list[dict[str, Any]], peer: type[ForeignDevice] = ForeignDevice, **keys: Any
    ) -> AsyncIterator[tuple[ForeignDevice, SunSpecDriver]]:
        async with peer(models) as device:
            config = SunSpecDriver.Config(
                **({"host": "127.0.0.1", "port": device.port, "rating_w": 10_000, "adopt_timeout_s": 0.5} | keys)
            )
            driver = SunSpecDriver.create("foreign", config, clock=SystemClock())
            try:
                await driver.open()
                yield device, driver
            finally:
                await driver.close()

    return run
