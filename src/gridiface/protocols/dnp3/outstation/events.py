"""Events waiting for a master: one buffer per association, order kept, removed only after the confirm.

Owns order, selection, counting, overflow. It does not know when a response goes out, nor how an event becomes octets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from gridiface.protocols.dnp3.application import IIN

CLASSES = (1, 2, 3)
_OVERFLOW = int(IIN.EVENT_BUFFER_OVERFLOW)
_CLASS_BITS = ((1, int(IIN.CLASS_1_EVENTS)), (2, int(IIN.CLASS_2_EVENTS)), (3, int(IIN.CLASS_3_EVENTS)))


class Event(NamedTuple):
    """A change worth telling: what, when (ms since 1970, UTC), and whether that time was of a synchronised clock.

    `group` is the event group (2, 4, 11, 13, 22, ...), `variation` the one configured for the point; `flags` holds the
    state bits too, and for command events (g13, g43) the status. `value` is octets for g111 and g113.
    """

    group: int
    point: int
    variation: int
    value: float | bytes
    flags: int
    time: int
    synchronised: bool = True
    wide_index: bool = True


class EventBuffer:
    """The unconfirmed events of one association.

    Keys grow in order of arrival; the class is in the low two bits, so that a key alone tells where the event lies.
    """

    def __init__(self, capacity: int = 10_000, *, drop_oldest: bool = True) -> None:
        self._capacity = capacity
        self._drop_oldest = drop_oldest
        self._held: dict[int, dict[int, Event]] = {number: {} for number in CLASSES}
        self._selected: dict[int, set[int]] = {number: set() for number in CLASSES}
        self._overflowed: set[int] = set()
        #: Of classes that overflow, the keys as they came: the front of a dict that loses its front is found slowly.
        self._order: dict[int, deque[int]] = {}
        self._latest: dict[tuple[int, int], int] = {}
        self._next = 1
        self.dropped = 0

    def add(self, event: Event, event_class: int, *, most_recent_only: bool = False) -> None:
        """Takes an event of class 1 to 3; when the class is full, one is dropped as configured and IIN2.3 is due."""
        held = self._held[event_class]
        if most_recent_only:
            self._forget_older(event)
        if len(held) >= self._capacity:
            self._overflowed.add(event_class)
            self.dropped += 1
            if not self._drop_oldest:
                return
            self._remove(self._oldest(event_class))
        key = self._next << 2 | event_class
        self._next += 1
        held[key] = event
        if event_class in self._order:
            self._came(event_class, (key,))
        if most_recent_only:
            self._latest[event.group, event.point] = key

    def add_many(self, events: Sequence[Event], event_class: int, *, most_recent_only: bool = False) -> None:
        """Takes events of one class in their order, as `add` takes each."""
        held = self._held[event_class]
        if most_recent_only or len(held) + len(events) > self._capacity:
            for event in events:
                self.add(event, event_class, most_recent_only=most_recent_only)
            return
        first = self._next << 2 | event_class
        keys = range(first, first + 4 * len(events), 4)
        held.update(zip(keys, events, strict=True))
        self._next += len(events)
        if event_class in self._order:
            self._came(event_class, keys)

    def keys(
        self,
        classes: Iterable[int] = CLASSES,
        groups: frozenset[int] | None = None,
        limit: int | None = None,
    ) -> list[int]:
        """Keys of the unselected events of some classes, oldest first; of some groups only where asked.

        `limit` stops early: what one fragment can hold need not cost a walk through a long backlog.
        """
        found: list[int] = []
        for event_class in classes:
            held, selected = self._held[event_class], self._selected[event_class]
            waiting = (key for key in held if key not in selected) if selected else iter(held)
            if groups is not None:
                wanted = groups
                waiting = (key for key in waiting if self._held[key & 3][key].group in wanted)
            found += islice(waiting, limit)
        found.sort()
        return found if limit is None else found[:limit]

    def get(self, key: int) -> Event | None:
        """The event of a key; None when it was dropped or confirmed meanwhile."""
        return self._held[key & 3].get(key)

    def unselected(self, key: int) -> Event | None:
        """The same, but None also when the event stands in a response that waits for its confirm."""
        return None if key in self._selected[key & 3] else self._held[key & 3].get(key)

    def select(self, keys: Iterable[int]) -> None:
        """Marks events as written into a response that waits for its confirm."""
        for key in keys:
            self._selected[key & 3].add(key)

    def release(self, keys: Iterable[int]) -> None:
        """Takes events back: their response was not confirmed; they are sent again, first."""
        for key in keys:
            self._selected[key & 3].discard(key)

    def confirm(self, keys: Iterable[int]) -> None:
        """Removes events that the master has confirmed; ends an overflow once the class has room again."""
        if self._latest:
            for key in keys:
                self._remove(key)
        else:
            held, selected = self._held, self._selected
            for key in keys:
                held[key & 3].pop(key, None)
                selected[key & 3].discard(key)
        if self._overflowed:
            self._overflowed = {number for number in self._overflowed if len(self._held[number]) >= self._capacity}
            self._order = {number: keys for number, keys in self._order.items() if number in self._overflowed}

    def waiting(self, event_class: int) -> int:
        """How many events of a class are neither confirmed nor in a response that waits for it."""
        return len(self._held[event_class]) - len(self._selected[event_class])

    def unconfirmed(self, event_class: int) -> int:
        """How many events of a class stand in a response that waits for its confirm."""
        return len(self._selected[event_class])

    @property
    def overflowed(self) -> bool:
        """Whether events were lost and the class is still full."""
        return bool(self._overflowed)

    def indications(self) -> int:
        """The class bits and the overflow bit as they are now (clause 4.5.1), as IIN.

        Plain integers here and along the way of each response: operations on IntFlag cost more than the rest.
        """
        found = _OVERFLOW if self._overflowed else 0
        held, selected = self._held, self._selected
        for number, bit in _CLASS_BITS:
            if held[number] and len(held[number]) > len(selected[number]):
                found |= bit
        return found

    def __len__(self) -> int:
        return sum(len(held) for held in self._held.values())

    def _oldest(self, event_class: int) -> int:
        """The key of the oldest event of a class that is full; costs the same however many it holds."""
        held = self._held[event_class]
        order = self._order.get(event_class)
        if order is None:
            order = self._order[event_class] = deque(held)
        while (key := order.popleft()) not in held:
            pass
        return key

    def _came(self, event_class: int, keys: Iterable[int]) -> None:
        """Keys go behind those that came before them; where too many of those are gone, it is begun anew later."""
        order = self._order[event_class]
        order.extend(keys)
        if len(order) > 2 * self._capacity:
            del self._order[event_class]

    def _remove(self, key: int) -> None:
        event = self._held[key & 3].pop(key, None)
        self._selected[key & 3].discard(key)
        if event is not None and self._latest.get((event.group, event.point)) == key:
            del self._latest[event.group, event.point]

    def _forget_older(self, event: Event) -> None:
        key = self._latest.get((event.group, event.point))
        if key is not None and key not in self._selected[key & 3]:
            self._remove(key)
