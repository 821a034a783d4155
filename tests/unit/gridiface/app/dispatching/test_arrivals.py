"""Snapshots of one turn of the loop reach the engine together, in order, before their bringers go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gridiface.aggregation.engine import Engine
from gridiface.app.dispatching.arrivals import Arrivals
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device, Nameplate
from gridiface.domain.telemetry import Snapshot


class Heard(Engine):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[float | None]] = []

    def observe(self, snapshots: Sequence[Snapshot], now: Instant) -> None:
        self.calls.append([snapshot.w for snapshot in snapshots])
        super().observe(snapshots, now)


def snapshot(device_id: str, w: float) -> Snapshot:
    return Snapshot(device_id=device_id, source_time=w, received=w, w=w)


async def test_what_comes_in_one_turn_is_taken_at_once_and_seen_afterwards() -> None:
    engine = Heard()
    for name in ("a", "b"):
        engine.add_device(Device(id=name, nameplate=Nameplate(max_w=1000)), 0.0)
    arrivals = Arrivals(engine)
    seen: list[float | None] = []

    async def bring(name: str, w: float) -> None:
        await arrivals.take([snapshot(name, w)], 10.0 + w)
        newest = engine.snapshot(Target(TargetKind.DEVICE, name))
        seen.append(None if newest is None else newest.w)

    await asyncio.gather(bring("a", 1.0), bring("b", 2.0), bring("a", 3.0), bring("b", 4.0), bring("b", 5.0))
    assert engine.calls == [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert seen == [3.0, 5.0, 3.0, 5.0, 5.0]
    await bring("a", 6.0)
    assert engine.calls[1:] == [[6.0]]


async def test_flush_puts_what_waits_first_and_leaves_nothing_behind() -> None:
    engine = Heard()
    arrivals = Arrivals(engine)
    bringing = asyncio.create_task(arrivals.take([snapshot("a", 1.0)], 1.0))
    await asyncio.sleep(0)
    arrivals.flush()
    assert engine.calls == [[1.0]]
    await bringing
    arrivals.flush()
    assert engine.calls == [[1.0]]
