"""Masters that do what is odd but legal: connections that end at once, broadcasts over TCP, concentrators."""

import asyncio
import contextlib
import socket
import struct

import pytest
from tests.waiting import until

from gridiface.northbound.dnp3.settings import EndpointSettings, MasterEntry
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.points import PointType
from gridiface.protocols.dnp3.transport import FragmentWriter

CLEAR_RESTART = bytes.fromhex("c0 02 50 01 00 07 07 00")
DELAY = bytes.fromhex("c1 17")


def asked(octets, *, destination=10, source=1):
    """The frames of a request."""
    return FragmentWriter(0xC4, destination, source).encode(octets)


async def frames(reader, count):
    """So many frames; whatever stands between them is an error."""
    found, parser = [], FrameReader()
    async with asyncio.timeout(30):
        while len(found) < count:
            octets = await reader.read(4096)
            assert octets, "the server closed the connection"
            found += parser.feed(octets)
    assert len(found) == count
    return found


async def closed(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("ending", ["closed", "reset"])
async def test_a_storm_of_connections_leaves_nothing_behind(serve, dial, ending):
    async with serve(endpoints=[EndpointSettings(port=0, connections=200, connections_per_address=200)]) as server:
        whole = asked(DELAY)
        for number in range(120):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(whole[: number % (len(whole) + 1)])
            if ending == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await closed(writer)
        await until(lambda: not server.endpoints[0].sessions, "no session is left")
        async with dial(server.port) as master:
            await master.poll()
            assert master.value(PointType.ANALOG_INPUT, 0) == pytest.approx(1.25)


async def test_a_broadcast_over_tcp_reaches_every_outstation_and_is_told_by_each(serve, make_station):
    masters = [MasterEntry(name="iso", address=1)]
    async with serve([make_station("a", 10, masters=masters), make_station("b", 11, masters=masters)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(asked(CLEAR_RESTART, destination=0xFFFF))
        for address in (10, 11):
            writer.write(asked(DELAY, destination=address))
        answers = await frames(reader, 2)
        assert [frame.source for frame in answers] == [10, 11]
        indications = {frame.payload[3] & (IIN.BROADCAST | IIN.DEVICE_RESTART) for frame in answers}
        assert indications == {IIN.BROADCAST}  # and the restart bit is cleared
        await closed(writer)


async def test_masters_behind_one_concentrator_share_a_connection(serve, make_station):
    masters = [MasterEntry(name=f"m{number}", address=number) for number in (1, 2, 3)]
    async with serve([make_station(masters=masters)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"".join(asked(bytes((0xC0 | number, 0x17)), source=number) for number in (1, 2, 3)))
        answers = await frames(reader, 3)
        assert [(frame.destination, frame.payload[1]) for frame in answers] == [(1, 0xC1), (2, 0xC2), (3, 0xC3)]
        writer.write(encode(Frame(0xC0, 10, 2)) + encode(Frame(0xF3, 10, 2, bytes.fromhex("c0 c4 17"))))
        reset, data, answer = await frames(reader, 3)
        assert (reset.control, data.control, answer.payload[1]) == (0x00, 0x00, 0xC4)
        await closed(writer)
