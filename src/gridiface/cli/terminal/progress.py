"""Long work shows that it goes on: on a terminal, on standard error, so that output stays what scripts read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.status import Status

from gridiface.cli.terminal.quiet import is_quiet

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Work:
    """Work that goes on. Without a terminal, or where it was asked to be quiet, nothing of it is shown."""

    text: str
    _shown: Status | None = None

    def say(self, more: str) -> None:
        """Tell how far it is."""
        if self._shown is not None:
            self._shown.update(f"{self.text}: {more}")

    def each(self, things: Iterable[_T], total: int, name: str = "") -> Iterator[_T]:
        """The things, one by one, while it is told which of how many it is at."""
        for number, thing in enumerate(things, 1):
            self.say(f"{name} {number} of {total}".strip())
            yield thing

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let something else be printed on the same terminal meanwhile."""
        if self._shown is None:
            yield
            return
        self._shown.stop()
        try:
            yield
        finally:
            self._shown.start()


@contextmanager
def working(text: str, *, quiet: bool = False) -> Iterator[Work]:
    """Show `text` and a moving sign until the work is done.

    Args:
        text: what is done.
        quiet: show nothing on a terminal either, as for --json.
    """
    if quiet or is_quiet() or not sys.stderr.isatty():
        yield Work(text)
        return
    with Console(stderr=True, markup=False, emoji=False).status(text) as shown:
        yield Work(text, shown)
