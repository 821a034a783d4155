"""What is due when: items by time, cheap to look at however many there are. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """Something that is due at a time of its own."""

    @property
    def next_at(self) -> float:
        """When, s."""
        ...


T = TypeVar("T", bound=Timed)


class Timetable(Generic[T]):
    """Items by the time at which they are due.

    An item is put in whenever its `next_at` was set; what was put in for another time counts no more. So nothing
    has to be found to be moved or taken out.

    Args:
        waits: whether an item is waiting at all: it is still there, and nothing of it is under way.
    """

    def __init__(self, waits: Callable[[T], bool]) -> None:
        self._waits = waits
        self._heap: list[tuple[float, int, T]] = []
        self._order = count()

    def put(self, item: T, at: float) -> None:
        """`item.next_at` is `at` now, or the item waits again."""
        heapq.heappush(self._heap, (at, next(self._order), item))

    def clear(self) -> None:
        """Nothing is due."""
        self._heap.clear()

    def due(self, now: float, most: int | None = None) -> list[T]:
        """What is due at `now`, longest due first, `most` items at most; they stay due until they wait no more."""
        ready: list[tuple[float, int, T]] = []
        found: dict[int, T] = {}
        while self._heap and self._heap[0][0] <= now and (most is None or len(found) < most):
            entry = heapq.heappop(self._heap)
            item = entry[2]
            if id(item) not in found and self._counts(entry):
                found[id(item)] = item
                ready.append(entry)
        for entry in ready:
            heapq.heappush(self._heap, entry)
        return list(found.values())

    def next_due(self) -> float | None:
        """When the next item is due, or None when none waits."""
        while self._heap:
            if self._counts(self._heap[0]):
                return self._heap[0][0]
            heapq.heappop(self._heap)
        return None

    def _counts(self, entry: tuple[float, int, T]) -> bool:
        at, _, item = entry
        return item.next_at == at and self._waits(item)
