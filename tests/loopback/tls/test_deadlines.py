"""Slow clients are dropped, each by the deadline it misses, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from gridiface.northbound.tls_limits import Deadlines

SHORT = 0.15
LONG = 30.0
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a hello"])
async def test_a_slow_handshake(sent: bytes, start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=SHORT, header=LONG, body=LONG, write=LONG, idle=LONG))
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(sent)
    assert await running.ended(reader)
    assert running.listener.counters["deadline_handshake"] == 1
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"POST /echo HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["silent", "half a header"])
async def test_a_slow_header(sent: bytes, start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=LONG, header=SHORT, body=LONG, write=LONG, idle=LONG))
    reader, writer = await running.open()
    writer.write(sent)
    assert await running.ended(reader)
    assert running.listener.counters["deadline_header"] == 1
    assert running.served == []
    writer.close()


async def test_dripping_a_header_does_not_help(start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=LONG, header=SHORT, body=LONG, write=LONG, idle=LONG))
    reader, writer = await running.open()

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            for octet in HEAD * 20:
                writer.write(bytes((octet,)))
                await writer.drain()
                await asyncio.sleep(0.01)

    task = asyncio.create_task(drip())
    assert await running.ended(reader)
    assert running.listener.counters["deadline_header"] == 1
    task.cancel()
    writer.close()


async def test_a_second_header_is_watched_like_the_first(start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=LONG, header=SHORT, body=LONG, write=LONG, idle=LONG))
    reader, writer = streams = await running.open()
    await running.ask(streams)
    writer.write(b"GET /ec")
    assert await running.ended(reader)
    assert running.listener.counters["deadline_header"] == 1
    writer.close()


async def test_a_slow_body(start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=LONG, header=LONG, body=SHORT, write=LONG, idle=LONG))
    reader, writer = await running.open()
    writer.write(HEAD + b"half")
    assert await running.ended(reader)
    assert running.listener.counters["deadline_body"] == 1
    assert running.served == []
    writer.close()


async def test_an_idle_connection(start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=LONG, header=LONG, body=LONG, write=LONG, idle=SHORT))
    streams = await running.open()
    await running.ask(streams)
    assert await running.ended(streams[0])
    assert running.listener.counters["deadline_idle"] == 1
    streams[1].close()


async def test_a_client_that_does_not_read(start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=LONG, header=LONG, body=LONG, write=SHORT, idle=LONG))
    with socket.create_connection(("127.0.0.1", running.port)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        context = running.context()

        def ask() -> Any:
            wrapped = context.wrap_socket(raw.dup(), server_hostname="localhost")
            wrapped.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            return wrapped

        held = await asyncio.to_thread(ask)
        while not running.listener.counters["deadline_write"]:
            await asyncio.sleep(0.01)
        held.close()


async def test_a_good_client_is_served_beside_many_slow_ones(start: Any) -> None:
    running = await start(deadlines=Deadlines(handshake=1.0, header=1.0, body=1.0, write=1.0, idle=LONG))
    slow = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(30)]
    for _ in range(5):
        reader, writer = await running.open()
        writer.write(HEAD)
        slow.append((reader, writer))
    good = await running.open()
    for _ in range(50):
        assert (await running.ask(good, b"z" * 100))["bytes"] == 100
    assert all([await running.ended(reader) for reader, _ in slow])
    assert (await running.ask(good))["bytes"] == 0
    counters = running.listener.counters
    assert (counters["deadline_handshake"], counters["deadline_body"]) == (30, 5)
    for _, writer in [*slow, good]:
        writer.close()
