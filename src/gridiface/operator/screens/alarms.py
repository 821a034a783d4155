"""Alarms: what stands, since when, what to do about it; acknowledged through the REST API."""

from __future__ import annotations

from aiohttp import web

from gridiface.operator.screens.house import House
from gridiface.operator.server import Page

_SHOWN = 200


class AlarmsScreen:
    """`/alarms`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """The route."""
        return [self._house.page("/alarms", self.show)]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Those that stand first."""
        rows = [alarm.row() for alarm in self._house.desk.alarms.alarms()]
        standing = [row for row in rows if row["state"] != "cleared"]
        cleared = [row for row in rows if row["state"] == "cleared"]
        return self._house.frame.page(request, "alarms.html", standing=standing[:_SHOWN], cleared=cleared[:_SHOWN])
