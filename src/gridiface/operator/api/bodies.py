"""Request bodies and query strings into checked types. Bounded in size, depth and numbers; anything wrong is a 4xx."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gridiface.operator.problems import Refused, of_validation
from gridiface.operator.schema import LONGEST_ID
from gridiface.segments import of_segment
from gridiface.streams.bodies import BodyTooLarge, whole_body

#: Largest body and deepest nesting that is read, and the time that it may take to come, s.
MAX_BYTES = 16 * 1024
MAX_DEPTH = 8
WITHIN_S = 10.0
#: Octets per second that whoever sends a larger one has at least (files): 2 Mbit/s.
SLOWEST = 250_000

#: What no id has, for no database keeps it: NUL, and halves of characters, as which octets come that are no UTF-8.
_NOWHERE = re.compile("[\x00\ud800-\udfff]")

#: Below it each whole number is a float of its own.
_EXACT = 2.0**53

_Model = TypeVar("_Model", bound=BaseModel)


def parse(raw: bytes, model: type[_Model], most: int = MAX_BYTES) -> _Model:
    """A JSON body as its type; an empty body counts as an empty object.

    Raises:
        Refused: 400 no JSON, 413 too large, 422 not of that type.
    """
    if len(raw) > most:
        raise Refused(413, f"the body has more than {most} bytes", "send less")
    try:
        text = raw.decode("utf-8")
        if _deeper(text, MAX_DEPTH):
            raise Refused(400, f"the body is nested deeper than {MAX_DEPTH} levels", "send what the API describes")
        text = text if text.strip() else "{}"
        json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}"[:300], "send one JSON object in UTF-8") from error
    try:
        # Strict: true is no 1, and "5" no 5; whoever sends such means something else.
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        # In JSON Schema 3600.0 is an integer, and some languages write whole numbers so. What is told is what is wrong
        # beside these.
        try:
            return model.model_validate_json(json.dumps(json.loads(text, parse_float=_whole)), strict=True)
        except ValidationError as still:
            raise of_validation(still, "body") from error


def _whole(number: str) -> float:
    """The int that a number with a fraction of zeros stands for, else the float."""
    value = float(number)
    return int(value) if abs(value) < _EXACT and value.is_integer() else value


async def body_of(request: web.Request, model: type[_Model], most: int = MAX_BYTES) -> _Model:
    """The request's body as its type; see `parse`.

    Raises:
        Refused: as parse; 408 too slow, 415 another media type than JSON.
    """
    _check_plain(request)
    if request.can_read_body and request.content_type != "application/json":
        raise Refused(415, f"the body is {request.content_type}", "send Content-Type: application/json")
    within = WITHIN_S + (most - MAX_BYTES) / SLOWEST
    try:
        async with asyncio.timeout(within):
            raw = await _read(request, most)
    except TimeoutError as error:
        text = f"the body did not come within {within:.0f} s"
        raise Refused(408, text, "send it at once", headers={"Connection": "close"}) from error
    if len(raw) > MAX_BYTES:
        # Large ones take long to look through: others are answered meanwhile.
        return await asyncio.to_thread(parse, raw, model, most)
    return parse(raw, model)


async def form_of(request: web.Request) -> dict[str, str]:
    """The request's body as the fields of a form, each once.

    Raises:
        Refused: 400 no form, 408 too slow, 413 too large, 415 another media type.
    """
    _check_plain(request)
    if request.content_type != "application/x-www-form-urlencoded":
        fix = "send Content-Type: application/x-www-form-urlencoded"
        raise Refused(415, f"the body is {request.content_type}", fix)
    try:
        async with asyncio.timeout(WITHIN_S):
            text = (await _read(request)).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50)
    except TimeoutError as error:
        text = f"the body did not come within {WITHIN_S:.0f} s"
        raise Refused(408, text, "send it at once", headers={"Connection": "close"}) from error
    except ValueError as error:
        raise Refused(400, "the body is no form", "send fields as a form does") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(400, "a field stands twice", "send each once")
    return found


def _check_plain(request: web.Request) -> None:
    """Refuse a compressed body: a few kilobytes of it may be gigabytes (RFC 9110, 8.4 and 15.5.16)."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity"}:
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        raise Refused(415, f"the body is compressed ({coding[:32]})", "send it as it is", headers=headers)


async def _read(request: web.Request, most: int = MAX_BYTES) -> bytes:
    try:
        return await whole_body(request.content, most)
    except BodyTooLarge as error:
        text = f"the body has more than {most} bytes"
        raise Refused(413, text, "send less", headers={"Connection": "close"}) from error


def name_of(request: web.Request, part: str = "id") -> str:
    """The `id`, or another part, of the path; one that nothing here can have is empty.

    A peer chooses its ids: any text that XML can carry, line ends and blanks of every width among it.
    """
    name = of_segment(request.match_info[part])
    return name if len(name) <= LONGEST_ID and not _NOWHERE.search(name) else ""


def query_of(request: web.Request, model: type[_Model]) -> _Model:
    """The query string as its type.

    Raises:
        Refused: 400 an unknown, repeated or unfit parameter.
    """
    given = request.query
    if len(set(given)) != len(given):
        raise Refused(400, "a query parameter stands twice", "give each once")
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise of_validation(error, "query") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _deeper(text: str, most: int) -> bool:
    """Whether brackets nest deeper than `most`, without building anything; brackets inside strings do not count."""
    depth, quoted, escaped = 0, False, False
    for sign in text:
        if quoted:
            quoted = escaped or sign != '"'
            escaped = sign == "\\" and not escaped
        elif sign == '"':
            quoted = True
        elif sign in "[{":
            depth += 1
            if depth > most:
                return True
        elif sign in "]}":
            depth -= 1
    return False
