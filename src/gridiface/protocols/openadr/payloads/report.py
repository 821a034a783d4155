"""Payloads of EiReport: metadata, requests, data, cancellations."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads.common import EiResponse, EiTarget, Properties
from gridiface.protocols.openadr.payloads.namespaces import (
    DATE_TIME,
    DURATION,
    EI,
    EMIX,
    PYLD,
    READING_TYPE,
    SCHEMA_VERSION,
    SCHEMA_VERSIONS,
    STRM,
    XCAL,
    ei,
    oadr,
    token,
)
from gridiface.protocols.openadr.payloads.stream import ITEM_BASE, Intervals, ItemBase
from gridiface.protocols.openadr.payloads.units import unknown_unit
from gridiface.protocols.xmlwire import WireObject, attribute, element
from gridiface.protocols.xmlwire.primitives import ANY_URI, BOOLEAN, STRING

REPORT_NAMES = ("TELEMETRY_USAGE", "TELEMETRY_STATUS", "HISTORY_USAGE", "HISTORY_GREENBUTTON")
METADATA_PREFIX = "METADATA_"
REPORT_TYPES = (
    *("reading", "usage", "demand", "setPoint", "deltaUsage", "deltaSetPoint", "deltaDemand", "baseline"),
    *("deviation", "avgUsage", "avgDemand", "operatingState", "upRegulationCapacityAvailable"),
    *("downRegulationCapacityAvailable", "regulationSetpoint", "storedEnergy", "targetEnergyStorage"),
    *("availableEnergyStorage", "price", "level", "powerFactor", "percentUsage", "percentDemand", "x-resourceStatus"),
)
_REPORT_NAME = token(
    "reportNameType", (*REPORT_NAMES, *(METADATA_PREFIX + name for name in REPORT_NAMES)), extensible=True
)
_REPORT_TYPE = token("ReportTypeType", REPORT_TYPES, extensible=True)


@ei
class SpecifierPayload(WireObject):
    """One wanted data point; readingType is x-notApplicable in what we send (rule 338)."""

    rID: str = element(STRING)
    itemBase: ItemBase | None = element(ITEM_BASE, default=None, other=unknown_unit)
    readingType: str = element(READING_TYPE)


@ei
class ReportInterval(WireObject):
    """The whole time of reporting."""

    properties: Properties = element(Properties, ns=XCAL)


@ei
class ReportSpecifier(WireObject):
    """Which data points, how often sampled (granularity), how often reported (reportBackDuration)."""

    reportSpecifierID: str = element(STRING)
    granularity: int = element(DURATION, ns=XCAL, inside="duration", unit="s")
    reportBackDuration: int = element(DURATION, inside=("duration", XCAL), unit="s")
    reportInterval: ReportInterval | None = element(ReportInterval, default=None)
    specifierPayload: list[SpecifierPayload] = element(SpecifierPayload, default_factory=list, at_least=1, assumed=list)


@oadr
class OadrReportRequest(WireObject):
    """One request, with the requester's ID for it."""

    reportRequestID: str = element(STRING, ns=EI)
    reportSpecifier: ReportSpecifier = element(ReportSpecifier, ns=EI)


@oadr
class OadrSamplingRate(WireObject):
    """How fast telemetry can be sampled."""

    oadrMinPeriod: int = element(DURATION, unit="s")
    oadrMaxPeriod: int = element(DURATION, unit="s")
    oadrOnChange: bool = element(BOOLEAN)


@oadr
class OadrReportDescription(WireObject):
    """One data point that can be reported."""

    rID: str = element(STRING, ns=EI)
    reportSubject: EiTarget | None = element(EiTarget, default=None, ns=EI)
    reportDataSource: EiTarget | None = element(EiTarget, default=None, ns=EI)
    reportType: str = element(_REPORT_TYPE, ns=EI)
    itemBase: ItemBase | None = element(ITEM_BASE, default=None, other=unknown_unit)
    readingType: str = element(READING_TYPE, ns=EI)
    marketContext: str | None = element(ANY_URI, default=None, ns=EMIX)
    oadrSamplingRate: OadrSamplingRate | None = element(OadrSamplingRate, default=None)


def _of_no_request() -> str:
    """The reportRequestID of a report that says none, as metadata have it (rule 311); no data have it."""
    return "0"


@oadr
class OadrReport(WireObject):
    """A report: in metadata its descriptions, in data its intervals."""

    dtstart: float | None = element(DATE_TIME, default=None, ns=XCAL, inside="date-time")
    duration: int | None = element(DURATION, default=None, ns=XCAL, inside="duration", unit="s")
    intervals: Intervals | None = element(Intervals, default=None, ns=STRM)
    eiReportID: str | None = element(STRING, default=None, ns=EI)
    oadrReportDescription: list[OadrReportDescription] = element(OadrReportDescription, default_factory=list)
    reportRequestID: str = element(STRING, ns=EI, assumed=_of_no_request)
    reportSpecifierID: str = element(STRING, ns=EI)
    reportName: str | None = element(_REPORT_NAME, default=None, ns=EI)
    createdDateTime: float = element(DATE_TIME, ns=EI)


@oadr
class OadrPendingReports(WireObject):
    """All requests that are still running, old ones too (rule 329)."""

    reportRequestID: list[str] = element(STRING, default_factory=list, ns=EI)


@oadr
class OadrRegisterReport(WireObject):
    """Everything the sender can report (rule 306)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    oadrReport: list[OadrReport] = element(OadrReport, default_factory=list)
    venID: str | None = element(STRING, default=None, ns=EI)
    reportRequestID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrRegisteredReport(WireObject):
    """Answer to oadrRegisterReport; may already hold requests (rule 344)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    oadrReportRequest: list[OadrReportRequest] = element(OadrReportRequest, default_factory=list)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrCreateReport(WireObject):
    """Ask for reports."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    oadrReportRequest: list[OadrReportRequest] = element(OadrReportRequest, default_factory=list, at_least=1)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrCreatedReport(WireObject):
    """Answer to a request for reports."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    oadrPendingReports: OadrPendingReports = element(OadrPendingReports, assumed=OadrPendingReports)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrUpdateReport(WireObject):
    """Data."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    oadrReport: list[OadrReport] = element(OadrReport, default_factory=list)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrCancelReport(WireObject):
    """Stop reports; with reportToFollow one last report is wanted (rule 345)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    requestID: str = element(STRING, ns=PYLD, assumed=str)
    reportRequestID: list[str] = element(STRING, ns=EI, default_factory=list, at_least=1)
    reportToFollow: bool = element(BOOLEAN, ns=PYLD)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrUpdatedReport(WireObject):
    """Answer to data; may hold a cancellation, which is then not confirmed (rule 328)."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    oadrCancelReport: OadrCancelReport | None = element(OadrCancelReport, default=None)
    venID: str | None = element(STRING, default=None, ns=EI)


@oadr
class OadrCanceledReport(WireObject):
    """Answer to oadrCancelReport."""

    schemaVersion: str | None = attribute(SCHEMA_VERSIONS, default=SCHEMA_VERSION, ns=EI)
    eiResponse: EiResponse = element(EiResponse, ns=EI)
    oadrPendingReports: OadrPendingReports = element(OadrPendingReports, assumed=OadrPendingReports)
    venID: str | None = element(STRING, default=None, ns=EI)
