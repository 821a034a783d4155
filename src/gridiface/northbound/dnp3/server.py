"""The DNP3 adapter as a whole: outstations, end points, and the road from a command to its durable control and back.

The order of things is owned here: a command is judged at once by the protocol core; its commission is carried out;
only then its answer leaves (session.py holds it). Telemetry is written into the points each period and told to all
connected masters.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gridiface.deadlines import waits
from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, ClockWatch, Instant
from gridiface.domain.controls import Control, Outcome
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.logfields import about
from gridiface.northbound.dnp3.commanding.command_log import CommandLog
from gridiface.northbound.dnp3.commanding.commissions import CommandLost, Commission
from gridiface.northbound.dnp3.commanding.outputs import SPACE
from gridiface.northbound.dnp3.der.windows import SPACE as RECORDS_SPACE
from gridiface.northbound.dnp3.notices import log_notice
from gridiface.northbound.dnp3.settings import Dnp3Settings, StationSettings
from gridiface.northbound.dnp3.shown.configuration import NAME as CONFIGURATION
from gridiface.northbound.dnp3.shown.configuration import SPACE as CONFIGURATION_SPACE
from gridiface.northbound.dnp3.shown.configuration import Configuration
from gridiface.northbound.dnp3.shown.device_profile import profile_xml
from gridiface.northbound.dnp3.shown.station_files import DEVICE_PROFILE, FRAME_LOG, StationFiles
from gridiface.northbound.dnp3.station import Station
from gridiface.northbound.dnp3.tags import SPACE as TAGS_SPACE
from gridiface.northbound.dnp3.tags import Tags
from gridiface.northbound.dnp3.translate.energy import SPACE as ENERGY_SPACE
from gridiface.northbound.dnp3.user_keys import SPACE as USERS_SPACE
from gridiface.northbound.dnp3.wire.endpoint import Endpoint
from gridiface.northbound.dnp3.wire.journal import Journal
from gridiface.northbound.dnp3.wire.session import Session
from gridiface.protocols.dnp3.outstation.handler import CommandDone
from gridiface.streams.acceptor import nothing_spare
from gridiface.streams.at_once import start_at_once
from gridiface.tracing import span

_log = logging.getLogger("gridiface.dnp3")

_STOP_S = 3.0


class ControlHistory(Protocol):
    """What the adapter needs of domain.ports.History."""

    async def controls(self, *, live_after: Instant | None = None) -> list[Control]:
        """All controls, or those whose span may reach beyond `live_after`."""
        ...


class Dnp3Server:
    """Serves DNP3 masters.

    Args:
        settings: outstations and end points.
        clock: the wall clock.
        inbox, ledger, fleet: the ports of the rest of the house.
        history: where live controls are found after a restart.
        spare: gives up a file descriptor that was kept for a master when none is left; True when there was one.

    Call `start` first, `stop` last; between, `handle_timer` when `next_timer` says so (it refreshes the points), and
    `on_outcome` for every outcome. Deadlines of connections run by themselves.
    """

    def __init__(
        self,
        settings: Dnp3Settings,
        *,
        clock: Clock,
        inbox: ControlInbox,
        ledger: Ledger,
        fleet: FleetView,
        history: ControlHistory,
        spare: Callable[[], bool] = nothing_spare,
    ) -> None:
        self.settings = settings
        self.spare = spare
        self.journal = Journal(settings.journal_frames)
        self.commands = CommandLog()
        self.counters: Counter[str] = Counter()
        self._clock = clock
        self._watch = ClockWatch()
        self._ledger = ledger
        self._history = history
        configurations = {station.name: Configuration(station.name, station.points) for station in settings.stations}
        self.stations: Mapping[str, Station] = {
            station.name: Station(
                station,
                inbox=inbox,
                ledger=ledger,
                fleet=fleet,
                now=clock.now(),
                ratings_s=settings.ratings_s,
                store_pause_s=settings.store_pause_s,
                files=self._files(station, configurations[station.name]),
                configuration=configurations[station.name],
            )
            for station in settings.stations
        }
        self.endpoints: list[Endpoint] = [
            Endpoint(endpoint, [self.stations[name] for name in endpoint.stations] or [*self.stations.values()], self)
            for endpoint in settings.endpoints
        ]
        self._refresh_at: Instant = 0.0
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumping = False
        #: Whether any master is told unasked: else nothing ever waits to be sent but answers.
        self._tells = any(master.unsolicited for station in settings.stations for master in station.masters)

    def _files(self, station: StationSettings, configuration: Configuration) -> StationFiles | None:
        if not station.files:
            return None
        makers = {
            DEVICE_PROFILE: lambda: profile_xml(station, self.settings.endpoints),
            FRAME_LOG: lambda: "\n".join(self.journal.lines()).encode(),
            CONFIGURATION: configuration.octets,
        }
        takers = {CONFIGURATION: configuration.stage} if station.configuration_writes else {}
        return StationFiles(makers, [master.address for master in station.masters if master.may_control], takers)

    # --- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what was, write the points once, then listen and connect.

        Raises:
            StoreUnavailable: the state cannot be read.
            ConfigError: an address cannot be taken, or TLS files cannot be used.
        """
        now = self.now()
        spaces = (SPACE, TAGS_SPACE, RECORDS_SPACE, USERS_SPACE, ENERGY_SPACE, CONFIGURATION_SPACE)
        documents = [document for space in spaces for document in await self._ledger.documents(space)]
        controls = await self._history.controls(live_after=now)
        for station in self.stations.values():
            station.restore(documents, controls, now)
            station.refresh(now)
        self._refresh_at = now + self.settings.refresh_s
        for endpoint in self.endpoints:
            await endpoint.start()
            _log.info("DNP3 over %s %s (%s)", endpoint.settings.transport, endpoint.where, endpoint.settings.mode)

    async def stop(self) -> None:
        """Close all peers; what commands led to is carried out first."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_STOP_S)
        counted = [station.energy.document(self.now()) for station in self.stations.values()
                   if station.energy.targets]  # fmt: skip
        if counted:
            with contextlib.suppress(StoreUnavailable):
                await self._ledger.commit(counted)
        for endpoint in self.endpoints:
            await endpoint.stop()

    @property
    def ports(self) -> Sequence[int]:
        """The ports of the end points, in their order; 0 for one that only connects."""
        return [endpoint.port for endpoint in self.endpoints]

    @property
    def port(self) -> int:
        """The port of the first end point that listens; 0 without one."""
        return next((port for port in self.ports if port), 0)

    def now(self) -> Instant:
        """The wall clock; where it was set since the last look, everything that waits is told first."""
        now = self._clock.now()
        by = self._watch.look(now, self._clock.monotonic())
        if by:
            self._clock_set(by, now)
        return now

    def _clock_set(self, seconds: float, now: Instant) -> None:
        self._refresh_at += seconds
        for station in self.stations.values():
            station.clock_set(seconds, now)
        for endpoint in self.endpoints:
            for session in list(endpoint.sessions):
                session.clock_set(seconds, now)
        self._pump_soon()

    # --- time and the rest of the house ------------------------------------------------------------------------------

    def next_timer(self, now: Instant) -> Instant | None:
        """When the points are refreshed next."""
        due = min(self._refresh_at, now + self.settings.refresh_s)
        for station in self.stations.values():
            at = station.next_timer(now)
            due = due if at is None else min(due, at)
        return due

    def handle_timer(self, now: Instant) -> None:
        """Refresh the points when that is due, and look at every connection's deadlines. May be called early."""
        self.now()
        if not waits(self._refresh_at, now, self.settings.refresh_s):
            self.refresh(now)
        for station in self.stations.values():
            station.handle_timer(now)
            self._commission_own(station)
            station.outstation.handle_timer(now)
        for endpoint in self.endpoints:
            for session in list(endpoint.sessions):
                session.handle_timer(now)

    def refresh(self, now: Instant) -> int:
        """Write the fleet's state into all points and tell the masters; returns how many events it made."""
        self._refresh_at = now + self.settings.refresh_s
        events = sum(station.refresh(now) for station in self.stations.values())
        self.pump(now)
        return events

    def on_outcome(self, outcome: Outcome) -> None:
        """See domain.ports.OutcomeListener.on_outcome."""
        now = self.now()
        for station in self.stations.values():
            station.touch(now)
            station.on_outcome(outcome)
            self._commission_own(station)
        self._pump_soon()

    def station(self, name: str) -> Station:
        """The outstation of a name, for the operator's verbs.

        Raises:
            ConfigError: there is none.
        """
        found = self.stations.get(name)
        if found is None:
            raise ConfigError(f"no outstation is called {name!r}; there are {', '.join(self.stations)}")
        return found

    async def set_tags(self, name: str, tags: Tags, *, along: Sequence[Change] = ()) -> None:
        """Local mode and blocked outputs of an outstation, durable before they act; also after a restart.

        Raises:
            ConfigError: there is no such outstation or output.
            StoreUnavailable: they could not be made durable; nothing changed.
        """
        station = self.station(name)
        for point in tags.blocked:
            station.check_output(point)
        await self._ledger.commit([tags.document(name), *along])
        station.apply(tags)
        self.refresh(self.now())

    def disconnect(self, name: str, master: str) -> bool:
        """Close the connection that carries a master; it may come again. False: it is not connected.

        Raises:
            ConfigError: there is no such outstation or master.
        """
        station = self.station(name)
        address = next((one.address for one in station.settings.masters if one.name == master), None)
        if address is None:
            raise ConfigError(f"outstation {name} has no master {master!r}")
        session = self.carrier(station, address)
        if session is not None:
            session.dismiss("an operator closed it")
        return session is not None

    def carrier(self, station: Station, address: int) -> Session | None:
        """The session that carries a master of an outstation."""
        for endpoint in self.endpoints:
            for session in endpoint.sessions:
                if any(one is station and channel.carries(address) for one, channel in session.channels):
                    return session
        return None

    def pump(self, now: Instant) -> None:
        """Tell all connected masters what changed; to be called after points were updated by hand."""
        for endpoint in self.endpoints:
            for session in list(endpoint.sessions):
                session.pump(now)

    def _pump_soon(self) -> None:
        if self._tells and not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._pumping = False
        self.pump(self.now())

    # --- what sessions ask (session.Hub) -----------------------------------------------------------------------------

    def _commission_own(self, station: Station) -> None:
        """Carry out what nobody waits for: schedules, modes that end."""
        for commission in station.handler.take() if station.handler.pending else ():
            self.commissioned(None, station, commission)

    def commissioned(self, session: Session | None, station: Station, commission: Commission) -> None:
        """Carry a commission out after those of the same slot before it; the session's answers wait for it.

        A session's begins at once: it comes from a callback of the loop. What nobody waits for may come out of the
        engine, which must have finished before it is asked again.
        """
        work = self._carry_out(session, station, commission)
        loop = asyncio.get_running_loop()
        task = loop.create_task(work) if session is None else start_at_once(work)
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, session: Session | None, station: Station, commission: Commission) -> None:
        name = f"{station.settings.name}/{commission.master}"
        with about(association=name), span("dnp3 command", association=name):
            try:
                async with self._locks[station.settings.name, commission.slot]:
                    now = self.now()
                    station.touch(now)
                    changed = await station.handler.carry_out(commission, now)
            except (StoreUnavailable, CommandLost) as problem:
                self.counters["commands_lost"] += 1
                _log.error("outstation %s: a command of %s could not be taken and is not acknowledged: %s",
                           station.settings.name, commission.master, problem)  # fmt: skip
                if session is not None:
                    session.fail("a command could not be made durable")
            except Exception:
                self.counters["commands_lost"] += 1
                if session is not None:
                    session.fail("a command failed")
                _log.exception("outstation %s: a command failed", station.settings.name)
            else:
                if session is not None:
                    session.release()
                station.touch(now)
                if station.handler.follow(changed):
                    self._pump_soon()

    def heard(self, session: Session) -> None:
        """A master is carried by this session now: older ones that carry nobody are closed."""
        for endpoint in self.endpoints:
            endpoint.displaced(session)

    def notices(self, station: Station) -> None:
        """Count and log what the outstation has to tell."""
        while (notice := station.outstation.next_event()) is not None:
            self.counters[type(notice).__name__] += 1
            if isinstance(notice, CommandDone):
                self.commands.note(station.settings, notice, self.now())
            log_notice(station.settings.name, notice)
