"""What may be asked of a VEN by its metadata, and what is asked for a wish: pure, over payloads.

Owns the judgement of metadata and requests (rules 300, 308, 317, 324, 333, 340); which requests run is reporting.py's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.payloads.report import METADATA_PREFIX, OadrReport, OadrReportDescription
from gridiface.protocols.openadr.reports import METADATA, METADATA_RID, ReportRequest, default_start
from gridiface.protocols.openadr.vtn.entities import ReportWish


def check_metadata(offers: Sequence[OadrReport]) -> None:
    """Whether metadata can be.

    Raises:
        Refusal: 454, 459; IDs are not unique (rule 308), telemetry has no sampling rate that can be (rule 333).
    """
    specifiers = [offered.reportSpecifierID for offered in offers]
    if len(set(specifiers)) != len(specifiers):
        raise Refusal(Code.INVALID_DATA, "reportSpecifierIDs must differ")
    for offered in offers:
        rids = [point.rID for point in offered.oadrReportDescription]
        if len(set(rids)) != len(rids):
            raise Refusal(Code.INVALID_DATA, "the rIDs of a report must differ")
        telemetry = (offered.reportName or "").removeprefix(METADATA_PREFIX).startswith("TELEMETRY")
        for point in offered.oadrReportDescription:
            rate = point.oadrSamplingRate
            if rate is None and telemetry:
                raise Refusal(Code.COMPLIANCE, f"rID {point.rID} has no oadrSamplingRate (rule 333)")
            if rate is not None and not 0 <= rate.oadrMinPeriod <= rate.oadrMaxPeriod:
                raise Refusal(Code.INVALID_DATA, f"the oadrSamplingRate of rID {point.rID} cannot be")


def _check_rates(request: ReportRequest, points: Mapping[str, OadrReportDescription]) -> None:
    """Raises RefusedControl: a periodic request for values at other times than are offered (rule 317)."""
    if request.granularity > request.back:
        raise RefusedControl("the granularity is above the reportBackDuration (rule 317)")
    for rid in request.rids:
        rate = points[rid].oadrSamplingRate
        if rate is None:
            continue
        if request.granularity == 0 and not rate.oadrOnChange:
            raise RefusedControl(f"{rid} is not offered on change")
        if 0 < request.granularity < rate.oadrMinPeriod:
            raise RefusedControl(f"{rid} is not sampled so often")
        if request.granularity > rate.oadrMaxPeriod > 0:
            raise RefusedControl(f"{rid} is sampled more often")


def check_request(request: ReportRequest, metadata: Sequence[OadrReport]) -> str:
    """The name of the requested report.

    Raises:
        RefusedControl: the metadata do not offer it so (rule 300).
    """
    if request.specifier == METADATA:
        if request.rids != (METADATA_RID,):
            raise RefusedControl("metadata is requested with rID 0 (rule 308)")
        return METADATA
    offered = {r.reportSpecifierID: r for r in metadata}.get(request.specifier)
    if offered is None:
        raise RefusedControl(f"the VEN does not offer a report {request.specifier}")
    points = {point.rID: point for point in offered.oadrReportDescription}
    if not request.rids or not set(request.rids) <= points.keys():
        raise RefusedControl("a requested rID is not offered")
    name = (offered.reportName or "").removeprefix(METADATA_PREFIX)
    if name.startswith("HISTORY"):
        if request.granularity or request.back:
            raise RefusedControl("history has granularity and reportBackDuration 0 (rules 317, 324)")
        if request.start is None:
            raise RefusedControl("a request for history says from when on (rule 324)")
    elif request.back > 0:
        _check_rates(request, points)
    span = request.duration if name.startswith("HISTORY") else request.back
    # A single value can be had of whoever keeps less than the time between two.
    if span > max(offered.duration or math.inf, request.granularity):
        raise RefusedControl(f"the VEN keeps no more than {offered.duration} s of data (rule 340)")
    return name


def request_for(wish: ReportWish, offered: OadrReport, now: float) -> ReportRequest | None:
    """The request for a wish of what a VEN offers, as fast as it can be had; None: it offers none of the data points.

    Args:
        wish: what is wanted.
        offered: one report of its metadata.
        now: the time.
    """
    points = {point.rID: point for point in offered.oadrReportDescription if not wish.rids or point.rID in wish.rids}
    if not points:
        return None
    rates = [point.oadrSamplingRate for point in points.values() if point.oadrSamplingRate]
    fastest = max((rate.oadrMinPeriod for rate in rates), default=0)
    slowest = min((rate.oadrMaxPeriod for rate in rates), default=0)
    granularity = max(wish.granularity, fastest)
    granularity = min(granularity, slowest) if slowest else granularity
    # History has no granularity (rule 317), and no more is asked for than there is (rule 340).
    periodic = wish.back > 0 and not wish.name.startswith("HISTORY")
    most = max(offered.duration or math.inf, granularity)
    back = int(min(max(wish.back, granularity), most)) if periodic else 0
    begin = default_start(wish.name, offered.duration, back, now) if wish.start is None else wish.start
    return ReportRequest(
        id="",
        specifier=offered.reportSpecifierID,
        rids=tuple(points),
        granularity=granularity if periodic else 0,
        back=back,
        start=begin,
        duration=wish.duration,
    )
