"""The order in which people expect names: battery2 before battery10. Pure; lists that are sorted by name use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

_DIGITS = re.compile(r"([0-9]+)")

Order = tuple[tuple[tuple[int, int, str], ...], str]

_Value = TypeVar("_Value")


@lru_cache(maxsize=100_000)
def in_order(name: str) -> Order:
    """A name's place: runs of digits by their number, and before letters; names that differ in zeros by their signs.

    No two names have the same place, so a list can be paged by the name of its last member.
    """
    parts = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _DIGITS.split(name) if part)
    return parts, name


def ordered(names: Iterable[str]) -> list[str]:
    """Names in that order."""
    return sorted(names, key=in_order)


def following(things: Iterable[_Value], after: str, key: Callable[[_Value], str]) -> list[_Value]:
    """Things in that order of their names; those after one name, which need not be there (empty: all)."""
    place = in_order(after)
    return sorted((one for one in things if in_order(key(one)) > place), key=lambda one: in_order(key(one)))


def by_name(things: Mapping[str, _Value]) -> list[tuple[str, _Value]]:
    """Things with their names, in the order of the names."""
    return [(name, things[name]) for name in ordered(things)]
