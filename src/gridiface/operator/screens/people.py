"""Who may come in: signing in, the reader's account, users, tokens, and controls that wait for a second person.

Their forms go to the REST API itself; a page only shows what is.
"""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import urlencode

from aiohttp import web

from gridiface.operator.api.routing import Call, etag_of
from gridiface.operator.areas.audit import AuditArea, AuditQuery
from gridiface.operator.auth.access import CALLER
from gridiface.operator.auth.scopes import MEANING, ROLES, Role
from gridiface.operator.rows.control_schema import NewControl
from gridiface.operator.rows.present import covers
from gridiface.operator.rows.translate import target_of
from gridiface.operator.schema import NoBody
from gridiface.operator.screens.house import House
from gridiface.operator.screens.paging import has
from gridiface.operator.server import Page

#: Entries of the audit log on its page.
_ENTRIES = 100


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
        self._audit = AuditArea(house.desk)

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
        return self._house.frame.page(request, "tokens.html", rows=book.rows(now), scopes=MEANING)

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
        """Changes, the newest first; searched by who, what and subject, in what they say, and page by page."""
        query = request.query
        given = {name: _plain(query.get(name, "")) for name in ("q", "who", "what", "subject")}
        after = _plain(query.get("after", ""))
        asked = AuditQuery(limit=_ENTRIES, after=after, who=given["who"], what=given["what"], subject=given["subject"])
        call: Call[AuditQuery, NoBody] = Call(request, request[CALLER], self._house.now(), asked, NoBody())
        found = await self._audit.list_audit(call)
        entries = [one for one in found["entries"] if has(given["q"], *one.values())]
        older = found["next"]
        link = "" if older is None else "/audit?" + urlencode({**{n: v for n, v in given.items() if v}, "after": older})
        return self._house.frame.page(
            request, "audit.html", entries=entries, given=given, older=link, later=bool(after)
        )


def _plain(text: str) -> str:
    """What somebody looks for; what no entry can have is as if it were not given."""
    text = text.strip()[:64]
    return text if text.isprintable() else ""
