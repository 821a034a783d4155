"""The stream that keeps pages alive: one point of every group a second, to as many readers as there is room for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from gridiface.errors import GridifaceError
from gridiface.operator.auth.access import CALLER
from gridiface.operator.problems import Refused
from gridiface.operator.records.trend import Point
from gridiface.operator.screens.house import House
from gridiface.operator.server import Page

_log = logging.getLogger("gridiface.operator")

#: Readers at once; how long one stream lives before its reader has to come again (and is checked again), s.
READERS, LIFE_S = 256, 600.0

_PERIOD_S, _STUCK_S = 1.0, 10.0


class Live:
    """Samples the trend and tells the readers of `/live`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._readers: set[asyncio.Event] = set()
        self._closed = False
        #: The newest point as it goes over the wire, by the groups of its readers: made once for all who see the same.
        self._told: tuple[Point | None, dict[frozenset[str] | None, bytes]] = (None, {})

    def pages(self) -> list[Page]:
        """The stream."""
        return [self._house.page("/live", self.stream, confined=True)]

    async def background(self, _: web.Application) -> AsyncIterator[None]:
        """Sample once a second while the listener runs; for `cleanup_ctx`."""
        task = asyncio.create_task(self._sample(), name="gridiface trend")
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def end(self, _: web.Application) -> None:
        """End every stream."""
        self._closed = True
        self._wake()

    async def _sample(self) -> None:
        while True:
            now = self._house.now()
            try:
                self._house.desk.trend.sample(self._house.status.group_rows(now), now)
            except GridifaceError as problem:
                _log.warning("no point of the trend: %s", problem)
            self._wake()
            await asyncio.sleep(_PERIOD_S)

    def _wake(self) -> None:
        for reader in self._readers:
            reader.set()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Points as Server-Sent Events.

        Raises:
            Refused: 503, too many pages are live already.
        """
        if request.method == "HEAD":
            return web.Response(content_type="text/event-stream")
        if len(self._readers) >= READERS:
            text = f"{READERS} pages are live already"
            raise Refused(503, text, "close one", headers={"Retry-After": "60"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        wake = asyncio.Event()
        self._readers.add(wake)
        try:
            async with asyncio.timeout(LIFE_S):
                await response.prepare(request)
                await _send(response, b"retry: 1500\n\n")
                sent: Point | None = None
                # Who signs out, or whose right ends otherwise, sees nothing more from then on.
                while not self._closed and request[CALLER].holds(self._house.now()):
                    point = self._house.desk.trend.newest
                    if point is not None and point is not sent:
                        sent = point
                        await _send(response, self._text(request, point))
                    wake.clear()
                    await wake.wait()
        except (ConnectionError, TimeoutError):
            return response
        finally:
            self._readers.discard(wake)
        return response

    def _text(self, request: web.Request, point: Point) -> bytes:
        """A point with the groups that this reader sees."""
        view = self._house.view(request)
        of, texts = self._told
        if of is not point:
            texts = {}
            self._told = (point, texts)
        if view.names not in texts:
            seen = {n: p for n, p in point.groups.items() if view.names is None or view.group(n)}
            texts[view.names] = f"event: point\ndata: {json.dumps({'t': point.at, 'groups': seen})}\n\n".encode()
        return texts[view.names]


async def _send(response: web.StreamResponse, text: bytes) -> None:
    async with asyncio.timeout(_STUCK_S):
        await response.write(text)
