"""Options that name days and times: holidays and days of earlier events, and instants in the zone of a place."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Annotated

import typer

from gridiface.app.importers.lists import read_days
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError

_FORMS = "days with commas between them, or a text file with one on a line"
Holidays = Annotated[
    str | None, typer.Option("--holidays", metavar="DAYS|FILE", help=f"Holidays of the place: {_FORMS}.")
]
Nerc = Annotated[bool, typer.Option("--nerc-holidays", help="Take the holidays of the North American power markets.")]
EventDays = Annotated[
    str | None,
    typer.Option("--event-days", metavar="DAYS|FILE", help=f"Days of earlier events, to leave out: {_FORMS}."),
]


def days_in(text: str | None) -> frozenset[date]:
    """The days that are named, or that a file holds; none without any.

    Raises:
        ConfigError: neither days nor a file, or see `read_days`.
    """
    if text is None:
        return frozenset()
    try:
        return frozenset(date.fromisoformat(part.strip()) for part in text.split(","))
    except ValueError as problem:
        if not Path(text).exists():
            fix = f"write {_FORMS}, for example 2026-07-04,2026-09-07"
            raise ConfigError(f"{text[:80]!r} names no days and no file; {fix}") from problem
    return read_days(Path(text))


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
