from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any, ClassVar

import pytest
from tests.waiting import until

from gridiface.streams.tcp_listener import TcpListener


class Echo(asyncio.Protocol):
    open: ClassVar[set[Echo]] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        Echo.open.add(self)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        Echo.open.discard(self)


@pytest.fixture
async def listening() -> Any:
    made: list[TcpListener] = []
    Echo.open = set()

    async def start(**more: Any) -> TcpListener:
        listener = TcpListener(Echo, opened=lambda: len(Echo.open), **({"most": 10} | more))
        await listener.start("127.0.0.1", 0)
        made.append(listener)
        return listener

    yield start
    for listener in made:
        listener.close()
    for one in list(Echo.open):
        one.transport.abort()
    await asyncio.sleep(0)


async def echoes(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"x")
        async with asyncio.timeout(60):
            return await reader.read(1) == b"x"
    except ConnectionError:
        return False
    finally:
        writer.close()


async def test_it_takes_connections_until_it_is_full_and_again_then(listening: Any) -> None:
    listener = await listening(most=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"a")
    assert await reader.read(1) == b"a"
    assert not await echoes(listener.port)
    assert listener.counters["refused_total"] == 1
    writer.close()
    while Echo.open:
        await asyncio.sleep(0.01)
    assert await echoes(listener.port)


@pytest.mark.parametrize(("spares", "exhausted"), [(5, 0), (0, 2)])
async def test_without_descriptors_it_uses_the_reserve_or_waits(
    listening: Any, monkeypatch: pytest.MonkeyPatch, spares: int, exhausted: int
) -> None:
    left, accept = [2], socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return accept(self)

    kept = [spares]

    def spare() -> bool:
        kept[0] -= 1
        return kept[0] >= 0

    listener = await listening(spare=spare)
    monkeypatch.setattr(socket.socket, "accept", failing)
    assert await echoes(listener.port)
    assert listener.counters["exhausted"] == exhausted


async def test_closed_it_listens_no_more(listening: Any) -> None:
    listener = await listening()
    port = listener.port
    listener.close()
    assert listener.port == 0
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("tls", [None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)], ids=["plain", "in its handshake"])
async def test_what_comes_as_it_closes_is_closed(listening: Any, tls: ssl.SSLContext | None) -> None:
    """Neither before the first step of its way in nor during the handshake does a connection stay behind."""
    listener = await listening(tls=tls)
    with socket.create_connection(("127.0.0.1", listener.port)) as caller:
        caller.settimeout(60)
        while not listener.connections:
            await asyncio.sleep(0)
        listener.close()
        assert await asyncio.to_thread(caller.recv, 1) == b""
    await until(lambda: not listener.connections)
    assert not Echo.open
