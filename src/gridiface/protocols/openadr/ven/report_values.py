"""Which values a report of a VEN holds: recorded over a span, sampled at instants, or placeholders for what is missing.

Owns the choice of instants, spans and parts (rules 313 to 318, 337, 341, 342, 346). Does not own values themselves (a
SampleSource has them), nor when a report is due and what message it becomes (reporting.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gridiface.protocols.openadr.payloads.stream import QUALITY_BAD, QUALITY_GOOD
from gridiface.protocols.openadr.reports import ReportKind, ReportValue
from gridiface.protocols.openadr.ven.offers import MOST_INTERVALS
from gridiface.protocols.openadr.ven.samples import (
    PREVIOUS_USED,
    Sample,
    SampleSource,
    at_least_apart,
    coarser,
    same,
    value_at,
    value_of,
)
from gridiface.protocols.openadr.ven.state import DataPoint, ReportOffer, Running

#: Octets of a message, and about how many an interval and each of its values take.
_MESSAGE, _INTERVAL, _VALUE = 200_000, 300, 260
#: So many messages are made at once.
_AT_ONCE = 8
_STATUS = "x-resourceStatus"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a history; `rest`: where the next piece begins, None after the last."""

    values: list[ReportValue]
    rest: float | None


class ReportValues:
    """The values of reports.

    Args:
        samples: where they come from.
    """

    def __init__(self, samples: SampleSource) -> None:
        self._samples = samples

    def of(self, running: Running, offer: ReportOffer, at: float) -> tuple[list[ReportValue], float]:
        """The values of a report at `at`, or of its next piece, and up to where these go.

        A report of very many instants is made piece by piece: nothing else happens while one is made.
        """
        points = {point.rid: point for point in offer.points}
        request = running.request
        pieces = request.kind is ReportKind.PERIODIC and not offer.is_recorded and request.granularity > 0
        if pieces and request.granularity != request.back:
            at = min(at, running.covered + _AT_ONCE * per_message(len(request.rids)) * request.granularity)
        found = [value for rid in request.rids for value in self._of_point(points[rid], running, offer, at)]
        # What was recorded and not over yet comes whole with the next report.
        covered = _until(found, at, running.covered) if offer.is_recorded else at
        return _with_durations(found, offer, request.granularity), covered

    def part_of(self, running: Running, offer: ReportOffer, now: float) -> Part:
        """The next piece of a history from `running.covered` on, about as much as a message holds."""
        request = running.request
        points = [point for point in offer.points if point.rid in request.rids]
        points.sort(key=lambda point: request.rids.index(point.rid))
        end = min(now, request.end)
        span = per_message(len(points)) * max(request.granularity, *(point.min_period for point in points))
        first = self._first(offer, points, running.covered, end, span)
        if first is None:
            return Part(self._told(offer, points, request.granularity, request.start or 0.0, end), None)
        # What was recorded under another configuration may be longer than what is offered now.
        until = min(end, first.at + max(span, first.duration or 0))
        rows = [row for point in points for row in self._samples.between(offer.specifier, point.rid, first.at, until)]
        # What straddles the end of this piece begins the next one.
        reached = max((row.at + row.duration if row.duration else until for row in rows), default=until)
        rest = self._first(offer, points, min(reached, until), end, span)
        return Part(self._told(offer, points, request.granularity, first.at, until), None if rest is None else rest.at)

    def _told(
        self, offer: ReportOffer, points: Sequence[DataPoint], granularity: int, start: float, end: float
    ) -> list[ReportValue]:
        found = [
            value for point in points for value in self._recorded(point, offer, start, end, granularity, since=start)
        ]
        return _with_durations(found, offer, granularity)

    def _first(
        self, offer: ReportOffer, points: Sequence[DataPoint], start: float, end: float, span: float
    ) -> Sample | None:
        """The first of what was recorded in [start, end); None where there is nothing."""
        # Looked for in spans that grow, so that a long gap is passed soon and what follows it is not read as a whole.
        while start < end:
            until = min(end, start + span)
            rows = [self._samples.between(offer.specifier, point.rid, start, until) for point in points]
            if any(rows):
                return min((row[0] for row in rows if row), key=lambda row: row.at)
            if until == end:
                break
            span *= 2
        return None

    def _of_point(self, point: DataPoint, running: Running, offer: ReportOffer, at: float) -> Iterable[ReportValue]:
        """Of one data point: recorded over a span, or sampled at instants, as the request and the offer are."""
        request = running.request
        end, step = min(at, request.end), request.granularity
        if offer.is_recorded and request.back > 0:
            # A periodic request goes on from where the last report ended.
            return self._recorded(point, offer, running.covered, end, step, whole=True)
        if offer.is_recorded:
            return self._recorded(point, offer, at - 2 * point.min_period, at, 0)[-1:]
        if request.kind is ReportKind.ONE_SHOT:
            return (self._at(point, offer, at, 0),)
        if step == 0:
            return self._changed_since(point, offer, running, at)
        return (self._at(point, offer, instant, step) for instant in _instants(running, at))

    def _changed_since(self, point: DataPoint, offer: ReportOffer, running: Running, at: float) -> list[ReportValue]:
        """What changed since the last report; where nothing did, the value of before, which says so (rule 317)."""
        since = math.nextafter(running.covered, -math.inf)
        before = self._samples.at(offer.specifier, point.rid, since)
        found = list(self._samples.between(offer.specifier, point.rid, running.covered, at))
        earlier = [before if running.told else None, *found]
        changed = [new for old, new in zip(earlier, found, strict=False) if old is None or not same(old, new)]
        if changed:
            spaced = at_least_apart(changed, point.min_period)[-MOST_INTERVALS:]
            return [value_of(point.rid, sample) for sample in spaced]
        status = point.report_type == _STATUS
        value = value_at(point.rid, before, running.covered, 0, is_status=status, duration=None)
        return [replace(value, quality=PREVIOUS_USED) if running.told and value.quality == QUALITY_GOOD else value]

    def _at(self, point: DataPoint, offer: ReportOffer, instant: float, granularity: int) -> ReportValue:
        sample = self._samples.at(offer.specifier, point.rid, instant)
        duration = granularity if point.interval_data and granularity else None
        status = point.report_type == _STATUS
        return value_at(point.rid, sample, instant, granularity, is_status=status, duration=duration)

    def _recorded(
        self,
        point: DataPoint,
        offer: ReportOffer,
        start: float,
        end: float,
        granularity: int,
        *,
        whole: bool = False,
        since: float | None = None,
    ) -> list[ReportValue]:
        """What was recorded from `start` on.

        Args:
            point, offer: of what.
            start, end: when.
            granularity: seconds of an interval; 0 as recorded.
            whole: only intervals that are over at `end`.
            since: where the first interval of a granularity begins; None: with what was recorded first.
        """
        found = self._samples.between(offer.specifier, point.rid, start, end)
        begin = max(start, found[0].at) if since is None and found else since or 0.0
        samples = coarser(found, begin, granularity, additive=point.additive)
        samples = [one for one in samples if not whole or one.at + (one.duration or 0) <= end][-MOST_INTERVALS:]
        if samples:
            return [value_of(point.rid, sample) for sample in samples]
        status = point.report_type == _STATUS
        return [value_at(point.rid, None, max(start, 0.0), 0, is_status=status, duration=None)]


def _with_durations(values: Iterable[ReportValue], offer: ReportOffer, granularity: int) -> list[ReportValue]:
    """Placeholders of interval data have a duration as the others do (rules 315, 342)."""
    lengths = {point.rid: max(granularity, point.min_period) for point in offer.points if point.interval_data}
    return [
        replace(value, duration=lengths[value.rid]) if value.duration is None and value.rid in lengths else value
        for value in values
    ]


def _until(values: Sequence[ReportValue], at: float, before: float) -> float:
    """The end of what these values of a report at `at` speak of; `before` where they are placeholders only."""
    told = [value for value in values if value.duration or value.quality != QUALITY_BAD]
    return max((value.start + value.duration if value.duration else at for value in told), default=before)


def per_message(rids: int) -> int:
    """Intervals of so many values each that fit in one message."""
    return max(1, _MESSAGE // (_INTERVAL + _VALUE * rids))


def _instants(running: Running, at: float) -> list[float]:
    """The instants that a periodic report at `at` covers: every granularity since the last one, oldest first."""
    step = running.request.granularity
    if step == running.request.back:
        return [at]
    count = max(1, math.ceil((at - running.covered) / step - 1e-9))
    return [running.covered + n * step for n in range(min(count, MOST_INTERVALS))]
