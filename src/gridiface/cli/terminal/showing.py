"""How the verbs show what they found: JSON for scripts, tables for people, nothing that a terminal would act on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

#: The option of verbs that ask no server.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def show_json(answer: Any) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(answer))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; cells are shown as they are, unprintable signs as ?."""
    table = Table(*columns, title=title or None, title_justify="left", show_header=any(columns))
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    console().print(table)


def console() -> Console:
    """Where tables go; names from devices are never read as markup. Without a terminal lines are not cut."""
    made = Console(markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = 200
    return made


def printable(cell: object) -> str:
    """A cell's text without anything that a terminal would act on."""
    text = "-" if cell is None else str(cell)
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def kw(watts: float | None) -> str:
    """W as kW."""
    return "-" if watts is None else f"{watts / 1000:.2f}"


def percent(part: float | None) -> str:
    """0..1 as %."""
    return "-" if part is None else f"{100 * part:.1f}"


def utc(at: float) -> str:
    """An instant as UTC to the second."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at:.0f} s"


def many(count: int, one: str, several: str = "") -> str:
    """A number of things in words: 1 device, 2 devices; `several` where an s does not make it."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def asks(values: Mapping[str, float]) -> str:
    """What a control asks for, in one line."""
    return ", ".join(f"{mode}={number:g}" for mode, number in values.items())
