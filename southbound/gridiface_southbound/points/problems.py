"""What is wrong with a table, and at which of its keys: so that a mistake is told with its line. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.drivers.api import KeyProblems, Place

#: (the keys on the way, with dots between them, an entry of a list by its name or number from 1; what is wrong).
Wrong = tuple[str, str]


def require_none(problems: Iterable[Wrong], *, whole: bool = False) -> None:
    """Refuse a part that something is wrong with.

    Args:
        problems: what is wrong.
        whole: of the whole table, so that the text must say where.

    Raises:
        KeyProblems: there are some.
    """
    found = [(_steps(place), f"{place}: {text}" if whole else text) for place, text in problems]
    if found:
        raise KeyProblems(found)


def _steps(place: str) -> Place:
    return tuple(int(step) - 1 if step.isdecimal() else step for step in place.split("."))
