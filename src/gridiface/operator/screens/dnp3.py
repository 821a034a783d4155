"""DNP3 live: outstations with points, masters, buffers, control log; tags and local mode. Read through the API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.dnp3 import CommandQuery, Dnp3Area, PointQuery
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import counted_page, page_start, words
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page
from gridiface.segments import segment

#: Types of points, in the order of the table; points and commands on one page.
TYPES = ("analog input", "binary input", "counter", "analog output", "binary output")
_POINTS, _COMMANDS = 60, 50


class Dnp3Screens:
    """`/dnp3` and `/dnp3/{id}`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._dnp3 = house.need(Dnp3Area)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/dnp3", "DNP3", "3:Protocols")]

    def pages(self) -> list[Page]:
        """The routes of what runs here."""
        page = self._house.page
        return [
            page("/dnp3", self.outstations),
            page("/parts/dnp3", self.renew_outstations),
            page("/dnp3/{id}", self.outstation),
            page("/parts/dnp3/{id}", self.renew_outstation),
        ]

    async def outstations(self, request: web.Request) -> web.StreamResponse:
        """Outstations and end points."""
        return self._house.frame.page(request, "dnp3.html", **await self._outstations(request))

    async def renew_outstations(self, request: web.Request) -> web.StreamResponse:
        """Both anew."""
        return self._house.frame.fragment(request, "parts/dnp3.html", **await self._outstations(request))

    async def _outstations(self, request: web.Request) -> dict[str, Any]:
        call = self._house.call(request)
        return {**await self._dnp3.list_dnp3_outstations(call), **await self._dnp3.list_dnp3_endpoints(call)}

    async def outstation(self, request: web.Request) -> web.StreamResponse:
        """One outstation: its live point table, masters, buffers, command log."""
        values = await self._outstation(request)
        return self._house.frame.page(request, "outstation.html", types=TYPES, **values)

    async def renew_outstation(self, request: web.Request) -> web.StreamResponse:
        """What changes of one outstation."""
        return self._house.frame.fragment(request, "parts/outstation.html", **await self._outstation(request))

    async def _outstation(self, request: web.Request) -> dict[str, Any]:
        call, query = self._house.call(request), request.query
        text = query.get("q", "").strip()[:128]
        kind: Any = query.get("type", "") if query.get("type", "") in TYPES else ""

        asked = PointQuery(type=kind, q=words(text), limit=_POINTS, skip=page_start(query, _POINTS))
        found = await self._dnp3.list_dnp3_points(self._house.call(request, asked))
        path = f"/dnp3/{segment(name_of(request))}"
        return {
            "outstation": await self._dnp3.get_dnp3_outstation(call),
            "points": counted_page(found["points"], found["total"], query, path, ("q", "type"), _POINTS),
            "outputs": self._dnp3.outputs(name_of(request)),
            "text": text,
            "type": kind,
            **await self._dnp3.list_dnp3_masters(call),
            **await self._dnp3.list_dnp3_commands(self._house.call(request, CommandQuery(limit=_COMMANDS))),
        }
