"""The driver against libiec61850's server, an implementation that nobody here wrote.

Skipped unless GRIDIFACE_IEC61850_PYTHON names a Python that has `pyiec61850-ng` (GPLv3: no dependency of gridiface).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Capability
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface.protocols.mms.services import GetNameList, Identify, IdentifyAnswer, NameList, ObjectClass
from gridiface_southbound.iec61850 import loading
from gridiface_southbound.iec61850.driver import Iec61850Driver
from gridiface_southbound.iec61850.link import Link
from gridiface_southbound.iec61850.model import expect

PYTHON = os.environ.get("GRIDIFACE_IEC61850_PYTHON", "")
PEER = Path(__file__).with_name("libiec61850_peer.py")
TEMPLATE = Path(loading.__file__).parent / "templates" / "example-battery.yaml"
START = {
    "DGEN1.WMaxRtg.setMag.f": 10, "DGEN1.ChaWMaxRtg.setMag.f": 8, "MMXU1.TotW.mag.f": 1234.5, "MMXU1.Hz.mag.f": 50,
    "DSTO1.SoC.mag.f": 55, "DSTO1.StoSt.stVal": 2, "DWMX1.WLimPct.setMag.f": 100, "CSWI1.Pos": "true",
}  # fmt: skip
WAIT_S = 30.0

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="GRIDIFACE_IEC61850_PYTHON names no Python with pyiec61850-ng (libiec61850)"
)

Make = Callable[..., Iec61850Driver]


class Peer:
    """The other process: one order, one answer."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def order(self, words: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{words}\n".encode())
        async with asyncio.timeout(WAIT_S):
            answer = (await self.process.stdout.readline()).decode().strip()
        assert not answer.startswith("unknown"), answer
        return answer


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Peer]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(PYTHON, str(PEER), *arguments, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            word, port = (await process.stdout.readline()).decode().split()
        assert word == "port"
        peer = Peer(process, int(port))
        await peer.order("vendor EXAMPLE")
        for name, value in START.items():
            await peer.order(f"set {name} {value}")
        yield peer
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def setpoint(**parts: Any) -> Setpoint:
    return Setpoint(device_id="b1", issued=0.0, **parts)


async def until(driver: Iec61850Driver, found: Callable[[Snapshot], bool]) -> Snapshot:
    """Read until it is true: reports come when they come."""
    async with asyncio.timeout(WAIT_S):
        while not found(seen := await driver.read()):
            await asyncio.sleep(0.02)
    return seen


def changed(target: str, **rules: Any) -> dict[str, Any]:
    """The template with another set-point."""
    table: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text())
    for point in table["points"]:
        if point["name"] == "target":
            point["ref"] = f"{{device}}/DWGC1.{target}"
    return table | rules


async def test_it_is_browsed_read_reported_and_commanded(driver_for: Make) -> None:
    async with running() as peer:
        driver = driver_for(peer.port)
        try:
            await _browsed(driver)
            await _told(peer, driver)
            await _commanded(peer, driver)
            await _refused(peer, driver)
            await _lost(peer, driver)
        finally:
            await driver.close()


async def _browsed(driver: Iec61850Driver) -> None:
    plate = await driver.open()
    assert (plate.max_w, plate.max_charge_w, plate.manufacturer) == (10_000.0, 8_000.0, "EXAMPLE")
    assert {Capability.SET_W, Capability.LIMIT_W, Capability.CONNECT} <= plate.capabilities
    link = driver._link
    assert isinstance(link, Link)
    assert expect(await link.ask(Identify()), IdentifyAnswer, "identify").model == "LIBIEC61850"
    names: list[str] = []
    more = True
    while more:
        asked = GetNameList(ObjectClass.VARIABLE, "VPPDER", names[-1] if names else "")
        told = expect(await link.ask(asked), NameList, "names")
        names += told.names
        more = told.more
    assert {"MMXU1$MX$TotW$mag$f", "DWGC1$CO$WSpt$SBOw$ctlVal", "LLN0$BR$brcb01$EntryID"} <= set(names)
    assert len(names) == len(set(names))


async def _told(peer: Peer, driver: Iec61850Driver) -> None:
    seen = await driver.read()
    assert (seen.w, seen.hz, seen.soc, seen.connected) == (1234.5, 50.0, 0.55, True)
    assert (seen.state, seen.quality) == (OperatingState.RUNNING, Quality.GOOD)
    await until(driver, lambda _: driver._reports is not None and "power" in driver._reports.covered)
    assert driver._reports is not None
    assert driver._reports.covered == {"power", "frequency", "state_of_charge"}
    await peer.order("set MMXU1.TotW.mag.f 2222")
    seen = await until(driver, lambda one: one.w == 2222.0)
    assert seen.source_time <= seen.received
    await peer.order("quality MMXU1.TotW.q 2")  # invalid
    assert (await until(driver, lambda one: one.quality is Quality.BAD)).w is None
    await peer.order("quality MMXU1.TotW.q 0")
    await until(driver, lambda one: one.quality is Quality.GOOD)
    assert driver._reports.gaps == 0


async def _commanded(peer: Peer, driver: Iec61850Driver) -> None:
    ack = await driver.write(setpoint(active_power_w=3000.4, ceiling_w=3333.0))
    assert ack.written == {"enable": 1.0, "hold": 60.0, "target": 3000.0, "export_limit": 33.3}
    assert ack.read_back == ack.written
    assert (ack.active_power_w, ack.ceiling_w, ack.revert_s) == (3000.0, 3330.0, 60.0)
    assert float(await peer.order("get DWGC1.WSpt.mxVal.f")) == 3000.0
    assert float(await peer.order("get DWMX1.WLimPct.setMag.f")) == pytest.approx(33.3)
    await driver.write(setpoint(connect=False))
    assert (await driver.read()).connected is False
    await driver.write(setpoint(connect=True))
    ack = await driver.revert()
    assert await peer.order("get DWGC1.Ena.stVal") == "False"
    assert float(await peer.order("get DWMX1.WLimPct.setMag.f")) == 100.0


async def _refused(peer: Peer, driver: Iec61850Driver) -> None:
    await peer.order("check 3")
    for cause, kind, words in (
        (10, DeviceRejected, "blocked-by-interlocking"),
        (2, DeviceRejected, "blocked-by-switching-hierarchy"),
        (12, DeviceBusy, "command-already-in-execution"),
    ):
        await peer.order(f"cause {cause}")
        with pytest.raises(DeviceRejected, match=rf"operate: {words} \(AddCause {cause}\)") as caught:
            await driver.write(setpoint(active_power_w=500.0))
        assert type(caught.value) is kind
    await peer.order("check -1")
    await peer.order("cause 0")
    await peer.order("result 0")
    with pytest.raises(DeviceRejected, match="termination"):
        await driver.write(setpoint(active_power_w=500.0))
    await peer.order("result 1")
    assert (await driver.write(setpoint(active_power_w=500.0))).active_power_w == 500.0


async def _lost(peer: Peer, driver: Iec61850Driver) -> None:
    await peer.order("stop")
    with pytest.raises(DeviceTimeout):
        await until(driver, lambda _: False)
    with pytest.raises(DeviceTimeout):
        await driver.open()
    await peer.order("start")
    await driver.open()
    assert (await driver.read()).w == 2222.0
    assert (await driver.write(setpoint(active_power_w=-700.0))).active_power_w == -700.0


@pytest.mark.parametrize("model", [1, 2, 3, 4])
async def test_every_control_model(model: int, driver_for: Make) -> None:
    async with running() as peer:
        driver, other = (driver_for(peer.port, table=changed(f"WSpt{model}", reports=[])) for _ in range(2))
        try:
            await driver.open()
            assert driver._found.controls["target"].model == model
            for watts in (1500.0, -1500.0):
                assert (await driver.write(setpoint(active_power_w=watts))).active_power_w == watts
                assert float(await peer.order(f"get DWGC1.WSpt{model}.mxVal.f")) == watts
            await peer.order("check 3")
            await peer.order("cause 8")
            with pytest.raises(DeviceError, match=r"enable: operate: blocked-by-mode"):
                await driver.write(setpoint(active_power_w=1.0))
            await peer.order("check -1")
            await peer.order("cause 0")
            await other.open()
            assert (await other.write(setpoint(active_power_w=200.0))).active_power_w == 200.0
        finally:
            await driver.close()
            await other.close()


@pytest.mark.parametrize(("ref", "buffered"), [("urcb01", False), ("brcb01", True)])
async def test_a_data_set_of_our_own_is_reported(ref: str, buffered: bool, driver_for: Make) -> None:
    rule = {"ref": f"{{device}}/LLN0.{ref}", "buffered": buffered, "data_set": "own", "integrity_s": 1}
    async with running() as peer:
        driver = driver_for(peer.port, table=changed("WSpt", reports=[rule]))
        try:
            await driver.open()
            await until(driver, lambda _: driver._reports is not None and "power" in driver._reports.covered)
            assert driver._reports is not None
            polled = {point.name for points in driver._polled.values() for point in points}
            once = {"vendor", "rated_power", "rated_charge"}
            assert driver._reports.covered == polled - once
            await peer.order("set MMXU1.TotW.mag.f 4321")
            await until(driver, lambda one: one.w == 4321.0)
        finally:
            await driver.close()


async def test_a_password_and_what_is_not_there(driver_for: Make, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("opensesame")
    async with running() as peer:
        missing = changed("Nowhere")
        with pytest.raises(DeviceRejected, match="object-non-existent"):
            await driver_for(peer.port, table=missing).open()
        await peer.order("password opensesame")
        with pytest.raises(DeviceError):
            await driver_for(peer.port).open()
        driver = driver_for(peer.port, password_file=secret, plain=True)
        try:
            await driver.open()
            assert (await driver.read()).w == 1234.5
        finally:
            await driver.close()


async def test_tls_with_certificates_of_both_sides(driver_for: Make, tls_files: Callable[[str], Path]) -> None:
    tls = tls_files("localhost")
    files = [str(tls / name) for name in ("server.pem", "server.key", "ca.pem")]
    keys = {
        "host": "localhost", "tls": True, "ca_file": tls / "ca.pem",
        "cert_file": tls / "client.pem", "key_file": tls / "client.key",
    }  # fmt: skip
    async with running(*files) as peer:
        driver = driver_for(peer.port, **keys)
        try:
            await driver.open()
            assert (await driver.read()).w == 1234.5
            assert (await driver.write(setpoint(active_power_w=100.0))).active_power_w == 100.0
        finally:
            await driver.close()
        for change in ({"ca_file": tls / "other.pem"}, {"cert_file": None, "key_file": None}):
            with pytest.raises(DeviceError):
                await driver_for(peer.port, **keys | change).open()
