"""One running server: every part made, joined and ended in order. Owns no rule of any protocol and no decision."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Mapping, Sequence

from gridiface.aggregation.deciding.planner import LONGEST_PERIOD_S
from gridiface.aggregation.deciding.schedules import PROTOCOL as SCHEDULE
from gridiface.aggregation.deciding.schedules import stand_in
from gridiface.aggregation.engine import Engine
from gridiface.app.alarms import AlarmSources
from gridiface.app.config.model import Config
from gridiface.app.desks.engine_desk import EngineDesk
from gridiface.app.desks.meter_desk import MeterDesk
from gridiface.app.desks.portfolio_desk import PortfolioDesk
from gridiface.app.desks.settlement_desk import SettlementDesk
from gridiface.app.dispatching.device_lines import kept
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.dispatching.downtime import gaps_of
from gridiface.app.fleet.fleet_desk import FleetChange, FleetDesk
from gridiface.app.fleet.members import SPACE, Members
from gridiface.app.fleet.overlay import DEVICES, GROUPS, Overlay, check
from gridiface.app.fleet.southbound import Southbound
from gridiface.app.fronts.front import Front, fronts_of
from gridiface.app.live_fleet import LiveFleet
from gridiface.app.parts import certificate_desk_of, parts_of, peers_of
from gridiface.app.process.clock import unset
from gridiface.app.process.collector import Collector
from gridiface.app.process.descriptors import raise_descriptor_limit
from gridiface.app.process.housekeeping import Housekeeping
from gridiface.app.process.otel import Otel
from gridiface.app.process.timers import TimerLoop
from gridiface.app.reload import Reload, compare
from gridiface.app.running import Running
from gridiface.app.surface import areas_of, audit_key, invite_first_admin, operator_server, targets_of, upkeep_of
from gridiface.domain.changes import PutControl
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Control, Outcome
from gridiface.domain.fleet import Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.domain.timeline import TERMINAL, state_at
from gridiface.drivers.api import Driver
from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.httpname import name_ourselves
from gridiface.operator.accounts.optouts import still_out
from gridiface.operator.auth.approvals import ApprovalRule
from gridiface.operator.desk import Desk
from gridiface.operator.rows.status import Status
from gridiface.operator.server import OperatorServer
from gridiface.operator.upkeep import Upkeep
from gridiface.store.repository import Store, StoreOptions

_log = logging.getLogger("gridiface")

#: How far back finished controls are loaded at a start, so that their outcomes and reports can still be asked for.
_HISTORY_S = 86_400.0

#: Devices that open within this time are shown to peers in one go, s.
_GATHER_S = 0.2


class GridServer(Running):
    """A whole server. Call `start` once and `stop` once; between them it runs by itself.

    Args:
        config: the installation.
        clock: the machine's, unless a test brings its own.
    """

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        super().__init__(config, clock, Engine(config.engine.settings(), seed=_seed(config.site)))
        #: The protocols of the configuration.
        self.fronts: Sequence[Front] = fronts_of(config, self)
        self._operator: OperatorServer | None = None
        self._upkeep: Upkeep | None = None
        self._otel: Otel | None = None
        self._alarms: AlarmSources | None = None
        #: Where the first admin chooses a password; None: there is an admin.
        self.setup_link: str | None = None
        self._members: Members | None = None
        self._live: LiveFleet | None = None
        self._housekeeping: Housekeeping | None = None
        self._timers: TimerLoop | None = None
        self._loop_task: asyncio.Task[None] | None = None
        self._refresh: asyncio.Task[None] | None = None
        #: Devices that were opened and not shown since.
        self._opened: set[str] = set()
        self._collector = Collector(self._hurried, lambda: self.engine.pace_s < LONGEST_PERIOD_S)

    async def start(self) -> None:
        """Load what was, then listen, then run.

        Raises:
            ConfigError: a part of the configuration cannot be used; everything started so far is ended by `stop`.
            StoreUnavailable: the database cannot be opened or read.
        """
        raise_descriptor_limit()
        name_ourselves()
        self.reserve.install(asyncio.get_running_loop())
        now = self.clock.now()
        doubt = unset(now)
        if doubt:
            _log.warning("%s: set it (NTP); events begin and end by it, and certificates hold by it", doubt)
        self.store = store = await Store.open(self.config.database, options=StoreOptions(serves=True))
        self.fleet = fleet = await self._open_fleet(store)
        self.config = fleet.config
        self._members = members = Members(self.config, await store.documents(SPACE))
        self.dispatch = dispatch = Dispatch(self.engine, store, self.clock, members=members)
        for device in members.initial():
            self.engine.add_device(device, now)
        self._live = LiveFleet(self, members, self._fleet_changed)
        self.engine.set_groups(members.groups(), now)
        lines = [entry.rule() for entry in self.config.schedules]
        self.engine.desk.set_schedules(lines, now)
        if lines:  # what comes of them is found by them
            await store.commit([PutControl(stand_in(line)) for line in lines])
        engine = self.engine
        status = Status(self.config.site, engine, engine.performance, engine.controls, self._counters)
        status.distrust = engine.desk.distrust
        dispatch.listeners.append(status.on_outcome)
        dispatch.watchers.append(status.on_deliveries)
        self.southbound = Southbound(
            self.config,
            self.clock,
            store,
            on_snapshots=self._on_snapshots,
            on_open=self._on_open,
            on_lost=status.on_lost,
            on_reassert=dispatch.reasserted,
        )
        dispatch.channels.append(self.southbound.dispatcher)
        dispatch.watchers.append(self.southbound.failed)
        for front in self.fronts:
            front.make(dispatch, store)
        self.engine_desk = EngineDesk(self.engine, store)
        await self.engine_desk.load(now)
        self.portfolios = PortfolioDesk(store, self.engine, self.config)
        self.settlements = SettlementDesk(store)
        self.meters = MeterDesk(store, self.settlements)
        await self.portfolios.load()
        await self.settlements.load()
        said = await self._restore(store, now)
        dispatch.take_up(await kept(store))
        for front in self.fronts:
            await front.start()
        for outcome in said:
            for listener in dispatch.listeners:
                listener(outcome)
        await self.southbound.start()
        await self._start_page(status)
        self._start_timers(dispatch)
        self._housekeeping = Housekeeping(store, self.clock, retention_days=self.config.reading_retention_days)
        self._housekeeping.start()
        self._collector.start()

    async def _open_fleet(self, store: Store) -> FleetDesk:
        """The desk at which devices and groups are changed, with what was changed before.

        Raises:
            ConfigError: what was changed before does not go with the file any more.
            StoreUnavailable: it cannot be read.
        """

        async def controls(now: Instant) -> Sequence[Control]:
            return [control for control in self.engine.controls() if state_at(control, now) not in TERMINAL]

        overlay = Overlay.of(await store.documents(DEVICES), await store.documents(GROUPS))
        try:
            check(overlay.applied(self.config))
        except ConfigError as problem:
            fix = "take the change back with `gridiface device` or `gridiface group` and --config, or correct the file"
            raise ConfigError(f"the file and what was changed of the fleet since do not agree: {problem}; {fix}") from (
                problem
            )
        return FleetDesk(
            self.config,
            overlay,
            store,
            controls=controls,
            prepare=lambda change: self._running_fleet().prepare(change),
            apply=lambda change, now: self._running_fleet().apply(change, now),
            adopt=lambda name: self._running_fleet().adopt(name),
        )

    def _running_fleet(self) -> LiveFleet:
        assert self._live is not None
        return self._live

    def _fleet_changed(self, change: FleetChange) -> None:
        self.config = change.after
        if self._operator is not None:
            self._operator.desk.peers = peers_of(self)

    def _hurried(self) -> bool:
        return self.southbound is not None and self.southbound.dispatcher.precedence.busy

    async def stop(self) -> None:
        """End gracefully: no new work, what runs is finished, everything is durable; safe after a failed start."""
        await self._collector.stop()
        if self._housekeeping is not None:
            self._housekeeping.stop()
        if self._refresh is not None:
            self._refresh.cancel()
        # Who brings work first, who carries it out after, what keeps it last.
        if self._operator is not None:
            await self._operator.stop()
        for front in reversed(self.fronts):
            await front.stop()
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        if self.southbound is not None:
            await self.southbound.stop()
        await self._stop_dispatch()
        if self._upkeep is not None:
            await self._upkeep.stop()
        if self._otel is not None:
            await self._otel.stop()
        if self.store is not None:
            await self.store.close()
        self.reserve.close()

    async def _stop_dispatch(self) -> None:
        """What is under way is finished; the day's throughput and the accounts of running controls are kept."""
        if self.dispatch is None:
            return
        if self.engine_desk is not None:
            self.dispatch.remember(self.engine_desk.changes(self.clock.now(), all_of_it=True))
        await self.dispatch.drain()
        await self.dispatch.suspend(self.clock.now())

    def ports(self) -> Mapping[str, int]:
        """The ports that are listened on, by part."""
        ports: dict[str, int] = {}
        for front in self.fronts:
            ports |= front.ports()
        if self._operator is not None:
            ports["operator"] = self._operator.port
        return ports

    async def _restore(self, store: Store, now: Instant) -> list[Outcome]:
        """Take up where the last run ended; what was said of the controls then.

        Listeners are told it again once they run: they say nothing twice, and may not have come to saying it.
        """
        found = await store.controls(live_after=now - _HISTORY_S)
        controls = [control for control in found if control.source.protocol != SCHEDULE]
        outcomes = await store.outcomes_of_all(live_after=now - _HISTORY_S)
        until = await store.accounted_until([control.id for control in controls if control.state not in TERMINAL])
        standing = await still_out(store, outcomes, now)
        self.engine.restore(controls, standing, now, gaps_of(controls, until, now))
        if controls:
            _log.info("%d controls and %d outcomes taken up", len(controls), len(outcomes))
        return outcomes

    async def _start_page(self, status: Status) -> None:
        if self.config.operator is None:
            return
        assert self.store is not None
        assert self.dispatch is not None
        block = self.config.operator
        desk = Desk(
            status=status,
            clock=self.clock,
            inbox=self.dispatch,
            records=self.store,
            block=self._block,
            ready=self._ready,
            authority=(block.authority_min, block.authority_max),
            idle_s=block.sessions.idle_s,
            longest_s=block.sessions.longest_s,
            approval=ApprovalRule(share=block.approval_share, within_s=block.approval_within_s),
            parts=lambda: parts_of(self, self.fronts),
            peers=peers_of(self),
            certificates=certificate_desk_of(self),
            audit_key=audit_key(block),
            targets=targets_of(block),
            withdraw={name: way for front in self.fronts for name, way in front.withdraw().items()},
            reset_alarms=None if self.southbound is None else self.southbound.dispatcher.reset_alarms,
        )
        desk.trace.devices = lambda: desk.peers
        for front in self.fronts:
            front.listen_in(desk.trace.note)
        await desk.open()
        self.store.watchers.append(desk.chain.on_committed)
        self.dispatch.listeners.append(desk.on_outcome)
        self.dispatch.watchers.append(desk.on_deliveries)
        self._operator = operator_server(block, desk, areas_of(self, self.fronts, desk))
        await self._operator.start()
        self.setup_link = await invite_first_admin(desk, self._operator.url)
        self._alarms = AlarmSources(self, self.fronts, desk)
        self._upkeep = upkeep_of(desk, self._alarms)
        self._upkeep.start()
        if self.config.otel is not None:
            self._otel = Otel(
                self.config.otel,
                self.config.site,
                lambda: desk.figures.samples(desk.status, self.clock.now(), ready=self._ready()),
            )
            self._otel.start()

    async def reload(self, config: Config) -> Reload:
        """Go on with what of a new configuration takes effect at once; no connection is touched that stays.

        Raises:
            ConfigError: devices and groups do not agree with each other or with what was changed of them since the
                start, a driver refuses its keys, or a strategy is unknown; nothing was changed.
            StoreUnavailable: nothing was changed.
        """
        assert self.fleet is not None
        found, now = compare(self.fleet.file, config), self.clock.now()
        await self.fleet.reread(found.config, now)
        if self._housekeeping is not None:
            self._housekeeping.keep(found.config.reading_retention_days)
        if self._operator is not None and found.config.operator is not None:
            block = found.config.operator
            self._operator.desk.approval = ApprovalRule(share=block.approval_share, within_s=block.approval_within_s)
        self.config = self.fleet.config
        return found

    def _block(self, device_id: str, *, blocked: bool, now: Instant) -> None:
        """Operator's block of a device, or its end: the engine acts on it at once."""
        self.engine.desk.block(device_id, blocked, now)
        if self.dispatch is not None:
            self.dispatch.kick()

    def _start_timers(self, dispatch: Dispatch) -> None:
        parts = [part for front in self.fronts for part in front.timed()]
        self._timers = TimerLoop(
            self.clock,
            self.config.engine.period_s,
            self._tick,
            parts,
            due=self.engine.next_timer,
            jumped=self._clock_set,
        )
        dispatch.kick = self._timers.kick
        self._loop_task = asyncio.create_task(self._timers.run(), name="gridiface timers")

    def _tick(self, now: Instant) -> None:
        assert self.dispatch is not None
        self.dispatch.tick(now)
        if self.engine_desk is not None:
            self.dispatch.remember(self.engine_desk.changes(now))

    def _clock_set(self, seconds: float, now: Instant) -> None:
        self.engine.clock_set(seconds, now)
        if self._alarms is not None:
            self._alarms.clock_jumped(seconds, now)

    def _ready(self) -> bool:
        running = self._loop_task is not None and not self._loop_task.done()
        return running and self.store is not None and not self.store.trouble

    def _counters(self) -> Mapping[str, int]:
        return {} if self.dispatch is None else dataclasses.asdict(self.dispatch.counters)

    async def _on_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        assert self.dispatch is not None
        self.dispatch.observe_soon(snapshots)

    def _on_open(self, driver: Driver, nameplate: Nameplate) -> None:
        assert self.dispatch is not None
        assert self.southbound is not None
        traits = self.southbound.traits_of(driver)
        self.dispatch.opened(driver.device_id, nameplate, driver.settings, traits, driver.kind)
        if self._operator is not None:
            self._operator.desk.blocks.renew(driver.device_id, self.clock.now())
        self._opened.add(driver.device_id)
        if self._refresh is None:
            self._refresh = asyncio.create_task(self._show_new_devices())

    async def _show_new_devices(self) -> None:
        """Devices that open together are shown together."""
        await asyncio.sleep(_GATHER_S)
        self._refresh, opened, self._opened = None, self._opened, set()
        try:
            for front in self.fronts:
                await front.show_fleet(opened)
        except StoreUnavailable as problem:
            self._opened |= opened
            _log.warning("new devices are not shown to peers yet, the next one to open tries again: %s", problem)


def _seed(site: str) -> int:
    """The same random starts after a restart of the same site."""
    return int.from_bytes(hashlib.sha256(site.encode()).digest()[:8], "big")
