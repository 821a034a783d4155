"""Sessions with utilities' IEEE 2030.5 servers: devices, what was read, what their events have become."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea
from gridiface.operator.schema import Search
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import SIZE, counted_page, page_start
from gridiface.operator.screens.render import Entry
from gridiface.operator.screens.resource_words import RESPONSE_STATUS
from gridiface.operator.screens.sep2 import tabs
from gridiface.operator.server import Page
from gridiface.segments import segment

#: Resources that a page shows.
_SHOWN = 200


class UpstreamScreens:
    """`/sep2/upstreams` and what lies below it; `/sep2`, too, where our own server does not run."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._upstreams = house.need(Sep2UpstreamsArea)
        self._alone = house.area(Sep2ProgramsArea) is None

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/sep2", "IEEE 2030.5", "3:Protocols")] if self._alone else []

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        found = [page("/sep2/upstreams", self.sessions), page("/sep2/upstreams/{id}", self.session)]
        return [page("/sep2", self.sessions), *found] if self._alone else found

    def _page(self, request: web.Request, template: str, **values: Any) -> web.Response:
        return self._house.frame.page(request, template, sections=tabs(self._house), **values)

    async def sessions(self, request: web.Request) -> web.StreamResponse:
        """Our sessions upward."""
        listed = await self._upstreams.list_sep2_upstreams(self._house.call(request))
        return self._page(request, "sep2_upstreams.html", **listed)

    async def session(self, request: web.Request) -> web.StreamResponse:
        """One session: devices, what was read, what its events have become."""
        row = await self._upstreams.show_sep2_upstream(self._house.call(request))
        part = await self._upstreams.list_sep2_upstream_resources(self._house.call(request, Search(limit=_SHOWN)))
        text, path = request.query.get("q", "").strip()[:128], f"/sep2/upstreams/{segment(row['name'])}"
        events, total = self._upstreams.latest(row["name"], text, page_start(request.query), SIZE)
        return self._page(
            request,
            "sep2_upstream.html",
            session=row,
            resources=part["resources"],
            more=max(0, part["total"] - _SHOWN),
            events=counted_page(events, total, request.query, path, ("q",)),
            text=text,
            words=RESPONSE_STATUS,
        )
