"""Requests with their placeholders filled, and values found in answers. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gridiface_southbound.http.table import PLACEHOLDER, Request

#: Stands for a value that an answer does not have.
MISSING = object()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request as it goes out."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes | None


def render(request: Request, values: Mapping[str, Any]) -> Rendered:
    """The request with its values.

    Raises:
        KeyError: a value is missing; the argument is its name.
        ValueError: a value would break the request apart.
    """
    headers = {name: _text(text, values) for name, text in request.headers.items()}
    body: bytes | None = None
    if request.form:
        pairs = (f"{quote(key, safe='')}={quote(_text(text, values), safe='')}" for key, text in request.form.items())
        body = "&".join(pairs).encode()
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    elif request.text is not None:
        body = _text(request.text, values).encode()
        headers.setdefault("Content-Type", "text/plain; charset=utf-8")
    elif request.body is not None:
        body = json.dumps(_filled(request.body, values), separators=(",", ":"), allow_nan=False).encode()
        headers.setdefault("Content-Type", "application/json")
    if any(char in value for value in headers.values() for char in "\r\n\0"):
        raise ValueError("a header cannot hold a line break")
    path = PLACEHOLDER.sub(lambda found: quote(spoken(values[found[1]]), safe=""), request.path)
    query = tuple((key, _text(text, values)) for key, text in request.query.items())
    return Rendered(request.method, path, query, headers, body)


def spoken(value: Any) -> str:
    """A scalar as text: as JSON says it, a text as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def parse(data: bytes) -> Any:
    """The JSON of an answer.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def find(document: Any, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) points at, `MISSING` where there is nothing."""
    at = document
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict):
            at = at.get(key, MISSING)
        elif isinstance(at, list) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(at):
            at = at[int(key)]
        else:
            return MISSING
    return at


def _text(text: str, values: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda found: spoken(values[found[1]]), text)


def _filled(body: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, values) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, values) for value in body]
    if isinstance(body, str):
        whole = PLACEHOLDER.fullmatch(body)
        return values[whole[1]] if whole else _text(body, values)
    return body


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
