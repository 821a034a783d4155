"""Who may come in: signing in, the reader's account, users, tokens, and controls that wait for a second person.

Their forms go to the REST API itself; a page only shows what is.
"""

from __future__ import annotations

from typing import Any, get_args

from aiohttp import web

from gridiface.operator import audit
from gridiface.operator.access import CALLER
from gridiface.operator.control_schema import NewControl
from gridiface.operator.present import covers
from gridiface.operator.routing import etag_of
from gridiface.operator.scopes import ROLES, Role, Scope
from gridiface.operator.screens.house import House
from gridiface.operator.server import Page
from gridiface.operator.translate import target_of

#: Entries of the audit log on its page.
_ENTRIES = 300


class PeopleScreen:
    """`/login`, `/setup`, `/account`, `/users`, `/tokens`, `/approvals`, `/audit`.

    Args:
        house: what all screens share.
        banner: what whoever signs in is told first.
        elsewhere: what the button says that signs in with an OpenID provider; empty: there is none.
    """

    def __init__(self, house: House, banner: str = "", elsewhere: str = "") -> None:
        self._house = house
        self._banner = banner
        self._elsewhere = elsewhere

    def pages(self) -> list[Page]:
        """All routes."""
        page = self._house.page
        return [
            page("/login", self.login, scope=None),
            page("/setup", self.set_up, scope=None),
            page("/account", self.account, confined=True),
            page("/users", self.users, scope="admin"),
            page("/tokens", self.tokens, scope="admin"),
            page("/approvals", self.approvals, confined=True),
            page("/audit", self.audit, scope="audit"),
        ]

    async def login(self, request: web.Request) -> web.StreamResponse:
        """The form that signs in; it goes on to `next`, a path of this server."""
        wanted = request.query.get("next", "/")
        safe = (
            wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable() else "/"
        )
        return self._house.frame.page(
            request, "login.html", next=safe[:500], banner=self._banner, elsewhere=self._elsewhere
        )

    async def set_up(self, request: web.Request) -> web.StreamResponse:
        """The form that chooses a first password; the ticket stands behind the # of the link."""
        return self._house.frame.page(request, "setup.html")

    async def account(self, request: web.Request) -> web.StreamResponse:
        """The reader's own sessions and password."""
        caller, now = request[CALLER], self._house.now()
        sessions: list[dict[str, Any]] = []
        if caller.user is not None and caller.session is not None:
            sessions = [
                {
                    "id": one.id[:16],
                    "seen": one.seen,
                    "created": one.created,
                    "address": one.address,
                    "agent": one.agent,
                    "current": one.id == caller.session.id,
                }
                for one in self._house.desk.sessions.of(caller.user, now)
            ]
        return self._house.frame.page(request, "account.html", sessions=sessions, scopes=sorted(caller.scopes))

    async def users(self, request: web.Request) -> web.StreamResponse:
        """Users with their roles."""
        book = self._house.desk.users
        await book.load(self._house.now())
        rows = [(row, etag_of(row)) for row in book.rows()]
        groups = self._house.status.fleet.groups()
        return self._house.frame.page(
            request, "users.html", rows=rows, roles=get_args(Role), groups=groups, grants=ROLES
        )

    async def tokens(self, request: web.Request) -> web.StreamResponse:
        """Tokens without their secrets."""
        book, now = self._house.desk.tokens, self._house.now()
        await book.load(now)
        return self._house.frame.page(request, "tokens.html", rows=book.rows(now), scopes=get_args(Scope))

    async def approvals(self, request: web.Request) -> web.StreamResponse:
        """Controls that wait for a second person."""
        caller, fleet = request[CALLER], self._house.status.fleet
        rows = []
        for pending in await self._house.desk.pending.waiting(self._house.now()):
            asked = NewControl.model_validate(pending.asked)
            if caller.groups is None or covers(caller.groups, target_of(asked), fleet):
                rows.append((pending, asked, pending.is_of(caller)))
        return self._house.frame.page(request, "approvals.html", rows=rows, rule=self._house.desk.approval)

    async def audit(self, request: web.Request) -> web.StreamResponse:
        """The newest changes; searched in what they say."""
        text = request.query.get("q", "").strip().lower()[:100]
        entries = await audit.newest(self._house.desk.records, _ENTRIES)
        if text:
            entries = [one for one in entries if any(text in str(value).lower() for value in one.values())]
        return self._house.frame.page(request, "audit.html", entries=entries, text=text)
