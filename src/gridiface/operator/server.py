"""The operator's listener: the REST areas and the pages on one port, with the same checks before every handler.

Owns the listener and the order of things around a handler: host, origin, token, query, body, handler, answer, count.
Knows no area by name but the server's own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web
from pydantic import BaseModel

from gridiface.domain.clock import Clock
from gridiface.errors import StoreUnavailable, cannot_listen
from gridiface.httpname import name_ourselves
from gridiface.operator.api.answers import Speaker, answer_in_turns, no_http_log, refusal
from gridiface.operator.api.bodies import MAX_BYTES, body_of, query_of
from gridiface.operator.api.routing import Area, Call, Reply, Route, etag_of
from gridiface.operator.areas.oauth import OAuthArea
from gridiface.operator.areas.oidc import OidcArea
from gridiface.operator.areas.service import ServiceArea
from gridiface.operator.areas.session import SessionArea
from gridiface.operator.areas.standing import DESK
from gridiface.operator.auth.access import CALLER, Access, AccessRules, Caller, Needs, is_loopback
from gridiface.operator.auth.oidc import Provider
from gridiface.operator.auth.signin import SignIn
from gridiface.operator.auth.throttle import Throttle
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.schema import NoBody
from gridiface.operator.screens.forms import csrf_token
from gridiface.streams.doors import Doors
from gridiface.tracing import span

_log = logging.getLogger("gridiface.operator")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then give the origin of a form that no script sends as "null", and it is refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()",
    # Said by the policy's frame-ancestors, too: this is for browsers that do not know it.
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


#: Routes by which browsers come and go, though they are none of a page; headers of a refusal that a page keeps.
_PROVIDER = "/api/v1/session/oidc"
_KEPT = frozenset({"Retry-After", "Allow"})


@dataclass(frozen=True, slots=True)
class Page:
    """A page for people, not part of the API's description.

    Args:
        confined: the handler heeds the caller's groups, see routing.Route.
        method: GET, or POST for a form, whose CSRF token comes as the header X-CSRF-Token or as its field `csrf`.
    """

    path: str
    handler: Handler
    scope: str | None = "read"
    confined: bool = False
    method: str = "GET"


class OperatorServer:
    """One listener; `port` is known after `start`.

    Args:
        desk: what is shown and changed; `open` it before `start`.
        host, port: where to listen.
        areas: REST areas beside those of the desk and of the server itself.
        pages: pages for people.
        rules: of access; none: those of a listener on loopback, where reading is open.
        tls: none: plain HTTP.
        oidc: makes the OpenID provider at which people may sign in, too; None: there is none.
        connections: open at once; more are closed as they come.
        refused: what a browser is shown where no page is, or where it comes back refused from a provider: of status,
            reason and fix; None: the problem.
        extend: called with the application before it listens: for what runs while it does.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        host: str,
        port: int,
        areas: Iterable[Area] = (),
        pages: Iterable[Page] = (),
        rules: AccessRules | None = None,
        tls: ssl.SSLContext | None = None,
        oidc: Callable[[Clock], Provider] | None = None,
        connections: int = 2_000,
        refused: Callable[[web.Request, int, str, str], web.Response] | None = None,
        extend: Iterable[Callable[[web.Application], None]] = (),
    ) -> None:
        self.desk = desk
        self._host = host
        self.port = port
        self._runner: web.AppRunner | None = None
        self._tls = tls
        self._connections = connections
        self._doors: Doors | None = None
        self.rules = AccessRules(open_reads=is_loopback(host), secure=tls is not None) if rules is None else rules
        throttle = Throttle()
        books = (desk.tokens, desk.access_tokens, desk.sessions)
        self._access = Access(*books, desk.clock, self.rules, throttle)
        self.signin = SignIn(desk.users, desk.sessions, desk.clock, self.rules, throttle)
        self._edits: dict[str, asyncio.Lock] = {}
        self._areas = [
            *(kind(desk) for kind in DESK),
            *areas,
            SessionArea(desk, self.signin),
            OAuthArea(desk, throttle),
        ]
        if oidc is not None:
            self._areas.append(OidcArea(desk, oidc(desk.clock), self.signin, throttle))
        mounted = [route for area in self._areas for route in area.routes()]
        self._areas.append(ServiceArea(desk, [*mounted, *ServiceArea.routes()], self.rules.cookie))
        self._pages = list(pages)
        self._paths = {page.path for page in self._pages}
        self._refused = refused
        self._extend = list(extend)

    @property
    def areas(self) -> Sequence[Area]:
        """The mounted areas."""
        return self._areas

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be used; the text names it.
        """
        name_ourselves()
        app = web.Application(client_max_size=MAX_BYTES, middlewares=[self._guard])
        for page in self._pages:
            app.router.add_route(page.method, page.path, page.handler)
            if page.method == "GET":
                app.router.add_route("HEAD", page.path, page.handler)
            self._access.route(page.method, page.path, Needs(page.scope, page.confined, csrf_token))
        for area in self._areas:
            for route in area.routes():
                self._mount(app, area, route)
        for extend in self._extend:
            extend(app)
        app.on_response_prepare.append(_harden)
        app.on_shutdown.append(self._end_streams)
        self._runner = web.AppRunner(app, shutdown_timeout=3.0)
        await self._runner.setup()
        if self._runner.server is None:  # pragma: no cover - a set-up runner has one
            raise RuntimeError("the runner is not set up")
        options: dict[str, Any] = {
            "loop": asyncio.get_running_loop(),
            "access_log": None,
            "keepalive_timeout": 75.0,
            # What is no HTTP is told in one line; compressed bodies are refused, not unpacked.
            "logger": no_http_log(),
            "auto_decompress": False,
        }
        speaker = partial(Speaker, self._runner.server, **options)
        self._doors = Doors(self._runner.server, most=self._connections, tls=self._tls, speaker=speaker)
        try:
            await self._doors.open(self._host, self.port)
        except OSError as problem:
            await self._runner.cleanup()
            raise cannot_listen(f"{self._host} port {self.port} (operator.listen)", problem) from problem
        self.port = self._doors.port
        _log.info("operator's page on %s", self.url)
        if self._tls is None and not is_loopback(self._host):
            _log.warning("operator.listen is plain HTTP beyond this machine: put a TLS proxy in front of it")

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared only
        return f"{'http' if self._tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    async def stop(self) -> None:
        """Close the listener and its connections."""
        if self._doors is not None:
            self._doors.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _mount(self, app: web.Application, area: Area, route: Route) -> None:
        handler = self._bound(area, route)
        self._access.route(route.method, route.path, Needs(route.scope, route.confined))
        app.router.add_route(route.method, route.path, handler)
        if route.method == "GET" and route.media != "text/event-stream":
            app.router.add_route("HEAD", route.path, handler)

    def _bound(self, area: Area, route: Route) -> Handler:
        """The handler of one operation: a request in, checked by the declared types, an answer out."""
        handle: Callable[[Call[Any, Any]], Awaitable[Any]] = getattr(area, route.name)
        edits = self._edits.setdefault(area.name, asyncio.Lock())
        same = next((one for one in area.routes() if one.name == route.match), None)
        tagged = route.tagged or (same is not None and route.method != "DELETE" and route.answer == same.answer)

        async def handler(request: web.Request) -> web.StreamResponse:
            query = query_of(request, route.query)
            body: BaseModel = NoBody()
            if route.body is not None and route.accepts == "application/json":
                body = await body_of(request, route.body, route.most_bytes)
            caller, now = request[CALLER], self.desk.clock.now()

            async def work() -> web.StreamResponse:
                if route.match:
                    async with edits:
                        await _check_match(area, route, Call(request, caller, now, query, NoBody()))
                        said = await handle(Call(request, caller, now, query, body))
                else:
                    said = await handle(Call(request, caller, now, query, body))
                if isinstance(said, web.StreamResponse):
                    return said
                return await _answered(request, route, said if isinstance(said, Reply) else Reply(said), tagged=tagged)

            # Controls keep their own keys, in one transaction with themselves.
            if route.method != "POST" or not caller.id or route.name == "send_control":
                return await work()
            return await self.desk.replies.once(request, body, caller.id, now, work, secret=route.secret)

        return handler

    async def _end_streams(self, _: web.Application) -> None:
        self.desk.events.close()

    async def _for_people(self, request: web.Request, problem: web.StreamResponse) -> web.StreamResponse:
        """A problem as a page, for nobody in particular where not even the reader can be told."""
        if self._refused is None or not isinstance(problem, web.Response) or problem.text is None:
            return problem
        said = json.loads(problem.text)
        try:
            request[CALLER] = await self._access.reader(request)
        except (Refused, StoreUnavailable):
            request[CALLER] = Caller()
        page = self._refused(request, problem.status, said["detail"], said.get("fix", ""))
        page.headers.update({name: value for name, value in problem.headers.items() if name in _KEPT})
        return page

    def _is_browser(self, request: web.Request, route: str) -> bool:
        """Whether somebody looks for a page (also at no route of ours, and on the way from a provider) or sends a form.

        What a script of ours sends says so; it shows refusals itself.
        """
        if "text/html" not in request.headers.get("Accept", ""):
            return False
        if request.headers.get("HX-Request") == "true" and request.method == "POST":
            return False
        if not route:  # nothing is there, or not by this method
            form = request.method == "POST" and isinstance(request.match_info.http_exception, web.HTTPMethodNotAllowed)
            return (request.method == "GET" or form) and not request.path.startswith("/api/")
        if request.method == "POST":
            return route in self._paths
        return request.method == "GET" and (route in self._paths or route.startswith(_PROVIDER))

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check, handle, count; whatever is raised becomes an answer."""
        if self._doors is not None:
            self._doors.asked(request.protocol)
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical
        try:
            with span(f"{request.method} {route}", **{"http.request.method": request.method, "http.route": route}):
                await self._access.check(request)
                response = await handler(request)
        except Exception as error:
            response = refusal(error, request.path)
            if self._refused is not None and self._is_browser(request, route):
                response = await self._for_people(request, response)
            if response.status == 401 and route in self._paths and request.method == "GET":
                response = _to_sign_in(request)
        self.desk.figures.on_request(request.method, route, response.status)
        return response


def _to_sign_in(request: web.Request) -> web.Response:
    """Where a browser goes that may not see a page yet; it comes back to the page after it."""
    if request.headers.get("HX-Request") != "true":
        return web.Response(status=303, headers={"Location": _sign_in(request.rel_url.raw_path_qs)})
    # A part of a page whose reader has signed out meanwhile: the whole page goes there, not the part.
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        page = f"{shown.path}?{shown.query}" if shown.query else shown.path
    except ValueError:
        page = "/"
    return web.Response(status=401, headers={"HX-Redirect": _sign_in(page), "Vary": "HX-Request"})


def _sign_in(page: str) -> str:
    """The page to sign in, which leads back to `page`, a path of ours, still quoted."""
    return f"/login?next={quote(page or '/', safe='/')}"


async def _check_match(area: Area, route: Route, call: Call[Any, NoBody]) -> None:
    """Hold If-Match against what is to be edited, as the area itself shows it.

    Raises:
        Refused: 412, 428, or as the operation that shows it: 404.
    """
    if not route.must_match and "If-Match" not in call.request.headers:
        return
    said = await getattr(area, route.match)(call)
    reply = said if isinstance(said, Reply) else Reply(said)
    call.check_match(reply.etag or etag_of(reply.body), required=route.must_match)


async def _answered(request: web.Request, route: Route, reply: Reply[Any], *, tagged: bool) -> web.Response:
    """The answer of a handler; 304 where the reader has it already."""
    etag = reply.etag or (etag_of(reply.body) if tagged else "")
    headers = {**reply.headers, **({"ETag": etag} if etag else {})}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
    # A tag that an area gives is that of what can be edited, beside which its answer shows live values.
    if etag and not reply.etag and request.method in {"GET", "HEAD"} and known & {etag, "*"}:
        return web.Response(status=304, headers=headers)
    status = route.done if reply.status is None else reply.status
    return await answer_in_turns(reply.body, status=status, headers=headers)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
