"""Purging ends where nothing old is left, and later takes what a clock that was ahead had kept."""

from __future__ import annotations

import math
from dataclasses import replace

from gridiface.domain.changes import AppendOutcome, AppendPerformance, AppendReadings, PutControl
from gridiface.domain.controls import (
    FAST,
    Control,
    ControlMode,
    Interval,
    ModeValue,
    Outcome,
    OutcomeKind,
    ServiceClass,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.store.repository import Store
from gridiface.store.retention import PURGED
from gridiface.store.tables import decisions, deliveries, readings

BASE = Reading(device_id="d", quantity=Quantity.ACTIVE_POWER, value=0.0, source_time=0.0, received=0.0)


def received(*times: float) -> AppendReadings:
    return AppendReadings(tuple(replace(BASE, received=at, value=at) for at in times))


async def left(store: Store) -> list[float]:
    return [r.received for r in await store.readings("d", start=0, end=math.inf)]


async def test_old_goes_and_new_stays_over_many_batches(store: Store) -> None:
    await store.commit([received(*(float(i) for i in range(100)))])
    assert (await store.purge(60.0, batch=7))["readings"] == 60
    assert await left(store) == [float(i) for i in range(60, 100)]


async def test_what_a_clock_ahead_recorded_goes_when_its_time_has_passed(store: Store) -> None:
    await store.commit([received(*[1000.0] * 10, *[10.0] * 10)])
    await store.purge(500.0, batch=5)
    assert len(await left(store)) == 20
    await store.purge(1001.0, batch=5)
    assert await left(store) == []


async def test_mixed_batches_do_not_end_the_walk(store: Store) -> None:
    await store.commit([received(1.0, 1000.0, 2.0, 1000.0, 3.0, 4.0)])
    await store.purge(100.0, batch=2)
    assert await left(store) == [1000.0, 1000.0]


def test_what_is_purged() -> None:
    assert [table for table, _ in PURGED] == [readings, decisions, deliveries]


async def test_controls_of_fast_services_go_in_batches_and_what_was_said_of_them_goes_first(store: Store) -> None:
    source, target = Source(protocol="dnp3"), Target(TargetKind.GROUP, "fleet")
    for number, service_class in enumerate(ServiceClass):
        for start in (0.0, 200.0):
            name = f"{number}/{start:g}"
            one = Control(
                id=name,
                source=source,
                target=target,
                values={ControlMode.SET_W: ModeValue(1.0)},
                interval=Interval(start, 4.0),
                created=start,
                service_class=service_class,
            )
            said = Outcome(control_id=name, kind=OutcomeKind.STARTED, at=start)
            await store.commit([PutControl(one), AppendOutcome(said)])
    assert (await store.purge(100.0, batch=1))["controls"] == len(FAST)
    gone = {f"{number}/0" for number, service_class in enumerate(ServiceClass) if service_class in FAST}
    names = {f"{number}/{start}" for number in range(len(ServiceClass)) for start in (0, 200)}
    assert {one.id for one in await store.controls()} == names - gone
    assert {one.control_id for one in await store.outcomes_of_all(live_after=-1.0)} == names - gone


async def test_what_was_accounted_of_a_default_goes_by_its_age(store: Store) -> None:
    powers = dict.fromkeys(("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w"), 1.0)
    one = Control(
        id="d",
        source=Source(protocol="sep2"),
        target=Target(TargetKind.GROUP, "g"),
        values={ControlMode.EXPORT_LIMIT: ModeValue(1.0)},
        interval=Interval(0.0, None),
        created=0.0,
    )
    controls = [replace(one, is_default=True), replace(one, id="open")]
    intervals = tuple(
        PerformanceInterval(control_id=name, target_id="g", start=at, end=at + 10.0, **powers)
        for name in ("d", "open")
        for at in (0.0, 10.0, 20.0)
    )
    await store.commit([*map(PutControl, controls), AppendPerformance(intervals)])
    assert (await store.purge(25.0))["performance"] == 2
    assert [found.start for found in await store.performance("d")] == [20.0]
    assert len(await store.performance("open")) == 3
