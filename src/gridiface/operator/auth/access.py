"""Who may ask what: host and origin, who it is, scope, rate. One check before every handler.

Owns the rules, not the routes: each route says what scope it needs. A browser's cookie alone changes nothing: the
request must come from our own page and carry the session's CSRF token. Of forwarded headers nothing is believed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from gridiface.domain.clock import Clock, Instant
from gridiface.operator.auth.oauth import AccessBook, is_access_token
from gridiface.operator.auth.scopes import ROLES, allowed
from gridiface.operator.auth.sessions import Session, SessionBook, csrf_fits
from gridiface.operator.auth.throttle import Rates, Throttle
from gridiface.operator.auth.tokens import TokenBook
from gridiface.operator.auth.users import User
from gridiface.operator.problems import Refused

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SAFE = frozenset({"GET", "HEAD"})

#: What needs no token where reading is open.
_READING = frozenset({"read", "stream"})

_BEARER = 'Bearer realm="gridiface"'
_MAKE_ONE = (
    "sign in, or send Authorization: Bearer TOKEN; `gridiface token create --config FILE NAME` makes the first token "
    "while the server is stopped, POST /api/v1/tokens makes more"
)

#: The header with a session's CSRF token.
CSRF = "X-CSRF-Token"


def _always(_: Instant) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; nobody in particular where reading is open.

    Attributes:
        name: for people and the audit log.
        id: stays the same over restarts; empty: nobody in particular.
        scopes: all that is allowed, implied ones among them.
        groups: what may be seen and controlled; None: the whole fleet.
        maker: who made the token; of a user the user.
        user, session: of somebody who signed in.
        holds: whether the right still stands at an instant, for what takes long.
    """

    name: str = ""
    id: str = ""
    scopes: frozenset[str] = frozenset()
    groups: frozenset[str] | None = None
    maker: str = ""
    user: User | None = None
    session: Session | None = None
    holds: Callable[[Instant], bool] = _always

    def allows(self, scope: str) -> bool:
        """Whether it may do what needs `scope`."""
        return scope in self.scopes


#: Where the check leaves the caller for handlers.
CALLER = web.RequestKey("caller", Caller)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one operation needs: a scope (None: open to everybody), and whether it heeds the caller's groups.

    `token` reads the CSRF token out of a form, for a browser that sends the form itself: no script, no header.
    """

    scope: str | None
    confined: bool = False
    token: Callable[[web.Request], Awaitable[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """What the configuration says of access.

    Attributes:
        hosts: names, besides IP addresses and localhost, by which browsers may reach this listener.
        open_reads: whether reading needs no token.
        secure: whether cookies are for HTTPS only.
        mark: of this installation, in its cookies' names: browsers send a host's cookies to every port of it, so two
            servers on one host would sign each other's people out.
        requests_per_s, burst: of one caller.
    """

    hosts: tuple[str, ...] = ()
    open_reads: bool = False
    secure: bool = False
    mark: str = ""
    requests_per_s: float = 200.0
    burst: int = 1_000

    @property
    def cookie(self) -> str:
        """The session cookie's name; the prefix keeps other hosts of the domain from setting it."""
        return self.cookie_for()

    def cookie_for(self, purpose: str = "") -> str:
        """The name of the cookie for `purpose`; none: the session's."""
        host = ["__Host-gridiface" if self.secure else "gridiface"]
        return "-".join([*host, *filter(None, (purpose, self.mark))])


class Access:
    """The rules of one listener.

    Args:
        tokens, access_tokens, sessions: who is who.
        clock: wall clock for expiry, monotonic for bounds.
        rules: of the configuration.
    """

    def __init__(
        self,
        tokens: TokenBook,
        access_tokens: AccessBook,
        sessions: SessionBook,
        clock: Clock,
        rules: AccessRules,
        throttle: Throttle,
    ) -> None:
        self._tokens = tokens
        self._access_tokens = access_tokens
        self._sessions = sessions
        self._clock = clock
        self._rules = rules
        self._hosts = frozenset(name.lower() for name in rules.hosts) | {"localhost"}
        self._throttle = throttle
        self._rates = Rates(rules.requests_per_s, rules.burst)
        self._needs: dict[tuple[str, str], Needs] = {}

    def route(self, method: str, path: str, needs: Needs) -> None:
        """Say what an operation needs. One not told of is for nobody."""
        self._needs[method, path] = needs

    async def check(self, request: web.Request) -> None:
        """Let the request pass and note its caller.

        Raises:
            Refused: 400, 401, 403, 421 or 429.
            StoreUnavailable: tokens or sessions cannot be read.
        """
        self._check_host(request)
        _check_origin(request)
        resource = request.match_info.route.resource
        if request.match_info.http_exception is not None or resource is None:
            return
        method = "GET" if request.method == "HEAD" else request.method
        # An operation that was not declared needs what nobody has.
        needs = self._needs.get((method, resource.canonical), Needs("undeclared"))
        caller = await self._identify(request, needs)
        self._check_rate(caller.id or request.remote or "")
        if needs.scope is not None and not self._is_open(caller, needs.scope):
            _check_scope(caller, needs)
        request[CALLER] = caller

    async def reader(self, request: web.Request) -> Caller:
        """Who is shown a refusal; nobody where no session is right. A form without its token has a reader, too.

        Raises:
            StoreUnavailable: sessions cannot be read.
        """
        return await self._identify(request, Needs(None), reads=True)

    async def _identify(self, request: web.Request, needs: Needs, *, reads: bool = False) -> Caller:
        """Who asks. What is open to everybody is so for a wrong token, too: it counts as nobody."""
        scope = needs.scope
        given = request.headers.getall("Authorization", [])
        if len(given) > 1:
            raise Refused(400, "there is more than one Authorization header", "send one")
        if given and not (scope is None and not given[0].lower().startswith("bearer ")):
            try:
                return await self._bearer(request, given[0])
            except Refused:
                if scope is None:
                    return Caller()
                raise
        return await self._signed_in(request, needs, reads=reads or request.method in _SAFE) or Caller()

    def _is_open(self, caller: Caller, scope: str) -> bool:
        return self._rules.open_reads and scope in _READING and not caller.id

    def _check_rate(self, name: str) -> None:
        wait_s = self._rates.take(name, self._clock.monotonic())
        if wait_s > 0:
            fix = "send fewer, or read the event stream instead of asking again and again"
            raise Refused(429, "too many requests", fix, headers={"Retry-After": str(int(wait_s) + 1)})

    async def _bearer(self, request: web.Request, given: str) -> Caller:
        """The caller of an Authorization header.

        A right token passes beside wrong ones of its address: its 256 random bits are out of reach of any number of
        guesses (NIST SP 800-63B asks for a bound below 64), and who shares an address with the SCADA must not lock it
        out. A guess beyond the bound costs a digest and no look at the store.
        """
        address, tried = request.remote or "", self._clock.monotonic()
        wait_s = self._throttle.wait_s(address, tried)
        kind, _, text = given.partition(" ")
        caller = await self._token(text.strip(), looking=wait_s <= 0) if kind.lower() == "bearer" else None
        if caller is None and wait_s > 0:
            text = f"too many wrong tokens or passwords from {address}"
            raise Refused(429, text, "wait, then use the right one", headers={"Retry-After": str(int(wait_s) + 1)})
        if caller is None:
            self._throttle.failed(address, tried)
            headers = {"WWW-Authenticate": f'{_BEARER}, error="invalid_token"'}
            raise Refused(401, "the token is unknown, revoked or expired", _MAKE_ONE, headers=headers)
        return caller

    async def _token(self, text: str, *, looking: bool) -> Caller | None:
        now = self._clock.now()
        if is_access_token(text):
            found = await self._access_tokens.verify(text, now, looking=looking)
            if found is None:
                return None
            access, token = found
            scopes, holds = access.scopes, lambda at: self._access_tokens.holds(access, at)
        else:
            verified = await self._tokens.verify(text, now, looking=looking)
            if verified is None:
                return None
            token, scopes = verified, verified.scopes
            holds = lambda at: self._tokens.holds(verified, at)  # noqa: E731 - the other branch's has its own closure
        groups = None if token.groups is None else frozenset(token.groups)
        return Caller(token.name, token.id, allowed(scopes), groups, token.by, holds=holds)

    async def _signed_in(self, request: web.Request, needs: Needs, *, reads: bool) -> Caller | None:
        """The caller of a session cookie, or None; who does more than read shows the session's CSRF token."""
        secret = cookie_of(request, self._rules.cookie)
        found = None if secret is None else await self._sessions.verify(secret, self._clock.now())
        if secret is None or found is None:
            return None
        if not reads and not csrf_fits(secret, await _csrf_token(request, needs)):
            if needs.scope is None:
                return None
            fix = f"load the page anew and send again; programs send the `csrf` of GET /api/v1/session as {CSRF}"
            raise Refused(403, "the CSRF token is missing or not this session's", fix)
        session, user = found
        groups = None if user.groups is None else frozenset(user.groups)
        return Caller(
            user.name,
            f"user:{user.id}",
            allowed(ROLES[user.role]),
            groups,
            user.name,
            user,
            session,
            lambda at: self._sessions.holds(session, at),
        )

    def _check_host(self, request: web.Request) -> None:
        """Against DNS rebinding: a page reaches us under its own name only when that name points here."""
        given = request.headers.getall("Host", [])
        name = _host_name(given[0]) if len(given) == 1 else ""
        if not name:
            raise Refused(400, "the request names no host", "send one Host header")
        if name not in self._hosts and not _is_address(name):
            text = f"this server is not {name[:100]!r}"
            raise Refused(421, text, "use its IP address, or add the name to operator.hosts")


def _check_scope(caller: Caller, needs: Needs) -> None:
    scope = needs.scope or ""
    if not caller.id:
        raise Refused(401, "this needs a token or a signed-in user", _MAKE_ONE, headers={"WWW-Authenticate": _BEARER})
    if not caller.allows(scope):
        headers = {"WWW-Authenticate": f'{_BEARER}, error="insufficient_scope", scope="{scope}"'}
        text = f"{caller.name!r} may not do this: it needs the scope {scope}"
        roles = [role for role, own in ROLES.items() if scope in allowed(own)]
        named = roles[0] if len(roles) == 1 else f"{', '.join(roles[:-1])} or {roles[-1]}"
        fix = f"sign in as a user with the role {named}, or use a token with that scope"
        raise Refused(403, text, fix, headers=headers)
    if caller.groups is not None and not needs.confined:
        text = f"{caller.name!r} is confined to groups, and this is about the whole fleet"
        raise Refused(403, text, "use a token or user without groups")


def _check_origin(request: web.Request) -> None:
    """Against cross-site requests: only our own pages, and programs, may change anything."""
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site", "none")
    origins = request.headers.getall("Origin", [])
    same = not origins or (len(origins) == 1 and _authority(origins[0]) == request.headers.get("Host", "").lower())
    if site not in {"none", "same-origin"} or not same:
        raise Refused(403, "pages of other sites cannot change anything here", "use this server's own pages")


async def _csrf_token(request: web.Request, needs: Needs) -> str:
    """The CSRF token that came: by the header, or inside a page's form."""
    given = request.headers.get(CSRF)
    if given is None and needs.token is not None:
        return await needs.token(request)
    return given or ""


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def cookie_of(request: web.Request, name: str) -> str | None:
    """The value of a cookie that is there exactly once: two of one name may come from two places."""
    pairs = (pair.strip() for header in request.headers.getall("Cookie", []) for pair in header.split(";"))
    values = [pair.partition("=")[2] for pair in pairs if pair.partition("=")[0] == name]
    return values[0] if len(values) == 1 else None


def _host_name(given: str) -> str:
    """The name of a Host header without its port, lower case."""
    if given.startswith("["):
        return given.partition("]")[0].removeprefix("[").lower()
    return given.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a listening address is this machine's own only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
