"""The values of a client's following of events: an event as it is followed, what happened to it, what is in force.

How they come about is event_client.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from gridiface.protocols.sep2.enums import ResponseRequired, ResponseStatus
from gridiface.protocols.sep2.events import EventFacts
from gridiface.protocols.sep2.resources import DERControlBase, Event

_CUSTOMER = frozenset(
    {
        ResponseStatus.OPTED_OUT,
        ResponseStatus.OPTED_IN,
        ResponseStatus.PARTIALLY_COMPLETED_OPT_OUT,
        ResponseStatus.PARTIALLY_COMPLETED_OPT_IN,
        ResponseStatus.COMPLETED_NO_PARTICIPATION,
        ResponseStatus.ACKNOWLEDGED,
        ResponseStatus.CANNOT_BE_DISPLAYED,
    }
)
_REJECTIONS = frozenset(
    {
        ResponseStatus.REJECTED_NOT_APPLICABLE,
        ResponseStatus.REJECTED_INVALID,
        ResponseStatus.REJECTED_EXPIRED,
    }
)


class Phase(Enum):
    """Where the client is with an event."""

    PENDING = "pending"
    ACTIVE = "active"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Transition:
    """Something happened to an event at `at` (server time, s); `event` is as the server last showed it."""

    mrid: str
    status: ResponseStatus
    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class ModeInForce:
    """What holds for one mode: the value, and the control or default (mRID) that it comes from."""

    value: Any
    source: str
    by_event: bool


@dataclass(frozen=True, slots=True)
class Default:
    """The default control of a program."""

    mrid: str
    base: DERControlBase
    primacy: int
    program: str = ""


@dataclass(slots=True)
class Followed:
    """One event as the client follows it; times are the server's, s since 1970 UTC.

    `left`: it ended because the device left its program, and goes on where the device comes back in time.
    """

    facts: EventFacts
    event: Event
    phase: Phase
    remaining: frozenset[str]
    begins: float
    drawn_end: float
    ends: float
    stops: float | None = None
    opted_out: bool = False
    opted_in_again: bool = False
    participated: bool = False
    outcome: ResponseStatus | None = None
    since: float = 0.0
    left: bool = False


def wanted(status: ResponseStatus, response_required: int) -> bool:
    """Whether the server asks for a response of this kind (bits of @responseRequired)."""
    if status is ResponseStatus.RECEIVED:
        return bool(response_required & ResponseRequired.RECEIVED)
    if status in _CUSTOMER:
        return bool(response_required & ResponseRequired.CUSTOMER)
    if status in _REJECTIONS:
        return bool(response_required & (ResponseRequired.RECEIVED | ResponseRequired.SPECIFIC))
    return bool(response_required & ResponseRequired.SPECIFIC)
