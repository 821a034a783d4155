"""How the verbs of `gridiface openadr` read what people write and show what the server says. Owns no verb."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gridiface.cli.terminal.showing import show_json, show_table
from gridiface.errors import ConfigError

VenArgument = Annotated[str, typer.Argument(help="venID, as `gridiface openadr vtn vens` shows it.")]

_SIGNAL = re.compile(r"(?P<name>[^/=]+)(?:/(?P<type>[^/=]+))?(?:/(?P<unit>[^=]+))?=(?P<steps>.+)")
#: Digits of a number of seconds from now, the sign among them.
_LONGEST_S = 11

_STEP = re.compile(r"(\d+):(-?\d+(?:\.\d+)?)")


def signal_of(text: str) -> dict[str, Any]:
    """A signal as the API takes it, from NAME/TYPE/UNIT=SECONDS:VALUE,...

    Raises:
        ConfigError: it is written in another way.
    """
    found = _SIGNAL.fullmatch(text.strip())
    steps = [_STEP.fullmatch(step.strip()) for step in found["steps"].split(",")] if found else []
    if found is None or not all(steps):
        raise ConfigError(f"--signal {text!r}: write NAME/TYPE/UNIT=SECONDS:VALUE,..., as in SIMPLE=3600:2")
    intervals = [{"duration_s": int(step[1]), "value": float(step[2])} for step in steps if step]
    return {
        "name": found["name"],
        "type": found["type"] or "level",
        "unit": found["unit"] or "",
        "intervals": intervals,
    }


def span_of(text: str) -> dict[str, Any]:
    """A piece of time as the API takes it, from START/SECONDS; without seconds it is open.

    Raises:
        ConfigError: it is written in another way.
    """
    start, _, seconds = text.partition("/")
    if seconds and not seconds.isdigit():
        raise ConfigError(f"--span {text!r}: write START/SECONDS, as in 2026-07-01T10:00:00Z/3600")
    return {"start": moment(start), "duration_s": int(seconds or 0)}


def moment(text: str) -> str:
    """An instant, checked; `+SECONDS` is so long from now.

    Raises:
        ConfigError: it is no ISO 8601 with zone.
    """
    if text.startswith("+") and text[1:].isascii() and text[1:].isdigit() and len(text) < _LONGEST_S:
        later = datetime.now(UTC) + timedelta(seconds=int(text[1:]))
        return later.isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise ConfigError(f"{text!r} is no instant; write it as 2026-07-01T10:00:00Z, or +SECONDS from now")
    return text


def named(**fields: Any) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def from_file(path: Path | None) -> dict[str, Any]:
    """The JSON object of a file; without one an empty one.

    Raises:
        ConfigError: it cannot be read, or holds another thing.
    """
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: no JSON can be read: {problem}") from problem
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: write one JSON object, as POST /api/v1/openadr/vtn/events takes it")
    return found


def when(at: float | None) -> str | None:
    """Seconds as UTC; as they are where they lie beyond the calendar."""
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f} s"


def signals_text(signals: Iterable[Mapping[str, Any]]) -> str:
    """Signals in one line."""
    shown = []
    for signal in signals:
        values = ", ".join(f"{step['value']:g}" for step in signal["intervals"])
        shown.append(f"{signal['name']}/{signal['type']} {values} {signal['unit']}".rstrip())
    return "; ".join(shown)


def show_vens(rows: Iterable[Mapping[str, Any]], title: str = "") -> None:
    """VENs of our VTN as a table."""
    show_table(
        title,
        ("VEN", "name", "liveness", "mode", "groups", "resources", "last seen", "waiting", "last trouble"),
        (
            (
                row["id"],
                row["name"],
                row["liveness"],
                f"{row['profile']} {row['mode']}",
                ", ".join(row["groups"]),
                ", ".join(row["resources"]),
                when(row["last_seen"]),
                ", ".join(row["waiting"]),
                row["trouble"],
            )
            for row in rows
        ),
    )


def show_events(rows: Iterable[Mapping[str, Any]]) -> None:
    """Events of our VTN as a table."""
    show_table(
        "",
        ("event", "status", "version", "start", "end", "signals", "test", "in", "out", "silent", "unsent"),
        (
            (
                *(row["id"], row["status"], row["modification"], when(row["start"]), when(row["end"])),
                *(signals_text(row["signals"]), "test" if row["test"] else ""),
                *(row["answers"][name] for name in ("opt_in", "opt_out", "silent", "unsent")),
            )
            for row in rows
        ),
    )


def show_event(event: Mapping[str, Any], as_json: bool) -> None:
    """One event of our VTN and where it stands."""
    if as_json:
        show_json(event)
        return
    show_events([event])
    show_table(
        "",
        ("VEN", "liveness", "state", "word", "said", "code", "reason", "sends", "end confirmed"),
        (
            (
                *(row["ven"], row["liveness"], row["state"], row["opt"], when(row["opted_at"])),
                *(row["code"], row["description"], row["sends"], _end_of(row)),
            )
            for row in event["deliveries"]
        ),
    )


def _end_of(row: Mapping[str, Any]) -> str:
    if row["cancel_refused"] is not None:
        return f"no: {row['cancel_refused']}"
    return "yes" if row["cancel_confirmed"] else ""


def show_requests(rows: Iterable[Mapping[str, Any]]) -> None:
    """Report requests as a table."""
    show_table(
        "",
        ("request", "report", "specifier", "rIDs", "every, s", "sent every, s", "state", "reports", "last"),
        (
            (
                *(row["id"], row["name"], row["specifier"], ", ".join(row["rids"]), row["granularity_s"]),
                *(row["back_s"], row["state"], row["reports"], when(row["last_report"])),
            )
            for row in rows
        ),
    )


def show_schedules(rows: Iterable[Mapping[str, Any]]) -> None:
    """Opt schedules as a table."""
    show_table(
        "",
        ("opt", "word", "reason", "program", "resources", "when"),
        (
            (
                *(row["id"], row["opt"], row["reason"], row["market_context"], ", ".join(row["resources"])),
                "; ".join(
                    f"{when(start)} {seconds:g} s" if seconds else f"{when(start)} on"
                    for start, seconds in row["spans"]
                ),
            )
            for row in rows
        ),
    )
