"""A server's stream of events (Server-Sent Events, HTML Living Standard, clause 9.2) as a verb reads it.

Owns no connection (remote.py).
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

#: Bytes.
_LONGEST_LINE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream."""

    id: str
    kind: str
    data: Any


def lines_of(response: http.client.HTTPResponse) -> Iterator[str]:
    """The lines of an answer as they come, without their ends; a longer one than a MiB comes in parts.

    Raises:
        OSError, http.client.HTTPException: the stream broke off.
    """
    while raw := response.readline(_LONGEST_LINE):
        yield raw.decode("utf-8", "replace").rstrip("\r\n")


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """Events of a Server-Sent-Events stream; comments and what is not JSON are left out."""
    found: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            if name:
                found[name] = value.removeprefix(" ")
            continue
        if "data" in found:
            try:
                data = json.loads(found["data"])
            except ValueError:
                data = None
            if data is not None:
                yield Event(found.get("id", ""), found.get("event", "message"), data)
        found = {}
