"""Requests with their placeholders filled. Pure; what templates are is `points.template`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gridiface_southbound.http.table import Request
from gridiface_southbound.points.template import PLACEHOLDER, filled, packed, spoken, text_of


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request as it goes out."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes | None
    #: The whole URL, of a page that another one led to.
    url: str = ""


def render(request: Request, values: Mapping[str, Any]) -> Rendered:
    """The request with its values.

    Raises:
        KeyError: a value is missing; the argument is its name.
        ValueError: a value would break the request apart.
    """
    headers = {name: text_of(text, values) for name, text in request.headers.items()}
    body: bytes | None = None
    if request.form:
        pairs = (f"{quote(key, safe='')}={quote(text_of(text, values), safe='')}" for key, text in request.form.items())
        body = "&".join(pairs).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    elif request.text is not None:
        body = text_of(request.text, values).encode()
        headers.setdefault("Content-Type", "text/plain; charset=utf-8")
    elif request.body is not None:
        body = packed(filled(request.body, values))
        headers.setdefault("Content-Type", "application/json")
    if any(char in value for value in headers.values() for char in "\r\n\0"):
        raise ValueError("a header cannot hold a line break")
    path = PLACEHOLDER.sub(lambda found: quote(spoken(values[found[1]]), safe=""), request.path)
    query = tuple((key, text_of(text, values)) for key, text in request.query.items())
    return Rendered(request.method, path, query, headers, body)
