"""How many connections: in all, from one address, of one identity; and what happens when descriptors run out."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any

import pytest

from gridiface.northbound.tls_limits import Caps
from gridiface.pki.folder import write_credential


async def test_one_address_has_a_cap(start: Any, until: Any) -> None:
    running = await start(caps=Caps(per_address=2))
    held = [await running.open() for _ in range(2)]
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await running.open()
    assert running.listener.counters["refused_address"] == 1
    held[0][1].close()
    await until(lambda: running.listener.connections == 1)
    held.append(await running.open())
    assert await running.ask(held[-1])
    for _, writer in held:
        writer.close()


async def test_when_all_are_established_nobody_more_gets_in(start: Any, until: Any) -> None:
    running = await start(caps=Caps(total=2))
    held = [await running.open() for _ in range(2)]
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await running.open()
    assert running.listener.counters["refused_total"] == 1
    for streams in held:
        assert await running.ask(streams)
        streams[1].close()
    await until(lambda: running.listener.connections == 0)


async def test_those_who_prove_nothing_give_way(start: Any) -> None:
    running = await start(caps=Caps(total=4))
    silent = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(10)]
    good = await running.open()
    assert await running.ask(good)
    assert running.listener.counters["evicted"] >= 7
    assert running.listener.connections <= 4
    for _, writer in [*silent, good]:
        writer.close()


async def test_one_identity_has_a_cap_and_loses_an_idle_connection_first(start: Any, site: Any) -> None:
    running = await start(caps=Caps(per_identity=2))
    write_credential(site.folder, "other", site.pki.issue("device", "other", now=site.now))
    first, second = await running.open(), await running.open()
    await running.ask(first)
    # The first is idle: it gives way to a third. Then none is idle, and a fourth is refused.
    third = await running.open()
    assert await running.ended(first[0])
    with pytest.raises(ssl.SSLError, match="ACCESS_DENIED"):
        await running.open()
    other = await running.open("other")
    assert await running.ask(other)
    assert await running.ask(second)
    assert await running.ask(third)
    assert running.listener.counters["refused_identity"] == 1
    for _, writer in (first, second, third, other):
        writer.close()


async def test_running_out_of_descriptors_is_survived(start: Any, monkeypatch: pytest.MonkeyPatch, until: Any) -> None:
    running = await start()
    good = await running.open()
    accept = socket.socket.accept
    left = [3]

    def failing(self: socket.socket) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    late = await running.open()
    assert await running.ask(late)
    assert await running.ask(good)
    assert running.listener.counters["exhausted"] == 3
    for _, writer in (good, late):
        writer.close()


async def test_a_flood_of_broken_handshakes_is_survived(start: Any, until: Any) -> None:
    running = await start(caps=Caps(total=50))

    async def break_off(number: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write((b"\x16\x03\x01\x00\x05hello", b"", b"GET / HTTP/1.1\r\n\r\n")[number % 3])
        writer.transport.abort()

    for begin in range(0, 300, 50):
        await asyncio.gather(*(break_off(begin + number) for number in range(50)))
    good = await running.open()
    assert await running.ask(good)
    await until(lambda: running.listener.connections == 1)
    good[1].close()
