"""What is reckoned of one device by itself is what it is as a part of several."""

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.aggregation.accounting.accounts import sample_of
from gridiface.aggregation.deciding.requests import capacity
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.envelope.rollup import is_stale, measured, measured_of_one
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, OutcomeKind, Source, Target, TargetKind
from gridiface.domain.fleet import Capability, Device, Group, Nameplate
from gridiface.domain.telemetry import Quality, Snapshot

T0 = 1_700_000_000.0
ABLE = st.sets(st.sampled_from([Capability.SET_W, Capability.LIMIT_W, Capability.SET_VAR, Capability.CONNECT]))
POWER = st.floats(0.0, 10_000.0)
READING = st.one_of(st.none(), st.floats(-12_000.0, 12_000.0))


@st.composite
def fleets(draw):
    """An engine with two to five devices of every sort, some heard, some stale, some lost."""
    engine = Engine()
    count = draw(st.integers(2, 5))
    shots = []
    for n in range(count):
        plate = Nameplate(
            max_w=draw(POWER), max_charge_w=draw(POWER), max_va=draw(st.one_of(st.none(), POWER)),
            max_var=draw(st.one_of(st.none(), POWER)), capabilities=frozenset(draw(ABLE)),
        )  # fmt: skip
        enabled = draw(st.booleans())
        engine.add_device(Device(id=f"d{n}", nameplate=plate, enabled=enabled), T0)
        quality = draw(st.sampled_from([None, Quality.GOOD, Quality.STALE, Quality.BAD]))
        if quality is not None:
            age = draw(st.sampled_from([0.0, 50.0, 500.0]))
            shots.append(
                Snapshot(
                    device_id=f"d{n}", source_time=T0 - age, received=T0 - age, quality=quality,
                    w=draw(READING), var=draw(READING), soc=draw(st.one_of(st.none(), st.floats(0.0, 1.0))),
                )
            )  # fmt: skip
    engine.observe(shots, T0)
    control = Control(
        id="c", source=Source(protocol="p"), target=Target(TargetKind.DEVICE, "d0"),
        values={ControlMode.SET_W: ModeValue(draw(st.floats(-5_000.0, 5_000.0)))}, interval=Interval(T0, 60.0),
        created=T0,
    )  # fmt: skip
    answer, drawn, _ = engine.decide(control, T0)
    if answer.will_run:
        engine.admit(drawn, T0)
    engine.tick(T0)
    return engine


@settings(max_examples=150, deadline=None)
@given(fleets())
def test_the_parts_are_the_whole(engine):
    c = engine._c
    rows = c.rows([f"d{n}" for n in range(c.count)])
    bounds = engine._running.bounds(T0)
    whole, parts = capacity(c, rows, bounds), [capacity(c, rows[n : n + 1], bounds) for n in range(rows.size)]
    for one in fields(whole):
        total = sum(getattr(part, one.name) for part in parts)
        assert getattr(whole, one.name) == pytest.approx(total, abs=1e-6), one.name
    total, totals = measured(c, rows, None, 0.0, T0, 60.0), [measured_of_one(c, int(row), T0, 60.0) for row in rows]
    assert total.w == pytest.approx(sum(part.w for part in totals), abs=1e-6)
    assert total.var == pytest.approx(sum(part.var for part in totals), abs=1e-6)
    assert (total.known, total.online) == (sum(p.known for p in totals), sum(p.online for p in totals))
    for row, part in zip(rows, totals, strict=True):
        assert part == measured(c, rows[row : row + 1], None, 0.0, T0, 60.0)
        assert (part.quality is Quality.STALE) is bool(part.known and is_stale(c, rows[row : row + 1], T0, 60.0)[0])
    sample = sample_of(c, rows, total, 1.0, 2.0)
    samples = [sample_of(c, rows[n : n + 1], totals[n], 1.0, 2.0) for n in range(rows.size)]
    for name in ("allocated_w", "acknowledged_w"):
        told = [value for part in samples if (value := getattr(part, name)) is not None]
        assert getattr(sample, name) == (pytest.approx(sum(told)) if told else None)


def each(count, start, authority=0.0, name="c", **modes):
    return [
        Control(
            id=f"{name}{n}", source=Source(protocol="p", program=name, authority=authority),
            target=Target(TargetKind.DEVICE, f"d{n}"), created=T0, **({"is_default": True} if start is None else {}),
            values={ControlMode(mode): ModeValue(value) for mode, value in modes.items()},
            interval=Interval(T0 if start is None else T0 + start, None if start is None else 100.0),
        )
        for n in range(count)
    ]  # fmt: skip


def test_many_devices_with_controls_and_defaults_of_their_own_are_all_told(bench):
    plate = Nameplate(max_w=5_000.0, max_charge_w=5_000.0, capabilities=frozenset({Capability.SET_W}))
    made = bench(*(Device(id=f"d{n}", nameplate=plate) for n in range(60)))
    for control in [*each(60, None, set_w=100.0, name="default"), *each(60, 10.0, set_w=700.0)]:
        assert made.submit(control).will_run
    made.step(5.0)
    assert set(made.told.values()) == {100.0}
    made.step(5.0, 3)
    assert set(made.told.values()) == {700.0}
    started = {(o.control_id, o.device_id) for o in made.outcomes if o.kind is OutcomeKind.STARTED}
    assert {(f"c{n}", f"d{n}") for n in range(60)} <= started
    assert made.engine.cancel("default7", made.now)
    made.step(110.0)
    made.step(1.0, 2)
    assert {name: watts for name, watts in made.told.items() if watts != 100.0} == {"d7": None}


def test_a_group_is_connected_while_one_of_its_members_is():
    engine = Engine()
    for name in ("a", "b"):
        engine.add_device(Device(id=name, nameplate=Nameplate(max_w=5_000.0, capabilities=frozenset(Capability))), T0)
    engine.set_groups([Group(id="all", members=("a", "b"))], T0)

    def told(at, **states):
        engine.observe(
            [Snapshot(device_id=name, source_time=at, received=at, w=0.0, connected=on) for name, on in states.items()],
            at,
        )
        snapshot = engine.snapshot(Target(TargetKind.GROUP, "all"))
        return None if snapshot is None else snapshot.connected

    assert told(T0, a=True, b=True) is True
    assert told(T0 + 1, a=False) is True
    assert told(T0 + 2, b=False) is False
    assert told(T0 + 3, a=None) is True  # one that tells nothing of a switch has none
