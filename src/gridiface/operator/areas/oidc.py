"""Signing in with an OpenID Connect provider: the browser goes there and comes back with a session."""

from __future__ import annotations

import html
from typing import Annotated, ClassVar

from aiohttp import web
from pydantic import ConfigDict, Field

from gridiface.errors import ConfigError
from gridiface.operator.api.routing import Area, Call, get
from gridiface.operator.auth.access import cookie_of
from gridiface.operator.auth.oidc import Known, Provider, ProviderRefused
from gridiface.operator.auth.signin import SignIn
from gridiface.operator.auth.throttle import Throttle
from gridiface.operator.auth.users import User
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import PRINTABLE, Asked, NoBody
from gridiface.wording import worded

#: Who changes users here, for the audit log.
_BY = "OpenID provider"

#: How long the browser keeps its part of a sign-in, s.
_KEPT_S = 600

Given = Annotated[str, Field(default="", max_length=4_096, pattern=PRINTABLE)]

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Signed in</title>
<meta http-equiv="refresh" content="0; url={onward}"></head>
<body><p><a href="{onward}">You are signed in</a></p></body></html>
"""


class Onward(Asked):
    """Where the reader wanted to go."""

    next: str = Field(
        default="/",
        max_length=512,
        pattern=worded(r"^/[A-Za-z0-9/_.~%-]*$", "a path of this server that begins with /"),
        description="a page of this server",
    )


class Answer(Asked):
    """What the provider sends the browser back with; what it adds beside is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    state: Given = Field(description="of this sign-in")
    code: Given = Field(description="what the provider gives the ID token for")
    iss: Given = Field(description="the provider, RFC 9207")
    error: Given = Field(description="why the provider refused")


class OidcArea(Area):
    """Signing in elsewhere.

    Args:
        desk: users.
        provider: of this listener.
        signin: begins the session.
        throttle: failed tries by address.
    """

    name: ClassVar[str] = "oidc"
    title: ClassVar[str] = "Signing in with an OpenID provider"

    def __init__(self, desk: Desk, provider: Provider, signin: SignIn, throttle: Throttle) -> None:
        self._desk, self._provider, self._signin, self._throttle = desk, provider, signin, throttle

    @get(
        "/session/oidc",
        "Go to the OpenID provider to sign in",
        scope=None,
        done=303,
        answer=str,
        media="text/plain",
        problems=(429, 502),
    )
    async def begin_provider_sign_in(self, call: Call[Onward, NoBody]) -> web.StreamResponse:
        """A redirect; a cookie binds the answer to this browser."""
        self._check_tries(call.request)
        onward = call.query.next if not call.query.next.startswith("//") else "/"
        try:
            where, secret = await self._provider.begin(onward)
        except ProviderRefused as problem:
            raise Refused(problem.status, problem.reason, problem.fix) from problem
        return web.Response(status=303, headers={"Location": where, "Set-Cookie": self._cookie(secret, _KEPT_S)})

    @get(
        "/session/oidc/callback",
        "Where the OpenID provider sends the browser back to",
        scope=None,
        answer=str,
        media="text/html",
        problems=(401, 403, 409, 429, 502, 503),
    )
    async def end_provider_sign_in(self, call: Call[Answer, NoBody]) -> web.StreamResponse:
        """A page that goes on by itself: a redirect from elsewhere would not send the new cookie."""
        self._check_tries(call.request)
        asked, request = call.query, call.request
        browser = cookie_of(request, self._name) or ""
        try:
            known = await self._provider.finish(
                state=asked.state, code=asked.code, iss=asked.iss, error=asked.error, browser=browser
            )
        except ProviderRefused as problem:
            if problem.status == 401:
                self._throttle.failed(request.remote or "", self._desk.clock.monotonic())
            await self._note(call, problem.reason)
            raise Refused(problem.status, problem.reason, problem.fix) from problem
        made = await self._signin.begin(request, await self._user(known))
        response = web.Response(text=_PAGE.format(onward=html.escape(known.onward)), content_type="text/html")
        response.headers.add("Set-Cookie", self._signin.cookie(made.secret))
        response.headers.add("Set-Cookie", self._cookie("", 0))
        return response

    async def _user(self, known: Known) -> User:
        """The user whom the provider vouches for: made at the first time, with the role of this time.

        Raises:
            Refused: 403 disabled here, 409 the name is a local user's.
            StoreUnavailable: nothing was changed.
        """
        users, now = self._desk.users, self._desk.clock.now()
        await users.fresh(now)
        user = users.of_subject(known.subject)
        try:
            if user is None:
                return (await users.create(known.name, known.role, now, by=_BY, subject=known.subject))[0]
            if user.disabled:
                raise Refused(403, f"{user.name} is disabled here", "ask an admin")
            if user.role != known.role:
                why = "the provider says so"
                user = await users.change(user, now, by=_BY, reason=why, role=known.role)
        except ConfigError as problem:
            reason = str(problem).partition("; ")[0]
            raise Refused(409, reason, "ask an admin: nobody takes a user over by being called alike") from problem
        return user

    def _check_tries(self, request: web.Request) -> None:
        wait_s = self._throttle.wait_s(request.remote or "", self._desk.clock.monotonic())
        if wait_s > 0:
            headers = {"Retry-After": str(int(wait_s) + 1)}
            raise Refused(429, "too many wrong tries", "wait, then sign in again", headers=headers)

    async def _note(self, call: Call[Answer, NoBody], reason: str) -> None:
        who = call.request.remote or ""
        entry = Entry(at=call.now, who=_BY, what="session.refused", subject=who, reason=reason)
        await self._signin.note(entry)

    @property
    def _name(self) -> str:
        return self._signin.cookie_for("oidc")

    def _cookie(self, secret: str, seconds: int) -> str:
        """Lax, because the provider's answer comes as a navigation from another site."""
        parts = [f"{self._name}={secret}", "Path=/", "HttpOnly", "SameSite=Lax", f"Max-Age={seconds}"]
        return "; ".join([*parts, *(["Secure"] if self._signin.secure else [])])
