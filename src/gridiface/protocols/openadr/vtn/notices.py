"""What a VTN core tells its shell beside the reply: things that happened, in the words of the standard."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.protocols.openadr.payloads.report import OadrReport
from gridiface.protocols.openadr.reports import ReportValue


@dataclass(frozen=True, slots=True, kw_only=True)
class VenRegistered:
    """A VEN registered; `again` for a re-registration, which keeps everything."""

    venID: str
    registrationID: str
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VenCancelled:
    """A registration ended and everything of it is forgotten; `by` is "ven" or "vtn"."""

    venID: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateDropped:
    """A certificate is not this VEN's any more: the VEN was removed, or has another one now."""

    venID: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAnswered:
    """A VEN's word on an event. For a cancelled event optIn confirms and optOut says that it cannot be stopped."""

    venID: str
    eventID: str
    modification: int
    opt: str
    code: int
    description: str
    cancelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributeRejected:
    """A VEN could not take a whole oadrDistributeEvent."""

    venID: str
    code: int
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OptChanged:
    """An opt was made or taken back. `eventID` None: a schedule. `resources` empty: all of the VEN's.

    `opt` None: the schedule of `optID` was cancelled.
    """

    venID: str
    optID: str
    opt: str | None
    eventID: str | None = None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataReceived:
    """All that a VEN can report; replaces what it said before."""

    venID: str
    reports: tuple[OadrReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportReceived:
    """Data. The shell makes it durable together with the changes. `missing`: requested rIDs that it lacks."""

    venID: str
    reportRequestID: str
    reportSpecifierID: str
    name: str
    created: float
    values: tuple[ReportValue, ...]
    missing: tuple[str, ...] = ()
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportsPending:
    """A VEN said which requests it still serves; `refused` when it answered a request with an error."""

    venID: str
    ids: tuple[str, ...]
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WishUnmet:
    """A VEN offers a report that is wished for, and nothing of it that can be asked for."""

    venID: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A payload was given up after its last attempt: the VEN never gave the logical answer."""

    venID: str
    kind: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStatusChanged:
    """An event became near, active or completed by the clock."""

    eventID: str
    status: str


Notice = (
    VenRegistered
    | VenCancelled
    | CertificateDropped
    | EventAnswered
    | DistributeRejected
    | OptChanged
    | MetadataReceived
    | ReportReceived
    | ReportsPending
    | WishUnmet
    | Undelivered
    | EventStatusChanged
)
