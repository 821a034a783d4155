"""Flow reservations: what devices ask to charge or discharge, and the form that answers one.

What a form asks goes through the operations of the REST API: the same checks, the same audit entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gridiface.operator.areas.sep2_flow import FlowAnswer, FlowPath, Sep2FlowArea, Sep2FlowRequest
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Search
from gridiface.operator.screens.forms import Form, acting, checked, faults_of, form_of
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import SIZE, counted_page, page_start, words
from gridiface.operator.screens.render import Entry
from gridiface.operator.screens.sep2 import href_of, tabs
from gridiface.operator.screens.sep2_elements import Field
from gridiface.operator.server import Page

_FIELDS = (
    Field(name="power_w", label="Power", kind="number", unit="W", hint="at most; empty: as it was asked for"),
    Field(name="energy_wh", label="Energy", kind="number", unit="Wh", hint="at most; empty: as it was asked for"),
    Field(name="start", label="From", kind="when", hint="inside the window; empty: from its begin, or now"),
    Field(name="minutes", label="For how long", kind="number", unit="min", says=("duration",)),
)
_SAYS = {one.name: (one.name, *one.says) for one in _FIELDS}


class Sep2FlowScreens:
    """`/sep2/flow` and the form below it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = house.need(Sep2FlowArea)

    def entries(self) -> list[Entry]:
        """Lines of the menu: none, it is a part of IEEE 2030.5's."""
        return []

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/sep2/flow", self.listed),
            page("/sep2/flow/answer", self.ask),
            page("/sep2/flow/answer", self.answer, scope="control", method="POST"),
            page("/sep2/flow/cancel", self.cancel, scope="control", method="POST"),
        ]

    async def listed(self, request: web.Request) -> web.StreamResponse:
        """Who asks for what, and what is granted."""
        text, query = request.query.get("q", "").strip()[:128], request.query
        asked = Search(q=words(text), limit=SIZE, skip=page_start(query))
        found = await self._area.list_sep2_flow_reservations(self._house.call(request, asked))
        listed = counted_page(found["requests"], found["total"], query, "/sep2/flow", ("q",))
        return self._house.frame.page(request, "sep2_flow.html", sections=tabs(self._house), listed=listed, text=text)

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The form that answers one."""
        return self._form(request, self._one(request, request.query.get("href", "")), {})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Grant or refuse; what is refused to the operator is told in the form."""
        form = await form_of(request)
        acting(request, "control")
        one = self._one(request, form.text("href", most=64))
        try:
            asked = checked(FlowAnswer, _body(form, one["path"]))
            await self._area.answer_sep2_flow_reservation(self._house.call(request, body=asked))
        except Refused as refused:
            return self._form(request, one, dict(form.fields), refused)
        return _back(one)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel what is granted."""
        form = await form_of(request)
        acting(request, "control")
        one = self._one(request, form.text("href", most=64))
        try:
            asked = checked(FlowPath, {"path": one["path"], "reason": form.text("reason")})
            await self._area.cancel_sep2_flow_reservation(self._house.call(request, body=asked))
        except Refused as refused:
            return self._form(request, one, dict(form.fields), refused)
        return _back(one)

    def _one(self, request: web.Request, href: str) -> Sep2FlowRequest:
        return self._area.flow_request(href_of(request, href).href)

    def _form(
        self,
        request: web.Request,
        one: Sep2FlowRequest,
        values: Mapping[str, str],
        refused: Refused | None = None,
    ) -> web.Response:
        return self._house.frame.page(
            request,
            "sep2_flow_answer.html",
            status=200 if refused is None else refused.status,
            one=one,
            fields=_FIELDS,
            values=values,
            faults=faults_of(refused, _SAYS),
            refused=refused,
            open=one["state"] not in {"over", "cancelled"} or (one["state"] == "cancelled" and bool(one["grants"])),
        )


def _body(form: Form, path: str) -> dict[str, Any]:
    """A form as the API says it."""
    body: dict[str, Any] = {"path": path, "reason": form.text("reason")}
    if form.ticked("refuse"):
        return body | {"refuse": True}
    minutes, start = form.number("minutes"), form.instant()
    return body | {
        "energy_wh": form.number("energy_wh"),
        "power_w": form.number("power_w"),
        "start": None if start is None else round(start.timestamp()),
        "duration": None if minutes is None else round(60 * minutes),
    }


def _back(one: Sep2FlowRequest) -> web.Response:
    """Send the browser on to the request, as it is then."""
    return web.Response(status=303, headers={"Location": f"/sep2/flow/answer?href={one['path']}"})
