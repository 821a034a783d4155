"""What the engine looks at with every tick: who is silent or back, the local day, whom to believe, passed limits.

Owned here: when each look is due, and what it says in the record. Not owned: the judgements themselves (health,
plausibility, schedules, throughput), nor the step that follows.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.envelope.timed import renew_departures
from gridiface.aggregation.listening import health
from gridiface.aggregation.listening.intake import Intake
from gridiface.aggregation.listening.plausibility import Plausibility
from gridiface.aggregation.listening.throughput import Throughput
from gridiface.aggregation.running import Running
from gridiface.aggregation.splitting.passing import Passing
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target
from gridiface.aggregation.stepper import Stepper
from gridiface.domain.clock import Instant
from gridiface.domain.controls import OPTED_IN
from gridiface.domain.local_time import DAY_S, day_of

#: Time between looks at who is to be believed, s.
JUDGE_S = 1.0


class Rounds:
    """The looks of one engine."""

    def __init__(
        self,
        columns: Columns,
        config: EngineConfig,
        log: DecisionLog,
        *,
        intake: Intake,
        running: Running,
        stepper: Stepper,
        plausibility: Plausibility,
        schedules: Schedules,
        throughput: Throughput,
    ) -> None:
        self._c, self._config, self._log = columns, config, log
        self._intake, self._running, self._stepper = intake, running, stepper
        self._plausibility, self._schedules, self._throughput = plausibility, schedules, throughput
        self._zone = ZoneInfo(config.timezone)
        self._judged_at: Instant = -np.inf
        self._reconnecting_until: Instant = -np.inf
        self._passing = Passing(columns)

    def make(self, now: Instant) -> bool:
        """All looks that are due; whether something changed that a step must follow."""
        changed = self._watch(now)
        changed |= self._day(now)
        return self._judge(now) or changed

    def restarted(self, now: Instant) -> None:
        """The process has just begun over a known fleet: devices that tell by themselves have to find it again.

        Who registers later has found it.
        """
        self._c.reconnects[:] = self._c.answers
        self._reconnecting_until = now + health.RECONNECTING_S

    def shift_time(self, seconds: float) -> None:
        """The clock was set: distances stay."""
        self._reconnecting_until += seconds

    def next_watch(self, now: Instant) -> Instant | None:
        """When the next device will have been silent for too long, or the next one may come back."""
        return health.next_watch(self._c, self._allowed_silence(now))

    def _allowed_silence(self, now: Instant) -> FloatArray:
        reconnecting = now < self._reconnecting_until
        return health.allowed_silence(self._c, lost_after_s=self._config.lost_after_s, reconnecting=reconnecting)

    def _watch(self, now: Instant) -> bool:
        """Who fell silent, and who may be asked again."""
        lost = health.watch(self._c, now, self._allowed_silence(now))
        for row in lost.tolist():
            self._intake.lose(row, now, self._intake.why_lost(row, now))
        opted = self._c.opted_out.copy()
        back = health.recover(self._c, now)
        for row in back.tolist():
            target, in_again = device_target(self._c.ids[row]), bool(opted[row])
            reason = "it takes part again" if in_again else "asked again after its waiting time"
            self._log.add(now, target, "availability", OPTED_IN if in_again else "returned", reason)
        changed = bool(lost.size or back.size)
        if changed:
            self._stepper.changed()
        return changed

    def _day(self, now: Instant) -> bool:
        """What goes by the local clock: departures, the daily throughput, the schedule."""
        ends = self._throughput.ends
        if now >= ends or now < ends - 2 * DAY_S:
            self._throughput.begin_day(day_of(now, self._zone).end)
        renew_departures(self._c, now, self._zone)
        opened, closed = self._schedules.advance(now)
        for control, verdict in [*((one, "opened") for one in opened), *((one, "closed") for one in closed)]:
            self._log.about(now, control, verdict, "a window of the local schedule")
        changed = bool(opened or closed)
        if changed:
            self._running.replan = True
        return changed

    def _judge(self, now: Instant) -> bool:
        """Once a second: whose telemetry is not believed, and whether what is measured passes a limit."""
        if 0 <= now - self._judged_at < JUDGE_S:
            return False
        self._judged_at = now
        nodes = self._running.plan.nodes()
        changed = self._plausibility.check(nodes, now)
        changed |= self._passing.news(nodes)
        if changed:
            self._stepper.changed()
        return changed

    @property
    def next_look(self) -> Instant:
        """When limits are looked after next; infinity while there are none."""
        limited = any(node.limits.any for node in self._running.plan.nodes())
        return self._judged_at + JUDGE_S if limited else np.inf
