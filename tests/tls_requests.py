"""An aiohttp server behind a TlsListener, for tests: whose request it is, when it begins and when it ends."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from aiohttp import web

from gridiface.northbound.tls_connection import TlsConnection
from gridiface.northbound.tls_transport import CONNECTION, PEER
from gridiface.pki.identity import PeerIdentity

_PEER = web.RequestKey(PEER, PeerIdentity)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def peer_of(request: web.BaseRequest) -> PeerIdentity | None:
    """Who sent a request; None without a client certificate, or if it came by another listener.

    Stays the same when the connection ends while the handler runs.
    """
    return request.get(_PEER)


def watch_requests(handler: Handler) -> Handler:
    """A request handler that tells the connection when a request begins, when its body is here, and when it ends."""

    @functools.wraps(handler)
    async def watched(request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            # The peer left before its request was looked at: nobody may act on it without knowing who it was.
            return web.Response(status=408)
        connection = transport.get_extra_info(CONNECTION)
        if not isinstance(connection, TlsConnection):
            return await handler(request)
        if connection.peer is not None:
            request[_PEER] = connection.peer
        complete = not request.body_exists or request.content.is_eof()
        connection.request_begins(body_complete=complete)
        if not complete:
            request.content.on_eof(connection.body_complete)
        try:
            return await handler(request)
        finally:
            connection.request_ends()

    return watched
