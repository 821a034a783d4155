"""The protocol trace: live, searched, one message whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.trace import row
from gridiface.operator.problems import Refused
from gridiface.operator.screens.house import House
from gridiface.operator.server import Page

_SHOWN = 120
_PROTOCOLS = ("sep2", "openadr", "dnp3")


class TraceScreen:
    """`/trace` and `/trace/{id}`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/trace", self.show, scope="configure"),
            page("/parts/trace", self.renew, scope="configure"),
            page("/trace/{id}", self.show_one, scope="configure"),
        ]

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The newest messages."""
        return self._house.frame.page(request, "trace.html", protocols=_PROTOCOLS, **self._found(request))

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """The messages anew."""
        return self._house.frame.fragment(request, "parts/trace.html", **self._found(request))

    def _found(self, request: web.Request) -> dict[str, Any]:
        trace, query = self._house.desk.trace, request.query
        text, peer = query.get("text", "").strip()[:256], query.get("peer", "")[:256]
        protocol = query.get("protocol", "") if query.get("protocol", "") in _PROTOCOLS else ""
        found = trace.find(text=text, protocol=protocol, peer=peer, limit=_SHOWN)
        asked = {"text": text, "protocol": protocol, "peer": peer, "whole": "true", "limit": "5000"}
        return {
            "rows": [row(line, trace, whole=False) for line in found],
            "text": text,
            "peer": peer,
            "protocol": protocol,
            "kept": len(trace),
            "dropped": trace.dropped,
            "download": "/api/v1/trace?" + urlencode({name: value for name, value in asked.items() if value}),
        }

    async def show_one(self, request: web.Request) -> web.StreamResponse:
        """One message, decoded.

        Raises:
            Refused: 404, it is not kept any more.
        """
        name, trace = name_of(request), self._house.desk.trace
        line = trace.line(int(name)) if name.isascii() and name.isdigit() and len(name) < 16 else None
        if line is None:
            raise Refused(404, "this message is not kept any more", "the newest ones are on the trace's page")
        return self._house.frame.page(request, "message.html", message=row(line, trace, whole=True))
