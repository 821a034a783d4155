"""Schedules of the DER profile: what a record asks for and when, whether it can be carried out, what is due. Pure.

Two blocks: the newer one (points 3000 on) names an output for each of its entries, the older one (points 2000 on) has
one type for all. Both become entries of time and command; who carries them out is station.py. The profile's lists that
we know leave two numberings open; ours: action type 1 is a binary output, 2 an analog output; the validation state is
`Validation`, the status that of IEC 61850 schedules, `Status`.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from gridiface.northbound.dnp3.der.windows import Record
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.protocols.dnp3.points import PointType

_DAY_S = 86_400.0
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FIXED_UNITS = {1: 1.0, 2: 60.0, 3: 3600.0, 4: _DAY_S, 5: 7 * _DAY_S}
_MONTHS, _MONTHS_WEEKDAY, _MONTHS_WEEKDAY_FROM_END = 6, 7, 8
_DAYS = 4
_MOST_MONTHS = 12 * 200
#: Occurrences that one question looks at: days of the week that never come must not be looked for without end.
_MOST_OCCURRENCES = 5000
#: Start of the year 2200: calendars end somewhere, and nobody plans beyond.
_LAST_START = 7_258_118_400.0
_MOST_ENTRIES = 100

_ACTIONS = {1: PointType.BINARY_OUTPUT, 2: PointType.ANALOG_OUTPUT}
_BO, _AO = PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT

#: Type of an older schedule -> the output that its values go to.
SIMPLE_TYPES: Mapping[int, tuple[PointType, int]] = {
    1: (_AO, 23),
    2: (_AO, 24),
    3: (_AO, 25),
    4: (_AO, 26),
    5: (_AO, 28),
    6: (_AO, 29),
    13: (_AO, 87),
    14: (_AO, 93),
    21: (_AO, 173),
    22: (_AO, 186),
    25: (_AO, 203),
    26: (_AO, 210),
    27: (_AO, 217),
    28: (_AO, 226),
    31: (_BO, 18),
    33: (_BO, 17),
}


class Validation(IntEnum):
    """Validation state of a schedule (AI3009, AI2009)."""

    NOT_SUBMITTED = 0
    VALID = 1
    BAD_TIMES = 2
    BAD_POINTS = 3
    UNKNOWN_OUTPUT = 4
    BAD_VALUE = 5
    BAD_REPETITION = 6


class Status(IntEnum):
    """Status of a schedule (AI3010, AI2010)."""

    NONE = 0
    NOT_READY = 1
    START_TIME_REQUIRED = 2
    READY = 3
    RUNNING = 4
    ENDED = 5


@dataclass(frozen=True, slots=True)
class Due:
    """One command of a schedule: when, and what to which output, wire units."""

    at: float
    type: PointType
    index: int
    value: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as its record says it. Times are s since 1970 UTC; `stop` None: no end."""

    start: float
    stop: float | None
    interval: int
    unit: int
    weekdays: frozenset[int]
    entries: tuple[tuple[float, PointType, int, float], ...]

    @property
    def span(self) -> float:
        """From an occurrence's start to its last entry, s."""
        return max((entry[0] for entry in self.entries), default=0.0)

    def starts(self, after: float) -> Iterator[float]:
        """Starts of occurrences in order, from the last one whose entries may reach beyond `after`."""
        for start in self._repeated(after - self.span):
            if start > _LAST_START or (self.stop is not None and start >= self.stop):
                return
            if not self.weekdays or datetime.fromtimestamp(start, UTC).weekday() in self.weekdays:
                yield start

    def due(self, after: float, until: float) -> list[Due]:
        """The commands of (after, until], in order; of very many occurrences the latest."""
        found = []
        period = _FIXED_UNITS.get(self.unit)
        if period is not None and self.interval:
            after = max(after, until - self.span - _MOST_OCCURRENCES * 0.9 * period * self.interval)
        for start in self.starts(after):
            if start > until:
                break
            found += [Due(start + offset, kind, index, value) for offset, kind, index, value in self.entries]
        found = [one for one in found if after < one.at <= until and (self.stop is None or one.at < self.stop)]
        return sorted(found, key=lambda one: one.at)

    def next_after(self, after: float) -> float | None:
        """When the next command is due; None: never again."""
        for start in self.starts(after):
            times = [start + entry[0] for entry in self.entries if start + entry[0] > after]
            if times:
                return min(times) if self.stop is None or min(times) < self.stop else None
        return None

    def running(self, now: float) -> bool:
        """Whether an occurrence has begun and its last entry is still to come, or is repeated."""
        last = None
        for start in self.starts(now):
            if start > now:
                break
            last = start
        return last is not None and (now < last + self.span or self.next_after(now) is not None)

    def _repeated(self, after: float) -> Iterator[float]:
        """Starts of occurrences before days of the week are looked at; days alone mean every such day."""
        interval, unit = self.interval, self.unit
        if not interval or not unit:
            interval, unit = (1, _DAYS) if self.weekdays else (0, 0)
        if not interval:
            yield self.start
            return
        period = _FIXED_UNITS.get(unit)
        if period is not None:
            step = period * interval
            first = max(0, int((after - self.start) // step))
            for number in range(first, first + _MOST_OCCURRENCES):
                yield self.start + number * step
            return
        ahead = max(0, int((after - self.start) // (31 * _DAY_S)) - 1)
        for number in range(ahead - ahead % interval, ahead + _MOST_MONTHS, interval):
            start = _month_later(self.start, number, unit)
            if start is not None:
                yield start


def schedule_of(record: Record, *, simple: bool) -> Schedule:
    """A record's schedule; call it for records that `validate` found valid.

    Args:
        record: of a window.
        simple: of the older block: one type for all values, start time in ms.
    """
    start = record.value("start_date") * _DAY_S + record.value("start_time") * (0.001 if simple else 1.0)
    stop = None if simple else record.value("stop_date") * _DAY_S + record.value("stop_time")
    return Schedule(
        start,
        stop or None,
        int(record.value("repeat")),
        int(record.value("repeat_unit")),
        frozenset(number for number, day in enumerate(_WEEKDAYS) if record.value(day)),
        tuple(_simple_entries(record) if simple else _entries(record)),
    )


def validate(record: Record, points: PointMap, *, simple: bool) -> Validation:
    """Whether a schedule can be carried out here, or what is wrong with it."""
    count = int(record.value("points"))
    if not 1 <= count <= _MOST_ENTRIES:
        return Validation.BAD_POINTS
    if simple and int(record.value("type")) not in SIMPLE_TYPES:
        return Validation.UNKNOWN_OUTPUT
    if not simple and any(int(record.value(f"a{number}")) not in _ACTIONS for number in range(1, count + 1)):
        return Validation.UNKNOWN_OUTPUT
    schedule = schedule_of(record, simple=simple)
    if not 0 < schedule.start <= _LAST_START or (schedule.stop is not None and schedule.stop <= schedule.start):
        return Validation.BAD_TIMES
    unit = schedule.unit
    if unit not in {0, *_FIXED_UNITS, _MONTHS, _MONTHS_WEEKDAY, _MONTHS_WEEKDAY_FROM_END}:
        return Validation.BAD_REPETITION
    if bool(schedule.interval) != bool(unit):
        return Validation.BAD_REPETITION
    return _check_entries(schedule, points)


def _check_entries(schedule: Schedule, points: PointMap) -> Validation:
    offsets = [offset for offset, *_ in schedule.entries]
    if offsets != sorted(offsets):
        return Validation.BAD_POINTS
    for _, kind, index, value in schedule.entries:
        entry = points.by_key.get((kind, index))
        if entry is None or not entry.schedulable:
            return Validation.UNKNOWN_OUTPUT
        if not _takes(entry, value):
            return Validation.BAD_VALUE
    return Validation.VALID


def _takes(entry: PointEntry, value: float) -> bool:
    """Whether an output takes a value, as far as that can be said before its time."""
    if entry.only is not None and not entry.needs and value != entry.only:
        return False
    if entry.type is _BO:
        return value == 1 or (value == 0 and not entry.on_only)
    return entry.minimum <= value <= entry.maximum


def _entries(record: Record) -> Iterator[tuple[float, PointType, int, float]]:
    for number in range(1, int(record.value("points")) + 1):
        kind = _ACTIONS[int(record.value(f"a{number}"))]
        yield record.value(f"t{number}"), kind, int(record.value(f"i{number}")), record.value(f"v{number}")


def _simple_entries(record: Record) -> Iterator[tuple[float, PointType, int, float]]:
    kind, index = SIMPLE_TYPES[int(record.value("type"))]
    for number in range(1, int(record.value("points")) + 1):
        yield record.value(f"t{number}"), kind, index, record.value(f"v{number}")


def _month_later(start: float, months: int, unit: int) -> float | None:
    """The start so many months later: same day, or same weekday counted from the month's begin or end.

    None where that month has no such day.
    """
    first = datetime.fromtimestamp(start, UTC)
    total = first.year * 12 + first.month - 1 + months
    year, month = divmod(total, 12)
    month += 1
    length = calendar.monthrange(year, month)[1]
    if unit == _MONTHS:
        day = first.day
    elif unit == _MONTHS_WEEKDAY:
        shift = (first.weekday() - calendar.monthrange(year, month)[0]) % 7
        day = 1 + shift + 7 * ((first.day - 1) // 7)
    else:
        weeks = (calendar.monthrange(first.year, first.month)[1] - first.day) // 7
        last = datetime(year, month, length, tzinfo=UTC)
        day = (last - timedelta(days=(last.weekday() - first.weekday()) % 7 + 7 * weeks)).day
        if (last - timedelta(days=(last.weekday() - first.weekday()) % 7 + 7 * weeks)).month != month:
            return None
    return None if day > length else first.replace(year=year, month=month, day=day).timestamp()
