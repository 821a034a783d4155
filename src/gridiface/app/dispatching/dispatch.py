"""Record, ask the engine, hand out: the one road of a control from an adapter to devices, and of answers back.

Owns the order of things: what is acknowledged was made durable before; what is told to listeners is durable; a
store that cannot write does not stop the devices from being told (the last control stays active southbound), it
stops us from saying that we recorded it. Owns no decision (aggregation does) and no wire.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from gridiface.aggregation.accounting.device_lines import DeviceLines
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.tick_result import TickResult
from gridiface.app.dispatching import recording
from gridiface.app.dispatching.ahead import Ahead
from gridiface.app.dispatching.arrivals import Arrivals
from gridiface.app.dispatching.control_names import named
from gridiface.app.dispatching.counters import DispatchCounters
from gridiface.app.dispatching.handing_out import by_channel, ranked_anew
from gridiface.app.dispatching.readings import readings_of
from gridiface.app.fleet.members import Members
from gridiface.domain.changes import AppendDeliveries, AppendOutcome, AppendReadings, Change, Document, PutControl
from gridiface.domain.channels import DeviceChannel
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import (
    CLASS_TIMING,
    FAST,
    Acceptance,
    Control,
    ControlState,
    Delivery,
    DeliveryOutcome,
    Outcome,
    Setpoint,
    Verdict,
)
from gridiface.domain.fleet import Device, DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.ports import Ledger
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.domain.timeline import TERMINAL, move, state_at
from gridiface.durably import in_order
from gridiface.errors import StoreUnavailable
from gridiface.logfields import about
from gridiface.tracing import span

_log = logging.getLogger("gridiface.dispatch")

#: Deliveries after which a device holds what it was told.
_TAKEN = frozenset({DeliveryOutcome.ACKNOWLEDGED, DeliveryOutcome.PUBLISHED, DeliveryOutcome.UNCHANGED})

#: Outcomes told in one turn of the loop: listeners do work for each.
_TOLD_AT_ONCE = 64

#: What a poller calls the last known state of a device that does not answer.
_REPEATED = frozenset({Quality.STALE, Quality.BAD})


@dataclass(slots=True)
class Dispatch:
    """Implements domain.ports ControlInbox and DeviceRegistry over the engine, the store and the channels.

    Call `tick` from the timer loop; `kick` is called when something happened that should not wait for the period.
    """

    engine: Engine
    ledger: Ledger
    clock: Clock
    members: Members
    channels: list[DeviceChannel] = field(default_factory=list)
    listeners: list[Callable[[Outcome], None]] = field(default_factory=list)
    watchers: list[Callable[[Sequence[Delivery]], None]] = field(default_factory=list)
    kick: Callable[[], None] = lambda: None
    counters: DispatchCounters = field(default_factory=DispatchCounters)
    _pending: set[str] = field(default_factory=set)
    _cancelling: set[str] = field(default_factory=set)
    _backlog: list[Change] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _recording: asyncio.Lock = field(default_factory=asyncio.Lock)
    _arrivals: Arrivals = field(init=False)
    _ahead: Ahead = field(init=False)

    def __post_init__(self) -> None:
        self._arrivals = Arrivals(self.engine)
        self._ahead = Ahead(self.engine, self.channels, self._spawn)

    # --- ControlInbox -------------------------------------------------------------------------------------------

    def preview(self, control: Control, now: Instant, *, noted: bool = False) -> Acceptance:
        """See domain.ports.ControlInbox.preview."""
        acceptance, _, decisions = self.engine.decide(control, now)
        if noted and not acceptance.will_run:
            self._refused(control, acceptance, recording.decided(decisions))
        return acceptance

    async def submit(self, control: Control, now: Instant, *, along: Sequence[Change] = ()) -> Acceptance:
        """See domain.ports.ControlInbox.submit."""
        with span("control.submit", protocol=control.source.protocol, **named(control)):
            return await self._submit(control, now, along)

    async def _submit(self, control: Control, now: Instant, along: Sequence[Change]) -> Acceptance:
        if control.id in self._pending:
            return Acceptance(control_id=control.id, verdict=Verdict.INVALID, reason="the same control is being taken")
        acceptance, prepared, decisions = self.engine.decide(control, now)
        if not acceptance.will_run:
            self._refused(control, acceptance, recording.decided(decisions))
            return acceptance
        self._pending.add(control.id)
        try:
            await self.ledger.commit([PutControl(prepared), *recording.decided(decisions), *along])
        finally:
            self._pending.discard(control.id)
        self.engine.admit(prepared, now)
        self.counters.controls_accepted += 1
        # Signals that come every few seconds would fill the log.
        level = logging.DEBUG if control.service_class in FAST else logging.INFO
        if _log.isEnabledFor(level):
            with about(**named(control)):
                why = f", {acceptance.reason}" if acceptance.reason else ""
                _log.log(level, "control %s accepted: %s%s", control.id, acceptance.verdict, why)
        self.kick()
        return acceptance

    def _refused(self, control: Control, acceptance: Acceptance, decisions: list[Change]) -> None:
        self.counters.controls_refused += 1
        with about(**named(control)):
            _log.info("control %s refused: %s, %s", control.id, acceptance.verdict, acceptance.reason)
        self._record_later(decisions)

    async def cancel(self, control_id: str, now: Instant, *, reason: str = "", along: Sequence[Change] = ()) -> bool:
        """See domain.ports.ControlInbox.cancel."""
        control = self.engine.control(control_id)
        if control is None or state_at(control, now) in TERMINAL:
            return False
        self._cancelling.add(control_id)
        try:
            await self.ledger.commit([PutControl(move(control, ControlState.CANCELLED)), *along])
            self.engine.cancel(control_id, now, reason)
        except BaseException:
            self._record_later([PutControl(control)])  # what a step recorded of it meanwhile was left out
            raise
        finally:
            self._cancelling.discard(control_id)
        with about(**named(control)):
            _log.info("control %s cancelled: %s", control_id, reason or "by its sender")
        self.kick()
        return True

    async def rank(
        self, control_ids: Sequence[str], authority: float, now: Instant, *, along: Sequence[Change] = ()
    ) -> int:
        """See domain.ports.ControlInbox.rank."""
        async with self._recording:  # a step that is being recorded would write down what they were before
            left = [name for name in control_ids if name not in self._cancelling]
            ranked = ranked_anew(self.engine, left, authority, now)
            if ranked or along:
                await self.ledger.commit([*map(PutControl, ranked), *along])
            over = [one for one in ranked if not self.engine.desk.rank(one.id, authority, now)]
        self._record_later([PutControl(control) for one in over if (control := self.engine.control(one.id))])
        self.kick()
        return len(ranked) - len(over)

    # --- DeviceRegistry -----------------------------------------------------------------------------------------

    async def register(
        self, device: Device, now: Instant, *, groups: Sequence[str] = (), along: Sequence[Change] = ()
    ) -> None:
        """See domain.ports.DeviceRegistry.register."""
        if along:
            await self.ledger.commit(along)
        self.engine.add_device(self.members.registered(device), now)
        joined = self.members.join(device.id, groups)
        if joined:
            self.engine.join_groups(device.id, joined, now)
        self.kick()

    def opened(
        self, device_id: str, nameplate: Nameplate, settings: Settings, traits: DriverTraits, kind: DeviceKind
    ) -> None:
        """A driver has opened its device: the engine knows it from now on, and a restart will."""
        device, memory = self.members.opened(device_id, nameplate, settings, traits, kind)
        self.engine.add_device(device, self.clock.now())
        if memory is not None:
            self._record_later([memory])
        self.kick()

    async def remove(self, device_id: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """See domain.ports.DeviceRegistry.remove."""
        if along:
            await self.ledger.commit(along)
        self.engine.remove_device(device_id, now)
        if self.members.leave(device_id):
            self.engine.set_groups(self.members.groups(), now)
        self.kick()

    async def observe(self, snapshots: Sequence[Snapshot], now: Instant, *, along: Sequence[Change] = ()) -> None:
        """See domain.ports.DeviceRegistry.observe."""
        readings = tuple(reading for snapshot in snapshots for reading in readings_of(snapshot))
        changes: list[Change] = [AppendReadings(readings)] if readings else []
        if changes or along:
            await self.ledger.commit([*changes, *along])
        self.counters.readings += len(readings)
        await self._arrivals.take(snapshots, now)

    def observe_soon(self, snapshots: Sequence[Snapshot]) -> None:
        """Take telemetry in that nobody waits for: the engine sees it now, the store when it can.

        What a poller repeats of a device that does not answer was recorded when it was new.
        """
        fresh = [snapshot for snapshot in snapshots if snapshot.quality not in _REPEATED]
        readings = tuple(reading for snapshot in fresh for reading in readings_of(snapshot))
        self._arrivals.flush()
        self.engine.observe(snapshots, self.clock.now())
        self.counters.readings += len(readings)
        if readings:
            self._record_later([AppendReadings(readings)])

    async def report(
        self,
        deliveries: Sequence[Delivery],
        outcomes: Sequence[Outcome],
        now: Instant,
        *,
        along: Sequence[Change] = (),
    ) -> None:
        """See domain.ports.DeviceRegistry.report."""
        changes: list[Change] = [AppendOutcome(outcome) for outcome in outcomes]
        if deliveries:
            changes.append(AppendDeliveries(tuple(deliveries)))
        if changes or along:
            await self.ledger.commit([*changes, *along])
        self.engine.deliver(deliveries, now)
        self.engine.report(outcomes, now)
        self._tell(outcomes)
        self.kick()

    def reasserted(self, delivery: Delivery) -> None:
        """A device was told again what it holds; where that failed it falls back by itself, which is a shortfall."""
        if delivery.outcome in _TAKEN or "superseded" in delivery.detail:
            return
        self.engine.deliver([delivery], self.clock.now())
        self._record_later([AppendDeliveries((delivery,))])
        self.kick()

    # --- the control loop ---------------------------------------------------------------------------------------

    def tick(self, now: Instant) -> None:
        """One control step: let the engine decide, hand out at once, record and tell as soon as it is durable."""
        self._arrivals.flush()
        result = self.engine.tick(now)
        handing_out = [
            self._spawn(self._hand_out(channel, setpoints, now))
            for channel, setpoints in by_channel(self.channels, result.setpoints)
        ]
        self._ahead.go_on()
        if result.outcomes or result.decisions or result.performance or self._backlog:
            moved = [self.engine.control(name) for name in sorted(result.moved)]
            changes = [PutControl(control) for control in moved if control is not None]
            self._spawn(self._record_after(handing_out, changes, result))

    async def _hand_out(self, channel: DeviceChannel, setpoints: list[Setpoint], now: Instant) -> None:
        with span("setpoints.hand_out", count=str(len(setpoints)), service_class=setpoints[0].service_class):
            await self._handed_out(channel, setpoints, now)

    async def _handed_out(self, channel: DeviceChannel, setpoints: list[Setpoint], now: Instant) -> None:
        self.counters.setpoints_handed_out += len(setpoints)
        deadline = now + CLASS_TIMING[setpoints[0].service_class].acknowledge_s
        deliveries = await channel.apply(setpoints, deadline=deadline)
        for first in range(0, len(deliveries), recording.PART):
            self._delivered(deliveries[first : first + recording.PART])
            await asyncio.sleep(0)
        self.kick()

    def _delivered(self, deliveries: Sequence[Delivery]) -> None:
        self.engine.deliver(deliveries, self.clock.now())
        failed = 0
        for delivery in deliveries:
            if delivery.outcome is DeliveryOutcome.ACKNOWLEDGED:
                self.counters.setpoints_written += 1
            elif delivery.outcome not in _TAKEN:
                failed += 1
                self.counters.setpoints_late += delivery.outcome is DeliveryOutcome.LATE
                with about(device=delivery.device_id, control=" ".join(delivery.setpoint.control_ids)):
                    _log.info("device %s: %s %s", delivery.device_id, delivery.outcome, delivery.detail)
        self.counters.setpoints_failed += failed
        for watch in self.watchers:
            watch(deliveries)
        self._record_later([AppendDeliveries(tuple(deliveries))])

    # --- recording ----------------------------------------------------------------------------------------------

    async def suspend(self, now: Instant) -> None:
        """Record what is known of running controls and their devices up to now; for a graceful stop, after `drain`."""
        await self._record(recording.changes_of(self.engine.suspend(now)))

    def take_up(self, found: Sequence[tuple[Document, DeviceLines]]) -> None:
        """Record what a server that died left of its controls' devices."""
        if found:
            self._spawn(self._record(recording.left_behind(found)))

    def remember(self, changes: Sequence[Change]) -> None:
        """Make changes durable when the store can; nobody waits for it."""
        self._record_later(changes)

    def _record_later(self, changes: Sequence[Change]) -> None:
        if changes:
            self._spawn(self._record(list(changes)))

    async def _record_after(
        self, handing_out: list[asyncio.Task[None]], moved: Sequence[Change], result: TickResult
    ) -> None:
        """Devices come first: what one step did is recorded when its set-points have left, or soon after."""
        await recording.devices_first(handing_out)
        await self._record(chain(recording.changes_of(result), moved))

    async def _record(self, changes: Iterable[recording.Piece]) -> None:
        """Make changes durable, then tell the outcomes among them; keep them for later where that cannot be.

        Many go in parts, so that neither the loop nor the disk is held up by one of them.
        """
        durable: list[Outcome] = []
        async with self._recording:
            kept, self._backlog = self._backlog, []
            for part in recording.in_parts(kept, changes):
                if self._backlog:  # in their order: what came before cannot be written
                    self._backlog += part
                    await asyncio.sleep(0)
                else:
                    now = self._as_they_are(part)
                    durable += [one.outcome for one in await self._durable(now) if isinstance(one, AppendOutcome)]
            self._backlog = recording.trimmed(self._backlog)
        for first in range(0, len(durable), _TOLD_AT_ONCE):
            self._tell(durable[first : first + _TOLD_AT_ONCE])
            await asyncio.sleep(0)

    async def _durable(self, waiting: list[Change]) -> list[Change]:
        """Those that are durable now; the backlog gets what waits for a store that cannot write."""
        kept: list[Change] = []
        while waiting:
            count, problem = await in_order(self.ledger.commit, waiting)
            kept += waiting[:count]
            if isinstance(problem, StoreUnavailable):
                self.counters.store_failures += 1
                self._backlog = waiting[count:]
                _log.warning("the store cannot write, records wait: %s", problem)
                break
            if problem is not None:
                _log.error("a %s is not recorded: %s", type(waiting[count]).__name__, problem)
            waiting = waiting[count + 1 :]
        return kept

    def _as_they_are(self, changes: list[Change]) -> list[Change]:
        """Changes as they are right now: a step is recorded late, and its controls may have been cancelled since."""
        if not any(type(change) is PutControl for change in changes):
            return changes
        now = (self._as_it_is(change) if isinstance(change, PutControl) else change for change in changes)
        return [change for change in now if change is not None]

    def _as_it_is(self, change: PutControl) -> PutControl | None:
        if change.control.id in self._cancelling:
            return None  # on its way with the cancellation, which must not be undone
        control = self.engine.control(change.control.id)
        if control is None:  # a default control goes when it is cancelled, others are over and forgotten
            return None if change.control.is_default else change
        return PutControl(control)

    def _tell(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            for listener in self.listeners:
                listener(outcome)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("a dispatch task failed", exc_info=problem)

    async def drain(self, timeout_s: float = 5.0) -> None:
        """Wait for what is under way, then record what is left; for a graceful stop."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
        await self._record(())
