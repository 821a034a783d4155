"""The server itself: its status, its event stream, its API's description, figures for Prometheus, health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from gridiface.operator import metrics
from gridiface.operator.api import openapi
from gridiface.operator.api.routing import Area, Call, Route, get
from gridiface.operator.desk import Desk
from gridiface.operator.rows.rows import StatusAnswer
from gridiface.operator.schema import NoBody, NoQuery


class ServiceArea(Area):
    """The server itself.

    Args:
        desk: what is shown.
        mounted: the operations that this server has.
        cookie: the name of its session cookie.
    """

    name: ClassVar[str] = "service"
    title: ClassVar[str] = "The server"

    def __init__(self, desk: Desk, mounted: Sequence[Route], cookie: str) -> None:
        self._desk = desk
        self._mounted = tuple(mounted)
        self._cookie = cookie

    @get("/status", "Everything the overview shows; its fields are on [the page's page](../operator/overview.md)")
    async def get_status(self, call: Call[NoQuery, NoBody]) -> StatusAnswer:
        """The overview."""
        return self._desk.status.at(call.now)

    @get(
        "/events",
        "Outcomes and deliveries as they happen (Server-Sent Events); resumes after Last-Event-ID",
        scope="stream",
        answer=str,
        media="text/event-stream",
        headers=(("Last-Event-ID", "id of the last event seen; none: from now on"),),
    )
    async def stream_events(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """The stream, until the reader leaves or its right ends."""
        caller, clock = call.caller, self._desk.clock

        def valid() -> bool:
            return caller.holds(clock.now())

        return await self._desk.events.serve(call.request, call.request.headers.get("Last-Event-ID", ""), valid)

    @get("/openapi.json", "This API as OpenAPI 3.1", scope=None)
    async def get_openapi(self, call: Call[NoQuery, NoBody]) -> dict[str, Any]:
        """What is mounted here, described."""
        return openapi.document(self._mounted, self._cookie)

    @get("/metrics", "Figures for Prometheus", root="", answer=str, media="text/plain")
    async def get_metrics(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """Figures for Prometheus."""
        text = self._desk.figures.render(self._desk.status, call.now, ready=self._desk.ready())
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.MEDIA})

    @get("/healthz", "The process runs", root="", scope=None, answer=str, media="text/plain")
    async def get_health(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """Always well."""
        return web.Response(text="ok\n")

    @get(
        "/readyz",
        "200 while the server can take work, else 503",
        root="",
        scope=None,
        answer=str,
        media="text/plain",
        others=((503, "not ready"),),
    )
    async def get_readiness(self, call: Call[NoQuery, NoBody]) -> web.StreamResponse:
        """Whether the server can take work."""
        return web.Response(text="ready\n") if self._desk.ready() else web.Response(status=503, text="not ready\n")
