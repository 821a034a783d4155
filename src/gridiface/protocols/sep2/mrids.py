"""mRIDs as what they are: numbers of 128 bits, written in hexadecimal with leading zeros or without.

A peer may write 0E01 where another, or itself another time, writes 000E01 (EXI coders strip leading zero octets): both
name one object. What was written first is what is shown; what is compared is the number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, ValuesView
from typing import TypeVar

T = TypeVar("T")


def mrid_key(mrid: str) -> str:
    """The same text for all spellings of an mRID; upper-case hexadecimal, as decoding gives it."""
    return mrid.lstrip("0")


def same_mrid(one: str, other: str) -> bool:
    """Whether two spellings name one object."""
    return one == other or mrid_key(one) == mrid_key(other)


class ByMrid(MutableMapping[str, T]):
    """A dictionary by mRID; every spelling finds what any spelling put in. Iterating gives the keys of `mrid_key`.

    Args:
        items: what it holds at first.

    Raises:
        KeyError: on `[]` and `del`, where no spelling is there.
    """

    __slots__ = ("_held",)

    def __init__(self, items: Iterable[tuple[str, T]] = ()) -> None:
        self._held: dict[str, T] = {mrid_key(mrid): each for mrid, each in items}

    def __getitem__(self, mrid: str) -> T:
        return self._held[mrid_key(mrid)]

    def __setitem__(self, mrid: str, each: T) -> None:
        self._held[mrid_key(mrid)] = each

    def __delitem__(self, mrid: str) -> None:
        del self._held[mrid_key(mrid)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, mrid: object) -> bool:
        return isinstance(mrid, str) and mrid_key(mrid) in self._held

    def values(self) -> ValuesView[T]:
        """What it holds, in the order in which it came."""
        return self._held.values()

    def copy(self) -> ByMrid[T]:
        """One of its own that holds the same."""
        made: ByMrid[T] = ByMrid()
        made._held = self._held.copy()  # its keys are what they should be already
        return made
