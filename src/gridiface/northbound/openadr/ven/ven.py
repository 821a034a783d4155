"""Our VEN towards one VTN on the wire: polling or pushed to, durable, with events as controls and the fleet's reports.

Owns the loop and its sockets; what is said is the core's (protocols.openadr.ven), what an event means is ven_events'.
Nothing is sent before what it rests on is in the store.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Outcome
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.domain.traffic import Tap
from gridiface.errors import RemoteProtocolError, StoreUnavailable
from gridiface.logfields import about
from gridiface.northbound.openadr.documents import ledger_changes, stored, ven_space
from gridiface.northbound.openadr.settings import VenSettings
from gridiface.northbound.openadr.ven.events import EventBook
from gridiface.northbound.openadr.ven.reports import FleetSamples, offers_of
from gridiface.northbound.openadr.ven.upstream import NotAnswered, Upstream
from gridiface.northbound.openadr.ven_calendar import Calendars
from gridiface.northbound.openadr.wire.client import PayloadClient
from gridiface.northbound.openadr.wire.http_server import PayloadListener
from gridiface.northbound.openadr.wire.xmpp import VenXmpp
from gridiface.northbound.peer_certificates import PeerCertificates, end_of
from gridiface.northbound.rounds import one_turn
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.exchange import EVENTS_LIMITS, HttpClient, HttpMessage, HttpServer, Security
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.signature import Verifier
from gridiface.protocols.openadr.ven import Request, Ven, VenConfig
from gridiface.protocols.openadr.ven.notices import (
    EventUnread,
    LinkChanged,
    Notice,
    Registered,
    Rejected,
    ReportLost,
    Unregistered,
)

_log = logging.getLogger("gridiface.openadr")

_T = TypeVar("_T")

#: A jump of the wall clock is seen after so long at the latest, s.
_LOOK_S = 1.0


class OpenAdrVen:
    """One VEN. Call `start` first, `stop` last; hand every outcome to `on_outcome` (again after a restart).

    Args:
        settings: whom it talks to and what it offers.
        clock: the wall clock.
        ledger, inbox, fleet: the ports of the rest of the house.
        new_id: makes an ID never used before.
        draw: a number in 0..1 by chance.
    """

    def __init__(
        self,
        settings: VenSettings,
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        fleet: FleetView,
        new_id: Callable[[], str] | None = None,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._ledger = ledger
        self._space = ven_space(settings.name)
        self._samples = FleetSamples(settings, fleet, clock, self._space)
        self.book = EventBook(
            self._space,
            settings.programs,
            clock=clock,
            ledger=ledger,
            inbox=inbox,
            fleet=fleet,
            ven=lambda: self.core,
        )
        self.core = Ven(
            _core_config(settings),
            self.book.judge,
            self._samples,
            new_id or (lambda: uuid.uuid4().hex),
            draw or secrets.SystemRandom().random,
        )
        self._nonces = NonceMemory(window=settings.signing.window_s if settings.signing else 30.0)
        self._security = _security(settings, self._nonces)
        self._xmpp = (
            VenXmpp(settings.xmpp, self._pushed_payload, self._back, clock, settings.timeout_s)
            if settings.xmpp
            else None
        )
        client = self._xmpp or PayloadClient(
            HttpClient(security=self._security, limits=EVENTS_LIMITS),
            context=settings.context,
            stamp=settings.stamp,
            timeout_s=settings.timeout_s,
        )
        self.upstream = Upstream(settings, client, clock)
        self._http = HttpServer("ven", security=self._security, limits=EVENTS_LIMITS)
        self._listener: PayloadListener | None = None
        self._unsaved: list[Change] = []
        self._calendars = Calendars(settings.calendars)
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.up = False
        #: What the VTN refused last since the start, in words.
        self.refused = ""

    def listen_in(self, tap: Tap) -> None:
        """As Upstream.listen_in."""
        self.upstream.listen_in(tap)

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what was, then register and go on.

        Raises:
            StoreUnavailable: the state cannot be read.
            ConfigError: the push listener's address cannot be taken.
        """
        documents = await stored(self._ledger, self._space)
        self._nonces.load(documents)
        self.book.load(documents)
        self._samples.load(documents)
        self.core.load(documents)
        if self.settings.push is not None:
            self._listener = PayloadListener(
                self.settings.push, self._pushed, clock=self._clock, most_octets=lambda _: self._http.most_octets
            )
            await self._listener.start()
        if self._xmpp is not None:
            await self._xmpp.start()
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"openadr ven {self.settings.name}")

    async def stop(self) -> None:
        """End; what was under way is done again after the next start."""
        if self._listener is not None:
            await self._listener.stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            self.core.abandon()
        await self.upstream.close()

    def on_outcome(self, outcome: Outcome) -> None:
        """See domain.ports.OutcomeListener.on_outcome; the same outcome again changes nothing."""
        if self.book.on_outcome(outcome, self._clock.now()):
            self.wake()

    @property
    def name(self) -> str:
        """Its name among our VENs."""
        return self.settings.name

    @property
    def peers(self) -> PeerCertificates:
        """The certificate that the VTN shows."""
        return self.upstream.peers

    @property
    def clock_offset_s(self) -> float | None:
        """As Upstream.clock_offset_s."""
        return self.upstream.clock_offset_s

    @property
    def url(self) -> str:
        """The VTN's address."""
        return self.settings.url

    def controls_of(self, event_id: str) -> tuple[str, ...]:
        """The ids of the controls that an event has become."""
        return self.book.controls_of(event_id)

    async def opt(
        self,
        event_id: str,
        opt: str,
        *,
        reason: str = "",
        resources: Sequence[str] = (),
        along: Sequence[Change] = (),
    ) -> None:
        """The operator's word on an event, and what follows from it; see EventBook.opt.

        Raises:
            RefusedControl, StoreUnavailable: as `do`.
        """
        await self.do(lambda _, now: self.book.opt(event_id, opt, now, reason=reason, resources=resources), along=along)

    @property
    def answers(self) -> str:
        """What every event is answered: optIn, optOut, or "" as the engine decides."""
        return self.book.standing

    async def always(self, opt: str, *, along: Sequence[Change] = ()) -> None:
        """The operator's standing word; see EventBook.always. Raises StoreUnavailable as `do`."""
        async with self._lock:
            self._unsaved += [self.book.always(opt), *along]
            await self._settle()

    async def do(self, verb: Callable[[Ven, Instant], _T], *, along: Sequence[Change] = ()) -> _T:
        """Carry out a verb of the operator and return what it returns when it is durable, together with `along`.

        Raises:
            RefusedControl: it cannot be done.
            StoreUnavailable: it is done, and not told to the VTN, when the store can write again.
        """
        async with self._lock:
            value = verb(self.core, self._clock.now())
            self._unsaved += along
            await self._settle()
        self.wake()
        return value

    def wake(self) -> None:
        """Look now rather than at the next edge."""
        self._wake.set()

    # -- the loop --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            with about(venID=self.core.ven_id or self.settings.name):
                await one_turn(self._round, self._wake, who=f"VEN {self.settings.name}", log=_log, again_s=_LOOK_S)

    async def _round(self) -> float:
        """One look at what is due; returns how long nothing will be, s."""
        async with self._lock:
            now = self._clock.now()
            self._samples.keep(self.core.sample_depths())
            self._samples.take(self.core.sample_periods(), now)
            self._samples.history.look(now)
            self.core.handle_timer(now)
            self.book.look(now)
            self._calendars.look(self.core, now)
            self._unsaved += self._samples.changes()
            await self._settle()
            requests = self.core.next_requests(now)
        for request in requests:
            await self._exchange(request)
        now = self._clock.now()
        due = min(self.core.next_timer(now), self._samples.next_due(), self.book.next_due())
        return min(max(0.0, due - now), _LOOK_S)

    async def _exchange(self, request: Request) -> None:
        try:
            async with self._lock:
                await self._settle()  # What is sent rests on it.
            reply = await self.upstream.ask(request)
        except NotAnswered as problem:
            async with self._lock:
                self.core.failed(request.id, self._clock.now(), status=problem.status, pause=problem.pause_s)
        except StoreUnavailable:
            async with self._lock:
                self.core.failed(request.id, self._clock.now())
        except Exception:  # Whatever it is: what is not under way any more is sent again later.
            async with self._lock:
                self.core.failed(request.id, self._clock.now())
            raise
        else:
            async with self._lock:
                self.core.receive(request.id, reply, self._clock.now())
        async with self._lock:
            await self._settle()

    async def _settle(self) -> None:
        """Make durable what the core did, together with the controls that come of it.

        Raises:
            StoreUnavailable: it is kept, and nothing may be sent.
        """
        now = self._clock.now()
        while True:
            while (notice := self.core.next_event()) is not None:
                self._say(notice)
                self.book.note(notice, now)
            changes = [*self.core.take_changes(), *self._nonces.take_changes()]
            self._unsaved += ledger_changes(self._space, changes)
            await self.book.carry_out(self._unsaved, now)
            # A control that was refused after all has made the core say something.
            if not (changes := list(self.core.take_changes())):
                return
            self._unsaved += ledger_changes(self._space, changes)

    def _say(self, notice: Notice) -> None:
        name = self.settings.name
        match notice:
            case Registered():
                self.up = True
                _log.info("VEN %s is registered at %s as %s", name, notice.vtnID, notice.venID)
            case Unregistered():
                _log.warning("VEN %s is not registered any more, by %s: %s", name, notice.by, notice.reason)
            case Rejected():
                said = " ".join(str(part) for part in (notice.code, notice.description) if part)
                self.refused = f"{notice.kind}: {said}"
                _log.warning("VEN %s: %s got %d: %s", name, notice.kind, notice.code, notice.description)
            case EventUnread():
                _log.warning("VEN %s: event %r cannot be read: %s", name, notice.eventID, notice.reason)
            case ReportLost():
                _log.warning("VEN %s: a report of %s was dropped, too many wait", name, notice.reportRequestID)
            case LinkChanged():
                self.up = notice.up
                _log.info("VEN %s: the VTN %s", name, "answers" if notice.up else "does not answer")
            case _:
                _log.info("VEN %s: %s", name, type(notice).__name__)

    # -- push ------------------------------------------------------------------------------------------------------

    async def _pushed(self, message: HttpMessage, certificate: bytes, overloaded: bool) -> HttpMessage:
        now = self._clock.now()
        signing, expected = self.settings.signing, self.settings.vtn_fingerprint
        shown = openadr_fingerprint(certificate) if certificate else ""
        if not hmac.compare_digest(expected, shown):
            _log.warning("VEN %s: a push with the certificate %s is not from the VTN", self.settings.name, shown)
            raise RemoteProtocolError("this certificate is not that of the VTN", answer=403)
        if certificate and end_of(certificate) <= now:
            raise RemoteProtocolError("the certificate of the VTN has ended", answer=403)
        inbound = self._http.receive(
            message,
            now,
            trust=signing.trust if signing else None,
            signed=signing is not None,
            overloaded=overloaded,
        )
        try:
            reply = await self._pushed_payload(inbound.payload)
        except StoreUnavailable as problem:
            raise RemoteProtocolError("the store cannot write", answer=503) from problem
        return self._http.reply(inbound, reply, now)

    async def _pushed_payload(self, payload: Payload) -> Payload | None:
        """Raises StoreUnavailable: nothing may be answered."""
        async with self._lock:
            reply = self.core.receive_push(payload, self._clock.now())
            await self._settle()
        self.wake()
        return reply

    def _back(self) -> None:
        """The XMPP login is there (again)."""
        self.core.reachable_again()
        self.wake()


def _core_config(settings: VenSettings) -> VenConfig:
    programs = settings.programs.values()
    return replace(
        settings.core,
        offers=offers_of(settings),
        resources=frozenset(name for program in programs for name in program.resources),
        groups=frozenset(name for program in programs for name in program.groups),
        market_contexts=() if "" in settings.programs else tuple(settings.programs),
        xml_signature=settings.signing is not None,
    )


def _security(settings: VenSettings, nonces: NonceMemory) -> Security | None:
    if settings.signing is None:
        return None
    return Security(signer=settings.signing.signer, verifier=Verifier(nonces), nonce=lambda: secrets.token_hex(16))
