"""HTTP on both ends of IEEE 2030.5, without I/O: requests checked and read, replies built, as plain values.

Owns the rules of the WADL and of HTTP's use: methods, Host, media types and levels, bodies per resource and method,
status codes, Allow, Location, Error bodies. Does not own sockets, TLS, identity or what a resource holds.

A server calls, in this order: `route` (400, 404, 405, 501), then its own access rules (403), then `negotiate` for GET
and HEAD (406) or `read_body` for PUT and POST (400, 413, 415). Each raises RemoteProtocolError; `refusal` makes the
reply of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import urlsplit

from gridiface.deadlines import pause_asked
from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.resources import ELEMENTS, Error, MirrorMeterReading, MirrorMeterReadingList
from gridiface.protocols.sep2.uris import METHODS, ROUTES, Match, ResourceRow, Routes
from gridiface.protocols.xmlwire import DEFAULT_LIMITS, Limits, WireObject, advised_problems, decode, encode

#: Longest that Retry-After makes a client wait, s.
_LONGEST_WAIT_S = 86_400.0

SEP_XML = "application/sep+xml"
LEVELS = ("-S1", "+S1", "-S0", "+S0")
"""Schema level 1, plain and with extension content allowed; level 0 is the same of the 2013 edition."""

_LONGEST_RETRY = 0xFFFF
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Percent-encoded letters, digits, "-", ".", "_" and "~", which need not be encoded anywhere (RFC 3986 2.3).
_UNRESERVED = re.compile(r"%(2[DEde]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
# What an Error body says where the raiser gave no reason of its own.
_REASONS = {
    403: ErrorReason.INVALID_VALUES,
    404: ErrorReason.INVALID_VALUES,
    409: ErrorReason.INVALID_VALUES,
    413: ErrorReason.RESOURCE_LIMIT,
    429: ErrorReason.TOO_FREQUENT,
    503: ErrorReason.RESOURCE_LIMIT,
}
# Bodies that are not the row's own resource (PUT) or its member (POST).
_POST_BODIES: dict[str, tuple[type[WireObject], ...]] = {
    "MirrorUsagePoint": (MirrorMeterReading, MirrorMeterReadingList),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came or is to be sent; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came or is to be sent; header names are written as they go out."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    def retry_after(self) -> float | None:
        """Seconds until the server wants to hear from us again; None: it does not say.

        A number, or a date, which is held against the server's own (RFC 9110, 10.2.3).
        """
        return pause_asked(self.header("retry-after") or "", self.header("date") or "", _LONGEST_WAIT_S)

    def for_head(self) -> Reply:
        """The same headers, no body."""
        return replace(self, body=b"")


class MethodNotAllowed(RemoteProtocolError):
    """The resource does not take this method; `allow` names those it takes."""

    def __init__(self, allow: frozenset[str]) -> None:
        super().__init__("method not allowed", answer=405, detail=ErrorReason.INVALID_FORMAT)
        self.allow = allow


class RetryLater(RemoteProtocolError):
    """The peer is to come back later: `retry_after` in s."""

    def __init__(self, reason: str, retry_after: int, *, answer: int = 503, detail: int | None = None) -> None:
        super().__init__(reason, answer=answer, detail=detail)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Routed:
    """A request whose resource and method are known to be served.

    Attributes:
        match: the row of the resource table and the ids in the path.
        method: one of METHODS.
        path: absolute path without query; query: the raw query string.
    """

    match: Match
    method: str
    path: str
    query: str


def mandatory_methods(row: ResourceRow) -> frozenset[str]:
    """The least a server must offer."""
    return row.mandatory()


def route(
    request: Request,
    routes: Routes = ROUTES,
    offered: Callable[[ResourceRow], frozenset[str]] = mandatory_methods,
) -> Routed:
    """Find the resource and check the method.

    Args:
        request: the request.
        routes: the resource table to look in.
        offered: which methods this server takes on a resource; HEAD comes with GET.

    Raises:
        RemoteProtocolError: 400 without Host, 501 for a method that HTTP here does not know, 404 for an unknown path.
        MethodNotAllowed: 405.
    """
    if not request.headers.get("host"):
        raise RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT)
    if request.method not in METHODS:
        raise RemoteProtocolError("unknown method", answer=501, detail=ErrorReason.INVALID_FORMAT)
    path, query = split_target(request.target)
    match = routes.match(path)
    if match is None:
        raise RemoteProtocolError("no such resource", answer=404, detail=ErrorReason.INVALID_VALUES)
    methods = offered(match.row)
    if "GET" in methods:
        methods |= {"HEAD"}
    if request.method not in methods:
        raise MethodNotAllowed(methods)
    return Routed(match, request.method, path, query)


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request target in origin or absolute form; the path in its normal form.

    Raises:
        RemoteProtocolError: 400 when it is neither, or where a percent sign has no two digits behind it.
    """
    if target.startswith("/"):
        path, _, query = target.partition("#")[0].partition("?")
        return _normal(path), query
    try:
        parts = urlsplit(target)
    except ValueError:
        raise RemoteProtocolError("malformed request target", detail=ErrorReason.INVALID_FORMAT) from None
    if parts.scheme not in {"http", "https"}:
        raise RemoteProtocolError("malformed request target", detail=ErrorReason.INVALID_FORMAT)
    return _normal(parts.path) or "/", parts.query


def _normal(path: str) -> str:
    """A path whose unreserved characters stand for themselves: "/%64cap" is "/dcap" (RFC 3986 6.2.2.2)."""
    if "%" not in path:
        return path
    if _BAD_PERCENT.search(path):
        raise RemoteProtocolError("malformed percent-encoding", detail=ErrorReason.INVALID_FORMAT)
    return _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), path)


def negotiate(accept: str | None) -> str | None:
    """The schema level that the client prefers, one of `LEVELS`, or None where it does not say.

    A client without Accept takes anything. EXI is not served.

    Raises:
        RemoteProtocolError: 406 when nothing that we serve is acceptable.
    """
    if accept is None or not accept.strip():
        return None
    exact: list[tuple[float, str | None]] = []
    wild: dict[bool, float] = {}
    for part in accept.split(","):
        media, parameters = _media_type(part)
        quality = _quality(parameters.get("q", "1"))
        if quality is None:
            continue
        level = parameters.get("level")
        if media == SEP_XML and (level is None or level.upper() in LEVELS):
            exact.append((quality, level and level.upper()))
        elif media in {"*/*", "application/*", "*"}:  # the last is what old Java clients write by themselves
            wider = media != "application/*"
            wild[wider] = max(quality, wild.get(wider, 0.0))
    best = max(exact, key=lambda item: item[0], default=None)
    if best is not None and best[0] > 0:
        return best[1]
    # The narrowest range that fits decides: what the client rules out by name is not let in by a wildcard.
    if best is None and wild.get(False, wild.get(True, 0.0)) > 0:
        return None
    raise RemoteProtocolError("nothing acceptable", answer=406, detail=ErrorReason.INVALID_FORMAT)


def check_content_type(content_type: str | None) -> None:
    """Check what a request's body claims to be.

    Raises:
        RemoteProtocolError: 415 when it is not application/sep+xml in UTF-8 of a known schema level.
    """
    media, parameters = _media_type(content_type or "")
    level = parameters.get("level", LEVELS[0]).upper()
    charset = parameters.get("charset", "utf-8").lower()
    if media != SEP_XML or level not in LEVELS or charset not in {"utf-8", "us-ascii"}:
        raise RemoteProtocolError(f"body must be {SEP_XML}", answer=415, detail=ErrorReason.INVALID_FORMAT)


def check_content(headers: Mapping[str, str]) -> None:
    """Check what a request's headers (names in lower case) say of its body.

    Raises:
        RemoteProtocolError: 415 when it is not as `check_content_type` wants it, or is compressed.
    """
    check_content_type(headers.get("content-type"))
    if headers.get("content-encoding", "identity").strip().lower() not in {"identity", ""}:
        raise RemoteProtocolError("body must not be encoded", answer=415, detail=ErrorReason.INVALID_FORMAT)


def body_types(row: ResourceRow, method: str) -> tuple[type[WireObject], ...]:
    """The types that a PUT or POST to `row` may carry; empty where there is none."""
    if method == "PUT":
        return (ELEMENTS[row.resource],)
    if method == "POST":
        return _POST_BODIES.get(row.resource) or ((ELEMENTS[row.member],) if row.member else ())
    return ()


def read_body(request: Request, routed: Routed, limits: Limits = DEFAULT_LIMITS) -> WireObject:
    """The typed body of a PUT or POST; a subtype is accepted where its base is expected.

    Raises:
        RemoteProtocolError: 415 for another type; 413 above a cap; 400 with reason 0 for a malformed body, 1 for values
            outside their range, be it the schema's or only the standard's text's.
    """
    check_content(request.headers)
    expected = body_types(routed.match.row, routed.method)
    if not expected:
        raise RemoteProtocolError("no body is expected here", detail=ErrorReason.INVALID_FORMAT)
    body = decode(request.body, expected, limits)
    problem = next(advised_problems(body), None)
    if problem is not None:
        raise RemoteProtocolError(problem, detail=ErrorReason.INVALID_VALUES)
    return body


def found(body: bytes) -> Reply:
    """200 with an encoded resource."""
    return Reply(HTTPStatus.OK, {"Content-Type": SEP_XML, "Content-Length": str(len(body))}, body)


def created(location: str) -> Reply:
    """201: something new is at `location`."""
    return Reply(HTTPStatus.CREATED, {"Location": location, "Content-Length": "0"})


def changed(location: str | None = None) -> Reply:
    """204: written or deleted; with `location` where a POST replaced what is there."""
    return Reply(HTTPStatus.NO_CONTENT, {} if location is None else {"Location": location})


def moved(location: str) -> Reply:
    """301 to another URI."""
    return Reply(HTTPStatus.MOVED_PERMANENTLY, {"Location": location, "Content-Length": "0"})


def refusal(error: RemoteProtocolError) -> Reply:
    """The reply to a request that broke a rule: its status, an Error body, Allow or Retry-After."""
    reason = error.detail if error.detail is not None else _REASONS.get(error.answer, ErrorReason.INVALID_FORMAT)
    retry = error.retry_after if isinstance(error, RetryLater) else None
    body = encode(
        Error(reasonCode=int(reason), maxRetryDuration=None if retry is None else min(max(retry, 0), _LONGEST_RETRY))
    )
    headers = {"Content-Type": SEP_XML, "Content-Length": str(len(body))}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(method for method in METHODS if method in error.allow)
    if retry is not None:
        headers["Retry-After"] = str(max(retry, 0))
    return Reply(error.answer, headers, body)


def failure() -> Reply:
    """500, when it is our fault; says nothing of why."""
    body = encode(Error(reasonCode=ErrorReason.INVALID_FORMAT))
    return Reply(HTTPStatus.INTERNAL_SERVER_ERROR, {"Content-Type": SEP_XML, "Content-Length": str(len(body))}, body)


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    parameters: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
    return media.strip().lower(), parameters


def _quality(text: str) -> float | None:
    whole, _, fraction = text.strip().partition(".")
    if not whole and fraction:
        whole = "0"  # ".2", as old Java clients write it
    if whole not in {"0", "1"} or not (fraction == "" or (fraction.isascii() and fraction.isdigit())):
        return None
    return min(float(f"{whole}.{fraction[:3] or '0'}"), 1.0)
