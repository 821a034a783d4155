"""The object part of responses: static values, events and single objects, cut into fragments.

Owns how much goes into one fragment and where the next one goes on. Which parts a request asks for is reading.py;
control octet, IIN and confirms are association.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from typing import Protocol

from gridiface.protocols.dnp3.application import Qualifier
from gridiface.protocols.dnp3.heads import count_head, range_head
from gridiface.protocols.dnp3.objects import TABLE, Layout, Variation
from gridiface.protocols.dnp3.outstation.columns import Column, Run
from gridiface.protocols.dnp3.outstation.events import Event, EventBuffer
from gridiface.protocols.dnp3.values import ENCODERS, MANY, encode_many

_RANGE8_HEAD = 5
_RANGE16_HEAD = 7
_MAX_RELATIVE_MS = 0xFFFF
_CTO_OCTETS = 10
_WORTH_IT = 16
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
    """Runs of static values (or dead-bands) of one type, encoded from the column's image when they are sent.

    Args:
        column: the points.
        group: their static group, or 34 for dead-bands.
        runs: in order of position.
        low, high: only positions low..high-1 of them; cut as they are written, for a request may name a range often.
    """

    def __init__(self, column: Column, group: int, runs: list[Run], low: int = 0, high: int | None = None) -> None:
        self._column = column
        self._group = group
        self._runs = runs
        self._high = len(column) if high is None else high
        self._number = max(0, bisect_right(runs, low, key=_start) - 1) if low else 0
        self._low = low

    def fill(self, fragment: Fragment) -> bool:
        """Writes as many points as fit, a header for each run."""
        while self._number < len(self._runs):
            run = self._runs[self._number]
            low, high = max(run.low, self._low), min(run.high, self._high)
            if run.low >= self._high:
                break
            if low < high:
                self._low = low + self._write(fragment, run.variation, low, high)
                if self._low < high:
                    return False
            self._number += 1
        return True

    def _write(self, fragment: Fragment, variation: int, low: int, high: int) -> int:
        """Writes points of one run, as many as fit; how many."""
        column = self._column
        key = (self._group, variation, low, high, fragment.capacity - len(fragment.data))
        known = column.cuts.get(key)
        if known is not None:
            fragment.data += known[0]
            fragment.has_static = True
            return known[1]
        before = len(fragment.data)
        count = self._write_anew(fragment, variation, low, high)
        if count and not column.strings:
            column.keep_cut(key, bytes(fragment.data[before:]), count)
        return count

    def _write_anew(self, fragment: Fragment, variation: int, low: int, high: int) -> int:
        column = self._column
        row = TABLE[self._group, variation]
        if row.layout is not Layout.FIXED and self._group != 34:
            row = TABLE[self._group, column.sendable(variation, low, high)]
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


def _start(run: Run) -> int:
    return run.low


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

    def __init__(self, buffer: EventBuffer, limit: int | None = None) -> None:
        self.buffer = buffer
        self._limit = limit
        self._queues: dict[tuple[tuple[int, ...], int], deque[int]] = {}

    def queue(self, classes: tuple[int, ...], group: int) -> deque[int]:
        """Keys not yet written, oldest first, of some classes and of one group (0: any)."""
        found = self._queues.get((classes, group))
        if found is None:
            groups = frozenset((group,)) if group else None
            found = self._queues[classes, group] = deque(self.buffer.keys(classes, groups, self._limit))
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
        self._wide = True
        self._base = 0
        self._synchronised = True

    def fill(self, fragment: Fragment) -> bool:
        """Writes as many events as fit, selects them in the buffer and notes their keys in the fragment."""
        queue, buffer = self._source.queue(self._classes, self._group), self._source.buffer
        while queue and self._left:
            event = buffer.unselected(queue[0])
            if event is None:
                queue.popleft()
                continue
            row = self._row(event)
            if not self._open(fragment, event, row) or not self._write_run(fragment, row, queue):
                return False
        return True

    def _row(self, event: Event) -> tuple[int, int]:
        if isinstance(event.value, bytes):
            return event.group, len(event.value)
        return event.group, self._forced or event.variation

    def _write_run(self, fragment: Fragment, row: tuple[int, int], queue: deque[int]) -> bool:
        """Writes events under the header just opened as long as they belong there; False when space ran out."""
        buffer, data, wide = self._source.buffer, fragment.data, self._wide
        encode, relative = ENCODERS.get(row), row in _RELATIVE
        width, most = (2, 0xFFFF) if wide else (1, 0xFF)
        keys: list[int] = []
        fits = True
        most = min(most, self._left)
        if row in MANY and not relative:
            self._write_many(fragment, row, queue, keys, most)
        while queue and len(keys) < most:
            event = buffer.unselected(queue[0])
            if event is not None:
                if self._row(event) != row or event.wide_index != wide:
                    break
                if relative and not self._within(event):
                    break
                value = event.value
                if isinstance(value, bytes) or encode is None:
                    octets = value if isinstance(value, bytes) else b""
                else:
                    octets = encode(value, event.flags, event.time - self._base if relative else event.time)
                if len(data) + width + len(octets) > fragment.capacity:
                    fits = False
                    break
                data += event.point.to_bytes(width, "little") + octets
                keys.append(queue[0])
            queue.popleft()
        data[self._count_at : self._count_at + width] = len(keys).to_bytes(width, "little")
        self._left -= len(keys)
        fragment.keys += keys
        buffer.select(keys)
        return fits

    def _write_many(
        self, fragment: Fragment, row: tuple[int, int], queue: deque[int], keys: list[int], most: int
    ) -> None:
        """The beginning of a long run at once: as many events as belong under the header and fit.

        What ends the run, and a short one, is left to be written one by one.
        """
        width = 2 if self._wide else 1
        room = min(most, fragment.space // (width + TABLE[row].size))
        if room < _WORTH_IT or len(queue) < _WORTH_IT:
            return
        unselected, (group, variation), wide = self._source.buffer.unselected, row, self._wide
        events: list[Event] = []
        for key in islice(queue, room):
            event = unselected(key)
            if event is None or event.group != group or event.wide_index != wide:
                break
            if (self._forced or event.variation) != variation:
                break
            events.append(event)
            keys.append(key)
        if len(events) < _WORTH_IT:
            keys.clear()
            return
        for _ in events:
            queue.popleft()
        _, points, _, values, flags, times, *_ = zip(*events, strict=True)
        fragment.data += encode_many(TABLE[row], width, points, values, flags, times)

    def _within(self, event: Event) -> bool:
        """Whether an event's time can be told relative to the common time that stands before the header."""
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
        fragment.data += b"\0\0" if self._wide else b"\0"
        return True


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
