"""The operator's page and the few routes behind it, on plain HTTP for the loopback interface.

GET only, nothing can be changed here; a strict Content-Security-Policy, no script or style from anywhere else.
Routes: / (page), /static/*, /api/v1/status, /api/v1/devices, /api/v1/controls/{id}/report, /healthz, /readyz.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files

import jinja2
from aiohttp import web

from gridiface.domain.clock import Clock
from gridiface.errors import ConfigError
from gridiface.operator.status import Status

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
    "Cache-Control": "no-store",
}


class OperatorPages:
    """One listener; `port` is known after `start`."""

    def __init__(self, status: Status, clock: Clock, *, host: str, port: int, ready: Callable[[], bool]) -> None:
        self._status = status
        self._clock = clock
        self._host = host
        self._ready = ready
        self.port = port
        self._runner: web.AppRunner | None = None
        loader = jinja2.PackageLoader("gridiface.operator", "templates")
        environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._page = environment.get_template("overview.html")

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be used; the text names it.
        """
        app = web.Application(client_max_size=16 * 1024)
        app.add_routes(
            [
                web.get("/", self._overview),
                web.get("/static/{name}", self._static),
                web.get("/api/v1/status", self._get_status),
                web.get("/api/v1/devices", self._get_devices),
                web.get("/api/v1/controls/{id}/report", self._get_report),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        app.on_response_prepare.append(_harden)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=75.0)
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

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _overview(self, _: web.Request) -> web.Response:
        status = self._status.at(self._clock.now())
        return web.Response(text=self._page.render(status=status), content_type="text/html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound
        body = files("gridiface.operator").joinpath("static", name).read_bytes()
        return web.Response(body=body, content_type=_STATIC[name])

    async def _get_status(self, _: web.Request) -> web.Response:
        return web.json_response(self._status.at(self._clock.now()))

    async def _get_devices(self, _: web.Request) -> web.Response:
        return web.json_response({"devices": self._status.device_rows()})

    async def _get_report(self, request: web.Request) -> web.Response:
        report = self._status.control_report(request.match_info["id"])
        if not report["targets"] and not any(report["responses"].values()):
            problem = {
                "title": "no such control",
                "status": 404,
                "detail": f"nothing is known of {report['control']!r}",
            }
            return web.json_response(problem, status=404, content_type="application/problem+json")
        return web.json_response(report)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ready\n") if self._ready() else web.Response(status=503, text="not ready\n")


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
