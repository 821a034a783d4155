"""Every program's controls on a time axis; one control with each device's part; the form that asks for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ServiceClass
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.operator.api.bodies import name_of
from gridiface.operator.areas.controls import ControlsArea
from gridiface.operator.auth.access import CALLER
from gridiface.operator.problems import Refused
from gridiface.operator.rows.rows import ControlDetail
from gridiface.operator.rows.status import newest_first
from gridiface.operator.rows.translate import PROTOCOL
from gridiface.operator.screens import asking
from gridiface.operator.screens.account import device_lines, gaps, limit, power_columns
from gridiface.operator.screens.forms import acting, faults_of, form_of, part_of
from gridiface.operator.screens.house import House, see_other
from gridiface.operator.screens.paging import has, paged
from gridiface.operator.screens.timeline import WINDOWS, timeline
from gridiface.operator.sending import WAITING, KeyUsed, Sending
from gridiface.operator.server import Page

#: Controls on one page of the list, devices in the account, devices in the form's list.
_LISTED, _DEVICES, _CHOICES = 50, 200, 500

_STATES = ("active", "scheduled", "completed", "cancelled", "superseded", "refused")


class ControlsScreen:
    """`/controls`, `/controls/new`, `/controls/{id}`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._area = ControlsArea(house.desk)
        self._sending = Sending(house.desk)

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/controls", self.show, confined=True),
            page("/parts/controls", self.renew, confined=True),
            page("/controls/new", self.ask, scope="control", confined=True),
            page("/controls/new", self.send, scope="control", method="POST", confined=True),
            page("/controls/preview", self.preview, scope="control", method="POST", confined=True),
            page("/controls/{id}", self.show_one, confined=True),
            page("/parts/controls/{id}", self.renew_one, confined=True),
            page("/controls/{id}/cancel", self.cancel, scope="control", method="POST", confined=True),
        ]

    # --- all ------------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Timeline and list."""
        return self._house.frame.page(
            request, "controls.html", windows=list(WINDOWS), states=_STATES, **self._all(request)
        )

    async def renew(self, request: web.Request) -> web.StreamResponse:
        """Both anew."""
        return self._house.frame.fragment(request, "parts/controls.html", **self._all(request))

    def _all(self, request: web.Request) -> dict[str, Any]:
        now, query, view = self._house.now(), request.query, self._house.view(request)
        window = query.get("window", "1 h")
        window = window if window in WINDOWS else "1 h"
        controls = view.controls()
        text, state, source = query.get("q", "").strip()[:128], query.get("state", ""), query.get("source", "")[:32]
        found = [
            (control, state_at(control, now).value) for control in newest_first(controls) if not control.is_default
        ]
        fits = [
            (control, own)
            for control, own in found
            if state in {"", own} and source in {"", control.source.protocol} and self._has(text, control)
        ]
        fits.sort(key=lambda pair: _ORDER.get(pair[1], 9))
        listed = paged(fits, query, "/controls", ("q", "state", "source", "window"), _LISTED)
        return {
            "now": now,
            "window": window,
            "timeline": timeline(controls, now, window),
            "name_of": lambda target: self._house.name_of(target.kind.value, target.id),
            "listed": listed.with_rows(lambda pair: self._row(pair[0], now)),
            "text": text,
            "state": state,
            "source": source,
            "sources": sorted({control.source.protocol for control, _ in found}),
            "defaults": [self._default_row(one, now) for one in controls if one.is_default][:_LISTED],
        }

    def _has(self, text: str, control: Control) -> bool:
        if not text:
            return True
        target, source = control.target, control.source
        name = self._house.name_of(target.kind.value, target.id)
        peer = self._house.frame.peer(source.identity) if source.identity else ""
        return has(text, control.id, control.description, target.id, name, source.identity, peer, source.program)

    def _row(self, control: Control, now: Instant) -> dict[str, Any]:
        kind = control.target.kind.value
        return {
            **self._house.status.control_row(control, now),
            "target_kind": kind,
            "target_name": self._house.name_of(kind, control.target.id),
            "members": 1 if kind == "device" else len(self._house.status.fleet.members(control.target.id)),
            "identity": control.source.identity,
            "program": control.source.program,
            "authority": control.source.authority,
        }

    def _default_row(self, control: Control, now: Instant) -> dict[str, Any]:
        """A default; `limit`: how its limits were kept lately."""
        newest = self._house.status.performance.latest(control.id)
        return {**self._row(control, now), "limit": None if newest is None else newest.limit}

    # --- one ------------------------------------------------------------------------------------------------------

    async def show_one(self, request: web.Request) -> web.StreamResponse:
        """One control."""
        values = await self._one(request)
        return self._house.frame.page(request, "control.html", **values)

    async def renew_one(self, request: web.Request) -> web.StreamResponse:
        """What changes of one control."""
        return self._house.frame.fragment(
            request, "parts/control.html", part=part_of(request), **await self._one(request)
        )

    async def _one(self, request: web.Request) -> dict[str, Any]:
        detail = await self._area.detail(name_of(request), request[CALLER])
        view = self._house.view(request)
        lines = [
            line for line in device_lines(detail, self._members(detail), self._house.status) if view.device(line.device)
        ]
        kind = detail["target_kind"]
        return {
            "control": detail,
            "target_name": self._house.name_of(kind, detail["target"]),
            "own": detail["source"] == PROTOCOL,
            "members": len(lines),
            "lines": lines[:_DEVICES],
            "more": max(0, len(lines) - _DEVICES),
            "silent": sum(1 for line in lines if line.why),
            "power": power_columns(detail),
            "gaps": gaps(detail),
            "limit": limit(detail),
            "now": self._house.now(),
        }

    def _members(self, detail: ControlDetail) -> list[str]:
        target = detail["target"]
        return [target] if detail["target_kind"] == "device" else list(self._house.status.fleet.members(target))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """End a control; one that came in over a protocol only where that is said on purpose."""
        form, who = await form_of(request), acting(request, "control").name
        name = name_of(request)
        await self._area.detail(name, request[CALLER])  # what somebody may not see is not there
        await self._sending.cancel(name, who, form.text("reason"), foreign=form.ticked("foreign"))
        return see_other("controls", name)

    # --- asking ---------------------------------------------------------------------------------------------------

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The form, empty or filled with the control that is to be changed."""
        now, query = self._house.now(), request.query
        earlier = self._sending.find(query.get("from", "")) if "from" in query else None
        if earlier is not None and not self._house.view(request).target(earlier.target):
            earlier = None
        if earlier is not None and state_at(earlier, now) not in TERMINAL:
            fields = asking.changed(earlier, now, *self._house.desk.authority)
        else:
            earlier, groups = None, self._house.view(request).group_rows(now)
            first = next((one["id"] for one in groups if one["parent"] is None), "")
            fields = asking.fresh(query.get("target", f"group:{first}" if first else ""))
        return self._form(request, fields, earlier)

    def _form(
        self,
        request: web.Request,
        fields: asking.Fields,
        earlier: Control | None = None,
        *,
        refused: Refused | None = None,
    ) -> web.Response:
        view = self._house.view(request)
        return self._house.frame.page(
            request,
            "control_new.html",
            status=200 if refused is None else refused.status,
            fields=fields,
            earlier=None if earlier is None else self._row(earlier, self._house.now()),
            groups=view.groups(),
            devices=view.devices()[:_CHOICES],
            modes=asking.ASKED,
            classes=list(ServiceClass),
            refused=refused,
            faults=faults_of(refused, asking.SAYS),
        )

    async def preview(self, request: web.Request) -> web.StreamResponse:
        """What the control in the form would do."""
        form = await form_of(request)
        if not form.text("value"):
            return self._house.frame.fragment(request, "parts/fill_in.html")
        asked = asking.control_asked(form, preview=True)
        said, _ = await self._sending.send(asked, acting(request, "control"), None)
        shares = self._sending.shares(asked, acting(request, "control"), self._house.now())
        return self._house.frame.fragment(
            request,
            "parts/preview.html",
            said=said,
            asked=dict(asked.values),
            shares=shares[:_DEVICES],
            more=max(0, len(shares) - _DEVICES),
            names={one["id"]: self._sending.find(one["id"]) for one in said["overlaps"]},
        )

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the control in the form; what is refused is told in the form."""
        form = await form_of(request)
        fields = asking.given(form)
        try:
            asked = asking.control_asked(form, preview=False)
            said, _ = await self._sending.send(asked, acting(request, "control"), fields.key or None)
        except KeyUsed:
            # Gone back to after it was sent, and changed: what it asks for now is another control.
            text, fix = "this form was sent before, with other values", "send it again for a control beside that one"
            return self._form(request, replace(fields, key=asking.fresh().key), refused=Refused(422, text, fix))
        except Refused as refused:
            return self._form(request, fields, refused=refused)
        if said["verdict"] == WAITING:
            return see_other("approvals")
        return see_other("controls", said["control"])


#: Which states come first in the list.
_ORDER = {"active": 0, "scheduled": 1}
