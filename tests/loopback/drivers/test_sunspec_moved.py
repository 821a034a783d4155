"""A device that comes back with its models elsewhere: nothing is read or written where they were.

The device's registers are laid out by pysunspec2 and served by pymodbus. A firmware that has one model more moves all
those behind it; the address where 704 began is then inside another model, which takes what is written and shows it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2.file.client import FileClientModel
from tests.loopback.drivers.foreign_curves import BASE, COMMON

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import DeviceForgot
from gridiface.errors import DeviceError, DeviceTimeout
from gridiface_southbound.sunspec.driver import SunSpecDriver

MEASURED = {"ID": 701, "ACType": 3, "St": 1, "InvSt": 3, "ConnSt": 1, "W": 1200, "W_SF": 0, "Var": 0, "Var_SF": 0}
RATED = {"ID": 702, "WMaxRtg": 10000, "WMax": 10000, "VAMaxRtg": 10000, "W_SF": 0, "VA_SF": 0}
CONTROLS = {
    **{"ID": 704, "WMaxLimPctEna": 0, "WMaxLimPct": 1000, "WMaxLimPctRvrt": 1000, "WMaxLimPctRvrtTms": 0},
    **{"WSetEna": 0, "WSetMod": 1, "WSet": 0, "WSetRvrt": 0, "WSetPct": 0, "WSetPctRvrt": 0, "WSetRvrtTms": 0},
    **{"WMaxLimPct_SF": -1, "WSet_SF": 0, "WSetPct_SF": -1},
}
#: What a newer firmware has besides: a model of 7 registers (704 begins in the middle of nowhere), or of many.
ENTERING = {"ID": 703, "ES": 1, "ESVHi": 1050, "ESVLo": 950, "ESHzHi": 6010, "ESHzLo": 5990, "V_SF": -1, "Hz_SF": -2}

OLD = [COMMON, MEASURED, RATED, CONTROLS]
BEFORE_ALL = [COMMON, ENTERING, MEASURED, RATED, CONTROLS]
BEFORE_CONTROLS = [COMMON, MEASURED, RATED, ENTERING, CONTROLS]


class Firmware:
    """A device at one address whose map is what its firmware says."""

    def __init__(self) -> None:
        self.at: dict[int, int] = {}
        self.writes: list[int] = []
        self.port = 0
        self._server: ModbusTcpServer | None = None

    async def start(self, models: list[dict[str, Any]]) -> None:
        await self.stop()
        data, self.at = b"SunS", {}
        for one in models:
            model = FileClientModel(model_id=one["ID"], data=one)
            self.at[one["ID"]] = BASE + len(data) // 2
            data += model.get_mb()
        data += b"\xff\xff\0\0"
        words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        held = SimData(BASE, values=words + [0] * 200, datatype=DataType.REGISTERS)
        device = SimDevice(1, simdata=[held], action=self._act)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)
        self.port = self._server.transport.sockets[0].getsockname()[1]

    async def _act(self, function: int, start: int, address: int, count: int, registers: Any, values: Any) -> None:
        if values is not None:
            self.writes.append(address)

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()


@contextlib.asynccontextmanager
async def driven(**keys: Any) -> AsyncIterator[tuple[Firmware, SunSpecDriver]]:
    device = Firmware()
    await device.start(OLD)
    config = SunSpecDriver.Config(host="127.0.0.1", port=device.port, timeout_s=1.0, **keys)
    driver = SunSpecDriver.create("d", config, clock=SystemClock())
    try:
        await driver.open()
        yield device, driver
    finally:
        await driver.close()
        await device.stop()


def told(watts: float) -> Setpoint:
    return Setpoint(device_id="d", issued=0, active_power_w=watts)


MOVED = pytest.mark.parametrize("models", [BEFORE_ALL, BEFORE_CONTROLS], ids=["before_all", "before_controls"])


@MOVED
async def test_a_reading_after_it_tells_that_the_map_is_another(models: list[dict[str, Any]]) -> None:
    async with driven() as (device, driver):
        assert (await driver.read()).w == 1200
        await device.start(models)
        with pytest.raises(DeviceForgot, match="the map has changed: register"):
            await driver.read()
        await driver.close()
        await driver.open()
        assert (await driver.read()).w == 1200
        assert (await driver.write(told(500))).active_power_w == 500
        assert device.at[704] <= device.writes[-1] < device.at[704] + 60


@MOVED
@pytest.mark.parametrize("before", [0, 2], ids=["first", "short_way"])
@pytest.mark.parametrize("pipeline", [True, False])
async def test_no_command_goes_where_the_models_were(models: list[dict[str, Any]], before: int, pipeline: bool) -> None:
    async with driven(pipeline=pipeline) as (device, driver):
        for number in range(before):
            await driver.write(told(100 + number))
        await device.start(models)
        device.writes.clear()
        for _ in range(2):
            with pytest.raises(DeviceTimeout):
                await driver.write(told(700))
        assert device.writes == []
        with pytest.raises(DeviceError):
            await driver.read()
        assert device.writes == []


async def test_who_restarts_as_he_was_is_commanded_at_once() -> None:
    async with driven() as (device, driver):
        await driver.write(told(100))
        await device.start(OLD)
        assert (await driver.write(told(700))).active_power_w == 700
