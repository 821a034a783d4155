"""Messages of a VEN with one data point, for tests of conversations."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads import registration, report
from gridiface.protocols.openadr.payloads.stream import Interval, Intervals, OadrReportPayload, PayloadFloat


def registering(request: str, registration_id: str | None, ven: str | None) -> registration.OadrCreatePartyRegistration:
    """A VEN that polls registers, anew or again."""
    return registration.OadrCreatePartyRegistration(
        requestID=request,
        registrationID=registration_id,
        venID=ven,
        oadrProfileName="2.0b",
        oadrTransportName="simpleHttp",
        oadrReportOnly=False,
        oadrXmlSignature=False,
        oadrHttpPullModel=True,
    )


def offering(request: str, ven: str, now: float) -> report.OadrRegisterReport:
    """It offers usage of the point `p` under the specifier `s`, each second to each minute."""
    point = report.OadrReportDescription(
        rID="p",
        reportType="usage",
        readingType="Direct Read",
        oadrSamplingRate=report.OadrSamplingRate(oadrMinPeriod=1, oadrMaxPeriod=60, oadrOnChange=False),
    )
    offered = report.OadrReport(
        duration=600,
        oadrReportDescription=[point],
        reportRequestID="0",
        reportSpecifierID="s",
        reportName="METADATA_TELEMETRY_USAGE",
        createdDateTime=now,
    )
    return report.OadrRegisterReport(requestID=request, oadrReport=[offered], venID=ven)


def telling(request: str, ven: str, which: str, now: float) -> report.OadrUpdateReport:
    """One value of that point for a request."""
    row = Interval(dtstart=now, streamPayloadBase=[OadrReportPayload(rID="p", payloadBase=PayloadFloat(value=1.0))])
    made = report.OadrReport(
        dtstart=now,
        intervals=Intervals(interval=[row]),
        reportRequestID=which,
        reportSpecifierID="s",
        reportName="TELEMETRY_USAGE",
        createdDateTime=now,
    )
    return report.OadrUpdateReport(requestID=request, oadrReport=[made], venID=ven)
