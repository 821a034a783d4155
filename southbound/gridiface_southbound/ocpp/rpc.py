"""The frames of OCPP-J: calls, results and errors as JSON arrays. Pure; 1.6 JSON clause 4, 2.0.1 and 2.1 part 4.

Owned here: reading, writing and the caps. Not owned: what actions mean (station, profiles), waiting (session).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from gridiface.errors import RemoteProtocolError

#: Longest message that is read; a report of a station is a few kilobytes.
MAX_BYTES = 65_536
MAX_ID = 36

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody asks."""

    id: str
    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Result:
    """The answer."""

    id: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Failure:
    """The answer that there is none."""

    id: str
    code: str
    text: str = ""
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """Somebody tells something and wants no answer (2.1)."""

    id: str
    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Complaint:
    """Somebody could not use an answer that it was given (2.1: CALLRESULTERROR)."""

    id: str
    code: str
    text: str = ""


Message = Call | Result | Failure | Send | Complaint


def decode(text: str | bytes, version: str = "2.1") -> Message:
    """A frame of a version.

    Raises:
        RemoteProtocolError: it is none.
    """
    if len(text) > MAX_BYTES:
        raise RemoteProtocolError(f"a message of {len(text)} bytes is too long")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"no JSON: {error}") from error
    match frame:
        case [2, str(name), str(action), dict(payload)] if _fits(name) and len(action) <= 64:
            return Call(name, action, payload)
        case [3, str(name), dict(payload)] if _fits(name):
            return Result(name, payload)
        case [4, str(name), str(code), str(words), *rest] if _fits(name) and len(rest) <= 1:
            return Failure(name, code[:64], words[:255], rest[0] if rest and isinstance(rest[0], dict) else {})
        case [6, str(name), str(action), dict(payload)] if version == "2.1" and _fits(name) and len(action) <= 64:
            return Send(name, action, payload)
        case [5, str(name), str(code), str(words), *rest] if version == "2.1" and _fits(name) and len(rest) <= 1:
            return Complaint(name, code[:64], words[:255])
        case _:
            raise RemoteProtocolError(f"no frame of OCPP: {str(frame)[:80]}")


def encode(message: Message) -> str:
    """A frame as text."""
    match message:
        case Call():
            frame: list[Any] = [2, message.id, message.action, message.payload]
        case Result():
            frame = [3, message.id, message.payload]
        case Failure():
            frame = [4, message.id, message.code, message.text[:255], message.details]
        case Send():
            frame = [6, message.id, message.action, message.payload]
        case Complaint():
            frame = [5, message.id, message.code, message.text[:255], {}]
    return json.dumps(frame, separators=(",", ":"))


def _fits(name: str) -> bool:
    return 0 < len(name) <= MAX_ID
