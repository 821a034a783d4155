"""Settings of devices over a kill of the server: what they held before is given back by the process that comes after.

The server and the simulated SunSpec devices are the real ones, in processes of their own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.errors import DeviceError
from gridiface.protocols.dnp3.controls import AnalogOutput, Command, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.simulation.dnp3.client import MasterClient
from gridiface.simulation.world import WorldPlan
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.driver import SunSpecDriver

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

DELAY, RELEASE = 10, 3
POINTS = [
    {"name": "delay", "type": "analog output", "index": DELAY, "action": "enter_delay_s"},
    {"name": "release", "type": "binary output", "index": RELEASE, "action": "release"},
]
STATION = {
    "name": "rtu",
    "address": 10,
    "group": "fleet",
    "masters": [{"name": "scada", "address": 1}],
    "points": POINTS,
}
SETTINGS = {"dnp3": {"outstations": [STATION], "endpoints": [{"listen": "127.0.0.1:0"}]}}


async def operated(port: int, index: int, command: Command) -> bool:
    """Whether a master's command is taken; while devices open the engine may not be able to carry it out yet."""
    quiet = MasterSettings(1, 10, startup_integrity=False, enable_classes=(), response_timeout=30.0)
    async with MasterClient(quiet, "127.0.0.1", port) as client:
        return await client.operate(index, command) is CommandStatus.SUCCESS


async def held(site: Any) -> list[float | None]:
    """The delays that the devices hold, as another client of theirs reads them; empty where one is not read."""
    found: list[float | None] = []
    for number, place in enumerate(site.places):
        config = SunSpecConfig(host=place["host"], port=place["port"], unit_id=place["unit_id"], timeout_s=10.0)
        driver = SunSpecDriver.create(f"look {number}", config, clock=SystemClock())
        try:
            await driver.open()
            found.append(driver.settings.enter_delay_s)
        except DeviceError:
            return []
        finally:
            await driver.close()
    return found


async def test_what_settings_held_is_given_back_after_a_kill(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    async with site_class(WorldPlan(batteries=2, inverters=0, page_port=0, settings=SETTINGS)) as site:
        await site.start()
        before = await held(site)
        assert len(before) == 2
        await eventually(lambda: operated(site.ports["dnp3"], DELAY, AnalogOutput(77.0)), 60.0, "the delay is taken")

        async def all_hold(delays: list[float | None]) -> bool:
            return await held(site) == delays

        await eventually(lambda: all_hold([77.0, 77.0]), 60.0, "the devices hold it")
        await site.kill_server()
        await site.start_server()
        released = ControlRelayOutputBlock(0x03)
        await eventually(lambda: operated(site.ports["dnp3"], RELEASE, released), 60.0, "it is let go of")
        await eventually(lambda: all_hold(before), 60.0, "the devices hold what they held before")
