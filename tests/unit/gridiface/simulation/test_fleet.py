"""The simulated fleet: its mix, its physics, its failures and lies."""

import numpy as np
import pytest

from gridiface.domain.controls import DeliveryOutcome, Setpoint
from gridiface.domain.fleet import DeviceKind
from gridiface.domain.telemetry import Quality
from gridiface.simulation.fleet.make import make
from gridiface.simulation.fleet.physics import SimulatedFleet

MIDNIGHT = 1_784_678_400.0


@pytest.fixture
def fleet():
    return SimulatedFleet(make(200).devices, MIDNIGHT)


def test_sizes_reach_from_5_kwh_to_20_mwh_and_every_device_is_in_one_feeder():
    plan = make(2000)
    sizes = [d.nameplate.energy_wh for d in plan.devices if d.nameplate.energy_wh]
    assert min(sizes) < 5_200
    assert max(sizes) == 2e7
    assert {d.kind for d in plan.devices} == {DeviceKind.BATTERY, DeviceKind.PV, DeviceKind.LOAD, DeviceKind.EV}
    members = [name for group in plan.groups for name in group.members]
    assert len(members) == len(set(members)) == 2000
    assert all(g.id.startswith("feeder-") for g in plan.groups if g.parent == "fleet")
    assert any(g.parent == "fleet" for g in plan.groups)


def test_the_same_seed_makes_the_same_fleet():
    assert make(50, seed=3) == make(50, seed=3)
    assert make(50, seed=3) != make(50, seed=4)


def test_nobody_passes_its_rating_ramp_or_window(fleet):
    now = MIDNIGHT + 12 * 3600
    points = [Setpoint(device_id=name, issued=now, active_power_w=1e9) for name in fleet.ids]
    fleet.apply(points, now)
    for _ in range(200):
        before = fleet.w.copy()
        now += 60
        fleet.advance(60.0, now)
        low, high = fleet.able(now)
        assert (np.abs(fleet.w - before) <= fleet.ramp * 60 + 1e-6).all()
        assert (fleet.w <= np.maximum(high, before) + 1e-6).all()
        assert (fleet.w >= np.minimum(low, before) - 1e-6).all()
    stored = np.isfinite(fleet.wh) & ~fleet.car
    assert (fleet.soc[stored] >= fleet.soc_min[stored] - 0.06).all()


def test_who_is_dead_gives_nothing_and_does_not_answer(fleet):
    now = MIDNIGHT + 60
    fleet.fail(["home-0001"])
    deliveries = fleet.apply([Setpoint(device_id="home-0001", issued=now, active_power_w=1e3)], now)
    fleet.advance(60.0, now)
    assert [one.outcome for one in deliveries] == [DeliveryOutcome.TIMEOUT]
    seen = {one.device_id: one for one in fleet.snapshots(now)}["home-0001"]
    assert (seen.quality, seen.w) == (Quality.BAD, None)
    fleet.heal(["home-0001"])
    assert {one.device_id: one for one in fleet.snapshots(now)}["home-0001"].w == 0.0


def test_a_liar_reports_another_state_of_charge(fleet):
    honest = {one.device_id: one.soc for one in fleet.snapshots(MIDNIGHT)}
    fleet.lie(["home-0002"], -0.2)
    lying = {one.device_id: one.soc for one in fleet.snapshots(MIDNIGHT)}
    assert lying["home-0002"] == pytest.approx(honest["home-0002"] - 0.2)


def test_cars_leave_at_seven_and_come_back_with_less(fleet):
    soc = fleet.soc.copy()
    fleet.advance(60.0, MIDNIGHT + 7.5 * 3600)
    assert (fleet.w[fleet.car] == 0).all()
    assert not {one.device_id: one for one in fleet.snapshots(MIDNIGHT)}["car-0001"].connected
    fleet.advance(60.0, MIDNIGHT + 19.5 * 3600)
    assert (fleet.soc[fleet.car] < soc[fleet.car] + 0.02).all()
    assert not fleet.away.any()
