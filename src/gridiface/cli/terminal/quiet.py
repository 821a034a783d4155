"""`gridiface --quiet`: no progress and no notes. What was asked for, and errors, always are told."""

from __future__ import annotations

from contextvars import ContextVar

import typer

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def be_quiet(*, quiet: bool) -> None:
    """Show no progress and no notes from now on, or do."""
    _quiet.set(quiet)


def is_quiet() -> bool:
    """Whether neither is shown."""
    return _quiet.get()


def note(text: str) -> None:
    """Tell something that is good to know, on standard error; not with --quiet."""
    if not is_quiet():
        typer.echo(text, err=True)
