"""Devices and lines that misbehave: no wrong value, no wrong acknowledgement, and all is well when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clocks import StrideClock
from tests.loopback.modbus import odd
from tests.loopback.modbus.odd import Manner, OddDevice
from tests.waiting import until

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus.driver import ModbusDriver

BOTH = pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu_over_tcp"])


def told(watts: float) -> Setpoint:
    return Setpoint(device_id="odd", issued=0, active_power_w=watts)


@asynccontextmanager
async def opened(rtu: bool, **keys: Any) -> AsyncIterator[tuple[OddDevice, ModbusDriver]]:
    device = OddDevice(rtu=rtu)
    async with device.serving() as port:
        driver = ModbusDriver.create("odd", device.config(port, **keys), clock=StrideClock())
        await driver.open()
        try:
            yield device, driver
        finally:
            await driver.close()


def good(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    return [answer]


async def taken(driver: ModbusDriver, watts: float) -> float | None:
    try:
        return (await driver.write(told(watts))).active_power_w
    except DeviceError:
        return None


#: What happens on the wire, and whether the driver sees through it: {what it is: (over TCP, over RTU)}.
SEEN_THROUGH: list[tuple[Manner, bool, bool]] = [
    (odd.in_pieces, True, True),
    (odd.twice, True, True),
    (odd.noise_after, False, True),
    (odd.echoed, True, True),
    (odd.after_another_unit, False, True),
    (odd.late, False, False),
    (odd.silent, False, False),
    (odd.short, False, False),
    (odd.of_the_request_before, False, False),
    (odd.after_the_one_before, False, False),
    (odd.noise_before, False, True),
    (odd.damaged, False, False),
    (odd.by_another_unit, False, False),
    (odd.another_function, False, False),
    (odd.one_register_more, False, False),
    (odd.one_register_less, False, False),
]


@BOTH
@pytest.mark.parametrize(("manner", "tcp", "serial"), SEEN_THROUGH, ids=[one[0].__name__ for one in SEEN_THROUGH])
async def test_what_is_acknowledged_is_in_the_device(manner: Manner, tcp: bool, serial: bool, rtu: bool) -> None:
    async with opened(rtu, timeout_s=1.5 if manner is odd.in_pieces else 0.3) as (device, driver):
        assert (await driver.read()).w == 1200
        assert await taken(driver, 300) == 300
        device.manner = manner
        for watts in (500, 600):
            acknowledged = await taken(driver, watts)
            assert acknowledged in (None, watts)
            if acknowledged is not None:
                assert device.registers[1] == watts
        if serial if rtu else tcp:
            assert await taken(driver, 700) == 700
            assert (await driver.read()).w == 700
        device.manner = good

        async def well() -> bool:
            return await taken(driver, 800) == 800

        await until(well)
        assert (await driver.read()).w == 800


@BOTH
@pytest.mark.parametrize("code", range(13))
async def test_each_exception_is_told_and_what_passes_is_busy(code: int, rtu: bool) -> None:
    kind = DeviceBusy if code in (5, 6, 10, 11) else DeviceRejected
    async with opened(rtu) as (device, driver):
        device.manner = odd.refusing(code)
        with pytest.raises(DeviceRejected, match=f"refused with exception {code} ") as reading:
            await driver.read()
        with pytest.raises(DeviceRejected, match=rf"write 1 of 1, target .* exception {code} ") as writing:
            await driver.write(told(100))
        assert [type(one.value) for one in (reading, writing)] == [kind, kind]
        device.manner = good
        assert await taken(driver, 100) == 100
        assert device.connections == 1, "an exception is an answer"


@BOTH
async def test_a_device_without_function_16_is_found_out_once(rtu: bool) -> None:
    async with opened(rtu) as (device, driver):
        device.unknown = {16}
        device.requests.clear()
        assert await taken(driver, 400) == 400
        assert await taken(driver, 500) == 500
        wrote = [request[1] for request in device.requests if request[1] in (6, 16)]
        assert wrote == [16, 6, 6]
        assert device.written == [(1, 400), (1, 500)]


@BOTH
async def test_a_device_that_refuses_both_functions_for_now_is_asked_both_again(rtu: bool) -> None:
    async with opened(rtu) as (device, driver):
        device.unknown = {6, 16}
        with pytest.raises(DeviceRejected, match="function 6 refused with exception 1"):
            await driver.write(told(400))
        device.unknown = {6}
        device.requests.clear()
        assert await taken(driver, 500) == 500
        assert [request[1] for request in device.requests if request[1] in (6, 16)] == [16]


async def test_a_table_that_names_the_function_has_the_last_word() -> None:
    write = odd.TABLE["points"][1]["write"]
    points = [odd.TABLE["points"][0], odd.TABLE["points"][1] | {"write": write | {"function": 16}}]
    async with opened(False, table=odd.TABLE | {"points": points}) as (device, driver):
        device.unknown = {16}
        with pytest.raises(DeviceRejected, match="function 16 refused with exception 1"):
            await driver.write(told(400))
        assert device.registers[1] == 0


@BOTH
async def test_a_busy_device_is_not_told_the_same_twice_by_the_driver(rtu: bool) -> None:
    async with opened(rtu) as (device, driver):
        device.manner = odd.silent
        device.written.clear()
        with pytest.raises(DeviceTimeout):
            await driver.write(told(400))
        assert device.written == [(1, 400)]


NAMED = {
    **odd.TABLE,
    "identity": [{"point": "make", "one_of": [7]}],
    "points": [*odd.TABLE["points"], {"name": "make", "address": 2, "type": "uint16", "poll": "once"}],
}


async def restarted(device: OddDevice, driver: ModbusDriver) -> None:
    device.cut()

    async def away() -> bool:
        return driver._link is not None and not driver._link.connected

    await until(away)


@BOTH
@pytest.mark.parametrize("write_first", [True, False])
async def test_another_device_at_the_address_is_asked_nothing(write_first: bool, rtu: bool) -> None:
    """It is found out on the new connection, not first when the driver is opened anew."""
    async with opened(rtu, content=NAMED) as (device, driver):
        assert await taken(driver, 300) == 300
        await restarted(device, driver)
        assert await taken(driver, 400) == 400, "it is the same device"
        device.registers |= {1: 0, 2: 8}
        await restarted(device, driver)
        device.written.clear()
        device.requests.clear()
        calls = [lambda: driver.write(told(500)), driver.read]
        for call in calls if write_first else reversed(calls):
            with pytest.raises(DeviceRejected, match="another device: make reads 8, the table is for 7"):
                await call()
        assert device.written == []
        assert {(request[1], request[3]) for request in device.requests} == {(3, 2)}, "only its make was read"
        device.registers[2] = 7
        assert await taken(driver, 500) == 500


@BOTH
async def test_after_a_silence_it_is_seen_who_answers(rtu: bool) -> None:
    async with opened(rtu, content=NAMED) as (device, driver):
        device.manner = odd.silent
        with pytest.raises(DeviceTimeout):
            await driver.read()
        device.manner = good
        device.registers[2] = 8
        with pytest.raises(DeviceRejected, match="another device"):
            await driver.write(told(500))
        assert device.written == []
