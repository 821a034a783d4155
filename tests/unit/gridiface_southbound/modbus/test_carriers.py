"""Which link a carrier has, and the silence before each request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from gridiface.errors import DeviceRejected
from gridiface_southbound.modbus.carriers import PymodbusLink, link_for
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus_link import TcpLink
from gridiface_southbound.modbus_pdu import read_request


def config(**keys: Any) -> ModbusConfig:
    return ModbusConfig(**({"table": "example-meter", "host": "h"} | keys))


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({}, 0.0),
        ({"carrier": "rtu_over_tcp"}, 0.0),
        ({"pause_s": 0.5}, 0.5),
        ({"carrier": "serial", "serial_port": "/dev/x"}, 3.5 * 10 / 9600),
        ({"carrier": "serial", "serial_port": "/dev/x", "parity": "E"}, 3.5 * 11 / 9600),
        ({"carrier": "serial", "serial_port": "/dev/x", "baudrate": 1200, "stop_bits": 2}, 3.5 * 11 / 1200),
        ({"carrier": "serial", "serial_port": "/dev/x", "baudrate": 115_200}, 0.00175),
        ({"carrier": "serial", "serial_port": "/dev/x", "pause_s": 0}, 0.0),
    ],
)
def test_the_silence_that_a_line_asks_for(keys: dict[str, Any], seconds: float) -> None:
    assert config(**keys).pause == pytest.approx(seconds)


def test_a_pause_is_no_negative_time() -> None:
    with pytest.raises(ValidationError, match="pause_s"):
        config(pause_s=-1)


COILS: dict[str, Any] = {
    "kind": "load",
    "address_base": 0,
    "points": [{"name": "on", "meaning": "connected", "area": "coil", "address": 0, "type": "bit"}],
}


async def test_devices_of_one_gateway_share_its_connection_whatever_they_need() -> None:
    keys = [{}, {"table": COILS}, {"pause_s": 0.2}, {"pause_s": 0.1}]
    links = [link_for(config(shared_connection=True, **one)) for one in keys]
    assert len({one._link for one in links}) == 1
    assert links[0]._link.pause_s == 0.2
    lines = [link_for(config(carrier="rtu_over_tcp", shared_connection=True, **one)) for one in keys]
    assert len({one._line for one in lines}) == 1
    assert lines[0]._line.link.pause_s == 0.2
    for link in (*links, *lines):
        await link.close()
    assert isinstance(link_for(config(pause_s=0.1)), TcpLink)


async def test_devices_on_a_serial_line_have_one_speed() -> None:
    line: dict[str, Any] = {"carrier": "serial", "serial_port": "/dev/x"}
    first = link_for(config(**line))
    second = link_for(config(**line, unit_id=2))
    with pytest.raises(DeviceRejected, match="/dev/x is in use with 9600 8N1, and this device wants 19200 8E1: all"):
        link_for(config(**line, unit_id=3, baudrate=19200, parity="E"))
    await first.close()
    await second.close()
    await link_for(config(**line, baudrate=19200)).close()


class Client:
    """A pymodbus client that answers at once and notes when it was asked."""

    connected = True

    def __init__(self) -> None:
        self.times: list[float] = []
        self.ctx = self
        self.transport = None

    async def connect(self) -> bool:
        self.times.append(asyncio.get_running_loop().time())
        return True

    async def execute(self, *, no_response_expected: bool, request: Any) -> Any:
        self.times.append(asyncio.get_running_loop().time())
        return ReadHoldingRegistersResponse(registers=[7])

    def close(self) -> None:
        pass


async def test_silence_is_kept_after_a_connect_and_after_each_answer() -> None:
    client: Any = Client()
    link = PymodbusLink(lambda: client, "line", connect_timeout_s=1)
    link.pause_s = 0.02
    assert await link.exchange(1, [read_request(0, 1), read_request(1, 1)], timeout_s=1) == [b"\0\7", b"\0\7"]
    await link.exchange(1, [read_request(2, 1)], timeout_s=1)
    assert len(client.times) == 4
    assert all(later - earlier >= 0.02 for earlier, later in zip(client.times, client.times[1:], strict=False))
    await link.close()


class Waiting(Client):
    """Waits for its answer as pymodbus does; `answer` is set from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def execute(self, *, no_response_expected: bool, request: Any) -> Any:
        return await asyncio.wait_for(self.answer, timeout=30)


async def test_who_is_told_to_end_as_the_answer_comes_ends() -> None:
    client = Waiting()
    link = PymodbusLink(lambda: client, "line", connect_timeout_s=1)  # type: ignore[arg-type, return-value]
    asking = asyncio.create_task(link.exchange(1, [read_request(0, 1)], timeout_s=30))
    while not client.answer._callbacks:  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    client.answer.set_result(ReadHoldingRegistersResponse(registers=[7]))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not link.connected
