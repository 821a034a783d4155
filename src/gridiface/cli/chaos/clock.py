"""R18: the clock is set by an hour, a day, a leap second, or summer time begins or ends, while events run.

Each case is the product's own timer loop and engine on a clock that jumps; they run at once, in real time. The rule is
the wall clock: an event begins when the clock shows its start, ends when it shows its end, and does both once.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.app.process.timers import TimerLoop
from gridiface.cli.chaos.engine_world import ask, batteries
from gridiface.cli.chaos.scenario import Finding, Plan, Scenario
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, Delivery, DeliveryOutcome, ModeValue, Target, TargetKind
from gridiface.domain.fleet import Group
from gridiface.domain.local_time import DailyWindow
from gridiface.domain.schedule import LocalSchedule
from gridiface.domain.telemetry import Snapshot

#: An event starts and stops within so many seconds of the rule.
ALLOWED_S = 1.0
_EVENT_W = 4_000.0


@dataclass(frozen=True, slots=True)
class Case:
    """One way in which clocks are set.

    Attributes:
        name: for people.
        jumps: (seconds of real time, seconds by which the clock is set then).
        start, end: of the event, seconds on the clock after its beginning.
        began: what the clock shows at the beginning.
        alarms: how many jumps must have been noticed.
        by_schedule: the event is a window of the local schedule in `zone`, not a control.
    """

    name: str
    jumps: tuple[tuple[float, float], ...]
    start: float
    end: float
    began: Instant = 1_700_000_000.0
    alarms: int = 1
    by_schedule: bool = False
    zone: str = "UTC"


def _at(text: str) -> Instant:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


CASES = (
    Case("an hour forwards before the start", ((0.5, 3600.0),), 3602.0, 3604.0),
    Case("an hour backwards before the start", ((1.0, -3600.0), (2.0, 3600.0)), 2.5, 4.5, alarms=2),
    Case("an hour forwards past the end of a running event", ((2.0, 3600.0),), 1.0, 900.0),
    Case("an hour backwards while an event runs, and back", ((1.5, -3600.0), (3.0, 3600.0)), 1.0, 4.5, alarms=2),
    Case("a day forwards while an event runs", ((2.0, 86_400.0),), 1.0, 600.0),
    Case("a day backwards while an event runs, and back", ((1.5, -86_400.0), (2.5, 86_400.0)), 1.0, 4.0, alarms=2),
    Case("half a minute forwards while an event runs", ((2.0, 30.0),), 1.0, 33.5),
    Case("a leap second while an event runs", ((2.0, -1.0),), 1.0, 3.0),
    Case("a leap second just before the start", ((1.0, -1.0),), 1.5, 3.0),
    Case(
        "summer time begins: an event goes by UTC",
        (),
        1.0,
        3.0,
        began=_at("2026-03-29T00:59:58"),
        alarms=0,
        zone="Europe/Berlin",
    ),
    Case(
        "summer time ends: a window of the repeated hour opens once",
        ((3.5, 3595.0),),
        2.0,
        3.0,
        began=_at("2026-10-25T00:29:58"),
        by_schedule=True,
        zone="Europe/Berlin",
    ),
)


@dataclass(slots=True)
class Clock:
    """A wall clock that can be set, and a monotonic one that cannot."""

    began: Instant
    offset: float = 0.0
    _real: float = field(default_factory=time.monotonic)

    def now(self) -> Instant:
        """What it shows."""
        return self.began + (time.monotonic() - self._real) + self.offset

    def monotonic(self) -> float:
        """Real seconds."""
        return time.monotonic()


class Run:
    """One case under way."""

    def __init__(self, case: Case) -> None:
        self.case, self.clock = case, Clock(case.began)
        self._devices = batteries(2)
        self.engine = Engine(EngineConfig(timezone=case.zone, trim_gain=0.0))
        self.commands: list[tuple[float, float]] = []  # (what the clock showed less its beginning, W)
        self.alarms = 0
        self.outcomes: list[str] = []

    async def live(self, seconds: float) -> None:
        """Live through it."""
        now = self.clock.now()
        for device in self._devices:
            self.engine.add_device(device, now)
        self.engine.set_groups([Group(id="fleet", members=tuple(device.id for device in self._devices))], now)
        self._ask(now)
        loop = TimerLoop(self.clock, 0.5, self._step, due=self.engine.next_timer, jumped=self.engine.clock_set)
        task = asyncio.create_task(loop.run())
        elapsed = 0.0
        for at, by in (*self.case.jumps, (seconds, 0.0)):
            await asyncio.sleep(max(0.0, at - elapsed))
            elapsed = at
            self.clock.offset += by
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _ask(self, now: Instant) -> None:
        case = self.case
        if not case.by_schedule:
            control = ask("event", case.began + case.start, case.end - case.start, created=now, set_w=_EVENT_W)
            self.engine.admit(control, now)
            return
        # 02:30:00 to 02:30:01 of the hour that comes twice.
        window = DailyWindow(start_s=2 * 3600 + 1800, end_s=2 * 3600 + 1801)
        target = Target(TargetKind.GROUP, "fleet")
        values = {ControlMode.SET_W: ModeValue(_EVENT_W)}
        self.engine.desk.set_schedules([LocalSchedule(id="s", target=target, window=window, values=values)], now)

    def _step(self, now: Instant) -> None:
        told = [self.engine.setpoint(device.id) for device in self._devices]
        watts = [0.0 if one is None else one.active_power_w or 0.0 for one in told]
        self.engine.observe(
            [
                Snapshot(device_id=device.id, source_time=now, received=now, w=w, soc=0.5)
                for device, w in zip(self._devices, watts, strict=True)
            ],
            now,
        )
        result = self.engine.tick(now)
        sent = list(result.setpoints)
        if sent:
            total = sum(one.active_power_w or 0.0 for one in sent)
            self.commands.append((now - self.case.began, total))
        self.alarms += sum(one.signal == "clock" for one in result.decisions)
        self.outcomes += [one.kind.name for one in result.outcomes if one.device_id is None]
        done = [Delivery(device_id=s.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=now, setpoint=s) for s in sent]
        self.engine.deliver(done, now)

    def checks(self) -> dict[str, bool]:
        """What must hold of it."""
        case = self.case
        starts = [at for at, watts in self.commands if watts > 1.0]
        stops = [at for at, watts in self.commands if watts <= 1.0]
        jumped_over = any(by > case.end - case.start for _, by in case.jumps)
        late = max(by for _, by in case.jumps) if jumped_over else 0.0
        once = len(starts) == 1 and len(stops) == 1
        started = bool(starts) and case.start <= starts[0] + 0.01 and starts[0] - case.start <= ALLOWED_S
        # A clock that jumped over the end shows at once that it has passed.
        stopped = bool(stops) and case.end <= stops[0] + 0.01 and stops[0] - case.end <= ALLOWED_S + late
        told = case.by_schedule or self.outcomes == ["RECEIVED", "STARTED", "COMPLETED"]
        return {
            f"{case.name}: starts on time": started,
            f"{case.name}: stops on time": stopped,
            f"{case.name}: nothing twice": once and told,
            f"{case.name}: noticed": self.alarms == case.alarms,
        }


async def _all() -> list[Run]:
    runs = [Run(case) for case in CASES]
    await asyncio.gather(*(run.live(6.0) for run in runs))
    return runs


def run(plan: Plan) -> Finding:
    """All cases at once; the full form ten times over."""
    finding = Finding()
    lateness: list[float] = []
    for _ in range(plan.count(1, 10)):
        for one in asyncio.run(_all()):
            for name, held in one.checks().items():
                finding.checks[name] = finding.checks.get(name, True) and held
            if one.commands:
                lateness.append(one.commands[0][0] - one.case.start)
    finding.figures = {"cases": len(CASES), "latest_start_s": round(max(lateness, default=0.0), 3)}
    return finding


SCENARIO = Scenario("clock", "R18", "clocks set by an hour, a day, a leap second, summer time, while events run", run)
