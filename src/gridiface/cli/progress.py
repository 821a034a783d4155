"""Long work shows that it goes on: on a terminal, on standard error, so that output stays what scripts read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show `text` and a moving sign until the work is done; nothing without a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True, markup=False, emoji=False).status(text):
        yield
