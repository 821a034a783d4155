"""Our VTN on the wire: its listener, its pushes, its clock, and the VENs behind it as members of the fleet.

Owns sockets, tasks and the order of durability; what is answered is the core's (protocols.openadr.vtn).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from gridiface.domain.changes import Change as LedgerChange
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.ports import DeviceRegistry, Ledger
from gridiface.domain.traffic import Tap
from gridiface.errors import GridifaceError, RemoteProtocolError, StoreUnavailable
from gridiface.logfields import about
from gridiface.northbound.openadr.committer import Committer, News, then
from gridiface.northbound.openadr.documents import stored, vtn_space
from gridiface.northbound.openadr.settings import VenEntry, VtnSettings
from gridiface.northbound.openadr.vtn.fleet_channel import FleetChannel
from gridiface.northbound.openadr.vtn.fleet_members import FleetMembers
from gridiface.northbound.openadr.vtn.noting import Troubles, say
from gridiface.northbound.openadr.vtn.pushing import Pusher
from gridiface.northbound.openadr.vtn.report_archive import ReportArchive
from gridiface.northbound.openadr.wire.client import Unreachable
from gridiface.northbound.openadr.wire.http_server import Answered, PayloadListener, refused
from gridiface.northbound.openadr.wire.xmpp import VtnXmpp, bare_jid, peer_name
from gridiface.northbound.peer_certificates import PeerCertificates, end_of
from gridiface.northbound.rounds import one_turn
from gridiface.pki.identity import openadr_fingerprint
from gridiface.protocols.openadr.changes import Change
from gridiface.protocols.openadr.exchange import (
    DOCUMENT_LIMITS,
    REPORT_LIMITS,
    HttpMessage,
    HttpRefused,
    HttpServer,
    Security,
)
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.replay import NonceMemory
from gridiface.protocols.openadr.signature import Verifier
from gridiface.protocols.openadr.vtn import Peer, Push, Result, Ven, Vtn
from gridiface.protocols.openadr.vtn.notices import CertificateDropped, EventAnswered, Notice, VenCancelled

_log = logging.getLogger("gridiface.openadr")

_R = TypeVar("_R")

_LOOK_S = 1.0
_NONCE = "nonce/"


class OpenAdrVtn:
    """One VTN. Call `start` first, `stop` last.

    Args:
        settings: how it behaves and whom it knows.
        clock: the wall clock.
        ledger, registry: the ports of the rest of the house.
        new_id: makes an ID never used before.
    """

    def __init__(
        self,
        settings: VtnSettings,
        *,
        clock: Clock,
        ledger: Ledger,
        registry: DeviceRegistry,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self.settings = settings
        self._configured = frozenset(entry.ven_id for entry in settings.vens)
        self._clock = clock
        self._ledger = ledger
        self._registry = registry
        self._space = vtn_space(settings.core.vtn_id)
        new_id = new_id or (lambda: uuid.uuid4().hex)
        self.core = Vtn(settings.core, new_id)
        self._nonces = NonceMemory(window=settings.signature_window_s)
        self._committer = Committer(ledger, self._space, self._revert, self._publish)
        self.members = FleetMembers(settings.vens, self.core, registry, float(settings.core.poll_frequency))
        self._wake = asyncio.Event()
        self.channel = FleetChannel(
            self.core,
            self.members,
            self._committer,
            space=self._space,
            clock=clock,
            new_id=new_id,
            wake=self._wake.set,
        )
        self.archive = ReportArchive(ledger, self._space, most=settings.reports_kept)
        #: The certificates that VENs show.
        self.peers = PeerCertificates()
        self._troubles = Troubles()
        self.started = clock.now()
        self._plain_http = HttpServer("vtn", prefix=settings.prefix, limits=REPORT_LIMITS)
        self._signed_http = HttpServer("vtn", prefix=settings.prefix, security=self._security(), limits=REPORT_LIMITS)
        self._listener = PayloadListener(settings.listen, self._answer, clock=clock, most_octets=self._most_octets)
        self._listener.name_by(self._naming)
        self._fingerprints = {bare_jid(entry.jid): entry.fingerprint for entry in settings.vens if entry.jid}
        self._xmpp = (
            VtnXmpp(settings.xmpp, self._fingerprints, self._answer_xmpp, clock, settings.push_timeout_s)
            if settings.xmpp
            else None
        )
        self._pusher = Pusher(settings, self._security(), self._fingerprints, self._xmpp, clock)
        self._pushing: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def _security(self) -> Security:
        return Security(
            signer=self.settings.signer, verifier=Verifier(self._nonces), nonce=lambda: secrets.token_hex(16)
        )

    def trouble_of(self, ven_id: str) -> str:
        """What a VEN refused or never answered last since the start, in words; "" for nothing."""
        return self._troubles.of(ven_id)

    def listen_in(self, tap: Tap) -> None:
        """Tell `tap` of every message over simple HTTP and XMPP, both ways."""
        self._listener.listen_in(tap)
        if self._xmpp is not None:
            self._xmpp.tap = tap
        self._pusher.listen_in(tap)

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what was, then listen.

        Raises:
            StoreUnavailable: the state cannot be read or written.
            ConfigError: the address cannot be taken.
            RefusedControl: two VENs of the configuration have the same certificate.
        """
        now = self.started = self._clock.now()
        documents = await stored(self._ledger, self._space)
        self.core.load(documents)
        self._nonces.load(documents)
        self.channel.load(documents)
        for entry in self.settings.vens:
            await self._done(self.core.put_ven(_ven(entry, self.core.vens.get(entry.ven_id))), now)
        await self.channel.resume(now)
        await self.members.resume(now)
        await self._listener.start()
        if self._xmpp is not None:
            await self._xmpp.start()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="openadr vtn")
        _log.info("OpenADR VTN %s on port %d: %d VENs", self.settings.core.vtn_id, self.port, len(self.core.vens))

    async def stop(self) -> None:
        """End: no new requests, running ones finish, what was done is durable."""
        await self._listener.stop()
        if self._xmpp is not None:
            await self._xmpp.close()
        tasks = [task for task in (self._task, *self._pushing.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None
        await self._committer.drain()
        await self._pusher.close()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    @property
    def configured(self) -> frozenset[str]:
        """The venIDs of the configuration, which comes first at each start."""
        return self._configured

    @property
    def uses_tls(self) -> bool:
        """Whether VENs are known by their certificates."""
        return self.settings.listen.tls is not None

    async def do(self, verb: Callable[[Vtn, Instant], Result], *, along: Sequence[LedgerChange] = ()) -> Any:
        """Carry out a verb of the operator and return its value when it is durable, together with `along`.

        Raises:
            RefusedControl: a rule forbids it.
            StoreUnavailable: nothing was changed.
        """
        now = self._clock.now()
        result = verb(self.core, now)
        await self._done(result, now, along)
        self._wake.set()
        return result.value

    # -- requests --------------------------------------------------------------------------------------------------

    def _naming(self, certificate: bytes) -> Mapping[str, str]:
        """Who has a certificate, for the log."""
        known = self.core.by_fingerprint(openadr_fingerprint(certificate)) if certificate else None
        return {} if known is None else {"venID": known.venID}

    def _most_octets(self, certificate: bytes) -> int:
        """Of a request's body: who is not known has no long reports to tell."""
        known = not certificate or self.core.by_fingerprint(openadr_fingerprint(certificate)) is not None
        return (REPORT_LIMITS if known else DOCUMENT_LIMITS).octets

    def _answer(self, message: HttpMessage, certificate: bytes, overloaded: bool) -> Answered:
        now = self._clock.now()
        name = openadr_fingerprint(certificate) if certificate else ""
        known = self.core.by_fingerprint(name)
        if known is not None:
            self.peers.seen(_peer(known.venID), certificate, now)
        if certificate and end_of(certificate) <= now:
            # Its connection may be older than that (rule 516).
            raise RemoteProtocolError("the certificate has ended", answer=403)
        signed = known is not None and known.must_sign
        http = self._signed_http if signed else self._plain_http
        inbound = http.receive(
            message, now, trust=lambda der: openadr_fingerprint(der) == name, signed=signed, overloaded=overloaded
        )
        peer = Peer(fingerprint=name, profile=inbound.profile)
        result = self.core.handle(inbound.payload, peer, now, service=inbound.service)
        done = self._hand_in(result, now)
        if done is None and not result.notices:
            return http.reply(inbound, result.reply, now)  # Nothing follows from it: most polls.
        if done is not None and self._is_quiet(result.notices):

            def reply(problem: StoreUnavailable | None) -> HttpMessage:
                if problem is not None:
                    return refused(RemoteProtocolError("the store cannot write", answer=503))
                for notice in result.notices:
                    say(notice)
                self._wake.set()
                return http.reply(inbound, result.reply, now)

            return then(done, reply)  # Without a task, which costs more than all else here.
        return self._answer_when(done, result, now, lambda: http.reply(inbound, result.reply, now))

    def _is_quiet(self, notices: Sequence[Notice]) -> bool:
        """Whether nobody but the log is to be told: of an answer to an event that tells no device anything."""
        return all(isinstance(one, EventAnswered) and not self.channel.tells(one.eventID) for one in notices)

    async def _answer_when(
        self, done: asyncio.Future[None] | None, result: Result, now: Instant, reply: Callable[[], _R]
    ) -> _R:
        """The reply, when everything it rests on is durable."""
        try:
            await self._follow(done, result, now)
        except StoreUnavailable as problem:
            raise RemoteProtocolError("the store cannot write", answer=503) from problem
        self._wake.set()
        return reply()

    async def _answer_xmpp(self, payload: Payload, name: str, service: str) -> Payload | None:
        known = self.core.by_fingerprint(name)
        if known is not None and known.must_sign:
            raise RemoteProtocolError("this VEN must sign, and nothing is signed over XMPP", answer=403)
        return await self._handled(payload, Peer(fingerprint=name, version_lost=True), service, self._clock.now())

    async def _handled(self, payload: Payload, peer: Peer, service: str, now: Instant) -> Payload | None:
        result = self.core.handle(payload, peer, now, service=service)
        return await self._answer_when(self._hand_in(result, now), result, now, lambda: result.reply)

    async def _done(self, result: Result, now: Instant, along: Sequence[LedgerChange] = ()) -> None:
        """Durable first, then everything that follows from it."""
        await self._follow(self._hand_in(result, now, along), result, now)

    def _hand_in(self, result: Result, now: Instant, along: Sequence[LedgerChange] = ()) -> asyncio.Future[None] | None:
        """What is done when the result is durable; None: it is, and only what follows from it is still to be done.

        Called before anything else can change the core, so that the store gets changes in their order.
        """
        changes = (*result.changes, *self._nonces.take_changes())
        if self._is_quiet(result.notices):
            return self._committer.hand_in(changes, along)
        more = [*along, *self.archive.changes_of(result.notices)]
        seen, unsee = self.members.seen(result.notices, now)
        said, forgotten, unsay = self.channel.said(result.notices, now)

        def undo() -> None:
            unsay()
            unsee()

        return self._committer.hand_in(changes, [*more, *forgotten], undo, news=News.of((said, News(seen))))

    async def _follow(self, done: asyncio.Future[None] | None, result: Result, now: Instant) -> None:
        """Wait until it is durable, then tell everybody; only then may an answer leave.

        Raises:
            StoreUnavailable: it was taken back.
        """
        if done is not None:
            await done
        for notice in result.notices:
            say(notice)
            self._troubles.note(notice, now)
            if isinstance(notice, VenCancelled | CertificateDropped):
                self.peers.forget(_peer(notice.venID))
            await self.members.note(notice, now)
            await self.channel.note(notice, now)

    async def _publish(self, news: News, changes: Sequence[LedgerChange]) -> None:
        now, words = self._clock.now(), bool(news.deliveries or news.outcomes)
        if news.seen:
            # Where one payload brought both, the changes go with the words: telemetry told twice does no harm.
            await self._registry.observe(news.seen, now, along=() if words else changes)
        if words:
            await self._registry.report(news.deliveries, news.outcomes, now, along=changes)

    def _revert(self, changes: Iterable[Change]) -> None:
        changes = tuple(changes)
        self._nonces.revert([change for change in changes if change.key.startswith(_NONCE)])
        self.core.revert([change for change in changes if not change.key.startswith(_NONCE)])

    # -- time and push ---------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await one_turn(self._round, self._wake, who="the VTN", log=_log, again_s=_LOOK_S)

    async def _round(self) -> float:
        now = self._clock.now()
        await self._done(self.core.handle_timer(now), now)
        await self.channel.handle_timer(now)
        await self.archive.prune()
        pushes, result = self.core.next_pushes(now, busy=self._pushing.keys())
        await self._done(result, now)
        for push in pushes:
            ven = self.core.vens.get(push.venID)
            if ven is not None:  # else it was dropped while its push became durable
                self._pushing[push.venID] = asyncio.get_running_loop().create_task(self._push(push, ven))
        due = min(self.core.next_timer(now), self.channel.next_timer())
        # A push that is due again while one is under way is looked at when that is over.
        return _LOOK_S if due <= now else min(due - now, _LOOK_S)

    async def _push(self, push: Push, ven: Ven) -> None:
        with about(venID=push.venID):
            await self._push_to(push, ven)

    async def _push_to(self, push: Push, ven: Ven) -> None:
        try:
            payload = await self._pusher.post(push, ven)
            now = self._clock.now()
            await self._done(self.core.push_done(push.venID, now), now)
            if payload is not None:
                peer = Peer(fingerprint=ven.fingerprint, version_lost=ven.transport == "xmpp")
                await self._done(self.core.handle(payload, peer, now), now)
        except StoreUnavailable as problem:
            _log.warning("VEN %s: its answer could not be stored: %s", push.venID, problem)
        except GridifaceError as problem:  # also our own: TLS files that cannot be read while they are changed
            level = logging.INFO if isinstance(problem, Unreachable | HttpRefused) else logging.ERROR
            _log.log(level, "VEN %s: a push failed: %s", push.venID, problem)
            with suppress(StoreUnavailable):
                now = self._clock.now()
                status = problem.answer if isinstance(problem, HttpRefused) else 0
                await self._done(self.core.push_failed(push.venID, now, status=status), now)
        finally:
            del self._pushing[push.venID]
            self._wake.set()


def _peer(ven_id: str) -> str:
    """What a VEN is called where its certificate is spoken of."""
    return f"VEN {ven_id}"


def _ven(entry: VenEntry, known: Ven | None) -> Ven:
    """A configured VEN with what is known of it from before."""
    # A copy: what the core holds is indexed by what it says now.
    before = known if known is not None else Ven(venID=entry.ven_id)
    return replace(
        before,
        fingerprint=entry.fingerprint or (peer_name(entry.jid, {}) if entry.jid else ""),
        name=entry.name or before.name,
        profile=before.profile if entry.profile == "2.0b" else entry.profile,
        must_sign=entry.signed,
        groups=sorted({*entry.groups}) or before.groups,
        parties=sorted({*entry.parties}) or before.parties,
        market_contexts=sorted({*entry.market_contexts}) or before.market_contexts,
        resources=sorted({*entry.resources, *(member.resource for member in entry.members if member.resource)})
        or before.resources,
    )
