"""Who may ask what: host and origin checks, tokens, scopes. One middleware before every handler.

Owns the rules, not the routes: each route says what scope it needs. No cookie is ever read, so a browser page of
another site has nothing to ride on; a request to change something that comes from a page is refused all the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from gridiface.domain.clock import Clock
from gridiface.operator.problems import Refused
from gridiface.operator.throttle import Throttle
from gridiface.operator.tokens import Token, TokenBook

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SAFE = frozenset({"GET", "HEAD"})
#: What needs no token where reading is open.
_READING = frozenset({"read", "stream"})

_BEARER = 'Bearer realm="gridiface"'
_MAKE_ONE = (
    "send Authorization: Bearer TOKEN; `gridiface token create --config FILE NAME` makes the first one while the "
    "server is stopped, POST /api/v1/tokens makes more"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a token's name, or nobody in particular where reading is open."""

    name: str
    token: Token | None = None


#: Where the middleware leaves the caller for handlers.
CALLER = web.RequestKey("caller", Caller)


class Access:
    """The rules of one listener.

    Args:
        book: the tokens.
        clock: wall clock for expiry, monotonic for the throttle.
        hosts: names, besides IP addresses and localhost, by which browsers may reach this listener.
        open_reads: whether reading needs no token.
    """

    def __init__(self, book: TokenBook, clock: Clock, *, hosts: tuple[str, ...], open_reads: bool) -> None:
        self._book = book
        self._clock = clock
        self._hosts = frozenset(name.lower() for name in hosts) | {"localhost"}
        self._open_reads = open_reads
        self._throttle = Throttle()
        self._scopes: dict[tuple[str, str], str | None] = {}

    def route(self, method: str, path: str, scope: str | None) -> None:
        """Say what scope a route needs; None: it is open to everybody. A route not told of is for nobody."""
        self._scopes[method, path] = scope

    async def check(self, request: web.Request) -> None:
        """Let the request pass and note its caller.

        Raises:
            Refused: 400, 401, 403, 421 or 429.
            StoreUnavailable: tokens cannot be read.
        """
        self._check_host(request)
        self._check_origin(request)
        resource = request.match_info.route.resource
        if request.match_info.http_exception is not None or resource is None:
            return
        method = "GET" if request.method == "HEAD" else request.method
        # A route that was not declared needs what nobody has.
        scope = self._scopes.get((method, resource.canonical), "undeclared")
        given = request.headers.get("Authorization")
        if scope is None or (given is None and scope in _READING and self._open_reads):
            request[CALLER] = Caller("")
            return
        token = await self._token(request, given)
        if not token.allows(scope):
            headers = {"WWW-Authenticate": f'{_BEARER}, error="insufficient_scope", scope="{scope}"'}
            text = f"the token {token.name!r} lacks the scope {scope}"
            raise Refused(403, text, f"use a token with the scope {scope}", headers=headers)
        request[CALLER] = Caller(token.name, token)

    async def _token(self, request: web.Request, given: str | None) -> Token:
        if given is None:
            raise Refused(401, "this needs a token", _MAKE_ONE, headers={"WWW-Authenticate": _BEARER})
        address, tried = request.remote or "", self._clock.monotonic()
        wait_s = self._throttle.wait_s(address, tried)
        if wait_s > 0:
            text = f"too many wrong tokens from {address}"
            raise Refused(429, text, "wait, then use the right one", headers={"Retry-After": str(int(wait_s) + 1)})
        kind, _, text = given.partition(" ")
        token = await self._book.verify(text.strip(), self._clock.now()) if kind.lower() == "bearer" else None
        if token is None:
            self._throttle.failed(address, tried)
            headers = {"WWW-Authenticate": f'{_BEARER}, error="invalid_token"'}
            raise Refused(401, "the token is unknown, revoked or expired", _MAKE_ONE, headers=headers)
        return token

    def _check_host(self, request: web.Request) -> None:
        """Against DNS rebinding: a page reaches us under its own name only when that name points here."""
        given = request.headers.getall("Host", [])
        name = _host_name(given[0]) if len(given) == 1 else ""
        if not name:
            raise Refused(400, "the request names no host", "send one Host header")
        if name not in self._hosts and not _is_address(name):
            text = f"this server is not {name[:100]!r}"
            raise Refused(421, text, "use its IP address, or add the name to operator.hosts")

    @staticmethod
    def _check_origin(request: web.Request) -> None:
        """Against cross-site requests: nothing is changed for a browser's page, ours included."""
        if request.method in _SAFE:
            return
        site = request.headers.get("Sec-Fetch-Site", "none")
        if "Origin" in request.headers or site != "none":
            raise Refused(403, "web pages cannot change anything here", "use the command line or a program")


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
