"""Several outstations on one connection: a serial line (a pseudo-terminal) and one port of a gateway.

The far side answers with a delay and notes when a request comes while another's answer is still on its way: on a
two-wire line that would be a collision.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import Setpoint
from gridiface.errors import DeviceTimeout
from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface_southbound.dnp3.driver import Dnp3Driver

AI, AO = PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT
ADDRESSES = (10, 11, 12)
INPUTS = [{"shows": "w", "index": 0, "scale": 1000}, {"shows": "rated_w", "index": 1, "scale": 1000}]
OUTPUTS = [{"does": "set_w", "index": 0, "scale": 1000}]


class Plant(OutstationHandler):
    def __init__(self, address: int) -> None:
        self.database = Database([PointConfig(AI, 0, event_class=2), PointConfig(AI, 1), PointConfig(AO, 0)])
        settings = OutstationSettings(address, keep_alive=None)
        self.outstation = Outstation(settings, [AssociationSettings(1)], self.database, self, now=time.time())
        self.database.update(time.time(), AI, 0, 0.0)
        self.database.update(time.time(), AI, 1, float(address))

    def select(self, request: Any, now: float) -> CommandStatus:
        return CommandStatus.SUCCESS

    def operate(self, request: Any, now: float) -> CommandStatus:
        self.database.update(now, AI, 0, request.command.value)
        return CommandStatus.SUCCESS


class Line:
    """The plants behind one connection; `deaf` ones do not answer."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self.plants = [Plant(address) for address in ADDRESSES]
        self.deaf: set[int] = set()
        self.collisions = self.asked = self.answering = 0
        self._write = write
        self._channels = [plant.outstation.open(time.time(), probes=False) for plant in self.plants]

    def received(self, data: bytes) -> None:
        self.asked += 1
        self.collisions += bool(self.answering)
        for address, channel in zip(ADDRESSES, self._channels, strict=True):
            channel.receive(data, time.time())
            octets = channel.to_send(time.time())
            if octets and address not in self.deaf:
                self.answering += 1
                asyncio.get_running_loop().call_later(0.005, self._answer, octets)

    def _answer(self, octets: bytes) -> None:
        self.answering -= 1
        self._write(octets)


@contextlib.asynccontextmanager
async def serial_line() -> AsyncIterator[tuple[Line, dict[str, Any]]]:
    far, near = os.openpty()
    tty.setraw(far)
    tty.setraw(near)
    os.set_blocking(far, False)
    line, loop = Line(lambda octets: os.write(far, octets)), asyncio.get_running_loop()
    loop.add_reader(far, lambda: line.received(os.read(far, 4096)))
    try:
        yield line, {"serial_port": os.ttyname(near), "baudrate": 115_200}
    finally:
        loop.remove_reader(far)
        for descriptor in (far, near):
            os.close(descriptor)


@contextlib.asynccontextmanager
async def gateway() -> AsyncIterator[tuple[Line, dict[str, Any]]]:
    came: list[Any] = []

    class Port(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            came.append(transport)

        def data_received(self, data: bytes) -> None:
            line.received(data)

    line = Line(lambda octets: came[-1].write(octets))
    server = await asyncio.get_running_loop().create_server(Port, "127.0.0.1", 0)
    try:
        yield line, {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "shared_connection": True}
        assert len(came) == 1
    finally:
        server.close()
        for transport in came:
            transport.abort()


def driver(outstation: int, **keys: Any) -> Dnp3Driver:
    given = {"address": 1, "outstation": outstation, "inputs": INPUTS, "outputs": OUTPUTS, "timeout_s": 5.0, **keys}
    return Dnp3Driver.create(f"plant{outstation}", Dnp3Driver.Config.model_validate(given), clock=SystemClock())


@pytest.mark.parametrize("place", [serial_line, gateway])
async def test_all_are_read_and_commanded_at_once_and_only_one_speaks(place: Any) -> None:
    async with place() as (line, keys):
        drivers = [driver(address, **keys) for address in ADDRESSES]
        assert drivers[0].connection
        plates = await asyncio.gather(*(one.open() for one in drivers))
        assert [plate.max_w for plate in plates] == [1000.0 * address for address in ADDRESSES]
        for watts in (2000.0, 3000.0):
            acks = await asyncio.gather(
                *(one.write(Setpoint(device_id="", issued=0.0, active_power_w=watts + n)) for n, one in
                  enumerate(drivers))
            )  # fmt: skip
            assert [ack.active_power_w for ack in acks] == [pytest.approx(watts + n) for n in range(3)]
            seen = await asyncio.gather(*(one.read() for one in drivers))
            assert [snapshot.w for snapshot in seen] == [pytest.approx(watts + n, abs=0.5) for n in range(3)]
        assert line.collisions == 0
        assert line.asked > 20
        await asyncio.gather(*(one.close() for one in drivers))


@pytest.mark.parametrize("place", [serial_line, gateway])
async def test_one_that_is_silent_does_not_end_the_others(place: Any) -> None:
    async with place() as (line, keys):
        line.deaf = {11}
        good, silent = driver(10, **keys), driver(11, **(keys | {"timeout_s": 0.3}))
        await good.open()
        with pytest.raises(DeviceTimeout):
            await silent.open()
        assert (await good.read()).w == 0.0
        line.deaf = set()
        assert (await silent.open()).max_w == 11_000.0
        assert (await silent.read()).w == 0.0
        # opened again by another session of the same driver, on the line that is open still
        await silent.close()
        await silent.open()
        assert (await good.read()).w == 0.0
        for one in (good, silent):
            await one.close()


async def test_a_line_that_is_lost_is_opened_again() -> None:
    async with serial_line() as (_, keys):
        one = driver(10, **keys)
        await one.open()
        assert one._link is not None
        assert one._link._wire is not None
        one._link._wire._carrier.abort()
        await asyncio.sleep(0)
        assert (await one.read()).w == 0.0
        await one.close()


async def test_a_port_that_is_not_there_is_told() -> None:
    with pytest.raises(DeviceTimeout, match="cannot be opened"):
        await driver(10, serial_port="/dev/nonesuch").open()


async def test_who_is_away_is_asked_less_often_than_the_others_on_the_line() -> None:
    async with serial_line() as (line, keys):
        one, away = driver(10, **keys), driver(11, **keys | {"timeout_s": 0.05})
        await one.open()
        line.deaf.add(11)
        said, asked = "", 0
        while "asked less often" not in said:
            await one.read()
            asked = line.asked
            with pytest.raises(DeviceTimeout) as caught:
                await away.open()
            said = caught.value.reason
            await away.close()
        assert line.asked == asked, "nothing went out for it"
        await one.read()
        await one.close()
