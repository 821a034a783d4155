"""IEEE 2030.5 written in forms: curves, default controls, messages, prices, demand response; made, changed, ended.

What a form asks goes through the operations of the REST API: the same checks, the same audit entries. An event that
devices may have fetched is never changed but for its status: another takes its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from gridiface.operator.api.routing import Call
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import CancelEvent, Removing, Sep2ResourcesArea
from gridiface.operator.problems import Refused
from gridiface.operator.screens.forms import Form, acting, faults_of, form_of
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import page_number
from gridiface.operator.screens.render import Entry
from gridiface.operator.screens.resource_words import RESPONSE_STATUS, lines_of
from gridiface.operator.screens.sep2 import href_of, tabs
from gridiface.operator.screens.sep2_looking import changes, words_of
from gridiface.operator.screens.sep2_program_sheets import CURVE, CURVE_UNITS, DEFAULT, curve_points
from gridiface.operator.screens.sep2_reading import Sep2Reading, event_row
from gridiface.operator.screens.sep2_sheet import Sheet
from gridiface.operator.screens.sep2_sheets import LOAD, MESSAGE, PRICE, SHEETS
from gridiface.operator.server import Page
from gridiface.segments import segment

#: Sources on one page, their events that are shown, and the parts of a tariff.
_SOURCES, _EVENTS, _PARTS = 5, 20, 4

#: Devices in the form's list.
_CHOICES = 500

_Operation = Callable[[Call[Any, Any]], Awaitable[Any]]


class Sep2Writing:
    """`/sep2/KIND` with its `new`, `change`, `preview` and `cancel`, for each kind of sheet."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._programs = house.need(Sep2ProgramsArea)
        self._resources = house.need(Sep2ResourcesArea)
        self._read = Sep2Reading(house)
        self._send: Mapping[str, _Operation] = {
            CURVE.name: self._programs.add_sep2_curve,
            DEFAULT.name: self._programs.set_sep2_default,
            MESSAGE.name: self._resources.send_sep2_message,
            PRICE.name: self._resources.send_sep2_price,
            LOAD.name: self._resources.send_sep2_dr_event,
        }

    def entries(self) -> list[Entry]:
        """Lines of the menu: none, they are parts of IEEE 2030.5's."""
        return []

    def pages(self) -> list[Page]:
        """All routes."""
        page, found = self._house.page, []
        for sheet in SHEETS.values():
            at = f"/sep2/{sheet.name}"
            if sheet.event:
                found.append(page(at, partial(self.listed, sheet)))
            if sheet is not DEFAULT:  # the form of a new one shows and replaces what the program has
                found.append(page(f"{at}/change", partial(self.ask_change, sheet)))
                found.append(page(f"{at}/change", partial(self.change, sheet), scope="control", method="POST"))
            found += [
                page(f"{at}/new", partial(self.ask, sheet)),
                page(f"{at}/new", partial(self.make, sheet), scope="control", method="POST"),
                page(f"{at}/preview", partial(self.preview, sheet), scope="control", method="POST"),
                page(f"{at}/cancel", partial(self.cancel, sheet), scope="control", method="POST"),
            ]
        return found

    # --- lists of events ------------------------------------------------------------------------------------------

    async def listed(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """Who publishes what: sources page by page, each with its first events."""
        number = page_number(request.query)
        found = await self._read.show(request, sheet.root, _SOURCES * (number - 1), _SOURCES) or {}
        sources = []
        for source in found.get("members", []):
            events, total = await self._events(request, sheet, source)
            responses = await self._read.responses(request, events)
            rows = [event_row(one, responses) | {"words": words_of(sheet, one)} for one in events]
            sources.append((source, rows, total))
        total = int(found.get("all", 0) or 0)
        return self._house.frame.page(
            request,
            "sep2_events.html",
            sections=tabs(self._house),
            sheet=sheet,
            sources=sources,
            number=number,
            pages=max(1, -(-total // _SOURCES)),
            total=total,
            words=RESPONSE_STATUS,
        )

    async def _events(self, request: web.Request, sheet: Sheet, source: Mapping[str, Any]) -> tuple[list[Any], int]:
        """The first events of a source, the newest first, each with its source and what is below it; and how many."""
        *parts, last = sheet.listed[:2]
        holders = [source]
        for link in parts:
            holders = [one for holder in holders for one in await self._read.members(request, holder, link, _PARTS)]
        found: list[Any] = []
        total = 0
        for holder in holders:
            total += int((holder.get(last) or {}).get("all", 0) or 0)
            for one in await self._read.members(request, holder, last, _EVENTS):
                found.append({**one, "source": source, "below": await self._below(request, sheet, one)})
        return found, total

    async def _below(self, request: web.Request, sheet: Sheet, event: Mapping[str, Any]) -> list[Any]:
        return [one for link in sheet.listed[2:] for one in await self._read.members(request, event, link, 1)]

    # --- one ------------------------------------------------------------------------------------------------------

    async def ask(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """The form, empty, or filled with the default control that a program has."""
        program = request.query.get("program", "")[:9]
        values = {**_FRESH.get(sheet.name, {}), "program": program, "whom": request.query.get("whom", "")[:300]}
        if sheet is DEFAULT and program.isdecimal():
            was = await self._read.show(request, f"/derp/{program}/dderc") or {}
            return await self._form(sheet, request, values | sheet.filled(was), was)
        return await self._form(sheet, request, values)

    async def make(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """Send what stands in the form; what is refused is told in the form."""
        return await self._sent(sheet, request, {})

    async def ask_change(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """The form, filled with what is there."""
        was = await self._was(sheet, request, request.query.get("href", ""))
        return await self._form(sheet, request, _values(sheet, was), was)

    async def change(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """Send the form; the other takes its place."""
        form = await form_of(request)
        return await self._sent(sheet, request, await self._was(sheet, request, form.text("href", most=512)))

    async def _was(self, sheet: Sheet, request: web.Request, href: str) -> dict[str, Any]:
        """What is at an href, with its source and what is below it.

        Raises:
            Refused: 400 it is no href, 404 nothing of the kind is there.
        """
        path = href_of(request, href).href
        found = await self._read.show(request, path)
        if found is None or str(found.get("type")) != _TYPES[sheet.name]:
            raise Refused(404, f"there is no {sheet.noun} at {path[:64]}", "the list has those that are there")
        if sheet.event:
            found["source"] = await self._read.show(request, "/".join(path.split("/")[:3])) or {}
            found["below"] = await self._below(request, sheet, found)
            found["seen"] = self._house.now()
        return {**found, "href": path}

    async def _sent(self, sheet: Sheet, request: web.Request, was: dict[str, Any]) -> web.StreamResponse:
        form = await form_of(request)
        acting(request, "control")
        values = dict(form.fields)
        try:
            asked = sheet.body(form, await self._kept(sheet, request, form, was))
            if form.ticked("look"):
                seen = await self._looked(sheet, request, form, was)
                return await self._form(sheet, request, values, was, seen=seen)
            if was and sheet.event:
                asked = type(asked).model_validate(
                    asked.model_dump() | {"instead": was["href"], "device": None, "group": None}
                )
            made = await self._send[sheet.name](self._house.call(request, body=asked))
        except Refused as refused:
            return await self._form(sheet, request, values, was, refused=refused)
        if was and sheet is CURVE and form.ticked("remove"):
            try:
                await self._remove(request, was["href"], "replaced")
            except Refused as refused:
                text = f"the new curve is there ({made['href']}); the old one stays: {refused.detail}"
                return await self._form(sheet, request, values, was, refused=Refused(refused.status, text, _IN_USE))
        return _on(sheet, str(made["href"]))

    async def _kept(self, sheet: Sheet, request: web.Request, form: Form, was: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a form's body keeps: the changed resource, or the default that the chosen program has now."""
        program = form.text("program")
        if sheet is DEFAULT and program.isdecimal() and len(program) < 10:
            return await self._read.show(request, f"/derp/{program}/dderc") or {}
        return was

    async def cancel(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """Cancel an event, or take away what is none."""
        form = await form_of(request)
        acting(request, "control")
        was = await self._was(sheet, request, form.text("href", most=512))
        try:
            if sheet.event:
                asked = CancelEvent(path=was["href"], randomised=form.ticked("randomised"), reason=form.text("reason"))
                await self._resources.cancel_sep2_event(self._house.call(request, body=asked))
            else:
                await self._remove(request, was["href"], form.text("reason"))
        except Refused as refused:
            return await self._form(sheet, request, _values(sheet, was), was, refused=refused)
        return _on(sheet, was["href"])

    async def _remove(self, request: web.Request, href: str, reason: str) -> None:
        asked = Removing(path=href, reason=reason)
        await self._resources.remove_sep2_resource(self._house.call(request, body=asked))

    # --- what it would do -----------------------------------------------------------------------------------------

    async def preview(self, sheet: Sheet, request: web.Request) -> web.StreamResponse:
        """What the form would do, as a part of the page."""
        form = await form_of(request)
        try:
            href = form.text("href", most=512)
            was = await self._was(sheet, request, href) if href else {}
            seen = await self._looked(sheet, request, form, was)
        except Refused as refused:
            return self._house.frame.fragment(request, "parts/sep2_preview.html", seen=None, refused=refused)
        return self._house.frame.fragment(request, "parts/sep2_preview.html", seen=seen, refused=None)

    async def _looked(self, sheet: Sheet, request: web.Request, form: Form, was: Mapping[str, Any]) -> dict[str, Any]:
        """What would be there, for whom, and what it would meet.

        Raises:
            Refused: the form is not right, or its program is not there.
        """
        now = await self._kept(sheet, request, form, was)
        body = sheet.body(form, now).model_dump()
        status, whom, devices = self._house.status, "", None
        if sheet.root:
            kind = "group" if body["group"] else "device" if body["device"] else ""
            whom = "" if was else f"{kind}:{body[kind]}" if kind else "everyone"
        else:
            whom = self._programs.program(body["program"])["target"]
        kind, _, name = whom.partition(":")
        if kind == "group":
            devices = len(status.fleet.members(name))
        start = body.get("start")
        begins = self._house.now() if start is None else start
        ends = begins + body.get("duration", 0)
        return {
            "sheet": sheet,
            "was": was,
            "whom": whom,
            "kind": kind,
            "name": name,
            "title": self._house.name_of(kind, name) if name else "",
            "devices": devices,
            "begins": begins if sheet.event else None,
            "ends": ends if sheet.event else None,
            "body": body,
            "changes": changes(now, body) if sheet is DEFAULT else [],
            "points": curve_points(body["curve"]) if sheet is CURVE else [],
            "units": CURVE_UNITS.get(body["curve"]["curveType"], ("", "")) if sheet is CURVE else ("", ""),
            "meets": await self._meets(sheet, request, begins, ends, was) if sheet.event else [],
        }

    async def _meets(
        self, sheet: Sheet, request: web.Request, begins: float, ends: float, was: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Live events of the same kind in that time, but for the one that is changed."""
        found = await self._read.show(request, sheet.root, 0, _SOURCES) or {}
        rows: list[dict[str, Any]] = []
        for source in found.get("members", []):
            events, _ = await self._events(request, sheet, source)
            rows += [event_row(one, {}) | {"words": words_of(sheet, one)} for one in events]
        return [
            one
            for one in rows
            if one["status"] in {0, 1}
            and one["href"] != was.get("href")
            and (one["start"] or 0) < ends
            and (one["end"] or 0) > begins
        ]

    # --- the page -------------------------------------------------------------------------------------------------

    async def _form(
        self,
        sheet: Sheet,
        request: web.Request,
        values: Mapping[str, str],
        was: Mapping[str, Any] | None = None,
        *,
        refused: Refused | None = None,
        seen: dict[str, Any] | None = None,
    ) -> web.Response:
        view = self._house.view(request)
        program = values.get("program", "")
        curves = []
        if sheet is DEFAULT and program.isdecimal():
            listed = await self._read.show(request, f"/derp/{program}/dc", limit=50) or {}
            curves = [str(one["href"]) for one in listed.get("members", [])]
        over = bool(was) and sheet.event and (was or {}).get("EventStatus", {}).get("currentStatus") not in {0, 1}
        return self._house.frame.page(
            request,
            "sep2_form.html",
            status=200 if refused is None else refused.status,
            sheet=sheet,
            values=values,
            was=was or None,
            over=over,
            lines=lines_of({k: v for k, v in (was or {}).items() if k not in {"source", "below", "seen"}}),
            faults=faults_of(refused, sheet.says),
            refused=refused,
            seen=seen,
            groups=view.groups(),
            devices=view.devices()[:_CHOICES],
            curves=curves,
        )


#: What stands in an empty form.
_FRESH: Mapping[str, Mapping[str, str]] = {
    CURVE.name: {"type": "11", "y_ref": "2"},
    MESSAGE.name: {"language": "en", "priority": "1", "minutes": "60"},
    PRICE.name: {"currency": "978", "minutes": "60", "tier": "0"},
    LOAD.name: {"minutes": "60", "primacy": "0", "category": "00000000"},
}

#: What a resource of each kind is called on the wire.
_TYPES = {
    CURVE.name: "DERCurve",
    DEFAULT.name: "DefaultDERControl",
    MESSAGE.name: "TextMessage",
    PRICE.name: "TimeTariffInterval",
    LOAD.name: "EndDeviceControl",
}

_IN_USE = "change the controls that link to it, then remove it"


def _values(sheet: Sheet, was: Mapping[str, Any]) -> dict[str, str]:
    """The fields of what is there; its program is in its path."""
    parts = str(was["href"]).split("/")
    return {**({"program": parts[2]} if parts[1] == "derp" else {}), **sheet.filled(was)}


def _on(sheet: Sheet, href: str) -> web.Response:
    """Send the browser on: to the list, or to the program that it belongs to."""
    parts = href.split("/")
    place = f"/sep2/{sheet.name}" if sheet.event else f"/sep2/programs/{segment(parts[2])}"
    return web.Response(status=303, headers={"Location": place})
