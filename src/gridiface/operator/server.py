"""The operator's listener: the REST areas and the pages on one port, with the same checks before every handler.

Owns the listener and the order of things around a handler: host, origin, token, query, body, handler, answer, count.
Knows no area by name but the server's own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gridiface.errors import ConfigError
from gridiface.operator.access import CALLER, Access, is_loopback
from gridiface.operator.answers import answer, refusal
from gridiface.operator.areas.catalogue import DESK
from gridiface.operator.areas.service import ServiceArea
from gridiface.operator.bodies import MAX_BYTES, body_of, query_of
from gridiface.operator.desk import Desk
from gridiface.operator.routing import Area, Call, Reply, Route
from gridiface.operator.schema import NoBody

_log = logging.getLogger("gridiface.operator")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page for people: GET only; not part of the API's description."""

    path: str
    handler: Handler
    scope: str | None = "read"


class OperatorServer:
    """One listener; `port` is known after `start`.

    Args:
        desk: what is shown and changed; `open` it before `start`.
        host, port: where to listen.
        areas: REST areas beside those of the desk and of the server itself.
        pages: pages for people.
        hosts: names, besides addresses and localhost, by which it may be reached.
        open_reads: whether reading needs no token; None: while it listens on loopback only.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        host: str,
        port: int,
        areas: Iterable[Area] = (),
        pages: Iterable[Page] = (),
        hosts: tuple[str, ...] = (),
        open_reads: bool | None = None,
    ) -> None:
        self.desk = desk
        self._host = host
        self.port = port
        self._runner: web.AppRunner | None = None
        self._areas = [*(kind(desk) for kind in DESK), *areas]
        mounted = [route for area in self._areas for route in area.routes()]
        self._areas.append(ServiceArea(desk, [*mounted, *ServiceArea.routes()]))
        self._pages = list(pages)
        self.open_reads = is_loopback(host) if open_reads is None else open_reads
        self._access = Access(desk.tokens, desk.clock, hosts=hosts, open_reads=self.open_reads)

    @property
    def areas(self) -> Sequence[Area]:
        """The mounted areas."""
        return self._areas

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be used; the text names it.
        """
        app = web.Application(client_max_size=MAX_BYTES, middlewares=[self._guard])
        for page in self._pages:
            app.router.add_get(page.path, page.handler)
            self._access.route("GET", page.path, page.scope)
        for area in self._areas:
            for route in area.routes():
                self._mount(app, area, route)
        app.on_response_prepare.append(_harden)
        app.on_shutdown.append(self._end_streams)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=75.0, shutdown_timeout=3.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as problem:
            await self._runner.cleanup()
            text = f"operator.listen {self._host}:{self.port} cannot be used: {problem.strerror}; choose another port"
            raise ConfigError(text) from problem
        self.port = self._runner.addresses[0][1]
        _log.info("operator's page on http://%s:%d/", self._host, self.port)
        if not is_loopback(self._host):
            _log.warning("operator.listen is plain HTTP beyond this machine: put a TLS proxy in front of it")

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _mount(self, app: web.Application, area: Area, route: Route) -> None:
        handler = self._bound(area, route)
        self._access.route(route.method, route.path, route.scope)
        app.router.add_route(route.method, route.path, handler)
        if route.method == "GET" and route.media != "text/event-stream":
            app.router.add_route("HEAD", route.path, handler)

    def _bound(self, area: Area, route: Route) -> Handler:
        """The handler of one operation: a request in, checked by the declared types, an answer out."""
        handle: Callable[[Call[Any, Any]], Awaitable[Any]] = getattr(area, route.name)

        async def handler(request: web.Request) -> web.StreamResponse:
            query = query_of(request, route.query)
            body = NoBody() if route.body is None else await body_of(request, route.body)
            said = await handle(Call(request, request[CALLER], self.desk.clock.now(), query, body))
            if isinstance(said, web.StreamResponse):
                return said
            reply = said if isinstance(said, Reply) else Reply(said)
            status = route.done if reply.status is None else reply.status
            return answer(reply.body, status=status, headers=reply.headers)

        return handler

    async def _end_streams(self, _: web.Application) -> None:
        self.desk.events.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check, handle, count; whatever is raised becomes an answer."""
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical
        try:
            await self._access.check(request)
            response = await handler(request)
        except Exception as error:
            response = refusal(error)
        self.desk.figures.on_request(request.method, route, response.status)
        return response


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
