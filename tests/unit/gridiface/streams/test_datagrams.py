"""A UDP socket with the face of a stream transport."""

import asyncio

from tests.waiting import until

from gridiface.streams.datagrams import DatagramCarrier


class Far(asyncio.DatagramProtocol):
    def __init__(self):
        self.heard = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.heard.append(data)
        self.transport.sendto(data.upper(), addr)


class Near(asyncio.Protocol):
    def __init__(self):
        self.heard, self.ends = [], 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard.append(data)

    def connection_lost(self, exc):
        self.ends += 1


async def test_octets_go_and_come_as_datagrams_until_it_is_closed():
    loop = asyncio.get_running_loop()
    listening, far = await loop.create_datagram_endpoint(Far, local_addr=("127.0.0.1", 0))
    near = Near()
    await loop.create_datagram_endpoint(
        lambda: DatagramCarrier(near, lambda octets: [octets[:2], octets[2:]]),
        remote_addr=listening.get_extra_info("sockname"),
    )
    near.transport.write(b"abcde")
    await until(lambda: len(near.heard) == 2)
    assert (far.heard, near.heard) == ([b"ab", b"cde"], [b"AB", b"CDE"])
    assert near.transport.get_extra_info("socket") is None
    assert not near.transport.is_closing()
    near.transport.close()
    near.transport.abort()
    await until(lambda: near.ends)
    assert near.transport.is_closing()
    near.transport.write(b"x")
    listening.close()
    assert near.ends == 1


async def test_a_closed_port_ends_it():
    loop = asyncio.get_running_loop()
    listening, _ = await loop.create_datagram_endpoint(Far, local_addr=("127.0.0.1", 0))
    place = listening.get_extra_info("sockname")
    listening.close()
    await asyncio.sleep(0)
    near = Near()
    await loop.create_datagram_endpoint(lambda: DatagramCarrier(near, lambda octets: [octets]), remote_addr=place)
    near.transport.write(b"x")
    await until(lambda: near.ends)
