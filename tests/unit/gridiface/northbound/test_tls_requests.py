"""Requests whose connection is not ours, or gone; the rest is under tests/loopback/tls."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gridiface.northbound.tls_requests import peer_of, watch_requests


async def handler(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="served")


async def test_a_request_of_another_listener_is_served_without_a_peer() -> None:
    request = make_mocked_request("GET", "/")
    request.transport.get_extra_info.side_effect = lambda name, default=None: default
    answer = await watch_requests(handler)(request)
    assert answer.status == 200
    assert peer_of(request) is None


async def test_a_request_whose_sender_has_left_is_not_acted_upon() -> None:
    request = make_mocked_request("POST", "/")
    request._protocol.transport = None
    assert (await watch_requests(handler)(request)).status == 408
