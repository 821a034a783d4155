"""Work that is done in slices: a generator gives way after each, and at its end gives what it made.

What is worked out between control steps gives the event loop its turn so; the control step runs the same to its end.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")

Slices = Generator[tuple[()], None, _T]

#: Devices that one slice looks at, one after the other: a few milliseconds.
PART = 128


def at_once(work: Slices[_T]) -> _T:
    """Run to its end what can be done in slices; what it made."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            made: _T = done.value
            return made
