"""The receiving end of simple HTTP: what answers at once and later, what is too much, and what fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests.clocks import StandingClock

from gridiface.errors import ConfigError, RemoteProtocolError
from gridiface.northbound.openadr.settings import ListenSettings
from gridiface.northbound.openadr.wire.http_server import PayloadListener
from gridiface.protocols.openadr.exchange import HttpMessage

NOW = 1_800_000_000.0


@asynccontextmanager
async def listening(answer: Callable[..., Any], **more: Any) -> AsyncIterator[tuple[PayloadListener, str]]:
    listener = PayloadListener(
        ListenSettings(**more), answer, clock=StandingClock(NOW), most_octets=lambda certificate: 1_000
    )
    await listener.start()
    try:
        yield listener, f"http://127.0.0.1:{listener.port}/OpenADR2/Simple/2.0b/OadrPoll"
    finally:
        await listener.stop()


async def posted(url: str, body: bytes = b"<x/>") -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
        return answer.status, await answer.read()


def ok(body: bytes = b"<y/>") -> HttpMessage:
    return HttpMessage(200, {"Content-Type": "application/xml", "Content-Length": str(len(body))}, body)


async def test_a_request_is_handed_over_and_answered_at_once_or_later() -> None:
    seen: list[HttpMessage] = []

    def answer(message: HttpMessage, certificate: bytes, overloaded: bool) -> Any:
        seen.append(message)
        if len(seen) == 1:
            return ok(b"at once")

        async def later() -> HttpMessage:
            await asyncio.sleep(0)
            return ok(b"later")

        return later()

    async with listening(answer) as (_, url):
        assert await posted(url) == (200, b"at once")
        assert await posted(url) == (200, b"later")
    assert [(one.method, one.path, one.body) for one in seen] == [
        ("POST", "/OpenADR2/Simple/2.0b/OadrPoll", b"<x/>")
    ] * 2


@pytest.mark.parametrize("late", [False, True])
async def test_a_refusal_has_its_own_status_and_is_told_in_the_log(late: bool, caplog: Any) -> None:
    def answer(message: HttpMessage, certificate: bytes, overloaded: bool) -> Any:
        async def refuse() -> HttpMessage:
            raise RemoteProtocolError("not from you", answer=403)

        if late:
            return refuse()
        raise RemoteProtocolError("not from you", answer=403)

    caplog.set_level("INFO")
    async with listening(answer) as (_, url):
        assert (await posted(url))[0] == 403
    assert "refused with 403: not from you" in caplog.text


async def test_what_breaks_is_500_and_the_next_one_is_answered() -> None:
    broken = iter([True, False])

    def answer(message: HttpMessage, certificate: bytes, overloaded: bool) -> Any:
        if next(broken):
            raise RuntimeError("on purpose")
        return ok()

    async with listening(answer) as (_, url):
        assert (await posted(url))[0] == 500
        assert (await posted(url))[0] == 200


async def test_above_so_many_at_once_the_answer_is_asked_for_as_overloaded() -> None:
    gate, loads = asyncio.Event(), list[bool]()

    def answer(message: HttpMessage, certificate: bytes, overloaded: bool) -> Any:
        loads.append(overloaded)
        if overloaded:
            raise RemoteProtocolError("too much now", answer=503)

        async def wait() -> HttpMessage:
            await gate.wait()
            return ok()

        return wait()

    async with listening(answer, most_at_once=1) as (_, url):
        first = asyncio.create_task(posted(url))
        while not loads:
            await asyncio.sleep(0.01)
        assert (await posted(url))[0] == 503
        gate.set()
        assert (await first)[0] == 200
        assert (await posted(url))[0] == 200  # it is free again
    assert loads == [False, True, False]


async def test_a_body_that_is_too_large_is_refused_unread() -> None:
    def answer(message: HttpMessage, certificate: bytes, overloaded: bool) -> Any:
        raise AssertionError("nobody is asked")

    async with listening(answer) as (_, url):
        assert (await posted(url, b"x" * 2_000))[0] == 413


async def test_who_listens_in_is_told_of_request_and_answer() -> None:
    told: list[Any] = []
    async with listening(lambda *_: ok()) as (listener, url):
        listener.listen_in(told.append)
        await posted(url)
    assert len(told) == 1


async def test_a_taken_port_is_said_and_before_the_start_there_is_none() -> None:
    async with listening(lambda *_: ok()) as (listener, _):
        other = PayloadListener(
            ListenSettings(port=listener.port), lambda *_: ok(), clock=StandingClock(NOW), most_octets=lambda _: 1
        )
        assert other.port == 0
        with pytest.raises(ConfigError, match=str(listener.port)):
            await other.start()
        await other.stop()
