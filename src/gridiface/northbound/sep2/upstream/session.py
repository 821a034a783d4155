"""One session with a utility's server: the loop around the client core, and its parts.

Order of a round: what is due is sent; what came in is taken in; what follows from it is made durable; what is durable
may leave. A store that cannot write stops nothing but the sending.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from contextlib import suppress

from gridiface.domain.clock import Clock, ClockWatch
from gridiface.domain.controls import Outcome
from gridiface.domain.ports import ControlInbox, FleetView, History, Ledger
from gridiface.errors import StoreUnavailable
from gridiface.logfields import about
from gridiface.northbound.peer_certificates import PeerCertificates
from gridiface.northbound.rounds import one_turn
from gridiface.northbound.sep2.upstream.alarms import AlarmLog
from gridiface.northbound.sep2.upstream.book import EventBook
from gridiface.northbound.sep2.upstream.condition import Condition
from gridiface.northbound.sep2.upstream.defaults import Defaults
from gridiface.northbound.sep2.upstream.der_reports import DerReports
from gridiface.northbound.sep2.upstream.link import Link, LinkFailed, Way
from gridiface.northbound.sep2.upstream.listening import PREFIX, NotificationListener
from gridiface.northbound.sep2.upstream.mailbox import Mailbox
from gridiface.northbound.sep2.upstream.mirror_reports import MirrorReports
from gridiface.northbound.sep2.upstream.origins import Origins
from gridiface.northbound.sep2.upstream.settings import Met, UpstreamSettings, client_config
from gridiface.northbound.sep2.upstream.subscribing import Subscriptions
from gridiface.protocols.sep2.client import Client, Outgoing
from gridiface.protocols.sep2.client_events import (
    BadReply,
    ClientEvent,
    EventHappened,
    EventWithdrawn,
    RegistrationChecked,
    ResourceChanged,
    ResourceGone,
    ServerMoved,
    TimeSet,
    TimeUnsafe,
    WriteDone,
)
from gridiface.protocols.sep2.outbox import Written
from gridiface.protocols.sep2.resources import DERCurveList, Notification

_log = logging.getLogger("gridiface.sep2.upstream")

#: A jump of the wall clock is seen after so long at the latest, and counts from so much on, s.
_LOOK_S = 1.0
_JUMP_S = 0.75
#: News that comes sooner than this many times what the last look took waits a little.
_LOOK_SHARE = 10.0
#: After trouble with the store, s.
_STORE_S = 1.0
#: A server that is away is tried so often at least, s, however long it has been; by one request.
_TRY_S = 30.0
#: Answers from this one on tell of the server's own trouble.
_BROKEN = 500
#: What calls for a look at every member.
_NEWS = (EventHappened, EventWithdrawn, RegistrationChecked, ResourceChanged, ResourceGone, TimeSet)


class UpstreamSession:
    """One session. Call `start` first, `stop` last; hand every outcome to `on_outcome` (again after a restart).

    Args:
        settings: whom it talks to, and for whom.
        clock, ledger, inbox, fleet, history: the ports of the rest of the house.
        seed: of the random shifts of events and the jitter of retries; None: by chance.
        link: the way to the server; None: over TLS, as the settings say.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        fleet: FleetView,
        history: History,
        seed: int | None = None,
        link: Way | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._ledger = ledger
        self._chance = random.Random(seed) if seed is not None else random.SystemRandom()  # noqa: S311 - spreads load
        self.condition = Condition()
        #: The certificate that the server shows.
        self.peers = PeerCertificates(_log)
        self.client = self._new_client()
        self.origins = Origins(settings, fleet, lambda: self.client, lambda: self.condition.server)
        self.mailbox = Mailbox(settings.space, capacity=settings.readings_kept)
        self.mirrors = MirrorReports(settings, ledger=ledger, fleet=fleet, history=history, mailbox=self.mailbox)
        self.mailbox.place, self.mailbox.lost = self.mirrors.place, self.mirrors.lost
        self.book = EventBook(
            settings,
            clock=clock,
            ledger=ledger,
            inbox=inbox,
            fleet=fleet,
            mailbox=self.mailbox,
            origins=self.origins,
        )
        self.defaults = Defaults(settings, ledger=ledger, inbox=inbox, origins=self.origins)
        self.alarms = AlarmLog(settings, ledger=ledger, fleet=fleet, mailbox=self.mailbox)
        self.reports = DerReports(settings, fleet)
        self.listener = self._listener_of(settings)
        self.subscriptions = Subscriptions(settings, "")
        self.on_step: Callable[[EventHappened], None] = lambda _step: None
        self._link = link or Link(
            lambda: settings.context(self._seen),
            timeout_s=settings.timeout_s,
            answer_bytes=settings.answer_bytes,
            connections=settings.parallel,
            stands_for=(settings.authority, settings.dcap),
            locate=settings.locate,
            over=lambda: self._clock.now() >= self.condition.ends,
        )
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._watch = ClockWatch(_JUMP_S)
        self._looked_at = float("-inf")
        self._look_took = 0.0
        self._news = True

    def _listener_of(self, settings: UpstreamSettings) -> NotificationListener | None:
        listen = settings.notifications
        if listen is None:
            return None
        prefix = "/" + listen.uri.partition("://")[2].partition("/")[2] if listen.uri else PREFIX
        return NotificationListener(listen, prefix, self)

    def _new_client(self) -> Client:
        client = Client(client_config(self.settings), self._chance)
        client.tree.shortest_poll = self.settings.shortest_poll_s
        return client

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what was, listen, then connect and go on.

        Raises:
            StoreUnavailable: the state cannot be read.
            ConfigError: the notification listener's address cannot be taken.
        """
        listen = self.settings.notifications
        if self.listener is not None and listen is not None:
            await self.listener.start()
            uri = listen.uri or f"https://{listen.host}:{self.listener.port}{PREFIX}"
            self.subscriptions = Subscriptions(self.settings, uri.rstrip("/"))
        for part, space in (
            (self.mailbox, self.mailbox.space),
            (self.book, self.book.bindings.space),
            (self.defaults, self.defaults.space),
            (self.alarms, self.alarms.space),
            (self.mirrors, self.mirrors.space),
            (self.subscriptions, self.subscriptions.space),
        ):
            part.load(await self._ledger.documents(space))
        self.book.attach(self.client)
        await self.defaults.abandon(self._clock.now())
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"2030.5 upstream {self.settings.name}")

    async def stop(self) -> None:
        """End; what was under way is done again after the next start."""
        if self.listener is not None:
            await self.listener.stop()
        for task in (self._task, *self._sending):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._link.close()

    def on_outcome(self, outcome: Outcome) -> None:
        """See domain.ports.OutcomeListener.on_outcome; the same outcome again changes nothing."""
        if self.book.on_outcome(outcome):
            self.wake()

    def wake(self) -> None:
        """Look now rather than at the next edge."""
        self._wake.set()

    def poll(self, now: float) -> None:
        """Read everything anew, and try again what the server refused."""
        self.client.tree.poll_all(now)
        self.client.enrolment.again()
        self.subscriptions.again()
        self.wake()

    # --- the loop -------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        with about(upstream=self.settings.name):
            who = f"upstream {self.settings.name}"
            while True:
                await one_turn(self._round, self._wake, who=who, log=_log, again_s=_STORE_S)

    async def _round(self) -> float:
        """One look at what is due; returns how long nothing will be, s."""
        now = self._clock.now()
        self._look_at_clocks(now)
        self._restart_after_refusal(now)
        self._send(self.client.next_requests(now))
        self._take_events(now)
        await self.book.carry_out(now)
        if self._is_time_to_look():
            await self._look(now)
        await self._settle()
        if self.client.enrolment.trusted:
            self.mailbox.feed(self.client, now)
        self._send(self.client.next_requests(now))
        due = self.client.next_timer()
        return _LOOK_S if due is None else min(max(0.0, due - self._clock.now()), _LOOK_S)

    def _is_time_to_look(self) -> bool:
        """Whether to look at every member: often enough, and when there is news and nothing more of it under way."""
        since = self._clock.monotonic() - self._looked_at
        if not 0 <= since < _LOOK_S:
            return True
        return self._news and self.client.at_rest and since >= _LOOK_SHARE * self._look_took

    async def _look(self, now: float) -> None:
        """See to all that depends on time, the fleet and everything that was read; costs a look at every member."""
        self._looked_at, self._news = self._clock.monotonic(), False
        if self.condition.up is False and now - self.condition.failed_at >= _TRY_S:
            self.client.tree.try_root(now)
        await self.book.keep_up(now)
        if self.client.clock_offset is not None and self.client.enrolment.trusted:
            await self.defaults.carry_out(self.client, now)
        self.mirrors.tick(self.client, now)
        await self.mirrors.carry_out(self.client, now)
        self._news |= self.mirrors.hungry
        await self.alarms.carry_out(self.client, now)
        self.reports.tick(self.client, now)
        self.subscriptions.tick(self.client, now)
        self._look_took = self._clock.monotonic() - self._looked_at

    async def _settle(self) -> None:
        """Store what was delivered and subscribed."""
        struck, made = self.mailbox.take_changes(), self.subscriptions.take_changes()
        if not struck and not made:
            return
        try:
            await self._ledger.commit([*struck, *made])
        except StoreUnavailable:
            self.mailbox.give_back(struck)
            self.subscriptions.give_back(made)
            raise

    def _look_at_clocks(self, now: float) -> None:
        """A wall clock that was set moves nothing at the server."""
        jump = self._watch.look(now, self._clock.monotonic())
        if jump:
            _log.warning("upstream %s: our clock was set by %+.1f s", self.settings.name, jump)
            self.client.clock_jumped(jump)
            self.condition.clock_jumped(jump)

    def _restart_after_refusal(self, now: float) -> None:
        if not self.client.refused:
            return
        if self.condition.refused_at is None:
            self.condition.refused_at = now
        elif now - self.condition.refused_at >= self.settings.retry_refused_s:
            self.condition.refused_at = None
            self.client = self._new_client()
            self.book.attach(self.client)
            for part in (self.reports, self.mirrors, self.subscriptions):
                part.restart()
            self.mailbox.take_back()

    # --- requests -------------------------------------------------------------------------------------------------

    def _send(self, outgoing: Iterable[Outgoing]) -> None:
        for one in outgoing:
            task = asyncio.get_running_loop().create_task(self._exchange(self.client, one))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("upstream %s: a request failed", self.settings.name, exc_info=problem)

    async def _exchange(self, client: Client, outgoing: Outgoing) -> None:
        try:
            reply = await self._link.exchange(client.authority, outgoing.request)
        except LinkFailed as problem:
            self.condition.failed(str(problem), self._clock.now(), self.settings.name)
            client.on_failure(outgoing.number, self._clock.now())
        else:
            now = self._clock.now()
            if self.condition.answered(reply.status, now, self.settings.name):
                client.tree.answers_again(now)
                client.outbox.answers_again(now)
            if reply.status >= _BROKEN:
                what = f"answered with {reply.status}"
                self.condition.useless(outgoing.request.target, what, client.tree.reads, now)
            client.on_reply(outgoing.number, reply, now)
            self.condition.read(client.tree.reads)
        self.wake()

    def _take_events(self, now: float) -> None:
        while (event := self.client.next_event()) is not None:
            self._take(event, now)

    def _take(self, event: ClientEvent, now: float) -> None:
        name = self.settings.name
        self._news |= isinstance(event, _NEWS)
        match event:
            case EventHappened():
                self.book.note(event)
                self.on_step(event)
            case EventWithdrawn():
                self.book.note(event)
            case WriteDone(outcome=outcome):
                if self.mailbox.answered(outcome) is None:
                    self._written(outcome, now)
            case ResourceChanged(href=href, value=value):
                self.subscriptions.read(href, value)
                if isinstance(value, DERCurveList):
                    self.book.curves_read()
            case ResourceGone(href=href):
                self.subscriptions.lost(href)
            case BadReply(href=href, reason=reason, read=read):
                self.condition.bad(href, f"read without what is wrong: {reason}" if read else reason, now, name)
                if not read:
                    self.condition.useless(href, f"{href}: {reason}", self.client.tree.reads, now)
            case _:
                _tell(name, event)

    def _written(self, outcome: Written, now: float) -> None:
        """A write that is no letter has its answer."""
        if self.reports.answered(outcome, now):
            self._news |= self.reports.hungry
        elif self.mirrors.answered(self.client, outcome, now) or self.subscriptions.answered(self.client, outcome, now):
            self._news = True
        else:
            self.condition.write(outcome, self.settings.name)

    # --- notifications --------------------------------------------------------------------------------------------

    def _seen(self, met: Met) -> None:
        """The server showed this certificate, and it was accepted."""
        now = self._clock.now()
        self.condition.met(met, now)
        self.peers.seen(f"2030.5 server {self.settings.name}", met.certificate, now)

    def is_server(self, lfdi: str) -> bool:
        """Whether a certificate is the server's: one of those named, or the one that it showed last."""
        known = self.settings.servers or ({self.condition.server} if self.condition.server else frozenset())
        return lfdi.upper() in known

    def has_met_server(self) -> bool:
        """Whether the server has shown a certificate that was accepted, since the start."""
        return bool(self.condition.server)

    def is_subscribed(self, token: str) -> bool:
        """Whether the secret of a notification's address names a subscription."""
        return self.subscriptions.named(token) is not None

    def notified(self, token: str, notification: Notification) -> bool:
        """Take a notification; False when it is about nothing that was subscribed there."""
        taken = self.subscriptions.notify(self.client, token, notification, self._clock.now())
        if taken:
            self.wake()
        return taken


def _tell(name: str, event: ClientEvent) -> None:
    """What people are to know of the server."""
    match event:
        case TimeUnsafe(reason=reason):
            _log.warning("upstream %s: the server's time is not safe: %s", name, reason)
        case RegistrationChecked(fits=False):
            _log.error("upstream %s: the PIN of our registration is another one: the server is not used", name)
        case ServerMoved(authority=authority):
            _log.warning("upstream %s: the server has moved to %s", name, authority)
        case _:
            pass
