from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gridiface.streams.bodies import BodyTooLarge, whole_body


@pytest.mark.parametrize(("most", "fits"), [(200_000, True), (199_999, False)])
async def test_a_body_that_comes_in_parts_is_read_to_its_end_or_refused(most: int, fits: bool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b"x" * 10_000)
            await asyncio.sleep(0.001)
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestClient(TestServer(app)) as client, client.get("/") as got:
        if fits:
            assert await whole_body(got.content, most) == b"x" * 200_000
        else:
            with pytest.raises(BodyTooLarge, match="larger than 199999"):
                await whole_body(got.content, most)
