"""What a VEN core tells its shell: things that happened or begin, in the words of the standard."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.protocols.openadr.events import Event


@dataclass(frozen=True, slots=True)
class Registered:
    """The VTN registered us; `again`: nothing else changed."""

    venID: str
    vtnID: str
    again: bool


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The registration ended, by "vtn", "ven" or "refused"; everything of it is forgotten."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EventReceived:
    """A new or changed event and what we answered. `previous` is its last version, None when it is new."""

    event: Event
    previous: Event | None
    opt: str
    start: float


@dataclass(frozen=True, slots=True)
class EventCancelled:
    """An event was cancelled; it ends at `end`, which for an event that runs may be put off by chance (rule 65).

    `implied`: the VTN did not say so, the event was missing (rule 61).
    """

    event: Event
    end: float
    implied: bool


@dataclass(frozen=True, slots=True)
class EventUnread:
    """An event of a set cannot be read, and the others were taken. `eventID` "": which one it is cannot be told."""

    eventID: str
    reason: str


@dataclass(frozen=True, slots=True)
class EventStep:
    """Something in an opted-in event begins: kind is ramp-up, start, interval, recovery or end.

    `at` is when, by our clock and random start. `interval` is the index of an interval of signal `signal_id`,
    `value` its value.
    """

    event: Event
    kind: str
    at: float
    signal_id: str = ""
    interval: int = -1
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The VTN answered one of our payloads with an error, or would not take it at all (code is then 0)."""

    kind: str
    code: int
    description: str


@dataclass(frozen=True, slots=True)
class ReportsChanged:
    """The requests that run now: whoever records samples must know how often (see `sample_periods`)."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportLost:
    """A report was dropped because too many waited for a VTN that is away."""

    reportRequestID: str


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The VTN answers again, or does not; `failures` in a row."""

    up: bool
    failures: int


Notice = (
    Registered
    | Unregistered
    | EventReceived
    | EventCancelled
    | EventUnread
    | EventStep
    | Rejected
    | ReportsChanged
    | ReportLost
    | LinkChanged
)
