"""OpenADR: events of our VTN with each VEN's answer, made and changed in a form; VENs; our own VENs at utilities' VTNs.

Reads and changes through the areas of the REST API, whose rules are the VTN core's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gridiface.operator.access import CALLER
from gridiface.operator.areas.openadr_events import EventQuery, OpenAdrEventsArea
from gridiface.operator.areas.openadr_own import OpenAdrOwnArea
from gridiface.operator.areas.openadr_reports import DataQuery, OpenAdrReportsArea
from gridiface.operator.areas.openadr_vens import OpenAdrVensArea, VenQuery
from gridiface.operator.problems import Refused
from gridiface.operator.routing import Area, Call
from gridiface.operator.schema import NoBody, NoQuery
from gridiface.operator.screens import openadr_form as forms
from gridiface.operator.screens.forms import acting, form_of
from gridiface.operator.screens.house import House, see_other
from gridiface.operator.screens.paging import has, paged
from gridiface.operator.screens.render import Entry
from gridiface.operator.server import Page

_STATUS = ("far", "near", "active", "completed", "cancelled")
_LIVENESS = ("present", "late", "lost", "unregistered")
_ASKED, _DATA = 1_000, 200


class OpenAdrScreens:
    """`/openadr` and what lies below it, where a VTN or VENs of ours run here.

    Args:
        house: what all screens share.
        areas: the mounted REST areas.
    """

    def __init__(self, house: House, areas: Iterable[Area]) -> None:
        self._house = house
        found = {type(area): area for area in areas}
        self._vens: Any = found.get(OpenAdrVensArea)
        self._events: Any = found.get(OpenAdrEventsArea)
        self._reports: Any = found.get(OpenAdrReportsArea)
        self._own: Any = found.get(OpenAdrOwnArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/openadr", "OpenADR", "3:Protocols")] if self._vens or self._own else []

    def pages(self) -> list[Page]:
        """The routes of what runs here."""
        page, found = self._house.page, list[Page]()
        if self._events is not None:
            found += [
                page("/openadr", self.events),
                page("/openadr/events/new", self.ask),
                page("/openadr/events/new", self.send, scope="control", method="POST"),
                page("/openadr/events/{id}", self.event),
                page("/parts/openadr/events/{id}", self.renew_event),
                page("/openadr/events/{id}/change", self.ask_change),
                page("/openadr/events/{id}/change", self.change, scope="control", method="POST"),
            ]
        elif self._own is not None:
            found.append(page("/openadr", self.own))
        if self._vens is not None:
            found += [page("/openadr/vens", self.vens), page("/openadr/vens/{id}", self.ven)]
        if self._own is not None:
            found += [
                page("/openadr/own", self.own),
                page("/openadr/own/{id}", self.own_ven),
                page("/openadr/own/{id}/schedule", self.add_schedule, scope="control", method="POST"),
            ]
        return found

    def _page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        tabs = [("/openadr", "Events"), ("/openadr/vens", "VENs")] if self._vens is not None else []
        tabs += [("/openadr/own", "Our VENs")] if self._own is not None else []
        return self._house.frame.page(request, template, status=status, sections=tabs, **values)

    def _call(self, request: web.Request, query: Any = None, body: Any = None) -> Call[Any, Any]:
        asked = NoQuery() if query is None else query
        return Call(request, request[CALLER], self._house.now(), asked, NoBody() if body is None else body)

    # --- events of our VTN ----------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Events with how many VENs said what."""
        query = request.query
        text, status = query.get("q", "").strip()[:128], query.get("status", "")
        rows: list[Any] = []
        after: str | None = ""
        while after is not None:
            asked: Any = {"limit": _ASKED, "after": after, "status": status if status in _STATUS else ""}
            answer = await self._events.list_openadr_events(self._call(request, EventQuery(**asked)))
            rows += answer["events"]
            after = answer["next"]
        fits = [
            row for row in rows if has(text, row["id"], row["market_context"], *(one["name"] for one in row["signals"]))
        ]
        vens = await self._vens.list_openadr_vens(self._call(request, VenQuery(limit=1)))
        return self._page(
            request,
            "openadr.html",
            listed=paged(fits, query, "/openadr", ("q", "status")),
            text=text,
            status_=status,
            states=_STATUS,
            counts=vens["counts"],
            silent=sum(
                row["answers"]["silent"] + row["answers"]["unsent"] for row in rows if row["status"] in _STATUS[:3]
            ),
            live=sum(row["status"] == "active" for row in rows),
        )

    async def event(self, request: web.Request) -> web.StreamResponse:
        """One event and where it stands with each VEN."""
        return self._page(request, "openadr_event.html", **await self._event(request))

    async def renew_event(self, request: web.Request) -> web.StreamResponse:
        """Where it stands now."""
        return self._house.frame.fragment(request, "parts/openadr_event.html", **await self._event(request))

    async def _event(self, request: web.Request) -> dict[str, Any]:
        found = await self._events.get_openadr_event(self._call(request))
        query = request.query
        text = query.get("q", "").strip()[:128]
        rows = [one for one in found["deliveries"] if has(text, one["ven"], one["state"], one["opt"], one["liveness"])]
        path = f"/openadr/events/{quote(found['id'], safe='')}"
        return {"event": found, "deliveries": paged(rows, query, path, ("q",)), "text": text, "now": self._house.now()}

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The form of a new event."""
        return await self._form(request, forms.EventFields(market_context=self._context()))

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the event in the form; what is refused is told in the form."""
        form = await form_of(request)
        acting(request, "control")
        try:
            made = await self._events.create_openadr_event(self._call(request, body=forms.new_event(form)))
        except Refused as refused:
            return await self._form(request, forms.given(form), refused=refused)
        return see_other("openadr", "events", made.body["id"])

    async def ask_change(self, request: web.Request) -> web.StreamResponse:
        """The form, filled with an event that is to be changed."""
        found = await self._events.get_openadr_event(self._call(request))
        return await self._form(request, forms.filled(found, self._house.now()), found)

    async def change(self, request: web.Request) -> web.StreamResponse:
        """Change the event as the form says."""
        form = await form_of(request)
        acting(request, "control")
        found = await self._events.get_openadr_event(self._call(request))
        try:
            asked = forms.changed_event(form, found)
            await self._events.modify_openadr_event(self._call(request, body=asked))
        except Refused as refused:
            return await self._form(request, forms.given(form), found, refused=refused)
        return see_other("openadr", "events", found["id"])

    async def _form(
        self, request: web.Request, fields: forms.EventFields, event: Any = None, *, refused: Refused | None = None
    ) -> web.Response:
        vens = (await self._vens.list_openadr_vens(self._call(request, VenQuery(limit=_ASKED))))["vens"]
        groups = (await self._vens.list_openadr_groups(self._call(request)))["groups"]
        return self._page(
            request,
            "openadr_new.html",
            status=200 if refused is None else refused.status,
            fields=fields,
            event=event,
            signals=forms.SIGNALS,
            types=forms.TYPES,
            vens=vens,
            groups=groups,
            refused=refused,
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
        rows: list[Any] = []
        after: str | None = ""
        counts: dict[str, int] = {}
        while after is not None:
            asked: Any = {"limit": _ASKED, "after": after, "liveness": liveness if liveness in _LIVENESS else ""}
            answer = await self._vens.list_openadr_vens(self._call(request, VenQuery(**asked)))
            rows += answer["vens"]
            after, counts = answer["next"], answer["counts"]
        fits = [
            row
            for row in rows
            if has(text, row["id"], row["name"], row["fingerprint"], *row["groups"], *row["resources"])
        ]
        return self._page(
            request,
            "vens.html",
            listed=paged(fits, query, "/openadr/vens", ("q", "liveness")),
            text=text,
            liveness=liveness,
            states=_LIVENESS,
            counts=counts,
        )

    async def ven(self, request: web.Request) -> web.StreamResponse:
        """One VEN: what it offers, what is asked of it, what it reported, its opts."""
        call = self._call(request)
        found = await self._vens.get_openadr_ven(call)
        data: list[Any] = []
        total = 0
        if self._reports is not None:
            answer = await self._reports.list_openadr_data(self._call(request, DataQuery(limit=_DATA)))
            data, total = answer["rows"][::-1], answer["total"]
        return self._page(request, "ven.html", ven=found, data=data, total=total)

    # --- our VENs -------------------------------------------------------------------------------------------------

    async def own(self, request: web.Request) -> web.StreamResponse:
        """Our VENs and their links."""
        return self._page(request, "own_vens.html", **await self._own.list_own_vens(self._call(request)))

    async def add_schedule(self, request: web.Request) -> web.StreamResponse:
        """Tell the VTN when we do or do not take part; what is refused is told on the VEN's page."""
        form = await form_of(request)
        acting(request, "control")
        try:
            await self._own.add_own_schedule(self._call(request, body=forms.schedule(form)))
        except Refused as refused:
            return await self.own_ven(request, refused)
        return see_other("openadr", "own", self._call(request).id)

    async def own_ven(self, request: web.Request, refused: Refused | None = None) -> web.StreamResponse:
        """One of ours: events with our word on each, schedules, reports."""
        call = self._call(request)
        listed = (await self._own.list_own_vens(call))["vens"]
        events = (await self._own.list_own_events(call))["events"]
        row = next(one for one in listed if one["name"] == call.id)
        schedules = (await self._own.list_own_schedules(call))["schedules"]
        reports = await self._own.list_own_reports(call)
        path = f"/openadr/own/{quote(call.id, safe='')}"
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
