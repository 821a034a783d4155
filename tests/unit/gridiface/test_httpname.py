"""The name that answers carry."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from gridiface.httpname import HTTP_NAME, name_ourselves


async def hello(_: web.BaseRequest) -> web.Response:
    return web.Response(text="hello")


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_names_the_program_and_no_version(status: int) -> None:
    name_ourselves()

    async def broken(_: web.BaseRequest) -> web.Response:
        raise web.HTTPInternalServerError

    runner = web.ServerRunner(web.Server(hello if status == 200 else broken))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert (answer.status, answer.headers["Server"]) == (status, HTTP_NAME)
    finally:
        await runner.cleanup()
