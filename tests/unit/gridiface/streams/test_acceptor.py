"""Listening sockets: one port for all addresses, pauses after failures, nothing left open."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from gridiface.streams.acceptor import Acceptor


class Door:
    def __init__(self, **more: Any) -> None:
        self.taken: list[tuple[Any, ...]] = []
        self.failures: list[int | None] = []
        self.acceptor = Acceptor(self.take, self.failed, **more)

    def take(self, taken: socket.socket, address: tuple[Any, ...]) -> None:
        assert taken.gettimeout() == 0
        taken.close()
        self.taken.append(address)

    def failed(self, error: OSError) -> float:
        self.failures.append(error.errno)
        return 0.01


async def knock(door: Door, times: int) -> None:
    for _ in range(times):
        _, writer = await asyncio.open_connection("127.0.0.1", door.acceptor.port)
        writer.close()
    async with asyncio.timeout(60):
        while len(door.taken) < times:
            await asyncio.sleep(0.005)


async def test_it_gives_what_comes_in_on_to_its_listener_and_ends() -> None:
    door = Door()
    await door.acceptor.start("127.0.0.1", 0, backlog=8)
    port = door.acceptor.port
    assert door.acceptor.addresses == [("127.0.0.1", port)]
    await knock(door, 3)
    assert {address[0] for address in door.taken} == {"127.0.0.1"}
    door.acceptor.close()
    assert (door.acceptor.port, door.acceptor.addresses) == (0, [])
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_after_a_failure_it_pauses_and_accepts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    errors, accept = [errno.EMFILE, errno.EPERM, errno.EMFILE], socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if errors:
            raise OSError(errors.pop(0), "no")
        return accept(self)

    spares = [True]
    door = Door(spare=lambda: bool(spares) and spares.pop())
    await door.acceptor.start("127.0.0.1", 0, backlog=8)
    monkeypatch.setattr(socket.socket, "accept", failing)
    await knock(door, 2)
    # The first want of a descriptor was met by a spare one.
    assert door.failures == [errno.EPERM, errno.EMFILE]
    door.acceptor.close()


async def test_closed_during_a_pause_it_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    await door.acceptor.start("127.0.0.1", 0, backlog=8)
    port = door.acceptor.port

    def failing(_: socket.socket) -> Any:
        raise OSError(errno.ENFILE, "no")

    with monkeypatch.context() as broken:
        broken.setattr(socket.socket, "accept", failing)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            while not door.failures:
                await asyncio.sleep(0.005)
        door.acceptor.close()
    await asyncio.sleep(0.05)
    assert door.taken == []
    writer.close()


async def test_where_one_address_cannot_be_taken_none_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        door = Door()
        with pytest.raises(OSError, match="in use"):
            await door.acceptor.start("127.0.0.1", held.getsockname()[1], backlog=8)
        assert door.acceptor.addresses == []
