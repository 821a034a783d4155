"""Weekly calendars of when our VEN does not (or does) take part, as spans of opt schedules.

Owns which schedules stand for the calendars at the VTN; no schedule made by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from gridiface.deadlines import waits
from gridiface.domain.clock import Instant
from gridiface.protocols.openadr.ven import Ven

#: How far ahead a VTN is told, days; once a day the next one is added.
HORIZON_DAYS = 14
#: A schedule holds so many spans at most: what lies further ahead is told later.
_MOST_SPANS = 200
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Some hours of some days of each week.

    Attributes:
        opt: optOut or optIn.
        days: 0 Monday to 6 Sunday, of the start.
        start, end: of the day, local time; an end that is not after the start is on the next day.
        zone: IANA name.
        resources: whose it is; empty: the VEN's as a whole.
        market_context: only in this program; None: in all.
    """

    opt: str = "optOut"
    days: frozenset[int] = frozenset(range(7))
    start: dt.time = dt.time(0)
    end: dt.time = dt.time(0)
    zone: str = "UTC"
    resources: tuple[str, ...] = ()
    market_context: str | None = None

    @property
    def key(self) -> str:
        """Calendars of the same key make one schedule: at the VTN one would replace the other (rule 203)."""
        return "/".join(("calendar", self.opt, ",".join(sorted(self.resources)), self.market_context or ""))


def spans_of(calendar: Calendar, now: Instant, *, days: int = HORIZON_DAYS) -> list[tuple[float, int]]:
    """(start, seconds) of the calendar's times that are not over, for so many days."""
    zone = ZoneInfo(calendar.zone)
    today = dt.datetime.fromtimestamp(now, zone).date()
    found = []
    for ahead in range(-1, days):
        day = today + dt.timedelta(days=ahead)
        if day.weekday() not in calendar.days:
            continue
        last = day if calendar.end > calendar.start else day + dt.timedelta(days=1)
        # Local times become instants one by one, so that a day of 23 or 25 hours is as long as it is.
        begin = dt.datetime.combine(day, calendar.start, zone).timestamp()
        end = dt.datetime.combine(last, calendar.end, zone).timestamp()
        if end > now and end > begin:
            found.append((begin, int(end - begin)))
    return found


def merged(calendars: Iterable[Calendar], now: Instant) -> list[tuple[float, int]]:
    """The spans of several calendars in order; those that touch or overlap become one."""
    rows = sorted(span for calendar in calendars for span in spans_of(calendar, now))
    made: list[tuple[float, int]] = []
    for start, seconds in rows:
        if made and start <= made[-1][0] + made[-1][1]:
            first = made[-1][0]
            made[-1] = (first, int(max(made[-1][1], start + seconds - first)))
        else:
            made.append((start, seconds))
    return made[:_MOST_SPANS]


def grouped(calendars: Sequence[Calendar]) -> dict[str, list[Calendar]]:
    """Calendars by their key."""
    found: dict[str, list[Calendar]] = {}
    for calendar in calendars:
        found.setdefault(calendar.key, []).append(calendar)
    return found


class Calendars:
    """The calendars of one VEN, whose schedules are renewed once a day.

    Args:
        calendars: as configured.
    """

    def __init__(self, calendars: Sequence[Calendar]) -> None:
        self._calendars = calendars
        self._due = 0.0

    def look(self, core: Ven, now: Instant) -> None:
        """Renew them where that is due; call it every second or so."""
        if not waits(self._due, now, _DAY_S):
            self._due = renew(core, self._calendars, now)


def renew(core: Ven, calendars: Sequence[Calendar], now: Instant) -> Instant:
    """Make the opt schedules of a VEN those of its calendars; when to do it again, seconds since 1970.

    A schedule of a calendar that is no more is taken back; those made by hand are left alone.
    """
    groups = grouped(calendars)
    standing = {made.calendar: made for made in core.schedules.values() if made.calendar}
    for key, made in standing.items():
        if key not in groups:
            core.cancel_opt_schedule(made.optID)
    for key, members in groups.items():
        spans = merged(members, now)
        known = standing.get(key)
        if not spans or (known is not None and [tuple(span) for span in known.spans] == spans):
            continue
        first = members[0]
        core.add_opt_schedule(
            first.opt,
            spans,
            now,
            resources=sorted(first.resources),
            market_context=first.market_context,
            calendar=key,
        )
    return (now // _DAY_S + 1) * _DAY_S
