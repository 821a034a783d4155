"""Signing in and out: the session cookie of people in a browser, first passwords by ticket, another password."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.clock import Instant
from gridiface.operator.api.routing import Area, Call, Reply, delete, get, post, unknown
from gridiface.operator.auth.access import Caller
from gridiface.operator.auth.passwords import LONGEST
from gridiface.operator.auth.scopes import ROLES, allowed
from gridiface.operator.auth.sessions import Session, csrf_of
from gridiface.operator.auth.signin import SignedIn, SignIn
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, Name, NoBody, NoQuery

#: A password as it comes; what is good enough is passwords.check's to say.
Secret = Annotated[str, Field(min_length=1, max_length=LONGEST * 4)]


class Credentials(Asked):
    """Who signs in."""

    name: Name = Field(description="user name, without regard to case")
    password: Secret = Field(description="the user's password")


class FirstPassword(Asked):
    """A ticket and the password that it sets."""

    ticket: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="as the admin, or the server at its first start, gave it"
    )
    password: Secret = Field(description="12 to 256 characters, not among the first that are guessed")


class OtherPassword(Asked):
    """The old and the new password."""

    old: Secret = Field(description="the present password")
    new: Secret = Field(description="12 to 256 characters, not among the first that are guessed")


class SessionAnswer(TypedDict):
    """Who asks and what they may. `csrf`: what changes must carry as X-CSRF-Token; null without a cookie."""

    name: str
    role: str | None
    scopes: list[str]
    groups: list[str] | None
    csrf: str | None
    expires: float | None


class OwnSession(TypedDict):
    """One session of the reader's; `current`: this one."""

    id: str
    created: float
    seen: float
    expires: float
    address: str
    agent: str
    current: bool


class OwnSessions(TypedDict):
    """The reader's sessions, the latest used first."""

    sessions: list[OwnSession]


class SessionArea(Area):
    """Sessions.

    Args:
        desk: users and sessions.
        signin: of this listener.
    """

    name: ClassVar[str] = "session"
    title: ClassVar[str] = "Signing in"

    def __init__(self, desk: Desk, signin: SignIn) -> None:
        self._desk = desk
        self._signin = signin

    @get("/session", "Who asks, what they may, and the CSRF token of their session", scope=None)
    async def get_session(self, call: Call[NoQuery, NoBody]) -> SessionAnswer:
        """Also where nobody has signed in: an empty name."""
        caller = call.caller
        secret = self._signin.secret_of(call.request) if caller.session is not None else None
        expires = None if caller.session is None else self._desk.sessions.expires(caller.session)
        return _answer(caller, secret, expires)

    @post("/session", "Sign in; the answer sets the session cookie", scope=None, done=201, problems=(401, 429, 503))
    async def sign_in(self, call: Call[NoQuery, Credentials]) -> Reply[SessionAnswer]:
        """The session that this browser had is over."""
        return self._began(await self._signin.by_password(call.request, call.body.name, call.body.password), call.now)

    @delete("/session", "Sign out", scope=None, problems=(401,))
    async def sign_out(self, call: Call[NoQuery, NoBody]) -> Reply[SessionAnswer]:
        """The cookie is gone and worth nothing."""
        if call.caller.session is None:
            raise Refused(401, "there is no session, or the CSRF token is not its own", "nothing has to be done")
        await self._signin.end(call.caller)
        return Reply(_answer(Caller(), None, None), headers={"Set-Cookie": self._signin.cookie("")})

    @post(
        "/session/setup",
        "Choose a password with a ticket and sign in; the first admin begins so",
        scope=None,
        done=201,
        problems=(401, 429, 503),
    )
    async def set_up(self, call: Call[NoQuery, FirstPassword]) -> Reply[SessionAnswer]:
        """The ticket is gone then."""
        return self._began(await self._signin.by_ticket(call.request, call.body.ticket, call.body.password), call.now)

    @post(
        "/session/password",
        "Set another password; all other sessions of the user are over",
        scope=None,
        done=201,
        problems=(401, 403, 429, 503),
    )
    async def change_password(self, call: Call[NoQuery, OtherPassword]) -> Reply[SessionAnswer]:
        """A new session begins."""
        user = call.caller.user
        if user is None:
            raise Refused(401, "only who has signed in can change a password", "sign in, and send X-CSRF-Token")
        if user.subject:
            raise Refused(403, f"{user.name} signs in with the OpenID provider", "change the password there")
        made = await self._signin.change_password(call.request, user, call.body.old, call.body.new)
        return self._began(made, call.now)

    @get("/session/all", "The reader's own sessions", scope=None, problems=(401,))
    async def list_sessions(self, call: Call[NoQuery, NoBody]) -> OwnSessions:
        """Where and since when."""
        session, user = call.caller.session, call.caller.user
        if session is None or user is None:
            raise Refused(401, "nobody has signed in", "POST /api/v1/session signs in")
        return {"sessions": [self._row(one, session) for one in self._desk.sessions.of(user, call.now)]}

    @delete("/session/all/{id}", "End one of the reader's own sessions", scope=None, problems=(401, 404))
    async def end_session(self, call: Call[NoQuery, NoBody]) -> OwnSession:
        """What is over."""
        session, user = call.caller.session, call.caller.user
        if session is None or user is None:
            raise Refused(401, "nobody has signed in, or the CSRF token is not the session's", "sign in")
        found = next((s for s in self._desk.sessions.of(user, call.now) if s.id[:16] == call.id), None)
        if found is None:
            raise unknown("session", call.id, "GET /api/v1/session/all lists them")
        row = self._row(found, session)
        await self._signin.end(Caller(user.name, user=user, session=found))
        return row

    def _row(self, session: Session, current: Session) -> OwnSession:
        return {
            # The whole digest stays here: a part tells sessions apart.
            "id": session.id[:16],
            "created": session.created,
            "seen": session.seen,
            "expires": self._desk.sessions.expires(session),
            "address": session.address,
            "agent": session.agent,
            "current": session.id == current.id,
        }

    def _began(self, made: SignedIn, now: Instant) -> Reply[SessionAnswer]:
        user = made.user
        groups = None if user.groups is None else frozenset(user.groups)
        caller = Caller(user.name, f"user:{user.id}", allowed(ROLES[user.role]), groups, user=user)
        ends = now + min(self._desk.idle_s, self._desk.longest_s)
        return Reply(_answer(caller, made.secret, ends), headers={"Set-Cookie": self._signin.cookie(made.secret)})


def _answer(caller: Caller, secret: str | None, expires: Instant | None) -> SessionAnswer:
    return {
        "name": caller.name,
        "role": None if caller.user is None else caller.user.role,
        "scopes": sorted(caller.scopes),
        "groups": None if caller.groups is None else sorted(caller.groups),
        "csrf": None if secret is None else csrf_of(secret),
        "expires": expires,
    }
