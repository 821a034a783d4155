"""An engine over a simulated fleet in simulated time, shared by scenarios. Not a scenario itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Decision,
    Delivery,
    ModeValue,
    Outcome,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Capability, Device, Group, Nameplate, Settings
from gridiface.simulation.fleet.physics import SimulatedFleet

START: Instant = 1_700_000_000.0
_ABLE = frozenset({Capability.SET_W, Capability.LIMIT_W})


def batteries(count: int, watts: float = 5_000.0) -> list[Device]:
    """Batteries of four hours that reach full power in two seconds."""
    plate = Nameplate(max_w=watts, max_charge_w=watts, energy_wh=4 * watts, capabilities=_ABLE)
    settings = Settings(ramp_w_per_s=watts / 2)
    return [Device(id=f"d{at:05d}", nameplate=plate, settings=settings) for at in range(count)]


def ask(
    name: str, start: Instant, duration: float | None, *, program: str = "", created: Instant = START, **modes: float
) -> Control:
    """A control of the whole fleet: `ask("c1", START, 60.0, set_w=1000.0)`."""
    return Control(
        id=name,
        source=Source(protocol="chaos", program=program or name),
        target=Target(TargetKind.GROUP, "fleet"),
        values={ControlMode(mode): ModeValue(value) for mode, value in modes.items()},
        interval=Interval(start, duration),
        created=created,
    )


@dataclass(slots=True)
class EngineWorld:
    """Devices, the engine, and the record. `apply` may be replaced to let deliveries go wrong."""

    devices: list[Device]
    config: EngineConfig = field(default_factory=EngineConfig)
    seed: int = 1
    now: Instant = START
    step_s: float = 1.0
    fleet: SimulatedFleet = field(init=False)
    engine: Engine = field(init=False)
    apply: Callable[[Iterable[Setpoint], Instant], list[Delivery]] = field(init=False)
    decisions: list[Decision] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fleet = SimulatedFleet(self.devices, START, seed=self.seed)
        self.fleet.soc[:] = 0.6
        self.fleet.w[:] = 0.0
        self.apply = self.fleet.apply
        self.engine = self.fresh_engine()
        self.engine.observe(self.fleet.snapshots(self.now), self.now)
        self.engine.tick(self.now)

    def fresh_engine(self) -> Engine:
        """An engine that knows the devices and nothing else, as after a start."""
        engine = Engine(self.config, seed=self.seed)
        for device in self.devices:
            engine.add_device(device, self.now)
        engine.set_groups([Group(id="fleet", members=tuple(device.id for device in self.devices))], self.now)
        return engine

    def submit(self, control: Control) -> Control:
        """Decide and admit; the control as admitted."""
        _, drawn, decisions = self.engine.decide(control, self.now)
        self.decisions += decisions
        self.engine.admit(drawn, self.now)
        return drawn

    def step(self) -> None:
        """One step of time: the fleet moves, is read, and is told."""
        self.now += self.step_s
        self.fleet.advance(self.step_s, self.now)
        self.engine.observe(self.fleet.snapshots(self.now), self.now)
        result = self.engine.tick(self.now)
        self.decisions += result.decisions
        self.outcomes += result.outcomes
        sent = list(result.setpoints)
        if sent:
            self.engine.deliver(self.apply(sent, self.now), self.now)

    @property
    def total(self) -> float:
        """What the fleet really delivers, W."""
        return float(np.sum(self.fleet.w))
