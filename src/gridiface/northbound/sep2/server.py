"""The IEEE 2030.5 server on the wire: HTTP behind the TLS listener, timers, background writes.

The only file of this adapter with sockets. The listener gives the certificate's identity; how a request is answered is
answering.py's, and what it means the core's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from gridiface.domain.changes import Change
from gridiface.domain.channels import DeviceChannel
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Outcome
from gridiface.domain.fleet import Role
from gridiface.domain.ports import ControlInbox, DeviceRegistry, FleetView, Ledger
from gridiface.errors import ConfigError, cannot_listen
from gridiface.northbound.sep2.announcing import Announcing
from gridiface.northbound.sep2.answering import Answering
from gridiface.northbound.sep2.core import Sep2Core
from gridiface.northbound.sep2.desk.desk import Sep2Desk
from gridiface.northbound.sep2.dialects import SPACE as DIALECT_SPACE
from gridiface.northbound.sep2.dialects import Dialects
from gridiface.northbound.sep2.members.placing import settle_information
from gridiface.northbound.sep2.served.locks import NamedLocks
from gridiface.northbound.sep2.served.services import Counts
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.northbound.sep2.subscriptions.subscriber import Outgoing
from gridiface.northbound.sep2.wire.http_server import MOST_PLAIN, Sep2Http
from gridiface.northbound.sep2.wire.notifier import Notifier
from gridiface.northbound.sep2.writer import BackgroundWriter
from gridiface.northbound.tls_listener import SeenPeer
from gridiface.protocols.sep2.enums import NotificationStatus
from gridiface.streams.tcp_listener import TcpListener

_log = logging.getLogger("gridiface.sep2")

#: Changes that belong together happen within this time and are told together, s.
_GATHER_S = 0.05
#: Programs whose events one turn of the loop flips at most: a few milliseconds.
_FLIPS = 100


class Listener(Protocol):
    """What the server needs of a TLS listener (northbound.tls_listener.TlsListener)."""

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        ...

    def stop_accepting(self) -> None:
        """Take no new connections."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        ...

    def seen(self, lfdi: str) -> SeenPeer | None:
        """The newest accepted connection of an identity."""
        ...


class Sep2Server:
    """Serves IEEE 2030.5.

    Args:
        settings: what to serve, and to whom.
        clock: the wall clock.
        ledger, inbox, registry, fleet: the ports of the rest of the house.
        listener: makes the TLS listener for the HTTP server.

    Call `start` first, `stop` last; between, call `handle_timer` when `next_timer` says so, and `on_outcome` for each
    outcome of the controls that came from here (again after a restart for those of live controls: none is said twice).
    """

    def __init__(
        self,
        settings: Sep2Settings,
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        registry: DeviceRegistry,
        fleet: FleetView,
        listener: Callable[[Sep2Http], Listener],
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._writer = BackgroundWriter(ledger)
        locks = NamedLocks()
        self.core = Sep2Core(
            settings,
            clock=clock,
            ledger=ledger,
            inbox=inbox,
            registry=registry,
            fleet=fleet,
            locks=locks,
            later=self._later,
        )
        self.dialects = Dialects(
            {client.lfdi: client.edition for client in settings.clients if client.edition is not None}, self._later
        )
        #: To be told why the store is out of reach, and "" when it is back.
        self.on_store_reach = locks.on_reach
        self._ledger = ledger
        self._make_listener = listener
        self._notifier: Notifier | None = None
        self._pumping: asyncio.Handle | None = None
        self._flipping: asyncio.Handle | None = None
        self._listener: Listener | None = None
        self._http: Sep2Http | None = None
        self._redirect: TcpListener | None = None
        self._redirect_http: Sep2Http | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.answering = Answering(settings, clock, self.core.requests, self.dialects, lambda: self.port)
        discovery = settings.discovery
        self.announcing = None if discovery is None else Announcing(discovery, self.core.state)

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the state, then listen.

        Raises:
            StoreUnavailable: the state cannot be read.
            ConfigError: the address cannot be taken.
        """
        self._writer.start()
        self.dialects.load(await self._ledger.documents(DIALECT_SPACE))
        await self.core.load(self._clock.now())
        if self.settings.notifications is not None:
            self._notifier = self.settings.notifications.make()
        self.core.subscriptions.on_ready = self._pump_soon
        self._pump_soon()
        self._http = Sep2Http(self.answering.read, self.answering.write, most_octets=self.settings.limits.body_bytes)
        self._listener = self._make_listener(self._http)
        await self._listener.start(self.settings.host, self.settings.port)
        if self.settings.redirect_port is not None:
            await self._start_redirect(self.settings.redirect_port)
        if self.announcing is not None:
            await self.announcing.start(self._listener.addresses, self.redirect_port)
        _log.info("IEEE 2030.5 on %s port %d: %d end devices", self.settings.host, self.port,
                  len(self.core.state.end_devices))  # fmt: skip

    async def _start_redirect(self, port: int) -> None:
        self._redirect_http = Sep2Http(
            self.answering.redirected, self.answering.not_redirected, most_octets=0, plain=True
        )
        http = self._redirect_http
        self._redirect = TcpListener(http, most=MOST_PLAIN, opened=lambda: len(http.connections))
        try:
            await self._redirect.start(self.settings.host, port)
        except OSError as problem:
            raise cannot_listen(f"{self.settings.host} port {port} (sep2.redirect)", problem) from problem

    async def stop(self) -> None:
        """End gracefully: no new connections, running requests finish, what is to be written is written."""
        if self.announcing is not None:
            await self.announcing.stop()
        if self._redirect is not None:
            self._redirect.close()
        if self._listener is not None:
            self._listener.stop_accepting()
        for http in (self._http, self._redirect_http):
            if http is not None:
                await http.shutdown(3.0)
        if self._listener is not None:
            await self._listener.close()
        self.core.subscriptions.on_ready = lambda: None
        for handle in filter(None, (self._pumping, self._flipping)):
            handle.cancel()
        if self._notifier is not None:
            await self._notifier.close()
        for task in list(self._tasks):
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task], timeout=3.0)
        await self._writer.stop()

    @property
    def port(self) -> int:
        """The port that the HTTPS listener has."""
        return self._listener.addresses[0][1] if self._listener is not None and self._listener.addresses else 0

    @property
    def redirect_port(self) -> int:
        """The port of the plain listener; 0 without one."""
        return 0 if self._redirect is None else self._redirect.port

    @property
    def channel(self) -> DeviceChannel:
        """The way to members that are 2030.5 inverters."""
        return self.core.channel

    @property
    def desk(self) -> Sep2Desk:
        """The operator's verbs."""
        return Sep2Desk(self.core, self._clock)

    @property
    def clock(self) -> Clock:
        """The wall clock."""
        return self._clock

    @property
    def counts(self) -> Counts:
        """What happened since the start, for metrics."""
        return self.core.counts

    def on_outcome(self, outcome: Outcome) -> None:
        """See domain.ports.OutcomeListener.on_outcome; the same outcome again changes nothing."""
        self.core.on_outcome(outcome)

    async def drain(self) -> None:
        """Wait until everything handed to the background is durable and shown."""
        await self._writer.drain()

    # --- time -----------------------------------------------------------------------------------------------------

    def next_timer(self, now: Instant) -> Instant | None:
        """When `handle_timer` wants to be called; None: nothing is ahead."""
        flips = self.core.next_timer(now) if self._flipping is None else now + _GATHER_S  # they go on by themselves
        due = [flips, self.core.channel.next_timer(now)]
        due.append(self.core.subscriptions.next_timer(now))
        return min((time for time in due if time is not None), default=None)

    def handle_timer(self, now: Instant) -> None:
        """Flip statuses that are due, publish set-points that were held back. May be called early."""
        if self._flipping is None:
            self._flip(now)
        ready = self.core.channel.due(now)
        if ready:
            self._spawn(self._publish(ready, now))
        self._pump()

    def _flip(self, now: Instant) -> None:
        """Flip some of what is due; who asks meanwhile is answered between the turns."""
        self._flipping = None
        if self.core.handle_timer(now, _FLIPS):
            self._flipping = asyncio.get_running_loop().call_soon(lambda: self._flip(self._clock.now()))

    async def _publish(self, ready: Sequence[Any], now: Instant) -> None:
        deliveries = await self.core.channel.apply(ready, deadline=now + 5.0)
        await self.core.services.registry.report(deliveries, [], now)

    def _pump_soon(self) -> None:
        """Something may be to be told: look when this turn of the loop is over."""
        if self._notifier is not None and self._pumping is None:
            self._pumping = asyncio.get_running_loop().call_later(_GATHER_S, self._pump)

    def _pump(self) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
            self._pumping = None
        if self._notifier is None:
            return
        if followed := self.core.subscriptions.take_followed():
            self._spawn(self.core.membership.followed(sorted(followed), self._clock.now()))
        for outgoing in self.core.subscriptions.due(self._clock.now()):
            self._spawn(self._notify(self._notifier, outgoing))

    async def _notify(self, notifier: Notifier, outgoing: Outgoing) -> None:
        subscriber = self.core.subscriptions.get(outgoing.path)
        by = "" if subscriber is None else subscriber.by
        reply = await notifier.post(outgoing.uri, self.dialects.document(by, outgoing.body), by)
        status, later = (None, None) if reply is None else (reply.status, reply.retry_after())
        self.core.subscriptions.answered(outgoing, status, self._clock.now(), later)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("a background task failed", exc_info=problem)

    def _later(self, changes: Sequence[Change], then: Callable[[], None] | None) -> None:
        self._writer.put(changes, then)

    # --- operator's verbs -------------------------------------------------------------------------------------------

    async def refresh_fleet(self, opened: Iterable[str] = ()) -> None:
        """Give new devices and groups of the fleet their EndDevices, take away those that are gone.

        Args:
            opened: devices that have told their nameplate meanwhile.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        await self.core.reconcile(self._clock.now())
        for record in filter(None, map(self.core.state.by_device.get, opened)):
            settle_information(self.core.state, record, self.core.services.fleet)

    async def add_end_device(
        self, lfdi: str, *, device_id: str | None = None, pin: int | None = None, role: Role = Role.DEVICE
    ) -> str:
        """Register a client out of band; returns the path of its EndDevice.

        Args:
            lfdi: 40 hex digits.
            device_id: the fleet's device that it is; None: a device of its own.
            pin: with its check digit; None: 111115.
            role: DEVICE or AGGREGATOR.

        Raises:
            ConfigError: the LFDI is malformed or registered already, or the role has no EndDevice.
            StoreUnavailable: nothing was changed.
        """
        return await self.core.add_end_device(lfdi, self._clock.now(), device_id=device_id, pin=pin, role=role)

    async def remove_end_device(self, lfdi: str) -> bool:
        """Take a registration with everything below it away; False when there is none.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        return await self.core.remove_end_device(lfdi, self._clock.now())

    async def set_enabled(self, lfdi: str, enabled: bool) -> None:
        """Revoke or give back what a certificate may do, from its next request on; also a utility's.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        await self.core.operating.set_enabled(lfdi.upper(), enabled, self._clock.now())

    async def set_post_rate(self, lfdi: str, seconds: int) -> None:
        """Change the postRate of an end device and of its mirrors.

        Raises:
            ConfigError: it is not registered, or not 1 s to a day.
            StoreUnavailable: nothing was changed.
        """
        record = self.core.state.by_lfdi.get(lfdi.upper())
        if record is None:
            raise ConfigError(f"{lfdi} is not registered")
        async with self.core.services.locks.hold("/edev"):
            await self.core.operating.set_post_rate(record, seconds, self._clock.now())

    async def set_poll_rate(self, resource: str, seconds: int) -> None:
        """Change the pollRate that all resources of a name show, such as DERProgramList.

        Raises:
            ConfigError: the resource has none, or not 1 s to a day.
            StoreUnavailable: nothing was changed.
        """
        await self.core.operating.set_poll_rate(resource, seconds)

    async def cancel_control(self, control_id: str, now: Instant, *, reason: str, along: Sequence[Change] = ()) -> bool:
        """Cancel a utility's control from this side; its EventStatus follows. False where it is unknown or over.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        record = self.core.state.by_control.get(control_id)
        if record is None or record.program not in self.core.state.programs:
            return False
        return await self.core.programs.withdraw_control(record, now, reason, along)

    def seen(self, lfdi: str) -> SeenPeer | None:
        """The newest accepted connection of a certificate; None: it has not been here."""
        return None if self._listener is None else self._listener.seen(lfdi)

    def cancel_subscription(self, path: str) -> bool:
        """End a subscription with a last notification of status 1; False when there is none at this path."""
        subscriber = self.core.subscriptions.get(path)
        if subscriber is not None:
            self.core.subscriptions.end(subscriber, NotificationStatus.CANCELLED)
        return subscriber is not None
