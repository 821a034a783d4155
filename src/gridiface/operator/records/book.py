"""Records of one space of the ledger, kept in memory and read again now and then: another process may write them.

Owns when they are read, not what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from gridiface.domain.changes import Document
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger

R = TypeVar("R")

#: The records are read again after this long, and after a miss at most this often, s.
FRESH_S, MISS_S = 30.0, 2.0


class Book(Generic[R]):
    """The records of `space` by key. `decode` answers None for what it cannot read; that is left alone."""

    def __init__(self, ledger: Ledger, space: str, decode: Callable[[Document], R | None]) -> None:
        self._ledger = ledger
        self._space = space
        self._decode = decode
        self._read = float("-inf")
        self.records: dict[str, R] = {}

    async def load(self, now: Instant) -> None:
        """Read the records.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        before = dict(self.records)
        read = ((document.key, self._decode(document)) for document in await self._ledger.documents(self._space))
        found = {key: record for key, record in read if record is not None}
        # What was changed here while the store was read is newer than what was read: an ended session stays ended.
        for key in before.keys() | self.records.keys():
            record = self.records.get(key)
            if record != before.get(key):
                found.pop(key, None)
                if record is not None:
                    found[key] = record
        self.records = found
        self._read = now

    async def get(self, key: str, now: Instant, *, looking: bool = True) -> R | None:
        """One record, or None; reads them again where that is due.

        Args:
            key: of the record.
            now: the time.
            looking: whether one that is not known makes them be read again before their time.

        Raises:
            StoreUnavailable: they had to be read again and could not be.
        """
        age = abs(now - self._read)
        if age > FRESH_S or (looking and key not in self.records and age > MISS_S):
            await self.load(now)
        return self.records.get(key)

    async def fresh(self, now: Instant) -> None:
        """Read the records again where that is due.

        Raises:
            StoreUnavailable: they could not be read.
        """
        if abs(now - self._read) > FRESH_S:
            await self.load(now)

    def __iter__(self) -> Iterator[R]:
        """The records as they are known now."""
        return iter(tuple(self.records.values()))
