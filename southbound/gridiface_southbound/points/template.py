"""JSON of devices: templates with `{name}` in them, and JSON Pointers. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import Field

from gridiface.wording import worded
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.table import Part, Point

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,63})\}")

#: A template with more levels than this is not written by hand.
MAX_DEPTH = 16

P = TypeVar("P", bound=Point)

Scalar = str | int | float | bool

#: Stands for a value that an answer does not have.
MISSING = object()


class Success(Part):
    """What an answer must show to be one: many devices answer everything politely."""

    pointer: str = Field(
        "",
        pattern=worded(r"^(/.*)?$", "empty or a JSON Pointer, which begins with /"),
        description="JSON Pointer (RFC 6901) of the value.",
    )
    one_of: tuple[int | str | bool, ...] = Field(min_length=1, description="The values that mean: done.")
    busy: tuple[int | str | bool, ...] = Field((), description="The values that mean: try again later.")


def one_of(seen: Any, known: Iterable[Any]) -> bool:
    """Whether a value is one of some; true is not 1."""
    return any(type(seen) is type(one) and seen == one for one in known)


def spoken(value: Any) -> str:
    """A scalar as text: as JSON says it, a text as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def text_of(template: str, values: Mapping[str, Any]) -> str:
    """A text with its values; KeyError: the name of one that is missing."""
    return PLACEHOLDER.sub(lambda found: spoken(values[found[1]]), template)


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """JSON with its values; a text that is nothing but a placeholder becomes the value itself; raises as `text_of`."""
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    if isinstance(template, str):
        whole = PLACEHOLDER.fullmatch(template)
        return values[whole[1]] if whole else text_of(template, values)
    return template


def packed(document: Any) -> bytes:
    """JSON in bytes."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def parse(data: bytes) -> Any:
    """JSON out of bytes.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


#: Picks from a list, in the place of an index, which tells nothing where entries come and go.
_PICK = re.compile(r"\[([^=\]]+)=(.*)\]", re.DOTALL)


def find(document: Any, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) points at, `MISSING` where there is nothing.

    Beyond the RFC, `[key=value]` points at the first entry of a list whose `key` is the value.
    """
    at = document
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict):
            at = at.get(key, MISSING)
        elif isinstance(at, list) and (pick := _PICK.fullmatch(key)):
            at = next((one for one in at if isinstance(one, dict) and _is(one.get(pick[1]), pick[2])), MISSING)
        elif isinstance(at, list) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(at):
            at = at[int(key)]
        else:
            return MISSING
    return at


def _is(seen: Any, value: str) -> bool:
    return isinstance(seen, str | int | float) and spoken(seen) == value


def pointer_of(template: str, values: Mapping[str, Any]) -> str:
    """A JSON Pointer with its values, which stay within their step."""
    return PLACEHOLDER.sub(lambda found: spoken(values[found[1]]).replace("~", "~0").replace("/", "~1"), template)


def depth(template: Any) -> int:
    """Levels of a template."""
    if isinstance(template, dict):
        return 1 + max(map(depth, template.values()), default=0)
    return 1 + max(map(depth, template), default=0) if isinstance(template, list) else 0


def names_in(template: Any) -> Iterator[str]:
    """The names of all placeholders."""
    if isinstance(template, str):
        yield from PLACEHOLDER.findall(template)
    elif isinstance(template, dict):
        for key, value in template.items():
            yield from names_in(key)
            yield from names_in(value)
    elif isinstance(template, list | tuple):
        for value in template:
            yield from names_in(value)


def grouped(writes: Iterable[tuple[str, Write[P]]]) -> list[tuple[str, list[Write[P]]]]:
    """Writes with what carries each, in order: neighbours with the same carrier go out together."""
    groups: list[tuple[str, list[Write[P]]]] = []
    for carrier, write in writes:
        twice = groups and any(other.point.name == write.point.name for other in groups[-1][1])
        if not groups or groups[-1][0] != carrier or twice:
            groups.append((carrier, []))
        groups[-1][1].append(write)
    return groups


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
