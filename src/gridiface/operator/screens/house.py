"""What every screen stands on: the desk, the frame, and how a refusal looks in a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web

from gridiface.domain.clock import Instant
from gridiface.errors import StoreUnavailable
from gridiface.operator.api.routing import Area, Call
from gridiface.operator.auth.access import CALLER
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.rows.rows import DeviceRow
from gridiface.operator.rows.status import Status
from gridiface.operator.schema import NoBody, NoQuery
from gridiface.operator.screens.render import Frame, wants_fragment
from gridiface.operator.screens.view import View
from gridiface.operator.server import Page
from gridiface.segments import segment

A = TypeVar("A", bound=Area)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class House:
    """The parts that screens share."""

    desk: Desk
    frame: Frame
    areas: list[Area] = field(default_factory=list)

    def area(self, kind: type[A]) -> A | None:
        """The mounted area of this kind; None: this server has none."""
        return next((area for area in self.areas if isinstance(area, kind)), None)

    def need(self, kind: type[A]) -> A:
        """The mounted area of this kind, for screens that are only there beside it.

        Raises:
            LookupError: it is not mounted.
        """
        found = self.area(kind)
        if found is None:
            raise LookupError(f"the area {kind.name} is not mounted")
        return found

    def call(self, request: web.Request, query: Any = None, body: Any = None) -> Call[Any, Any]:
        """What an area's operation takes, on behalf of the reader."""
        asked = NoQuery() if query is None else query
        return Call(request, request[CALLER], self.now(), asked, NoBody() if body is None else body)

    @property
    def status(self) -> Status:
        """What the fleet is asked and does."""
        return self.desk.status

    def now(self) -> Instant:
        """The wall clock."""
        return self.desk.clock.now()

    def view(self, request: web.Request) -> View:
        """What of the fleet a reader sees."""
        return View(self.status, request)

    def page(
        self, path: str, handler: Handler, *, scope: str | None = "read", method: str = "GET", confined: bool = False
    ) -> Page:
        """A page whose refusals are pages, too; `confined`: it heeds the reader's groups (View)."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Refused as refused:
                answer = self.refusal(request, refused.status, refused.detail, refused.fix)
                answer.headers.update(refused.headers)
                return answer
            except StoreUnavailable as problem:
                answer = self.refusal(request, 503, f"the store does not answer: {problem}", "try again in a moment")
                answer.headers["Retry-After"] = "5"
                return answer

        return Page(path, guarded, scope, confined, method)

    def refusal(self, request: web.Request, status: int, detail: str, fix: str = "") -> web.Response:
        """Why something is not done, as a page or, where htmx asked, as a notice in the page."""
        if wants_fragment(request):
            return self.frame.fragment(request, "parts/notice.html", status=status, detail=detail, fix=fix, tone="bad")
        return self.frame.page(request, "refused.html", status=status, code=status, detail=detail, fix=fix)

    def troubles(self, names: Iterable[str]) -> list[tuple[DeviceRow, str]]:
        """Devices with the reason why each does not do what it is asked."""
        found = []
        for name in names:
            device = self.status.fleet.device(name)
            if device is not None:
                row = self.status.device_row(device)
                found.append((row, self.status.why(row)))
        return found

    def name_of(self, kind: str, target: str) -> str:
        """What people call a device or group."""
        fleet = self.status.fleet
        found = fleet.device(target) if kind == "device" else fleet.group(target)
        return target if found is None or not found.name else found.name


def see_other(*path: str) -> web.Response:
    """Send the browser on to a page after a form; each part of the path is quoted."""
    return web.Response(status=303, headers={"Location": "/" + "/".join(segment(part) for part in path)})
