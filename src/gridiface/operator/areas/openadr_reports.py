"""Reports of the VENs of our VTN: requested, cancelled, and their data."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from gridiface.operator.api.routing import Area, Call, get, post, unknown
from gridiface.operator.areas.openadr_vens import VtnPort, audited
from gridiface.operator.problems import Refused
from gridiface.operator.rows.openadr import RequestRow, request_row
from gridiface.operator.schema import PRINTABLE, Asked, Name, NoBody, NoQuery, Reason
from gridiface.protocols.openadr.payloads.report import METADATA_PREFIX
from gridiface.protocols.openadr.reports import METADATA, METADATA_RID, ReportRequest, default_start

_ROOT = "/openadr/vtn/vens/{id}/reports"
Ids = Annotated[list[Name], Field(min_length=1, max_length=1000)]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class RequestForm(Asked):
    """A report to be requested."""

    specifier: Name = Field(description="reportSpecifierID, as the VEN offers it")
    rids: Annotated[list[Name], Field(max_length=10_000)] = Field(default_factory=list, description="none: all offered")
    granularity_s: Seconds = Field(default=0, description="between values; 0: each change, or as recorded")
    back_s: Seconds = Field(default=0, description="between reports; 0: one report, now or of history")
    start: AwareDatetime | None = Field(
        default=None, description="first report, or start of the history; none: now, or all of the history"
    )
    duration_s: Seconds = Field(default=0, description="how long; 0: until cancelled, or all of history from the start")


class CancelForm(Reason):
    """Requests to be cancelled."""

    ids: Ids = Field(description="reportRequestIDs")
    follow: bool = Field(default=False, description="one last report is wanted")
    piggyback: bool = Field(default=False, description="told with the answer to the next report, not on its own")


class RequestList(TypedDict):
    """Report requests of a VEN."""

    requests: list[RequestRow]


class DataQuery(Asked):
    """Which data."""

    request: str = Field(default="", max_length=256, pattern=PRINTABLE, description="only of this reportRequestID")
    report: str = Field(default="", max_length=64, pattern=PRINTABLE, description="only of reports of this name")
    start: float = Field(default=0.0, allow_inf_nan=False, description="only values from then on, s since 1970")
    limit: int = Field(default=10_000, ge=1, le=100_000, description="most rows, the newest")


class DataList(TypedDict):
    """Reported values, oldest report first; powers and energies are consumption, as on the wire."""

    rows: list[dict[str, Any]]
    total: int


class OpenAdrReportsArea(Area):
    """Reports of the VENs of our VTN."""

    name: ClassVar[str] = "openadr-reports"
    title: ClassVar[str] = "OpenADR VTN: reports"

    def __init__(self, vtn: VtnPort) -> None:
        self._vtn = vtn

    @get(_ROOT, "Report requests of a VEN, and how many reports came", problems=(404,))
    async def list_openadr_reports(self, call: Call[NoQuery, NoBody]) -> RequestList:
        """All requests."""
        running = self._vtn.core.reports(self._ven(call.id)).running
        return RequestList(requests=[request_row(one) for one in running.values()])

    @post(_ROOT, "Request a report of a VEN", scope="control", done=201, problems=(404, 409))
    async def request_openadr_report(self, call: Call[NoQuery, RequestForm]) -> RequestRow:
        """The request."""
        name, asked = self._ven(call.id), call.body
        offered = {r.reportSpecifierID: r for r in self._vtn.core.reports(name).metadata}.get(asked.specifier)
        if offered is None and asked.specifier != METADATA:
            raise Refused(409, f"the VEN does not offer a report {asked.specifier}", "GET the VEN shows its `offers`")
        all_ = [point.rID for point in offered.oadrReportDescription] if offered else [METADATA_RID]
        rids = tuple(asked.rids or all_)
        report = (offered.reportName or "").removeprefix(METADATA_PREFIX) if offered else ""
        kept = offered.duration if offered else None
        start = default_start(report, kept, asked.back_s, float(int(call.now)))
        request = ReportRequest(
            id="",
            specifier=asked.specifier,
            rids=rids,
            granularity=asked.granularity_s,
            back=asked.back_s,
            start=start if asked.start is None else float(int(asked.start.timestamp())),
            duration=asked.duration_s,
        )
        ids = await audited(
            self._vtn,
            call,
            "openadr.report.request",
            name,
            lambda vtn, _: vtn.request_reports(name, [request]),
            after=asked.model_dump(mode="json", exclude_none=True),
        )
        return request_row(self._vtn.core.reports(name).running[ids[0]])

    @post(f"{_ROOT}/metadata", "Ask a VEN what it offers", scope="control", problems=(404, 409))
    async def request_openadr_metadata(self, call: Call[NoQuery, Reason]) -> RequestList:
        """The requests that run then."""
        name = self._ven(call.id)
        await audited(
            self._vtn,
            call,
            "openadr.report.metadata",
            name,
            lambda vtn, _: vtn.request_metadata(name),
            reason=call.body.reason,
        )
        return RequestList(requests=[request_row(one) for one in self._vtn.core.reports(name).running.values()])

    @post(f"{_ROOT}/cancel", "Cancel report requests", scope="control", problems=(404, 409))
    async def cancel_openadr_reports(self, call: Call[NoQuery, CancelForm]) -> RequestList:
        """The requests as they are then."""
        name, asked = self._ven(call.id), call.body
        await audited(
            self._vtn,
            call,
            "openadr.report.cancel",
            name,
            lambda vtn, _: vtn.cancel_reports(name, asked.ids, follow=asked.follow, piggyback=asked.piggyback),
            before={"ids": asked.ids},
            reason=asked.reason,
        )
        return RequestList(requests=[request_row(one) for one in self._vtn.core.reports(name).running.values()])

    @get(f"{_ROOT}/data", "What a VEN reported, value by value; filters `request`, `report`, `start`", problems=(404,))
    async def list_openadr_data(self, call: Call[DataQuery, NoBody]) -> DataList:
        """Rows of values, the newest `limit`."""
        query = call.query
        rows = await self._vtn.archive.rows(
            self._ven(call.id), request=query.request, name=query.report, start=query.start
        )
        return DataList(rows=rows[-query.limit :], total=len(rows))

    def _ven(self, name: str) -> str:
        if name not in self._vtn.core.vens:
            raise unknown("VEN", name, "GET /api/v1/openadr/vtn/vens lists them")
        return name
