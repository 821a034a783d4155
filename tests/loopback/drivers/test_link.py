"""The Modbus link on real sockets: reconnection, sharing, hostile replies, time-outs; pymodbus as the other side."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.device import Fault
from gridiface_southbound.modbus_link import TcpLink
from gridiface_southbound.modbus_pdu import ExceptionReply, read_request, write_request, write_single_request
from gridiface_southbound.modbus_sharing import shared_link

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


class Closing:
    """A device that closes the connection instead of answering each `every`th request; it remembers writes."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.requests = 0
        self.written = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(7)
                pdu = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                self.requests += 1
                self.written += pdu[0] == 16
                if self.requests % self.every == 0:
                    break
                answer = pdu[:5] if pdu[0] == 16 else bytes((3, 2)) + pdu[1:3]
                writer.write(head[:4] + (len(answer) + 1).to_bytes(2, "big") + head[6:] + answer)
        writer.close()


@contextlib.asynccontextmanager
async def closing(every: int, **more: Any) -> AsyncIterator[tuple[TcpLink, Closing]]:
    device = Closing(every)
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1], **more)
    try:
        yield link, device
    finally:
        await link.close()
        server.close()


def reads(*addresses: int) -> list[Any]:
    return [read_request(address, 1) for address in addresses]


def registers(*addresses: int) -> list[bytes]:
    return [address.to_bytes(2, "big") for address in addresses]


@pytest.mark.parametrize("every", [2, 3, 5])
@pytest.mark.parametrize("pipelined", [True, False])
async def test_reads_of_a_device_that_closes_now_and_then_are_asked_again(every: int, pipelined: bool) -> None:
    async with closing(every, pipelined=pipelined) as (link, device):
        for address in range(12):
            assert await link.exchange(1, reads(address), timeout_s=1) == registers(address)
        for address in range(6):
            wanted = address, address + 1, address + 2
            assert await link.exchange(1, reads(*wanted), timeout_s=1) == registers(*wanted)
        assert link.counters.connects > 2
        assert link.counters.timeouts == 0
        assert device.written == 0


async def test_a_device_that_only_closes_is_asked_once_for_each_exchange() -> None:
    async with closing(1) as (link, _):
        for _ in range(3):
            with pytest.raises(DeviceTimeout, match="closed the connection"):
                await link.exchange(1, reads(1, 2), timeout_s=1)
        assert link.counters.connects == 3


async def test_a_write_that_was_not_answered_is_not_written_again() -> None:
    async with closing(2) as (link, device):
        await link.exchange(1, reads(1), timeout_s=1)
        with pytest.raises(DeviceTimeout, match="closed the connection"):
            await link.exchange(1, [write_request(7, b"\0\1"), *reads(7)], timeout_s=1)
        assert device.written == 1
        # answered, and its read-back lost: that is asked again
        assert await link.exchange(1, [write_request(7, b"\0\1"), *reads(7)], timeout_s=1) == [b"", *registers(7)]
        assert device.written == 2


async def test_one_connection_that_was_closed_amid_several_requests_does_not_slow_a_device_down() -> None:
    async with closing(4) as (link, _):
        await link.exchange(1, reads(1, 2), timeout_s=1)
        await link.exchange(1, reads(3, 4), timeout_s=1)
        assert link.pipelined
        await link.exchange(1, reads(5), timeout_s=1)


async def test_a_device_that_closes_when_several_requests_come_together_is_found_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(data := await reader.read(4096)) >= 12:
            writer.write(data[:4] + bytes((0, 5)) + data[6:8] + b"\2" + data[8:10])
            if len(data) > 12:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1])
    for pipelined in (True, False, False):
        assert await link.exchange(1, reads(1, 2), timeout_s=1) == registers(1, 2)
        assert link.pipelined is pipelined
    assert link.counters.connects == 3
    await link.close()
    server.close()


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
