"""The engine: controls and telemetry in, set-points, outcomes, decisions and performance out. Sans I/O.

It holds no clock: every call brings `now` (seconds since 1970 UTC), and the same calls give the same answers. It
implements `domain.ports.FleetView`; `performance` is its `PerformanceView`. The order of work for a control is
`decide` (changes nothing), make it durable, `admit`, `tick`. After a start: `add_device`, `set_groups`, `restore`,
then `tick`.

The parts: lifecycle (controls), planner (who rules), stepper (numbers), intake (telemetry), accounts (performance).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import numpy as np

from gridiface.aggregation.accounting.accounts import Accounts, Gaps
from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.acceptance import judge, with_effective
from gridiface.aggregation.deciding.arbitration import is_information
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.deciding.set_clock import SetClock
from gridiface.aggregation.deciding.setpoints import Orders
from gridiface.aggregation.deliveries import Deliveries
from gridiface.aggregation.desk import Desk, DeskParts
from gridiface.aggregation.foreseeing.feasible import Feasibility
from gridiface.aggregation.foreseeing.horizon import Horizon
from gridiface.aggregation.foreseeing.outlook import Outlook
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.intake import Intake
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.listening.plausibility import Plausibility
from gridiface.aggregation.listening.soc_audit import SocAudit
from gridiface.aggregation.listening.throughput import Throughput
from gridiface.aggregation.rounds import Rounds
from gridiface.aggregation.running import Running
from gridiface.aggregation.splitting.covering import Covering
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, group_target
from gridiface.aggregation.stepper import Stepper
from gridiface.aggregation.tick_result import TickResult
from gridiface.aggregation.views import FleetViews, PerformanceViews
from gridiface.domain.clock import Instant
from gridiface.domain.controls import (
    Acceptance,
    Agenda,
    Control,
    Decision,
    Delivery,
    Outcome,
    OutcomeKind,
    Setpoint,
)
from gridiface.domain.fleet import Device, Group
from gridiface.domain.telemetry import Snapshot

#: Longest time between two ticks, so that a silent device and a set clock are noticed, s.
HEARTBEAT_S = 30.0

#: Time between looks at vehicles that must be ready for a departure, s.
DEPARTURES_S = 30.0


class Engine(FleetViews):
    """See the module's page. Not safe for use from several threads; cheap enough for one."""

    def __init__(self, config: EngineConfig | None = None, *, seed: int = 0) -> None:
        """An engine without devices.

        Args:
            config: settings; the defaults of `EngineConfig` without.
            seed: for random starts; the same seed draws the same times for the same control.

        Raises:
            ConfigError: a strategy is unknown.
        """
        self._config = config or EngineConfig()
        self._seed = seed
        for name in (self._config.strategy, *(name for _, name in self._config.strategies)):
            strategy(name)
        self._log = DecisionLog()
        self._c = Columns()
        #: What went through devices with a daily cap; kept over restarts by who asks for it.
        self.throughput = Throughput(self._c)
        orders = Orders()
        self._book = ControlBook(keep_finished=self._config.keep_finished)
        self._intake = Intake(self._c, self._config, self._log)
        self._fleet = Fleet(self._c, self._intake)
        self._metering = Metering(self._c, self._fleet, self._config, self._log)
        self._stepper = Stepper(self._c, orders, self._metering, self._config, self._log)
        self._schedules = Schedules(ZoneInfo(self._config.timezone))
        parts = self._c, self._book, self._fleet
        self._running = Running(*parts, orders, self._stepper, self._metering, self._schedules, self._config, self._log)
        self._horizon = Horizon(*parts, self._schedules, self._metering, self._running.foresight, self._config)
        self._outlook = Outlook(*parts, self._running.foresight, self._metering, self._config)
        self._book.lane = self._fleet.lane
        self._covering = Covering(self._log)
        self._plausibility = Plausibility(self._c, self._config, self._log)
        self._audit = SocAudit(self._c, self._log, every_s=self._config.soc_audit_s, limit=self._config.soc_residual)
        self._accounts = Accounts(self._c, self._config.performance_interval_s, self._config.keep_finished)
        self._deliveries = Deliveries(self._c, self._book, self._config, self._log, self._accounts)
        self._feasibility = Feasibility(
            *parts, self._metering, self._config, self._running.planner.strategy_of, self._running.standing_w
        )
        self._rounds = Rounds(
            self._c,
            self._config,
            self._log,
            intake=self._intake,
            running=self._running,
            stepper=self._stepper,
            plausibility=self._plausibility,
            schedules=self._schedules,
            throughput=self.throughput,
        )
        desk_parts = DeskParts(
            columns=self._c,
            fleet=self._fleet,
            book=self._book,
            running=self._running,
            schedules=self._schedules,
            plausibility=self._plausibility,
            config=self._config,
            log=self._log,
        )
        #: What an operator does and asks.
        self.desk = Desk(desk_parts, at=self._at, changed=self._fleet_changed)
        #: `domain.ports.PerformanceView`: requested against delivered of running and finished controls.
        self.performance = PerformanceViews(self._accounts)
        self._now = None
        self._stepped_at, self._dirty = -np.inf, True
        self._hold_until: Instant | None = None
        self._set_clock = SetClock(self._config.clock_jump_s)

    # The fleet.

    def add_device(self, device: Device, now: Instant) -> None:
        """Add a device, or take over its new ratings and settings."""
        self._at(now)
        self._c.put(device)
        self._log.takes_part(now, device.id, device.enabled)
        self.throughput.arrived(device.id)
        self._fleet_changed()

    def remove_device(self, device_id: str, now: Instant) -> None:
        """Take a device out; its share goes to the others. Unknown ids change nothing."""
        self._at(now)
        if self._c.drop(device_id):
            self._intake.forget(device_id)
            self._fleet_changed()

    def set_groups(self, groups: Iterable[Group], now: Instant) -> None:
        """Replace all groups.

        Raises:
            ConfigError: they overlap without nesting, or a strategy is unknown; nothing was changed.
        """
        self._at(now)
        wanted = tuple(groups)
        for name in {group.strategy for group in wanted if group.strategy}:
            strategy(name)
        self._fleet.renew(wanted)
        self._fleet_changed()

    def join_groups(self, device_id: str, groups: Iterable[str], now: Instant) -> None:
        """Put a device into groups, beside who is in them; unknown ones are left out.

        Raises:
            ConfigError: groups would overlap without nesting; nothing was changed.
        """
        self._at(now)
        self._fleet.join(device_id, groups)
        self._fleet_changed()

    def _fleet_changed(self) -> None:
        self._fleet.renew()
        self._running.replan = self._dirty = True

    # Controls.

    def decide(self, control: Control, now: Instant) -> tuple[Acceptance, Control, tuple[Decision, ...]]:
        """The answer to a control. Changes nothing, asks nobody.

        Returns:
            The acceptance; the control with its effective interval, to be made durable and admitted when the
            acceptance says `will_run`; the decisions to be recorded with it.
        """
        subject = self._fleet.subject(control.target)
        known, rivals = self._book.get(control.id), self._book.live(control.target)
        answer = judge(control, now, subject, known, rivals)
        drawn = with_effective(control, now, self._seed) if answer.will_run else control
        if answer.will_run:
            answer = self._feasibility.of(drawn, now).onto(answer)
        record = DecisionLog()
        will = "a test: it is answered and recorded, nobody is moved" if control.is_test else "will run"
        record.about(now, control, answer.verdict.value, answer.reason or will, value=answer.feasible_w)
        return answer, drawn, record.drain()

    def admit(self, control: Control, now: Instant) -> None:
        """Take in a control that `decide` accepted and that has been made durable."""
        self._at(now)
        self._book.admit(control, self._fleet.concerned(control), now)
        self._running.replan = self._dirty = True
        self._hold_until = None

    def cancel(self, control_id: str, now: Instant, reason: str = "") -> bool:
        """Cancel a control or take a default control away, by its sender or as said; False when unknown or over."""
        self._at(now)
        entry = self._book.get(control_id)
        if entry is None or not self._book.cancel(control_id, now):
            return False
        self._log.about(now, entry.control, "cancelled", reason or "by its sender")
        self._running.replan = self._dirty = True
        return True

    def restore(self, controls: Iterable[Control], outcomes: Iterable[Outcome], now: Instant, gaps: Gaps = ()) -> None:
        """Take over after a restart. Call it once, after the devices and groups are there. `gaps`: of their accounts.

        Controls that were running go on: nothing is said twice, and nothing is sent before telemetry of their
        devices has come or `restore_grace_s` has passed, so that the fleet makes no step.
        """
        self._at(now)
        self._accounts.absent(gaps, now + self._config.restore_grace_s)
        if known := list(controls):  # at the first start nobody has to find us anew
            self._rounds.restarted(now)
        told = list(outcomes)
        running = self._book.restore(known, told, now, concerned=self._fleet.concerned, ours=self._fleet.ours)
        if running:
            self._intake.learning = False
            self._hold_until = now + self._config.restore_grace_s
            self._running.replan = self._dirty = True
        for entry in running:
            self._running.resume(entry)
            if not is_information(entry.control):
                self._accounts.open(entry, now)
        self._deliveries.resume(told, now)

    def control(self, control_id: str) -> Control | None:
        """The control with its present state; None when it was never here or is long over."""
        entry = self._book.get(control_id)
        return None if entry is None else entry.control

    def controls(self) -> Sequence[Control]:
        """All controls with their present states, defaults and the newest finished ones among them, by id."""
        return tuple(entry.control for entry in self._book.all())

    # What comes back.

    def observe(self, snapshots: Sequence[Snapshot], now: Instant) -> None:
        """Take telemetry in. A snapshot of quality BAD says that the device cannot be read: it is lost at once."""
        self._at(now)
        self._renew_if(self._intake.observe(snapshots, now))
        self._renew_if(self._metering.observe(snapshots, now))

    def deliver(self, deliveries: Sequence[Delivery], now: Instant) -> None:
        """Take in what became of set-points. After a failure the next tick re-allocates."""
        self._at(now)
        self._renew_if(self._deliveries.take(deliveries, now))

    def unplanned(self, device_ids: Iterable[str]) -> None:
        """These could not be told what lies ahead of them: they are told later."""
        for device_id in device_ids:
            self._outlook.forget(device_id)

    def report(self, outcomes: Sequence[Outcome], now: Instant) -> None:
        """Take in what devices with `traits.answers_itself` tell of their part in a control."""
        self._at(now)
        self._renew_if(self._deliveries.report(outcomes, now))

    def _renew_if(self, changed: bool) -> None:
        """A step follows where something changed, and the last split is not used again."""
        if changed:
            self._dirty = True
            self._stepper.changed()

    # Time.

    def tick(self, now: Instant) -> TickResult:
        """Let everything happen that is due at `now`. Cheap when nothing is."""
        self._at(now)
        self._dirty |= self._rounds.make(now)
        started, ended = self._book.advance(now, self._running.ending)
        self._turn(started, ended, now)
        batch: Sequence[Setpoint] = ()
        if self._due(now):
            batch = self._running.step(now).batch
            self._dirty, self._stepped_at = False, now
            self._covering.look(self._running.plan, now)
            self._audit.step(self._running.position, now)
            self._intake.learning = True
        self._accounts.stand(self._running.standing, now)
        if len(self._accounts):
            sampling = self._running.sampling(now)
            self._accounts.sample(sampling.one, now, sampling.singles)
        outcomes, moved = self._book.drain()
        if not self._held(now):
            self._outlook.watch(self._running.plan, now)
        performance, lines = self._accounts.drain()
        return TickResult(batch, outcomes, self._log.drain(), performance, now, moved, lines)

    def suspend(self, now: Instant) -> TickResult:
        """End the accounts of all controls for a stop; what is to be recorded of them. The controls go on."""
        self._accounts.suspend(now)
        performance, lines = self._accounts.drain()
        return TickResult(performance=performance, at=now, lines=lines)

    @property
    def planning(self) -> bool:
        """Whether what lies ahead of devices is being worked out: call `plan_ahead` between ticks until it is not."""
        return self._outlook.busy

    def plan_ahead(self) -> tuple[Agenda, ...]:
        """Work on that for a few milliseconds; the agendas that turned out to be new."""
        return self._outlook.slice()

    def next_timer(self, now: Instant) -> Instant | None:
        """When `tick` should be called next at the latest; `now` when there is something to do; None when idle."""
        if not self._c.count and self._book.next_edge() is None:
            return None
        if self._book.pending or self._log.pending or ((self._dirty or self._running.replan) and not self._held(now)):
            return now
        times = [now + HEARTBEAT_S, self._book.next_edge(), self._accounts.due(self._now or now), self._hold_until]
        times += [self._schedules.next_edge, self.throughput.ends, self._next_step(), self._rounds.next_look]
        times.append(self._rounds.next_watch(now))
        times.append(float(self._c.renew_at.min(initial=np.inf)))
        return max(now, min(time for time in times if time is not None))

    def _at(self, now: Instant) -> None:
        """Notice a clock that was set: ages and timers keep their lengths, starts and ends follow the new clock."""
        before, self._now = self._now, now
        if before is not None and (jump := self._set_clock.between(before, now)):
            self._shift(jump, now)

    def clock_set(self, seconds: float, now: Instant) -> None:
        """The wall clock was set by so many seconds (+ forwards) since the last call; told by who watches both clocks.

        The engine notices large jumps by itself; this tells it also of those that a wait would explain.
        """
        if rest := self._set_clock.told(seconds):
            self._shift(rest, now)
        self._now = now

    def _shift(self, jump: float, now: Instant) -> None:
        parts = (self._c, self._stepper, self._metering, self._accounts, self._deliveries, self._outlook)
        for one in (*parts, self._running.planner, self._plausibility, self._rounds):
            one.shift_time(jump)
        self._stepped_at += jump
        if self._hold_until is not None:
            self._hold_until += jump
        self._dirty = True
        self._log.add(now, group_target(""), "clock", "jumped", f"the clock was set by {jump:+.0f} s", value=jump)

    def _turn(self, started: list[Entry], ended: list[tuple[Entry, OutcomeKind, str]], now: Instant) -> None:
        """Controls that start and end: their accounts, the record, the plan."""
        self._accounts.close([entry.control.id for entry, _, _ in ended], now)
        self._deliveries.over([entry for entry, _, _ in ended], now)
        for entry, kind, reason in ended:
            if kind is not OutcomeKind.CANCELLED:
                self._log.about(now, entry.control, kind.name.lower(), reason or "its time is over")
        for entry in started:
            self._deliveries.begun(entry, now)
            if is_information(entry.control):
                self._book.start(entry, (), now)
                continue
            self._accounts.open(entry, now)
            self._running.starting.append(entry)
        self._covering.lost(self._book.drain_lost(), now)
        if started or ended:
            self._running.replan = self._dirty = True

    # The step.

    def _held(self, now: Instant) -> bool:
        """Whether the first step after a restart still waits for telemetry."""
        if self._hold_until is None:
            return False
        ruled = self._c.told & self._c.enabled & self._c.counts
        if now >= self._hold_until or bool((self._c.seen[ruled] > 0).all()):
            self._hold_until = None
            self._dirty = True
        return self._hold_until is not None

    def _next_step(self) -> Instant:
        """When the next step is due if nothing happens; vehicles that nobody commands are looked after rarely."""
        period = self._running.period_s(self._stepped_at) if self._running.at_work else np.inf
        period = min(period, DEPARTURES_S if self._c.departing else np.inf)
        return min(self._stepped_at + period, self._stepper.hail_due)

    def _due(self, now: Instant) -> bool:
        if self._held(now) or not self._c.count:
            return False
        due = self._dirty or self._running.replan or now >= self._next_step() - 1e-6
        return due or bool((now >= self._c.renew_at).any())
