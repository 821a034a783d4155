"""What a VTN keeps, one class for each kind of thing: VENs, events, deliveries, queues, reports and opts.

Declarations alone: how they become documents and are found is state.py's, what the services do with them the desks'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.payloads.report import OadrReport
from gridiface.protocols.openadr.reports import ReportRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportWish:
    """What a VTN wants reported from every metadata that offers it.

    `name` is a report name without METADATA_. `rids` empty: all that are offered. `granularity` and `back` are
    seconds, clamped to what is offered; back 0 is one report. `start` None: now. `duration` 0: without end.
    """

    name: str
    granularity: int = 60
    back: int = 60
    rids: tuple[str, ...] = ()
    start: float | None = None
    duration: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VtnConfig:
    """How a VTN behaves.

    Attributes:
        vtn_id: its vtnID; with a capital letter, as a widespread VEN takes others for wrong.
        poll_frequency: seconds, told to pull VENs.
        profiles: profile -> transports offered.
        open_registration: whether a VEN that is not known may register.
        reply_timeout: seconds after which a payload without its logical answer is sent again.
        attempts: how often it is sent in all.
        cancel_attempts: how often a cancelled event is repeated without acknowledgement (rule 52).
        retention: seconds that finished events are kept for lists.
        wishes: reports that are requested from every VEN's metadata.
        piggyback: send those requests inside oadrRegisteredReport; otherwise by the queue.
        version_optional, version_optional_of: whether any VEN, or which, may leave schemaVersion out (rule 509).
        most_vens, most_events, most_requests, most_opts: caps; newcomers that left make room for others.
    """

    vtn_id: str
    poll_frequency: int = 10
    profiles: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"2.0a": ("simpleHttp",), "2.0b": ("simpleHttp",)}
    )
    open_registration: bool = False
    reply_timeout: float = 30.0
    attempts: int = 3
    cancel_attempts: int = 20
    retention: float = 86_400.0
    wishes: tuple[ReportWish, ...] = ()
    piggyback: bool = True
    version_optional: bool = False
    version_optional_of: frozenset[str] = frozenset()
    most_vens: int = 100_000
    most_events: int = 10_000
    most_requests: int = 200
    most_opts: int = 500


@dataclass(slots=True, kw_only=True)
class Ven:
    """A VEN; registered while it has a registrationID. `resources`, `market_contexts` empty: not restricted.

    `must_sign`: High security; `signature` is what the VEN said of itself. `events_changed`: when an event last
    went out of its list otherwise than by the clock. `newcomer`: it came by open registration, nobody has entered it.
    """

    venID: str
    fingerprint: str = ""
    name: str = ""
    registrationID: str | None = None
    profile: str = "2.0b"
    transport: str = "simpleHttp"
    address: str | None = None
    pull: bool = True
    report_only: bool = False
    signature: bool = False
    must_sign: bool = False
    registered_at: float | None = None
    last_seen: float | None = None
    events_changed: float = 0.0
    newcomer: bool = False
    groups: list[str] = field(default_factory=list)
    parties: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    market_contexts: list[str] = field(default_factory=list)
    wishes: list[ReportWish] = field(default_factory=list)

    @property
    def registered(self) -> bool:
        """Whether it may use the services; A VENs are registered out of band."""
        return self.registrationID is not None or self.profile == "2.0a"


@dataclass(slots=True, kw_only=True)
class EventRecord:
    """An event and the VENs that get it.

    `changed`: when its content changed last, later than every change before. `told`: the status last told to the shell.
    `drawn`: its eventID was made by `new_id` and never comes again; one that somebody chose must be remembered.
    """

    event: Event
    recipients: list[str]
    cancelled_at: float | None = None
    changed: float = 0.0
    told: str = "none"
    drawn: bool = False


@dataclass(slots=True, kw_only=True)
class SpentID:
    """An eventID that somebody chose and that was used: no other event gets it (rule 70). `at`: when it was let go."""

    at: float


@dataclass(slots=True, kw_only=True)
class Delivery:
    """How far an event has come with one VEN. `resources` hold opts of single resources (EiOpt).

    `opt`, `code`, `description`, `opted_at`: its last word on taking part, None and 0 before. What it says of the
    event's end is no such word, and does not take its place: `cancel_done` says that it came, `cancel_refused` why the
    VEN cannot end the event (optOut, rule 36), None where it does.
    """

    modification: int = -1
    sends: int = 0
    sent_at: float = 0.0
    answered: int = -1
    opted_at: float = 0.0
    opt: str | None = None
    code: int = 0
    description: str = ""
    cancel_sends: int = 0
    cancel_done: bool = False
    cancel_refused: str | None = None
    resources: dict[str, str] = field(default_factory=dict)
    event_opt: str | None = None
    event_opt_ids: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Deliveries:
    """All deliveries to one VEN, by eventID."""

    by_event: dict[str, Delivery] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One payload that waits for a VEN, or for its logical answer once it has been sent.

    `failures`: how many of the `attempts` did not reach it. `final`: no logical answer will come.
    """

    kind: str
    id: str
    ids: list[str] = field(default_factory=list)
    follow: bool = False
    attempts: int = 0
    failures: int = 0
    sent_at: float | None = None
    not_before: float = 0.0
    final: bool = False


@dataclass(slots=True, kw_only=True)
class Queue:
    """The payloads for one VEN in order."""

    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class RunningReport:
    """A request of ours and how far it is. `state`: asked, running, cancelling (a last report is due) or done."""

    request: ReportRequest
    name: str
    state: str = "asked"
    last_request_id: str = ""
    last_report: float | None = None
    reports: int = 0


@dataclass(slots=True, kw_only=True)
class Reports:
    """Reporting of one VEN. `piggyback`: cancellations that ride on the next oadrUpdatedReport."""

    metadata: list[OadrReport] = field(default_factory=list)
    running: dict[str, RunningReport] = field(default_factory=dict)
    piggyback: list[str] = field(default_factory=list)
    piggyback_follow: bool = False


@dataclass(slots=True, kw_only=True)
class Schedule:
    """One opt schedule. `resources` empty: all but those in `without`. Spans are (start, duration), 0 = open."""

    optID: str
    opt: str
    reason: str
    market_context: str | None
    spans: list[list[float]]
    resources: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    created: float = 0.0


@dataclass(slots=True, kw_only=True)
class Opts:
    """Opt schedules of one VEN, and IDs of those that were replaced (rule 211).

    `cancelled`: optID -> requestID of its cancellation, which may come again when its answer was lost.
    """

    schedules: list[Schedule] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    cancelled: dict[str, str] = field(default_factory=dict)
