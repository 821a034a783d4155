"""A day of a fleet in compressed time: three programs overlap in the evening, devices fail and lie, all is settled.

Owns what happens when. What devices do is simulation.fleet's, what is asked is signals', figures are record's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.cli.story.record import Record
from gridiface.cli.story.signals import (
    REGULATION_PERIOD_S,
    dnp3_regulation,
    openadr_event,
    regulation_signal,
    sep2_limit,
)
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ControlMode, ModeValue, Target, TargetKind
from gridiface.domain.local_time import DailyWindow
from gridiface.domain.schedule import LocalSchedule
from gridiface.simulation.fleet.make import FEEDERS, make
from gridiface.simulation.fleet.physics import SimulatedFleet

#: Wednesday, 22 July 2026.
MIDNIGHT: Instant = datetime(2026, 7, 22, tzinfo=UTC).timestamp()

_HOUR_S = 3600.0
_QUIET_S, _BUSY_S = 120.0, 10.0
_LIMITED = "feeder-2"
#: How far a liar's state of charge is off.
_LIE = -0.2


def hours(value: float) -> Instant:
    """The instant at an hour of the day."""
    return MIDNIGHT + _HOUR_S * value


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When what happens; instants."""

    begin: Instant = MIDNIGHT
    end: Instant = MIDNIGHT + 24 * _HOUR_S
    event: tuple[Instant, Instant] = (MIDNIGHT + 17.0 * _HOUR_S, MIDNIGHT + 18.0 * _HOUR_S)
    limit: tuple[Instant, Instant] = (MIDNIGHT + 17.25 * _HOUR_S, MIDNIGHT + 17.75 * _HOUR_S)
    regulation: tuple[Instant, Instant] = (MIDNIGHT + (17 + 1 / 3) * _HOUR_S, MIDNIGHT + (17 + 2 / 3) * _HOUR_S)
    failures: tuple[Instant, Instant] = (MIDNIGHT + 17.05 * _HOUR_S, MIDNIGHT + 17.8 * _HOUR_S)


#: The part of the day around the event alone, for tests.
EVENING = Times(begin=hours(16.7), end=hours(18.2))


@dataclass(slots=True)
class Day:
    """One run of the story; call `run` once.

    Args:
        devices: how many.
        seed: of everything that is drawn.
        times: see `Times`.
    """

    devices: int = 2000
    seed: int = 1
    times: Times = field(default_factory=Times)
    fleet: SimulatedFleet = field(init=False)
    engine: Engine = field(init=False)
    record: Record = field(init=False)
    controls: list[Control] = field(default_factory=list)
    broken: dict[str, tuple[Instant, Instant]] = field(default_factory=dict)
    liars: tuple[str, ...] = ()
    took_s: float = 0.0
    ready: tuple[int, int] | None = None
    _number: int = 0
    _regulation_w: float = 0.0

    def run(self, shown: Callable[[Record], None] = lambda record: None) -> Record:
        """Live through the day; `shown` is called every few steps."""
        began = time.monotonic()
        plan = make(self.devices, seed=self.seed)
        self.fleet = SimulatedFleet(plan.devices, MIDNIGHT, seed=self.seed)
        self.record = Record(self.fleet, plan, self.times.event, _LIMITED)
        config = EngineConfig(stale_after_s=450.0, lost_after_s=900.0, clock_jump_s=3600.0, performance_interval_s=60.0)
        self.engine = Engine(config, seed=self.seed)
        now = self.times.begin
        for device in plan.devices:
            self.engine.add_device(device, now)
        self.engine.set_groups(plan.groups, now)
        self.engine.desk.set_schedules(_night(), now)
        self._draw_trouble()
        self._settle_in(now)
        while now < self.times.end:
            step = self._step_s(now)
            now += step
            self._happen(now)
            self.fleet.advance(step, now)
            self._turn(now, step)
            shown(self.record)
        self.took_s = time.monotonic() - began
        return self.record

    def _settle_in(self, now: Instant) -> None:
        """A day that begins in the afternoon begins with cars away."""
        self.fleet.advance(0.0, now)
        self.fleet.w = np.where(self.fleet.away, 0.0, self.fleet.natural(now))
        self.engine.observe(self.fleet.snapshots(now), now)

    def _turn(self, now: Instant, step: float) -> None:
        self.engine.observe(self.fleet.snapshots(now), now)
        result = self.engine.tick(now)
        self.record.decisions += result.decisions
        self.record.outcomes += result.outcomes
        sent = list(result.setpoints)
        self.record.setpoints += len(sent)
        if sent:
            self.engine.deliver(self.fleet.apply(sent, now), now)
        self.record.sample(now, step, self._asked(now))

    def _asked(self, now: Instant) -> float | None:
        """What is asked of the fleet's total at `now`, W."""
        start, end = self.times.event
        if not self.controls or not start <= now < end:
            return None
        asked = self.controls[0].values[ControlMode.SET_W].value
        inside = self.times.regulation[0] <= now < self.times.regulation[1]
        return asked + (self._regulation_w if inside else 0.0)

    def _step_s(self, now: Instant) -> float:
        if self.times.regulation[0] - 8 <= now < self.times.regulation[1] + 8:
            return REGULATION_PERIOD_S
        busy = self.times.event[0] - 60 <= now < self.times.event[1] + 300
        return _BUSY_S if busy else _QUIET_S

    def _happen(self, now: Instant) -> None:
        """Signals that come, devices that fail and return, vehicles that leave."""
        if not self.controls and now >= self.times.event[0] - 900:
            self._plan_evening(now)
        if self.times.regulation[0] <= now < self.times.regulation[1]:
            self._regulate(now)
        failing = [name for name, (start, _) in self.broken.items() if start <= now < start + _QUIET_S]
        self.fleet.fail(name for name in failing if now < self.broken[name][1])
        self.fleet.heal(name for name, (_, end) in self.broken.items() if end <= now < end + _QUIET_S)
        if now >= self.times.failures[0]:
            self.fleet.lie(self.liars, _LIE)
        leave = hours(7.0)
        if self.ready is None and self.times.begin < leave <= now:
            cars = self.fleet.car
            self.ready = (int((cars & (self.fleet.soc >= 0.8 - 1e-6)).sum()), int(cars.sum()))

    def _plan_evening(self, now: Instant) -> None:
        """The utility asks for what the fleet can do, and limits one feeder to less than its share of it."""
        _, high = self.fleet.able(now)
        natural = self.fleet.natural(now)
        total = float(natural.sum())
        asked = total + 0.5 * (float(high.sum()) - total)
        start, end = self.times.event
        event = openadr_event(round(asked, -3), start, end - start, now)
        rows = self.record.rows_of(_LIMITED)
        share = asked * float(high[rows].sum()) / max(float(high.sum()), 1.0)
        limit = sep2_limit(
            _LIMITED, max(0.5 * share, 1000.0), self.times.limit[0], self.times.limit[1] - self.times.limit[0], now
        )
        self.record.limit = (self.times.limit, limit.values[ControlMode.EXPORT_LIMIT].value)
        for control in (event, limit):
            self._submit(control, now)

    def _regulate(self, now: Instant) -> None:
        capacity = 0.08 * float(self.fleet.out_w.sum())
        self._regulation_w = round(regulation_signal(now - self.times.regulation[0], capacity), -3)
        self._number += 1
        self._submit(dnp3_regulation(self._regulation_w, now, self._number), now)

    def _submit(self, control: Control, now: Instant) -> None:
        """As app/dispatch does: decide, make durable (here: keep), admit."""
        answer, drawn, decisions = self.engine.decide(control, now)
        self.record.decisions += decisions
        self.record.answers.append(answer)
        if answer.will_run:
            self.controls.append(drawn)
            self.engine.admit(drawn, now)

    def _draw_trouble(self) -> None:
        """5 % fail for three to eight minutes in the evening and return; 2 % lie about their state of charge."""
        random = np.random.default_rng(self.seed + 7)
        ids = np.array(self.fleet.ids)
        first, last = self.times.failures
        chosen = random.choice(ids, max(1, round(0.05 * ids.size)), replace=False)
        for name in chosen.tolist():
            start = float(random.uniform(first, last - 480))
            self.broken[name] = (start, start + float(random.uniform(180, 480)))
        stored = ids[np.isfinite(self.fleet.wh) & ~self.fleet.car]
        honest = np.setdiff1d(stored, chosen)
        self.liars = tuple(random.choice(honest, max(1, round(0.02 * ids.size)), replace=False).tolist())


def _night() -> list[LocalSchedule]:
    """Vehicles wait until 7:00: only the floor of their departure makes them charge, as late as they can."""
    return [
        LocalSchedule(
            id=f"night-{number}",
            target=Target(TargetKind.GROUP, f"feeder-{number}-cars"),
            window=DailyWindow(start_s=0, end_s=7 * 3600),
            values={ControlMode.SET_W: ModeValue(0.0)},
        )
        for number in range(1, FEEDERS + 1)
    ]
