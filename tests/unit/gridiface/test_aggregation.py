"""Invariants of the whole engine on random fleets, signals and orders of arrival; R21 against a reference model."""

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from gridiface.domain.fleet import Capability, Device, Group, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot

T0 = 1_700_000_000.0
ABLE = frozenset({Capability.SET_W, Capability.LIMIT_W})
QUIET = EngineConfig(trim_gain=0.0, deadband_w=0.0, deadband_rel=0.0, total_tolerance=0.0)


def fleet(sizes, ramps):
    return [
        Device(
            id=f"d{at}",
            nameplate=Nameplate(max_w=size, max_charge_w=size / 2, energy_wh=size * 4, capabilities=ABLE),
            settings=Settings(ramp_w_per_s=ramp),
        )
        for at, (size, ramp) in enumerate(zip(sizes, ramps, strict=True))
    ]


def engine_of(devices, soc=0.5, config=QUIET, groups=None):
    engine = Engine(config)
    for device in devices:
        engine.add_device(device, T0)
    engine.set_groups(groups or [Group(id="all", members=tuple(d.id for d in devices))], T0)
    engine.observe([seen(device, 0.0, soc, T0) for device in devices], T0)
    engine.tick(T0)
    return engine


def seen(device, watts, soc, now):
    return Snapshot(device_id=device.id, source_time=now, received=now, w=watts, soc=soc)


def control(name, start=0.0, duration=None, authority=0.0, program=None, created=0.0, target="all", **modes):
    return Control(
        id=name,
        source=Source(protocol="test", program=program or name, authority=authority),
        target=Target(TargetKind.GROUP, target),
        values={ControlMode(mode): ModeValue(value) for mode, value in modes.items()},
        interval=Interval(T0 + start, duration),
        created=T0 + created,
    )


def admit_all(engine, controls, now=T0):
    for one in controls:
        answer, drawn, _ = engine.decide(one, now)
        if answer.will_run:
            engine.admit(drawn, now)


def told(result):
    return {setpoint.device_id: setpoint for setpoint in result.setpoints}


SIZES = st.lists(st.floats(100.0, 1e4), min_size=1, max_size=8)


@st.composite
def programs(draw):
    signals = []
    for at in range(draw(st.integers(1, 5))):
        mode = draw(st.sampled_from(["set_w", "export_limit", "import_limit", "regulation", "set_w_percent"]))
        low, high = {"set_w_percent": (-100, 100)}.get(mode, (-3e4, 3e4) if "limit" not in mode else (0, 3e4))
        authority, created = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        value = draw(st.floats(low, high))
        signals.append(control(f"c{at}", authority=authority, created=created, **{mode: value}))
    return signals


def bounds_of(signals):
    tops = [c.values[ControlMode.EXPORT_LIMIT].value for c in signals if ControlMode.EXPORT_LIMIT in c.values]
    bottoms = [c.values[ControlMode.IMPORT_LIMIT].value for c in signals if ControlMode.IMPORT_LIMIT in c.values]
    return -min(bottoms, default=1e12), min(tops, default=1e12)


@given(sizes=SIZES, signals=programs())
@settings(max_examples=150, deadline=None)
def test_no_limit_is_violated_and_the_sum_is_the_nearest_feasible(sizes, signals):
    devices = fleet(sizes, [None] * len(sizes))
    engine = engine_of(devices)
    admit_all(engine, signals)
    result = engine.tick(T0)
    total = sum(s.active_power_w or 0.0 for s in result.setpoints)
    low, high = bounds_of(signals)
    assert low - 1e-6 <= total <= high + 1e-6
    for device in devices:
        watts = told(result)[device.id].active_power_w if device.id in told(result) else None
        if watts is not None:
            assert -device.max_import_w - 1e-6 <= watts <= device.max_export_w + 1e-6
    wanted = requested(signals, devices)
    if wanted is not None:
        most, least = sum(d.max_export_w for d in devices), -sum(d.max_import_w for d in devices)
        nearest = min(max(wanted, max(low, least)), min(high, most))
        assert total == pytest.approx(nearest, abs=1e-4)


def requested(signals, devices):
    """The reference: who wins by authority, creation, id; regulation on top."""

    def winner(*modes):
        rivals = [c for c in signals if any(mode in c.values for mode in modes)]
        return max(rivals, key=lambda c: (c.source.authority, c.created, c.id), default=None)

    power = winner(ControlMode.SET_W, ControlMode.SET_W_PERCENT)
    regulation = winner(ControlMode.REGULATION)
    if power is None and regulation is None:
        return None
    total = 0.0
    if power is not None and ControlMode.SET_W in power.values:
        total = power.values[ControlMode.SET_W].value
    elif power is not None:
        percent = power.values[ControlMode.SET_W_PERCENT].value
        base = sum(d.max_import_w if percent < 0 else d.max_export_w for d in devices)
        total = percent / 100 * base
    return total + (regulation.values[ControlMode.REGULATION].value if regulation is not None else 0.0)


@given(sizes=SIZES, signals=programs(), seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_the_order_of_arrival_does_not_matter(sizes, signals, seed):
    devices = fleet(sizes, [None] * len(sizes))
    shuffled = random.Random(seed).sample(signals, len(signals))
    ends = []
    for order in (signals, shuffled):
        engine = engine_of(devices)
        admit_all(engine, order)
        ends.append({s.device_id: s.active_power_w for s in engine.tick(T0).setpoints})
    assert ends[0] == pytest.approx(ends[1])


@given(sizes=SIZES, signals=programs(), data=st.data())
@settings(max_examples=80, deadline=None)
def test_removing_a_limit_never_tightens(sizes, signals, data):
    devices = fleet(sizes, [None] * len(sizes))
    limits = [c for c in signals if bounds_of([c]) != (-1e12, 1e12)]
    if not limits:
        return
    removed = data.draw(st.sampled_from(limits))
    totals = []
    for chosen in (signals, [c for c in signals if c is not removed]):
        engine = engine_of(devices)
        admit_all(engine, [*chosen, control("base", set_w=5_000.0, authority=9)])
        totals.append(sum(s.active_power_w or 0.0 for s in engine.tick(T0).setpoints))
    wanted = requested([*signals, control("base", set_w=5_000.0, authority=9)], devices)
    assert abs(totals[1] - wanted) <= abs(totals[0] - wanted) + 1e-6


@given(
    sizes=st.lists(st.floats(500.0, 1e4), min_size=1, max_size=5),
    ramps=st.lists(st.floats(10.0, 500.0), min_size=5, max_size=5),
    targets=st.lists(st.floats(-2e4, 2e4), min_size=1, max_size=4),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_ramp_is_exceeded(sizes, ramps, targets):
    devices = fleet(sizes, ramps[: len(sizes)])
    engine = engine_of(devices)
    position = dict.fromkeys((d.id for d in devices), 0.0)
    goal = dict(position)
    now = T0
    for number, target in enumerate(targets):
        name = f"c{number}"
        admit_all(engine, [control(name, start=now - T0, created=now - T0, program="p", set_w=target)], now)
        for _ in range(8):
            for device in devices:
                ramp = device.settings.ramp_w_per_s
                move = max(-ramp, min(ramp, goal[device.id] - position[device.id]))
                position[device.id] += move
            engine.observe([seen(d, position[d.id], 0.5, now) for d in devices], now)
            for setpoint in engine.tick(now).setpoints:
                goal[setpoint.device_id] = setpoint.active_power_w
                ramp = next(d for d in devices if d.id == setpoint.device_id).settings.ramp_w_per_s
                assert abs(setpoint.active_power_w - position[setpoint.device_id]) <= 5.0 * ramp + 1e-6
            now += 1.0


def acknowledge(engine, result, now):
    engine.deliver(
        [
            Delivery(device_id=s.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=now, setpoint=s)
            for s in result.setpoints
        ],
        now,
    )


class Model:
    """What one program's events must come to, told in a dozen lines: the reference for the life cycle."""

    def __init__(self):
        self.events = {}
        self.log = {}
        self.begun = set()

    def submit(self, event, now):
        rules = [e for e in self.running(now) if e.created > event.created and self.overlap(e, event)]
        if event.id in self.log or event.span.end <= now or rules:
            return False
        self.events[event.id] = event
        self.log[event.id] = ["RECEIVED"]
        return True

    def cancel(self, name):
        if name in self.events:
            self.log[name].append("CANCELLED")
            del self.events[name]

    @staticmethod
    def overlap(one, other):
        return one.span.start < other.span.end and other.span.start < one.span.end

    def running(self, now):
        return [event for event in self.events.values() if event.id in self.begun]

    def advance(self, now):
        edges = {edge for e in self.events.values() for edge in (e.span.start, e.span.end) if edge <= now}
        for edge in sorted(edges | {now}):
            for event in list(self.events.values()):
                if event.span.end <= edge:
                    self.log[event.id].append("COMPLETED")
                    del self.events[event.id]
            self.begun.update(event.id for event in self.events.values() if event.span.start <= edge)
            for ruler in self.running(now):
                for other in list(self.events.values()):
                    if ruler.id in self.events and ruler.created > other.created and self.overlap(ruler, other):
                        self.log[other.id].append("SUPERSEDED")
                        del self.events[other.id]
        # Of two that start at the same instant the older one is superseded without having been carried out.
        for event in self.running(now):
            if "STARTED" not in self.log[event.id]:
                self.log[event.id].append("STARTED")


@pytest.mark.parametrize("seed", range(40))
def test_event_sequences_agree_with_the_reference_model(seed):
    """Duplicate, late, out-of-order, cancelled, superseding and randomised events, across restarts (one program)."""
    dice = random.Random(seed)
    devices = fleet([5_000.0, 5_000.0], [None, None])
    engine, model, durable, outcomes = engine_of(devices), Model(), {}, []
    now = T0
    for number in range(40):
        now += dice.choice([0.5, 1.0, 2.0])
        for due in sorted({now, *ticks_until(engine, now)}):
            engine.observe([seen(d, 0.0, 0.5, due) for d in devices], due)
            model.advance(due)
            turn(engine, outcomes, due)
        action = dice.random()
        if action < 0.5:
            known = dice.choice(sorted(durable)) if durable and dice.random() < 0.15 else f"c{number:02d}"
            start = now - T0 + dice.choice([-6.0, -1.0, 0.7, 3.0, 6.0])
            event = control(known, start, dice.choice([3.0, 7.0]), program="p", created=number, set_w=float(number))
            answer, drawn, _ = engine.decide(event, now)
            assert answer.will_run == model.submit(drawn, now), (seed, number, answer)
            if answer.will_run:
                durable[drawn.id] = drawn
                engine.admit(drawn, now)
        elif action < 0.65 and durable:
            name = dice.choice(sorted(durable))
            engine.cancel(name, now)
            model.cancel(name)
        elif action < 0.75:
            turn(engine, outcomes, now)
            model.advance(now)
            engine = engine_of(devices)
            engine.observe([seen(d, 0.0, 0.5, now) for d in devices], now)
            engine.restore(durable.values(), outcomes, now)
        turn(engine, outcomes, now)
        model.advance(now)
    told_of = {}
    for outcome in outcomes:
        if outcome.device_id is None:
            told_of.setdefault(outcome.control_id, []).append(outcome.kind.name)
    assert told_of == model.log


def turn(engine, outcomes, now):
    """One tick whose set-points are all acknowledged."""
    result = engine.tick(now)
    outcomes.extend(result.outcomes)
    acknowledge(engine, result, now)
    outcomes.extend(engine.tick(now).outcomes)


def ticks_until(engine, now):
    """The instants at which the engine's own edges fall before `now`."""
    return [
        edge
        for one in engine.controls()
        if one.state.value in ("scheduled", "active")
        for edge in (one.span.start, one.span.end)
        if engine._now < edge <= now
    ]


GROUPS = [
    Group(id="all", members=("d0",), max_export_w=15_000.0),
    Group(id="east", members=("d1", "d2"), parent="all"),
    Group(id="inner", members=("d3", "d4"), parent="east"),
    Group(id="west", members=("d5", "d6"), parent="all", max_import_w=3_000.0),
]


@st.composite
def everywhere(draw):
    signals = []
    for at in range(draw(st.integers(1, 7))):
        mode = draw(st.sampled_from(["set_w", "export_limit", "import_limit", "regulation", "generation_limit"]))
        value = draw(st.floats(0, 1.5e4) if "limit" in mode else st.floats(-1.5e4, 1.5e4))
        where = draw(st.sampled_from(["all", "east", "inner", "west", "d0", "d1", "d3", "d5"]))
        kind = TargetKind.DEVICE if where.startswith("d") else TargetKind.GROUP
        one = control(f"c{at}", authority=draw(st.integers(0, 2)), **{mode: value})
        signals.append(replace(one, target=Target(kind, where)))
    return signals


@given(
    sizes=st.lists(st.floats(100.0, 1e4), min_size=7, max_size=7),
    signals=everywhere(),
    strategy=st.sampled_from(["water-filling", "merit-order", "proportional", "soc-balancing", "fewest-units"]),
)
@settings(max_examples=120, deadline=None)
def test_limits_nest_in_a_tree_of_groups_and_devices(sizes, signals, strategy):
    devices = fleet(sizes, [None] * 7)
    groups = [replace(group, strategy=strategy) for group in GROUPS]
    engine = engine_of(devices, groups=groups)
    admit_all(engine, signals)
    watts = {name: setpoint.active_power_w or 0.0 for name, setpoint in told(engine.tick(T0)).items()}
    for device in devices:
        low, high = bounds_of([c for c in signals if c.target.id == device.id])
        assert max(low, -device.max_import_w) - 1e-5 <= watts.get(device.id, 0.0)
        assert watts.get(device.id, 0.0) <= min(high, device.max_export_w) + 1e-5
    for group in groups:
        mine = [c for c in signals if c.target.id == group.id]
        low, high = bounds_of(mine)
        low, high = max(low, -(group.max_import_w or 1e12)), min(high, group.max_export_w or 1e12)
        powers = [watts.get(name, 0.0) for name in engine.members(group.id)]
        assert low - 1e-5 <= sum(powers) <= high + 1e-5
        most = min(
            (c.values[ControlMode.GENERATION_LIMIT].value for c in mine if "generation_limit" in c.values), default=1e12
        )
        if group.id in ("inner", "west"):  # around a group with a target of its own that group's net counts
            assert sum(max(power, 0.0) for power in powers) <= most + 1e-5


@given(
    start=st.lists(st.floats(0.1, 0.9), min_size=3, max_size=3),
    targets=st.lists(st.floats(-4e4, 4e4), min_size=1, max_size=4),
    strategy=st.sampled_from(["water-filling", "merit-order", "proportional", "soc-balancing", "fewest-units"]),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_state_of_charge_leaves_its_window(start, targets, strategy):
    """Three batteries of a quarter of an hour do what they are told for hours, whatever that is."""
    plate = Nameplate(max_w=1e4, max_charge_w=1e4, energy_wh=2_500.0, capabilities=ABLE)
    settings_ = Settings(soc_min=0.1, soc_max=0.9)
    devices = [Device(id=f"d{at}", nameplate=plate, settings=settings_) for at in range(3)]
    engine = Engine(replace(QUIET, strategy=strategy, hold_time_s=60.0))
    for device in devices:
        engine.add_device(device, T0)
    engine.set_groups([Group(id="all", members=tuple(d.id for d in devices), strategy=strategy)], T0)
    soc, power, now = dict(zip((d.id for d in devices), start, strict=True)), dict.fromkeys(["d0", "d1", "d2"], 0.0), T0
    for number, target in enumerate(targets):
        admit_all(engine, [control(f"c{number}", now - T0, created=number, program="p", set_w=target)], now)
        for _ in range(60):
            now += 20.0
            soc = {name: left - power[name] * 20.0 / 3600.0 / 2_500.0 for name, left in soc.items()}
            assert all(0.1 - 1e-3 <= left <= 0.9 + 1e-3 for left in soc.values()), soc
            engine.observe([seen(d, power[d.id], soc[d.id], now) for d in devices], now)
            result = engine.tick(now)
            for setpoint in result.setpoints:
                power[setpoint.device_id] = setpoint.active_power_w or 0.0
            acknowledge(engine, result, now)
