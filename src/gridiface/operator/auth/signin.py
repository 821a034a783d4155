"""Signing in: a name and a password, or a ticket, become a session and its cookie. Bounded per address and per user.

An unknown user, a wrong password, a disabled user and one without a password are answered alike, after the same work.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from gridiface.domain.clock import Clock
from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.operator.auth.access import AccessRules, Caller, cookie_of
from gridiface.operator.auth.sessions import SessionBook
from gridiface.operator.auth.throttle import Throttle
from gridiface.operator.auth.users import User, UserBook
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry

_WRONG = "the name or the password is wrong"
_FIX = "try again; an admin can make a ticket for a new password (`gridiface user invite NAME`)"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun; `secret` goes into the cookie and nowhere else."""

    user: User
    secret: str


class SignIn:
    """The use cases of one listener.

    Args:
        users, sessions: whose sessions.
        clock: wall clock and monotonic.
        rules: name and flags of the cookie.
        by_address: failed tries by address, shared with wrong tokens.
    """

    def __init__(
        self, users: UserBook, sessions: SessionBook, clock: Clock, rules: AccessRules, by_address: Throttle
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._clock = clock
        self._rules = rules
        self._by_address = by_address
        self._by_user = Throttle(free=10, forgiven_s=30.0)

    async def by_password(self, request: web.Request, name: str, password: str) -> SignedIn:
        """Sign in with a name and a password.

        Raises:
            Refused: 401 wrong, 429 too many tries, 503 too many at once.
            StoreUnavailable: no session was begun.
        """
        address, tried, key = request.remote or "", self._clock.monotonic(), name[:128].casefold()
        self._check_tries(address, key, tried)
        await self._users.fresh(self._clock.now())
        user = self._users.find(name)
        usable = user is not None and not user.disabled and bool(user.digest)
        right = await self._users.hashing.same(user.digest if user is not None and usable else None, password)
        if user is None or not right:
            self._by_address.failed(address, tried)
            self._by_user.failed(key, tried)
            what = Entry(at=self._clock.now(), who=_known(user, name), what="session.refused", subject=address)
            await self.note(what)
            raise Refused(401, _WRONG, _FIX)
        self._by_user.succeeded(key)
        await self._users.renew_digest(user, password)
        return await self.begin(request, user)

    async def by_ticket(self, request: web.Request, ticket: str, password: str) -> SignedIn:
        """Choose a password with a ticket, and sign in.

        Raises:
            Refused: 401 the ticket is not good, 422 the password is not good, 429, 503.
            StoreUnavailable: nothing was changed.
        """
        address, tried = request.remote or "", self._clock.monotonic()
        self._check_tries(address, "", tried)
        try:
            user = await self._users.redeem(ticket, password, self._clock.now())
        except ConfigError as error:
            reason, _, fix = str(error).partition("; ")
            if "ticket" in reason:
                self._by_address.failed(address, tried)
            raise Refused(401 if "ticket" in reason else 422, reason, fix) from error
        return await self.begin(request, user)

    async def change_password(self, request: web.Request, user: User, old: str, new: str) -> SignedIn:
        """Set another password; all sessions are over, a new one begins.

        Raises:
            Refused: 401 the old one is wrong, 422 the new one is not good, 429, 503.
            StoreUnavailable: nothing was changed.
        """
        address, tried, key = request.remote or "", self._clock.monotonic(), user.name.casefold()
        self._check_tries(address, key, tried)
        try:
            changed = await self._users.change_password(user, old, new, self._clock.now())
        except ConfigError as error:
            reason, _, fix = str(error).partition("; ")
            wrong = "old" in reason
            if wrong:
                self._by_user.failed(key, tried)
            raise Refused(401 if wrong else 422, reason, fix) from error
        return await self.begin(request, changed)

    async def begin(self, request: web.Request, user: User) -> SignedIn:
        """Begin a session of somebody who is known; the one that this browser had is over.

        Raises:
            StoreUnavailable: none was begun.
        """
        now = self._clock.now()
        old = cookie_of(request, self._rules.cookie)
        found = None if old is None else await self._sessions.verify(old, now)
        if found is not None:
            said = Entry(at=now, who=found[1].name, what="session.end", subject=found[1].name, reason="signed in again")
            await self._sessions.end(found[0].id, said)
        entry = Entry(at=now, who=user.name, what="session.begin", subject=user.name, after={"from": request.remote})
        agent = request.headers.get("User-Agent", "")
        secret = await self._sessions.begin(user, now, address=request.remote or "", agent=agent, along=entry)
        return SignedIn(user, secret)

    async def end(self, caller: Caller) -> None:
        """Sign out.

        Raises:
            StoreUnavailable: the session goes on.
        """
        if caller.session is not None:
            now = self._clock.now()
            said = Entry(at=now, who=caller.name, what="session.end", subject=caller.name)
            await self._sessions.end(caller.session.id, said)

    def secret_of(self, request: web.Request) -> str | None:
        """The secret of the request's cookie, or None."""
        return cookie_of(request, self._rules.cookie)

    def cookie(self, secret: str) -> str:
        """The Set-Cookie header that begins a session; no secret: that ends it."""
        parts = [f"{self._rules.cookie}={secret}", "Path=/", "HttpOnly", "SameSite=Strict"]
        parts += ["Secure"] if self._rules.secure else []
        parts += [] if secret else ["Max-Age=0"]
        return "; ".join(parts)

    def _check_tries(self, address: str, key: str, tried: float) -> None:
        wait_s = max(self._by_address.wait_s(address, tried), self._by_user.wait_s(key, tried) if key else 0.0)
        if wait_s > 0:
            headers = {"Retry-After": str(int(wait_s) + 1)}
            raise Refused(429, "too many wrong tries", "wait, then use the right password", headers=headers)

    def cookie_for(self, purpose: str) -> str:
        """See AccessRules.cookie_for."""
        return self._rules.cookie_for(purpose)

    @property
    def secure(self) -> bool:
        """Whether cookies are for HTTPS only."""
        return self._rules.secure

    async def note(self, entry: Entry) -> None:
        """A refused sign-in in the audit log; a store that cannot write it must not hide that it was refused."""
        try:
            await self._users.note(entry)
        except StoreUnavailable:
            entry.log()


def _known(user: User | None, name: str) -> str:
    """Who tried: a user's name, never what was typed, which may be a password."""
    return user.name if user is not None else f"unknown user ({len(name)} characters)"
