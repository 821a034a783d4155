"""The metadata of the VTN itself, which offers no reports: who asked for it, and when it is told again.

Owns the VENs' requests for it, once or periodic (rules 305, 311, 324, 327, 329). Reports of VENs are reporting.py's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from gridiface.deadlines import waits
from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.answers import Code, Refusal, ok, response
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.report import (
    OadrCanceledReport,
    OadrCancelReport,
    OadrCreatedReport,
    OadrCreateReport,
    OadrPendingReports,
    OadrRegisterReport,
    OadrReportRequest,
)
from gridiface.protocols.openadr.reports import METADATA, ReportRequest, request_from_wire
from gridiface.protocols.openadr.vtn import mailbox as box
from gridiface.protocols.openadr.vtn.entities import AskedMetadata, Entry, Ven
from gridiface.protocols.openadr.vtn.mailbox import Mailbox
from gridiface.protocols.openadr.vtn.state import State

_MOST_WAITING = 100


class MetadataDesk:
    """What the VENs of one VTN ask of its own reports."""

    def __init__(self, state: State, mailbox: Mailbox) -> None:
        self._state = state
        self._mailbox = mailbox

    @staticmethod
    def register_report(ven: Ven, entry: Entry) -> Payload:
        """Our metadata: we offer none (rule 305); `entry.ids` holds the request that asked for it."""
        return OadrRegisterReport(
            requestID=entry.id, venID=ven.venID, reportRequestID=entry.ids[0] if entry.ids else None
        )

    def create(self, payload: OadrCreateReport, ven: Ven, now: float) -> Payload:
        """A VEN asks us for reports: we have none, but our (empty) metadata may be asked for (rule 327).

        Raises:
            Refusal: another report is asked for, or too much is waiting for this VEN.
        """
        requests = [_checked(wire) for wire in payload.oadrReportRequest]
        asked = self._state.reports(ven.venID).asked
        if len(requests) + len(asked) + self._mailbox.count(ven.venID) > _MOST_WAITING:
            raise Refusal(Code.DEPLOYMENT, "too much is waiting for this VEN")
        for request in requests:
            begin = now if request.start is None or request.back == 0 else max(now, request.start)
            if request.back > 0:
                asked[request.id] = AskedMetadata(request=request, due=begin)
            else:
                self._tell(ven.venID, request.id)
        self._state.save("reports", ven.venID)
        self.tick(now)
        return OadrCreatedReport(
            eiResponse=ok(payload.requestID), oadrPendingReports=self._pending(ven), venID=ven.venID
        )

    def cancel(self, payload: OadrCancelReport, ven: Ven) -> Payload:
        """A VEN wants it no more; 452 when one of the requests is not known, the others end all the same (336)."""
        reports = self._state.reports(ven.venID)
        known = {*self._waiting(ven.venID), *reports.asked}
        for request_id in payload.reportRequestID:
            reports.asked.pop(request_id, None)
            self._mailbox.withdraw_one(ven.venID, box.REGISTER_REPORT, request_id)
        self._state.save("reports", ven.venID)
        answer = ok(payload.requestID)
        if not known.issuperset(payload.reportRequestID):
            answer = response(Code.INVALID_ID, "no such report is running here", payload.requestID)
        return OadrCanceledReport(eiResponse=answer, oadrPendingReports=self._pending(ven), venID=ven.venID)

    def tick(self, now: float) -> None:
        """Tell it again where that is due."""
        for ven_id, reports in list(self._state.asked.items()):
            for request_id, one in list(reports.asked.items()):
                # The first time may be as far ahead as the VEN asked for, each next one is a period ahead.
                first = one.due == one.request.start
                if waits(one.due, now, math.inf if first else one.request.back):
                    continue
                self._tell(ven_id, request_id)
                # What came due while nobody was there to tell is told once; the beat stays.
                one.due += one.request.back * (math.floor((now - one.due) / one.request.back) + 1)
                if one.due > one.request.end:
                    del reports.asked[request_id]
                self._state.save("reports", ven_id)

    def next_due(self) -> float:
        """When `tick` has something to do; infinity when never."""
        return min(
            (one.due for reports in self._state.asked.values() for one in reports.asked.values()), default=math.inf
        )

    def _tell(self, ven_id: str, request_id: str) -> None:
        # One that still waits says the same.
        if request_id not in self._waiting(ven_id):
            self._mailbox.post(ven_id, box.REGISTER_REPORT, ids=[request_id])

    def _waiting(self, ven_id: str) -> Iterable[str]:
        entries = self._state.queue(ven_id).entries
        return [name for entry in entries if entry.kind == box.REGISTER_REPORT for name in entry.ids]

    def _pending(self, ven: Ven) -> OadrPendingReports:
        names = [*self._state.reports(ven.venID).asked, *self._waiting(ven.venID)]
        return OadrPendingReports(reportRequestID=list(dict.fromkeys(names)))


def _checked(wire: OadrReportRequest) -> ReportRequest:
    """Raises Refusal: it is not for metadata, or not well formed."""
    try:
        request = request_from_wire(wire)
    except RemoteProtocolError as problem:
        raise Refusal(problem.answer, problem.reason) from None
    if request.specifier != METADATA:
        raise Refusal(Code.INVALID_ID, "there is no such report here")
    return request
