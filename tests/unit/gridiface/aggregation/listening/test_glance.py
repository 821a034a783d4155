"""The look at all groups at once says the same as the look at each."""

from __future__ import annotations

from gridiface.aggregation.engine import Engine
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.fleet import Capability, Device, Group, Nameplate
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot

NOW = 1_000_000.0
NAMES = ("a", "b", "c", "d")


def seen(name: str, at: float, w: float, quality: Quality = Quality.GOOD) -> Snapshot:
    return Snapshot(
        device_id=name,
        source_time=at,
        received=at,
        w=w,
        soc=0.5,
        connected=True,
        state=OperatingState.RUNNING,
        quality=quality,
    )


def fleet() -> Engine:
    engine = Engine()
    plate = Nameplate(max_w=5000, max_charge_w=5000, energy_wh=10_000, capabilities=frozenset({Capability.SET_W}))
    for name in NAMES:
        engine.add_device(Device(id=name, nameplate=plate, driver="sunspec"), NOW)
    engine.set_groups([Group(id="all", members=("c", "d")), Group(id="half", members=("a", "b"), parent="all")], NOW)
    return engine


def test_totals_are_the_sums_of_snapshots_and_setpoints() -> None:
    engine = fleet()
    engine.observe([seen(name, NOW, 0.0) for name in NAMES[:3]], NOW)
    target = Target(TargetKind.GROUP, "all")
    asked = Control(
        id="c1",
        source=Source(protocol="test"),
        target=target,
        values={ControlMode.SET_W: ModeValue(6000.0)},
        interval=Interval(NOW, 60.0),
        created=NOW,
    )
    answer, drawn, _ = engine.decide(asked, NOW)
    assert answer.will_run
    engine.admit(drawn, NOW)
    engine.tick(NOW)
    later = NOW + 1
    engine.observe([seen("a", later, 1500.0), seen("b", later, 1400.0), seen("c", later, 0, Quality.BAD)], later)
    engine.tick(later)

    assert engine.qualities() == {"a": Quality.GOOD, "b": Quality.GOOD, "c": Quality.BAD, "d": None}
    assert engine.silent() == {"c": Quality.BAD, "d": None}
    assert (engine.counts()[Quality.GOOD], engine.counts()[Quality.BAD], engine.counts()[None]) == (2, 1, 1)
    totals = {total.group_id: total for total in engine.totals()}
    assert list(totals) == ["all", "half"]
    for name, total in totals.items():
        snapshot = engine.snapshot(Target(TargetKind.GROUP, name))
        assert snapshot is not None
        assert (total.delivered_w, total.soc) == (snapshot.w, snapshot.soc)
        assert (total.available_up_w, total.available_down_w) == (snapshot.available_up_w, snapshot.available_down_w)
        told = [engine.setpoint(member) for member in engine.members(name) if member != "c"]
        assert total.allocated_w == sum(point.active_power_w or 0.0 for point in told if point is not None)
    assert (totals["all"].devices, totals["all"].online) == (4, 2)
    assert (totals["half"].devices, totals["half"].online) == (2, 2)

    assert engine.performance.latest("unknown") is None
    assert engine.performance.latest("c1") == engine.performance.running()["c1"]
    running = engine.performance.running()
    assert list(running) == ["c1"]
    assert (running["c1"].target_id, running["c1"].requested_w) == ("all", 6000.0)


def test_shares_of_a_preview_are_the_split_and_change_nothing() -> None:
    engine = fleet()
    engine.observe([seen(name, NOW, 100.0) for name in NAMES[:3]], NOW)
    engine.tick(NOW)
    asked = Control(
        id="p1",
        source=Source(protocol="test"),
        target=Target(TargetKind.GROUP, "half"),
        values={ControlMode.SET_W: ModeValue(6000.0)},
        interval=Interval(NOW, 60.0),
        created=NOW,
    )
    found = engine.shares(asked, NOW)
    assert [(share.device_id, share.w, share.now_w) for share in found] == [("a", 3000.0, 100.0), ("b", 3000.0, 100.0)]
    engine.desk.block("b", True, NOW)
    blocked = {share.device_id: share.w for share in engine.shares(asked, NOW)}
    assert blocked["b"] is None
    assert blocked["a"] == 5000.0
    assert engine.setpoint("a") is None
    one = Control(
        id="p2",
        source=Source(protocol="test"),
        target=Target(TargetKind.DEVICE, "c"),
        values={ControlMode.CONNECT: ModeValue(1.0)},
        interval=Interval(NOW, 60.0),
        created=NOW,
    )
    assert engine.shares(one, NOW) == []


def test_shares_of_a_preview_are_split_as_was_chosen_while_running() -> None:
    engine = fleet()
    engine.observe([seen(name, NOW, 0.0) for name in NAMES[:3]], NOW)
    engine.desk.choose_strategy("half", "fewest-units", NOW)
    engine.tick(NOW)
    asked = Control(
        id="p1",
        source=Source(protocol="test"),
        target=Target(TargetKind.GROUP, "half"),
        values={ControlMode.SET_W: ModeValue(4000.0)},
        interval=Interval(NOW, 60.0),
        created=NOW,
    )
    assert sorted(share.w or 0.0 for share in engine.shares(asked, NOW)) == [0.0, 4000.0]


def test_old_data_become_stale() -> None:
    engine = fleet()
    engine.observe([seen("a", NOW, 0.0)], NOW)
    for step in range(1, 20):  # one step of an hour would be a clock that was set
        engine.tick(NOW + 20 * step)
    assert engine.qualities()["a"] is Quality.STALE
