"""All pages for people, as the listener mounts them: the screens, their menu, and the files that a browser loads.

No script or style comes from anywhere else, and none stands inside a page.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Protocol

from aiohttp import web

from gridiface.operator.api.openapi import document
from gridiface.operator.api.routing import Area
from gridiface.operator.areas.fleet import FleetArea
from gridiface.operator.areas.oidc import OidcArea
from gridiface.operator.areas.standing import DESK, OWN, routes_of
from gridiface.operator.auth.access import CALLER, cookie_of
from gridiface.operator.auth.sessions import csrf_of
from gridiface.operator.desk import Desk
from gridiface.operator.screens.alarms import AlarmsScreen
from gridiface.operator.screens.api import ApiScreen
from gridiface.operator.screens.certificates import CertificatesScreen
from gridiface.operator.screens.controls import ControlsScreen
from gridiface.operator.screens.devices import DevicesScreen
from gridiface.operator.screens.engine import DecisionsScreen
from gridiface.operator.screens.envelope import EnvelopeScreen
from gridiface.operator.screens.fleet_parts import FleetPartsScreen
from gridiface.operator.screens.groups import GroupsScreen
from gridiface.operator.screens.house import House
from gridiface.operator.screens.live import Live
from gridiface.operator.screens.overview import OverviewScreen
from gridiface.operator.screens.people import PeopleScreen
from gridiface.operator.screens.performance import SumsScreen
from gridiface.operator.screens.render import Entry, Frame
from gridiface.operator.screens.settlement import PerformanceScreen
from gridiface.operator.screens.trace import TraceScreen
from gridiface.operator.screens.words import short
from gridiface.operator.server import Page

_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "txt": "text/plain"}

#: To who sends a form after a session is over.
_SIGN_IN_AGAIN = "sign in in another window, go back here (what you wrote is still there), and send it again"

#: The files that a browser may load.
STATIC = frozenset({"app.css", "app.js", "icon.svg", "plots.js", "theme.js"})
VENDOR = frozenset({"htmx.min.js", "idiomorph.min.js", "uplot.min.css", "uplot.min.js"})


class Screen(Protocol):
    """A module of pages."""

    def pages(self) -> list[Page]:
        """Its routes."""
        ...


class OwnScreens(Screen, Protocol):
    """Pages of areas that not every server has."""

    def entries(self) -> list[Entry]:
        """Lines of the menu."""
        ...


class Pages:
    """The pages of one desk; give `pages()` and `extend` to the listener.

    Args:
        desk: what they show and change.
        cookie: name of the session cookie.
        banner: what whoever signs in is told first.
        elsewhere: what the button says that signs in with an OpenID provider; empty: there is none.
        areas: mounted REST areas of parts that have pages of their own.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        cookie: str = "gridiface",
        banner: str = "",
        areas: Iterable[Area] = (),
        elsewhere: str = "",
    ) -> None:
        self._cookie = cookie
        frame = Frame(
            lambda: desk.status.site,
            reader=self._reader,
            peer=lambda identity: desk.peers.get(identity) or short(identity),
        )
        mounted = list(areas)
        house = House(desk, frame, mounted)
        self._house = house
        self._live = Live(house)
        theirs, defines = screens_of(house), house.area(FleetArea) is not None
        own = [kind for kind in OWN if elsewhere or kind is not OidcArea]
        kinds: list[type[Area]] = [*DESK, *(type(area) for area in mounted), *own]
        self._screens: list[Screen] = [
            OverviewScreen(house),
            DevicesScreen(house, defines=defines),
            GroupsScreen(house, defines=defines),
            EnvelopeScreen(house),
            ControlsScreen(house),
            FleetPartsScreen(house),
            DecisionsScreen(house),
            PerformanceScreen(house),
            SumsScreen(house),
            *theirs,
            AlarmsScreen(house),
            CertificatesScreen(house),
            TraceScreen(house),
            PeopleScreen(house, banner, elsewhere),
            ApiScreen(house, lambda: document(routes_of(kinds)), {kind.name: kind.title for kind in kinds}),
        ]
        frame.menu += [
            Entry("/", "Overview", "1:"),
            Entry("/devices", "Devices", "2:Fleet"),
            Entry("/groups", "Groups", "2:Fleet"),
            Entry("/controls", "Controls", "2:Fleet"),
            Entry("/drivers", "Drivers", "2:Fleet"),
            Entry("/decisions", "Decisions", "2:Fleet"),
            Entry("/performance", "Performance", "2:Fleet"),
            *(entry for screens in theirs for entry in screens.entries()),
            Entry("/certificates", "Certificates", "3:Protocols"),
            Entry("/trace", "Protocol trace", "3:Protocols", "configure"),
            Entry("/alarms", "Alarms", "4:Record"),
            Entry("/approvals", "Approvals", "4:Record"),
            Entry("/audit", "Audit log", "4:Record", "audit"),
            Entry("/start", "Getting started", "5:Access"),
            Entry("/api", "REST API", "5:Access"),
            Entry("/users", "Users", "5:Access", "admin"),
            Entry("/tokens", "API tokens", "5:Access", "admin"),
        ]
        frame.menu.sort(key=lambda entry: entry.part)
        self.frame = frame
        #: Paths of pages that are about the whole fleet: confined readers are not led there.
        self._closed = frozenset(page.path for page in self.pages() if not page.confined and page.scope is not None)

    def refused(self, request: web.Request, status: int, detail: str, fix: str) -> web.Response:
        """What a browser is shown: no page, a page or a form that is refused, the way back from a provider."""
        if status == 401 and request.method == "POST":
            detail, fix = "you are not signed in any more: nothing was done", _SIGN_IN_AGAIN
        elif status == 405:
            detail, fix = "a form was sent to a page that takes none: nothing was done", "go back, and load it anew"
        elif status == 404:
            fix = "the menu has every page"
        return self._house.refusal(request, status, detail, fix)

    def extend(self, app: web.Application) -> None:
        """Add what runs while the listener does."""
        app.cleanup_ctx.append(self._live.background)
        app.on_shutdown.append(self._live.end)

    def pages(self) -> list[Page]:
        """All pages and their files."""
        mounted = [page for screen in self._screens for page in screen.pages()]
        files_ = [Page("/static/{name}", self._static, None), Page("/static/vendor/{name}", self._vendor, None)]
        return [*mounted, *self._live.pages(), *files_]

    def _reader(self, request: web.Request) -> dict[str, object]:
        """Who reads: the name, what they may do, and what their forms must carry."""
        caller = request[CALLER]
        secret = cookie_of(request, self._cookie) if caller.session is not None else None
        return {
            "reader": "" if caller.user is None else caller.user.name,
            "role": "" if caller.user is None else caller.user.role,
            "csrf": "" if secret is None else csrf_of(secret),
            "may": caller.scopes,
            "closed": frozenset() if caller.groups is None else self._closed,
        }

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return _file(request, STATIC, "static")

    async def _vendor(self, request: web.Request) -> web.StreamResponse:
        return _file(request, VENDOR, "static", "vendor")


def screens_of(house: House) -> list[OwnScreens]:
    """The screens that the mounted areas name, each once, in the order of the areas."""
    found: list[OwnScreens] = []
    for target in dict.fromkeys(area.screens for area in house.areas if area.screens):
        module, name = target.split(":")
        found.append(getattr(import_module(module), name)(house))
    return found


def _file(request: web.Request, known: frozenset[str], *folder: str) -> web.Response:
    name = request.match_info["name"]
    if name not in known:
        raise web.HTTPNotFound
    asset = _asset((*folder, name))
    if asset is None:
        raise web.HTTPNotFound
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    tag = f'"{asset.digest}{"-gzip" if packed else ""}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in {one.strip() for one in request.headers.get("If-None-Match", "").split(",")}:
        return web.Response(status=304, headers=headers)
    body = asset.packed if packed else asset.plain
    headers |= {"Content-Encoding": "gzip"} if packed else {}
    return web.Response(body=body, content_type=_TYPES[name.rpartition(".")[2]], headers=headers)


@dataclass(frozen=True, slots=True)
class _Asset:
    """One file of the pages, as it is and compressed; `digest` of what it is."""

    plain: bytes
    packed: bytes
    digest: str


@cache
def _asset(steps: tuple[str, ...]) -> _Asset | None:
    """Read once: the files are the installation's own, and are not changed while it runs. None: it is not there."""
    path = files("gridiface.operator").joinpath(*steps)
    if not path.is_file():
        return None
    plain = path.read_bytes()
    return _Asset(plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:24])
