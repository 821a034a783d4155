"""A 2030.5 resource in JSON form as lines for people: names, values, links to what they name. Pure.

Codes of the standard are told with their words where a reader would have to look them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: EventStatus.currentStatus and Response.status (IEEE 2030.5-2018, tables of the Event and Response function sets).
EVENT_STATUS = {0: "scheduled", 1: "active", 2: "cancelled", 3: "cancelled, randomized", 4: "superseded"}
RESPONSE_STATUS = {
    1: "received",
    2: "started",
    3: "completed",
    4: "opted out",
    5: "opted in",
    6: "cancelled",
    7: "superseded",
    8: "partly completed, opted out",
    9: "partly completed, opted in",
    10: "completed without taking part",
    11: "acknowledged",
    12: "cannot be displayed",
    13: "aborted: other server",
    14: "aborted: other program",
    252: "refused: not applicable",
    253: "refused: invalid",
    254: "refused: expired",
}

_WORDS: Mapping[str, Mapping[int, str]] = {"currentStatus": EVENT_STATUS}
_TIMES = frozenset(
    {"dateTime", "start", "changedTime", "createdDateTime", "creationTime", "currentTime", "localTime", "readingTime",
     "updatedTime", "lastUpdateTime", "dateTimeRegistered", "statusTimestamp", "activateTime", "lastReadTime"}
)  # fmt: skip

#: Lines of one resource that are shown; levels that are looked into.
_LINES, _LEVELS = 400, 8


@dataclass(frozen=True, slots=True)
class Line:
    """One element: how deep it lies, its name, its value as text; where it leads, or when it is."""

    depth: int
    name: str
    value: str = ""
    href: str = ""
    at: float | None = None


def lines_of(resource: Mapping[str, Any]) -> list[Line]:
    """The elements of a resource in their order, without its members; a very long one is cut."""
    found: list[Line] = []
    for line in _lines({name: value for name, value in resource.items() if name not in {"members", "type"}}, 0):
        if len(found) == _LINES:
            found.append(Line(0, "…", "cut here"))
            break
        found.append(line)
    return found


def _lines(value: Mapping[str, Any], depth: int) -> Iterator[Line]:
    if depth > _LEVELS:
        return
    for name, item in value.items():
        for one in item if isinstance(item, list) else [item]:
            yield from _line(name, one, depth)


def _line(name: str, item: Any, depth: int) -> Iterator[Line]:
    if isinstance(item, Mapping):
        href = item.get("href")
        if isinstance(href, str) and set(item) <= {"href", "all"}:
            yield Line(depth, name, href if "all" not in item else f"{href} ({item['all']})", href=href)
            return
        yield Line(depth, name)
        yield from _lines(item, depth + 1)
    elif name in _TIMES and isinstance(item, int) and item > 1_000_000:
        yield Line(depth, name, str(item), at=float(item))
    elif name in {"href", "replyTo"} and isinstance(item, str):
        yield Line(depth, name, item, href=item)
    elif name in _WORDS and isinstance(item, int):
        yield Line(depth, name, f"{item} {_WORDS[name].get(item, '')}".strip())
    elif isinstance(item, bool):
        yield Line(depth, name, "true" if item else "false")
    else:
        yield Line(depth, name, "" if item is None else str(item))


def base_text(base: Mapping[str, Any]) -> str:
    """A DERControlBase in one line: opModTargetW 5000, opModConnect true."""
    return ", ".join(f"{name} {_short(value)}".strip() for name, value in base.items()) or "nothing"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        if set(value) == {"multiplier", "value"}:
            return f"{value['value'] * 10.0 ** value['multiplier']:g}"
        if isinstance(value.get("href"), str):
            return str(value["href"])
        return "(" + ", ".join(f"{name} {_short(one)}" for name, one in value.items()) + ")"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
