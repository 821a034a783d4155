"""The IEC 61850 driver against a simulated device on a socket: the driver's examination, refusals, losses, TLS."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.controls import Setpoint
from gridiface.domain.telemetry import OperatingState, Quality
from gridiface.drivers.api import DeviceBusy
from gridiface.drivers.testkit import CHECKS, BenchFactory, Check, run_check
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.iec61850.driver import Iec61850Driver

Make = Callable[..., Iec61850Driver]


@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
async def test_the_driver_passes(check: Check, bench: BenchFactory) -> None:
    await run_check(check, bench)


def setpoint(**parts: Any) -> Setpoint:
    return Setpoint(device_id="b1", issued=0.0, **parts)


async def test_telemetry_is_told_with_quality_and_time(battery: Any, driver_for: Make) -> None:
    driver = driver_for(battery.port)
    try:
        await driver.open()
        seen = await driver.read()
        assert (seen.w, seen.hz, seen.soc, seen.connected) == (0.0, 50.0, 0.615, True)
        assert (seen.state, seen.quality) == (OperatingState.RUNNING, Quality.GOOD)
        battery.values["MMXU1$MX$TotW$q"] = "1100000100000"
        assert (await driver.read()).quality is Quality.STALE
        battery.values["MMXU1$MX$TotW$q"] = "0100000000000"
        bad = await driver.read()
        assert (bad.w, bad.quality) == (None, Quality.BAD)
    finally:
        await driver.close()


async def test_a_switch_is_selected_and_told_back_as_its_position(battery: Any, driver_for: Make) -> None:
    driver = driver_for(battery.port)
    try:
        await driver.open()
        ack = await driver.write(setpoint(connect=False))
        assert (ack.written, ack.read_back) == ({"switch_command": 0.0}, {"switch_command": 0.0})
        assert battery.values["CSWI1$ST$Pos$stVal"] == "01"
        assert (await driver.read()).connected is False
    finally:
        await driver.close()


async def test_a_select_that_is_refused_may_be_tried_again(battery: Any, driver_for: Make) -> None:
    driver = driver_for(battery.port)
    try:
        await driver.open()
        battery.mode = "reject"
        with pytest.raises(DeviceBusy, match="select: not selected"):
            await driver.write(setpoint(connect=False))
        with pytest.raises(DeviceRejected, match="operate: object-access-denied"):
            await driver.write(setpoint(active_power_w=100.0))
    finally:
        await driver.close()


async def test_a_device_that_takes_short_messages_is_read_in_several(battery: Any, driver_for: Make) -> None:
    battery.max_octets = 256
    driver = driver_for(battery.port)
    try:
        plate = await driver.open()
        assert (plate.max_w, plate.manufacturer) == (10_000.0, "EXAMPLE works")
        assert (await driver.read()).hz == 50.0
    finally:
        await driver.close()


@pytest.mark.parametrize(
    ("ref", "hint"),
    [
        ("VPPDER/MMXU1.TotWatt.mag.f", "it has VPPDER/MMXU1.TotW [MX]"),
        ("PLANT/MMXU1.TotW.mag.f", "its logical devices: VPPDER"),
        ("VPPDER/MMXU1.TotW.mag.i", "the object has no such attribute"),
    ],
)
async def test_what_is_not_there_is_told_with_what_is(ref: str, hint: str, battery: Any, driver_for: Make) -> None:
    power = {"name": "power", "meaning": "w", "ref": ref, "unit": "W", "positive": "delivered"}
    with pytest.raises(DeviceRejected) as caught:
        await driver_for(battery.port, table={"kind": "battery", "points": [power]}).open()
    assert hint in caught.value.reason


async def test_a_password_is_wanted(battery: Any, driver_for: Make, tmp_path: Path) -> None:
    battery.password = b"opensesame"
    secret = tmp_path / "secret"
    secret.write_text("opensesame\n")
    with pytest.raises(DeviceRejected, match="authentication failure"):
        await driver_for(battery.port).open()
    driver = driver_for(battery.port, password_file=secret, plain=True)
    try:
        await driver.open()
    finally:
        await driver.close()


async def test_a_connection_that_breaks_is_told_and_made_again(battery: Any, driver_for: Make) -> None:
    driver = driver_for(battery.port)
    try:
        await driver.open()
        for one in list(battery.sessions):
            one.transport.abort()
        while battery.sessions:
            await asyncio.sleep(0)
        with pytest.raises(DeviceTimeout):
            await driver.read()
        await driver.open()
        assert (await driver.read()).w == 0.0
    finally:
        await driver.close()


async def test_tls_with_certificates_of_both_sides(
    battery: Any, driver_for: Make, tls_files: Callable[[str], Path]
) -> None:
    tls = tls_files("localhost")
    await battery.stop()
    battery.port, battery.tls = 0, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls / "ca.pem")
    battery.tls.load_cert_chain(tls / "server.pem", tls / "server.key")
    battery.tls.verify_mode = ssl.CERT_REQUIRED
    await battery.start()
    keys = {"tls": True, "server_name": "localhost", "ca_file": tls / "ca.pem"}
    keys |= {"cert_file": tls / "client.pem", "key_file": tls / "client.key"}
    driver = driver_for(battery.port, **keys)
    try:
        await driver.open()
        assert (await driver.write(setpoint(active_power_w=100.0))).active_power_w == 100.0
    finally:
        await driver.close()
    for change in (
        {"ca_file": tls / "other.pem"},
        {"server_name": "device.test"},
        {"cert_file": None, "key_file": None},
    ):
        with pytest.raises(DeviceError):
            await driver_for(battery.port, **keys | change).open()


async def test_devices_of_one_server_share_an_association(battery: Any, driver_for: Make) -> None:
    one, two = (driver_for(battery.port, shared_connection=True) for _ in range(2))
    try:
        await asyncio.gather(one.open(), two.open())
        assert len(battery.sessions) == 1
        acks = await asyncio.gather(
            one.write(setpoint(active_power_w=100.0)), two.write(setpoint(ceiling_w=5000.0, connect=False))
        )
        assert [len(ack.read_back) for ack in acks] == [3, 2]
        await one.close()
        assert (await two.read()).connected is False
        await one.open()
        assert len(battery.sessions) == 1
        for session in list(battery.sessions):
            session.transport.abort()
        while battery.sessions:
            await asyncio.sleep(0)
        for driver in (one, two):
            with pytest.raises(DeviceTimeout):
                await driver.read()
        await asyncio.gather(one.open(), two.open())
        assert len(battery.sessions) == 1
    finally:
        await asyncio.gather(one.close(), two.close())


async def test_who_speaks_something_else_is_refused(driver_for: Make) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        with pytest.raises(DeviceRejected, match="no TPKT begins with"):
            await driver_for(server.sockets[0].getsockname()[1]).open()
    finally:
        server.close()


@pytest.mark.parametrize("listens", [False, True], ids=["refused", "silent"])
async def test_a_device_that_cannot_be_reached_leaves_nothing_in_the_log(
    listens: bool, driver_for: Callable[..., Iec61850Driver]
) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if listens:
            place.listen()
        driver = driver_for(place.getsockname()[1], connect_timeout_s=0.05)
        with pytest.raises(DeviceTimeout):
            await driver.open()
        await driver.close()
    del driver
    gc.collect()
    await asyncio.sleep(0)
    assert told == []
