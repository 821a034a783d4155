"""What people write for `gridiface sep2`: moments, element values, curves; and how answers are shown. Owns no verb."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.terminal.showing import printable, show_json, show_table
from gridiface.errors import ConfigError

DeviceOption = Annotated[str | None, typer.Option("--device", help="Of or for this device of the fleet.")]
GroupOption = Annotated[str | None, typer.Option("--group", help="Of or for this group of the fleet.")]
ProgramOption = Annotated[int | None, typer.Option("--program", help="Number of the program.", min=1)]
NodeOption = Annotated[bool, typer.Option("--node", help="The group as a node, instead of its total.")]
StartOption = Annotated[
    str, typer.Option("--start", help="+SECONDS from now, ISO 8601, or seconds since 1970; without it: now.")
]
DurationOption = Annotated[int, typer.Option("--duration", help="Seconds.", min=1)]
RandomStartOption = Annotated[
    int, typer.Option("--randomize-start", help="Most random shift of the start, s.", min=-3600, max=3600)
]
RandomDurationOption = Annotated[
    int, typer.Option("--randomize-duration", help="Most random shift of the duration, s.", min=-3600, max=3600)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE of one element, NAME.PART=VALUE of a part of it; may be repeated."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="For devices and the audit log.")]


def start_of(text: str) -> float | None:
    """A moment as s since 1970; None for now.

    Raises:
        ConfigError: it is no moment.
    """
    if not text:
        return None
    try:
        if text.startswith("+"):
            return time.time() + float(text[1:])
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"--start {text!r}: write +SECONDS, 2026-07-01T10:00:00Z or seconds since 1970") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def elements_of(assignments: Sequence[str] | None) -> dict[str, Any]:
    """NAME=VALUE pairs as element names and values; numbers, true and false are JSON's own.

    Raises:
        ConfigError: a pair is none.
    """
    found: dict[str, Any] = {}
    for each in assignments or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise ConfigError(f"--set {each!r}: write NAME=VALUE, such as opModMaxLimW=5000")
        *outer, last = name.split(".")
        place = found
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, float) or value is None else value


def points_of(text: str) -> list[dict[str, int]]:
    """A curve's points, "X:Y,X:Y", as CurveData.

    Raises:
        ConfigError: they are no points.
    """
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return [{"xvalue": int(x), "yvalue": int(y)} for x, y in pairs]
    except ValueError:
        raise ConfigError(f"--points {text!r}: write whole numbers as X:Y,X:Y") from None


def resource_of(file: Path | None, assignments: Sequence[str] | None) -> dict[str, Any]:
    """A resource from a JSON file, from --set, or from both.

    Raises:
        ConfigError: the file holds no JSON object.
    """
    found: Any = {}
    if file is not None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise ConfigError(f"{file}: no JSON can be read: {problem}") from problem
        if not isinstance(found, dict):
            raise ConfigError(f"{file}: an object of element names and values is wanted")
    return {**found, **elements_of(assignments)}


def show_resource(answer: Mapping[str, Any], as_json: bool) -> None:
    """A resource: as JSON, or line by line."""
    if as_json:
        show_json(answer)
        return
    for name, value in answer.items():
        typer.echo(f"{name}: {_word(value)}")


def show_rows(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of named columns."""
    show_table(title, columns, [[_word(row[name]) for name in columns] for row in rows])


def _word(value: Any) -> str:
    """A value of an answer for people: lists of words and of numbers as such, what has parts as JSON."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return "-" if value is None else printable(value)
