"""OpenADR: events of our VTN with each VEN's answer, made and changed in a form, and VENs.

Reads and changes through the areas of the REST API, whose rules are the VTN core's.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.openadr_events import EventQuery, OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import DataQuery, OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea, VenQuery
from gridiface.operator.problems import Refused
from gridiface.operator.rows.openadr import EventDetail
from gridiface.operator.screens import openadr_form as forms
from gridiface.operator.screens.forms import acting, faults_of, form_of
from gridiface.operator.screens.house import House, see_other
from gridiface.operator.screens.paging import SIZE, counted_page, page_start, words
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page
from gridiface.segments import segment

_STATUS = ("far", "near", "active", "completed", "cancelled")
_LIVENESS = ("present", "late", "lost", "unregistered")

#: VENs that a form names, and reported values on a VEN's page.
_OFFERED, _DATA = 12, 200


class OpenAdrScreens:
    """`/openadr` and what lies below it, where a VTN runs here."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._events = house.need(OpenAdrEventsArea)
        self._vens = house.need(OpenAdrVensArea)
        self._reports = house.need(OpenAdrReportsArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/openadr", "OpenADR", "3:Protocols")]

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        return [
            page("/openadr", self.events),
            page("/openadr/events/new", self.ask, scope="control"),
            page("/openadr/events/new", self.send, scope="control", method="POST"),
            page("/openadr/events/{id}", self.event),
            page("/parts/openadr/events/{id}", self.renew_event),
            page("/openadr/events/{id}/change", self.ask_change, scope="control"),
            page("/openadr/events/{id}/change", self.change, scope="control", method="POST"),
            page("/openadr/vens", self.vens),
            page("/openadr/vens/{id}", self.ven),
        ]

    def _page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        return self._house.frame.page(request, template, status=status, sections=tabs(self._house), **values)

    # --- events of our VTN ----------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Events with how many VENs said what."""
        query = request.query
        text, status = query.get("q", "").strip()[:128], query.get("status", "")
        chosen: Any = status if status in _STATUS else ""
        asked = EventQuery(status=chosen, q=words(text), limit=SIZE, skip=page_start(query))
        found = await self._events.list_openadr_events(self._house.call(request, asked))
        return self._page(
            request,
            "openadr.html",
            listed=counted_page(found["events"], found["total"], query, "/openadr", ("q", "status")),
            text=text,
            status_=status,
            states=_STATUS,
            counts=self._vens.counts(self._house.now()),
            standing=self._events.standing(self._house.now()),
        )

    async def event(self, request: web.Request) -> web.StreamResponse:
        """One event and where it stands with each VEN."""
        return self._page(request, "openadr_event.html", **await self._event(request))

    async def renew_event(self, request: web.Request) -> web.StreamResponse:
        """Where it stands now."""
        return self._house.frame.fragment(request, "parts/openadr_event.html", **await self._event(request))

    async def _event_of(self, request: web.Request) -> EventDetail:
        return (await self._events.get_openadr_event(self._house.call(request))).body

    async def _event(self, request: web.Request) -> dict[str, Any]:
        query, now = request.query, self._house.now()
        text = query.get("q", "").strip()[:128]
        found, total = self._events.part(name_of(request), now, text, page_start(query), SIZE)
        path = f"/openadr/events/{segment(found['id'])}"
        deliveries = counted_page(found["deliveries"], total, query, path, ("q",))
        return {"event": found, "deliveries": deliveries, "text": text, "now": now}

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The form of a new event."""
        return await self._form(request, forms.EventFields(market_context=self._context()))

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the event in the form; what is refused is told in the form."""
        form = await form_of(request)
        acting(request, "control")
        try:
            made = await self._events.create_openadr_event(self._house.call(request, body=forms.new_event(form)))
        except Refused as refused:
            return await self._form(request, forms.given(form), refused=refused)
        return see_other("openadr", "events", made.body["id"])

    async def ask_change(self, request: web.Request) -> web.StreamResponse:
        """The form, filled with an event that is to be changed."""
        found = await self._event_of(request)
        return await self._form(request, forms.filled(found, self._house.now()), found)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Change the event as the form says."""
        form = await form_of(request)
        acting(request, "control")
        found = await self._event_of(request)
        try:
            asked = forms.changed_event(form, found)
            await self._events.modify_openadr_event(self._house.call(request, body=asked))
        except Refused as refused:
            return await self._form(request, forms.given(form), found, refused=refused)
        return see_other("openadr", "events", found["id"])

    async def _form(
        self, request: web.Request, fields: forms.EventFields, event: Any = None, *, refused: Refused | None = None
    ) -> web.Response:
        vens = await self._vens.list_openadr_vens(self._house.call(request, VenQuery(limit=_OFFERED)))
        groups = (await self._vens.list_openadr_groups(self._house.call(request)))["groups"]
        return self._page(
            request,
            "openadr_new.html",
            status=200 if refused is None else refused.status,
            fields=fields,
            event=event,
            signals=forms.SIGNALS,
            types=forms.TYPES,
            vens=vens["vens"],
            known=vens["total"],
            groups=groups,
            refused=refused,
            faults=faults_of(refused, forms.SAYS),
        )

    def _context(self) -> str:
        """The program of the newest event: most installations have one."""
        vtn: Any = self._events.vtn
        newest = max(vtn.core.events.values(), key=lambda record: record.event.created, default=None)
        return "" if newest is None else str(newest.event.market_context)

    # --- VENs of our VTN ------------------------------------------------------------------------------------------

    async def vens(self, request: web.Request) -> web.StreamResponse:
        """Who there is, who is late or lost."""
        query = request.query
        text, liveness = query.get("q", "").strip()[:128], query.get("liveness", "")
        chosen: Any = liveness if liveness in _LIVENESS else ""
        asked = VenQuery(liveness=chosen, q=words(text), limit=SIZE, skip=page_start(query))
        found = await self._vens.list_openadr_vens(self._house.call(request, asked))
        return self._page(
            request,
            "vens.html",
            listed=counted_page(found["vens"], found["total"], query, "/openadr/vens", ("q", "liveness")),
            text=text,
            liveness=liveness,
            states=_LIVENESS,
            counts=found["counts"],
        )

    async def ven(self, request: web.Request) -> web.StreamResponse:
        """One VEN: what it offers, what is asked of it, what it reported, its opts."""
        call = self._house.call(request)
        found = (await self._vens.get_openadr_ven(call)).body
        answer = await self._reports.list_openadr_data(self._house.call(request, DataQuery(limit=_DATA)))
        return self._page(request, "ven.html", ven=found, data=answer["rows"][::-1], total=answer["total"])


def tabs(house: House) -> list[tuple[str, str]]:
    """The pages of OpenADR that this server has: path, title."""
    found = [] if house.area(OpenAdrEventsArea) is None else [("/openadr", "Events"), ("/openadr/vens", "VENs")]
    return found if house.area(OpenAdrOwnArea) is None else [*found, ("/openadr/own", "Our VENs")]
