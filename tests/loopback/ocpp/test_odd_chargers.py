"""Odd charging points of mobilityhouse's `ocpp`: late, gone in the middle, doubled, with words of their own."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from tests.waiting import until

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout

VERSIONS = ("1.6", "2.0.1")
pytestmark = pytest.mark.parametrize("version", VERSIONS)


def told(watts: float) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), active_power_w=watts)


async def test_a_profile_whose_answer_comes_late(version: str, simulate: Any, driver_for: Any, free_port: Any) -> None:
    """The answer to the first does not pass for that to the second, which is refused."""
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=0.5, first_connection_s=10)
        await until_open(driver)
        charger.mode = "hang"
        with pytest.raises(DeviceTimeout, match="no answer within"):
            await driver.write(told(-4000))
        second = asyncio.create_task(driver.write(told(-7000)))
        await asyncio.sleep(0)
        await charger.fault("reject")
        charger.released.set()
        with pytest.raises((DeviceRejected, DeviceTimeout)):
            await second
        assert charger.limit() == 4000
        charger.mode = "none"
        await until(lambda: _wrote(driver, -7000))
        assert charger.limit() == 7000
        await driver.end()


async def test_a_connection_that_ends_in_the_middle_of_a_profile(
    version: str, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await until_open(driver)
        charger.mode = "hang"
        session = driver._seat.session
        writing = asyncio.create_task(driver.write(told(-4000)))
        await until(lambda: charger.limit() == 4000)
        await charger.stop()
        with pytest.raises(DeviceTimeout):
            await writing
        charger.mode = "none"
        await charger.start()
        await until(lambda: driver._seat.session not in (None, session))
        await until(lambda: _wrote(driver, -6000))
        assert charger.limit() == 6000
        await driver.end()


async def test_a_refused_profile_changes_nothing(version: str, simulate: Any, driver_for: Any, free_port: Any) -> None:
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        await driver.write(told(-4000))
        charger.mode = "reject"
        with pytest.raises(DeviceRejected) as caught:
            await driver.write(told(-9000))
        assert ("TooHigh" in caught.value.reason) is (version != "1.6")
        charger.mode = "none"
        assert charger.limit() == 4000
        await driver.end()


async def test_two_connections_of_one_identity(version: str, simulate: Any, driver_for: Any, free_port: Any) -> None:
    """The newer one is the charging point: what is written goes there, and is confirmed by it alone."""
    port = free_port()
    async with simulate(version, port, identity="TWIN") as first:
        driver = driver_for(first, timeout_s=5, first_connection_s=10)
        await driver.open()
        await driver.write(told(-4000))
        before = driver._seat.session
        async with simulate(version, port, identity="TWIN") as second:
            await until(lambda: second.connected.is_set() and driver._seat.session is not before)
            await first.stop()  # else it would call again
            await until(lambda: second.connected.is_set())
            await until(lambda: _wrote(driver, -6000))
            assert (first.limit(), second.limit()) == (4000, 6000)
        await driver.end()


async def test_words_that_nobody_knows(version: str, simulate: Any, driver_for: Any, free_port: Any) -> None:
    """Fields of a vendor's own (customData in 2.0.1, anything in 1.6) and measurands of its own are passed over."""
    async with simulate(version, free_port()) as charger:
        driver = driver_for(charger, timeout_s=5, first_connection_s=10)
        await driver.open()
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        own = {"vendorId": "org.example", "colour": ["green", {"deep": 1}]}
        if version == "1.6":
            samples: list[dict[str, Any]] = [
                {"value": "5500", "measurand": "Power.Active.Import", "unit": "W", "format": "Raw", "colour": own},
                {"value": "x", "measurand": "Example.Flux", "unit": "Fx"},
            ]
            payload: dict[str, Any] = {"connectorId": 1, "meterValue": [{"timestamp": now, "sampledValue": samples}]}
        else:
            samples = [
                {"value": 5500, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W"}, "customData": own},
                {"value": 3, "measurand": "Example.Flux", "customData": own},
            ]
            payload = {"evseId": 1, "meterValue": [{"timestamp": now, "sampledValue": samples}]}
        await charger.link._connection.send(json.dumps([2, "raw-1", "MeterValues", payload | {"customData": own}]))
        await until(lambda: _power(driver) == -5500)
        # What is no action at all is answered so, and the connection stays.
        await charger.link._connection.send(json.dumps([2, "raw-2", "ExampleAction", own]))
        await driver.write(told(-4000))
        assert charger.limit() == 4000
        await driver.end()


async def until_open(driver: Any) -> None:
    async def opened() -> bool:
        try:
            await driver.open()
        except DeviceTimeout:
            return False
        return True

    await until(opened)


async def _wrote(driver: Any, watts: float) -> bool:
    """Whether it is taken; tried again as the dispatcher does."""
    try:
        return bool((await driver.write(told(watts))).verified)
    except (DeviceTimeout, DeviceBusy):
        await until_open(driver)
        return False


def _power(driver: Any) -> float | None:
    return driver.station.power([1])[0]  # type: ignore[no-any-return]


async def test_a_charger_that_shows_no_schedule_whatever_holds(
    version: str, simulate: Any, driver_for: Any, free_port: Any
) -> None:
    """It answers Rejected, as one does that has no limit: only who configures it so takes its word."""
    async with simulate(version, free_port()) as charger:
        charger.mute = True
        for read_back in (True, False):
            driver = driver_for(charger, timeout_s=5, first_connection_s=10, read_back=read_back)
            await until_open(driver)
            if read_back:
                with pytest.raises(DeviceBusy, match="shows no limit after one was set"):
                    await driver.write(told(-4000))
            else:
                ack = await driver.write(told(-4000))
                assert (ack.active_power_w, ack.verified) == (-4000, True)
                assert "not read back: as configured" in ack.notes
            assert charger.limit() == 4000
            await driver.end()
