"""The pages that only show, as the listener mounts them. Owns what they say; their templates and files stand beside.

No script or style comes from anywhere else, and no page can change anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import jinja2
from aiohttp import web

from gridiface.operator.access import CALLER
from gridiface.operator.areas.controls import ControlsArea
from gridiface.operator.areas.devices import DevicesArea
from gridiface.operator.bodies import name_of
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows import DeviceRow
from gridiface.operator.server import Page

_STATIC = {
    "overview.js": "text/javascript",
    "overview.css": "text/css",
    "icon.svg": "image/svg+xml",
}


class Pages:
    """The pages of one desk; give `pages()` to the listener."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._devices = DevicesArea(desk)
        self._controls = ControlsArea(desk)
        loader = jinja2.PackageLoader("gridiface.operator", "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._templates.filters |= {"kw": _kilowatts, "percent": _percent, "utc": _utc}

    def pages(self) -> list[Page]:
        """All pages and their files."""
        return [
            Page("/", self._overview),
            Page("/static/{name}", self._static),
            Page("/devices/{id}", self._device),
            Page("/controls/{id}", self._control),
        ]

    async def _overview(self, _: web.Request) -> web.StreamResponse:
        status = self._desk.status.at(self._desk.clock.now())
        return self._page("overview.html", status=status)

    async def _device(self, request: web.Request) -> web.StreamResponse:
        device = self._desk.status.fleet.device(name_of(request))
        if device is None:
            raise Refused(404, "no such device", "the first page lists them")
        detail = await self._devices.detail(device, 120.0, request[CALLER])
        return self._page("device.html", device=detail, why=why_silent(detail))

    async def _control(self, request: web.Request) -> web.StreamResponse:
        detail = await self._controls.detail(name_of(request), request[CALLER])
        fleet = self._desk.status.fleet
        known = {part["device"] for part in detail["devices"]}
        target = detail["target"]
        members = [target] if detail["target_kind"] == "device" else list(fleet.members(target))
        silent = []
        for name in sorted(set(members) - known)[:200]:
            device = fleet.device(name)
            if device is not None:
                silent.append((name, why_silent(self._desk.status.device_row(device))))
        return self._page("control.html", control=detail, silent=silent)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        body = files("gridiface.operator").joinpath("static", name).read_bytes()
        return web.Response(body=body, content_type=_STATIC[name])

    def _page(self, name: str, **values: object) -> web.Response:
        text = self._templates.get_template(name).render(site=self._desk.status.site, **values)
        return web.Response(text=text, content_type="text/html")


def why_silent(row: DeviceRow) -> str:
    """Why a device does not do what it is asked, from what is known of it; empty: nothing speaks against it."""
    delivery = row["delivery"]
    if row["blocked"]:
        return "an operator has blocked it"
    if row["quality"] is None:
        return "it has not told its state yet"
    if row["quality"] in {"bad", "stale"}:
        return f"its data are {row['quality']}: it does not answer"
    if delivery is not None and delivery["outcome"] in {"timeout", "rejected", "late", "breaker_open"}:
        detail = f": {delivery['detail']}" if delivery["detail"] else ""
        return f"its last set-point ended in {delivery['outcome']}{detail}"
    return ""


def _kilowatts(watts: float | None) -> str:
    return "–" if watts is None else f"{watts / 1000:.2f}"


def _percent(part: float | None) -> str:
    return "–" if part is None else f"{100 * part:.1f}"


def _utc(at: float | None) -> str:
    if at is None:
        return "–"
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f} s"
