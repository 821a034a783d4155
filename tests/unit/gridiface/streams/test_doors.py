"""A listener that silent peers cannot fill: a cap on connections, and a deadline for the first head."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from gridiface.streams.doors import Doors


class Served:
    """A small aiohttp server behind doors."""

    def __init__(self, most, **more):
        async def answer(request):
            self.doors.asked(request.protocol)
            return web.Response(text="ok")

        self.server = web.Server(answer)
        self.doors = Doors(self.server, most=most, **more)
        self.writers = []

    async def __aenter__(self):
        await self.doors.open("127.0.0.1", 0)
        self.port = self.doors.port
        return self

    async def connect(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def __aexit__(self, *_):
        for writer in self.writers:
            writer.close()
        self.doors.close()
        await self.server.shutdown(1.0)


async def ended(reader):
    """Whether the peer closes the connection, in any way."""
    try:
        async with asyncio.timeout(20):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def asks(reader, writer):
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(20):
        return await reader.readuntil(b"\r\n\r\n")


async def test_more_connections_than_may_be_are_closed_and_those_before_go_on():
    async with Served(2) as served:
        kept = [await served.connect() for _ in range(2)]
        assert b"200 OK" in await asks(*kept[0])
        late, _ = await served.connect()
        assert await ended(late)
        assert served.doors.refused == 1
        assert b"200 OK" in await asks(*kept[1])


async def test_there_is_room_again_when_one_has_gone():
    async with Served(1) as served:
        _, writer = await served.connect()
        writer.close()
        await writer.wait_closed()
        end = time.monotonic() + 20
        while True:
            try:
                if b"200 OK" in await asks(*await served.connect()):
                    break
            except (ConnectionError, asyncio.IncompleteReadError):
                assert time.monotonic() < end


async def test_a_silent_and_a_slow_peer_are_closed_and_one_that_asked_is_kept():
    async with Served(10, within_s=0.3) as served:
        silent, _ = await served.connect()
        slow, writer = await served.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost:")
        reader, asking = await served.connect()
        assert b"200 OK" in await asks(reader, asking)
        assert await ended(silent)
        assert await ended(slow)
        await reader.readexactly(2)  # the body
        assert b"200 OK" in await asks(reader, asking)
