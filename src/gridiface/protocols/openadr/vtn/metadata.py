"""The metadata of the VTN itself, which offers no reports: who asked for it.

Owns the VENs' requests for it (rules 305, 311, 327, 329). A periodic one is answered once, as rule 510 has it for a VTN
without reports. Reports of VENs are reporting.py's.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from gridiface.protocols.openadr.vtn.entities import Entry, Ven
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

    def create(self, payload: OadrCreateReport, ven: Ven) -> Payload:
        """A VEN asks us for reports: we have none, but our (empty) metadata may be asked for (rule 327).

        Raises:
            Refusal: another report is asked for, or too much is waiting for this VEN.
        """
        requests = [_checked(wire) for wire in payload.oadrReportRequest]
        if len(requests) + self._mailbox.count(ven.venID) > _MOST_WAITING:
            raise Refusal(Code.DEPLOYMENT, "too much is waiting for this VEN")
        for request in requests:
            # One that still waits says the same.
            if request.id not in self._waiting(ven.venID):
                self._mailbox.post(ven.venID, box.REGISTER_REPORT, ids=[request.id])
        return OadrCreatedReport(
            eiResponse=ok(payload.requestID), oadrPendingReports=self._pending(ven), venID=ven.venID
        )

    def cancel(self, payload: OadrCancelReport, ven: Ven) -> Payload:
        """A VEN wants it no more; 452 when one of the requests is not known, the others end all the same (336)."""
        known = set(self._waiting(ven.venID))
        for request_id in payload.reportRequestID:
            self._mailbox.withdraw_one(ven.venID, box.REGISTER_REPORT, request_id)
        answer = ok(payload.requestID)
        if not known.issuperset(payload.reportRequestID):
            answer = response(Code.INVALID_ID, "no such report is running here", payload.requestID)
        return OadrCanceledReport(eiResponse=answer, oadrPendingReports=self._pending(ven), venID=ven.venID)

    def _waiting(self, ven_id: str) -> Iterable[str]:
        entries = self._state.queue(ven_id).entries
        return [name for entry in entries if entry.kind == box.REGISTER_REPORT for name in entry.ids]

    def _pending(self, ven: Ven) -> OadrPendingReports:
        return OadrPendingReports(reportRequestID=list(dict.fromkeys(self._waiting(ven.venID))))


def _checked(wire: OadrReportRequest) -> ReportRequest:
    """Raises Refusal: it is not for metadata, or not well formed."""
    try:
        request = request_from_wire(wire)
    except RemoteProtocolError as problem:
        raise Refusal(problem.answer, problem.reason) from None
    if request.specifier != METADATA:
        raise Refusal(Code.INVALID_ID, "there is no such report here")
    return request
