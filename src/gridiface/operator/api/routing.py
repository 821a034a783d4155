"""How an area of the REST API declares itself: routes as decorated methods, whose annotations are the whole contract.

An area is one class in `operator/areas/`. Each handler takes a `Call[Query, Body]` and returns its answer (or a `Reply`
of it); method, path, scope and problems stand in the decorator. The listener, OpenAPI, the reference page, the access
matrix and the tests are made from these declarations and from nothing else. Owns no rule of access and no wire.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from gridiface.domain.clock import Instant
from gridiface.operator.api.bodies import MAX_BYTES, name_of
from gridiface.operator.auth.access import Caller
from gridiface.operator.problems import Refused
from gridiface.operator.schema import NoBody, NoQuery

ROOT = "/api/v1"

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)
T = TypeVar("T")
_Handler = TypeVar("_Handler", bound=Callable[..., Awaitable[Any]])

_MARK = "_route"

#: What every POST that needs a caller reads.
_KEY = ("Idempotency-Key", "1 to 128 visible ASCII characters; the same request again with it changes nothing more")


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, checked: who asks, when, with which query and body."""

    request: web.Request
    caller: Caller
    now: Instant
    query: Q
    body: B

    @property
    def id(self) -> str:
        """The `{id}` of the path; one that nothing here can have is empty."""
        return name_of(self.request)

    def part(self, name: str) -> str:
        """Another `{name}` of the path; one that nothing here can have is empty."""
        return name_of(self.request, name)

    def check_match(self, etag: str, *, required: bool = False) -> None:
        """Hold If-Match against the thing as it is now (RFC 9110 section 13.1.1, RFC 6585 section 3).

        Raises:
            Refused: 412 it has changed; 428 none is given and the operation wants one.
        """
        given = ",".join(self.request.headers.getall("If-Match", []))
        if not given and required:
            fix = "read it, then send its ETag as If-Match; `If-Match: *` replaces whatever is there"
            raise Refused(428, "this replaces a whole thing and does not say which state of it was read", fix)
        if given and etag not in {one.strip() for one in given.split(",")} and given.strip() != "*":
            raise Refused(412, "it has changed since it was read", "read it again, then send its new ETag as If-Match")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer with more than its body.

    Args:
        body: what is answered.
        status: None: the route's own.
        headers: beside those of every answer.
        etag: of what can be edited of the thing, see `etag_of`, where the answer shows live values beside it; empty: of
            the whole answer, where the route's declaration says so.
    """

    body: T
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    Args:
        name: of the handler, and the OpenAPI operationId.
        scope: what a caller needs; None: open to everybody.
        done: the status when all went well.
        problems: other statuses besides 400, 401, 403, 408, 413, 415, 421, 422, 429 and 503, which the listener answers
            where they fit.
        media: of the answer.
        headers: request headers that the operation reads: header, what it is for.
        others: further statuses that carry the same answer: status, what it means.
        area: name of its area.
        confined: the handler shows and changes only what `call.caller.groups` names; other operations are refused to
            callers that are confined to groups.
        secret: the answer shows something that must not be kept for a repetition.
        accepts: media type of the body; another than JSON is read by the handler itself (`form_of`).
        tagged: the answer is one thing that can be edited, and carries its ETag.
        match: what is edited is what this tagged operation of the same area shows: If-Match is held against its ETag
            (412), and both happen without another edit of the area between them.
        must_match: without If-Match it is not done (428).
        most_bytes: longest body that is read.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: str | None = "read"
    query: type[BaseModel] = NoQuery
    body: type[BaseModel] | None = None
    answer: Any = None
    done: int = 200
    problems: tuple[int, ...] = ()
    media: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[int, str], ...] = ()
    area: str = ""
    confined: bool = False
    accepts: str = "application/json"
    secret: bool = False
    tagged: bool = False
    match: str = ""
    must_match: bool = False
    most_bytes: int = MAX_BYTES


class Area:
    """Base of all areas. A subclass names itself and decorates its handlers; its arguments are its own business."""

    #: Short name, and the title of its part of the reference page.
    name: ClassVar[str]
    title: ClassVar[str]

    #: `module:class` of the pages that show it, where only servers with this area have them; loaded when it is mounted.
    screens: ClassVar[str] = ""

    @classmethod
    def routes(cls) -> tuple[Route, ...]:
        """The operations in the order in which they are written."""
        own = [value for value in vars(cls).values() if hasattr(value, _MARK)]
        return tuple(_route(handler, cls.name) for handler in own)


def _declared(method: str, path: str, summary: str, **more: Any) -> Callable[[_Handler], _Handler]:
    def mark(handler: _Handler) -> _Handler:
        root = more.pop("root", ROOT)
        setattr(handler, _MARK, {"method": method, "path": root + path, "summary": summary, **more})
        return handler

    return mark


def get(path: str, summary: str, **more: Any) -> Callable[[_Handler], _Handler]:
    """An operation that changes nothing; `more` are fields of Route."""
    return _declared("GET", path, summary, **more)


def post(path: str, summary: str, **more: Any) -> Callable[[_Handler], _Handler]:
    """An operation that makes or does something."""
    return _declared("POST", path, summary, **more)


def put(path: str, summary: str, **more: Any) -> Callable[[_Handler], _Handler]:
    """An operation that replaces something as a whole."""
    return _declared("PUT", path, summary, **more)


def patch(path: str, summary: str, **more: Any) -> Callable[[_Handler], _Handler]:
    """An operation that changes the fields it names."""
    return _declared("PATCH", path, summary, **more)


def delete(path: str, summary: str, **more: Any) -> Callable[[_Handler], _Handler]:
    """An operation that takes something away."""
    return _declared("DELETE", path, summary, **more)


@cache
def _route(handler: Callable[..., Any], area: str) -> Route:
    """The declaration of a handler: its decorator's words and its annotations' types."""
    hints = get_type_hints(handler)
    query, body = get_args(hints["call"])
    answer = hints["return"]
    if get_origin(answer) is Reply:
        (answer,) = get_args(answer)
    told = dict(getattr(handler, _MARK))
    if told["method"] == "POST" and told.get("scope", "read") is not None:
        told["headers"] = (*told.get("headers", ()), _KEY)
        told["problems"] = tuple(dict.fromkeys((*told.get("problems", ()), 409, 422)))
    if told.get("match"):
        told["problems"] = (*told.get("problems", ()), 412, *((428,) if told.get("must_match") else ()))
        words = "ETag of what was read; another is 412" + (", none is 428" if told.get("must_match") else "")
        told["headers"] = (*told.get("headers", ()), ("If-Match", words))
    if told.get("tagged"):
        told["headers"] = (
            *told.get("headers", ()),
            ("If-None-Match", "ETag of what is known: 304 where it is so still"),
        )
    return Route(
        **{
            "name": handler.__name__,
            "query": query,
            "body": None if body is NoBody else body,
            "answer": answer,
            "area": area,
            **told,
        }
    )


def etag_of(thing: object) -> str:
    """A strong entity tag: the same for what is the same as JSON."""
    text = json.dumps(thing, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def unknown(kind: str, name: str, fix: str) -> Refused:
    """404 for a thing that is not there."""
    return Refused(404, f"no such {kind}: {name[:128]!r}", fix)
