"""Alarms: what stands, since when, what to do about it; acknowledged through the REST API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gridiface.operator.alarms.alarms import Alarm
from gridiface.operator.alarms.kinds import KINDS
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import has, paged
from gridiface.operator.server import Page

#: Alarms on one page.
_SHOWN = 30

_STATES = ("standing", "cleared", "all")


class AlarmsScreen:
    """`/alarms`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """The routes."""
        page = self._house.page
        return [page("/alarms", self.show, confined=True), page("/parts/alarms", self.renew, confined=True)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Those that stand first."""
        return self._house.frame.page(request, "alarms.html", states=_STATES, kinds=list(KINDS), **self._found(request))

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """The list anew."""
        return self._house.frame.fragment(request, "parts/alarms.html", **self._found(request))

    def _found(self, request: web.Request) -> dict[str, Any]:
        query, view = request.query, self._house.view(request)
        text, kind = query.get("q", "").strip()[:128], query.get("kind", "")
        state = query.get("state", "") if query.get("state", "") in _STATES else "standing"

        def fits(alarm: Alarm) -> bool:
            if view.names is not None and not (KINDS[alarm.kind].device and view.device(alarm.subject)):
                return False
            if kind not in {"", alarm.kind} or (state != "all" and (alarm.cleared is not None) != (state == "cleared")):
                return False
            return has(text, alarm.text, alarm.subject, alarm.kind, alarm.note)

        found = [alarm for alarm in self._house.desk.alarms.alarms() if fits(alarm)]
        listed = paged(found, query, "/alarms", ("q", "state", "kind"), _SHOWN).with_rows(lambda alarm: alarm.row())
        names = {row["subject"] for row in listed.rows}
        known = {name for name in names if self._house.status.fleet.device(name) is not None and view.device(name)}
        return {"listed": listed, "text": text, "state": state, "kind": kind, "known": known}
