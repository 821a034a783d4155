"""Reads IEEE 2030.5 resources through the REST area for the screens: along links, bounded, None where nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea, ShowQuery
from gridiface.operator.problems import Refused
from gridiface.operator.screens.house import House

#: Responses to one event that are counted.
_RESPONSES = 2_000


class Sep2Reading:
    """What one screen reads."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = house.need(Sep2ResourcesArea)

    async def show(self, request: web.Request, href: str, start: int = 0, limit: int = 100) -> Any:
        """A resource, or a page of a list, in JSON form; None where nothing is."""
        try:
            query = ShowQuery(href=href, start=start, limit=min(limit, 1000))
            return await self._area.get_sep2_resource(self._house.call(request, query))
        except Refused:
            return None

    async def linked(self, request: web.Request, whole: Any, link: str) -> Any:
        """What a resource's link leads to."""
        href = None if whole is None else whole.get(link, {}).get("href")
        return None if href is None else await self.show(request, href)

    async def members(self, request: web.Request, whole: Mapping[str, Any], link: str, most: int) -> list[Any]:
        """The first members of a list that a resource links to."""
        href = whole.get(link, {}).get("href")
        listed = None if href is None else await self.show(request, href, limit=most)
        return [] if listed is None else list(listed.get("members", []))

    async def responses(self, request: web.Request, events: Sequence[Mapping[str, Any]]) -> dict[str, Counter[int]]:
        """How many devices gave each response to each event, by mRID."""
        found: dict[str, Counter[int]] = {}
        for path in sorted({one["replyTo"] for one in events if one.get("replyTo")}):
            listed = await self.show(request, path, limit=_RESPONSES)
            for one in [] if listed is None else listed.get("members", []):
                found.setdefault(str(one.get("subject")), Counter())[int(one.get("status", 0))] += 1
        return found


def event_row(one: Mapping[str, Any], responses: Mapping[str, Counter[int]]) -> dict[str, Any]:
    """What every list of events shows of one: mRID, times in s since 1970, status, responses by code."""
    mrid = str(one.get("mRID", ""))
    interval = one.get("interval") or {}
    start, length = interval.get("start"), interval.get("duration")
    return {
        "href": one.get("href", ""),
        "mrid": mrid,
        "description": one.get("description", ""),
        "start": None if start is None else float(start),
        "end": None if start is None or length is None else float(start) + float(length),
        "status": (one.get("EventStatus") or {}).get("currentStatus"),
        "superseded": (one.get("EventStatus") or {}).get("potentiallySuperseded", False),
        "responses": sorted(responses.get(mrid, Counter()).items()),
    }
