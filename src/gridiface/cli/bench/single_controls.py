"""What thousands of controls of single devices cost: a utility that sends one to each inverter, all for one instant."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from gridiface.aggregation.engine import Engine
from gridiface.app.process.collector import Collector, calm
from gridiface.domain.clock import Instant, Interval
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
from gridiface.domain.telemetry import Snapshot
from gridiface.simulation.load.figures import spread

_T = TypeVar("_T")

#: The controls begin so long after the last of them was taken, and last so long, s.
_AHEAD_S, _LASTS_S = 60.0, 120.0

#: Seconds of running, of which every fourth brings a regulation signal.
_SECONDS = 60

#: The reading that the look at a device's whole life needs, so often.
_HEARD_EACH_S = 30


def singles(engine: Engine, count: int, now: Instant) -> dict[str, Any]:
    """Milliseconds of processor.

    Args:
        engine: a fleet that is heard, with a group "all".
        count: how many of its devices get a control of their own.
        now: when.
    """
    run = _Run(engine)
    ids = [device.id for device in engine.devices()][:count]
    start = now + _AHEAD_S
    controls = [_of_device(f"s{at}", device_id, start) for at, device_id in enumerate(ids)]
    calm()
    taken = [run.timed(partial(_take, engine, control, now)) for control in controls]
    run.until_idle(now)
    began = run.until_idle(start)
    seconds, signals, fast = list[float](), list[float](), list[float]()
    for second in range(1, _SECONDS + 1):
        now = start + second
        if second % _HEARD_EACH_S == 0:
            run.hear(now)
        if second % 4 == 0:
            _take(engine, _of_group(f"r{second}", now, ServiceClass.REGULATION, 1e3 * second), now)
        found = run.until_idle(now)
        (signals if second % 4 == 0 else seconds).extend(found)
    for at in range(8):
        now = start + _SECONDS + 1 + at / 4
        if at == 0:
            _take(engine, _of_group("f", now, ServiceClass.FAST_FREQUENCY, 1e5), now)
        fast += run.until_idle(now)
    ended = run.until_idle(start + _LASTS_S)
    return {
        "controls": count,
        "taken_cpu_milliseconds": spread(taken),
        "start_cpu_milliseconds": sum(began),
        "start_slice_cpu_milliseconds": spread(began),
        "second_cpu_milliseconds": spread(seconds),
        "regulation_cpu_milliseconds": spread(signals),
        "fast_response_cpu_milliseconds": spread(fast),
        "end_cpu_milliseconds": sum(ended),
        "end_slice_cpu_milliseconds": spread(ended),
    }


class _Run:
    """Ticks of one engine, whose devices acknowledge at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._collector = engine, Collector()

    def timed(self, work: Callable[[], object]) -> float:
        """Milliseconds of processor; garbage is collected afterwards, as in a server."""
        return self._timed(work)[0]

    def _timed(self, work: Callable[[], _T]) -> tuple[float, _T]:
        before = time.process_time()
        made = work()
        taken = 1000 * (time.process_time() - before)
        self._collector.look()
        return taken, made

    def until_idle(self, now: Instant) -> list[float]:
        """What each tick took until nothing was due any more."""
        taken = []
        while True:
            took, result = self._timed(partial(self._engine.tick, now))
            taken.append(took)
            batch = list(result.setpoints)
            acknowledged = DeliveryOutcome.ACKNOWLEDGED
            self._engine.deliver(
                [Delivery(device_id=one.device_id, outcome=acknowledged, at=now, setpoint=one) for one in batch], now
            )
            due = self._engine.next_timer(now)
            if not batch and (due is None or due > now):
                return taken

    def hear(self, now: Instant) -> None:
        """Readings of all devices."""
        found = [
            Snapshot(device_id=device.id, source_time=now, received=now, w=0.0, soc=0.5)
            for device in self._engine.devices()
        ]
        self._engine.observe(found, now)


def _take(engine: Engine, control: Control, now: Instant) -> None:
    _, drawn, _ = engine.decide(control, now)
    engine.admit(drawn, now)


def _of_device(name: str, device_id: str, start: Instant) -> Control:
    return Control(
        id=name,
        source=Source(protocol="bench", program="single"),
        target=Target(TargetKind.DEVICE, device_id),
        values={ControlMode.SET_W: ModeValue(1_000.0)},
        interval=Interval(start, _LASTS_S),
        created=start - _AHEAD_S,
        service_class=ServiceClass.DEMAND_RESPONSE,
    )


def _of_group(name: str, now: Instant, service: ServiceClass, watts: float) -> Control:
    return Control(
        id=name,
        source=Source(protocol="bench", program=service.value),
        target=Target(TargetKind.GROUP, "all"),
        values={ControlMode.REGULATION: ModeValue(watts)},
        interval=Interval(now, 12.0),
        created=now,
        service_class=service,
    )
