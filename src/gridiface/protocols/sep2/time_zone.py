"""What Time tells of local time: the offsets of a zone and its period of daylight saving. Pure.

Source: IEEE 2030.5, Time: tzOffset without daylight saving, dstOffset added from dstStartTime to dstEndTime.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

_DAY_S = 86_400
#: A period may have begun so long ago, or the next one may be so far ahead.
_DAYS = 400


@dataclass(frozen=True, slots=True)
class LocalOffsets:
    """Of a zone at an instant.

    Attributes:
        standard_s: tzOffset, s east of UTC, without daylight saving.
        saving_s: dstOffset, s; below 0 where clocks are set back in winter by law (Ireland).
        start, end: of the period of daylight saving that is or comes next, s since 1970; 0 and 0 where there is none.
    """

    standard_s: int
    saving_s: int
    start: int
    end: int

    def at(self, second: int) -> int:
        """LocalTime at an instant before the end of the period."""
        return second + self.standard_s + (self.saving_s if self.start <= second < self.end else 0)


def offsets_at(zone: str, second: int) -> LocalOffsets:
    """The offsets of a zone of the time-zone database.

    Raises:
        ZoneInfoNotFoundError: there is no such zone.
    """
    found = ZoneInfo(zone)
    here = datetime.fromtimestamp(second, found)
    standard = int(((here.utcoffset() or timedelta()) - (here.dst() or timedelta())).total_seconds())
    period = next((p for p in _periods(zone, second // _DAY_S) if p[1] > second), None)
    if period is None:
        return LocalOffsets(standard, 0, 0, 0)
    start, end = period
    return LocalOffsets(standard, _saving(found, start), start, end)


def _saving(zone: tzinfo, second: int) -> int:
    return int((datetime.fromtimestamp(second, zone).dst() or timedelta()).total_seconds())


@lru_cache(maxsize=16)
def _periods(name: str, day: int) -> tuple[tuple[int, int], ...]:
    """The periods of daylight saving that begin and end around a day, counted from 1970; the earliest first."""
    zone = ZoneInfo(name)
    days = range((day - _DAYS) * _DAY_S, (day + _DAYS) * _DAY_S, _DAY_S)
    changes = [_change(zone, before, after) for before, after in pairwise(days)
               if bool(_saving(zone, before)) != bool(_saving(zone, after))]  # fmt: skip
    if changes and not _saving(zone, changes[0]):  # the end of one that began earlier
        changes = changes[1:]
    return tuple(zip(changes[::2], changes[1::2], strict=False))


def _change(zone: tzinfo, before: int, after: int) -> int:
    """The first second at which daylight saving is as it is at `after`."""
    wanted = bool(_saving(zone, after))
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if bool(_saving(zone, middle)) == wanted else (middle, after)
    return after
