"""The stream that keeps pages alive."""

from __future__ import annotations

import json
from typing import Any

import aiohttp


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
