"""Connections of a session: what is open is not used beyond the end of a certificate."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from gridiface.northbound.sep2.upstream.link import Link, LinkFailed
from gridiface.protocols.sep2.exchange import Request


async def test_what_was_opened_before_a_certificate_ended_is_closed_and_files_are_read_anew() -> None:
    made: list[ssl.SSLContext] = []
    ended = False

    def context() -> ssl.SSLContext:
        made.append(ssl.create_default_context())
        return made[-1]

    link = Link(context, timeout_s=5.0, answer_bytes=100, connections=1, over=lambda: ended)
    asked = Request("GET", "/dcap", {}, b"")

    async def ask() -> None:
        with pytest.raises(LinkFailed):  # nobody listens there
            await link.exchange("127.0.0.1:1", asked)

    await ask()
    await ask()
    session = link._session
    assert session is not None
    assert (len(made), session.closed) == (1, False)
    ended = True
    await ask()
    assert (len(made), session.closed) == (2, True)
    await link.close()


async def test_who_asks_while_connections_are_closed_opens_a_new_one() -> None:
    link = Link(ssl.create_default_context, timeout_s=5.0, answer_bytes=100, connections=1)
    asked, closing = Request("GET", "/dcap", {}, b""), asyncio.Event()

    class Slow:
        closed = True

        async def close(self) -> None:
            closing.set()
            await asyncio.sleep(0)

        def request(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("Session is closed")

    link._session = Slow()  # type: ignore[assignment]
    ended = asyncio.create_task(link.close())
    await closing.wait()
    with pytest.raises(LinkFailed):  # nobody listens there
        await link.exchange("127.0.0.1:1", asked)
    await ended
    assert link._session is not None, "the new one stays open"
    await link.close()
