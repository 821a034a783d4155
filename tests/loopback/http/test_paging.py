"""Lists that come in pages, by every way in which APIs go on: read to their end, and no further."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from gridiface.errors import DeviceError, DeviceRejected

DEVICES = [{"serial": f"S{number}", "power": 100 * number, "room": "hall"} for number in range(1, 8)]
SIZE = 3

POINT = {"name": "power", "meaning": "w", "request": "devices", "unit": "W", "positive": "delivered"}


def table(pages: dict[str, Any], pointer: str = "/items/[serial={serial}]/power", **request: Any) -> dict[str, Any]:
    return {
        "kind": "meter",
        "parameters": {"serial": "S1"},
        "requests": [{"name": "devices", "path": "/devices", "pages": pages, **request}],
        "points": [POINT | {"pointer": pointer}],
    }


def js(value: Any) -> web.Response:
    return web.Response(text=json.dumps(value), content_type="application/json")


def number_of(request: web.Request, name: str) -> int:
    return int(request.query.get(name, "0"))


def by_cursor(request: web.Request) -> web.Response:
    at = int(request.query.get("cursor", "c0")[1:])
    more = at + SIZE < len(DEVICES)
    return js({"items": DEVICES[at : at + SIZE], "next": f"c{at + SIZE}" if more else None})


def by_path(request: web.Request) -> web.Response:
    at = number_of(request, "from")
    more = at + SIZE < len(DEVICES)
    return js({"items": DEVICES[at : at + SIZE], "next": f"/api/devices?from={at + SIZE}&x=a%2Fb" if more else ""})


def by_url(request: web.Request) -> web.Response:
    at = number_of(request, "from")
    links = {"next": f"http://{request.host}/api/devices?from={at + SIZE}"} if at + SIZE < len(DEVICES) else {}
    return js({"items": DEVICES[at : at + SIZE], "links": links})


def by_number(request: web.Request) -> web.Response:
    at = SIZE * (int(request.query.get("page", "1")) - 1)
    return js({"items": DEVICES[at : at + SIZE]})


def by_number_with_the_last_for_ever(request: web.Request) -> web.Response:
    at = min(SIZE * (int(request.query.get("page", "1")) - 1), 6)
    return js({"items": DEVICES[at : at + SIZE]})


def by_offset(request: web.Request) -> web.Response:
    at = number_of(request, "skip")
    assert request.query["limit"] == str(SIZE)
    return js({"items": DEVICES[at : at + SIZE]})


WAYS = [
    (by_cursor, {"items": "/items", "next": "/next", "query": "cursor"}, 3),
    (by_path, {"items": "/items", "next": "/next"}, 3),
    (by_url, {"items": "/items", "next": "/links/next"}, 3),
    (by_number, {"items": "/items", "number": "page"}, 4),
    (by_number_with_the_last_for_ever, {"items": "/items", "number": "page"}, 4),
    (by_offset, {"items": "/items", "offset": "skip"}, 4),
]


@pytest.mark.parametrize(("way", "pages", "asked"), WAYS, ids=[way.__name__ for way, _, _ in WAYS])
async def test_an_entry_of_the_last_page_is_found_by_its_serial(
    way: Any, pages: dict[str, Any], asked: int, simulate: Any, driver_for: Any
) -> None:
    async with simulate("example-battery") as peer:
        peer.odd = way
        found = table(pages, **({"query": {"limit": str(SIZE)}} if way is by_offset else {}))
        driver = driver_for(peer, found, parameters={"serial": "S7"})
        await driver.open()
        peer.seen.clear()
        assert (await driver.read()).w == 700
        assert len(peer.seen) == asked
        await driver.close()


async def test_a_list_that_is_the_whole_answer(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        peer.odd = lambda request: js(DEVICES[number_of(request, "skip") :][:SIZE])
        driver = driver_for(peer, table({"offset": "skip"}, pointer="/[serial=S5]/power"))
        await driver.open()
        assert (await driver.read()).w == 500
        await driver.close()


ODD = [
    ({"items": [], "next": "http://192.0.2.1/steal"}, {"next": "/next"}, "leads to another server"),
    ({"items": [], "next": "//192.0.2.1/steal"}, {"next": "/next"}, "leads to another server"),
    ({"items": [], "next": "http://[bad"}, {"next": "/next"}, "leads to another server"),
    ({"items": [], "next": "/api/devices"}, {"next": "/next"}, "in a circle"),
    ({"items": [], "next": "same"}, {"next": "/next", "query": "cursor"}, "in a circle after 2"),
    ({"items": [], "next": {"a": 1}}, {"next": "/next"}, "leads to no page"),
    ({"items": {}, "next": None}, {"next": "/next"}, "/items is no list"),
    ({"next": None}, {"next": "/next"}, "/items is no list"),
    ({"items": []}, {"next": "/next"}, "has no /items/"),
]


@pytest.mark.parametrize(("answer", "pages", "words"), ODD)
async def test_pages_that_lead_astray_are_refused(
    answer: Any, pages: dict[str, Any], words: str, simulate: Any, driver_for: Any
) -> None:
    async with simulate("example-battery") as peer:
        peer.odd = lambda request: js(answer)
        driver = driver_for(peer, table({"items": "/items"} | pages))
        with pytest.raises(DeviceRejected, match=words):
            await driver.open()
        assert len(peer.seen) <= 2
        await driver.close()


async def test_pages_without_end_have_one(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        peer.odd = lambda request: js({"items": [{"serial": request.query.get("page", "1"), "power": 1}]})
        driver = driver_for(peer, table({"items": "/items", "number": "page", "most": 5}))
        with pytest.raises(DeviceError, match="more than 5 pages"):
            await driver.open()
        assert len(peer.seen) == 5
        await driver.close()


async def test_a_page_that_is_refused_is_no_end(simulate: Any, driver_for: Any) -> None:
    """Half a list would let devices vanish."""
    async with simulate("example-battery") as peer:
        peer.odd = lambda request: web.Response(status=404) if request.query.get("page") == "2" else by_number(request)
        driver = driver_for(peer, table({"items": "/items", "number": "page"}))
        with pytest.raises(DeviceRejected, match="status 404"):
            await driver.open()
        await driver.close()
