"""What a request is answered with: the order of checks (Host, method, resource, who may see it, who may write it).

Reads are answered at once, writes when they are durable. A reading request costs two look-ups where its bytes were made
before. What a write does is the handlers'; which handler it is, is the core's table.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Role
from gridiface.errors import GridifaceError, LocalProtocolError, RemoteProtocolError, StoreUnavailable
from gridiface.logfields import about
from gridiface.northbound.sep2.handlers.files import Files, filters, fits
from gridiface.northbound.sep2.members.metering import Metering
from gridiface.northbound.sep2.served.access import Caller
from gridiface.northbound.sep2.served.depending import depends_on
from gridiface.northbound.sep2.served.nodes import Item, Listing, Node
from gridiface.northbound.sep2.served.services import Call, Services
from gridiface.northbound.sep2.wire.refusals import RefusalLog
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import (
    MethodNotAllowed,
    Reply,
    RetryLater,
    failure,
    found,
    negotiate,
    refusal,
    split_target,
)
from gridiface.protocols.sep2.lists import ListQuery, page, parse_query
from gridiface.protocols.sep2.uris import METHODS
from gridiface.protocols.xmlwire import encode
from gridiface.tracing import span

_log = logging.getLogger("gridiface.sep2")

#: Accept headers and query strings whose meaning is remembered.
_REMEMBERED = 1024
_STORE_RETRY_S = 5
#: The Host of a request that need not name one (HTTP/1.0: RFC 9112, 3.2, asks it of HTTP/1.1 alone). No host is called
#: so, and no absolute URI of this server can be made of it.
UNNAMED_HOST = "*"
_LONGEST_TARGET = 2048

Handler = Callable[[Call], Awaitable[Reply]]


class Flips(Protocol):
    """What changes by time alone: what is shown holds from `since` until `due`."""

    since: float
    due: float

    def look(self, paths: Iterable[str], now: Instant) -> None:
        """Change what is due of what is shown of the programs and event sets at these paths."""
        ...


class Requests:
    """Answers requests.

    Args:
        services: state, ports, settings.
        handlers: what carries out a write, by method and template of the resource.
        metering: makes what is below a usage point when somebody looks.
        files: the octets of files.
        flips: what changes by time; nobody reads what was true before, however late the timer is.
    """

    def __init__(
        self,
        services: Services,
        handlers: Mapping[tuple[str, str], Handler],
        metering: Metering,
        files: Files,
        flips: Sequence[Flips],
    ) -> None:
        self._s = services
        self._handlers = handlers
        self._metering = metering
        self._files = files
        self._flips = flips
        self.refusals = RefusalLog()
        self._levels: dict[str | None, None] = {}
        self._queries: dict[tuple[str, bool], ListQuery] = {}

    async def handle(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        lfdi: str,
        now: Instant,
        peer: str = "",
    ) -> Reply:
        """Answer one request; never raises.

        Args:
            method: as received.
            target: request target as received.
            headers: names in lower case.
            body: as received.
            lfdi: of the certificate, 40 upper-case hex digits; "" without one.
            now: s since 1970.
            peer: address that the request comes from.
        """
        if method in {"GET", "HEAD"}:
            return self.read(method, target, headers.get("host"), headers.get("accept"), lfdi, now)
        self._s.counts.requests += 1
        with about(LFDI=lfdi), span(f"sep2 {method}", LFDI=lfdi):
            try:
                return await self._write(method, target, headers, body, lfdi, now, peer)
            except GridifaceError as problem:
                return self._answer(problem, method, target, lfdi, now, peer)
            except Exception:
                _log.exception("%s failed", method)
                self._s.counts.failed += 1
                return failure()

    def read(self, method: str, target: str, host: str | None, accept: str | None, lfdi: str, now: Instant) -> Reply:
        """Answer a GET or HEAD; never raises. See `handle`."""
        self._s.counts.requests += 1
        try:
            body = self._body(target, host, accept, lfdi, now)
        except GridifaceError as problem:
            with about(LFDI=lfdi):
                reply = self._answer(problem, method, target, lfdi, now, "")
        except Exception:
            _log.exception("GET failed", extra={"LFDI": lfdi})
            self._s.counts.failed += 1
            reply = failure()
        else:
            reply = found(body)
        return reply.for_head() if method == "HEAD" else reply

    def file_at(self, path: str, lfdi: str) -> str | None:
        """The path of the File whose octets are at `path`; None for everything else, and for what is another's."""
        return self._files.wanted(path, self._s.doorman.caller(lfdi).viewer)

    async def octets(
        self, method: str, path: str, headers: Mapping[str, str], lfdi: str, now: Instant, peer: str
    ) -> Reply:
        """The octets of a File, or the part that a Range asks for; of a HEAD its headers."""
        try:
            if not headers.get("host"):
                raise RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT)
            file = self.file_at(path, lfdi)
            if file is None:
                raise RemoteProtocolError("no such resource", answer=404)
            if method == "HEAD":
                return await self._files.describe(file)
            return await self._files.read(file, headers.get("range"), headers.get("if-range"))
        except GridifaceError as problem:
            return self._answer(problem, method, path, lfdi, now, peer)

    def _body(self, target: str, host: str | None, accept: str | None, lfdi: str, now: Instant) -> bytes:
        if not host:
            raise RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT)
        path, query = _split(target)
        caller = self._s.doorman.caller(lfdi)
        for each in self._flips:
            if not each.since <= now < each.due:
                each.look(depends_on(self._s.state, path, caller.viewer), now)
        node = self._visible(path, caller)
        if accept not in self._levels:
            self._remember_accept(accept)
        if isinstance(node, Listing):
            return self._page(node, query, caller)
        if node.obj is None and node.live is None:
            raise RemoteProtocolError("nothing is here yet", answer=404)
        return self._s.tree.document(node, caller.viewer, now)

    def _remember_accept(self, accept: str | None) -> None:
        negotiate(accept)
        if len(self._levels) >= _REMEMBERED:
            self._levels.clear()
        self._levels[accept] = None

    def _page(self, owner: Listing, query: str, caller: Caller) -> bytes:
        most, time = self._s.settings.limits.page, owner.kind.time
        wanted = self._queries.get((query, time is not None))
        if wanted is None:
            if len(self._queries) >= _REMEMBERED:
                self._queries.clear()
            wanted = self._queries[query, time is not None] = parse_query(query, timed=time is not None)
        count = owner.count(owner.view_of(caller.viewer))
        key = (min(wanted.start, count), min(wanted.limit, most, count), wanted.after if time is not None else None)

        if owner.path == "/file" and query and filters(query):
            return self._matching(owner, query, caller)

        def choose(members: Sequence[Item]) -> Sequence[Item]:
            when: Any = None if time is None else lambda item: time(item.obj)
            return page(members, wanted, when, most).items

        return self._s.tree.page(owner, caller.viewer, key, choose)

    def _matching(self, owner: Listing, query: str, caller: Caller) -> bytes:
        """The files that fit a device: the query of this list may name attributes of them."""
        wanted, tree = parse_query(query, timed=False), self._s.tree
        fitting = [item for item in owner.members(owner.view_of(caller.viewer)) if fits(item.obj, query)]
        chosen = page(fitting, wanted, None, self._s.settings.limits.page)
        shown: Any = tree.list_object(owner, caller.viewer, 0)
        shown.all, shown.results = chosen.all, chosen.results
        shown.members = [tree.complete(item, caller.viewer) for item in chosen.items]
        return encode(shown)

    def _visible(self, path: str, caller: Caller) -> Node:
        """The node at a path, if the caller may see it.

        Raises:
            RemoteProtocolError: 404 where nothing is, or where what is there is another's; 403 for those who are not
                registered.
        """
        if path.startswith("/upt/"):
            self._metering.expand(path)
        node = self._s.tree.get(path)
        if node is None and len(path) > 1 and path.endswith("/"):
            return self._visible(path.rstrip("/") or "/", caller)
        shown = node or self._files.behind(path)
        if shown is not None and not caller.viewer.may_read(shown.audience):
            if caller.role is Role.UNREGISTERED:
                raise RemoteProtocolError("not registered", answer=403)
            raise RemoteProtocolError("no such resource", answer=404)
        if node is None:
            raise RemoteProtocolError("no such resource", answer=404)
        return node

    async def _write(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, lfdi: str, now: Instant, peer: str
    ) -> Reply:
        if not headers.get("host"):
            raise RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT)
        if method not in METHODS:
            raise RemoteProtocolError("unknown method", answer=501, detail=ErrorReason.INVALID_FORMAT)
        path, _ = _split(target)
        caller = self._s.doorman.caller(lfdi)
        if self._files.wanted(path, caller.viewer) is not None:
            raise MethodNotAllowed(frozenset({"GET", "HEAD"}))
        node = self._left_behind(method, path, caller) or self._visible(path, caller)
        offered = self.methods(node)
        if method not in offered:
            raise MethodNotAllowed(offered)
        _check_conditions(method, headers, node)
        if len(body) > self._s.settings.limits.body_bytes:
            raise RemoteProtocolError("the body is too large", answer=413, detail=ErrorReason.RESOURCE_LIMIT)
        handler = self._handlers[method, node.kind.template]
        reply = await handler(Call(method, node, caller, dict(headers), body, now, peer))
        self._s.counts.written += 1
        return reply

    def _left_behind(self, method: str, path: str, caller: Caller) -> Node | None:
        """Where a device answers events of what it has left; it reads nothing there."""
        numbers = self._s.state.leavers.of(path) if method == "POST" and caller.viewer.registered else ()
        records = (self._s.state.end_devices.get(number) for number in numbers)
        if any(record is not None and caller.speaks_for(record) for record in records):
            return self._s.tree.get(path)
        return None

    def methods(self, node: Node) -> frozenset[str]:
        """What a node takes; in-band registration can be switched off."""
        offered = frozenset(node.kind.methods)
        if node.path == "/edev" and not self._s.settings.in_band_registration:
            return offered - {"POST"}
        return offered

    def _answer(self, problem: GridifaceError, method: str, target: str, lfdi: str, now: Instant, peer: str) -> Reply:
        if isinstance(problem, RemoteProtocolError):
            self._s.counts.refused += 1
            self.refusals.note(method, target, problem.answer, problem.reason, lfdi=lfdi, peer=peer, now=now)
            return refusal(problem)
        if isinstance(problem, StoreUnavailable):
            _log.warning("answered 503: %s", problem)
            return refusal(RetryLater("the store cannot write", _STORE_RETRY_S))
        self._s.counts.failed += 1
        kind_of_problem = "we broke a rule" if isinstance(problem, LocalProtocolError) else "failed"
        _log.error("%s: %s", kind_of_problem, problem, exc_info=problem)
        return failure()

    async def act(self, call: Call) -> Reply:
        """What the table's handler makes of a call that is past the doors; for the operator.

        Raises:
            MethodNotAllowed: 405, with the methods that the resource has.
            RemoteProtocolError: as a utility would be answered.
            StoreUnavailable: nothing was changed.
        """
        if call.method not in call.node.kind.methods:
            raise MethodNotAllowed(frozenset(call.node.kind.methods))
        reply = await self._handlers[call.method, call.node.kind.template](call)
        self._s.counts.written += 1
        return reply


def _check_conditions(method: str, headers: Mapping[str, str], node: Node) -> None:
    """What a write hangs on (RFC 9110, 13.1): no resource has an entity tag here, so that none can be the one named.

    Raises:
        RemoteProtocolError: 412.
    """
    there = isinstance(node, Listing) or node.obj is not None or node.live is not None
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and not (wanted.strip() == "*" and there):
        raise RemoteProtocolError("If-Match names no state of this resource", answer=412)
    if unwanted is not None and unwanted.strip() == "*" and there and method == "PUT":
        raise RemoteProtocolError("If-None-Match: something is here", answer=412)


def _split(target: str) -> tuple[str, str]:
    if len(target) > _LONGEST_TARGET:
        raise RemoteProtocolError("the request target is too long", answer=414, detail=ErrorReason.RESOURCE_LIMIT)
    return split_target(target)
