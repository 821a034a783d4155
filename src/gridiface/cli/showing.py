"""How the verbs show what they found: JSON for scripts, tables for people, nothing that a terminal would act on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def show_json(answer: Any) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(answer))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; cells are shown as they are, unprintable signs as ?."""
    table = Table(*columns, title=title or None, title_justify="left")
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
