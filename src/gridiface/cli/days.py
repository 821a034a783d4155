"""Options that name days: holidays and days of earlier events, for verbs that make baselines."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.importers.lists import read_days

Holidays = Annotated[Path | None, typer.Option("--holidays", help="Text file with one date on a line.")]
Nerc = Annotated[bool, typer.Option("--nerc-holidays", help="Take the holidays of the North American power markets.")]
EventDays = Annotated[
    Path | None, typer.Option("--event-days", help="Text file: days of earlier events, to leave out.")
]


def days_in(path: Path | None) -> frozenset[date]:
    """The days in a file; none without one.

    Raises:
        ConfigError: see `read_days`.
    """
    return frozenset() if path is None else read_days(path)
