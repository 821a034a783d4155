"""What comes from the VTN: answers to our requests, and payloads that it polled or pushed to us.

Owns which desk a payload goes to and how it is refused. Does not own what is sent when (session.py).
"""

from __future__ import annotations

from gridiface.protocols.openadr.answers import Code, Refusal, ok, refusal_of, response, succeeded
from gridiface.protocols.openadr.payloads import event, registration, report
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.ven.eventing import EventDesk
from gridiface.protocols.openadr.ven.notices import Rejected
from gridiface.protocols.openadr.ven.registration import POLL, Registrar
from gridiface.protocols.openadr.ven.reporting import ReportDesk
from gridiface.protocols.openadr.ven.state import State

_NAMED = (
    event.OadrResponse,
    report.OadrRegisteredReport,
    report.OadrCreatedReport,
    report.OadrUpdatedReport,
    report.OadrCanceledReport,
    registration.OadrCanceledPartyRegistration,
)


def _ends(answer: EiResponse) -> bool:
    """Whether the registration that we cancelled is over: also where the first answer was lost on its way."""
    return succeeded(answer) or int(answer.responseCode) == Code.NOT_REGISTERED


class Inbound:
    """The receiving half of one VEN."""

    def __init__(self, state: State, events: EventDesk, reports: ReportDesk, registrar: Registrar) -> None:
        self._state = state
        self._events = events
        self._reports = reports
        self._registrar = registrar

    # -- answers to our requests ---------------------------------------------------------------------------------

    def answered(self, kind: str, payload: Payload | None, now: float) -> None:
        """The VTN's answer to our request of `kind`."""
        answer: EiResponse | None = getattr(payload, "eiResponse", None)
        if answer is not None and not succeeded(answer):
            words = answer.responseDescription or ""
            self._state.notices.append(Rejected(kind, int(answer.responseCode), words))
        if kind == POLL:
            self._polled(payload, now)
        elif isinstance(payload, event.OadrDistributeEvent):
            self._events.distribute(payload, now)
        elif isinstance(payload, report.OadrRegisteredReport):
            self._metadata_taken(payload, now)
        elif isinstance(payload, report.OadrUpdatedReport) and payload.oadrCancelReport:
            cancel = payload.oadrCancelReport
            # What rides on an acknowledgement is not confirmed (rule 328).
            self._reports.stop(cancel.reportRequestID, follow=cancel.reportToFollow, now=now)
        elif isinstance(payload, registration.OadrCanceledPartyRegistration) and _ends(payload.eiResponse):
            self._registrar.end("ven")

    def _metadata_taken(self, payload: report.OadrRegisteredReport, now: float) -> None:
        if succeeded(payload.eiResponse):
            self._registrar.metadata_taken()
        if payload.oadrReportRequest:
            created = self._reports.take(payload.oadrReportRequest, payload.eiResponse.requestID, now)
            self._state.post("created_report", created, urgent=True)
            self._reports.tick(now)

    def _polled(self, payload: Payload | None, now: float) -> None:
        empty = payload is None or isinstance(payload, event.OadrResponse)
        self._registrar.polled(now, empty=empty)
        if payload is None or empty:
            return
        reply = self.taken(payload, now)
        if reply is not None:
            self._state.post("answer", reply, urgent=True)

    # -- what the VTN wants --------------------------------------------------------------------------------------

    def taken(self, payload: Payload, now: float) -> Payload | None:
        """Carry out a payload of the VTN, polled or pushed: the logical answer, None where that goes by itself."""
        try:
            return self._carry_out(payload, now)
        except Refusal as refusal:
            return self.refuse(payload, refusal.answer, refusal.reason)

    def _carry_out(self, payload: Payload, now: float) -> Payload | None:
        own = self._state.registration
        addressed: str | None = getattr(payload, "venID", None)
        if addressed and addressed != own.venID:
            raise Refusal(Code.INVALID_ID, "the venID is not ours")
        match payload:
            case event.OadrDistributeEvent():
                if self._state.config.report_only:
                    raise Refusal(Code.COMPLIANCE, "this VEN only reports")
                self._events.distribute(payload, now)
                return None
            case report.OadrCreateReport():
                return self._reports.take(payload.oadrReportRequest, payload.requestID, now)
            case report.OadrCancelReport():
                return self._reports.cancel(payload, now)
            case report.OadrRegisterReport():
                return report.OadrRegisteredReport(eiResponse=ok(payload.requestID), venID=own.venID)
            case report.OadrUpdateReport():
                return report.OadrUpdatedReport(
                    eiResponse=response(Code.INVALID_ID, "no report was requested", payload.requestID), venID=own.venID
                )
            case registration.OadrCancelPartyRegistration():
                return self._registrar.cancelled(payload, now)
            case registration.OadrRequestReregistration():
                return self._registrar.reregister()
            case _:
                raise Refusal(Code.COMPLIANCE, "a VTN does not send this payload")

    def refuse(self, payload: Payload, code: int, reason: str) -> Payload:
        """The answer that refuses a payload of the VTN."""
        own = self._state.registration

        def created(answer: EiResponse) -> Payload:
            return event.OadrResponse(eiResponse=answer, venID=own.venID)

        refusal = refusal_of(payload, code, reason, vtn_id=own.vtnID or "", created=created)
        # Every payload of a VEN names it (rule 508).
        if isinstance(refusal, _NAMED):
            refusal.venID = own.venID
        return refusal
