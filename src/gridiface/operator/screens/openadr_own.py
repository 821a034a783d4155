"""OpenADR: our own VENs at utilities' VTNs, with their events, schedules and reports. Through the areas of the API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.operator.areas.openadr_events import OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.problems import Refused
from gridiface.operator.screens import openadr_form as forms
from gridiface.operator.screens.forms import acting, form_of
from gridiface.operator.screens.house import House, see_other
from gridiface.operator.screens.openadr import tabs
from gridiface.operator.screens.paging import paged
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page
from gridiface.segments import segment


class OwnVenScreens:
    """`/openadr/own` and what lies below it; `/openadr`, too, where no VTN runs here."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._own = house.need(OpenAdrOwnArea)
        self._alone = house.area(OpenAdrEventsArea) is None

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/openadr", "OpenADR", "3:Protocols")] if self._alone else []

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        found = [
            page("/openadr/own", self.own),
            page("/openadr/own/{id}", self.own_ven),
            page("/openadr/own/{id}/schedule", self.add_schedule, scope="control", method="POST"),
        ]
        return [page("/openadr", self.own), *found] if self._alone else found

    def _page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        return self._house.frame.page(request, template, status=status, sections=tabs(self._house), **values)

    async def own(self, request: web.Request) -> web.StreamResponse:
        """Our VENs and their links."""
        return self._page(request, "own_vens.html", **await self._own.list_own_vens(self._house.call(request)))

    async def add_schedule(self, request: web.Request) -> web.StreamResponse:
        """Tell the VTN when we do or do not take part; what is refused is told on the VEN's page."""
        form = await form_of(request)
        acting(request, "control")
        try:
            await self._own.add_own_schedule(self._house.call(request, body=forms.schedule(form)))
        except Refused as refused:
            return await self.own_ven(request, refused)
        return see_other("openadr", "own", self._house.call(request).id)

    async def own_ven(self, request: web.Request, refused: Refused | None = None) -> web.StreamResponse:
        """One of ours: events with our word on each, schedules, reports."""
        call = self._house.call(request)
        listed = (await self._own.list_own_vens(call))["vens"]
        events = (await self._own.list_own_events(call))["events"]
        row = next(one for one in listed if one["name"] == call.id)
        schedules = (await self._own.list_own_schedules(call))["schedules"]
        reports = await self._own.list_own_reports(call)
        path = f"/openadr/own/{segment(call.id)}"
        return self._page(
            request,
            "own_ven.html",
            status=200 if refused is None else refused.status,
            ven=row,
            events=paged(events, request.query, path),
            schedules=schedules,
            refused=refused,
            **reports,
        )
