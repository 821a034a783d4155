"""The VTN core: one payload in, one payload out, and what must be durable before it leaves.

Owns the wiring of the services and the verbs of the operator. No I/O: time is an argument, IDs come from the caller.

What the caller MUST do: commit the `changes` of a result before the reply leaves, or give them back by `revert`;
call `handle_timer` at `next_timer`; for push VENs send what `next_pushes` returns and report what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.answers import SERVICE_OF, Code, Refusal, ok, refusal_of, succeeded, ven_id_of
from gridiface.protocols.openadr.changes import Change
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.payloads import event, opt, registration, report
from gridiface.protocols.openadr.payloads.common import EiTarget
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.reports import ReportRequest, metadata_request
from gridiface.protocols.openadr.vtn import mailbox as box
from gridiface.protocols.openadr.vtn.admission import check_service, check_version
from gridiface.protocols.openadr.vtn.entities import Delivery, Entry, EventRecord, Opts, Reports, Ven, VtnConfig
from gridiface.protocols.openadr.vtn.eventing import EventDesk
from gridiface.protocols.openadr.vtn.liveness import Liveness, liveness_of
from gridiface.protocols.openadr.vtn.mailbox import Mailbox
from gridiface.protocols.openadr.vtn.metadata import MetadataDesk
from gridiface.protocols.openadr.vtn.notices import CertificateDropped
from gridiface.protocols.openadr.vtn.opting import OptDesk
from gridiface.protocols.openadr.vtn.registration import Peer, Registrar
from gridiface.protocols.openadr.vtn.repeats import Repeats
from gridiface.protocols.openadr.vtn.reporting import ReportDesk
from gridiface.protocols.openadr.vtn.results import Push, Result
from gridiface.protocols.openadr.vtn.state import State

#: HTTP statuses after which the same payload is not sent again (rule 517); 400 and 413 are other words for 406.
_REFUSALS = frozenset({400, 404, 406, 413, 501})


class Vtn:
    """One VTN.

    Args:
        config: how it behaves.
        new_id: makes an ID never used before (requestID, registrationID, venID, ...).
    """

    def __init__(self, config: VtnConfig, new_id: Callable[[], str]) -> None:
        self._state = State(config, new_id)
        self._mailbox = Mailbox(self._state, self._render, self._gave_up)
        self._events = EventDesk(self._state, self._mailbox)
        self._registrar = Registrar(self._state, self._mailbox, self._events.leave_out)
        self._reports = ReportDesk(self._state, self._mailbox)
        self._metadata = MetadataDesk(self._state, self._mailbox)
        self._opts = OptDesk(self._state)
        self._repeats = Repeats()
        self._handlers = self._table()

    # -- documents -----------------------------------------------------------------------------------------------

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Start with what the store holds (all documents of this VTN; unknown keys are left alone)."""
        self._state.load(documents)

    def export(self) -> dict[str, bytes]:
        """All documents."""
        return self._state.export()

    def revert(self, changes: Iterable[Change]) -> None:
        """The changes of the last result could not be committed: be as before. Nothing may have been sent."""
        self._repeats.clear()
        self._state.revert(changes)

    # -- what VENs do --------------------------------------------------------------------------------------------

    def handle(self, payload: Payload, peer: Peer, now: float, *, service: str = "") -> Result:
        """Answer one request of a VEN; also the logical answer that came as the HTTP response to a push.

        Args:
            payload: the request.
            peer: who the transport says it is.
            now: the time.
            service: the service of the URI, "" where there is none: a payload at a wrong one gets 459.
        """
        try:
            check_service(payload, service)
            reply = self._dispatch(payload, peer, now)
        except Refusal as refusal:
            reply = self._refuse(payload, refusal.answer, refusal.reason)
        return self._result(reply)

    def _dispatch(self, payload: Payload, peer: Peer, now: float) -> Payload | None:
        if isinstance(payload, registration.OadrQueryRegistration | registration.OadrCreatePartyRegistration):
            named = self._state.by_fingerprint(peer.fingerprint)
            said_by = named.venID if named else ven_id_of(payload) or ""
            check_version(payload, said_by, self._state.config, optional=peer.version_lost)
        if isinstance(payload, registration.OadrQueryRegistration):
            return self._registrar.query(payload, peer)
        if isinstance(payload, registration.OadrCreatePartyRegistration):
            who = peer.fingerprint or payload.venID or ""
            return self._repeats.once(who, payload, lambda: self._registrar.create(payload, peer, now))
        ven = self._registrar.identify(payload, peer)
        if (ven.profile == "2.0a") is not (peer.profile == "2.0a"):
            raise Refusal(Code.NOT_REGISTERED, "this VEN uses another profile")
        if peer.profile == "2.0b":
            check_version(payload, ven.venID, self._state.config, optional=peer.version_lost)
        # Not worth a commit of its own: it is stored with the VEN's next change.
        ven.last_seen = now
        handler = self._handlers.get(type(payload))
        if handler is None:
            raise Refusal(Code.COMPLIANCE, "a VEN does not send this payload")
        return self._repeats.once(ven.fingerprint or ven.venID, payload, lambda: handler(payload, ven, now))

    def _table(self) -> dict[type, Callable[[Any, Ven, float], Payload | None]]:
        events, reports, opts, registrar = self._events, self._reports, self._opts, self._registrar
        return {
            event.OadrPoll: self._poll,
            event.OadrRequestEvent: events.request,
            event.OadrCreatedEvent: events.created,
            event.OadrResponse: self._responded,
            opt.OadrCreateOpt: opts.create,
            opt.OadrCancelOpt: lambda payload, ven, _: opts.cancel(payload, ven),
            report.OadrRegisterReport: reports.register,
            report.OadrRegisteredReport: lambda payload, ven, _: reports.registered(payload, ven),
            report.OadrCreateReport: lambda payload, ven, _: self._metadata.create(payload, ven),
            report.OadrCreatedReport: lambda payload, ven, _: reports.created(payload, ven),
            report.OadrUpdateReport: reports.update,
            report.OadrCancelReport: lambda payload, ven, _: self._metadata.cancel(payload, ven),
            report.OadrCanceledReport: lambda payload, ven, _: reports.canceled(payload, ven),
            registration.OadrCancelPartyRegistration: lambda payload, ven, _: registrar.cancel(payload, ven),
            registration.OadrCanceledPartyRegistration: lambda payload, ven, _: registrar.canceled(payload, ven),
        }

    def _poll(self, payload: event.OadrPoll, ven: Ven, now: float) -> Payload | None:
        if not ven.pull:
            raise Refusal(Code.NOT_ALLOWED, "a push VEN does not poll")
        return self._mailbox.next(ven.venID, now) or event.OadrResponse(eiResponse=ok(""), venID=ven.venID)

    def _responded(self, payload: event.OadrResponse, ven: Ven, now: float) -> Payload | None:
        """A VEN's oadrResponse answers oadrRequestReregistration; an error may answer anything we sent."""
        entry = self._mailbox.answered(ven.venID, box.REREGISTER)
        if entry is None and not succeeded(payload.eiResponse):
            self._mailbox.answered(
                ven.venID,
                *(box.REGISTER_REPORT, box.CREATE_REPORT, box.CANCEL_REPORT, box.CANCEL_REGISTRATION),
                request_id=payload.eiResponse.requestID,
            )
        return None

    def _refuse(self, payload: Payload, code: int, reason: str) -> Payload:
        config = self._state.config
        return refusal_of(payload, code, reason, vtn_id=config.vtn_id, created=self._registrar.created)

    # -- push ----------------------------------------------------------------------------------------------------

    def next_pushes(self, now: float, busy: Collection[str] = ()) -> tuple[tuple[Push, ...], Result]:
        """What is to be pushed now, one payload per VEN at most, counted as sent; and the changes of that.

        `busy` are VENs with a push under way: they get nothing, so that order is kept.
        """
        pushes = []
        for ven in list(self._state.pushed.values()):
            if ven.address is None or ven.venID in busy or not self._mailbox.is_waiting(ven.venID, now):
                continue
            payload = self._mailbox.next(ven.venID, now, pushed=True)
            if payload is not None:
                pushes.append(Push(ven.venID, ven.address, SERVICE_OF.get(type(payload), "EiEvent"), payload))
        return tuple(pushes), self._result(None)

    def push_failed(self, ven_id: str, now: float, *, status: int = 0) -> Result:
        """A push did not get HTTP 200 (`status` 0: no answer): it is tried again, later each time.

        What is answered with 400, 404, 406, 413 or 501 is not tried again.
        """
        if ven_id in self._state.vens:
            self._mailbox.failed(ven_id, now, refused=status in _REFUSALS)
        return self._result(None)

    def push_done(self, ven_id: str, now: float) -> Result:
        """A push was taken with HTTP 200: the VEN is there, and what needs no answer is done."""
        if ven_id in self._state.vens:
            self._state.vens[ven_id].last_seen = now
            self._mailbox.delivered(ven_id)
        return self._result(None)

    # -- what the operator does ----------------------------------------------------------------------------------

    def put_ven(self, ven: Ven) -> Result:
        """Make a VEN known, out of band; or change its groups, resources, contexts or fingerprint.

        Raises:
            RefusedControl: the fingerprint is another VEN's.
        """
        return self.put_vens([ven])

    def put_vens(self, vens: Sequence[Ven]) -> Result:
        """As `put_ven`, all at once.

        Raises:
            RefusedControl: a fingerprint is another VEN's.
        """
        for ven in vens:
            other = self._state.by_fingerprint(ven.fingerprint)
            if other is not None and other.venID != ven.venID:
                raise RefusedControl(f"this certificate is that of {other.venID}")
        for ven in vens:
            before = self._state.vens.get(ven.venID)
            if before is not None and before.fingerprint not in {"", ven.fingerprint}:
                self._state.notices.append(CertificateDropped(venID=ven.venID))
            ven.newcomer = False
            self._state.forget("ven", ven.venID)
            self._state.add("ven", ven.venID, ven)
        return self._result(None)

    def new_id(self) -> str:
        """An ID never used before, for an event of the operator."""
        return self._state.new_id()

    def drop_ven(self, ven_id: str) -> Result:
        """Forget a VEN wholly; its events go on without it."""
        self._registrar.drop(ven_id)
        return self._result(None)

    def recipients(self, target: EiTarget, named: Iterable[str], market_context: str) -> list[str]:
        """The VENs that an event of this target would go to, with those that are named."""
        return self._events.recipients(target, named, market_context)

    def create_event(self, new: Event, recipients: Iterable[str], now: float, *, drawn: bool = False) -> Result:
        """Send a new event; `value` is its record. Raises RefusedControl where a rule forbids it."""
        return self._result(None, self._events.create(new, recipients, now, drawn=drawn))

    def modify_event(
        self, event_id: str, now: float, *, reason: str = "", recipients: Iterable[str] | None = None, **fields: Any
    ) -> Result:
        """Change fields of an event (or its recipients); `value` is its record. Raises RefusedControl."""
        return self._result(None, self._events.modify(event_id, now, reason=reason, recipients=recipients, **fields))

    def cancel_event(self, event_id: str, now: float, *, reason: str = "") -> Result:
        """Cancel an event; `value` is its record. Raises RefusedControl."""
        return self._result(None, self._events.cancel(event_id, now, reason=reason))

    def distribute(self, ven_ids: Iterable[str]) -> Result:
        """Send all current events, possibly none, to VENs by hand."""
        for ven_id in ven_ids:
            self._mailbox.post(self._ven(ven_id).venID, box.EVENTS)
        return self._result(None)

    def request_reregistration(self, ven_id: str) -> Result:
        """Ask a VEN to register again. Raises RefusedControl where it is not registered."""
        self._mailbox.post(self._registered(ven_id).venID, box.REREGISTER)
        return self._result(None)

    def cancel_registration(self, ven_id: str) -> Result:
        """Cancel a VEN's registration; it ends with the VEN's answer. Raises RefusedControl."""
        self._mailbox.post(self._registered(ven_id).venID, box.CANCEL_REGISTRATION)
        return self._result(None)

    def request_reports(self, ven_id: str, requests: Sequence[ReportRequest]) -> Result:
        """Request reports; `value` lists the reportRequestIDs. Raises RefusedControl."""
        return self._result(None, self._reports.ask(self._registered(ven_id), requests))

    def request_metadata(self, ven_id: str) -> Result:
        """Request the metadata anew; `value` lists the reportRequestID. Raises RefusedControl."""
        return self._result(None, self._reports.ask(self._registered(ven_id), [metadata_request("")]))

    def cancel_reports(
        self, ven_id: str, ids: Iterable[str], *, follow: bool = False, piggyback: bool = False
    ) -> Result:
        """Cancel report requests. Raises RefusedControl."""
        self._reports.stop(self._registered(ven_id), ids, follow=follow, piggyback=piggyback)
        return self._result(None)

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def vens(self) -> Mapping[str, Ven]:
        """All VENs by venID; to be read only."""
        return self._state.vens

    @property
    def events(self) -> Mapping[str, EventRecord]:
        """All events by eventID; to be read only."""
        return self._state.events

    def delivery(self, ven_id: str, event_id: str) -> Delivery | None:
        """How far an event has come with a VEN: sent, answered, opted."""
        return self._state.deliveries(ven_id).by_event.get(event_id)

    def reports(self, ven_id: str) -> Reports:
        """Metadata and requests of a VEN; to be read only."""
        return self._state.reports(ven_id)

    @property
    def config(self) -> VtnConfig:
        """How this VTN behaves."""
        return self._state.config

    def by_fingerprint(self, fingerprint: str) -> Ven | None:
        """The VEN that a certificate belongs to."""
        return self._state.by_fingerprint(fingerprint)

    def resources_of(self, ven_id: str) -> list[str]:
        """The resources of a VEN, by configuration and by its metadata."""
        return sorted(self._events.resources_of(self._ven(ven_id)))

    def liveness(self, ven_id: str, now: float, *, since: float) -> Liveness:
        """Whether a VEN is present, late or lost; `since`: when we began to listen. KeyError where it is not known."""
        return liveness_of(
            self._state.vens[ven_id],
            now,
            since=since,
            poll_frequency=self._state.config.poll_frequency,
            unreached=self._mailbox.unreached(ven_id),
        )

    def waiting(self, ven_id: str) -> list[str]:
        """The kinds of payloads that wait for a VEN, or for its answer, in order."""
        return [entry.kind for entry in self._state.queue(ven_id).entries]

    def opt_of(self, ven_id: str, event_id: str, resource: str | None, at: float) -> str | None:
        """Whether a resource of a VEN (None: the VEN) takes part in an event, by precedence; None: nobody said."""
        return self._opts.opt_of(ven_id, event_id, resource, at)

    def said(self, ven_id: str, event_id: str, resource: str | None) -> str | None:
        """What was said of this very event, schedules aside; None: nothing."""
        return self._opts.said(ven_id, event_id, resource)

    def scheduled(
        self, ven_id: str, resource: str | None, at: float, market_context: str | None, device: str | None = None
    ) -> str | None:
        """What the opt schedules say of a resource (None: the VEN), or a device class of it; None: nothing."""
        return self._opts.scheduled(ven_id, resource, at, market_context, device)

    def opts(self, ven_id: str) -> Opts:
        """The opt schedules of a VEN; to be read only."""
        return self._state.opts(ven_id)

    def absences(self, ven_id: str, resource: str | None, context: str | None, now: float) -> list[tuple[float, float]]:
        """When a resource (None: the VEN) will not take part by its opt schedules, from now on: (start, end)."""
        return self._opts.absences(ven_id, resource, context, now)

    def next_opt_edge(self, now: float) -> float:
        """When an opt schedule begins or ends next; infinity when none does."""
        return self._opts.next_edge(now)

    # -- time ----------------------------------------------------------------------------------------------------

    def next_timer(self, now: float) -> float:
        """When `handle_timer` or `next_pushes` has something to do; infinity when never. May be in the past."""
        pushes = (self._mailbox.due_at(ven_id) for ven_id in self._state.pushed)
        return min((self._events.next_change(now), *pushes))

    def handle_timer(self, now: float) -> Result:
        """Status changes by the clock; forget what is long over."""
        self._events.tick(now)
        return self._result(None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _render(self, ven_id: str, entry: Entry, now: float) -> tuple[Payload | None, bool]:
        ven = self._state.vens[ven_id]
        match entry.kind:
            case box.EVENTS:
                # eiResponse belongs into an answer, and a poll's answer is one (rule 40).
                distribute = self._events.distribute(ven, now, ok("") if ven.pull else None)
                return distribute, not self._events.needs_answer(ven_id, now)
            case box.REGISTER_REPORT:
                return self._metadata.register_report(ven, entry), False
            case box.CREATE_REPORT:
                return self._reports.create_report(ven, entry), False
            case box.CANCEL_REPORT:
                return self._reports.cancel_report(ven, entry), False
            case box.CANCEL_REGISTRATION:
                return self._registrar.cancellation(ven, entry.id), False
            case _:
                return self._registrar.reregistration(ven), False

    def _gave_up(self, ven_id: str, entry: Entry, now: float) -> None:
        # A VEN that does not answer its cancellation is gone all the same.
        if entry.kind == box.CANCEL_REGISTRATION:
            self._registrar.end(self._state.vens[ven_id], "vtn")

    def _ven(self, ven_id: str) -> Ven:
        try:
            return self._state.vens[ven_id]
        except KeyError:
            raise RefusedControl(f"there is no VEN {ven_id}") from None

    def _registered(self, ven_id: str) -> Ven:
        ven = self._ven(ven_id)
        if ven.registrationID is None:
            raise RefusedControl(f"{ven_id} is not registered")
        return ven

    def _result(self, reply: Payload | None, value: Any = None) -> Result:
        notices, self._state.notices[:] = tuple(self._state.notices), []
        return Result(reply, self._state.take(), notices, value)
