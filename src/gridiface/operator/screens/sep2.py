"""IEEE 2030.5 as this server speaks it: programs with their controls and responses, end devices, any resource.

Reads through the areas of the REST API, and changes only through their routes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web

from gridiface.operator.api.bodies import name_of, query_of
from gridiface.operator.areas.sep2_devices import ROLES, EndDeviceSearch, Sep2DevicesArea, Sep2EndDevice
from gridiface.operator.areas.sep2_flow import Sep2FlowArea
from gridiface.operator.areas.sep2_programs import ProgramSearch, Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea, ShowQuery
from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea
from gridiface.operator.schema import Search
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import SIZE, counted_page, page_number, page_start, words
from gridiface.operator.screens.render import Entry
from gridiface.operator.screens.resource_words import RESPONSE_STATUS, base_text, lines_of
from gridiface.operator.screens.sep2_reading import Sep2Reading, event_row
from gridiface.operator.server import Page

#: Members of a list on one page; controls and mirrors that are looked at.
_MEMBERS, _CONTROLS, _MIRRORS = 20, 200, 1_000
#: Devices of an aggregator, and aggregators, that are shown at once.
_MANAGED = 100

#: How the id of a control begins that came over 2030.5; its mRID follows.
_CAME = "sep2:"

_TABS = (
    ("/sep2", "Programs"),
    ("/sep2/devices", "End devices"),
    ("/sep2/messages", "Messages"),
    ("/sep2/prices", "Prices"),
    ("/sep2/demand-response", "Demand response"),
    ("/sep2/flow", "Flow reservations"),
    ("/sep2/resources", "Resources"),
    ("/sep2/subscriptions", "Subscriptions"),
)

#: What hangs below an end device, by the name of its link.
_BELOW = (
    ("DeviceInformationLink", "Device information"),
    ("DeviceStatusLink", "Device status"),
    ("PowerStatusLink", "Power status"),
    ("DERListLink", "DERs: capability, settings, status, availability"),
    ("FunctionSetAssignmentsListLink", "Function set assignments"),
    ("LogEventListLink", "Log events"),
    ("SubscriptionListLink", "Subscriptions"),
    ("RegistrationLink", "Registration"),
    ("ConfigurationLink", "Configuration"),
    ("FileStatusLink", "File status"),
    ("FlowReservationRequestListLink", "Flow reservation requests"),
    ("FlowReservationResponseListLink", "Flow reservation responses"),
)


class Sep2Screens:
    """`/sep2` and what lies below it, where the server runs here."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._devices = house.need(Sep2DevicesArea)
        self._programs = house.need(Sep2ProgramsArea)
        self._resources = house.need(Sep2ResourcesArea)
        self._read = Sep2Reading(house)

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        return [Entry("/sep2", "IEEE 2030.5", "3:Protocols")]

    def pages(self) -> list[Page]:
        """Its routes."""
        page = self._house.page
        return [
            page("/sep2", self.programs),
            page("/sep2/programs/{id}", self.program),
            page("/parts/sep2/programs/{id}", self.renew_program),
            page("/sep2/devices", self.end_devices),
            page("/sep2/devices/{id}", self.end_device),
            page("/sep2/resources", self.resource),
            page("/sep2/subscriptions", self.subscriptions),
        ]

    def _page(self, request: web.Request, template: str, **values: Any) -> web.Response:
        return self._house.frame.page(request, template, sections=tabs(self._house), **values)

    # --- programs -------------------------------------------------------------------------------------------------

    async def programs(self, request: web.Request) -> web.StreamResponse:
        """DERPrograms with how many controls each has."""
        text, query = request.query.get("q", "").strip()[:128], request.query
        live = "1" if query.get("live") else ""
        asked = ProgramSearch(q=words(text), live="only" if live else "first", limit=SIZE, skip=page_start(query))
        found = await self._programs.list_sep2_programs(self._house.call(request, asked))
        return self._page(
            request,
            "sep2.html",
            listed=counted_page(found["programs"], found["total"], query, "/sep2", ("q", "live")),
            text=text,
            live=live,
            counts=self._devices.counts,
        )

    async def program(self, request: web.Request) -> web.StreamResponse:
        """One program: its controls with their status and the responses to each."""
        return self._page(request, "sep2_program.html", **await self._program(request))

    async def renew_program(self, request: web.Request) -> web.StreamResponse:
        """What changes of a program."""
        return self._house.frame.fragment(request, "parts/sep2_program.html", **await self._program(request))

    async def _program(self, request: web.Request) -> dict[str, Any]:
        name = name_of(request)
        found = self._programs.program(int(name) if name.isdecimal() and len(name) < 10 else 0)
        whole = await self._read.show(request, found["path"])
        controls = [] if whole is None else await self._read.members(request, whole, "DERControlListLink", _CONTROLS)
        known = _by_mrid(control.id for control in self._house.status.controls())
        responses = await self._read.responses(request, controls)
        return {
            "program": found,
            "resource": whole or {},
            "controls": [_control(one, responses, known) for one in reversed(controls)],
            "default": await self._read.linked(request, whole, "DefaultDERControlLink"),
            "curves": [] if whole is None else await self._read.members(request, whole, "DERCurveListLink", 50),
            "base_text": base_text,
            "words": RESPONSE_STATUS,
        }

    # --- end devices ----------------------------------------------------------------------------------------------

    async def end_devices(self, request: web.Request) -> web.StreamResponse:
        """Who is registered."""
        query = request.query
        text = query.get("q", "").strip()[:128]
        chosen: Any = query.get("role", "") if query.get("role", "") in ROLES else ""
        asked = EndDeviceSearch(q=words(text), role=chosen, limit=SIZE, skip=page_start(query))
        found = await self._devices.list_sep2_end_devices(self._house.call(request, asked))
        listed = counted_page(found["end_devices"], found["total"], query, "/sep2/devices", ("q", "role"))
        return self._page(request, "sep2_devices.html", listed=listed, text=text, chosen=chosen, roles=ROLES)

    async def end_device(self, request: web.Request) -> web.StreamResponse:
        """One end device and what hangs below it."""
        found = self._devices.end_device(name_of(request))
        whole = await self._read.show(request, found["path"]) or {}
        below = [(word, whole[link]["href"], whole[link].get("all")) for link, word in _BELOW if link in whole]
        parts = [("DER", one, lines_of(one)) for one in await self._ders(request, whole)]
        for link in ("FunctionSetAssignmentsListLink", "LogEventListLink"):
            for one in await self._read.members(request, whole, link, 20):
                parts.append((link.removesuffix("ListLink"), one, lines_of(one)))
        mirrors = await self._read.show(request, "/mup", limit=_MIRRORS) or {}
        own = [one for one in mirrors.get("members", []) if one.get("deviceLFDI") == found["lfdi"]]
        return self._page(
            request,
            "sep2_device.html",
            device=found,
            below=below,
            parts=parts,
            mirrors=own,
            **await self._managed(request, found),
            seen=self._house.desk.certificates.seen(found["lfdi"]),
        )

    async def _managed(self, request: web.Request, found: Sep2EndDevice) -> dict[str, Any]:
        """Which aggregators act for a device, or which devices an aggregator acts for; and who could."""
        rows = []
        if found["role"] == "aggregator":
            asked = EndDeviceSearch(q=found["lfdi"], limit=_MANAGED)
            listed = await self._devices.list_sep2_end_devices(self._house.call(request, asked))
            rows = [one for one in listed["end_devices"] if found["lfdi"] in one["managed_by"]]
            pairs = [{**one, "aggregator": found["lfdi"], "managed": one["lfdi"]} for one in rows]
            # Its own LFDI finds the aggregator, too.
            more = listed["total"] - 1 if listed["total"] > _MANAGED else 0
            return {"managed": pairs, "more": more, "aggregators": []}
        asked = EndDeviceSearch(role="aggregator", limit=_MANAGED)
        could = (await self._devices.list_sep2_end_devices(self._house.call(request, asked)))["end_devices"]
        pairs = [
            {"lfdi": one, "device": None, "aggregator": one, "managed": found["lfdi"]} for one in found["managed_by"]
        ]
        return {"managed": pairs, "more": 0, "aggregators": could}

    async def _ders(self, request: web.Request, whole: Any) -> list[dict[str, Any]]:
        """The DERs of an end device, each with what it says of itself instead of the links to it."""
        found = []
        for one in await self._read.members(request, whole, "DERListLink", 8):
            whole_one = dict(one)
            for name in ("DERCapability", "DERSettings", "DERStatus", "DERAvailability"):
                said = await self._read.linked(request, one, f"{name}Link")
                if said is not None:
                    whole_one[name] = {key: value for key, value in said.items() if key != "type"}
                    whole_one.pop(f"{name}Link", None)
            found.append(whole_one)
        return found

    async def subscriptions(self, request: web.Request) -> web.StreamResponse:
        """Who is told of which resource, and where."""
        text, query = request.query.get("q", "").strip()[:128], request.query
        asked = Search(q=words(text), limit=SIZE, skip=page_start(query))
        found = await self._devices.list_sep2_subscriptions(self._house.call(request, asked))
        listed = counted_page(found["subscriptions"], found["total"], query, "/sep2/subscriptions", ("q",))
        rates = (await self._devices.list_sep2_poll_rates(self._house.call(request)))["poll_rates"]
        return self._page(request, "sep2_subscriptions.html", listed=listed, text=text, rates=rates)

    # --- any resource ---------------------------------------------------------------------------------------------

    async def resource(self, request: web.Request) -> web.StreamResponse:
        """Any resource as a utility sees it, with its links."""
        query = href_of(request, request.query.get("href", ""))
        number = page_number(request.query)
        asked = ShowQuery(href=query.href, start=_MEMBERS * (number - 1), limit=_MEMBERS)
        whole = await self._resources.get_sep2_resource(self._house.call(request, asked))
        members = [(one, lines_of(one)) for one in whole.get("members", [])]
        total = int(whole.get("all", 0) or 0)
        pages = max(1, -(-total // _MEMBERS))
        link = f"/sep2/resources?href={quote(query.href, safe='/')}&page="
        return self._page(
            request,
            "sep2_resource.html",
            href=query.href,
            above=_above(query.href),
            resource=whole,
            lines=lines_of(whole),
            members=members,
            number=number,
            pages=pages,
            total=total,
            link=link,
        )


def href_of(request: web.Request, href: str) -> ShowQuery:
    """A resource by its href; /dcap where none is named.

    Raises:
        Refused: 400, it is no href.
    """
    return query_of(request.clone(rel_url=request.rel_url.with_query({"href": href or "/dcap"})), ShowQuery)


def _above(href: str) -> list[str]:
    """The hrefs on the way to one."""
    parts = href.strip("/").split("/")
    return ["/" + "/".join(parts[: end + 1]) for end in range(len(parts) - 1)]


def _control(one: Mapping[str, Any], responses: Mapping[str, Counter[int]], known: Mapping[str, str]) -> dict[str, Any]:
    return event_row(one, responses) | {
        "base": base_text(one.get("DERControlBase") or {}),
        "control": known.get(str(one.get("mRID", "")).upper(), ""),
    }


def _by_mrid(controls: Iterable[str]) -> dict[str, str]:
    """Ids of the controls that came over 2030.5, by mRID."""
    return {name.removeprefix(_CAME).upper(): name for name in controls if name.startswith(_CAME)}


def tabs(house: House) -> list[tuple[str, str]]:
    """The pages of 2030.5 that this server has: path, title."""
    found = [] if house.area(Sep2ProgramsArea) is None else list(_TABS)
    if house.area(Sep2FlowArea) is None:
        found = [one for one in found if one[0] != "/sep2/flow"]
    return found if house.area(Sep2UpstreamsArea) is None else [*found, ("/sep2/upstreams", "Utilities' servers")]
