"""What telemetry teaches of devices."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Nameplate


def test_a_roof_that_stays_below_its_set_point_gives_what_the_sun_gives(bench):
    """A battery that took the sun's surplus under an export limit does not go on taking it from the grid."""
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    roof = Device(id="roof", kind=DeviceKind.PV, nameplate=Nameplate(max_w=5_000.0, capabilities=able))
    world = bench(roof, battery("store"))
    world.lies["roof"] = 4_000.0
    world.step(1, 3)
    world.submit(ask("c1", export_limit=1_000.0))
    world.step(1, 1)
    assert world.told["store"] < -1_000.0
    shown = world.told["roof"]
    for _ in range(10):
        world.lies["roof"] = shown
        world.step(1, 1)
    assert world.told["store"] < -1_000.0  # it is held by its set-point: there may be more sun
    world.lies["roof"] = 600.0  # a cloud
    world.step(1, 10)
    assert not world.told["store"]


def test_who_is_read_besides_its_period_is_not_lost_before_it_is_read_again(bench):
    """A charging point is read each 30 s, and at once when a vehicle comes: it does not report each second for that."""
    world = bench(battery("asked", traits=DriverTraits(report_period_s=30.0)), battery("own"))
    world.step(0.1, 5)
    for _ in range(2):
        world.now += 29.0
        world.tick()
        lost = {one.target.id for one in world.decisions if one.verdict == "lost"}
        assert lost == {"own"}  # of which nobody knows how often it reports, so it goes by what it did
        world.look()
    for _ in range(10):
        assert ("lost", "asked") not in world.verdicts("availability")
        world.now += 10.0
        world.tick()
    assert ("lost", "asked") in world.verdicts("availability")


@pytest.mark.parametrize("able", [{Capability.LIMIT_W}, {Capability.SET_W}])
@pytest.mark.parametrize("draws_w", [0.0, 15.0, 150.0])
def test_a_roof_that_is_held_at_nothing_says_nothing_of_the_sun(bench, draws_w, able):
    """Or at nearly nothing, and draws what its inverter needs: what is known of the sun stays, and it is not tried."""
    plate = Nameplate(max_w=100e3, capabilities=frozenset(able))
    roof = Device(id="roof", kind=DeviceKind.PV, nameplate=plate)
    world = bench(roof, battery("store"))
    world.lies["roof"] = 60e3
    world.step(1, 3)
    world.submit(ask(set_w=-4_990.0))
    world.step(1, 1)
    world.lies["roof"] = -draws_w
    world.step(1, 20)
    told = [(p.active_power_w, p.ceiling_w) for _, p in world.log if p.device_id == "roof"]
    assert told, "held by nobody"
    assert all(watts is None or watts < 100.0 for point in told for watts in point), told
