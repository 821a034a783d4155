"""The stream that keeps pages alive."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from gridiface.operator.screens import live


async def test_a_point_of_every_group_comes_once_a_second(house: Any) -> None:
    url = f"http://127.0.0.1:{house.pages.port}/live"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        while True:
            line = (await answer.content.readline()).decode()
            if line.startswith("data: "):
                break
    body = json.loads(line[6:])
    assert body == {"t": 100.0, "groups": {"fleet": [3000.0, 3000.0, 2900.0], "feeder": [None, 3000.0, 2900.0]}}


async def test_readers_who_see_the_same_share_the_text_of_a_point(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def dumps(body: object) -> str:
        made.append(body)
        return json.dumps(body)

    monkeypatch.setattr(live, "json", SimpleNamespace(dumps=dumps))
    url = f"http://127.0.0.1:{house.pages.port}/live"
    async with aiohttp.ClientSession() as session:
        readers = [await session.get(url) for _ in range(3)]
        for reader in readers:
            while not (await reader.content.readline()).startswith(b"data: "):
                pass
            reader.close()
    assert len({json.dumps(body) for body in made}) == len(made), "one point was made into text twice"


async def test_no_more_readers_than_there_is_room_for(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "READERS", 0)
    url = f"http://127.0.0.1:{house.pages.port}/live"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")


async def test_the_stream_ends_with_its_reader_s_right(house: Any) -> None:
    url, headers = f"http://127.0.0.1:{house.pages.port}/live", {"Authorization": f"Bearer {house.tokens['read']}"}
    async with asyncio.timeout(30), aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        while not (await answer.content.readline()).startswith(b"data: "):
            pass
        await house.desk.tokens.revoke("reader", 100.0, by="test")
        await answer.content.read()
        assert answer.content.at_eof()
