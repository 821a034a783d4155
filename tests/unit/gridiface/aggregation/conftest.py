"""A small engine with batteries, and a clockwork around it, for tests of single rules."""

from dataclasses import dataclass, field

import pytest

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Capability, Device, Group, Nameplate
from gridiface.domain.telemetry import Snapshot

#: 2023-11-14 22:13:20 UTC, a Tuesday.
T0 = 1_700_000_000.0


def battery(name, watts=5_000.0, **more):
    """A battery of two hours."""
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    plate = Nameplate(max_w=watts, max_charge_w=watts, energy_wh=2 * watts, capabilities=able)
    return Device(id=name, nameplate=plate, **more)


def ask(name="c1", start=0.0, duration=None, group="all", program=None, authority=0.0, **modes):
    """A control of a group: `ask("c1", set_w=4000)`."""
    rest = {key: modes.pop(key) for key in ("is_default", "is_test", "service_class", "created") if key in modes}
    return Control(
        id=name,
        source=Source(protocol="utility", program=program or name, authority=authority),
        target=Target(TargetKind.GROUP, group),
        values={ControlMode(mode): ModeValue(value) for mode, value in modes.items()},
        interval=Interval(T0 + start, duration),
        **({"created": T0} | rest),
    )


@dataclass
class Bench:
    """One engine; devices do at once what they are told. `outcome`: what becomes of set-points of a device, and
    `takes_s` after how long.

    `silent`: of whom no readings come. `log`: every set-point that left, with its time.
    """

    engine: Engine
    now: float = T0
    told: dict = field(default_factory=dict)
    lies: dict = field(default_factory=dict)
    socs: dict = field(default_factory=dict)
    decisions: list = field(default_factory=list)
    outcomes: list = field(default_factory=list)
    deaf: set = field(default_factory=set)
    silent: set = field(default_factory=set)
    log: list = field(default_factory=list)
    outcome: dict = field(default_factory=dict)
    takes_s: dict = field(default_factory=dict)
    agendas: list = field(default_factory=list)

    def submit(self, control):
        """Decide, and admit what is accepted; the answer."""
        answer, drawn, decisions = self.engine.decide(control, self.now)
        self.decisions += decisions
        if answer.will_run:
            self.engine.admit(drawn, self.now)
        return answer

    def step(self, seconds=1.0, steps=1):
        """Time goes on: telemetry, tick, acknowledgements."""
        for _ in range(steps):
            self.now += seconds
            self.look()
            self.tick()
        return self

    def look(self):
        """One reading of every device."""
        self.engine.observe(
            [
                Snapshot(
                    device_id=device.id,
                    source_time=self.now,
                    received=self.now,
                    w=self.lies.get(device.id, self.told.get(device.id) or 0.0),
                    soc=self.socs.get(device.id, 0.5),
                )
                for device in self.engine.devices()
                if device.id not in self.silent
            ],
            self.now,
        )

    def tick(self):
        """One tick whose set-points are carried out and acknowledged."""
        result = self.engine.tick(self.now)
        self.decisions += result.decisions
        self.outcomes += result.outcomes
        while self.engine.planning:
            self.agendas += self.engine.plan_ahead()
        sent = list(result.setpoints)
        self.log += [(self.now, point) for point in sent]
        for point in sent:
            if point.device_id in self.deaf:
                continue
            if point.active_power_w is not None or point.release or ControlMode.SET_W in point.let_go:
                self.told[point.device_id] = point.active_power_w  # what is not named is left alone
        self.engine.deliver(
            [
                Delivery(
                    device_id=p.device_id,
                    outcome=self._outcome(p),
                    at=self.now + self.takes_s.get(p.device_id, 0.0),
                    setpoint=p,
                )
                for p in sent
            ],
            self.now,
        )
        return sent

    def _outcome(self, point):
        return self.outcome.get(point.device_id, DeliveryOutcome.ACKNOWLEDGED)

    def verdicts(self, signal):
        """What was decided about a signal, in order."""
        return [(one.verdict, one.target.id) for one in self.decisions if one.signal == signal]

    @property
    def total(self):
        """What the devices were told, W."""
        return sum(watts or 0.0 for watts in self.told.values())


@pytest.fixture
def bench():
    """`bench(battery("a"), battery("b"), groups=..., **config)`."""

    def make(*devices, groups=None, socs=None, **config):
        quiet = {"trim_gain": 0.0, "deadband_w": 0.0, "deadband_rel": 0.0, "total_tolerance": 0.0}
        engine = Engine(EngineConfig(**(quiet | config)))
        for device in devices:
            engine.add_device(device, T0)
        engine.set_groups(groups or [Group(id="all", members=tuple(d.id for d in devices))], T0)
        made = Bench(engine, socs=socs or {})
        made.look()
        made.tick()
        return made

    return make
