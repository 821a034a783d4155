"""How long one control step takes: its numbers alone, and the whole step of the product with its records.

Garbage is collected as in a server that runs: between the steps, and told apart from them.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.listening.soc_audit import SocAudit
from gridiface.aggregation.splitting.numeric import columns_of, control_step, fleet_of
from gridiface.aggregation.state.log import DecisionLog
from gridiface.app.process.collector import Collector, calm
from gridiface.cli.bench.single_controls import singles
from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    Delivery,
    DeliveryOutcome,
    ModeValue,
    ServiceClass,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Group
from gridiface.domain.telemetry import Snapshot
from gridiface.simulation.load.figures import percentile, report, spread

_START = 1_700_000_000.0
#: A regulation signal comes every so many seconds.
_PERIOD_S = 4.0


def measure(runs: int, sizes: tuple[int, ...], *, groups: int, controls: int = 0) -> dict[str, Any]:
    """See `gridiface bench control-step`."""
    figures: dict[str, Any] = {}
    for size in sizes:
        few = max(20, min(runs, 10_000_000 // size))
        figures[str(size)] = {
            "numbers": _numbers(size, few),
            "product": _product(size, few, groups),
            "ahead": _ahead(size, groups),
        }
        if controls:
            figures[str(size)]["singles"] = singles(engine_of(size, groups), min(controls, size), _START + 30.0)
    work = {"runs": runs, "sizes": list(sizes), "groups": groups, "targets": "random, every step another"}
    work |= {"controls": controls} if controls else {}
    return report("control-step", work, figures)


def _numbers(size: int, runs: int) -> dict[str, Any]:
    """Envelope, water-filling, closed-form look-ahead, dead-band, and the audit of simulated state of charge."""
    columns = columns_of(size, _START)
    columns.soc_reported[:] = columns.soc
    columns.told[:] = True
    config, log = EngineConfig(deadband_w=100.0), DecisionLog()
    audit = SocAudit(columns, log, every_s=_PERIOD_S, limit=1.0)
    most = float(columns.export_w.sum())
    targets = np.random.default_rng(size).uniform(-0.6, 0.6, runs) * most
    now = _START

    def step(at: int) -> int:
        nonlocal now
        now += _PERIOD_S
        done = control_step(columns, float(targets[at]), now, config)
        audit.step(columns.from_w, now)
        log.drain()
        return int(done.send.sum())

    return _timed(step, runs)


def _product(size: int, runs: int, groups: int) -> dict[str, Any]:
    """A regulation command: decided, admitted, split, looked ahead, batched, with its decisions and accounts."""
    tracemalloc.start()
    engine = engine_of(size, groups)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    most = float(engine._c.export_w.sum())
    targets = np.random.default_rng(size + 1).uniform(-0.3, 0.3, runs) * most
    now = _START + 30.0

    def step(at: int) -> int:
        nonlocal now
        now += _PERIOD_S
        control = _control(f"r{at}", now, {ControlMode.REGULATION: ModeValue(float(targets[at]))}, 3 * _PERIOD_S)
        _, drawn, _ = engine.decide(control, now)
        engine.admit(drawn, now)
        return len(engine.tick(now).setpoints)

    found = _timed(step, runs)
    return found | {"memory_bytes_per_device": round(held / size)}


def _ahead(size: int, groups: int) -> dict[str, Any]:
    """All devices hold schedules and four events overlap: what the tick takes that begins a look, and its slices."""
    engine = engine_of(size, groups, slots=8)
    now, ticks, slices, work = _START + 30.0, [], [], []
    calm()
    collector, collected = Collector(), []
    looks = 3
    for at in range(looks):
        now += _PERIOD_S
        for event in range(4):
            start = now + 600.0 + 300.0 * event
            values = {ControlMode.SET_W: ModeValue(1_000.0 * size * (0.2 * event - 0.3))}
            engine.admit(_control(f"e{at}.{event}", start, values, 450.0, ServiceClass.DISPATCH), now)
        began = time.perf_counter()
        engine.tick(now)
        ticks.append(1000 * (time.perf_counter() - began))
        while engine.planning:
            began, before = time.perf_counter(), time.process_time()
            engine.plan_ahead()
            slices.append(1000 * (time.perf_counter() - began))
            work.append(1000 * (time.process_time() - before))
            collected.append(_collected(collector))
    return {
        "tick_milliseconds": spread(ticks),
        "slice_milliseconds": spread(slices),
        "slice_cpu_milliseconds": spread(work),
        "look_cpu_milliseconds": sum(work) / looks,
        "slices": len(slices) // looks,
        "collector_cpu_milliseconds": spread(collected),
    }


def engine_of(size: int, groups: int, *, slots: int = 0) -> Engine:
    """A fleet in a tree of groups, some with limits, that has a set-point and is heard; `slots`: of its schedules."""
    engine = Engine(EngineConfig(lost_after_s=1e6, stale_after_s=1e6, deadband_w=100.0))
    fleet = [replace(device, traits=replace(device.traits, plan_slots=slots)) for device in fleet_of(size)]
    for device in fleet:
        engine.add_device(device, _START)
    parts = [fleet[at::groups] for at in range(groups)] if groups > 1 else []
    inner = [
        Group(
            id=f"feeder-{at}",
            members=tuple(d.id for d in part),
            parent="all",
            max_export_w=0.5 * sum(d.nameplate.max_w for d in part) if at % 4 == 0 else None,
        )
        for at, part in enumerate(parts)
    ]
    whole = () if inner else tuple(device.id for device in fleet)
    engine.set_groups([Group(id="all", members=whole), *inner], _START)
    engine.observe(
        [Snapshot(device_id=d.id, source_time=_START, received=_START, w=0.0, soc=0.5) for d in fleet], _START
    )
    base = _control("base", _START, {ControlMode.SET_W: ModeValue(0.0)}, None, ServiceClass.DISPATCH)
    engine.admit(base, _START)
    batch = engine.tick(_START).setpoints
    engine.deliver(
        [Delivery(device_id=s.device_id, outcome=DeliveryOutcome.ACKNOWLEDGED, at=_START, setpoint=s) for s in batch],
        _START,
    )
    return engine


def _control(
    name: str,
    now: float,
    values: dict[ControlMode, ModeValue],
    duration: float | None,
    service: ServiceClass = ServiceClass.REGULATION,
) -> Control:
    return Control(
        id=name,
        source=Source(protocol="bench", program=service.value),
        target=Target(TargetKind.GROUP, "all"),
        values=values,
        interval=Interval(now, duration),
        created=now,
        service_class=service,
    )


def _timed(step: Callable[[int], int], runs: int) -> dict[str, Any]:
    """Milliseconds of each step, and of the processor, after three that are not counted.

    On a machine that is shared the processor's say what the work costs, the others what it waited for besides.
    """
    for at in range(3):
        step(at)
    calm()
    collector, collected = Collector(), []
    times, work, sent = [], [], 0
    for at in range(runs):
        began, before = time.perf_counter(), time.process_time()
        sent += step(at)
        work.append(1000 * (time.process_time() - before))
        times.append(1000 * (time.perf_counter() - began))
        collected.append(_collected(collector))
    return {
        "milliseconds": spread(times),
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
        "cpu_milliseconds": spread(work),
        "cpu_p99_ms": percentile(work, 0.99),
        "collector_cpu_milliseconds": spread(collected),
        "runs": runs,
        "set_points_per_step": round(sent / runs),
    }


def _collected(collector: Collector) -> float:
    """What the garbage collector takes, which a server lets look between its steps, ms of the processor."""
    before = time.process_time()
    collector.look()
    return 1000 * (time.process_time() - before)
