"""The operator's listener: pages that only show, and the REST API, on plain HTTP.

Owns the listener, the order of checks around every handler, and the pages. A strict Content-Security-Policy: no script
or style from anywhere else, and no page can change anything.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.resources import files

import jinja2
from aiohttp import web

from gridiface.errors import ConfigError
from gridiface.operator.access import Access, is_loopback
from gridiface.operator.answers import refusal
from gridiface.operator.api import Api
from gridiface.operator.bodies import MAX_BYTES, name_of
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.routes import ROUTES
from gridiface.operator.schema import DeviceRow

_log = logging.getLogger("gridiface.operator")

_STATIC = {
    "overview.js": "text/javascript",
    "overview.css": "text/css",
    "icon.svg": "image/svg+xml",
}

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OperatorPages:
    """One listener; `port` is known after `start`.

    Args:
        desk: what is shown and changed; `open` it before `start`.
        host, port: where to listen.
        hosts: names, besides addresses and localhost, by which it may be reached.
        open_reads: whether reading needs no token; None: while it listens on loopback only.
    """

    def __init__(
        self, desk: Desk, *, host: str, port: int, hosts: tuple[str, ...] = (), open_reads: bool | None = None
    ) -> None:
        self.desk = desk
        self._host = host
        self.port = port
        self._runner: web.AppRunner | None = None
        self._api = Api(desk)
        self.open_reads = is_loopback(host) if open_reads is None else open_reads
        self._access = Access(desk.tokens, desk.clock, hosts=hosts, open_reads=self.open_reads)
        loader = jinja2.PackageLoader("gridiface.operator", "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._templates.filters |= {"kw": _kilowatts, "percent": _percent, "utc": _utc}

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be used; the text names it.
        """
        app = web.Application(client_max_size=MAX_BYTES, middlewares=[self._guard])
        pages = (
            ("/", self._overview),
            ("/static/{name}", self._static),
            ("/devices/{id}", self._device),
            ("/controls/{id}", self._control),
        )
        for path, handler in pages:
            app.router.add_get(path, handler)
            self._access.route("GET", path, "read")
        for route in ROUTES:
            self._access.route(route.method, route.path, route.scope)
            handler = getattr(self._api, route.name)
            app.router.add_route(route.method, route.path, handler)
            if route.method == "GET" and route.media != "text/event-stream":
                app.router.add_route("HEAD", route.path, handler)
        app.on_response_prepare.append(_harden)
        app.on_shutdown.append(self._end_streams)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=75.0, shutdown_timeout=3.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        try:
            await site.start()
        except OSError as problem:
            await self._runner.cleanup()
            text = f"operator.listen {self._host}:{self.port} cannot be used: {problem.strerror}; choose another port"
            raise ConfigError(text) from problem
        self.port = self._runner.addresses[0][1]
        _log.info("operator's page on http://%s:%d/", self._host, self.port)
        if not is_loopback(self._host):
            _log.warning("operator.listen is plain HTTP beyond this machine: put a TLS proxy in front of it")

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _end_streams(self, _: web.Application) -> None:
        self.desk.events.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check, handle, count; whatever is raised becomes an answer."""
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical
        try:
            await self._access.check(request)
            response = await handler(request)
        except Exception as error:
            response = refusal(error)
        self.desk.figures.on_request(request.method, route, response.status)
        return response

    async def _overview(self, _: web.Request) -> web.StreamResponse:
        status = self.desk.status.at(self.desk.clock.now())
        return self._page("overview.html", status=status)

    async def _device(self, request: web.Request) -> web.StreamResponse:
        device = self.desk.status.fleet.device(name_of(request))
        if device is None:
            raise Refused(404, "no such device", "the first page lists them")
        detail = await self._api.device_detail(device, 120.0)
        return self._page("device.html", device=detail, why=why_silent(detail))

    async def _control(self, request: web.Request) -> web.StreamResponse:
        detail = await self._api.control_detail(name_of(request))
        fleet = self.desk.status.fleet
        known = {part["device"] for part in detail["devices"]}
        target = detail["target"]
        members = [target] if detail["target_kind"] == "device" else list(fleet.members(target))
        silent = []
        for name in sorted(set(members) - known)[:200]:
            device = fleet.device(name)
            if device is not None:
                silent.append((name, why_silent(self.desk.status.device_row(device))))
        return self._page("control.html", control=detail, silent=silent)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        body = files("gridiface.operator").joinpath("static", name).read_bytes()
        return web.Response(body=body, content_type=_STATIC[name])

    def _page(self, name: str, **values: object) -> web.Response:
        text = self._templates.get_template(name).render(site=self.desk.status.site, **values)
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


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
