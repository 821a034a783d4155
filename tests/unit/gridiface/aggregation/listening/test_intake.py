"""What telemetry teaches of devices."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Capability, Device, DeviceKind, DriverTraits, Group, Nameplate
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot


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


NAN = float("nan")
ASKED = DriverTraits(report_period_s=1.0)


def test_who_answers_and_tells_no_power_any_more_is_not_good_with_the_last_of_it(bench):
    world = bench(battery("a", traits=ASKED), battery("b", traits=ASKED))
    world.submit(ask("c1", set_w=4_000.0))
    world.step(1, 5)
    world.lies["a"] = NAN
    world.socs["a"] = 0.4  # nobody can say whether that is so
    world.step(1, 3)
    shown = world.engine.snapshot(Target(TargetKind.DEVICE, "a"))
    assert shown.quality is Quality.STALE
    assert "power_unknown" in shown.alarms
    assert world.told == {"a": 2_000.0, "b": 2_000.0}, "a reading or two without it are none to act on"
    world.step(1, 4)
    (lost,) = [one for one in world.decisions if one.verdict == "lost"]
    assert (lost.target.id, lost.reason) == ("a", "it answers, and has told no power for 5.0 s")
    assert world.told == {"a": 0.0, "b": 4_000.0}, "it is told what narrows, as whoever is not read"
    assert world.engine.desk.without_power() == ("a",)
    assert world.engine.desk.in_doubt() == ()
    del world.lies["a"]
    world.step(1, 20)
    assert world.engine.snapshot(Target(TargetKind.DEVICE, "a")).quality is Quality.GOOD
    assert world.engine.desk.without_power() == ()
    assert world.told == {"a": 2_000.0, "b": 2_000.0}


def test_a_meter_that_tells_no_power_is_silent(bench):
    """Its last reading, taken anew each second while members move, would lead the loop away."""
    meter = Device(id="m", kind=DeviceKind.METER, nameplate=Nameplate(max_w=0.0), traits=ASKED)
    world = bench(battery("a", traits=ASKED), meter, groups=[Group(id="all", members=("a",), meter="m")])
    world.lies["m"] = 0.0
    world.step(1, 3)
    world.lies["m"] = NAN
    world.step(1, 6)
    world.submit(ask("c1", set_w=2_000.0))
    world.step(1, 30)
    assert world.told["a"] == 2_000.0
    assert ("meter", "lost") in {(one.signal, one.verdict) for one in world.decisions}


@pytest.mark.parametrize("word", [{"connected": False}, {"state": OperatingState.OFF}])
def test_who_is_off_by_its_own_word_and_tells_no_power_gives_nothing(bench, word):
    world = bench(battery("a", traits=ASKED), battery("b", traits=ASKED))
    world.lies["a"] = 3_000.0
    world.step(1, 3)

    def look():
        at = {"source_time": world.now, "received": world.now}
        world.engine.observe([Snapshot(device_id="a", **at, **word), Snapshot(device_id="b", **at, w=0.0)], world.now)

    world.look = look
    world.step(1, 10)
    assert not [one for one in world.decisions if one.verdict == "lost"]
    assert world.engine.snapshot(Target(TargetKind.GROUP, "all")).w == 0.0


def test_who_tells_by_itself_need_not_tell_its_power_each_time(bench):
    world = bench(battery("a", traits=DriverTraits(answers_itself=True, report_period_s=1.0)))
    world.lies["a"] = 3_000.0
    world.step(1, 3)
    world.lies["a"] = None
    world.step(1, 30)
    assert world.engine.snapshot(Target(TargetKind.DEVICE, "a")).quality is Quality.GOOD
    assert not [one for one in world.decisions if one.verdict == "lost"]
