"""A simulated world around one engine: devices with ramp and stored energy, a dispatcher that may fail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.tick_result import TickResult
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Decision,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    Outcome,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group, Nameplate, Settings
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Quality, Snapshot

START = 1_700_000_000.0

#: What the drawn stories of one test may take on a machine that is busy with other tests, s: they are work for half a
#: minute alone. And several hundred of them (GRIDIFACE_THOROUGH=1; see stories.py).
DRAWN_S, THOROUGH_S = 480.0, 3_600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drawn tests are long ones, thorough runs longer: the usual time of a test is not theirs."""
    longest_s = THOROUGH_S if os.environ.get("GRIDIFACE_THOROUGH") == "1" else DRAWN_S
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(longest_s))


@dataclass
class Unit:
    """One simulated device."""

    device: Device
    soc: float = 0.6
    w: float = 0.0
    natural_w: float = 0.0
    told_w: float | None = None
    ceiling_w: float | None = None
    efficiency: float = 1.0
    dead: bool = False
    undone: frozenset[str] = frozenset()
    #: Readings do not come; neither do answers to commands, and it goes on with what it holds; only these do not come;
    #: its owner has it.
    unread: bool = False
    hung: bool = False
    deaf: bool = False
    local: bool = False
    #: Its owner took it when nothing came from it any more: nobody can know, and it says yes to what it is told.
    unseen: bool = False
    #: So long after it was told last it goes its own way again, s; when that was, and what it holds since.
    revert_s: float | None = None
    told_at: float = START
    holds: Setpoint | None = None
    soc_error: float = 0.0
    #: Its readings are beyond all it can do.
    odd: bool = False
    #: What it does by itself, var; None: it tells nothing of that. And what it was told.
    natural_var: float | None = None
    told_var: float | None = None
    writes: int = 0
    largest_move: float = 0.0

    def take(self, setpoint: Setpoint) -> None:
        """Do as told; what the set-point does not name is left alone."""
        self.told_at, self.holds = setpoint.issued, None if setpoint.release else setpoint
        if setpoint.active_power_w is not None or setpoint.release or ControlMode.SET_W in setpoint.let_go:
            self.told_w = setpoint.active_power_w
        if setpoint.reactive_power_var is not None or setpoint.release or ControlMode.SET_VAR in setpoint.let_go:
            self.told_var = setpoint.reactive_power_var
        if setpoint.ceiling_w is not None or setpoint.release or ControlMode.MAX_W_PERCENT in setpoint.let_go:
            self.ceiling_w = setpoint.ceiling_w

    @property
    def var(self) -> float:
        """What it does, var: at once what it is told."""
        by_owner = self.local or self.told_var is None
        return (self.natural_var or 0.0) if by_owner else self.told_var or 0.0

    @property
    def reached(self) -> bool:
        """Whether commands get through to it."""
        return not (self.dead or self.hung or self.deaf)

    def goal(self, *, by_owner: bool) -> float:
        """Where it is going, W: by what it holds, or as its owner has it."""
        goal = self.natural_w if self.told_w is None or by_owner else self.told_w * self.efficiency
        if self.ceiling_w is not None and not by_owner:
            goal = min(goal, self.ceiling_w)
        if self.device.kind is DeviceKind.PV:  # there is no more sun for being told so, nor more demand
            goal = min(goal, max(self.natural_w, 0.0))
        elif self.device.kind is DeviceKind.LOAD:
            goal = max(goal, min(self.natural_w, 0.0))
        return min(max(goal, -self.device.max_import_w), self.device.max_export_w)

    def advance(self, seconds: float, now: float) -> None:
        """Let time pass."""
        if self.dead:
            self.w = 0.0
            return
        if self.revert_s is not None and now - self.told_at >= self.revert_s:
            self.told_w = self.ceiling_w = self.holds = None
        goal = self.goal(by_owner=self.local)
        ramp = self.device.settings.ramp_w_per_s or 1e12
        move = max(-ramp * seconds, min(ramp * seconds, goal - self.w))
        self.largest_move = max(self.largest_move, abs(move) / seconds)
        self.w += move
        if self.device.nameplate.energy_wh:
            self.soc -= self.w * seconds / 3600.0 / self.device.nameplate.energy_wh


@dataclass
class World:
    """Engine, devices and the record of all that happened."""

    engine: Engine
    units: dict[str, Unit]
    now: float = START
    told: list[Setpoint] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    intervals: list[PerformanceInterval] = field(default_factory=list)
    controls: dict[str, Control] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    step_s: float = 0.5
    meter: Callable[[], float] | None = None
    #: What one meter among several shows, W and var.
    meters: dict[str, Callable[[], tuple[float, float]]] = field(default_factory=dict)

    def submit(self, control: Control) -> None:
        """Decide and admit, as the app does."""
        answer, drawn, decisions = self.engine.decide(control, self.now)
        assert answer.will_run, answer
        self.controls[control.id] = drawn
        self.decisions.extend(decisions)
        self.engine.admit(drawn, self.now)

    def run(self, seconds: float) -> None:
        """Let the world go on."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += self.step_s
            for unit in self.units.values():
                unit.advance(self.step_s, self.now)
            self.observe()
            self.dispatch(self.engine.tick(self.now))
            self.reassert()

    def reassert(self) -> None:
        """Tell devices again what they hold before their timers run out, once half of the time is over."""
        for unit in self.units.values():
            held = unit.holds
            if unit.revert_s is None or held is None or self.now - unit.told_at < unit.revert_s / 2:
                continue
            unit.holds = None
            outcome = DeliveryOutcome.TIMEOUT
            if unit.reached:
                outcome, unit.told_at, unit.holds = DeliveryOutcome.ACKNOWLEDGED, self.now, held
            else:
                lost = Delivery(device_id=unit.device.id, outcome=outcome, at=self.now, setpoint=held, attempts=3)
                self.engine.deliver([lost], self.now)

    def observe(self) -> None:
        """One poll of every device."""
        read = [unit for unit in self.units.values() if not (unit.unread or unit.hung)]
        self.engine.observe([self.snapshot(unit) for unit in read], self.now)

    def snapshot(self, unit: Unit) -> Snapshot:
        """What one poll of a device finds."""
        quality = Quality.BAD if unit.dead else Quality.GOOD
        storage = unit.device.nameplate.energy_wh is not None
        watts = self.meter() if unit.device.kind is DeviceKind.METER and self.meter else unit.w
        var = None if unit.natural_var is None else unit.var
        if unit.device.id in self.meters:
            watts, var = self.meters[unit.device.id]()
        watts += 10.0 * unit.device.nameplate.max_w if unit.odd else 0.0
        return Snapshot(
            device_id=unit.device.id,
            source_time=self.now,
            received=self.now,
            quality=quality,
            w=None if unit.dead else watts,
            var=None if unit.dead else var,
            soc=min(max(unit.soc + unit.soc_error, 0.0), 1.0) if storage and not unit.dead else None,
            local_control=unit.local,
        )

    def dispatch(self, result: TickResult) -> None:
        """Carry the set-points out and say what became of them."""
        self.outcomes.extend(result.outcomes)
        self.decisions.extend(result.decisions)
        # As the store does: an interval that is told again takes the place of what was told of it.
        kept = {(one.control_id, one.target_id, one.start): one for one in (*self.intervals, *result.performance)}
        self.intervals = list(kept.values())
        deliveries = []
        for setpoint in result.setpoints:
            unit = self.units[setpoint.device_id]
            self.told.append(setpoint)
            unit.writes += 1
            if not unit.reached:
                outcome = DeliveryOutcome.TIMEOUT
            else:
                outcome = DeliveryOutcome.ACKNOWLEDGED
                unit.take(setpoint)
            undone = frozenset() if unit.dead else unit.undone
            deliveries.append(
                Delivery(
                    device_id=setpoint.device_id,
                    outcome=outcome,
                    at=self.now,
                    setpoint=setpoint,
                    attempts=3,
                    detail="too many points" if undone else "",
                    undone=undone,
                )
            )
        if deliveries:
            self.engine.deliver(deliveries, self.now)

    @property
    def aside(self) -> set[str]:
        """The devices in quarantine, as the record tells it."""
        said = {d.target.id: d.verdict for d in self.decisions if d.verdict in ("quarantined", "released")}
        return {name for name, verdict in said.items() if verdict == "quarantined"}

    @property
    def total(self) -> float:
        """What the fleet really delivers, W."""
        return sum(unit.w for unit in self.units.values() if unit.device.kind is not DeviceKind.METER)

    def rate(self, name: str, watts: float) -> None:
        """A device is set to another most power, as its owner may do at any time."""
        unit = self.units[name]
        unit.device = replace(unit.device, settings=replace(unit.device.settings, max_w=watts))
        self.engine.add_device(unit.device, self.now)

    def quarantine(self, name: str) -> None:
        """An operator does not believe a device."""
        self.engine.desk.quarantine(name, self.now)

    def release(self, name: str) -> None:
        """An operator believes it again."""
        self.engine.desk.believe(name, self.now)

    def restart(self) -> None:
        """Lose the engine and make a new one from what is durable."""
        aside = self.aside
        self.engine = Engine()
        for unit in self.units.values():
            self.engine.add_device(unit.device, self.now)
        self.engine.set_groups(self.groups, self.now)
        self.engine.restore(self.controls.values(), self.outcomes, self.now)
        for name in aside:
            self.quarantine(name)

    def kinds(self, control_id: str, device_id: str | None = None) -> list[str]:
        """The steps that were told of a control, in order."""
        return [o.kind.name for o in self.outcomes if o.control_id == control_id and o.device_id == device_id]


def battery(name: str, **changes: object) -> Device:
    """A 5 kW, 10 kWh battery."""
    values: dict[str, object] = {"max_w": 5000.0, "max_charge_w": 5000.0, "energy_wh": 10_000.0, "max_va": 5000.0}
    ramp = changes.pop("ramp_w_per_s", None)
    rest = {key: changes.pop(key) for key in ("kind", "tier", "traits", "phases") if key in changes}
    values |= changes
    able = values.pop("capabilities", frozenset({Capability.SET_W, Capability.LIMIT_W}))
    plate = Nameplate(capabilities=able, **values)  # type: ignore[arg-type]
    return Device(id=name, nameplate=plate, settings=Settings(ramp_w_per_s=ramp), **rest)  # type: ignore[arg-type]


@pytest.fixture
def make_world() -> Callable[..., World]:
    """A world of batteries in the group "all", with further groups on request."""

    def make(
        count: int = 20,
        devices: Iterable[Device] = (),
        groups: Iterable[Group] = (),
        config: EngineConfig | None = None,
        **changes: object,
    ) -> World:
        fleet = [*devices] or [battery(f"b{at:02d}", **changes) for at in range(count)]
        engine = Engine(config)
        made = tuple(groups) or (Group(id="all", members=tuple(device.id for device in fleet)),)
        for device in fleet:
            engine.add_device(device, START)
        engine.set_groups(made, START)
        world = World(engine, {device.id: Unit(device) for device in fleet}, groups=made)
        world.observe()
        world.dispatch(engine.tick(START))
        return world

    return make


@pytest.fixture
def make_battery() -> Callable[..., Device]:
    """See `battery`."""
    return battery


@pytest.fixture
def ask() -> Callable[..., Control]:
    """A control on a group: `ask("c1", set_w=20000)`."""

    def make(
        name: str,
        *,
        target: str = "all",
        device: str | None = None,
        at: float = 5.0,
        duration: float | None = 60.0,
        authority: float = 0.0,
        program: str = "p1",
        protocol: str = "utility",
        created: float = START,
        values: dict[ControlMode, ModeValue] | None = None,
        **modes: float,
    ) -> Control:
        extra = {
            key: modes.pop(key)
            for key in ("ramp_s", "service_class", "randomize_start_s", "randomize_duration_s", "is_default")
            if key in modes
        }
        named = {ControlMode(mode): ModeValue(float(value)) for mode, value in modes.items()} | (values or {})
        where = Target(TargetKind.GROUP, target) if device is None else Target(TargetKind.DEVICE, device)
        return Control(
            id=name,
            source=Source(protocol=protocol, program=program, authority=authority),
            target=where,
            values=named,
            interval=Interval(START + at, duration),
            created=created,
            **extra,  # type: ignore[arg-type]
        )

    return make
