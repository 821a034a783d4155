"""What a VTN knows: its VENs, events, deliveries, queues, reports and opts; each a document that can be stored.

Owns the records and their documents. Does not own any rule of a service.

Keys: ven/<venID>, event/<eventID>, delivery/<venID>, queue/<venID>, reports/<venID>, opts/<venID>,
greenbutton/<venID>/<reportSpecifierID>.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridiface.protocols.openadr import records
from gridiface.protocols.openadr.changes import Change, Documents
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.payloads.report import OadrReport
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.vtn.notices import Notice


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
        retention: seconds that finished events are kept for lists; their IDs are not used again so long.
        wishes: reports that are requested from every VEN's metadata.
        piggyback: send those requests inside oadrRegisteredReport; otherwise by the queue.
        version_optional, version_optional_of: whether any VEN, or which, may leave schemaVersion out (rule 509).
        most_vens, most_events, most_requests, most_opts: caps.
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
    went out of its list otherwise than by the clock.
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
    """

    event: Event
    recipients: list[str]
    cancelled_at: float | None = None
    changed: float = 0.0
    told: str = "none"


@dataclass(slots=True, kw_only=True)
class Delivery:
    """How far an event has come with one VEN. `resources` hold opts of single resources (EiOpt).

    `opted_at`: when its last word came, 0 before.
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
class AskedMetadata:
    """A VEN's periodic request for our metadata, and when it is told next."""

    request: ReportRequest
    due: float


@dataclass(slots=True, kw_only=True)
class Reports:
    """Reporting of one VEN. `piggyback`: cancellations that ride on the next oadrUpdatedReport.

    `asked`: what it asked of us, by reportRequestID.
    """

    metadata: list[OadrReport] = field(default_factory=list)
    running: dict[str, RunningReport] = field(default_factory=dict)
    piggyback: list[str] = field(default_factory=list)
    piggyback_follow: bool = False
    asked: dict[str, AskedMetadata] = field(default_factory=dict)


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


_KINDS: dict[str, type] = {
    "ven": Ven,
    "event": EventRecord,
    "delivery": Deliveries,
    "queue": Queue,
    "reports": Reports,
    "opts": Opts,
}


class State:
    """All records of a VTN in memory, and which of them changed.

    Args:
        config: how it behaves.
        new_id: makes an ID that was never used before; the core itself draws nothing by chance.
    """

    def __init__(self, config: VtnConfig, new_id: Callable[[], str]) -> None:
        self.config = config
        self.new_id = new_id
        self.vens: dict[str, Ven] = {}
        self.events: dict[str, EventRecord] = {}
        self.notices: list[Notice] = []
        #: Of all events, lists of events and payloads that told them; never goes back.
        self.newest_change = 0.0
        self._tables: dict[str, dict[str, Any]] = {
            "ven": self.vens,
            "event": self.events,
            "delivery": {},
            "queue": {},
            "reports": {},
            "opts": {},
        }
        #: Registered VENs that are pushed to, in no order that matters: looked through at each turn of the clock.
        self.pushed: dict[str, Ven] = {}
        #: Reports of the VENs that asked something of us, in no order that matters: looked through likewise.
        self.asked: dict[str, Reports] = {}
        self._by_fingerprint: dict[str, str] = {}
        self._events_of: dict[str, set[str]] = {}
        self._recipients: dict[str, tuple[str, ...]] = {}
        self._documents = Documents()

    def deliveries(self, ven_id: str) -> Deliveries:
        """The deliveries to a VEN."""
        found: Deliveries = self._record("delivery", ven_id, Deliveries)
        return found

    def queue(self, ven_id: str) -> Queue:
        """The queue of a VEN."""
        found: Queue = self._record("queue", ven_id, Queue)
        return found

    def reports(self, ven_id: str) -> Reports:
        """The reports of a VEN."""
        found: Reports = self._record("reports", ven_id, Reports)
        return found

    def opts(self, ven_id: str) -> Opts:
        """The opt schedules of a VEN."""
        found: Opts = self._record("opts", ven_id, Opts)
        return found

    def schedules(self) -> Iterable[Schedule]:
        """The opt schedules of all VENs."""
        for opts in self._tables["opts"].values():
            yield from opts.schedules

    def by_fingerprint(self, fingerprint: str) -> Ven | None:
        """The VEN that a certificate belongs to; one to one."""
        found = self._by_fingerprint.get(fingerprint) if fingerprint else None
        return self.vens.get(found) if found else None

    def events_of(self, ven_id: str) -> list[EventRecord]:
        """The events that a VEN gets, in no order."""
        return [self.events[event_id] for event_id in self._events_of.get(ven_id, ()) if event_id in self.events]

    def save(self, kind: str, key: str) -> None:
        """The record changed: its document is among the next changes."""
        record = self._tables[kind][key]
        self._index(kind, key, record)
        self._documents.put(f"{kind}/{key}", records.dump(record))

    def add(self, kind: str, key: str, record: Any) -> None:
        """Put a new record in."""
        self._tables[kind][key] = record
        self.save(kind, key)

    def forget(self, kind: str, key: str) -> None:
        """Remove a record; unknown ones change nothing."""
        record = self._tables[kind].pop(key, None)
        if record is not None:
            self._unindex(kind, key, record)
            self._documents.drop(f"{kind}/{key}")

    def put_raw(self, key: str, body: bytes) -> None:
        """A document that is only kept, not used."""
        self._documents.put(key, body)

    def take(self) -> tuple[Change, ...]:
        """Changes since the last call."""
        return self._documents.take()

    def revert(self, changes: Iterable[Change]) -> None:
        """The store could not take `changes`: go back to before."""
        for key in self._documents.revert(changes):
            self._read(key, self._documents.get(key))

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Start from what a store holds; keys of others are left alone."""
        own = {key: body for key, body in documents.items() if key.partition("/")[0] in {*_KINDS, "greenbutton"}}
        self._documents.load(own)
        for key, body in own.items():
            self._read(key, body)

    def export(self) -> dict[str, bytes]:
        """All documents."""
        return dict(self._documents)

    def _record(self, kind: str, key: str, cls: type[Any]) -> Any:
        table = self._tables[kind]
        if key not in table:
            table[key] = cls()
        return table[key]

    def _read(self, key: str, body: bytes | None) -> None:
        kind, _, name = key.partition("/")
        if kind not in _KINDS:
            return
        old = self._tables[kind].pop(name, None)
        if old is not None:
            self._unindex(kind, name, old)
        if body is not None:
            record: Any = records.load(_KINDS[kind], body)
            self._tables[kind][name] = record
            self._index(kind, name, record)

    def _index(self, kind: str, key: str, record: Any) -> None:
        if kind == "ven":
            self.newest_change = max(self.newest_change, record.events_changed)
            if record.fingerprint:
                self._by_fingerprint[record.fingerprint] = key
            if record.registered and not record.pull:
                self.pushed[key] = record
            else:
                self.pushed.pop(key, None)
        if kind == "reports" and record.asked:
            self.asked[key] = record
        elif kind == "reports":
            self.asked.pop(key, None)
        if kind == "event":
            self.newest_change = max(self.newest_change, record.changed)
            for ven_id in self._recipients.get(key, ()):
                self._events_of[ven_id].discard(key)
            self._recipients[key] = tuple(record.recipients)
            for ven_id in record.recipients:
                self._events_of.setdefault(ven_id, set()).add(key)

    def _unindex(self, kind: str, key: str, record: Any) -> None:
        if kind == "ven":
            self._by_fingerprint.pop(record.fingerprint, None)
            self.pushed.pop(key, None)
        if kind == "reports":
            self.asked.pop(key, None)
        if kind == "event":
            for ven_id in self._recipients.pop(key, ()):
                self._events_of[ven_id].discard(key)
