"""The engine's answers in the words of IEEE 2030.5, and a device's Responses in the domain's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridiface.domain.controls import Acceptance, OutcomeKind, Verdict
from gridiface.protocols.sep2.enums import ErrorReason, ResponseRequired, ResponseStatus
from gridiface.protocols.sep2.resources import (
    DERControl,
    DERControlResponse,
    DrResponse,
    EndDeviceControl,
    Event,
    FlowReservationResponse,
    FlowReservationResponseResponse,
    PriceResponse,
    Response,
    TextMessage,
    TextResponse,
    TimeTariffInterval,
)

_S = ResponseStatus

#: Statuses that a DERControl may get: the two others belong to messages and prices.
DER_STATUSES = frozenset(_S) - {_S.ACKNOWLEDGED, _S.CANNOT_BE_DISPLAYED}
#: A text is shown, not followed: nobody opts out of it, and no other text supersedes it.
_TEXT_STATUSES = frozenset(
    {
        _S.RECEIVED,
        _S.STARTED,
        _S.COMPLETED,
        _S.CANCELLED,
        _S.ACKNOWLEDGED,
        _S.CANNOT_BE_DISPLAYED,
        _S.REJECTED_NOT_APPLICABLE,
        _S.REJECTED_INVALID,
        _S.REJECTED_EXPIRED,
    }
)

#: By class of event: the class of its responses, and the statuses that these may have.
RESPONSES: Mapping[type[Event], tuple[type[Response], frozenset[int]]] = {
    DERControl: (DERControlResponse, DER_STATUSES),
    EndDeviceControl: (DrResponse, DER_STATUSES),
    TimeTariffInterval: (PriceResponse, DER_STATUSES | {_S.ACKNOWLEDGED}),
    TextMessage: (TextResponse, _TEXT_STATUSES),
    FlowReservationResponse: (FlowReservationResponseResponse, DER_STATUSES),
}
_USER_STATUSES = frozenset({_S.OPTED_OUT, _S.OPTED_IN})


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status and, for refusals, the reasonCode of the Error body."""

    status: int
    reason_code: int | None = None


_CREATED = HttpAnswer(201)
#: A control is answered on the wire at once; one that cannot be taken is not created.
_VERDICT_ANSWERS: Mapping[Verdict, HttpAnswer] = {
    Verdict.ACCEPTED: _CREATED,
    Verdict.PARTIAL: _CREATED,
    Verdict.SUPERSEDED: _CREATED,  # the event exists, and its devices answer that another one rules
    Verdict.UNSUPPORTED: HttpAnswer(400, ErrorReason.INVALID_VALUES),
    Verdict.INVALID: HttpAnswer(400, ErrorReason.INVALID_VALUES),
    Verdict.LATE: HttpAnswer(400, ErrorReason.INVALID_VALUES),
    Verdict.BLOCKED: HttpAnswer(409, ErrorReason.INVALID_VALUES),
    Verdict.NOT_ALLOWED: HttpAnswer(403, ErrorReason.INVALID_VALUES),
}

#: The Response that says what the verdict means; None: the life cycle's own steps say it.
_VERDICT_STATUSES: Mapping[Verdict, ResponseStatus | None] = {
    Verdict.ACCEPTED: None,
    Verdict.PARTIAL: None,
    Verdict.SUPERSEDED: _S.ABORTED_OTHER_PROGRAM,
    Verdict.UNSUPPORTED: _S.REJECTED_NOT_APPLICABLE,
    Verdict.INVALID: _S.REJECTED_INVALID,
    Verdict.LATE: _S.REJECTED_EXPIRED,
    Verdict.BLOCKED: _S.OPTED_OUT,
    Verdict.NOT_ALLOWED: _S.REJECTED_INVALID,
}

_OUTCOME_STATUSES: Mapping[OutcomeKind, ResponseStatus] = {
    OutcomeKind.RECEIVED: _S.RECEIVED,
    OutcomeKind.STARTED: _S.STARTED,
    OutcomeKind.COMPLETED: _S.COMPLETED,
    OutcomeKind.CANCELLED: _S.CANCELLED,
    OutcomeKind.SUPERSEDED: _S.SUPERSEDED,
    OutcomeKind.PARTIAL: _S.PARTIALLY_COMPLETED_OPT_OUT,
    OutcomeKind.FAILED: _S.COMPLETED_NO_PARTICIPATION,
    OutcomeKind.REFUSED: _S.REJECTED_INVALID,
}

_RESPONSE_KINDS: Mapping[int, OutcomeKind] = {
    _S.RECEIVED: OutcomeKind.RECEIVED,
    _S.STARTED: OutcomeKind.STARTED,
    _S.COMPLETED: OutcomeKind.COMPLETED,
    _S.OPTED_OUT: OutcomeKind.FAILED,
    _S.CANCELLED: OutcomeKind.CANCELLED,
    _S.SUPERSEDED: OutcomeKind.SUPERSEDED,
    _S.PARTIALLY_COMPLETED_OPT_OUT: OutcomeKind.PARTIAL,
    _S.PARTIALLY_COMPLETED_OPT_IN: OutcomeKind.PARTIAL,
    _S.COMPLETED_NO_PARTICIPATION: OutcomeKind.FAILED,
    _S.ABORTED_OTHER_SERVER: OutcomeKind.REFUSED,
    _S.ABORTED_OTHER_PROGRAM: OutcomeKind.REFUSED,
    _S.REJECTED_NOT_APPLICABLE: OutcomeKind.REFUSED,
    _S.REJECTED_INVALID: OutcomeKind.REFUSED,
    _S.REJECTED_EXPIRED: OutcomeKind.REFUSED,
}

#: Why a device refused, as the reason of the domain's Outcome; also read back by `outcome_to_status`.
_REFUSALS: Mapping[int, str] = {
    _S.OPTED_OUT: Verdict.BLOCKED.value,
    _S.PARTIALLY_COMPLETED_OPT_OUT: Verdict.BLOCKED.value,
    _S.ABORTED_OTHER_SERVER: Verdict.SUPERSEDED.value,
    _S.ABORTED_OTHER_PROGRAM: Verdict.SUPERSEDED.value,
    _S.REJECTED_NOT_APPLICABLE: Verdict.UNSUPPORTED.value,
    _S.REJECTED_INVALID: Verdict.INVALID.value,
    _S.REJECTED_EXPIRED: Verdict.LATE.value,
}


def response_fault(event: Event, response: Response) -> str:
    """What is wrong with a response to an event: its class, its status, what it applied; empty where nothing is.

    A plain Response fits every event.
    """
    cls, statuses = RESPONSES[type(event)]
    if type(response) not in {Response, cls}:
        return f"a {type(event).__name__} is answered by a {cls.__name__}"
    if response.status not in statuses:
        return f"the status does not fit a {type(event).__name__}"
    if isinstance(response, DrResponse) and isinstance(event, EndDeviceControl):
        return _applied_fault(event, response)
    return ""


def _applied_fault(event: EndDeviceControl, response: DrResponse) -> str:
    """What was applied echoes what was asked for."""
    # Who overrode for longer than it may took no part (10), and says for how long as well.
    took_part = response.status != ResponseStatus.COMPLETED_NO_PARTICIPATION
    if took_part and (response.overrideDuration or 0) > (event.overrideDuration or 0):
        return "overrideDuration is longer than the control allows"
    if response.dutyCycle is not None and response.dutyCycle.normalValue > 100:
        return "a duty cycle is at most 100 %"
    applied = response.appliedTargetReduction
    if applied is not None and event.targetReduction is not None and applied.type != event.targetReduction.type:
        return "appliedTargetReduction has another unit than the control"
    return ""


def acceptance_to_http(acceptance: Acceptance) -> HttpAnswer:
    """How the POST or PUT that carried the control is answered."""
    return _VERDICT_ANSWERS[acceptance.verdict]


def verdict_to_status(verdict: Verdict) -> int | None:
    """The Response status that says what became of a control at once; None where its life will tell."""
    return _VERDICT_STATUSES[verdict]


def outcome_to_status(kind: OutcomeKind, reason: str = "", *, started: bool = True) -> int:
    """The Response status of one step in a control's life.

    Args:
        kind: the step.
        reason: for REFUSED, a Verdict's word at its start chooses 252, 253, 254, 14 or 4; for FAILED, whether a
            customer opted out (4).
        started: for SUPERSEDED, whether it was running: 7 while running, 14 before.
    """
    if kind is OutcomeKind.SUPERSEDED and not started:
        return _S.ABORTED_OTHER_PROGRAM
    word = reason.partition(":")[0].strip()
    if kind is OutcomeKind.FAILED and word == Verdict.BLOCKED:
        return _S.OPTED_OUT
    if kind is OutcomeKind.REFUSED:
        known = next((v for v in Verdict if v.value == word), None)
        return (_VERDICT_STATUSES[known] if known else None) or _S.REJECTED_INVALID
    return _OUTCOME_STATUSES[kind]


def status_to_outcome(status: int) -> tuple[OutcomeKind, str] | None:
    """The step a device's Response tells, and its reason; None for statuses that are no step (5, user opted in)."""
    kind = _RESPONSE_KINDS.get(status)
    if kind is None:
        return None
    word = _REFUSALS.get(status, "")
    return kind, f"{word}: the device answered {status}" if word else ""


def wants_response(response_required: int | None, status: int) -> bool:
    """Whether the mask of an event asks for this status: bit 0 received, 1 life cycle, 2 the customer's."""
    mask = response_required or 0
    if status == _S.RECEIVED:
        return bool(mask & ResponseRequired.RECEIVED)
    if status in _USER_STATUSES and mask & ResponseRequired.CUSTOMER:
        return True
    return bool(mask & ResponseRequired.SPECIFIC)
