"""The object part of responses: static values, events and single objects, cut into fragments.

Owns how much goes into one fragment and where the next one goes on. Which parts a request asks for is reading.py;
control octet, IIN and confirms are association.py.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from gridiface.protocols.dnp3.application import Qualifier, count_head, range_head
from gridiface.protocols.dnp3.columns import Column, Run
from gridiface.protocols.dnp3.events import Event, EventBuffer
from gridiface.protocols.dnp3.objects import TABLE, Layout, Variation
from gridiface.protocols.dnp3.values import ENCODERS

_RANGE8_HEAD = 5
_RANGE16_HEAD = 7
_MAX_RELATIVE_MS = 0xFFFF
_CTO_OCTETS = 10
_OCTET_GROUPS = frozenset((111, 113))
_RELATIVE = frozenset(((2, 3), (4, 3)))


class Fragment:
    """The objects of one fragment while it fills, and the keys of the events in it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.data = bytearray()
        self.keys: list[int] = []
        self.has_static = False

    @property
    def space(self) -> int:
        """Octets that are still free."""
        return self.capacity - len(self.data)


class Part(Protocol):
    """A piece of a response that knows how far it has been written."""

    def fill(self, fragment: Fragment) -> bool:
        """Writes as much as fits; True when nothing is left."""
        ...


class ObjectPart:
    """Octets of one or more objects with their header, never split."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def fill(self, fragment: Fragment) -> bool:
        """Writes all or nothing."""
        if len(self._octets) > fragment.space and fragment.data:
            return False
        fragment.data += self._octets
        return True


class StaticPart:
    """Runs of static values (or dead-bands) of one type, encoded from the column's image when they are sent."""

    def __init__(self, column: Column, group: int, runs: list[Run]) -> None:
        self._column = column
        self._group = group
        self._runs = runs
        self._number = 0
        self._low = runs[0].low if runs else 0

    def fill(self, fragment: Fragment) -> bool:
        """Writes as many points as fit, a header for each run."""
        while self._number < len(self._runs):
            run = self._runs[self._number]
            taken = self._write(fragment, run)
            if not taken:
                return False
            self._low += taken
            if self._low == run.high:
                self._number += 1
                if self._number < len(self._runs):
                    self._low = self._runs[self._number].low
        return True

    def _write(self, fragment: Fragment, run: Run) -> int:
        """Writes points of one run from where we are; how many."""
        column, low, high = self._column, self._low, run.high
        row = TABLE[self._group, run.variation]
        if row.layout is not Layout.FIXED and self._group != 34:
            row = TABLE[self._group, column.sendable(run.variation, low, high)]
        first = column.configs[low].index
        data = fragment.data
        space = fragment.capacity - len(data)
        space -= _RANGE8_HEAD if first + high - low <= 0x100 else _RANGE16_HEAD
        count = min(high - low, _fitting(row, space))
        if count <= 0:
            return 0
        data += range_head(self._group, row.variation, first, first + count - 1)
        data += column.octets(self._group, row.variation, low, low + count)
        fragment.has_static = True
        return count


def _fitting(row: Variation, space: int) -> int:
    """How many objects of a variation fit into so many octets."""
    if row.size:
        return space // row.size
    return space * (8 if row.layout is Layout.PACKED else 4)


class EventSource:
    """The events of a buffer as one request sees them: listed once per choice of classes or groups.

    All headers of the request draw from the same lists, so that no event is written twice and a request of many
    headers costs no more than the lists it needs.
    """

    def __init__(self, buffer: EventBuffer) -> None:
        self.buffer = buffer
        self._queues: dict[tuple[tuple[int, ...], int], deque[int]] = {}

    def queue(self, classes: tuple[int, ...], group: int) -> deque[int]:
        """Keys not yet written, oldest first, of some classes and of one group (0: any)."""
        found = self._queues.get((classes, group))
        if found is None:
            groups = frozenset((group,)) if group else None
            found = self._queues[classes, group] = deque(self.buffer.keys(classes, groups))
        return found


class EventPart:
    """Events by class or group, oldest first; a new header whenever type or variation changes.

    Args:
        source: the events of this request.
        classes: which classes.
        group: one event group, or 0 for any.
        variation: the variation asked for, or 0 for each point's own.
        limit: at most so many events; None for all.
    """

    def __init__(
        self,
        source: EventSource,
        classes: tuple[int, ...],
        group: int = 0,
        variation: int = 0,
        limit: int | None = None,
    ) -> None:
        self._source = source
        self._classes = classes
        self._group = group
        self._forced = variation
        self._left = len(source.buffer) if limit is None else limit
        self._count_at = 0
        self._count = 0
        self._wide = True
        self._base = 0
        self._synchronised = True

    def fill(self, fragment: Fragment) -> bool:
        """Writes as many events as fit, selects them in the buffer and notes their keys in the fragment."""
        queue = self._source.queue(self._classes, self._group)
        buffer = self._source.buffer
        current: tuple[int, int] | None = None
        while queue and self._left:
            key = queue[0]
            event = buffer.unselected(key)
            if event is None:
                queue.popleft()
                continue
            row = self._row(event)
            if row != current or not self._joins(event, row):
                self._close(fragment)
                if not self._open(fragment, event, row):
                    return False
                current = row
            if not self._append(fragment, event, row):
                self._close(fragment)
                return False
            queue.popleft()
            fragment.keys.append(key)
            buffer.select((key,))
            self._left -= 1
        self._close(fragment)
        return True

    def _row(self, event: Event) -> tuple[int, int]:
        if isinstance(event.value, bytes):
            return event.group, len(event.value)
        return event.group, self._forced or event.variation

    def _joins(self, event: Event, row: tuple[int, int]) -> bool:
        """Whether an event may stand under the header that is open."""
        if self._count >= (0xFFFF if self._wide else 0xFF) or event.wide_index != self._wide:
            return False
        if row not in _RELATIVE:
            return True
        return event.synchronised == self._synchronised and 0 <= event.time - self._base <= _MAX_RELATIVE_MS

    def _open(self, fragment: Fragment, event: Event, row: tuple[int, int]) -> bool:
        """Writes a header, behind a common time of occurrence where times are relative to it."""
        relative = row in _RELATIVE
        needed = (_CTO_OCTETS if relative else 0) + 7 + TABLE[row].size
        if needed > fragment.space:
            return False
        if relative:
            self._base, self._synchronised = event.time, event.synchronised
            variation = 1 if event.synchronised else 2
            fragment.data += count_head(51, variation, 1) + TABLE[51, 1].pack(event.time)
        self._wide = event.wide_index
        qualifier = Qualifier.COUNT16_INDEX16 if self._wide else Qualifier.COUNT8_INDEX8
        fragment.data += bytes((*row, qualifier))
        self._count_at = len(fragment.data)
        self._count = 0
        fragment.data += b"\0\0" if self._wide else b"\0"
        return True

    def _append(self, fragment: Fragment, event: Event, row: tuple[int, int]) -> bool:
        if isinstance(event.value, bytes):
            octets = event.value
        else:
            time = event.time - self._base if row in _RELATIVE else event.time
            octets = ENCODERS[row](event.value, event.flags, time)
        prefix = event.point.to_bytes(2 if self._wide else 1, "little")
        if len(prefix) + len(octets) > fragment.space:
            return False
        fragment.data += prefix
        fragment.data += octets
        self._count += 1
        return True

    def _close(self, fragment: Fragment) -> None:
        """Writes the count into the header that is open; an empty one was never opened."""
        if self._count_at and self._count:
            width = 2 if self._wide else 1
            fragment.data[self._count_at : self._count_at + width] = self._count.to_bytes(width, "little")
        self._count_at = 0


class Series:
    """A response of one or more fragments, written piece by piece as the confirms come."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._at = 0

    @property
    def done(self) -> bool:
        """True when all parts are written."""
        return self._at >= len(self._parts)

    def next_fragment(self, capacity: int) -> Fragment:
        """The objects of the next fragment; its events are selected in their buffer."""
        fragment = Fragment(capacity)
        while self._at < len(self._parts):
            # a part that fits into no empty fragment would be asked for ever: it is left out
            if not self._parts[self._at].fill(fragment) and fragment.data:
                break
            self._at += 1
        return fragment
