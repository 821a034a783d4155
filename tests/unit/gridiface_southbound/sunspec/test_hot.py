"""The short way writes, checks and reports exactly what the long way does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from tests.clocks import StandingClock

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import Ack, DeviceBusy, DeviceForgot
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_pdu import ExceptionReply, Request, reply_data
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.controls import fall_back_s
from gridiface_southbound.sunspec.driver import SunSpecDriver

PLATE = {"WMaxRtg": 10_000, "W_SF": 0, "WChaRteMaxRtg": 5_000, "WDisChaRteMaxRtg": 8_000}
CONTROLS = {
    **dict.fromkeys(("WSetEna", "WSetMod", "WSet", "WSetRvrt", "WSetPct", "WSetPctRvrt", "WSetEnaRvrt"), 0),
    **dict.fromkeys(("WSetRvrtTms", "WMaxLimPctEna", "WMaxLimPct", "WSet_SF"), 0),
    "WSetPct_SF": -2,
    "WMaxLimPct_SF": -2,
}
WSET_SF = 2 * (2 + 68 + 155 + 52 + 55)


class MemoryLink:
    """Registers in memory; `fault` says what it does to a write: "" takes it, "ignore", "refuse", "rescale"."""

    connected, connects = True, 1

    def __init__(self, blocks: Sequence[Any]) -> None:
        self.memory = bytearray(b"SunS" + b"".join(block.data for block in blocks) + b"\xff\xff\0\0")
        self.sent: list[bytes] = []
        self.fault = ""
        self.busy = False

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        return [self.answer(request) for request in requests]

    def begin(self, unit: int, requests: Sequence[Request], done: Any, *, timeout_s: float) -> bool:
        if self.busy:
            return False
        replies = [self.answer(request) for request in requests]
        asyncio.get_running_loop().call_soon(done, DeviceTimeout("silent") if self.fault == "silent" else replies)
        return True

    def answer(self, request: Request) -> Reply:
        self.sent.append(request.pdu)
        at = 2 * (int.from_bytes(request.pdu[1:3], "big") - 40000)
        size = 2 * int.from_bytes(request.pdu[3:5], "big")
        if request.pdu[0] == 3:
            return reply_data(request, bytes((3, size)) + self.memory[at : at + size])
        if self.fault == "refuse":
            return ExceptionReply(16, 4)
        if self.fault == "rescale":
            self.fault = ""
            self.memory[WSET_SF : WSET_SF + 2] = b"\0\1"
        if self.fault != "ignore":
            self.memory[at : at + size] = request.pdu[6:]
        return b""

    async def close(self) -> None:
        pass


@pytest.fixture
def device(block: Any) -> Any:
    """`await device()`: (driver, link), on its short way."""

    async def make() -> tuple[SunSpecDriver, MemoryLink]:
        link = MemoryLink([block(m, p) for m, p in {1: {}, 701: {}, 702: PLATE, 704: CONTROLS}.items()])
        driver = SunSpecDriver("d", SunSpecConfig(host="h"), clock=StandingClock(1000.0, 5.0), link=lambda: link)
        await driver.open()
        await driver.write(told(1.0))
        assert hot(driver) is not None
        link.sent.clear()
        return driver, link

    return make


def hot(driver: SunSpecDriver) -> Any:
    assert driver._device is not None
    return driver._device.hot


def told(watts: float | None, **more: Any) -> Setpoint:
    return Setpoint(device_id="d", issued=1000.0, active_power_w=watts, **more)


def essence(ack: Ack) -> tuple[Any, ...]:
    return (dict(ack.written), dict(ack.read_back), ack.active_power_w, ack.revert_s, ack.notes, ack.verified)


COMMANDS = [
    told(0.0),
    told(1234.5),
    told(-5000.0),
    told(8000.0),
    told(8000.4),
    told(-7000.0),
    told(99_999.0),
    told(500.0, ceiling_w=4000.0),
    told(600.0, valid_until=1030.0),
    told(700.0, valid_until=2000.0),
    told(None, ceiling_w=9000.0),
    told(800.0, ramp_s=5.0),
]


async def test_both_ways_are_one(device: Any) -> None:
    short, short_link = await device()
    long, long_link = await device()
    used = 0
    for command in COMMANDS:
        used += hot(short) is not None and hot(short).fits(command, 1000.0)
        long._device.hot = None
        assert essence(await short.write(command)) == essence(await long.write(command)), command
        assert short_link.sent == long_link.sent, command
        assert short_link.memory == long_link.memory
    assert used >= 4


@pytest.mark.parametrize("left", [0.5, 58.9, 59.0, 59.1, 59.999, 60.0, 60.001, 2000.0, math.inf, None])
async def test_the_short_way_is_for_commands_that_outlive_the_devices_timer(device: Any, left: float | None) -> None:
    driver, _ = await device()
    command = told(500.0, valid_until=None if left is None else 1000.0 + left)
    assert hot(driver).fits(command, 1000.0) == (fall_back_s(command, 60.0, 1000.0) == 60.0)


async def test_a_refusal_and_a_lie_are_found_on_the_short_way(device: Any) -> None:
    driver, link = await device()
    link.fault = "refuse"
    with pytest.raises(DeviceRejected, match="write 1 of 1"):
        await driver.write(told(500.0))
    driver, link = await device()
    link.fault = "ignore"
    with pytest.raises(DeviceBusy, match="WSet reads 1"):
        await driver.write(told(500.0))
    assert hot(driver) is None


async def test_a_scale_factor_that_changes_is_found_on_the_short_way(device: Any) -> None:
    driver, link = await device()
    link.fault = "rescale"
    ack = await driver.write(told(500.0))
    assert ack.active_power_w == 500.0
    assert ack.read_back["704.WSet"] == 500.0
    at = 2 * (2 + 68 + 155 + 52 + 24)
    assert int.from_bytes(link.memory[at : at + 4], "big") == 50
    assert hot(driver) is None


async def begun(driver: SunSpecDriver, command: Setpoint) -> Any:
    """What `begin` tells in the end; None where it does not begin."""
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    return await found if driver.begin(command, found.set_result) else None


async def test_beginning_writes_and_tells_what_waiting_does(device: Any) -> None:
    short, short_link = await device()
    long, long_link = await device()
    used = 0
    for command in COMMANDS:
        ack = await begun(short, command)
        used += ack is not None
        if ack is None:
            ack = await short.write(command)
        assert essence(ack) == essence(await long.write(command)), command
        assert short_link.sent == long_link.sent, command
        assert short_link.memory == long_link.memory
    assert used >= 4


async def test_what_goes_wrong_after_beginning_is_told_and_the_driver_goes_on(device: Any) -> None:
    for fault, kind in (
        ("refuse", DeviceRejected),
        ("ignore", DeviceBusy),
        ("rescale", DeviceBusy),
        ("silent", DeviceTimeout),
    ):
        driver, link = await device()
        link.fault = fault
        problem = await begun(driver, told(500.0))
        assert isinstance(problem, kind), (fault, problem)
        assert problem.device_id == "d"
        link.fault = ""
        assert (await driver.write(told(600.0))).verified, fault


async def test_what_is_not_the_short_way_does_not_begin(device: Any) -> None:
    driver, link = await device()
    assert await begun(driver, told(None, release=True)) is None
    assert await begun(driver, told(99_999.0)) is None
    link.busy = True
    assert await begun(driver, told(1.0)) is None
    link.busy = False
    first: list[Any] = []
    assert driver.begin(told(1.0), first.append)
    assert await begun(driver, told(2.0)) is None
    assert (await driver.write(told(3.0))).active_power_w == 3.0
    assert len(first) == 1
    await driver.close()
    assert await begun(driver, told(1.0)) is None


@pytest.mark.parametrize("quick", [True, False])
async def test_a_map_that_moved_on_the_same_connection_is_never_acknowledged(device: Any, quick: bool) -> None:
    """Behind a gateway no connection ends when a unit restarts: what is read back begins with another model."""
    driver, link = await device()
    at = WSET_SF - 2 * 55
    link.memory[at:at] = bytes(2 * 10)
    said: list[Any] = []
    if quick:
        assert driver.begin(told(500.0), said.append)
        await asyncio.sleep(0)
    else:
        with pytest.raises(DeviceForgot, match="the map has changed") as problem:
            await driver.write(told(500.0))
        said.append(problem.value)
    assert isinstance(said[0], DeviceForgot)
    assert (said[0].device_id, driver.begin(told(600.0), said.append)) == ("d", False)
    link.sent.clear()
    with pytest.raises(DeviceForgot):
        await driver.write(told(600.0))
    with pytest.raises(DeviceForgot):
        await driver.read()
    assert {pdu[0] for pdu in link.sent} == {3}, "nothing is written any more before it is opened anew"


async def test_after_a_silence_the_map_is_seen_before_anything_is_written(device: Any) -> None:
    driver, link = await device()
    link.fault, said = "silent", []
    assert driver.begin(told(500.0), said.append)
    await asyncio.sleep(0)
    link.fault = ""
    link.sent.clear()
    assert not driver.begin(told(600.0), said.append)
    assert (await driver.write(told(600.0))).active_power_w == 600
    assert [pdu[0] for pdu in link.sent][:2] == [3, 16]
    assert driver.begin(told(700.0), said.append)
