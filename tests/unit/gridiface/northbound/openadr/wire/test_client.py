"""The sending end of simple HTTP: what an answer is, what is none, and when a request is sent again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gridiface.errors import ConfigError, RemoteProtocolError
from gridiface.northbound.openadr.wire.client import PayloadClient, Unreachable
from gridiface.protocols.openadr.exchange import HttpClient, HttpRefused
from gridiface.protocols.openadr.payloads.event import OadrPoll

NOW = 1_800_000_000.0
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Fri, 15 Jan 2027 08:00:30 GMT\r\n\r\n"


class Peer:
    """Answers each request with the next of `answers`; None: ends the connection instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers, self.heads = list(answers), list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_body = b"content-length:"
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if with_body in line)
                await reader.readexactly(length)
                self.heads.append(head)
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peer_of(*answers: bytes | None, **more: Any) -> AsyncIterator[tuple[Peer, PayloadClient, str]]:
    peer = Peer(*answers)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    client = PayloadClient(HttpClient(), **more)
    try:
        yield peer, client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await client.close()
        server.close()
        await asyncio.sleep(0)


async def poll(client: PayloadClient, url: str) -> Any:
    return await client.post(url, "OadrPoll", OadrPoll(venID="A"), NOW)


async def test_an_empty_answer_is_none_and_the_peers_clock_is_noted() -> None:
    async with peer_of(EMPTY) as (peer, client, url):
        assert await poll(client, url) is None
        assert peer.heads[0].startswith(b"POST /OpenADR2/Simple/2.0b/OadrPoll HTTP/1.1\r\n")
        assert client.peer_ahead_s == pytest.approx(30.0, abs=2.0)


async def test_a_status_is_a_refusal_that_says_it() -> None:
    async with peer_of(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as (_, client, url):
        with pytest.raises(HttpRefused) as refused:
            await poll(client, url)
        assert refused.value.answer == 403


async def test_a_kept_connection_that_ends_just_then_is_no_failure() -> None:
    async with peer_of(EMPTY, None, EMPTY) as (peer, client, url):
        await poll(client, url)
        assert await poll(client, url) is None
        assert len(peer.heads) == 3


async def test_files_that_changed_end_what_is_open_unless_they_cannot_be_used() -> None:
    files, made = [0], list[int]()

    def context() -> ssl.SSLContext:
        made.append(files[0])
        if files[0] == 1:
            raise ConfigError("the key is not there yet")
        return ssl.create_default_context()

    async with peer_of(EMPTY, EMPTY, EMPTY, EMPTY, context=context, stamp=lambda: files[0]) as (peer, client, url):
        await poll(client, url)
        session = client._session
        await poll(client, url)
        for stamp, same in ((1, True), (2, False)):
            files[0] = stamp
            await poll(client, url)
            assert (client._session is session) is same
        assert made == [0, 1, 2, 2]
        assert len(peer.heads) == 4


async def test_who_asks_while_connections_are_closed_opens_a_new_one() -> None:
    closing = asyncio.Event()

    class Slow:
        async def close(self) -> None:
            closing.set()
            await asyncio.sleep(0)

        def post(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("Session is closed")

    async with peer_of(EMPTY) as (_, client, url):
        client._session = Slow()  # type: ignore[assignment]
        ended = asyncio.create_task(client.close())
        await closing.wait()
        assert await poll(client, url) is None
        await ended
        assert client._session is not None


async def test_one_that_ends_every_connection_is_not_there() -> None:
    async with peer_of(None, None) as (peer, client, url):
        with pytest.raises(Unreachable):
            await poll(client, url)
        assert len(peer.heads) == 2


async def test_nobody_listens_or_answers_in_time() -> None:
    async with peer_of() as (_, client, url):
        pass
    client = PayloadClient(HttpClient())
    with pytest.raises(Unreachable):
        await poll(client, url)
    await client.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    client = PayloadClient(HttpClient(), timeout_s=0.2)
    with pytest.raises(Unreachable):
        await poll(client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await client.close()
    server.close()
    await asyncio.sleep(0)


async def test_a_redirection_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with peer_of(away) as (peer, client, url):
        with pytest.raises(RemoteProtocolError):
            await poll(client, url)
        assert len(peer.heads) == 1


async def test_an_answer_without_end_is_given_up() -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n\r\n" + b"x" * 20_000_000
    async with peer_of(endless) as (_, client, url):
        with pytest.raises(RemoteProtocolError, match="too large") as problem:
            await poll(client, url)
        assert problem.value.answer == 406


async def test_who_listens_in_is_told_of_request_and_answer() -> None:
    told: list[Any] = []
    async with peer_of(EMPTY) as (_, client, url):
        client.tap = told.append
        await poll(client, url)
    assert len(told) == 1
