"""The Modbus link on real sockets: reconnection, sharing, hostile replies, time-outs; pymodbus as the other side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.device import Fault
from gridiface_southbound.modbus_link import TcpLink, shared_link
from gridiface_southbound.modbus_pdu import ExceptionReply, read_request, write_request, write_single_request

MARKER = read_request(40000, 2)


@pytest.fixture
async def link_to(simulate: Any) -> Any:
    """(link, simulation) against one simulated device, closed at the end."""
    async with simulate(UnitConfig()) as simulation:
        place = simulation.places()[0]
        link = TcpLink(place["host"], place["port"], connect_timeout_s=1.0)
        yield link, simulation
        await link.close()


async def test_requests_of_one_exchange_are_answered_in_their_order(link_to: Any) -> None:
    link, _ = link_to
    replies = await link.exchange(1, [MARKER, read_request(40002, 2), read_request(0, 1)], timeout_s=1)
    assert replies[0] == b"SunS"
    assert replies[1] == bytes.fromhex("0001 0042")
    assert isinstance(replies[2], ExceptionReply)
    assert replies[2].code == 2
    assert link.counters.requests == 3


@pytest.mark.parametrize("fault", ["garbage", "wrong_transaction", "wrong_unit", "bad_length"])
async def test_a_reply_that_is_not_the_one_asked_for_closes_the_connection(fault: str, link_to: Any) -> None:
    link, simulation = link_to
    await link.exchange(1, [MARKER], timeout_s=1)
    await simulation.set_fault(0, Fault(fault))
    with pytest.raises(DeviceRejected, match="connection closed"):
        await link.exchange(1, [MARKER], timeout_s=1)
    assert not link.connected
    await simulation.set_fault(0, Fault.NONE)
    assert await link.exchange(1, [MARKER], timeout_s=1) == [b"SunS"]
    assert link.counters.connects == 2
    assert link.counters.protocol_errors == 1


async def test_a_connection_that_the_device_closed_is_opened_again(link_to: Any) -> None:
    link, simulation = link_to
    await simulation.set_fault(0, Fault.DROP)
    with pytest.raises(DeviceTimeout, match="closed"):
        await link.exchange(1, [MARKER], timeout_s=1)
    await simulation.set_fault(0, Fault.NONE)
    assert await link.exchange(1, [MARKER], timeout_s=1) == [b"SunS"]


async def test_a_late_reply_is_dropped_and_the_next_exchange_is_right(link_to: Any) -> None:
    link, simulation = link_to
    await simulation.set_fault(0, Fault.SLOW, 0.15)
    with pytest.raises(DeviceTimeout, match="did not answer"):
        await link.exchange(1, [MARKER], timeout_s=0.05)
    await simulation.set_fault(0, Fault.NONE)
    assert await link.exchange(1, [read_request(40002, 1)], timeout_s=1) == [b"\x00\x01"]
    for _ in range(100):
        if link.counters.late_replies:
            break
        await asyncio.sleep(0.01)
    assert link.counters.late_replies == 1
    assert link.connected


async def test_two_silences_in_a_row_close_the_connection(link_to: Any) -> None:
    link, simulation = link_to
    await simulation.set_fault(0, Fault.HANG)
    for _ in range(2):
        with pytest.raises(DeviceTimeout):
            await link.exchange(1, [MARKER], timeout_s=0.05)
    assert not link.connected


async def test_a_device_that_takes_one_request_at_a_time_is_found_out(link_to: Any) -> None:
    link, simulation = link_to
    await simulation.set_fault(0, Fault.ONE_AT_A_TIME)
    replies = await link.exchange(1, [MARKER, read_request(40002, 1)], timeout_s=0.1)
    assert replies == [b"SunS", b"\x00\x01"]
    assert link.pipelined is False


async def test_a_refused_connection_is_a_time_out(simulate: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        place = simulation.places()[0]
        await simulation.set_fault(0, Fault.OFF)
        with pytest.raises(DeviceTimeout, match="cannot be reached"):
            await TcpLink(place["host"], place["port"]).exchange(1, [MARKER], timeout_s=1)


async def test_a_shared_link_is_one_connection_closed_by_its_last_user(simulate: Any) -> None:
    async with simulate(UnitConfig(copies=3), shared_port=True) as simulation:
        places = simulation.places()
        links = [shared_link(place["host"], place["port"]) for place in places]
        answers = await asyncio.gather(
            *(
                link.exchange(place["unit_id"], [read_request(40052, 4)], timeout_s=1)
                for link, place in zip(links, places, strict=True)
            )
        )
        assert [answer[0][:6] for answer in answers] == [b"unit-1", b"unit-2", b"unit-3"]
        (listener,) = {id(item): item for item in simulation._listeners}.values()
        assert len(listener.sessions) == 1
        await links[0].close()
        await links[0].close()
        assert links[1].connected
        with pytest.raises(DeviceTimeout, match="closed"):
            await links[0].exchange(1, [MARKER], timeout_s=1)
        await links[1].close()
        await links[2].close()
        assert not links[1].connected
        for _ in range(100):
            if not listener.sessions:
                break
            await asyncio.sleep(0.01)
        assert not listener.sessions


async def test_pymodbus_understands_every_request() -> None:
    device = SimDevice(id=7, simdata=[SimData(100, count=130, values=5, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.sockets[0].getsockname()[1]
    link = TcpLink("127.0.0.1", port)
    try:
        assert await link.exchange(7, [write_request(100, b"\x00\x2a\x00\x2b")], timeout_s=2) == [b""]
        assert await link.exchange(7, [write_single_request(102, b"\x00\x2c")], timeout_s=2) == [b""]
        assert await link.exchange(7, [read_request(100, 4)], timeout_s=2) == [bytes.fromhex("002a002b002c0005")]
        (whole,) = await link.exchange(7, [read_request(100, 125)], timeout_s=2)
        assert isinstance(whole, bytes)
        assert len(whole) == 250
        (outside,) = await link.exchange(7, [read_request(5000, 1)], timeout_s=2)
        assert isinstance(outside, ExceptionReply)
    finally:
        await link.close()
        await server.shutdown()
