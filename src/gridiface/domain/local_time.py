"""Times of the local day: when a departure is due, when a daily window is open. Pure; the zone is an argument.

A local time that comes twice (clocks go back) counts the first time only; one that is skipped (clocks go forward)
counts an hour later. So nothing of a day happens twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from gridiface.domain.clock import Instant, Interval

#: All days of the week; 0 is Monday.
EVERY_DAY = frozenset(range(7))

DAY_S = 86_400

#: Days that are looked through: a rule names at least one day of the week.
_WEEK_AHEAD = range(-1, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyTime:
    """A time of the local day. `at_s`: seconds after midnight, 0..86399. `days`: weekdays, 0 = Monday."""

    at_s: int
    days: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyWindow:
    """From `start_s` to `end_s` (seconds after local midnight); an end not after its start lies on the next day.

    `days`: weekdays on which it begins, 0 = Monday.
    """

    start_s: int
    end_s: int
    days: frozenset[int] = EVERY_DAY


def instant_of(day: date, seconds: int, zone: tzinfo) -> Instant:
    """The instant at which the clocks of `zone` first show so many seconds after midnight of `day`."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    shown = midnight + timedelta(seconds=seconds)  # wall-clock arithmetic: aware datetimes of one zone
    return shown.replace(fold=0).timestamp()


def local_day(now: Instant, zone: tzinfo) -> date:
    """The date that the calendar of `zone` shows."""
    return datetime.fromtimestamp(now, UTC).astimezone(zone).date()


def day_of(now: Instant, zone: tzinfo) -> Interval:
    """The local day that holds `now`: 23, 24 or 25 hours."""
    today = local_day(now, zone)
    start = instant_of(today, 0, zone)
    return Interval(start, instant_of(today + timedelta(days=1), 0, zone) - start)


def next_time(now: Instant, rule: DailyTime, zone: tzinfo) -> Instant | None:
    """The first instant after `now` that the rule names; None where it names no day."""
    today = local_day(now, zone)
    days = (today + timedelta(days=ahead) for ahead in _WEEK_AHEAD)
    found = (instant_of(day, rule.at_s, zone) for day in days if day.weekday() in rule.days)
    return min((at for at in found if at > now), default=None)


def window_at(now: Instant, rule: DailyWindow, zone: tzinfo) -> tuple[Interval | None, Instant | None]:
    """(the window that is open at `now` or None, when that changes next or None)."""
    today = local_day(now, zone)
    edges: list[Instant] = []
    open_now: Interval | None = None
    for ahead in _WEEK_AHEAD:
        day = today + timedelta(days=ahead)
        if day.weekday() not in rule.days:
            continue
        last = day if rule.end_s > rule.start_s else day + timedelta(days=1)
        start, end = instant_of(day, rule.start_s, zone), instant_of(last, rule.end_s, zone)
        if end <= start:
            continue  # the clocks skipped it
        if start <= now < end:
            open_now = Interval(start, end - start)
        edges += [edge for edge in (start, end) if edge > now]
    return open_now, min(edges, default=None)
