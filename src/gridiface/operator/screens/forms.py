"""What a browser's form sends: bounded, checked, and who sends it; which field is not right, where one is not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gridiface.operator.auth.access import CALLER, Caller
from gridiface.operator.problems import Refused
from gridiface.streams.bodies import BodyTooLarge, whole_body
from gridiface.wording import said

#: Largest form, most fields, and how long it may take to come, s.
MAX_BYTES, MAX_FIELDS, WITHIN_S = 256 * 1024, 64, 10.0
_MEDIA = "application/x-www-form-urlencoded"

_Model = TypeVar("_Model", bound=BaseModel)


def wrong(name: str, detail: str, fix: str) -> Refused:
    """A refusal of what stands in one field; the page shows it there, too."""
    return Refused(422, detail, fix, errors=[{"at": f"/{name}", "detail": detail}])


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one form, each once."""

    fields: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str = "", *, most: int = 256) -> str:
        """A field as one line of text, without the blanks around it.

        Raises:
            Refused: 422, it is too long or has control characters.
        """
        value = self.fields.get(name, default).strip()
        if len(value) > most or not (value.isprintable() or value == ""):
            raise wrong(name, f"the field {name} is longer than {most} characters or not printable", "shorten it")
        return value

    def lines(self, name: str) -> str:
        """A field of several lines, as it is."""
        return self.fields.get(name, "")

    def number(self, name: str) -> float | None:
        """A field as a number; None where it is empty.

        Raises:
            Refused: 422, it is no number.
        """
        text = self.text(name).replace("\u2212", "-").replace(",", ".")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError as error:
            raise wrong(name, f"{text[:40]!r} is no number ({name})", "write digits, like 80 or -2.5") from error
        if not abs(value) < 1e15:
            raise wrong(name, f"{text[:40]!r} is out of range ({name})", "write a smaller number")
        return value

    def instant(self, name: str = "start") -> datetime | None:
        """A date and time in the reader's zone, which the form names beside it; None where it is empty.

        Raises:
            Refused: 422, it is none.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.text("zone", "UTC") or "UTC"))
        except (ValueError, OSError, KeyError) as error:
            raise wrong(name, f"{text[:40]!r} is no date and time", "use the field's own picker") from error

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.fields.get(name))


def checked(model: type[_Model], body: Mapping[str, Any]) -> _Model:
    """What a form asks for as the API's own type, which has the rules.

    Raises:
        Refused: 422, a field is not right; its errors name which.
    """
    try:
        return model.model_validate(dict(body))
    except ValidationError as error:
        found = [{"at": "/" + "/".join(map(str, fault["loc"])), "detail": said(fault)} for fault in error.errors()[:8]]
        told = "; ".join(f"{one['at'].strip('/').replace('/', '.')}: {one['detail']}" for one in found[:3])
        raise Refused(422, f"the form is not right: {told}"[:400], "correct the field", errors=found) from error


def faults_of(refused: Refused | None, says: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What is wrong with which field of a form.

    Args:
        refused: why it was not done; None: nothing is wrong.
        says: by field, what it is called in a body, and the words by which a refusal that names no field speaks of it.
    """
    if refused is None:
        return {}
    of = {word: name for name, words in says.items() for word in words}
    found: dict[str, str] = {}
    for one in refused.more.get("errors", ()):
        at = str(one["at"]).strip("/").split("/")
        name = next((of[part] for part in reversed(at) if part in of), at[0])
        found.setdefault(name, str(one["detail"]))
    if found:
        return found
    return {name: refused.detail for name, words in says.items() if any(word in refused.detail for word in words)}


def picked(epoch: float | None) -> str:
    """An instant as a date and time picker has it, in UTC; the page's script puts the reader's zone in its place."""
    return "" if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


_FORM = web.RequestKey("form", Form)


async def form_of(request: web.Request) -> Form:
    """The form that a request carries; it is read once, however often it is asked for.

    Raises:
        Refused: 400 malformed, 408 too slow, 413 too large, 415 no form.
    """
    known = request.get(_FORM)
    if known is None:
        known = request[_FORM] = await _received(request)
    return known


async def csrf_token(request: web.Request) -> str:
    """The CSRF token inside a page's form; "" where there is none.

    Raises:
        Refused: as form_of, but for what is no form.
    """
    if request.content_type != _MEDIA:
        return ""
    return (await form_of(request)).fields.get("csrf", "")


async def _received(request: web.Request) -> Form:
    if request.content_type != _MEDIA:
        raise Refused(415, f"{request.content_type} is no form", "use the page's own form")
    try:
        async with asyncio.timeout(WITHIN_S):
            raw = await _read(request)
    except TimeoutError as error:
        raise Refused(408, f"the form did not come within {WITHIN_S:.0f} s", "send it again") from error
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MAX_FIELDS
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise Refused(400, "the form is malformed", "use the page's own form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refused(400, "a field stands twice in the form", "use the page's own form")
    return Form(fields)


async def _read(request: web.Request) -> bytes:
    try:
        return await whole_body(request.content, MAX_BYTES)
    except BodyTooLarge as error:
        raise Refused(413, f"the form has more than {MAX_BYTES} bytes", "send less") from error


def acting(request: web.Request, scope: str) -> Caller:
    """Who sends a form; the listener has checked the session, its CSRF token and the scope before.

    Raises:
        Refused: 401 nobody is signed in, 403 the scope is missing.
    """
    caller = request[CALLER]
    if not caller.id:
        raise Refused(401, "nobody is signed in", "sign in first")
    if not caller.allows(scope):
        raise Refused(403, f"{caller.name} may not do this", f"it needs the scope {scope}")
    return caller


def part_of(request: web.Request) -> str:
    """Which part of a fragment is asked for: "top" or "rest"."""
    return "rest" if request.query.get("part") == "rest" else "top"
