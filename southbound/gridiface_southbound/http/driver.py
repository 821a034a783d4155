"""The driver for web APIs: any device that an API table describes, as `gridiface.drivers.api.Driver`.

Owned here: which requests are made when, and which writes go out in one request. Not owned: the order of a driver's
work (points.driver), what is sent and found (render), connections (link).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from gridiface.domain.clock import Clock
from gridiface.drivers.api import DeviceBusy, DeviceGone
from gridiface.errors import DeviceRejected
from gridiface_southbound.http.config import HttpConfig
from gridiface_southbound.http.link import HttpLink, Rest
from gridiface_southbound.http.paging import whole
from gridiface_southbound.http.render import render
from gridiface_southbound.http.table import Point, Request
from gridiface_southbound.points.driver import PointDriver
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.scalar import ScalarImage
from gridiface_southbound.points.table import Poll
from gridiface_southbound.points.template import MISSING, find, grouped, pointer_of


class HttpDriver(PointDriver[Point]):
    """Drives one device by its API table; made by `create`."""

    Config: ClassVar[type[HttpConfig]] = HttpConfig

    def __init__(self, device_id: str, config: HttpConfig, *, clock: Clock, link: Callable[[], HttpLink]) -> None:
        super().__init__(device_id, config, config.table, clock=clock)
        self._config = config
        self._table = config.table
        self._make_link = link
        self._link: HttpLink | None = None
        self._image: ScalarImage[Point] = ScalarImage(config.table)
        self._polled: dict[Poll, list[Point]] = {}

    @classmethod
    def create(cls, device_id: str, config: HttpConfig, *, clock: Clock) -> HttpDriver:
        """A driver, not yet open."""
        rest = Rest()
        return cls(device_id, config, clock=clock, link=lambda: HttpLink(config, rest))

    async def _connect(self) -> None:
        await self._disconnect()
        self._link = self._make_link()
        self._image = ScalarImage(self._table)
        try:
            await self._probe()
        except BaseException:
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    # Reading -------------------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        """Read everything once; what is optional and not there is left out from now on."""
        asked = {identity.point for identity in self._table.identity}
        self._polled = {poll: [] for poll in Poll}
        wanted = [p for p in self._table.points if p.request and (p.polled is not Poll.NEVER or p.name in asked)]
        for request, points in self._by_request(wanted):
            try:
                document = await self._fetch(request, {})
            except DeviceBusy:
                raise
            except DeviceRejected:
                if all(point.optional for point in points):
                    continue
                raise
            for point in points:
                seen = self._find(document, point)
                if seen is MISSING and not point.optional:
                    raise DeviceRejected(f"{point.name}: the answer of {request.name} has no {point.pointer}")
                if seen is not MISSING:
                    self._image.data[point.name] = seen
                    self._polled[point.polled].append(point)

    async def _refresh(self, *, slow: bool) -> None:
        points = self._polled[Poll.FAST] + (self._polled[Poll.SLOW] if slow else [])
        self._image.data |= await self._read(points)

    async def _read(self, points: Iterable[Point]) -> dict[str, Any]:
        """What the points show now; what an answer does not have any more is None."""
        data: dict[str, Any] = {}
        for request, wanted in self._by_request(points):
            document = await self._fetch(request, {})
            for point in wanted:
                seen = self._find(document, point)
                data[point.name] = None if seen is MISSING else seen
        return data

    def _find(self, document: Any, point: Point) -> Any:
        return find(document, pointer_of(point.pointer, self._config.values))

    def _by_request(self, points: Iterable[Point]) -> Iterator[tuple[Request, list[Point]]]:
        found: dict[str, list[Point]] = {}
        for point in points:
            if point.request is not None:
                found.setdefault(point.request, []).append(point)
        return ((self._table.request_by_name[name], members) for name, members in found.items())

    # One write -----------------------------------------------------------------------------------------------------

    async def _send(self, writes: Sequence[Write[Point]], shown: Sequence[Point]) -> ScalarImage[Point]:
        for name, members in grouped((_carrier(write), write) for write in writes):
            values = {write.point.name: write.data for write in members}
            await self._fetch(self._table.request_by_name[name], values)
        delay = self._delay(writes) if shown else 0.0
        if delay:
            await asyncio.sleep(delay)
        return ScalarImage(self._table, {**self._image.data, **await self._read(shown)})

    async def _fetch(self, request: Request, values: dict[str, Any]) -> Any:
        if self._link is None:
            raise DeviceGone("the driver is not open")
        known = {name: value for name, value in self._image.data.items() if value is not None}
        try:
            rendered = render(request, {**known, **self._config.values, **values})
        except KeyError as error:
            raise DeviceRejected(f"request {request.name} needs {error.args[0]}, which is not known") from error
        except ValueError as error:
            raise DeviceRejected(f"request {request.name}: {error}") from error
        return await whole(self._link.fetch, request, rendered, self._config.url)


def _carrier(write: Write[Point]) -> str:
    return "" if write.point.write is None else write.point.write.request
