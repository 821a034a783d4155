"""Settlement rows: one per event, resource and interval, and their sums. Pure.

Owns which intervals an event has, how baseline and meter meet, and how rows add up. Which day counts is baseline.py's,
what changes when data arrive late is revisions.py's, what of a row counts for its event is credit.py's.

Intervals are the settlement interval's; those that the event covers only in part are left out. `delivered_w` is
metered less baseline, + more delivered to the grid (or less taken from it); `committed_w` has the same sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import FloatArray
from gridiface.aggregation.settlement.baseline import METHODS, Baseline, Method, day_baseline, like_days
from gridiface.aggregation.settlement.calendar import Calendar, days_before
from gridiface.aggregation.settlement.meter_before import METER_BEFORE, MeterBefore, level_before, why_unusual
from gridiface.aggregation.settlement.series import (
    BAD,
    ESTIMATED,
    GOOD,
    QUALITIES,
    MeterSeries,
    QualityArray,
    day_table,
)
from gridiface.domain.clock import Instant
from gridiface.domain.performance import worst_quality
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError

#: Most intervals of one event: a week of minutes.
MOST_INTERVALS = 10_080

#: Every method by its name.
ALL_METHODS: Mapping[str, Method | MeterBefore] = {**METHODS, METER_BEFORE.name: METER_BEFORE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementEvent:
    """What is to be settled.

    Attributes:
        id: the event's.
        start, end: instants.
        committed_w: W per resource, one value or one per interval; resources without one have no performance.
        method: name of the baseline method.
        methods: other names for single resources (storage beside load).
        interval_s: settlement interval, s; None is the meters' own.
    """

    id: str
    start: Instant
    end: Instant
    committed_w: Mapping[str, float | Sequence[float]] = field(default_factory=dict)
    method: str = "10-of-10"
    methods: Mapping[str, str] = field(default_factory=dict)
    interval_s: float | None = None

    def method_of(self, resource_id: str) -> Method | MeterBefore:
        """The resource's method.

        Raises:
            ConfigError: no method is called that.
        """
        name = self.methods.get(resource_id, self.method)
        if name not in ALL_METHODS:
            raise ConfigError(f"no baseline method {name!r}; there are: {', '.join(ALL_METHODS)}")
        return ALL_METHODS[name]


#: [start, end) of something, s since 1970.
Span = tuple[Instant, Instant]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRow:
    """One event, one resource, one interval. W, + delivered; None = not known.

    `eligible`: the part of its time for which the resource took part in the event, 0 to 1. `share`: what other events
    leave of it, 0 to 1, and `elsewhere` which count the rest. `reason`: why it was not there, or is an estimate.
    """

    event_id: str
    resource_id: str
    start: Instant
    end: Instant
    baseline_w: float | None
    metered_w: float | None
    delivered_w: float | None
    committed_w: float | None
    quality: Quality
    method: str
    revision: int = 1
    eligible: float = 1.0
    share: float = 1.0
    reason: str = ""
    elsewhere: str = ""

    @property
    def why(self) -> str:
        """For people: why less than all of it counts, or why it is an estimate; empty where there is nothing to say."""
        return "; ".join(filter(None, (self.reason, self.elsewhere)))

    @property
    def credited_w(self) -> float | None:
        """What of `delivered_w` counts for this event; a watt counts for one event only."""
        return None if self.delivered_w is None else self.delivered_w * self.eligible * self.share

    @property
    def performance(self) -> float | None:
        """Credited as a fraction of committed; None where either is unknown or nothing was committed."""
        credited = self.credited_w
        return None if credited is None or not self.committed_w else credited / self.committed_w

    @property
    def hours(self) -> float:
        """The interval's length, h."""
        return (self.end - self.start) / 3600.0


def settle(
    event: SettlementEvent,
    series: Iterable[MeterSeries],
    *,
    calendar: Calendar,
    event_days: frozenset[date] = frozenset(),
    own_event_days: Mapping[str, frozenset[date]] = MappingProxyType({}),
    own_events: Mapping[str, Sequence[Span]] = MappingProxyType({}),
) -> tuple[SettlementRow, ...]:
    """The rows of one event over the meters given, by resource, then time.

    Args:
        event: what is to be settled; its own days never serve as like days.
        series: one per resource, all of one interval or finer than `event.interval_s`.
        calendar: of the place.
        event_days: days of earlier events, which are left out of baselines.
        own_event_days: the same for single resources: days of events in which only some took part.
        own_events: of single resources the times of other events: a load is not as usual then, so that they do not
            count in the same-day adjustment, and a flat baseline in or soon after one is an estimate.

    Raises:
        ConfigError: unknown method, commitments for a resource without a meter or of the wrong number, or intervals
            that do not fit each other.
    """
    meters = _prepared(event, list(series), calendar)
    if not meters:
        return ()
    starts = _starts(event, meters[0])
    unknown = sorted(set(event.committed_w) - {one.meter_id for one in meters})
    if unknown:
        raise ConfigError(f"event {event.id}: commitments without meter data: {', '.join(unknown[:5])}")
    own_days = {calendar.day(float(start)) for start in starts}
    groups: dict[str, list[MeterSeries]] = {}
    for one in meters:
        groups.setdefault(event.method_of(one.meter_id).name, []).append(one)
    rows: list[SettlementRow] = []
    for members in groups.values():
        method = event.method_of(members[0].meter_id)
        others = [own_events.get(one.meter_id, ()) for one in members]
        if isinstance(method, MeterBefore):
            found = _flat(members, event, starts.size, method, others)
        else:
            excluded = [event_days | own_days | own_event_days.get(one.meter_id, frozenset()) for one in members]
            found = _like(members, starts, calendar, excluded, others, method)
        for row, one in enumerate(members):
            rows.extend(_rows(event, one, starts, _Base(found.w[row], found.quality[row], found.why[row])))
    return tuple(sorted(rows, key=lambda row: (row.resource_id, row.start)))


def _prepared(event: SettlementEvent, series: list[MeterSeries], calendar: Calendar) -> list[MeterSeries]:
    """The series on the grid of settlement: finer ones on that of the local day, the others as they are."""
    interval_s = event.interval_s or max((one.interval_s for one in series), default=0.0)
    names = [one.meter_id for one in series]
    if len(set(names)) != len(names):
        raise ConfigError(f"event {event.id}: a meter is given twice; merge its series first")
    try:
        phase_s = calendar.phase(event.start, interval_s) if series else 0.0
        return [one.coarser(interval_s, phase_s) for one in series]
    except ValueError as problem:
        raise ConfigError(f"event {event.id}: {problem}") from problem


def _starts(event: SettlementEvent, meter: MeterSeries) -> FloatArray:
    """The starts of the intervals of a meter's grid that lie wholly inside the event."""
    interval_s, phase_s = meter.interval_s, meter.start % meter.interval_s
    first = math.ceil((event.start - phase_s) / interval_s - 1e-9)
    count = math.floor((event.end - phase_s) / interval_s + 1e-9) - first
    if not 1 <= count <= MOST_INTERVALS:
        text = f"event {event.id} holds {max(count, 0)} whole intervals of {interval_s:g} s"
        raise ConfigError(f"{text}; it must hold 1 to {MOST_INTERVALS}: look at its start and end")
    return (first + np.arange(count, dtype=np.float64)) * interval_s + phase_s


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """Baselines of meters, a line each, or of one: W, quality codes, and why one is an estimate or missing."""

    w: FloatArray
    quality: QualityArray
    why: npt.NDArray[np.object_]


def _flat(
    members: list[MeterSeries], event: SettlementEvent, count: int, method: MeterBefore, others: list[Sequence[Span]]
) -> _Base:
    levels = [level_before(one, event.start, method) for one in members]
    why = [why_unusual(one, spans, event.start, method) for one, spans in zip(members, others, strict=True)]
    codes = [max(code, ESTIMATED) if unusual else code for (_, code), unusual in zip(levels, why, strict=True)]
    few = f"less than {method.share:.0%} of the {method.window_s / 60:g} min before are known"
    why = [unusual if math.isfinite(level) else few for (level, _), unusual in zip(levels, why, strict=True)]
    each = [np.array([level for level, _ in levels]), np.array(codes, dtype=np.uint8), np.array(why, dtype=np.object_)]
    base, quality, reasons = (np.repeat(one[:, None], count, axis=1) for one in each)
    return _Base(base, quality, reasons)


def _like(
    members: list[MeterSeries],
    starts: FloatArray,
    calendar: Calendar,
    excluded: list[frozenset[date]],
    others: list[Sequence[Span]],
    method: Method,
) -> _Base:
    """Baselines from like days, day by day; the first day's adjustment holds for the whole event.

    `excluded`: of each member the days that cannot stand for another; `others`: the times of other events.
    """
    interval_s = members[0].interval_s
    base = np.full((len(members), starts.size), np.nan)
    quality = np.full(base.shape, BAD, dtype=np.uint8)
    why = np.full(base.shape, "", dtype=np.object_)
    days = [calendar.day(float(start)) for start in starts]
    slots = np.array([calendar.slot(float(start), interval_s) for start in starts])
    factor = np.ones(len(members))
    for number, day in enumerate(dict.fromkeys(days)):
        at = np.array([one == day for one in days])
        try:
            table = day_table(members, calendar, (*days_before(day, method.look_back_days), day))
        except ValueError as problem:
            fix = "give data of a shorter interval (of half an hour where the zone is half an hour off)"
            raise ConfigError(f"meter data do not fit the local day: {problem}; {fix}") from problem
        likely = {days: like_days(calendar, table.days, day, days, method.look_back_days) for days in set(excluded)}
        eligible = np.array([likely[days] for days in excluded])
        inside = slice(int(slots[at].min()), int(slots[at].max()) + 1)
        usual = None if number else _as_usual(table.day(day), others, calendar, day, interval_s)
        found = day_baseline(table, eligible, inside, method, actual=usual)
        if number == 0:
            factor = found.factor
        scale = 1.0 if number == 0 else factor[:, None]
        base[:, at] = found.w[:, slots[at]] * scale
        quality[:, at] = found.quality[:, slots[at]]
        why[:, at] = np.array([_why_days(found, row, method, first=not number) for row in range(len(members))])[:, None]
    return _Base(base, quality, why)


def _why_days(found: Baseline, row: int, method: Method, *, first: bool) -> str:
    """Why a baseline of like days is an estimate or missing; `first`: of the day whose adjustment holds."""
    count = int(found.days[row])
    if count < min(method.least_days, method.keep):
        return f"{count} like days are known well enough, {method.least_days} are needed"
    few = f"it rests on {count} of {method.keep} like days" if count < method.keep else ""
    unadjusted = method.adjustment is not None and first and not found.adjusted[row]
    return "; ".join(filter(None, (few, "no same-day adjustment" if unadjusted else "")))


def _as_usual(
    actual: FloatArray, others: list[Sequence[Span]], calendar: Calendar, day: date, interval_s: float
) -> FloatArray:
    """What each meter shows of a day, (M, T), NaN in each slot that another event touches."""
    shown = actual.copy()
    for row, spans in enumerate(others):
        for start, end in spans:
            for at in (*np.arange(start, end, interval_s).tolist(), end - 1e-3):
                if calendar.day(at) == day:
                    shown[row, calendar.slot(at, interval_s)] = np.nan
    return shown


def _rows(event: SettlementEvent, meter: MeterSeries, starts: FloatArray, base: _Base) -> list[SettlementRow]:
    try:
        metered, metered_codes = meter.window(float(starts[0]), starts.size)
    except ValueError as problem:
        raise ConfigError(f"event {event.id}: {problem}") from problem
    committed = _committed(event, meter.meter_id, starts.size)
    delivered = metered - base.w
    worst = np.maximum(base.quality, metered_codes)
    method = event.method_of(meter.meter_id).name
    return [
        SettlementRow(
            event_id=event.id,
            resource_id=meter.meter_id,
            start=float(starts[at]),
            end=float(starts[at]) + meter.interval_s,
            baseline_w=_known(base.w[at]),
            metered_w=_known(metered[at]),
            delivered_w=_known(delivered[at]),
            committed_w=committed[at],
            quality=QUALITIES[int(worst[at])],
            method=method,
            reason="; ".join(filter(None, (base.why[at], *_doubts(base, at, int(metered_codes[at]))))),
        )
        for at in range(starts.size)
    ]


def _doubts(base: _Base, at: int, metered: int) -> Iterator[str]:
    """What else makes a row less than good."""
    if not base.why[at] and base.quality[at] != GOOD:
        yield f"what its baseline rests on is {QUALITIES[int(base.quality[at])].value}, or missing in part"
    if metered == BAD:
        yield "nothing is metered"
    elif metered != GOOD:
        yield f"what is metered is {QUALITIES[metered].value}"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _committed(event: SettlementEvent, resource_id: str, count: int) -> list[float | None]:
    value = event.committed_w.get(resource_id)
    if value is None:
        return [None] * count
    if isinstance(value, (int, float)):
        return [float(value)] * count
    if len(value) != count:
        raise ConfigError(f"event {event.id}: {resource_id} has {len(value)} commitments for {count} intervals")
    return [float(one) for one in value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum of rows, Wh, + delivered. Baseline, metered and delivered are summed over the settled rows only.

    Attributes:
        key: the event, resource, or start of interval that the rows share.
        rows: how many.
        settled: how many of them know what was delivered.
        credited_wh: what of the delivered energy counts for the event: over several events it counts nothing twice.
        committed_wh: over all rows; None where none has a commitment.
        performance: credited by committed energy of the rows that know both; None where none does.
        quality: the worst of all rows.
    """

    key: str
    rows: int
    settled: int
    baseline_wh: float
    metered_wh: float
    delivered_wh: float
    credited_wh: float
    committed_wh: float | None
    performance: float | None
    quality: Quality

    @property
    def coverage(self) -> float:
        """The settled share of the rows, 0..1."""
        return self.settled / self.rows if self.rows else 0.0


def totals(rows: Iterable[SettlementRow], by: Literal["event", "resource", "interval"]) -> tuple[Total, ...]:
    """Sums of rows by event, resource, or interval (key: start in seconds since 1970), in that order."""
    groups: dict[str | float, list[SettlementRow]] = {}
    for row in rows:
        key = row.event_id if by == "event" else row.resource_id if by == "resource" else row.start
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups.items(), key=lambda item: (str(type(item[0])), item[0]))
    return tuple(_total(f"{key:.0f}" if isinstance(key, float) else key, members) for key, members in ordered)


def _total(key: str, rows: list[SettlementRow]) -> Total:
    settled = [row for row in rows if row.delivered_w is not None]
    judged = [row for row in settled if row.committed_w is not None]
    committed = [row.committed_w * row.hours for row in rows if row.committed_w is not None]
    due = math.fsum((row.committed_w or 0.0) * row.hours for row in judged)
    done = math.fsum((row.credited_w or 0.0) * row.hours for row in judged)
    return Total(
        key=key,
        rows=len(rows),
        settled=len(settled),
        baseline_wh=math.fsum((row.baseline_w or 0.0) * row.hours for row in settled),
        metered_wh=math.fsum((row.metered_w or 0.0) * row.hours for row in settled),
        delivered_wh=math.fsum((row.delivered_w or 0.0) * row.hours for row in settled),
        credited_wh=math.fsum((row.credited_w or 0.0) * row.hours for row in settled),
        committed_wh=math.fsum(committed) if committed else None,
        performance=done / due if judged and due else None,
        quality=worst_quality(row.quality for row in rows),
    )
