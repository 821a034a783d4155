"""Many programs over one fleet: limits, set-points, regulation, nested groups, meters, sun and loads."""

import pytest

from gridiface.aggregation.config import EngineConfig
from gridiface.domain.controls import ControlMode, ModeValue, ServiceClass, Target, TargetKind, Verdict
from gridiface.domain.curves import curves_in
from gridiface.domain.fleet import Capability, DeviceKind, Group


def test_a_limit_of_one_program_cuts_the_set_point_of_another_and_its_source_is_named(make_world, ask):
    world = make_world(10)
    world.submit(ask("c1", set_w=30_000, protocol="openadr"))
    world.submit(ask("c2", export_limit=12_000, protocol="sep2", program="feeder"))
    world.run(10)
    assert world.total == pytest.approx(12_000)
    limited = [d for d in world.decisions if d.verdict == "limited"]
    assert limited[0].source.protocol == "sep2"
    assert limited[0].control_id == "c2"
    assert world.engine.cancel("c2", world.now)
    world.run(10)
    assert world.total == pytest.approx(30_000)


def test_higher_authority_covers_a_longer_event_for_a_while(make_world, ask):
    world = make_world(10)
    world.submit(ask("low", set_w=10_000, duration=100, authority=1))
    world.run(10)
    world.submit(ask("high", set_w=-5_000, at=20, duration=20, authority=9, program="dso"))
    world.run(15)
    assert world.total == pytest.approx(-5_000)
    world.run(25)
    assert world.total == pytest.approx(10_000)
    assert world.kinds("low") == ["RECEIVED", "STARTED"]


def test_a_control_that_is_wholly_displaced_is_told_so(make_world, ask):
    world = make_world(4)
    world.submit(ask("low", set_w=1_000, duration=100, authority=1))
    world.submit(ask("later", set_w=1_000, at=50, duration=20, authority=1, program="p3", created=1.0))
    world.run(10)
    world.submit(ask("high", set_w=4_000, at=15, duration=None, authority=9, program="dso"))
    world.run(10)
    assert world.total == pytest.approx(4_000)
    assert world.kinds("low") == ["RECEIVED", "STARTED", "SUPERSEDED"]
    assert world.kinds("later") == ["RECEIVED", "SUPERSEDED"]
    answer, _, _ = world.engine.decide(ask("late", set_w=1, at=30, duration=5, authority=1), world.now)
    assert answer.verdict is Verdict.SUPERSEDED


def test_the_same_program_supersedes_mode_by_mode(make_world, ask):
    world = make_world(4)
    world.submit(ask("old", set_w=2_000, export_limit=3_000, duration=100))
    world.run(10)
    world.submit(ask("new", set_w=8_000, at=15, duration=30, created=1.7e9 + 10))
    world.run(10)
    assert world.total == pytest.approx(3_000)  # the older one's limit stands
    world.run(40)
    assert world.total == 0  # and its set-point does not come back
    world.submit(ask("newer", export_limit=5_000, at=60, duration=30, created=1.7e9 + 60))
    world.run(10)
    assert world.kinds("old")[-1] == "SUPERSEDED"


def test_regulation_is_a_delta_around_the_set_point_inside_the_limits(make_world, ask):
    world = make_world(10)
    world.submit(ask("base", set_w=10_000, duration=None))
    world.run(10)
    for number, (delta, total) in enumerate(((5_000, 15_000), (-4_000, 6_000), (30_000, 20_000))):
        if number == 2:
            world.submit(ask("limit", export_limit=20_000, duration=None, program="feeder"))
        control = ask(
            f"agc{number}",
            regulation=delta,
            at=20 + 4 * number,
            duration=None,
            program="iso",
            created=1.7e9 + number,
            service_class=ServiceClass.REGULATION,
        )
        world.submit(control)
        world.run(14 if number == 0 else 4)
        assert world.total == pytest.approx(total)
    assert world.kinds("agc0") == ["RECEIVED", "STARTED", "SUPERSEDED"]


def test_child_group_binds_its_members_and_limits_nest(make_world, ask, make_battery):
    fleet = [make_battery(f"b{at}") for at in range(6)]
    groups = (
        Group(id="all", members=("b0", "b1"), max_export_w=18_000),
        Group(id="east", members=("b2", "b3"), parent="all"),
        Group(id="west", members=("b4", "b5"), parent="all", max_export_w=2_000),
    )
    world = make_world(devices=fleet, groups=groups)
    world.submit(ask("child", set_w=-6_000, target="east"))
    world.submit(ask("parent", set_w=4_000))
    world.run(10)
    east = world.units["b2"].w + world.units["b3"].w
    west = world.units["b4"].w + world.units["b5"].w
    assert east == pytest.approx(-6_000)
    assert west == pytest.approx(2_000)
    assert world.total == pytest.approx(4_000)
    assert world.engine.members("all") == tuple(f"b{at}" for at in range(6))


def test_a_limit_around_reduces_what_is_fixed_inside_when_nothing_else_helps(make_world, ask, make_battery):
    fleet = [make_battery(f"b{at}") for at in range(4)]
    groups = (Group(id="all", members=("b0",)), Group(id="east", members=("b1", "b2", "b3"), parent="all"))
    world = make_world(devices=fleet, groups=groups)
    world.submit(ask("child", set_w=15_000, target="east"))
    world.submit(ask("limit", export_limit=7_000, program="feeder"))
    world.run(10)
    assert world.total == pytest.approx(7_000)


def test_device_control_passes_through_under_the_groups_limit(make_world, ask):
    world = make_world(3)
    world.submit(ask("one", set_w=4_000, device="b00"))
    world.submit(ask("all", set_w=6_000, program="p2"))
    world.run(10)
    assert world.units["b00"].w == pytest.approx(4_000)
    assert world.total == pytest.approx(6_000)
    world.submit(ask("limit", export_limit=1_000, at=12, program="feeder", authority=3))
    world.run(10)
    assert world.total <= 1_000 + 1e-6


def test_a_metered_site_load_is_made_up_for(make_world, ask, make_battery):
    fleet = [make_battery(f"b{at}") for at in range(4)]
    fleet.append(make_battery("meter", kind=DeviceKind.METER, capabilities=frozenset()))
    groups = (Group(id="all", members=("b0", "b1", "b2", "b3"), meter="meter"),)
    world = make_world(devices=fleet, groups=groups)
    world.meter = lambda: world.total - 3_000.0
    world.submit(ask("c1", set_w=5_000))
    world.run(45)
    assert world.total == pytest.approx(8_000, rel=0.01)


def test_losses_are_trimmed_away(make_world, ask):
    world = make_world(10)
    for unit in world.units.values():
        unit.efficiency = 0.95
    world.submit(ask("c1", set_w=20_000, duration=120))
    world.run(60)
    assert world.total == pytest.approx(20_000, rel=0.003)
    assert any(d.signal == "trim" for d in world.decisions)


def test_the_trim_does_not_wind_up_against_a_bound(make_world, ask):
    world = make_world(4)
    world.units["b00"].efficiency = 0.5
    world.submit(ask("c1", set_w=25_000, duration=100))
    world.run(60)
    assert world.total == pytest.approx(17_500, rel=0.01)
    world.submit(ask("c2", set_w=4_000, at=70, duration=60, created=1.7e9 + 60))
    world.run(40)
    assert world.total == pytest.approx(4_000, rel=0.02)


def test_a_limit_alone_leaves_devices_alone_until_it_binds(make_world, ask, make_battery):
    fleet = [make_battery(f"pv{at}", kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None) for at in range(3)]
    world = make_world(devices=fleet)
    for unit in world.units.values():
        unit.natural_w = 4_000.0
    world.run(3)
    assert world.total == pytest.approx(12_000)
    world.submit(ask("c1", export_limit=20_000, duration=20))
    world.run(6)
    assert not world.told
    world.submit(ask("c2", export_limit=6_000, at=15, duration=20, program="p2"))
    world.run(15)
    assert world.total <= 6_000 + 1e-6
    world.run(40)
    assert world.total == pytest.approx(12_000)
    assert [s.release for s in world.told if s.device_id == "pv0"][-1]


@pytest.mark.parametrize(("mode", "sign"), [("export_limit", 1.0), ("import_limit", -1.0)])
def test_a_limit_is_kept_all_the_time_also_by_batteries_that_are_led_by_set_points_alone(
    make_world, ask, make_battery, mode, sign
):
    """They are held at what fits; what they did by themselves before says that the limit would bind without that."""
    fleet = [make_battery(name, capabilities=frozenset({Capability.SET_W})) for name in ("a", "b")]
    world = make_world(devices=fleet)
    for unit in world.units.values():
        unit.natural_w = sign * 5_000.0
    world.run(5)
    world.submit(ask("c1", at=5, duration=60, **{mode: 6_000}))
    world.run(2)
    for _ in range(50):
        world.run(1)
        assert sign * world.total == pytest.approx(6_000)
    assert [unit.writes for unit in world.units.values()] == [1, 1]
    world.run(20)
    assert sign * world.total == pytest.approx(10_000)


def test_the_limit_of_a_group_inside_is_kept_where_every_device_would_move_less_than_its_dead_band(
    make_world, ask, make_battery
):
    fleet = [make_battery(f"{feeder}{at:03d}") for feeder in "ab" for at in range(100)]
    inside = tuple(device.id for device in fleet[:100])
    groups = (Group(id="a", members=inside, parent="all"), Group(id="all", members=tuple(d.id for d in fleet)))
    world = make_world(devices=fleet, groups=groups)
    world.submit(ask("c1", set_w=200_000, duration=600))
    world.submit(ask("c2", target="a", export_limit=50_000, duration=25, program="p2"))
    world.submit(ask("c3", target="a", export_limit=49_500, at=15, duration=600, program="p3"))
    world.run(12)
    assert sum(world.units[name].w for name in inside) == pytest.approx(50_000, rel=0.001)
    world.run(8)
    assert sum(world.units[name].w for name in inside) == pytest.approx(49_500, rel=0.001)
    assert world.total == pytest.approx(200_000, rel=0.001)


def test_ceilings_are_lowered_together_where_each_would_move_less_than_its_dead_band(make_world, ask, make_battery):
    able = frozenset({Capability.LIMIT_W})
    sun = [
        make_battery(f"p{at}", kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None, capabilities=able)
        for at in range(100)
    ]
    world = make_world(devices=sun)
    for unit in world.units.values():
        unit.natural_w = 4_000.0
    world.run(3)
    world.submit(ask("c1", export_limit=200_000, duration=600))
    world.run(10)
    world.submit(ask("c2", at=14, export_limit=199_200, duration=300, program="p2"))
    world.run(5)
    assert world.total <= 199_200 * 1.0006


@pytest.mark.parametrize("able", [{Capability.SET_W}, {Capability.SET_W, Capability.LIMIT_W}])
def test_what_one_battery_takes_is_limited_all_the_time(make_world, ask, able):
    world = make_world(1, capabilities=frozenset(able))
    world.units["b00"].natural_w = -5_000.0
    world.run(4)
    world.submit(ask("c1", device="b00", load_limit=3_000, duration=60))
    world.run(2)
    for _ in range(50):
        world.run(1)
        assert world.total == pytest.approx(-3_000)
    world.run(20)
    assert world.total == pytest.approx(-5_000)


@pytest.mark.parametrize("able", [{Capability.SET_W}, {Capability.SET_W, Capability.LIMIT_W}])
def test_what_one_battery_gives_by_itself_is_limited_under_a_limit_of_its_group_too(make_world, ask, able):
    world = make_world(2, capabilities=frozenset(able))
    world.units["b00"].natural_w = 4_000.0
    world.run(4)
    world.submit(ask("all", export_limit=3_000))
    world.submit(ask("one", device="b00", max_w_percent=20.0))
    world.run(10)
    for _ in range(20):
        world.run(1)
        assert world.units["b00"].w == pytest.approx(1_000.0, abs=1.0)


@pytest.fixture
def mixed(make_world, make_battery):
    """A roof that gives 4 kW, a battery that takes 5 kW by itself, and one that rests."""

    def make(groups=()):
        pv = make_battery("pv", kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None)
        world = make_world(devices=[pv, make_battery("a"), make_battery("b")], groups=groups)
        world.units["pv"].natural_w, world.units["a"].natural_w = 4_000.0, -5_000.0
        world.run(4)
        return world

    return make


def given(world):
    return sum(max(unit.w, 0.0) for unit in world.units.values())


def taken(world):
    return sum(max(-unit.w, 0.0) for unit in world.units.values())


def test_generation_and_load_limits_speak_of_the_parts_also_where_nothing_else_is_asked(mixed, ask):
    world = mixed()
    world.submit(ask("c1", generation_limit=1_000, duration=600))
    world.submit(ask("c2", load_limit=2_000, program="p2", duration=600))
    world.run(10)
    assert given(world) == pytest.approx(1_000, abs=1)
    assert taken(world) == pytest.approx(2_000, abs=1)
    assert world.units["b"].w == 0


def test_what_a_limit_on_parts_takes_away_is_made_up_for_where_that_is_possible(mixed, ask):
    """Taking 2 kW of a total while taking at most 2 kW: the roof has to stop, it is no use to take more."""
    world = mixed()
    world.submit(ask("c1", set_w=-2_000, duration=600))
    world.submit(ask("c2", load_limit=2_000, program="p2", duration=600))
    world.run(12)
    assert world.total == pytest.approx(-2_000, rel=0.01)
    assert given(world) == pytest.approx(0, abs=1)


def test_a_limit_on_the_parts_of_a_group_inside_is_kept_under_a_set_point_around_it(mixed, ask):
    groups = (Group(id="in", members=("pv", "a"), parent="all"), Group(id="all", members=("pv", "a", "b")))
    world = mixed(groups)
    world.submit(ask("c1", set_w=3_000, duration=600))
    world.submit(ask("c2", target="in", generation_limit=500, program="p2", duration=600))
    world.run(12)
    assert world.total == pytest.approx(3_000, rel=0.01)
    assert max(world.units["pv"].w, 0.0) + max(world.units["a"].w, 0.0) <= 500 + 1


def test_nobody_makes_up_for_what_a_limit_inside_takes_off(make_world, ask, make_battery):
    """Ceilings are told two groups below the one that is looked at, and the battery beside goes on as it did."""
    pv = make_battery(
        "pv", kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None, capabilities=frozenset({Capability.LIMIT_W})
    )
    groups = (
        Group(id="roof", members=("pv",), parent="feeder"),
        Group(id="feeder", members=("pv", "a"), parent="all"),
        Group(id="all", members=("pv", "a")),
    )
    world = make_world(devices=[pv, make_battery("a")], groups=groups)
    world.units["pv"].natural_w, world.units["a"].natural_w = 5_000.0, -1_500.0
    world.run(4)
    world.submit(ask("c1", import_limit=9_000, duration=600))
    world.submit(ask("c2", target="feeder", import_limit=9_000, duration=600, program="p2"))
    world.submit(ask("c3", target="roof", export_limit=1_000, duration=600, program="p3"))
    world.run(12)
    assert world.units["pv"].w == pytest.approx(1_000, abs=1)
    assert world.units["a"].w == pytest.approx(-1_500)


def test_an_import_limit_reduces_what_is_asked_inside_where_a_generation_limit_forbids_to_make_up_for_it(mixed, ask):
    groups = (Group(id="in", members=("a",), parent="all"), Group(id="all", members=("pv", "a", "b")))
    world = mixed(groups)
    world.submit(ask("c1", target="in", set_w=-5_000, duration=600))
    world.submit(ask("c2", generation_limit=0, duration=600, program="p2"))
    world.submit(ask("c3", import_limit=2_000, duration=600, program="p3"))
    world.run(12)
    assert (given(world), taken(world)) == (pytest.approx(0, abs=1), pytest.approx(2_000, abs=1))


def test_the_import_limit_of_a_group_inside_counts_with_the_generation_limit_around_it(mixed, ask):
    groups = (Group(id="in", members=("a", "b"), parent="all"), Group(id="all", members=("pv", "a", "b")))
    world = mixed(groups)
    world.submit(ask("c1", device="a", set_w=-3_000, duration=600))
    world.submit(ask("c2", generation_limit=0, duration=600, program="p2"))
    world.submit(ask("c3", target="in", import_limit=1_000, duration=600, program="p3"))
    world.run(12)
    assert (given(world), taken(world)) == (pytest.approx(0, abs=1), pytest.approx(1_000, abs=1))


def test_what_a_group_inside_can_reach_is_told_by_its_own_generation_limit(mixed, ask):
    """It cannot make up inside for what one of its devices was asked to take: that device has to take less."""
    groups = (Group(id="in", members=("a", "b"), parent="all"), Group(id="all", members=("pv", "a", "b")))
    world = mixed(groups)
    world.units["pv"].natural_w = 0.0
    world.submit(ask("c1", target="in", set_w=4_000, duration=600))
    world.submit(ask("c2", device="a", set_w=-3_000, duration=600, program="p2"))
    world.submit(ask("c3", target="in", generation_limit=0, duration=600, program="p3"))
    world.submit(ask("c4", import_limit=0, duration=600, program="p4"))
    world.run(15)
    assert (given(world), taken(world)) == (pytest.approx(0, abs=1), pytest.approx(0, abs=1))


@pytest.mark.parametrize("able", [{Capability.LIMIT_W}, {Capability.LIMIT_W, Capability.SET_W}])
def test_ceilings_leave_what_loads_beside_take(make_world, ask, make_battery, able):
    """Curtailed to its limit without regard to the loads a site would draw what its own roof could give."""
    pv = make_battery("pv", kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None, capabilities=frozenset(able))
    load = make_battery("load", kind=DeviceKind.LOAD, max_w=4_000.0, max_charge_w=4_000.0, energy_wh=None)
    world = make_world(devices=[pv, load])
    world.units["pv"].natural_w, world.units["load"].natural_w = 5_000.0, -3_000.0
    world.run(4)
    world.submit(ask("c1", export_limit=1_000, duration=600))
    world.submit(ask("c2", import_limit=500, duration=600, program="p2"))
    world.run(12)
    assert world.total == pytest.approx(1_000, abs=1)
    world.units["load"].natural_w = -1_500.0
    world.run(12)
    assert world.total == pytest.approx(1_000, abs=1)


def test_a_limit_reaches_through_set_points_inside_set_points(make_world, ask, make_battery):
    """Nothing but the site's battery can give way: what is asked of the site, and of its feeder, are reduced."""
    sun = [make_battery(name, kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None) for name in ("p1", "p2")]
    groups = (
        Group(id="site", members=("a",), parent="feeder"),
        Group(id="feeder", members=("a", "p1"), parent="all"),
        Group(id="all", members=("a", "p1", "p2")),
    )
    world = make_world(devices=[make_battery("a"), *sun], groups=groups)
    world.submit(ask("c1", target="site", set_w=4_500, duration=600))
    world.submit(ask("c2", target="feeder", set_w=4_500, duration=600, program="p2"))
    world.run(12)
    assert world.total == pytest.approx(4_500)
    world.submit(ask("c3", at=15, export_limit=1_000, duration=600, program="p3"))
    world.run(12)
    assert world.total == pytest.approx(1_000, abs=1)


def test_the_limit_of_one_device_has_no_dead_band(make_world, ask):
    world = make_world(1)
    world.submit(ask("c1", device="b00", set_w=5_000, duration=600))
    world.submit(ask("c2", device="b00", export_limit=3_000, duration=600, program="p2"))
    world.submit(ask("c3", device="b00", export_limit=2_992, at=15, duration=500, program="p3"))
    world.run(25)
    assert world.total == pytest.approx(2_992)


def test_a_limit_inside_another_is_in_the_record_where_it_binds(make_world, ask, make_battery):
    fleet = [make_battery(name, capabilities=frozenset({Capability.SET_W})) for name in "ab"]
    groups = (Group(id="in", members=("a",), parent="all"), Group(id="all", members=("a", "b")))
    world = make_world(devices=fleet, groups=groups)
    for unit in world.units.values():
        unit.natural_w = 5_000.0
    world.run(4)
    world.submit(ask("c1", export_limit=50_000))
    world.submit(ask("c2", target="in", export_limit=2_000, program="p2"))
    world.run(10)
    limited = [(d.control_id, d.target.id) for d in world.decisions if d.verdict == "limited"]
    assert limited == [("c2", "in")]


def test_percent_ceiling_of_a_group_counts_against_its_members_sum(make_world, ask, make_battery):
    fleet = [make_battery(f"pv{at}", kind=DeviceKind.PV, max_charge_w=0.0, energy_wh=None) for at in range(4)]
    world = make_world(devices=fleet)
    for unit in world.units.values():
        unit.natural_w = 5_000.0
    world.run(3)
    world.submit(ask("c1", max_w_percent=25.0))
    world.run(10)
    assert world.total <= 5_000 + 1e-6


@pytest.mark.parametrize(("percent", "watts"), [(40.0, 8_000.0), (-50.0, -10_000.0)])
def test_percent_of_the_members_sum(make_world, ask, percent, watts):
    world = make_world(4)
    world.submit(ask("c1", set_w_percent=percent))
    world.run(10)
    assert world.total == pytest.approx(watts)


def test_energy_target_and_load_level(make_world, ask):
    world = make_world(4)
    world.submit(ask("c1", energy_target=1_000.0, duration=600.0))
    world.run(10)
    assert world.total == pytest.approx(6_000)
    assert world.engine.cancel("c1", world.now)
    world.run(5)
    assert world.total == 0
    assert world.kinds("c1")[-1] == "CANCELLED"
    world.submit(ask("c2", load_level=0.25, at=20))
    world.run(15)
    assert world.total == pytest.approx(5_000)


def test_cease_to_energise_holds_members_at_zero(make_world, ask):
    world = make_world(3)
    world.submit(ask("c1", set_w=9_000))
    world.run(10)
    world.submit(ask("c2", energize=0.0, at=12, program="dso", duration=20))
    world.run(10)
    assert world.total == 0
    world.run(20)
    assert world.total == pytest.approx(9_000)


def test_blocked_device_is_released_and_left_out(make_world, ask):
    world = make_world(3)
    world.submit(ask("c1", set_w=9_000))
    world.run(10)
    world.engine.desk.block("b01", True, world.now)
    world.run(6)
    assert world.units["b01"].w == 0
    assert world.total == pytest.approx(9_000)
    assert [s.release for s in world.told if s.device_id == "b01"][-1]
    answer, _, _ = world.engine.decide(ask("c2", set_w=1, device="b01"), world.now)
    assert answer.verdict is Verdict.BLOCKED


def test_ramps_are_kept_while_the_total_moves(make_world, ask):
    world = make_world(10, ramp_w_per_s=100.0)
    world.submit(ask("c1", set_w=40_000, duration=120))
    world.run(15)
    assert world.total == pytest.approx(10_000, rel=0.2)
    world.run(60)
    assert world.total == pytest.approx(40_000, rel=0.001)
    assert max(unit.largest_move for unit in world.units.values()) <= 100.0 + 1e-6


def test_a_control_with_a_ramp_of_its_own(make_world, ask):
    world = make_world(10)
    world.submit(ask("c1", set_w=40_000, ramp_s=40.0, duration=120))
    world.run(25)
    assert 12_000 < world.total < 24_000
    world.run(30)
    assert world.total == pytest.approx(40_000)


def test_fast_frequency_response_caps_the_fleets_ramp(make_world, ask):
    world = make_world(10)
    world.step_s = 0.25
    control = ask("c1", set_w=50_000, duration=60, service_class=ServiceClass.FAST_FREQUENCY)
    world.submit(control)
    last, steepest = 0.0, 0.0
    for _ in range(200):
        world.run(0.25)
        steepest, last = max(steepest, (world.total - last) / 0.25), world.total
    assert steepest <= 0.3 * 50_000 * 1.01
    assert world.total == pytest.approx(50_000, rel=0.001)


def test_state_of_charge_stays_in_its_window(make_world, ask):
    world = make_world(3, config=EngineConfig(hold_time_s=60.0))
    for unit in world.units.values():
        unit.soc = 0.02
    world.run(2)
    world.submit(ask("c1", set_w=15_000, duration=1200))
    world.run(600)
    assert all(unit.soc >= -1e-3 for unit in world.units.values())
    assert world.kinds("c1") == ["RECEIVED", "STARTED"]
    assert any(d.verdict == "shortfall" for d in world.decisions)


def test_quiet_wire_while_nothing_changes(make_world, ask):
    world = make_world(20)
    world.submit(ask("c1", set_w=40_000, duration=600))
    world.run(300)
    assert len(world.told) == 20


def test_open_ended_set_points_are_renewed_before_they_expire(make_world, ask):
    world = make_world(2, config=EngineConfig(open_validity_s=20.0))
    world.submit(ask("c1", set_w=2_000, duration=None))
    world.run(60)
    issued = [s.issued for s in world.told if s.device_id == "b00"]
    assert len(issued) >= 5
    assert all(s.valid_until == s.issued + 20.0 for s in world.told)


def test_reactive_power_inside_the_circle(make_world, ask, make_battery):
    able = frozenset({Capability.SET_W, Capability.SET_VAR})
    fleet = [make_battery(f"b{at}", capabilities=able, max_var=4_000.0) for at in range(2)]
    world = make_world(devices=fleet)
    world.submit(ask("c1", set_w=8_000, set_var=10_000))
    world.run(10)
    told = {s.device_id: s for s in world.told}
    assert told["b0"].reactive_power_var == pytest.approx(3_000)  # sqrt(5000^2 - 4000^2)


def test_performance_adds_up(make_world, ask):
    world = make_world(5)
    world.submit(ask("c1", set_w=10_000, duration=60))
    world.run(80)
    reports = world.engine.performance.report("c1")
    assert reports[0].target_id == "all"
    assert reports[0].mean("delivered_w") == pytest.approx(10_000, rel=0.02)
    assert reports[0].mean("acknowledged_w") == pytest.approx(10_000, rel=0.02)
    assert sum(report.mean("delivered_w") for report in reports[1:]) == pytest.approx(10_000, rel=0.02)
    assert [i for i in world.intervals if i.target_id == "all"] == list(reports[0].intervals)
    assert reports[0].intervals[0].tracking_error < 0.06


def test_group_snapshot(make_world, ask):
    world = make_world(4)
    world.submit(ask("c1", set_w=8_000))
    world.run(20)
    seen = world.engine.snapshot(Target(TargetKind.GROUP, "all"))
    assert seen.w == pytest.approx(8_000)
    assert seen.available_up_w == pytest.approx(12_000)
    assert seen.available_down_w == pytest.approx(28_000)
    assert seen.soc == pytest.approx(0.6, abs=0.02)
    assert seen.available_wh == pytest.approx(0.6 * 40_000, rel=0.02)


def test_curves_go_to_those_who_can(make_world, ask, make_battery):
    fleet = [make_battery("a"), make_battery("b", capabilities=frozenset({Capability.CURVES, Capability.SET_W}))]
    world = make_world(devices=fleet)
    control = ask("c1", values={ControlMode.CURVE: ModeValue(0.0, base="volt_var", payload={"points": [1]})})
    answer, _, _ = world.engine.decide(control, world.now)
    assert (answer.verdict, answer.left_out) == (Verdict.PARTIAL, ("a",))
    world.submit(control)
    world.run(10)
    assert [s.device_id for s in world.told] == ["b"]
    assert world.told[0].passed[ControlMode.CURVE].payload == {"points": [1]}
    assert world.told[0].active_power_w is None


def test_each_device_is_told_the_curves_it_can_do_of_whoever_rules_them(make_world, ask, make_battery):
    """Two curves of a feeder, one of a device of its own; one device knows only the first."""
    able = frozenset({Capability.SET_W, Capability.VOLT_VAR, Capability.VOLT_WATT})
    fleet = [make_battery("a", capabilities=able - {Capability.VOLT_WATT}), make_battery("b", capabilities=able)]
    world = make_world(devices=fleet)
    records = {name: {"curveData": [{"xvalue": n, "yvalue": n}]} for n, name in enumerate(("x", "y"))}
    payload = {"opModVoltVar": records["x"], "opModVoltWatt": records["x"]}
    world.submit(ask("feeder", values={ControlMode.CURVE: ModeValue(2.0, payload=payload)}, duration=None))
    own = {ControlMode.CURVE: ModeValue(1.0, "opModVoltWatt", {"opModVoltWatt": records["y"]})}
    world.submit(ask("own", values=own, device="b", duration=60, program="p2"))
    world.run(10)

    def last(device_id):
        told = [s for s in world.told if s.device_id == device_id][-1]
        return told.passed[ControlMode.CURVE], set(told.control_ids)

    value, ids = last("a")
    assert (curves_in(value), ids) == ({"opModVoltVar": records["x"]}, {"feeder"})
    value, ids = last("b")
    assert (curves_in(value), ids) == (
        {"opModVoltVar": records["x"], "opModVoltWatt": records["y"]},
        {"feeder", "own"},
    )
    world.run(120)
    assert curves_in(last("b")[0]) == payload


def test_a_curve_that_a_device_could_not_hold_is_not_carried_out_though_its_power_is(make_world, ask, make_battery):
    """Both were told in one set-point, of which the device took the power alone."""
    able = frozenset({Capability.SET_W, Capability.VOLT_VAR})
    world = make_world(devices=[make_battery(name, capabilities=able) for name in ("a", "b")])
    world.units["a"].undone = frozenset({"curve:opModVoltVar"})
    curve = ModeValue(1.0, payload={"opModVoltVar": {"curveData": [{"xvalue": 1, "yvalue": 1}]}})
    world.submit(ask("power", set_w=4_000, program="p2"))
    world.submit(ask("curve", values={ControlMode.CURVE: curve}))
    world.run(80)
    assert world.kinds("power", "a") == world.kinds("power", "b") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert world.kinds("curve", "a") == ["RECEIVED", "FAILED"]
    assert world.kinds("curve", "b") == ["RECEIVED", "STARTED", "COMPLETED"]
    (failed,) = [o for o in world.outcomes if o.control_id == "curve" and o.kind.name == "FAILED"]
    assert failed.reason == "too many points"


def test_a_set_point_that_ends_under_a_standing_limit_is_let_go_of(make_world, ask):
    world = make_world(4)
    world.submit(ask("limit", export_limit=6_000, duration=None, program="feeder"))
    world.submit(ask("event", set_w=5_000, duration=30, program="p2"))
    world.run(20)
    assert world.total == pytest.approx(5_000)
    assert [unit.told_w for unit in world.units.values()] == [pytest.approx(1_250)] * 4
    world.run(30)  # the event is over, the limit stands
    assert {unit.told_w for unit in world.units.values()} == {None}
    assert world.total == pytest.approx(0)
    assert sum(unit.ceiling_w for unit in world.units.values()) <= 6_000 + 1e-6
    ends = [point for point in world.told if ControlMode.SET_W in point.let_go]
    assert {point.device_id for point in ends} == set(world.units)
    assert all(point.ceiling_w is not None and not point.release for point in ends)


def test_what_is_cancelled_is_let_go_of_also_by_devices_that_were_away(make_world, ask):
    world = make_world(4)
    world.submit(ask("limit", export_limit=6_000, duration=None, program="feeder"))
    world.submit(ask("event", set_w=5_000, duration=None, program="p2"))
    world.run(10)
    away = world.units["b00"]
    away.dead = True
    world.run(5)
    assert world.engine.cancel("event", world.now)
    world.run(5)
    assert away.told_w == pytest.approx(1_250)  # it heard nothing of it
    away.dead = False
    world.run(120)
    assert away.told_w is None


def test_a_release_that_does_not_get_through_comes_when_the_device_is_back(make_world, ask):
    world = make_world(2)
    world.submit(ask("event", set_w=5_000, duration=None))
    world.run(10)
    away = world.units["b00"]
    away.dead = True
    assert world.engine.cancel("event", world.now)
    world.run(5)
    assert (away.told_w, world.units["b01"].told_w) == (pytest.approx(2_500), None)
    away.dead = False
    world.run(120)
    assert away.told_w is None


@pytest.mark.parametrize(("ramp_s", "largest"), [(10.0, 0.11), (60.0, 0.06), (400.0, 0.02)])
def test_a_ramp_is_walked_in_small_steps_and_reaches_its_end(make_world, ask, ramp_s, largest):
    world = make_world(10)
    world.submit(ask("c1", set_w=20_000, ramp_s=ramp_s, duration=600))
    world.run(5)
    before, steps = world.total, []
    for _ in range(int(2 * ramp_s) + 20):
        world.run(0.5)
        steps.append(world.total - before)
        before = world.total
    assert max(steps) <= largest * 20_000
    assert world.total == pytest.approx(20_000, rel=1e-3)
    half = sum(steps[: int(ramp_s)])
    assert half == pytest.approx(10_000, rel=0.25)


@pytest.mark.parametrize("where", ["all", "f1"])
def test_what_a_generation_limit_takes_off_a_group_is_not_given_back_to_make_up_for_an_import(
    make_world, ask, make_battery, where
):
    devices = [make_battery(name) for name in ("a", "b", "c", "d")]
    groups = [
        Group(id="all", members=("a", "b", "c", "d")),
        Group(id="f1", members=("a", "b"), parent="all"),
        Group(id="s1", members=("a", "b"), parent="f1"),
        Group(id="f2", members=("c", "d"), parent="all"),
    ]
    world = make_world(devices=devices, groups=groups)
    world.submit(ask("c1", target="s1", set_w=6_000, program="p1"))
    world.submit(ask("c2", target="f2", set_w=-8_000, program="p2"))
    world.submit(ask("c3", target="all", import_limit=0.0, program="p3"))
    world.submit(ask("c4", target=where, generation_limit=3_000, program="p4"))
    world.run(20)
    watts = {name: unit.w for name, unit in world.units.items()}
    assert watts["a"] + watts["b"] == pytest.approx(3_000)
    assert watts["c"] + watts["d"] == pytest.approx(-3_000)


def test_regulation_and_set_point_have_accounts_of_their_own_that_sum_up_to_what_flowed(make_world, ask):
    world = make_world(10)
    world.submit(ask("base", set_w=10_000, at=5, duration=115, program="market"))
    flowed = 0.0
    for number, delta in enumerate((5_000, -4_000, 2_000, 0, -6_000)):
        control = ask(
            f"agc{number}",
            regulation=delta,
            at=20 + 12 * number,
            duration=12,
            program="iso",
            created=1.7e9 + number,
            service_class=ServiceClass.REGULATION,
        )
        world.submit(control)
    for _ in range(300):
        before = world.total
        world.run(0.5)
        flowed += (before + world.total) / 2 * 0.5

    own = [one for one in world.intervals if one.target_id == "all"]
    lines = [one for one in world.intervals if one.target_id != "all"]

    def joules(found, field="delivered_w"):
        return sum((one.end - one.start) * (getattr(one, field) or 0.0) * one.known for one in found)

    market = [one for one in own if one.control_id == "base"]
    signals = [one for one in own if one.control_id.startswith("agc")]
    assert {one.requested_w for one in market} == {10_000.0}
    for number, delta in enumerate((5_000, -4_000, 2_000, 0, -6_000)):
        mine = [one for one in signals if one.control_id == f"agc{number}"]
        assert {one.requested_w for one in mine} == {float(delta)}
        assert all(one.accepted_w == pytest.approx(delta) for one in mine)
        assert mine[-1].delivered_w == pytest.approx(delta, abs=1.0)
    assert joules(market, "requested_w") + joules(signals, "requested_w") == pytest.approx(10_000 * 115 - 3_000 * 12)
    assert joules(own) == pytest.approx(flowed, rel=0.02)
    for field in ("allocated_w", "acknowledged_w", "delivered_w"):
        for control, mine in (("base", market), ("agc", signals)):
            of_devices = [one for one in lines if one.control_id.startswith(control)]
            assert joules(of_devices, field) == pytest.approx(joules(mine, field), abs=2_000.0)
    # One line for each device over all signals, under the first of them.
    assert {one.control_id for one in lines} == {"base", "agc0"}
    assert len([one for one in lines if one.control_id == "agc0"]) == 10
