"""What a VEN offers to report: as metadata, and whether a request stays within it.

Owns no request and no value; those are reporting.py's.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.report import (
    METADATA_PREFIX,
    OadrReport,
    OadrReportDescription,
    OadrSamplingRate,
)
from gridiface.protocols.openadr.reports import ReportKind, ReportRequest
from gridiface.protocols.openadr.ven.state import DataPoint, ReportOffer

_METADATA_REPORT_ID = "0"
#: Intervals of one report, over all its messages.
MOST_INTERVALS = 20_000


def metadata_of(offer: ReportOffer, now: float) -> OadrReport:
    """What is offered as the VTN is told (rules 305, 311, 312, 331, 333)."""
    return OadrReport(
        duration=offer.duration,
        oadrReportDescription=[_description_of(point, offer) for point in offer.points],
        reportRequestID=_METADATA_REPORT_ID,
        reportSpecifierID=offer.specifier,
        reportName=offer.name if offer.name.startswith("x-") else METADATA_PREFIX + offer.name,
        createdDateTime=now,
    )


def _description_of(point: DataPoint, offer: ReportOffer) -> OadrReportDescription:
    rate = OadrSamplingRate(
        oadrMinPeriod=point.min_period,
        oadrMaxPeriod=min(point.max_period, offer.duration),
        oadrOnChange=point.on_change,
    )
    source = EiTarget(resourceID=list(point.resources)) if point.resources else None
    return OadrReportDescription(
        rID=point.rid,
        reportSubject=EiTarget(endDeviceAsset=[point.device_class]) if point.device_class else None,
        reportDataSource=source,
        reportType=point.report_type,
        itemBase=point.unit,
        readingType=point.reading_type,
        marketContext=point.market_context,
        # Telemetry must have one (rule 333), and conformance checks miss it in all but this report.
        oadrSamplingRate=None if offer.name == "HISTORY_USAGE" else rate,
    )


def check_amount(request: ReportRequest, offer: ReportOffer, points: Sequence[DataPoint], now: float) -> None:
    """More than is offered cannot be had (rules 300, 317, 340).

    Args:
        request: what is asked for.
        offer: of what.
        points: the data points of the offer that are asked for.
        now: the time.

    Raises:
        Refusal: 454, it is more, more often or less often than is offered, or at a time that cannot be.
    """
    span = request.duration if request.kind is ReportKind.HISTORY else request.back
    if span > offer.duration > 0:
        raise Refusal(Code.INVALID_DATA, f"no more than {offer.duration} s of data are kept")
    if request.kind is ReportKind.PERIODIC and not offer.is_history:
        if request.granularity > request.back:
            raise Refusal(Code.INVALID_DATA, "the granularity is above the reportBackDuration")
        if 0 < request.granularity < max(point.min_period for point in points):
            raise Refusal(Code.INVALID_DATA, "the granularity is below the sampling rate offered")
        if request.granularity > min(point.max_period for point in points):
            raise Refusal(Code.INVALID_DATA, "the granularity is above the sampling rate offered")
        if request.granularity == 0 and not all(point.on_change for point in points):
            raise Refusal(Code.INVALID_DATA, "no reports on change are offered")
        if request.granularity and request.back // request.granularity > MOST_INTERVALS:
            raise Refusal(Code.INVALID_DATA, "too many intervals in one report")
        if request.end <= now:
            raise Refusal(Code.INVALID_DATA, "the reportInterval is over")
    if offer.is_history and request.start is not None and request.start > now:
        raise Refusal(Code.INVALID_DATA, "history lies in the past")
