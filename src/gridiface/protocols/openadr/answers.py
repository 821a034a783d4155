"""eiResponse codes and the answer that fits each request, for both ends (response codes: section "eiResponse").

Owns which payload answers which, and how a refusal looks in each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import Payload


class Code(IntEnum):
    """Response codes; second digit 5: a rule was broken, 6: the deployment does not fit."""

    OK = 200
    OUT_OF_SEQUENCE = 450
    NOT_ALLOWED = 451
    INVALID_ID = 452
    NOT_RECOGNIZED = 453
    INVALID_DATA = 454
    COMPLIANCE = 459
    SIGNAL_NOT_SUPPORTED = 460
    REPORT_NOT_SUPPORTED = 461
    TARGET_MISMATCH = 462
    NOT_REGISTERED = 463
    DEPLOYMENT = 469


class Refusal(RemoteProtocolError):
    """A request that is answered with another code than 200, in the payload that fits it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason, answer=int(code))


#: Which service each payload belongs to; the URI only carries it (rule 511).
SERVICE_OF: dict[type, str] = {
    **dict.fromkeys((event.OadrDistributeEvent, event.OadrCreatedEvent, event.OadrRequestEvent), "EiEvent"),
    **dict.fromkeys((opt.OadrCreateOpt, opt.OadrCreatedOpt, opt.OadrCancelOpt, opt.OadrCanceledOpt), "EiOpt"),
    **dict.fromkeys(
        (
            *(report.OadrRegisterReport, report.OadrRegisteredReport, report.OadrCreateReport),
            *(report.OadrCreatedReport, report.OadrUpdateReport, report.OadrUpdatedReport),
            *(report.OadrCancelReport, report.OadrCanceledReport),
        ),
        "EiReport",
    ),
    **dict.fromkeys(
        (
            *(registration.OadrQueryRegistration, registration.OadrCreatePartyRegistration),
            *(registration.OadrCreatedPartyRegistration, registration.OadrCancelPartyRegistration),
            *(registration.OadrCanceledPartyRegistration, registration.OadrRequestReregistration),
        ),
        "EiRegisterParty",
    ),
    event.OadrPoll: "OadrPoll",
}


def ok(request_id: str) -> EiResponse:
    """Success."""
    return EiResponse(responseCode="200", responseDescription="OK", requestID=request_id)


def response(code: int, reason: str, request_id: str) -> EiResponse:
    """Any outcome in words."""
    return EiResponse(responseCode=f"{int(code):03d}", responseDescription=reason or None, requestID=request_id)


def succeeded(answer: EiResponse) -> bool:
    """Whether the code is of the 2xx class."""
    return answer.responseCode.startswith("2")


def request_id_of(payload: Payload) -> str:
    """The requestID that an eiResponse to `payload` echoes; "" where it has none."""
    if isinstance(payload, event.OadrRequestEvent):
        return payload.eiRequestEvent.requestID
    if isinstance(payload, event.OadrCreatedEvent):
        return _created_event_request_id(payload)
    own: str | None = getattr(payload, "requestID", None)
    if own is not None:
        return own
    inner: EiResponse | None = getattr(payload, "eiResponse", None)
    return inner.requestID if inner else ""


def _created_event_request_id(payload: event.OadrCreatedEvent) -> str:
    created = payload.eiCreatedEvent
    if created.eiResponse.requestID or created.eventResponses is None:
        return created.eiResponse.requestID
    return next((answer.requestID for answer in created.eventResponses.eventResponse), "")


def ven_id_of(payload: Payload) -> str | None:
    """The venID that `payload` names its VEN by; "" counts as none."""
    if isinstance(payload, event.OadrRequestEvent):
        return payload.eiRequestEvent.venID or None
    if isinstance(payload, event.OadrCreatedEvent):
        return payload.eiCreatedEvent.venID or None
    found: str | None = getattr(payload, "venID", None)
    return found or None


def refusal_of(
    payload: Payload, code: int, reason: str, *, vtn_id: str, created: Callable[[EiResponse], Any]
) -> Payload:
    """The answer to `payload` that refuses it, in the type that fits it (rule 517).

    Args:
        payload: the request.
        code: the response code.
        reason: words for people.
        vtn_id: the VTN's ID, which some answers carry.
        created: makes the oadrCreatedPartyRegistration, which needs more than a code.
    """
    answer = response(code, reason, request_id_of(payload))
    made: Payload
    match payload:
        case event.OadrRequestEvent():
            made = event.OadrDistributeEvent(
                eiResponse=answer, requestID=payload.eiRequestEvent.requestID, vtnID=vtn_id
            )
        case registration.OadrQueryRegistration() | registration.OadrCreatePartyRegistration():
            made = created(answer)
        case registration.OadrCancelPartyRegistration():
            made = registration.OadrCanceledPartyRegistration(eiResponse=answer)
        case opt.OadrCreateOpt():
            made = opt.OadrCreatedOpt(eiResponse=answer, optID=payload.optID)
        case opt.OadrCancelOpt():
            made = opt.OadrCanceledOpt(eiResponse=answer, optID=payload.optID)
        case _:
            made = _report_refusal(payload, answer)
    return made


def _report_refusal(payload: Payload, answer: EiResponse) -> Payload:
    match payload:
        case report.OadrRegisterReport():
            return report.OadrRegisteredReport(eiResponse=answer)
        case report.OadrCreateReport():
            return report.OadrCreatedReport(eiResponse=answer, oadrPendingReports=report.OadrPendingReports())
        case report.OadrUpdateReport():
            return report.OadrUpdatedReport(eiResponse=answer)
        case report.OadrCancelReport():
            return report.OadrCanceledReport(eiResponse=answer, oadrPendingReports=report.OadrPendingReports())
        case _:
            return event.OadrResponse(eiResponse=answer)
