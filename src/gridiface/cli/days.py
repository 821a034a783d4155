"""Options that name days and times: holidays and days of earlier events, and instants in the zone of a place."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.importers.lists import read_days
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError

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


def instant(text: str, zone: tzinfo) -> Instant:
    """An instant written in ISO 8601; without offset in local time of `zone`.

    Raises:
        ConfigError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError) as problem:
        raise ConfigError(f"{text!r} is no time; write ISO 8601, for example 2026-07-22T16:00") from problem
