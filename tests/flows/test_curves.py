"""Curves from a utility and from a DNP3 master to simulated SunSpec devices: in force, told back, and gone at the end.

The server and the devices are the real ones, in processes of their own; pysunspec2 reads what devices hold.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP, SunSpecModbusClientError

from gridiface.protocols.dnp3.controls import AnalogOutput, Command, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.points import PointType
from gridiface.protocols.sep2.resources import (
    CurveData,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERCurve,
    EventStatus,
    FreqDroopType,
    Link,
)
from gridiface.protocols.xmlwire import encode
from gridiface.simulation.dnp3.client import MasterClient
from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

STATION = {
    "name": "rtu",
    "address": 10,
    "group": "fleet",
    "profile": "der",
    "masters": [{"name": "scada", "address": 1}],
}
SETTINGS = {"dnp3": {"outstations": [STATION], "endpoints": [{"listen": "127.0.0.1:0"}]}}
ON, OFF = ControlRelayOutputBlock(0x03), ControlRelayOutputBlock(0x04)

#: What the master draws: percent of nominal voltage, percent of var.
DRAWN = [(90.0, 20.0), (95.0, 0.0), (105.0, 0.0), (110.0, -20.0)]
POSTED = [(93.0, 30.0), (107.0, -30.0)]


def look(place: dict[str, Any]) -> tuple[bool, list[tuple[float, float]], bool, float]:
    """What a device holds: volt-var enabled, its curve in force; droop enabled, its dead-band of over-frequency."""
    device = SunSpecModbusClientDeviceTCP(slave_id=place["unit_id"], ipaddr=place["host"], ipport=place["port"])
    try:
        device.scan()
        volt_var, droop = device.models[705][0], device.models[711][0]
        curve = volt_var.groups["Crv"][0]
        points = [(p.points["V"].cvalue, p.points["Var"].cvalue) for p in curve.groups["Pt"]]
        held = droop.groups["Ctl"][0].points["DbOf"].cvalue
        return volt_var.Ena.value == 1, points[: curve.points["ActPt"].value], droop.Ena.value == 1, held
    finally:
        device.close()


class Fleet:
    """What all devices of a site hold."""

    def __init__(self, site: Any, eventually: Callable[..., Awaitable[float]]) -> None:
        self.site = site
        self._eventually = eventually

    async def held(self) -> list[tuple[bool, list[tuple[float, float]], bool, float]]:
        """One entry a device; empty where one could not be read."""
        try:
            return [await asyncio.to_thread(look, place) for place in self.site.places]
        except (SunSpecModbusClientError, OSError):
            return []

    async def shows(self, wanted: Callable[[Any], bool], what: str) -> None:
        """Wait until every device does."""

        async def all_do() -> bool:
            held = await self.held()
            return len(held) == 2 and all(wanted(one) for one in held)

        await self._eventually(all_do, 60.0, what)


async def operated(port: int, *commands: tuple[int, Command]) -> list[CommandStatus]:
    """A master's commands, one after the other."""
    quiet = MasterSettings(1, 10, startup_integrity=False, enable_classes=(), response_timeout=30.0)
    async with MasterClient(quiet, "127.0.0.1", port) as client:
        return [await client.operate(index, command) for index, command in commands]


async def polled(port: int, *points: tuple[PointType, int]) -> list[float | None]:
    """Points as a master reads them."""
    quiet = MasterSettings(1, 10, startup_integrity=False, enable_classes=(), response_timeout=30.0)
    async with MasterClient(quiet, "127.0.0.1", port) as client:
        await client.poll((0,))
        return [client.value(kind, index) for kind, index in points]


def drawing(number: int) -> list[tuple[int, Command]]:
    pairs = [(244, number), (245, 2), (246, len(DRAWN)), (247, 129), (248, 2)]
    for at, (x, y) in enumerate(DRAWN):
        pairs += [(249 + 2 * at, round(10 * x)), (250 + 2 * at, round(10 * y))]
    return [(index, AnalogOutput(float(value))) for index, value in [*pairs, (217, number)]]


async def test_a_masters_volt_var_curve_is_in_force_until_it_is_switched_off_also_over_a_kill(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    plan = WorldPlan(batteries=2, inverters=0, page_port=0, battery_curves=True, settings=SETTINGS)
    async with site_class(plan) as site:
        await site.start()
        fleet = Fleet(site, eventually)
        before = await fleet.held()
        assert {one[0] for one in before} == {False}
        assert set(await operated(site.ports["dnp3"], *drawing(3))) == {CommandStatus.SUCCESS}

        async def enabled() -> bool:
            return await operated(site.ports["dnp3"], (29, ON)) == [CommandStatus.SUCCESS]

        await eventually(enabled, 60.0, "the mode is enabled")
        await fleet.shows(lambda one: one[:2] == (True, DRAWN), "the devices follow the master's curve")
        binary, analog = PointType.BINARY_INPUT, PointType.ANALOG_INPUT
        points = ((binary, 48), (binary, 81), (binary, 107), (analog, 297))

        async def told() -> bool:
            return await polled(site.ports["dnp3"], *points) == [1, 1, 1, 3]

        await eventually(told, 30.0, "supported, enabled, in use, and its number")
        # Droop beside it, as the profile has it: dead-bands in Hz, gradients in percent by percent.
        droop = [(66, -40), (64, 2000), (68, 2000), (62, 50)]
        commands = [(index, AnalogOutput(float(value))) for index, value in droop]
        assert set(await operated(site.ports["dnp3"], *commands, (16, ON))) == {CommandStatus.SUCCESS}
        await fleet.shows(lambda one: one[2:] == (True, pytest.approx(0.05)), "and its droop")
        await site.kill_server()
        await site.start_server()

        async def disabled() -> bool:
            return set(await operated(site.ports["dnp3"], (29, OFF), (16, OFF))) == {CommandStatus.SUCCESS}

        await eventually(disabled, 60.0, "the modes are switched off")
        await fleet.shows(lambda one: one == before[0], "the devices hold what they held before")


async def test_a_utilitys_curve_is_reported_and_ends_with_its_control(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    plan = WorldPlan(batteries=2, inverters=0, page_port=0, battery_curves=True)
    async with site_class(plan) as site:
        await site.start()
        fleet = Fleet(site, eventually)
        before = await fleet.held()
        async with site.utility() as utility:
            program = await utility.program("fleet")
            now = int(time.time())
            data = [CurveData(xvalue=round(100 * x), yvalue=round(100 * y)) for x, y in POSTED]
            curve = DERCurve(mRID=secrets.token_hex(16).upper(), creationTime=now, curveType=11, xMultiplier=-2,
                             yMultiplier=-2, yRefType=2, curveData=data, openLoopTms=500)  # fmt: skip
            status, headers, _ = await utility.request("POST", f"{program.href}/dc", encode(curve))
            assert status == 201
            base = DERControlBase(
                opModVoltVar=Link(href=headers["location"]),
                opModFreqDroop=FreqDroopType(dBOF=60, dBUF=60, kOF=40, kUF=40, openLoopTms=300),
            )
            control = DERControl(
                mRID=secrets.token_hex(16).upper(),
                responseRequired=0x03,
                creationTime=now,
                eventStatus=EventStatus(currentStatus=0, dateTime=now, potentiallySuperseded=False),
                interval=DateTimeInterval(start=now, duration=600),
                derControlBase=base,
            )
            posted = await utility.post(program, control)
            await fleet.shows(lambda one: one == (True, POSTED, True, pytest.approx(0.06)), "the curve is in force")

            async def responses(status: int) -> bool:
                return len((await utility.responses(posted)).get(status, ())) >= 1

            await eventually(lambda: responses(2), 30.0, "it is told that they have started")
            await utility.cancel(posted, now=time.time())
            await fleet.shows(lambda one: one == before[0], "the devices hold what they held before")
            await eventually(lambda: responses(6), 30.0, "it is told that it is cancelled")
