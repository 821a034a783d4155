"""Local days: when they begin, which wall-clock slots they have, which are working days. Owns no meter data.

A day of a programme is a day of the place where the meter is. Instants are turned into local days here and nowhere
else. On the day on which clocks go forward some slots do not exist, on the day on which they go back some hold two
intervals; both are told by `Calendar.slots`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from gridiface.aggregation.allocate.problem import IntArray
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError

DAY_S = 86_400.0
_SATURDAY, _SUNDAY = 5, 6


class DayKind(StrEnum):
    """Days of one kind resemble each other; a baseline is made of days of the event's own kind."""

    WORKING = "working"
    FREE = "free"  # weekend or holiday


def zone(name: str) -> tzinfo:
    """The time zone of that name in the IANA data base.

    Raises:
        ConfigError: there is none.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        fix = "write a name such as America/Los_Angeles; on a system without time zone data install tzdata"
        raise ConfigError(f"no time zone {name!r}; {fix}") from problem


def instant_of(local: datetime) -> Instant:
    """Seconds since 1970 UTC of a datetime that carries its zone."""
    return local.timestamp()


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of one place.

    Attributes:
        tz: its time zone.
        holidays: days that count as free whatever their weekday.
        weekend: weekdays that are free, Monday = 0.
    """

    tz: tzinfo = UTC
    holidays: frozenset[date] = frozenset()
    weekend: frozenset[int] = field(default=frozenset({_SATURDAY, _SUNDAY}))

    def day(self, at: Instant) -> date:
        """The local day in which the instant lies."""
        return datetime.fromtimestamp(at, self.tz).date()

    def start(self, day: date) -> Instant:
        """The instant at which that local day begins."""
        return instant_of(datetime(day.year, day.month, day.day, tzinfo=self.tz))

    def length(self, day: date) -> float:
        """How long that local day is, s; 0 for a day that was left out (Samoa, 30 December 2011)."""
        return self.start(day + timedelta(days=1)) - self.start(day)

    def phase(self, at: Instant, interval_s: float) -> float:
        """By how much the local day's intervals begin after whole multiples of `interval_s`, s; 0 in most zones."""
        return self.start(self.day(at)) % interval_s

    def kind(self, day: date) -> DayKind:
        """Working day, or free."""
        return DayKind.FREE if day in self.holidays or day.weekday() in self.weekend else DayKind.WORKING

    def slots(self, day: date, interval_s: float) -> IntArray:
        """The wall-clock slot of each interval of that day, in order of time.

        A day of 24 hours gives 0..n-1. Where clocks go forward numbers are skipped, where they go back some come
        twice. The length is the number of intervals that the day really has.

        Args:
            day: the local day.
            interval_s: s; must divide the day and the hour or be whole hours (`slots_per_day` checks it).
        """
        begin, per_day = self.start(day), slots_per_day(interval_s)
        length = self.length(day)
        count = round(length / interval_s)
        steps = np.arange(count, dtype=np.int64)
        if length == DAY_S:
            return steps
        found = [self._slot(begin + step * interval_s, interval_s) for step in range(count)]
        return np.minimum(np.array(found, dtype=np.int64), per_day - 1)

    def slot(self, at: Instant, interval_s: float) -> int:
        """The wall-clock slot of its day in which the instant lies."""
        return min(self._slot(at, interval_s), slots_per_day(interval_s) - 1)

    def _slot(self, at: Instant, interval_s: float) -> int:
        local = datetime.fromtimestamp(at, self.tz)
        seconds = local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
        return int(seconds // interval_s)


def slots_per_day(interval_s: float) -> int:
    """How many intervals a day of 24 hours has.

    Raises:
        ConfigError: a day is not a whole number of such intervals.
    """
    if interval_s <= 0 or DAY_S % interval_s:
        raise ConfigError(f"an interval of {interval_s:g} s does not divide a day; use 60, 300, 900, 1800 or 3600 s")
    return int(DAY_S // interval_s)


def days_before(day: date, count: int) -> tuple[date, ...]:
    """The `count` days before `day`, oldest first."""
    return tuple(day - timedelta(days=back) for back in range(count, 0, -1))


def nerc_holidays(years: Iterable[int]) -> frozenset[date]:
    """The six holidays of the North American power markets in those years.

    New Year, Memorial Day, Independence Day, Labor Day, Thanksgiving and Christmas; one on a Sunday is kept on the
    Monday after it (NERC's list of additional off-peak days).
    """
    found: set[date] = set()
    for year in years:
        fixed = (date(year, 1, 1), date(year, 7, 4), date(year, 12, 25))
        found.update(day + timedelta(days=1) if day.weekday() == _SUNDAY else day for day in fixed)
        found |= {_weekday(year, 5, 0, last=True), _weekday(year, 9, 0, nth=1), _weekday(year, 11, 3, nth=4)}
    return frozenset(found)


def _weekday(year: int, month: int, weekday: int, *, nth: int = 1, last: bool = False) -> date:
    """The nth (or last) such weekday of a month."""
    if last:
        end = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return end - timedelta(days=(end.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
