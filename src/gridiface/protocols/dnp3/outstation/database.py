"""The points of an outstation: their values, and which changes make events.

Owns update, freeze, dead-bands and the lookup by name. Each association listens here and keeps events for itself; how
values become octets is columns.py and values.py. Shared by all associations of an outstation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.columns import Column
from gridiface.protocols.dnp3.outstation.events import Event
from gridiface.protocols.dnp3.points import (
    COMMAND_EVENT_VARIATIONS,
    KINDS,
    OCTET_TYPES,
    STATE_BITS,
    EventMode,
    PointConfig,
    PointType,
)


class Change(NamedTuple):
    """An event with the point it is of: position in its column; `command_class` for g13 and g43, else 0."""

    event: Event
    type: PointType
    at: int
    command_class: int = 0


Listener = Callable[[Sequence[Change], float], None]


def _change(column: Column, at: int, value: float, flags: int, stamp: int, *, synchronised: bool) -> Change:
    """The event of a value of the point at a position."""
    event = Event(
        column.kind.event_group,
        column.configs[at].index,
        column.event_variations[at],
        value,
        column.with_state(flags, value),
        stamp,
        synchronised,
        column.wide_index,
    )
    return Change(event, column.type, at)


def _changes(
    column: Column, ats: list[int], values: list[float], flags: list[int], stamp: int, synchronised: bool
) -> list[Change]:
    """The same for many points at once."""
    group, variations, configs = column.kind.event_group, column.event_variations, column.configs
    wide, kind = column.wide_index, column.type
    if kind in STATE_BITS:
        flags = [column.with_state(octet, value) for octet, value in zip(flags, values, strict=True)]
    return [
        Change(Event(group, configs[at].index, variations[at], value, octet, stamp, synchronised, wide), kind, at)
        for at, value, octet in zip(ats, values, flags, strict=True)
    ]


class Database:
    """All points of one outstation.

    Args:
        points: configurations; type and index must be unique, and so must names.

    Raises:
        LocalProtocolError: two points with one type and index, or one name.
    """

    def __init__(self, points: Iterable[PointConfig]) -> None:
        by_type: dict[PointType, list[PointConfig]] = {name: [] for name in PointType}
        self._names: dict[str, PointConfig] = {}
        seen: set[tuple[PointType, int]] = set()
        for point in points:
            key = (point.type, point.index)
            if key in seen or (point.name and point.name in self._names):
                raise LocalProtocolError(f"{point.label} is there twice")
            seen.add(key)
            if point.name:
                self._names[point.name] = point
            by_type[point.type].append(point)
        self.columns = {name: Column(name, configs) for name, configs in by_type.items()}
        #: The columns that hold points and have static values, in order of type.
        self.static_columns = [column for column in self.columns.values() if len(column) and column.kind.static_group]
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Calls `listener(changes, now)` for every batch of events."""
        self._listeners.append(listener)

    def point(self, name: str) -> PointConfig:
        """The point of a name.

        Raises:
            LocalProtocolError: no such name.
        """
        found = self._names.get(name)
        if found is None:
            raise LocalProtocolError(f"no point is named {name!r}")
        return found

    def find(self, point_type: PointType, index: int) -> PointConfig | None:
        """The point of a type and index, or None."""
        column = self.columns[point_type]
        at = column.positions.get(index)
        return None if at is None else column.configs[at]

    def value(self, point_type: PointType, index: int) -> tuple[float, int, int]:
        """Value, flags and time (ms) of a point.

        Raises:
            LocalProtocolError: no such point.
        """
        column, at = self._locate(point_type, index)
        return float(column.values[at]), int(column.flags[at]), int(column.times[at])

    def update(
        self,
        now: float,
        point_type: PointType,
        index: int,
        value: float,
        flags: int = Flags.ONLINE,
        time: int | None = None,
        *,
        synchronised: bool = True,
        mode: EventMode | None = None,
    ) -> bool:
        """A new value of one point; returns whether it made an event.

        Args:
            now: seconds since 1970, UTC.
            point_type: the type of point.
            index: its index.
            value: 0 or 1 for binary points, 0 to 3 for double-bit ones, a number for the rest.
            flags: without state bits.
            time: when it happened, ms since 1970; None for `now`.
            synchronised: whether that time comes from a synchronised clock.
            mode: overrides the point's event mode for this update.

        Raises:
            LocalProtocolError: no such point, or a point of octets.
        """
        column, at = self._locate(point_type, index)
        if column.strings:
            raise LocalProtocolError("octet strings are set with set_octets")
        stamp = round(now * 1000) if time is None else time
        config = column.configs[at]
        mode = mode or config.mode
        if mode is not EventMode.EVENT_ONLY:
            column.values[at] = value
            column.flags[at] = flags
            column.times[at] = stamp
            column.changed()
        if mode is EventMode.SUPPRESS or (mode is EventMode.DETECT and not self._differs(column, at, value, flags)):
            return False
        if mode is not EventMode.EVENT_ONLY:
            column.reported[at] = value
            column.reported_flags[at] = flags
        self._tell([_change(column, at, value, flags, stamp, synchronised=synchronised)], now)
        return True

    def update_many(
        self,
        now: float,
        point_type: PointType,
        values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]],
        indices: Sequence[int] | None = None,
        flags: int | Sequence[int] = Flags.ONLINE,
        time: int | None = None,
        *,
        synchronised: bool = True,
    ) -> int:
        """New values of many points of one type at once; returns how many events they made.

        `indices` None means all points of the type, in order of index. Each point's own event mode and dead-band
        apply; EVENT_ONLY points must be updated one by one.

        Raises:
            LocalProtocolError: no such point, as many values as points are needed, or points of octets.
        """
        column = self.columns[point_type]
        stamp = round(now * 1000) if time is None else time
        fresh = np.asarray(values, dtype=np.float64)
        where = self._positions(column, indices, len(fresh))
        fresh_flags = np.broadcast_to(np.asarray(flags, dtype=np.uint8), fresh.shape)
        with np.errstate(invalid="ignore"):
            moved = np.abs(fresh - column.reported[where]) > column.deadbands[where]
        moved |= np.isnan(fresh) != np.isnan(column.reported[where])
        moved |= fresh_flags != column.reported_flags[where]
        column.values[where] = fresh
        column.flags[where] = fresh_flags
        column.times[where] = stamp
        column.changed()
        told = np.flatnonzero((moved | column.forced[where]) & ~column.suppressed[where])
        if not len(told):
            return 0
        ats, told_values, told_flags = where[told], fresh[told], fresh_flags[told]
        column.reported[ats] = told_values
        column.reported_flags[ats] = told_flags
        changes = _changes(column, ats.tolist(), told_values.tolist(), told_flags.tolist(), stamp, synchronised)
        self._tell(changes, now)
        return len(changes)

    def set_octets(self, now: float, index: int, octets: bytes, point_type: PointType = PointType.OCTET_STRING) -> None:
        """A new octet string (1 to 255 octets; the variation is its length), or terminal output to the master.

        Raises:
            LocalProtocolError: no such point, or a length out of range.
        """
        column, at = self._locate(point_type, index)
        if point_type not in OCTET_TYPES or not 1 <= len(octets) <= 255:
            raise LocalProtocolError("octet strings hold 1 to 255 octets")
        same = column.strings[at] == octets
        column.set_string(at, octets)
        mode = column.configs[at].mode
        terminal = point_type is PointType.VIRTUAL_TERMINAL
        if mode is EventMode.SUPPRESS or (mode is EventMode.DETECT and same and not terminal):
            return
        stamp = round(now * 1000)
        event = Event(column.kind.event_group, index, len(octets), octets, 0, stamp, wide_index=column.wide_index)
        self._tell([Change(event, point_type, at)], now)

    def report_command(self, now: float, point_type: PointType, index: int, value: float, status: int) -> None:
        """Makes the event that reports a command to an output (g13, g43), where that is configured."""
        column, at = self._locate(point_type, index)
        event_class = column.configs[at].command_event_class
        group = column.kind.command_event_group
        if not event_class or not group:
            return
        octet = status | (int(value) & 1) << 7 if group == 13 else status
        variation = COMMAND_EVENT_VARIATIONS[group]
        event = Event(group, index, variation, value, octet, round(now * 1000), wide_index=column.wide_index)
        self._tell([Change(event, point_type, at, event_class)], now)

    def freeze(self, now: float, point_type: PointType, low: int, high: int, *, clear: bool) -> None:
        """Copies running values (positions low..high-1) to the frozen points of the same index, with the time.

        `clear` sets the running value to 0 (clause 4.4.4, freeze and clear). Frozen points with a class make events.

        Raises:
            LocalProtocolError: points of this type have no frozen values.
        """
        running = self.columns[point_type]
        target = running.kind.freezes_into
        if target is None:
            raise LocalProtocolError(f"{point_type.value} has no frozen values")
        for at in range(low, high):
            index = running.configs[at].index
            if index in self.columns[target].positions:
                value, flags = float(running.values[at]), int(running.flags[at])
                self.update(now, target, index, value, flags, mode=EventMode.FORCE)
        if clear:
            running.values[low:high] = 0
            running.reported[low:high] = 0
            running.changed()

    def set_deadband(self, index: int, deadband: float) -> None:
        """Changes the dead-band of an analog input at run time (g34)."""
        column, at = self._locate(PointType.ANALOG_INPUT, index)
        column.deadbands[at] = deadband
        column.changed()

    def is_freezable(self, point_type: PointType) -> bool:
        """Whether a type has frozen points in this database."""
        target = KINDS[point_type].freezes_into
        return target is not None and len(self.columns[target]) > 0

    def _locate(self, point_type: PointType, index: int) -> tuple[Column, int]:
        column = self.columns[point_type]
        at = column.positions.get(index)
        if at is None:
            raise LocalProtocolError(f"there is no {point_type.value} {index}")
        return column, at

    @staticmethod
    def _positions(
        column: Column, indices: Sequence[int] | None, count: int
    ) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        if column.strings or count != (len(column) if indices is None else len(indices)):
            raise LocalProtocolError("as many numbers as points are needed")
        if indices is None:
            return np.arange(len(column), dtype=np.intp)
        try:
            return np.array([column.positions[index] for index in indices], dtype=np.intp)
        except KeyError as error:
            raise LocalProtocolError(f"there is no {column.type.value} {error.args[0]}") from error

    @staticmethod
    def _differs(column: Column, at: int, value: float, flags: int) -> bool:
        if int(column.reported_flags[at]) != flags:
            return True
        last = float(column.reported[at])
        if column.type in STATE_BITS:
            return value != last
        if math.isnan(value) or math.isnan(last):
            return math.isnan(value) != math.isnan(last)
        return abs(value - last) > float(column.deadbands[at])

    def _tell(self, changes: list[Change], now: float) -> None:
        for listener in self._listeners:
            listener(changes, now)
