"""Reports as both ends think of them: requests by kind, values with their times, to and from the wire.

Owns the form of requests and of data (rules 313 to 318, 338, 342). Does not own which requests run, nor any data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.changes import fits_a_key
from gridiface.protocols.openadr.payloads.common import Properties
from gridiface.protocols.openadr.payloads.report import (
    OadrReport,
    OadrReportRequest,
    ReportInterval,
    ReportSpecifier,
    SpecifierPayload,
)
from gridiface.protocols.openadr.payloads.stream import (
    QUALITY_BAD,
    Interval,
    OadrGBPayload,
    OadrPayloadResourceStatus,
    OadrReportPayload,
    PayloadFloat,
)
from gridiface.protocols.openadr.times import after

METADATA = "METADATA"
METADATA_RID = "0"
NOT_APPLICABLE = "x-notApplicable"
_GOOD = "Quality Good"
_MISSING_INFORMATION = 459
_INVALID_ID = 452
_INVALID_DATA = 454


class ReportKind(StrEnum):
    """How a request wants to be served."""

    METADATA = "metadata"
    ONE_SHOT = "one-shot"
    PERIODIC = "periodic"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """One request for a report, as its two ends keep it.

    `granularity` and `back` (reportBackDuration) are seconds; `start` None: no reportInterval was given;
    `duration` 0: without end.
    """

    id: str
    specifier: str
    rids: tuple[str, ...]
    granularity: int = 0
    back: int = 0
    start: float | None = None
    duration: int = 0
    history: bool = False

    @property
    def kind(self) -> ReportKind:
        """What it asks for, by its fields."""
        if self.specifier == METADATA:
            return ReportKind.METADATA
        if self.back > 0:
            return ReportKind.PERIODIC
        return ReportKind.HISTORY if self.history else ReportKind.ONE_SHOT

    @property
    def end(self) -> float:
        """When reporting ends; infinity without end."""
        return math.inf if self.start is None or self.duration == 0 else after(self.start, self.duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportValue:
    """One value of one data point. `value`, `status` or `feed` (Green Button, XML) is set, the others are None.

    All are None where no number came (NaN, INF); its quality is bad then.
    """

    rid: str
    start: float
    duration: int | None = None
    value: float | None = None
    status: OadrPayloadResourceStatus | None = None
    feed: bytes | None = None
    quality: str | None = None
    confidence: int | None = None
    accuracy: float | None = None


def default_start(name: str, kept: int | None, back: int, now: float) -> float | None:
    """When a request that does not say so begins: history where it is kept, what comes again now (rule 324).

    Args:
        name: of the report, without METADATA_.
        kept: seconds of data that there are, 0 or None: nobody knows.
        back: reportBackDuration, s.
        now: the time.
    """
    if name.startswith("HISTORY"):
        return max(0.0, now - (kept or now))
    return now if back > 0 else None


def request_to_wire(request: ReportRequest) -> OadrReportRequest:
    """A request as it is sent: no units, reading type x-notApplicable (rules 321, 338)."""
    interval = None
    if request.start is not None:
        interval = ReportInterval(properties=Properties(dtstart=request.start, duration=request.duration))
    return OadrReportRequest(
        reportRequestID=request.id,
        reportSpecifier=ReportSpecifier(
            reportSpecifierID=request.specifier,
            granularity=request.granularity,
            reportBackDuration=request.back,
            reportInterval=interval,
            specifierPayload=[SpecifierPayload(rID=rid, readingType=NOT_APPLICABLE) for rid in request.rids],
        ),
    )


def metadata_request(request_id: str) -> ReportRequest:
    """A request for the metadata, once."""
    return ReportRequest(id=request_id, specifier=METADATA, rids=(METADATA_RID,))


def request_from_wire(wire: OadrReportRequest, *, history: bool = False) -> ReportRequest:
    """A received request; `history` says that its specifier is of a history report, which the wire does not tell.

    Which data point a request for metadata names does not matter, nor whether it names one (rule 308).

    Raises:
        RemoteProtocolError: answer 452: the reportRequestID is too long; 454: negative times; 459: no data point is
            named.
    """
    specifier = wire.reportSpecifier
    span = specifier.reportInterval.properties if specifier.reportInterval else None
    if specifier.granularity < 0 or specifier.reportBackDuration < 0 or (span and span.duration < 0):
        raise RemoteProtocolError("a report request has a negative duration", answer=_INVALID_DATA)
    if not fits_a_key(wire.reportRequestID):
        raise RemoteProtocolError("the reportRequestID is too long", answer=_INVALID_ID)
    rids = tuple(dict.fromkeys(payload.rID for payload in specifier.specifierPayload))
    if not rids and specifier.reportSpecifierID != METADATA:
        raise RemoteProtocolError("a report request names no data point", answer=_MISSING_INFORMATION)
    return ReportRequest(
        id=wire.reportRequestID,
        specifier=specifier.reportSpecifierID,
        rids=(METADATA_RID,) if specifier.reportSpecifierID == METADATA else rids,
        granularity=specifier.granularity,
        back=specifier.reportBackDuration,
        start=span.dtstart if span else None,
        duration=span.duration if span else 0,
        history=history,
    )


def values_of(report: OadrReport) -> list[ReportValue]:
    """The values of a data report, in its order.

    Raises:
        RemoteProtocolError: answer 459: a value's time cannot be told, or its payload is of another kind; 454: it ends
            before it begins.
    """
    found: list[ReportValue] = []
    begin = report.dtstart
    for interval in report.intervals.interval if report.intervals else []:
        start = begin if interval.dtstart is None else interval.dtstart
        if start is None:
            raise RemoteProtocolError("an interval of the report has no start", answer=_MISSING_INFORMATION)
        duration = interval.duration
        if duration is None and interval.dtstart is None:
            duration = report.duration
        if duration is not None and duration < 0:
            raise RemoteProtocolError("an interval of the report has a negative duration", answer=_INVALID_DATA)
        begin = after(start, duration) if duration else start
        found += (_value_of(payload, start, duration) for payload in interval.streamPayloadBase)
    return found


def _value_of(payload: object, start: float, duration: int | None) -> ReportValue:
    if isinstance(payload, OadrGBPayload):
        return ReportValue(rid="", start=start, duration=duration, feed=payload.feed)
    if not isinstance(payload, OadrReportPayload):
        raise RemoteProtocolError("an interval of the report holds another payload", answer=_MISSING_INFORMATION)
    base, quality = payload.payloadBase, payload.oadrDataQuality
    value = base.value if isinstance(base, PayloadFloat) else None
    if value is not None and not math.isfinite(value):
        # How some programs say that they have none; nobody is to count with it.
        value, quality = None, QUALITY_BAD if (quality or _GOOD).startswith(_GOOD) else quality
    return ReportValue(
        rid=payload.rID,
        start=start,
        duration=duration,
        value=value,
        status=base if isinstance(base, OadrPayloadResourceStatus) else None,
        quality=quality,
        confidence=payload.confidence,
        accuracy=payload.accuracy if math.isfinite(payload.accuracy or 0.0) else None,
    )


def intervals_of(values: Iterable[ReportValue], *, one_point_each: bool = False) -> list[Interval]:
    """The intervals of a data report, oldest first; values of the same time share one.

    Args:
        values: what is to be reported.
        one_point_each: an interval per value, for receivers that read only one.
    """
    grouped: dict[tuple[float, int | None, int], list[ReportValue]] = {}
    for count, value in enumerate(values):
        grouped.setdefault((value.start, value.duration, count if one_point_each else 0), []).append(value)
    rows = sorted(grouped.items(), key=lambda row: (row[0][0], row[0][2]))
    return [
        Interval(
            dtstart=start,
            duration=duration,
            uid=str(uid),
            streamPayloadBase=[_payload_of(value) for value in members],
        )
        for uid, ((start, duration, _), members) in enumerate(rows)
    ]


def _payload_of(value: ReportValue) -> OadrReportPayload | OadrGBPayload:
    if value.feed is not None:
        return OadrGBPayload(feed=value.feed)
    base = value.status if value.status is not None else PayloadFloat(value=value.value or 0.0)
    return OadrReportPayload(
        rID=value.rid,
        confidence=value.confidence,
        accuracy=value.accuracy,
        payloadBase=base,
        oadrDataQuality=value.quality,
    )
