"""The API table: a device's requests, and which value of which answer is which point.

Owned here: requests, placeholders and the rules on them. What points mean and how they are written is
`gridiface_southbound.points.table`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from gridiface.wording import worded
from gridiface_southbound.points import table as points
from gridiface_southbound.points.problems import Wrong
from gridiface_southbound.points.scalar import ScalarPoint
from gridiface_southbound.points.template import MAX_DEPTH, Scalar, Success, depth, names_in


class Pages(points.Part):
    """How a list that comes in pages goes on."""

    items: str = Field(
        "",
        pattern=worded(r"^(/.*)?$", "empty or a JSON Pointer, which begins with /"),
        description="The list, JSON Pointer (RFC 6901); empty: the whole answer.",
    )
    next: str | None = Field(
        None,
        pattern=worded(r"^/.*$", "a JSON Pointer, which begins with /"),
        description="What leads to the next page; nothing there: the last.",
    )
    query: str | None = Field(None, min_length=1, description="The query that takes `next`; none: it is a path or URL.")
    number: str | None = Field(None, min_length=1, description="Instead: the query that takes the page's number.")
    first: int = Field(1, ge=0, le=1, description="The first page's number.")
    offset: str | None = Field(None, min_length=1, description="Instead: the query that takes how many entries came.")
    most: int = Field(20, ge=1, le=1000, description="More pages are refused.")

    @model_validator(mode="after")
    def _one_way(self) -> Pages:
        ways = [name for name in ("next", "number", "offset") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError("pages go on by one of next, number and offset")
        if self.query is not None and self.next is None:
            raise ValueError("query belongs to next")
        return self


class Request(points.Part):
    """One request; `{name}` in it is a point that is written, or a parameter."""

    name: str = Field(pattern=worded(r"^[a-z][a-z0-9_]{0,63}$", "1 to 64 small letters, digits and _, a letter first"))
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str = Field(
        pattern=worded(r"^/[^?#\s]*$", "a path that begins with /, without blanks, query and fragment"),
        description="From the base URL; without a query.",
    )
    query: dict[str, str] = Field(default_factory=dict, max_length=64)
    headers: dict[str, str] = Field(default_factory=dict, max_length=32)
    body: Any = Field(None, description="JSON; a text that is nothing but a placeholder becomes the value itself.")
    form: dict[str, str] = Field(default_factory=dict, max_length=64, description="Sent as a form, instead of a body.")
    text: str | None = Field(None, description="Sent as plain text, instead of a body.")
    answer: Literal["json", "text", "none"] = "json"
    success: Success | None = None
    pages: Pages | None = Field(None, description="Of a list that comes in pages; it is read to its end.")
    busy_status: tuple[int, ...] = Field((), description="Further status codes that mean: try again later.")

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        given = [name for name in ("body", "form", "text") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: a request has one of them")
        if given and self.method in ("GET", "DELETE"):
            raise ValueError(f"{self.method} has no {given[0]}")
        if self.success is not None and self.answer != "json":
            raise ValueError("success looks into an answer of JSON")
        if self.pages is not None and (self.answer != "json" or self.method != "GET"):
            raise ValueError("pages are read with GET, and are JSON")
        if depth(self.body) > MAX_DEPTH:
            raise ValueError(f"body is nested deeper than {MAX_DEPTH}")
        return self

    @cached_property
    def names(self) -> frozenset[str]:
        """The points and parameters that it carries."""
        return frozenset(names_in([self.path, self.query, self.headers, self.body, self.form, self.text]))


class WriteRule(points.WriteRule):
    """How a point is written."""

    request: str = Field(description="The request that carries it; points with the same one go out together.")


class Point(ScalarPoint):
    """One value of the device."""

    request: str | None = Field(None, description="The request whose answer shows it; none: it is written only.")
    pointer: str = Field(
        "",
        pattern=worded(r"^(/.*)?$", "empty or a JSON Pointer, which begins with /"),
        description="JSON Pointer (RFC 6901), [key=value] picks from a list; empty: the whole answer.",
    )
    write: WriteRule | None = None

    @property
    def place(self) -> str:
        """As `Point.place`."""
        return f"{self.request or ''} {self.pointer}".strip()


class ApiTable(points.Table[Point]):
    """A whole device."""

    parameters: dict[str, Scalar] = Field(default_factory=dict, max_length=64)
    requests: tuple[Request, ...] = Field(min_length=1, max_length=64)

    @cached_property
    def request_by_name(self) -> dict[str, Request]:
        """The requests by name."""
        return {request.name: request for request in self.requests}

    def _problems(self) -> Iterator[Wrong]:
        yield from super()._problems()
        if len(self.request_by_name) < len(self.requests):
            yield "requests", "a name is used twice"
        both = self.parameters.keys() & self.by_name.keys()
        if both:
            yield "parameters", f"{min(both)} is a parameter and a point"
        for point in self.points:
            yield from self._found(point)
            for name in sorted(set(names_in(point.pointer)) - self.parameters.keys()):
                yield f"points.{point.name}.pointer", f"{{{name}}} is no parameter"
        written = {point.name for point in self.points if point.write is not None}
        reading = {point.request for point in self.points}
        for request in self.requests:
            for name in sorted(request.names - self.parameters.keys() - written):
                yield f"requests.{request.name}", f"{{{name}}} is neither a parameter nor a point that is written"
            if request.name in reading and request.answer == "none":
                yield f"requests.{request.name}", "points are read from it, so its answer is json or text"
            if request.name in reading and request.names & written:
                yield f"requests.{request.name}", "what is read cannot depend on what is written"

    def _found(self, point: Point) -> Iterator[Wrong]:
        place, rule = f"points.{point.name}", point.write
        for name in (point.request, None if rule is None else rule.request):
            if name is not None and name not in self.request_by_name:
                yield f"{place}.request", f"no request is called {name!r}; requests: {', '.join(self.request_by_name)}"
                return
        if rule is None:
            if point.request is None:
                yield place, "give the request that shows it"
            return
        # Only a helper may have no place in its request: a heartbeat that is called and carries nothing.
        if point.meaning is not None and point.name not in self.request_by_name[rule.request].names:
            yield place, f"request {rule.request} has no {{{point.name}}}"
        if rule.read_back is True and point.request is None:
            yield place, "no request shows it: give request and pointer, or read_back: false or another point's name"
