"""A group's total is that of its metered points: its own meter, else those of the groups inside it."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate
from gridiface.domain.telemetry import Quality, Snapshot

#: What lies behind the feeder's meter beside the members, W.
LOAD = -3_000.0

NORTH, SOUTH = ("a", "b"), ("c", "d")


class Site:
    """Two feeders of two batteries each; the one in the north has a meter, which also sees a load."""

    def __init__(self, bench, *, site_meter=False, meter_filter_s=0.0):
        meters = [Device(id=name, kind=DeviceKind.METER, nameplate=Nameplate(max_w=0.0)) for name in ("m", "n")]
        self.world = bench(*map(battery, (*NORTH, *SOUTH)), *meters, meter_filter_s=meter_filter_s)
        groups = [
            Group(id="site", members=(*NORTH, *SOUTH), meter="n" if site_meter else None),
            Group(id="north", members=NORTH, meter="m"),
            Group(id="south", members=SOUTH),
        ]
        self.world.engine.set_groups(groups, self.world.now)
        self.load, self.silent = LOAD, False
        self.powers = {}  # of members that do what nobody told them
        self.world.look = self.look
        self.step(2)

    def look(self):
        world = self.world
        powers = {name: world.told.get(name) or 0.0 for name in (*NORTH, *SOUTH)} | self.powers
        powers |= {"m": sum(powers[name] for name in NORTH) + self.load}
        powers |= {"n": powers["m"] + sum(powers[name] for name in SOUTH)}
        for name in world.silent | ({"m"} if self.silent else set()):
            del powers[name]
        snapshots = [
            Snapshot(device_id=name, source_time=world.now, received=world.now, quality=Quality.GOOD, w=w)
            for name, w in powers.items()
        ]
        world.engine.observe(snapshots, world.now)

    def step(self, count=8):
        self.world.step(steps=count)
        return self

    @property
    def net(self):
        """What the site gives at its metered points."""
        return sum(self.world.told.get(name) or 0.0 for name in (*NORTH, *SOUTH)) + self.load

    def published(self, group="site"):
        return self.world.engine.snapshot(Target(TargetKind.GROUP, group))


@pytest.fixture
def site(bench):
    return lambda **more: Site(bench, **more)


@pytest.mark.parametrize("group", ["site", "north"])
@pytest.mark.parametrize(
    ("asked", "net"),
    [
        ({"set_w": 2_000.0}, 2_000.0),
        ({"delta_w": 1_000.0}, LOAD + 1_000.0),
        ({"regulation": 1_000.0}, LOAD + 1_000.0),
        ({"import_limit": 1_000.0}, -1_000.0),
        ({"export_limit": 500.0}, LOAD),
    ],
)
def test_a_control_speaks_of_the_metered_total_of_an_outer_group_as_of_the_metered_one(site, asked, net, group):
    world = site()
    answer = world.world.submit(ask("c", group=group, **asked))
    world.step()
    assert world.net == pytest.approx(net)
    if not {"regulation"} >= asked.keys() and "limit" not in next(iter(asked)):
        assert answer.feasible_w == pytest.approx(net)


def test_what_is_published_and_counted_as_delivered_is_the_metered_total(site):
    world = site()
    assert world.published().w == pytest.approx(LOAD)
    assert world.published().quality is Quality.GOOD
    world.world.submit(ask("c", group="site", set_w=2_000.0))
    world.step(20)
    assert world.published().w == pytest.approx(2_000.0)
    assert world.world.engine.performance.latest("c").delivered_w == pytest.approx(2_000.0)


def test_a_meter_around_counts_once(site):
    world = site(site_meter=True)
    world.world.submit(ask("c", group="site", set_w=2_000.0))
    world.world.submit(ask("inner", group="north", set_w=-4_000.0))
    world.step()
    assert world.net == pytest.approx(2_000.0)
    assert world.published("north").w == pytest.approx(-4_000.0)


def test_what_a_silent_inner_meter_saw_last_stands_in_and_is_said(site):
    world = site()
    world.world.submit(ask("c", group="site", set_w=2_000.0))
    world.step()
    world.silent = True
    world.step(10)
    assert world.net == pytest.approx(2_000.0)
    assert world.published().w == pytest.approx(2_000.0)
    assert world.published().quality is Quality.ESTIMATED
    assert ("lost", "north") in world.world.verdicts("meter")


def test_what_members_do_after_the_last_reading_of_a_meter_is_not_taken_for_what_lies_beside_them(site):
    world = site()
    world.world.submit(ask("c", group="north", set_w=2_000.0))
    world.step()
    world.silent = True
    for asked in (-1_000.0, -2_000.0, -500.0):  # each makes a step while the meter is stale, not lost yet
        world.world.submit(ask(f"c{asked:.0f}", group="north", start=world.world.now - T0, set_w=asked))
        world.step(1)
        assert world.net == pytest.approx(asked)


def test_a_preview_while_a_meter_is_silent_counts_with_what_it_saw_last(site):
    world = site()
    world.world.submit(ask("c", group="north", set_w=2_000.0))
    world.step()
    world.silent = True
    world.world.submit(ask("later", group="north", start=world.world.now - T0, set_w=-1_000.0))
    world.step(1)
    world.look()
    preview = world.world.engine.shares(ask("next", group="north", set_w=500.0), world.world.now)
    assert sum(share.w for share in preview) == pytest.approx(500.0 - LOAD)


def test_an_answer_takes_what_meters_see_into_account_and_changes_nothing(site):
    world = site()
    preview = [share.w for share in world.world.engine.shares(ask("c", group="site", set_w=1_000.0), world.world.now)]
    assert sum(preview) == pytest.approx(4_000.0)
    answer = world.world.engine.decide(ask("c", group="site", set_w=30_000.0), world.world.now)[0]
    assert answer.feasible_w == pytest.approx(20_000.0 + LOAD)


def test_a_ceiling_on_the_feeder_is_named_whatever_its_meter_sees_beside_the_members(site):
    world = site()
    world.world.submit(ask("c", group="site", set_w=9_000.0))
    world.world.submit(ask("ceiling", group="north", max_w_percent=20.0))
    world.step()
    told = world.world.told
    assert told["a"] + told["b"] == pytest.approx(2_000.0)
    assert world.net == pytest.approx(9_000.0)
    assert ("limited", "north") in world.world.verdicts("max_w_percent")


@pytest.mark.parametrize(
    ("limit", "load", "net"), [("export_limit", 2_000.0, 1_000.0), ("import_limit", -7_000.0, 0.0)]
)
def test_a_load_that_stops_or_begins_passes_no_limit_for_as_long_as_its_meter_is_smoothed(site, limit, load, net):
    world = site(meter_filter_s=10.0)
    world.world.submit(ask("c", group="north", set_w=500.0))
    world.world.submit(ask("limit", group="north", **{limit: abs(net)}))
    world.step(40)
    assert world.net == pytest.approx(500.0, abs=50.0)
    world.load = load
    world.step(2)
    assert world.net == pytest.approx(net, abs=60.0)
    world.step(60)
    assert world.net == pytest.approx(500.0, abs=50.0)


def test_who_falls_silent_behind_a_meter_and_is_heard_again_with_another_power_is_counted_once(site):
    world = site(meter_filter_s=10.0)
    world.world.submit(ask("c", group="north", set_w=0.0))
    world.world.submit(ask("limit", group="north", export_limit=0.0))
    world.load, world.powers = 0.0, {"b": -2_000.0}
    world.world.silent = {"b"}
    world.step(60)
    assert world.world.told["a"] == pytest.approx(2_000.0, abs=50.0)
    world.world.silent, world.powers = set(), {"b": 1_000.0}
    world.step(1)
    world.powers = {}  # by now it has been told
    world.step(1)
    assert world.net == pytest.approx(0.0, abs=50.0)
    world.step(8)
    assert world.net == pytest.approx(0.0, abs=50.0)


def test_members_that_move_in_the_second_in_which_their_meter_falls_silent_are_not_taken_for_a_load_beside_them(site):
    world = site(meter_filter_s=10.0)
    world.world.submit(ask("limit", group="north", export_limit=1_000.0))
    world.load, world.powers = 0.0, {"a": -3_000.0, "b": 4_000.0}
    world.step(20)
    assert world.world.told == {}  # 1 kW, and both go on with what they do by themselves
    world.silent, world.powers = True, {"a": 0.0, "b": 4_000.0}
    world.step(1)
    world.powers = {}
    world.step(5)
    assert world.net == pytest.approx(1_000.0, abs=10.0)


def test_who_falls_silent_and_delivers_on_behind_a_meter_is_counted_once_under_a_limit(site):
    """It was: as it may do what it acknowledged, and once more as the meter shows it, for half a minute."""
    world = site(meter_filter_s=10.0)
    world.world.submit(ask("c", group="north", set_w=1_000.0))
    world.world.submit(ask("limit", group="north", export_limit=1_000.0))
    world.step(20)
    assert world.world.told["a"] == pytest.approx(2_000.0, abs=10.0)
    world.world.silent, world.world.deaf = {"b"}, {"b"}
    for _ in range(40):
        world.step(1)
        assert world.net == pytest.approx(1_000.0, abs=20.0)


def test_who_stopped_when_it_fell_silent_may_begin_again_under_a_limit_though_the_meter_shows_that_it_stopped(site):
    world = site(meter_filter_s=10.0)
    world.world.submit(ask("c", group="north", set_w=1_000.0))
    world.world.submit(ask("limit", group="north", export_limit=1_000.0))
    world.step(20)
    world.world.silent, world.world.deaf, world.powers = {"b"}, {"b"}, {"b": 0.0}
    world.step(20)
    assert 1_800.0 < world.world.told["a"] <= 2_010.0, "the room of what it acknowledged is kept"


def test_a_load_beside_the_members_hides_nothing_of_who_fell_silent_from_a_generation_limit(site):
    world = site(meter_filter_s=10.0)
    world.world.submit(ask("c", group="north", set_w=3_000.0))
    world.world.submit(ask("limit", group="north", generation_limit=5_000.0))
    world.step(20)
    world.world.silent, world.world.deaf = {"b"}, {"b"}
    for _ in range(60):
        world.step(1)
        assert world.world.told["a"] + world.world.told["b"] <= 5_010.0
