"""The page and its routes over real HTTP on loopback."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gridiface.errors import ConfigError
from gridiface.operator.pages import OperatorPages
from gridiface.operator.status import Status


class FixedClock:
    def now(self) -> float:
        return 100.0

    def monotonic(self) -> float:
        return 100.0


@pytest.fixture
async def pages(status: Status) -> AsyncIterator[OperatorPages]:
    server = OperatorPages(status, FixedClock(), host="127.0.0.1", port=0, ready=lambda: False)
    await server.start()
    yield server
    await server.stop()


async def get(pages: OperatorPages, path: str) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{pages.port}{path}") as answer:
        return answer.status, await answer.text(), dict(answer.headers)


async def test_page_needs_nothing_from_outside_and_no_inline_script(pages: OperatorPages) -> None:
    status, text, headers = await get(pages, "/")
    assert status == 200
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert "<script>" not in text
    assert "style=" not in text


@pytest.mark.parametrize("name", ["overview.js", "overview.css", "icon.svg"])
async def test_static_files_are_served(pages: OperatorPages, name: str) -> None:
    assert (await get(pages, f"/static/{name}"))[0] == 200


@pytest.mark.parametrize(
    "path", ["/static/../status.py", "/static/%2e%2e%2fstatus.py", "/static/status.py", "/nothing"]
)
async def test_nothing_else_is_served(pages: OperatorPages, path: str) -> None:
    assert (await get(pages, path))[0] == 404


async def test_status_and_report_are_json(pages: OperatorPages) -> None:
    assert '"site": "plant"' in (await get(pages, "/api/v1/status"))[1]
    assert (await get(pages, "/api/v1/devices"))[0] == 200
    assert (await get(pages, "/api/v1/controls/c1/report"))[0] == 200
    status, text, headers = await get(pages, "/api/v1/controls/x%22y/report")
    assert (status, headers["Content-Type"].split(";")[0]) == (404, "application/problem+json")
    assert "no such control" in text


async def test_health_and_readiness_differ(pages: OperatorPages) -> None:
    assert (await get(pages, "/healthz"))[0] == 200
    assert (await get(pages, "/readyz"))[0] == 503


async def test_taken_port_is_named(pages: OperatorPages, status: Status) -> None:
    second = OperatorPages(status, FixedClock(), host="127.0.0.1", port=pages.port, ready=lambda: True)
    with pytest.raises(ConfigError, match=f"operator.listen 127.0.0.1:{pages.port}"):
        await second.start()
