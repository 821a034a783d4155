"""OpenADR and DNP3 live: points, masters, commands; VENs, events, opts. Read through the areas of the REST API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from gridiface.operator.access import CALLER
from gridiface.operator.areas.dnp3 import CommandQuery, Dnp3Area, PointQuery
from gridiface.operator.areas.openadr_events import EventQuery, OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea, VenQuery
from gridiface.operator.routing import Area, Call
from gridiface.operator.schema import NoBody, NoQuery
from gridiface.operator.screens.house import House
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page

_SHOWN = 500


class ProtocolScreens:
    """`/dnp3` and `/openadr`, where these run here.

    Args:
        house: what all screens share.
        areas: the mounted REST areas.
    """

    def __init__(self, house: House, areas: Iterable[Area]) -> None:
        self._house = house
        found = {type(area): area for area in areas}
        self._dnp3: Any = found.get(Dnp3Area)
        self._vens: Any = found.get(OpenAdrVensArea)
        self._events: Any = found.get(OpenAdrEventsArea)
        self._own: Any = found.get(OpenAdrOwnArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        found = [Entry("/openadr", "OpenADR", "3:Protocols")] if self._vens or self._own else []
        return [*found, *([Entry("/dnp3", "DNP3", "3:Protocols")] if self._dnp3 else [])]

    def pages(self) -> list[Page]:
        """The routes of what runs here."""
        page, found = self._house.page, list[Page]()
        if self._dnp3 is not None:
            found += [
                page("/dnp3", self.outstations),
                page("/dnp3/{id}", self.outstation),
                page("/parts/dnp3/{id}", self.renew_outstation),
            ]
        if self._vens is not None or self._own is not None:
            found.append(page("/openadr", self.openadr))
        if self._vens is not None:
            found += [page("/openadr/vens/{id}", self.ven), page("/openadr/events/{id}", self.event)]
        return found

    def _call(self, request: web.Request, query: Any = None) -> Call[Any, Any]:
        return Call(request, request[CALLER], self._house.now(), NoQuery() if query is None else query, NoBody())

    async def outstations(self, request: web.Request) -> web.StreamResponse:
        """Outstations and end points."""
        call = self._call(request)
        listed = await self._dnp3.list_dnp3_outstations(call)
        endpoints = await self._dnp3.list_dnp3_endpoints(call)
        return self._house.frame.page(request, "dnp3.html", **listed, **endpoints)

    async def outstation(self, request: web.Request) -> web.StreamResponse:
        """One outstation: its live point table, masters, buffers, command log."""
        return self._house.frame.page(request, "outstation.html", **await self._outstation(request))

    async def renew_outstation(self, request: web.Request) -> web.StreamResponse:
        """What changes of one outstation."""
        return self._house.frame.fragment(request, "parts/outstation.html", **await self._outstation(request))

    async def _outstation(self, request: web.Request) -> dict[str, Any]:
        call = self._call(request)
        return {
            "outstation": await self._dnp3.get_dnp3_outstation(call),
            **await self._dnp3.list_dnp3_points(self._call(request, PointQuery(limit=_SHOWN))),
            **await self._dnp3.list_dnp3_masters(call),
            **await self._dnp3.list_dnp3_commands(self._call(request, CommandQuery(limit=50))),
        }

    async def openadr(self, request: web.Request) -> web.StreamResponse:
        """VENs and events of our VTN; our own VENs and what VTNs sent them."""
        vens: list[Any] = []
        events: list[Any] = []
        if self._vens is not None:
            vens = (await self._vens.list_openadr_vens(self._call(request, VenQuery(limit=_SHOWN))))["vens"]
        if self._events is not None:
            events = (await self._events.list_openadr_events(self._call(request, EventQuery(limit=100))))["events"]
        own = [] if self._own is None else (await self._own.list_own_vens(self._call(request)))["vens"]
        return self._house.frame.page(
            request, "openadr.html", vtn=self._vens is not None, vens=vens, events=events, own=own
        )

    async def ven(self, request: web.Request) -> web.StreamResponse:
        """One VEN: what it offers, what is asked of it, its opts."""
        return self._house.frame.page(request, "ven.html", ven=await self._vens.get_openadr_ven(self._call(request)))

    async def event(self, request: web.Request) -> web.StreamResponse:
        """One event and where it stands with each VEN."""
        found = await self._events.get_openadr_event(self._call(request))
        return self._house.frame.page(request, "openadr_event.html", event=found)
