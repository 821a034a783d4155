"""The VEN core: which request goes to the VTN next, and what an answer or a push means.

Owns the one request that is under way. No I/O: time, IDs and chance come from the caller.

The caller's loop: commit `take_changes`, then send what `next_requests` gives; hand each answer to `receive` (or
`failed`); then read `next_event` until None, and call `handle_timer` at `next_timer`. At most one request is under
way, so that answers precede polls and reports arrive in order, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gridiface.errors import LocalProtocolError
from gridiface.protocols.openadr.answers import SERVICE_OF, Code
from gridiface.protocols.openadr.changes import Change
from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.common import EiResponse
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.ven.eventing import ActiveEvent, EventDesk
from gridiface.protocols.openadr.ven.inbound import Inbound
from gridiface.protocols.openadr.ven.notices import Notice, Rejected
from gridiface.protocols.openadr.ven.opting import OptDesk
from gridiface.protocols.openadr.ven.outbound import Outbound
from gridiface.protocols.openadr.ven.registration import (
    CANCEL,
    CREATE,
    POLL,
    QUERY,
    REGISTER_REPORT,
    REQUEST_EVENT,
    Registrar,
)
from gridiface.protocols.openadr.ven.reporting import ReportDesk
from gridiface.protocols.openadr.ven.samples import SampleSource
from gridiface.protocols.openadr.ven.state import (
    Judge,
    KnownEvent,
    OptSchedule,
    Registration,
    Running,
    State,
    VenConfig,
    Verdict,
)

#: HTTP statuses after which the same bytes must not be sent again.
_HOPELESS = frozenset({400, 404, 406, 413, 501})
#: Those of a VTN that is there and fails at what it was sent, or (503) has too much to do; 520: its answer is none.
_BUSY = 503
_FAILS_AT = frozenset({500, _BUSY, 505, 520})


@dataclass(frozen=True, slots=True)
class Request:
    """A payload to be POSTed to the VTN's `service`. `id` is handed back with its answer."""

    id: int
    kind: str
    service: str
    payload: Payload


class Ven:
    """One VEN towards one VTN.

    Args:
        config: how it behaves.
        judge: decides on events.
        samples: where reported values come from.
        new_id: makes an ID never used before.
        draw: a number in 0..1 by chance: jitter and random starts.
    """

    def __init__(
        self,
        config: VenConfig,
        judge: Judge,
        samples: SampleSource,
        new_id: Callable[[], str],
        draw: Callable[[], float],
    ) -> None:
        self._state = State(config, new_id, draw)
        self._events = EventDesk(self._state, judge)
        self._reports = ReportDesk(self._state, samples)
        self._opts = OptDesk(self._state)
        self._registrar = Registrar(self._state, self._reports)
        self._outbound = Outbound(self._state, self._reports, self._registrar)
        self._inbound = Inbound(self._state, self._events, self._reports, self._registrar)
        self._under_way: Request | None = None
        self._next_id = 0
        self._latest = -math.inf
        self.start()

    # -- documents -----------------------------------------------------------------------------------------------

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart with what the store holds."""
        self._state.load(documents)
        self._reports.loaded()
        self.start()

    def export(self) -> dict[str, bytes]:
        """All documents."""
        return self._state.export()

    @property
    def ven_id(self) -> str:
        """The venID that the VTN gave us; empty while there is none."""
        return self._state.registration.venID or ""

    def take_changes(self) -> tuple[Change, ...]:
        """What must be durable before anything is sent or a push is answered."""
        return self._state.take()

    # -- sending -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin anew: register (again with the stored IDs), then exchange metadata and ask for the events (405).

        What is under way is answered first: the VTN may say something that it does not say again.
        """
        self._registrar.start()

    def reachable_again(self) -> None:
        """The transport is back: what waits for a retry is sent now, not at the end of its back-off."""
        if self._registrar.link.failures:
            self._registrar.link.retry_at = 0.0

    def next_requests(self, now: float) -> tuple[Request, ...]:
        """What is to be sent now: one request or none."""
        clock = self._registrar.link
        if self._under_way is not None or now < clock.retry_at:
            return ()
        made = self._outbound.next(now)
        if made is None:
            return ()
        kind, payload = made
        clock.polled = kind == POLL
        self._next_id += 1
        service = SERVICE_OF.get(type(payload)) or "EiRegisterParty"
        self._under_way = Request(self._next_id, kind, service, payload)
        return (self._under_way,)

    # -- receiving -----------------------------------------------------------------------------------------------

    def receive(self, request_id: int, payload: Payload | None, now: float) -> None:
        """The answer to a request: HTTP 200 with a payload, or with none.

        Raises:
            LocalProtocolError: that request is not under way.
        """
        request = self._finish(request_id)
        self._registrar.worked(request.kind)
        if request.kind == QUERY:
            self._registrar.queried(payload)
        elif request.kind == CREATE:
            if self._registrar.created(payload, now):
                self._opts.registered_anew(now)
        elif self._state.registered and self._lost_registration(request, payload):
            self._registrar.register_anew("refused", "the VTN does not know us", now)
        else:
            self._outbound.done(request.kind, request.payload)
            self._inbound.answered(request.kind, payload, now)

    def failed(self, request_id: int, now: float, *, status: int = 0, pause: float = 0.0) -> None:
        """A request got no HTTP 200: `status`, 0 for none at all. It is sent again later, unless that is hopeless.

        `pause`: s that the VTN wants to be left alone for (Retry-After); heeded up to the longest back-off.
        """
        request, link = self._finish(request_id), self._registrar.link
        if status in _HOPELESS:
            self._state.notices.append(Rejected(request.kind, 0, f"HTTP {status}"))
            if request.kind not in {CREATE, POLL}:
                self._outbound.done(request.kind, request.payload)
                if request.kind in link.held:  # given up after it failed again and again: so may the next one
                    self._registrar.stuck(request.kind, now)
                return
        if status in _FAILS_AT and request.kind != POLL and request.kind not in link.steps[:1]:
            self._registrar.stuck(request.kind, now, pause, busy=status == _BUSY)
            return
        self._registrar.failed(now, pause)

    def abandon(self) -> None:
        """Nobody waits for an answer any more: what is under way is sent again. Nothing where nothing is."""
        self._under_way = None

    def receive_push(self, payload: Payload, now: float) -> Payload | None:
        """A payload that the VTN pushed; returns the answer, None for an empty HTTP 200. Commit the changes first."""
        if not self._state.registered:
            # Before registration nobody's payloads count (rule 517).
            return self._inbound.refuse(payload, Code.NOT_REGISTERED, "this VEN is not registered")
        return self._inbound.taken(payload, now)

    def _finish(self, request_id: int) -> Request:
        request = self._under_way
        if request is None or request.id != request_id:
            raise LocalProtocolError("that request is not under way")
        self._under_way = None
        return request

    @staticmethod
    def _lost_registration(request: Request, payload: Payload | None) -> bool:
        answer: EiResponse | None = getattr(payload, "eiResponse", None)
        if answer is None or request.kind == CANCEL:
            return False
        # A poll holds nothing but the venID: when that is wrong, all that we were given is.
        wrong = {Code.NOT_REGISTERED, Code.INVALID_ID} if request.kind == POLL else {Code.NOT_REGISTERED}
        return int(answer.responseCode) in wrong and not isinstance(payload, event.OadrDistributeEvent)

    # -- what the owner of the VEN does --------------------------------------------------------------------------

    def cancel_registration(self) -> None:
        """End the registration; it is forgotten when the VTN has answered. Register again with `start`.

        Raises:
            RefusedControl: there is none.
        """
        self._registrar.cancel()

    def change_opt(self, event_id: str, verdict: Verdict) -> None:
        """Say another word on an event. Raises RefusedControl where it is not known or must not be answered."""
        self._events.change_opt(event_id, verdict)

    def opt_resources(self, event_id: str, resources: Sequence[str], opt_type: str, now: float, *, reason: str) -> str:
        """Opt some resources in or out of an event by oadrCreateOpt (rule 206); returns the optID.

        Raises:
            RefusedControl: as `change_opt`.
        """
        opt_id = self._opts.opt_resources(self._events.qualified(event_id), resources, opt_type, now, reason)
        known = self._state.events[event_id]
        known.resources.update(dict.fromkeys(resources, opt_type))
        self._state.put("event", event_id, known)
        return opt_id

    def add_opt_schedule(
        self,
        opt_type: str,
        spans: Sequence[tuple[float, int]],
        now: float,
        *,
        reason: str = "x-schedule",
        resources: Sequence[str] = (),
        market_context: str | None = None,
        calendar: str = "",
    ) -> str:
        """Tell when we (or some resources) do or do not take part: spans of (start, seconds), 0 = open.

        Returns the optID, by which the schedule is cancelled.
        """
        return self._opts.add_schedule(
            opt_type,
            spans,
            now,
            reason=reason,
            resources=resources,
            market_context=market_context,
            calendar=calendar,
        )

    def cancel_opt_schedule(self, opt_id: str) -> None:
        """Take a schedule back. Raises RefusedControl where there is none of that optID."""
        self._opts.cancel_schedule(opt_id)

    def request_events(self) -> None:
        """Ask for all events once more. Raises RefusedControl without a registration, as the two below."""
        self._registrar.once_more(REQUEST_EVENT)

    def offer_reports(self) -> None:
        """Tell the VTN anew what we offer to report; the requests that run end with it (rule 306)."""
        self._registrar.once_more(REGISTER_REPORT)

    def request_metadata(self) -> None:
        """Ask the VTN what it offers to report: it answers with an oadrRegisterReport of its own (rule 327)."""
        self._registrar.need()
        self._reports.request_metadata()

    def query(self) -> None:
        """Ask the VTN what it offers and whether we are registered; that changes nothing."""
        self._registrar.once_more(QUERY, registered=False)

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def registration(self) -> Registration:
        """Our registration; to be read only."""
        return self._state.registration

    @property
    def events(self) -> Mapping[str, KnownEvent]:
        """All events by eventID; to be read only."""
        return self._state.events

    @property
    def schedules(self) -> Mapping[str, OptSchedule]:
        """Our opt schedules by optID; to be read only."""
        return self._state.schedules

    @property
    def requests(self) -> Mapping[str, Running]:
        """The report requests that run, by reportRequestID; to be read only."""
        return self._state.requests

    @property
    def config(self) -> VenConfig:
        """How this VEN behaves."""
        return self._state.config

    @property
    def pending_reports(self) -> tuple[str, ...]:
        """The reportRequestIDs that run."""
        return tuple(self._state.requests)

    @property
    def waiting(self) -> int:
        """How many payloads wait for the VTN."""
        return len(self._state.outbox)

    def active(self, now: float) -> list[ActiveEvent]:
        """The opted-in events that run now, first the one that goes first by priority and start."""
        return self._events.active(now)

    def sample_periods(self) -> dict[tuple[str, str], int]:
        """(reportSpecifierID, rID) -> seconds between the samples that are needed; 0: each change."""
        return self._reports.periods()

    def sample_depths(self) -> dict[tuple[str, str], int]:
        """(reportSpecifierID, rID) -> seconds back that samples are needed for the next report."""
        return self._reports.depths()

    # -- time ----------------------------------------------------------------------------------------------------

    def next_event(self) -> Notice | None:
        """The next thing that happened, None when there is no more."""
        return self._state.notices.pop(0) if self._state.notices else None

    def next_timer(self, now: float) -> float:
        """When `handle_timer` or `next_requests` has something to do; infinity when never. May be in the past."""
        clock = self._registrar.link
        times = [self._events.next_step(), self._reports.next_due(), self._opts.next_end(), clock.again_at]
        if self._under_way is None:
            due = -math.inf if clock.steps else self._outbound.next_due()
            times.append(max(now, clock.retry_at, due))
            if due > now and self._state.registered and self._state.config.push_address is None:
                times.append(max(clock.next_poll, clock.retry_at))
        return min(times)

    def handle_timer(self, now: float) -> None:
        """Steps of events and reports that have become due."""
        if now < self._latest:  # set back: polls go on as soon as before, only what has a time of its own keeps it
            self._registrar.set_back(self._latest - now)
            self._reports.set_back(now)
        self._latest = now
        self._registrar.tick(now)
        self._events.tick(now)
        self._reports.tick(now)
        self._opts.tick(now)
