"""What a VEN knows: its registration, events, report requests and what still has to be sent; each a document.

Owns the records, their documents and the configuration. Does not own any rule of a service.

Keys: registration/own, event/<eventID>, request/<reportRequestID>, schedule/<optID>, outbox/<number>.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridiface.protocols.openadr import records
from gridiface.protocols.openadr.changes import Change, Documents
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.payloads.report import OadrUpdateReport
from gridiface.protocols.openadr.payloads.stream import ItemBase
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.ven.notices import Notice, ReportLost


@dataclass(frozen=True, slots=True)
class Verdict:
    """Our word on an event: optIn or optOut, and the response code that says why."""

    opt: str
    code: int = 200
    description: str = ""


#: Decides on a new or changed event; the second is its last version or None. Must answer at once.
Judge = Callable[[Event, Event | None], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoint:
    """One thing that can be reported.

    Attributes:
        rid: rID.
        report_type, reading_type: the standard's words.
        unit: None for status.
        resources: whose it is; empty: all of the VEN's.
        device_class: mrid of the reportSubject.
        min_period, max_period: seconds, how often it is sampled; on_change: also when it changes.
        interval_data: each value speaks of a duration (energy, a mean), not of an instant.
        additive: the value of a longer time is the sum of the shorter ones (energy), not their mean.
    """

    rid: str
    report_type: str = "usage"
    reading_type: str = "Direct Read"
    unit: ItemBase | None = None
    resources: tuple[str, ...] = ()
    device_class: str = ""
    market_context: str | None = None
    min_period: int = 1
    max_period: int = 3600
    on_change: bool = False
    interval_data: bool = False
    additive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOffer:
    """One report that can be requested. `name` without METADATA_; `duration` seconds of data that are kept."""

    specifier: str
    name: str
    points: tuple[DataPoint, ...]
    duration: int = 7200

    @property
    def is_history(self) -> bool:
        """Whether it is of recorded data."""
        return self.name.startswith("HISTORY")

    @property
    def is_recorded(self) -> bool:
        """Whether its values speak of times that are over: history, and telemetry of interval data (energy)."""
        return self.is_history or any(point.interval_data for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenConfig:
    """How a VEN behaves.

    Attributes:
        name: oadrVenName.
        ven_id: preconfigured venID, None: the VTN gives one.
        query: ask what the VTN offers before registering.
        push_address: base address of our listener; None: pull.
        transport: simpleHttp or xmpp.
        report_only: only EiReport and EiRegisterParty are spoken.
        xml_signature: told at registration.
        offers: what can be reported.
        signals: (name, type) pairs that are understood; None: all of the table.
        market_contexts: accepted programs; empty: all.
        resources, groups, parties: what is ours, for targets.
        poll_frequency: seconds, where the VTN names none.
        jitter: part of the poll interval by which it varies.
        retry_first, retry_most: seconds of the back-off.
        registration_retry: seconds until a refused registration is tried again.
        register_again: seconds after which a registration that the VTN cancelled is made anew; None: at the next
            start, or when told to.
        one_point_each: send an interval per value, for VTNs that read only one value of an interval.
        most_waiting: payloads of a kind that wait for a VTN that is away; above it the oldest are dropped.
        most_requests: report requests that run at once.
        most_drain: payloads taken by polls without a pause.
        event_memory: seconds that finished events are remembered.
    """

    name: str
    ven_id: str | None = None
    query: bool = True
    push_address: str | None = None
    transport: str = "simpleHttp"
    report_only: bool = False
    xml_signature: bool = False
    offers: tuple[ReportOffer, ...] = ()
    signals: frozenset[tuple[str, str]] | None = None
    market_contexts: tuple[str, ...] = ()
    resources: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset()
    poll_frequency: float = 10.0
    jitter: float = 0.1
    retry_first: float = 1.0
    retry_most: float = 300.0
    registration_retry: float = 60.0
    register_again: float | None = None
    one_point_each: bool = False
    most_waiting: int = 2000
    most_requests: int = 200
    most_drain: int = 100
    event_memory: float = 86_400.0


@dataclass(slots=True, kw_only=True)
class Registration:
    """Our registration. `offers` is a digest of the metadata sent last."""

    registrationID: str | None = None
    venID: str | None = None
    vtnID: str | None = None
    poll_frequency: int | None = None
    offers: str = ""
    next_number: int = 0


@dataclass(slots=True, kw_only=True)
class KnownEvent:
    """An event that the VTN sent. `offset`: the random start; `stop`: a cancelled event ends then.

    `resources`: our word on single resources (EiOpt), which goes before `opt`.
    """

    event: Event
    opt: str
    code: int = 200
    description: str = ""
    offset: float = 0.0
    request_id: str = ""
    told: float = float("-inf")
    stop: float | None = None
    resources: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Running:
    """A report request that runs. `due`: the next report; `covered`: the last one, if `told`, reached until then."""

    request: ReportRequest
    due: float
    covered: float
    told: bool = False


@dataclass(slots=True, kw_only=True)
class OptSchedule:
    """An opt schedule of ours. `spans`: (start, seconds), 0 = open. `calendar`: whose it is, "" one made by hand."""

    optID: str
    opt: str
    reason: str
    spans: list[list[float]]
    resources: list[str] = field(default_factory=list)
    market_context: str | None = None
    calendar: str = ""

    @property
    def end(self) -> float:
        """When it is over; infinity where a span is open."""
        return max((start + seconds if seconds else float("inf") for start, seconds in self.spans), default=0.0)


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A payload that has to reach the VTN. `urgent`: an answer, which goes before everything else."""

    number: int
    kind: str
    payload: Payload
    urgent: bool = False


_KINDS: dict[str, type] = {
    "registration": Registration,
    "event": KnownEvent,
    "request": Running,
    "schedule": OptSchedule,
    "outbox": Waiting,
}
_OWN = "own"


class State:
    """All records of a VEN in memory, and which of them changed.

    Args:
        config: how it behaves.
        new_id: makes an ID never used before.
        draw: a number in 0..1 by chance.
    """

    def __init__(self, config: VenConfig, new_id: Callable[[], str], draw: Callable[[], float]) -> None:
        self.config = config
        self.new_id = new_id
        self.draw = draw
        self.events: dict[str, KnownEvent] = {}
        self.requests: dict[str, Running] = {}
        self.schedules: dict[str, OptSchedule] = {}
        self.outbox: dict[str, Waiting] = {}
        self.notices: list[Notice] = []
        self._registrations: dict[str, Registration] = {_OWN: Registration(venID=config.ven_id)}
        self._tables: dict[str, dict[str, Any]] = {
            "registration": self._registrations,
            "event": self.events,
            "request": self.requests,
            "schedule": self.schedules,
            "outbox": self.outbox,
        }
        self._documents = Documents()

    @property
    def registration(self) -> Registration:
        """Our registration."""
        return self._registrations[_OWN]

    @property
    def registered(self) -> bool:
        """Whether the VTN knows us."""
        return self.registration.registrationID is not None

    def save_registration(self) -> None:
        """The registration changed."""
        self._documents.put(f"registration/{_OWN}", records.dump(self.registration))

    def forget_registration(self) -> None:
        """No registration any more; the numbers of payloads go on."""
        number = self.registration.next_number
        self._registrations[_OWN] = Registration(venID=self.config.ven_id, next_number=number)
        self.save_registration()

    def put(self, kind: str, key: str, record: Any) -> None:
        """A record is new or changed."""
        self._tables[kind][key] = record
        self._documents.put(f"{kind}/{key}", records.dump(record))

    def drop(self, kind: str, key: str) -> None:
        """A record is gone; unknown ones change nothing."""
        if self._tables[kind].pop(key, None) is not None:
            self._documents.drop(f"{kind}/{key}")

    def post(self, kind: str, payload: Payload, *, urgent: bool = False) -> None:
        """A payload has to reach the VTN; where too many of its kind wait already the oldest is given up."""
        same = [key for key, item in self.outbox.items() if item.kind == kind]
        if len(same) >= self.config.most_waiting:
            lost = self.outbox[same[0]].payload
            self.drop("outbox", same[0])
            if isinstance(lost, OadrUpdateReport) and lost.oadrReport:
                self.notices.append(ReportLost(lost.oadrReport[0].reportRequestID))
        registration = self.registration
        number = registration.next_number
        registration.next_number += 1
        self.save_registration()
        self.put("outbox", f"{number:012d}", Waiting(number=number, kind=kind, payload=payload, urgent=urgent))

    def take(self) -> tuple[Change, ...]:
        """Changes since the last call."""
        return self._documents.take()

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Start from what a store holds; keys of others are left alone."""
        own = {key: body for key, body in documents.items() if key.partition("/")[0] in _KINDS}
        self._documents.load(own)
        for key in sorted(own):
            kind, _, name = key.partition("/")
            self._tables[kind][name] = records.load(_KINDS[kind], own[key])

    def export(self) -> dict[str, bytes]:
        """All documents."""
        return dict(self._documents)
