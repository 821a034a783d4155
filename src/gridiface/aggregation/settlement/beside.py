"""What settlements of other events say to one that is settled: days and times at which a load is not as usual. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from gridiface.aggregation.settlement.calendar import Calendar
from gridiface.aggregation.settlement.revisions import Settlement
from gridiface.aggregation.settlement.rows import Span
from gridiface.domain.clock import Instant

#: Times of events so near count for the day of another one and for its level before it, s.
_NEAR_S = 2 * 86_400.0


def event_days(
    settlements: Iterable[Settlement], resources: Collection[str], after: Instant, calendar: Calendar
) -> Mapping[str, frozenset[date]]:
    """The local days on which each resource took part in one of these events, from `after` on."""
    found: dict[str, set[date]] = {}
    for settlement in settlements:
        for row in settlement.rows:
            if row.start >= after and row.resource_id in resources and row.eligible > 0:
                found.setdefault(row.resource_id, set()).add(calendar.day(row.start))
    return {name: frozenset(days) for name, days in found.items()}


def event_times(
    settlements: Iterable[Settlement], resources: Collection[str], start: Instant
) -> Mapping[str, list[Span]]:
    """The times at which each resource took part in one of these events, within two days of `start`."""
    found: dict[str, list[Span]] = {}
    for settlement in settlements:
        for row in settlement.rows:
            if abs(row.start - start) < _NEAR_S and row.resource_id in resources and row.eligible > 0:
                found.setdefault(row.resource_id, []).append((row.start, row.end))
    return found
