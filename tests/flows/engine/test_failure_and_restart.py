"""A fleet of 20 in the middle of an event: one fails, one returns, the server restarts, the clock is set."""

from dataclasses import replace

import pytest
from tests.flows.engine.conftest import START

from gridiface.domain.controls import ControlMode, OutcomeKind
from gridiface.domain.fleet import Capability, DeviceKind


def test_the_share_of_a_device_that_cannot_be_read_is_on_the_others_within_5_s(make_world, ask):
    world = make_world(20)
    world.submit(ask("c1", set_w=40_000, duration=60))
    world.run(10)
    assert world.total == pytest.approx(40_000)
    world.units["b03"].dead = True
    world.run(5)
    assert world.units["b03"].w == 0
    assert world.total == pytest.approx(40_000)
    said = [(d.verdict, d.target.id) for d in world.decisions]
    assert ("lost", "b03") in said
    assert ("re-allocated", "b03") in said


def test_the_share_of_a_device_that_refuses_its_set_point_is_on_the_others_within_5_s(make_world, ask):
    world = make_world(20)
    world.units["b07"].dead = True
    world.observe = lambda: None  # nothing but the missing acknowledgement tells
    world.submit(ask("c1", set_w=40_000, duration=60))
    world.run(5)
    world.run(5)
    assert world.total == pytest.approx(40_000)
    failing = [d for d in world.decisions if d.verdict == "failing"]
    assert [d.target.id for d in failing] == ["b07"]
    assert "timeout after 3 attempts" in failing[0].reason


def test_who_gives_more_by_itself_than_is_counted_on_is_held_by_a_limit(make_world, ask):
    """Its charge is in doubt, so half of its power counts: a limit speaks of all that it does."""
    world = make_world(2)
    unit = world.units["b00"]
    unit.natural_w = 5_000.0
    world.run(5)
    unit.soc_error = 0.2
    world.run(5)
    assert world.engine.desk.in_doubt() == ("b00",)
    assert world.engine.desk.distrust("b00") == "charge in doubt"
    assert not world.told
    world.submit(ask("c1", export_limit=6_000.0))
    world.run(10)
    assert unit.w == 5_000.0  # nobody is told anything that no limit needs
    world.submit(ask("c2", export_limit=3_000.0))
    world.run(10)
    assert world.total <= 3_000.0 + 1


def test_outcomes_of_an_event_with_one_failed_device(make_world, ask):
    world = make_world(5)
    world.submit(ask("c1", set_w=10_000, duration=30))
    world.run(10)
    world.units["b01"].dead = True
    world.run(30)
    assert world.kinds("c1") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert world.kinds("c1", "b00") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert world.kinds("c1", "b01") == ["RECEIVED", "STARTED", "PARTIAL"]
    told = [(o.control_id, o.device_id, o.kind) for o in world.outcomes]
    assert len(told) == len(set(told))


def test_a_flapping_device_comes_back_later_each_time(make_world, ask):
    world = make_world(4)
    world.submit(ask("c1", set_w=8_000, duration=None))
    waits = []
    world.run(10)
    for _ in range(3):
        unit = world.units["b02"]
        unit.dead = True
        world.run(2)
        unit.dead, unit.told_w = False, 0.0
        since = world.now
        while unit.told_w == 0.0 and world.now < since + 200:
            world.run(1)
        waits.append(world.now - since)
    assert waits[0] < waits[1] < waits[2]
    assert world.total == pytest.approx(8_000, rel=0.001)


def test_a_restart_in_mid_event_makes_no_step_and_says_nothing_twice(make_world, ask):
    world = make_world(20)
    world.submit(ask("c1", set_w=40_000, duration=60))
    world.run(15)
    before = {name: unit.told_w for name, unit in world.units.items()}
    said = len(world.outcomes)
    world.restart()
    least = most = world.total
    for _ in range(20):
        world.run(0.5)
        least, most = min(least, world.total), max(most, world.total)
    assert (least, most) == (pytest.approx(40_000), pytest.approx(40_000))
    assert {name: unit.told_w for name, unit in world.units.items()} == pytest.approx(before)
    assert len(world.outcomes) == said
    world.run(45)
    assert world.kinds("c1") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert world.kinds("c1", "b05") == ["RECEIVED", "STARTED", "COMPLETED"]
    assert world.total == 0


def test_a_restart_in_a_change_against_the_baseline_holds_what_is_measured(make_world, ask):
    world = make_world(5)
    for unit in world.units.values():
        unit.natural_w = 0.0
    world.submit(ask("c1", delta_w=5_000, duration=60))
    world.run(15)
    assert world.total == pytest.approx(5_000)
    world.restart()
    world.run(10)
    assert world.total == pytest.approx(5_000, rel=0.01)


def test_after_a_restart_nothing_is_sent_before_telemetry_or_the_grace_time(make_world, ask):
    world = make_world(5)
    world.submit(ask("c1", set_w=5_000, duration=60))
    world.run(10)
    world.restart()
    assert not world.engine.tick(world.now + 0.1).setpoints
    assert world.engine.next_timer(world.now + 0.1) <= world.now + 3.0
    assert len(world.engine.tick(world.now + 3.0).setpoints) == 5


def test_an_event_that_passed_while_the_server_was_down_is_told_as_failed_and_devices_are_released(make_world, ask):
    world = make_world(3)
    world.submit(ask("c1", set_w=3_000, at=5, duration=20))
    world.submit(ask("c2", set_w=3_000, at=40, duration=5, program="p2"))
    world.run(10)
    world.now += 60
    world.restart()
    world.run(2)
    assert world.kinds("c1")[-1] == "COMPLETED"
    assert world.kinds("c2") == ["RECEIVED", "FAILED"]
    assert world.total == 0


@pytest.mark.parametrize(
    ("modes", "named"),
    [
        ({"set_var_percent": 20.0}, ControlMode.SET_VAR),
        ({"power_factor_inject": 0.9}, ControlMode.POWER_FACTOR_INJECT),
        ({"max_w_percent": 40.0}, ControlMode.MAX_W_PERCENT),
        ({"export_limit": 3_000.0}, ControlMode.MAX_W_PERCENT),
        ({"export_limit": 90_000.0}, None),  # nobody was told a ceiling
    ],
)
def test_a_release_after_a_restart_names_what_a_control_before_it_may_have_told(make_world, ask, modes, named):
    able = frozenset({Capability.SET_W, Capability.LIMIT_W, Capability.SET_VAR, Capability.POWER_FACTOR})
    world = make_world(2, capabilities=able, max_var=2_000.0)
    world.submit(ask("c1", at=5, duration=20, **modes))
    world.run(10)
    world.now += 60
    world.restart()
    world.told.clear()
    world.run(3)
    assert [point.release for point in world.told] == [True, True]
    assert {point.let_go - {ControlMode.SET_W} for point in world.told} == {frozenset({named} - {None})}


@pytest.mark.parametrize("jump", [3600.0, 86_400.0, -3600.0, -86_400.0, 1.0, -1.0])
def test_a_clock_that_is_set_replays_nothing(make_world, ask, jump):
    world = make_world(4)
    world.submit(ask("c1", set_w=4_000, at=5, duration=100_000))
    world.run(10)
    world.now += jump
    world.run(10)
    assert world.total == pytest.approx(4_000)
    assert world.kinds("c1")[:2] == ["RECEIVED", "STARTED"]
    assert sum(o.kind is OutcomeKind.STARTED and o.device_id is None for o in world.outcomes) == 1
    assert not [d for d in world.decisions if d.verdict == "lost"]
    alarm = [d for d in world.decisions if d.signal == "clock"]
    assert bool(alarm) == (abs(jump) > 60)


def test_start_and_end_follow_the_clock_that_was_set(make_world, ask):
    world = make_world(2)
    world.submit(ask("c1", set_w=2_000, at=1000, duration=50))
    world.run(2)
    assert world.total == 0
    world.now += 1000
    world.run(2)
    assert world.total == pytest.approx(2_000)
    world.now += 100
    world.run(2)
    assert world.total == 0
    assert world.kinds("c1") == ["RECEIVED", "STARTED", "COMPLETED"]


def test_northbound_silence_the_running_event_ends_and_the_default_rules(make_world, ask):
    world = make_world(4)
    world.submit(ask("d1", set_w=1_000, at=0, duration=None, is_default=True))
    world.run(2)
    assert world.total == pytest.approx(1_000)
    world.submit(ask("c1", set_w=8_000, at=5, duration=20))
    world.run(10)
    assert world.total == pytest.approx(8_000)
    world.run(30)
    assert world.total == pytest.approx(1_000)
    assert world.kinds("d1") == []


def test_others_follow_a_blocked_device_as_soon_as_it_is_seen_to_let_go(make_world, ask):
    world = make_world(4)
    world.submit(ask("c1", set_w=8000, duration=600.0))
    world.run(31)
    assert world.total == pytest.approx(8000, rel=0.01)
    world.engine.desk.block("b00", True, world.now)
    world.dispatch(world.engine.tick(world.now))  # released; the others wait until it is seen
    world.run(1.0)
    assert world.units["b00"].told_w is None
    assert world.total == pytest.approx(8000, rel=0.01)


def test_who_is_not_heard_since_a_restart_is_left_room_under_a_limit_as_before_it(make_world, ask):
    world = make_world(2)
    world.submit(ask("c", set_w=8_000, duration=None))
    world.run(30)
    lost = world.units["b00"]
    lost.hung = True  # it goes on with its 4 kW
    world.submit(ask("limit", export_limit=5_000, at=35, duration=None))
    world.run(30)
    assert world.total <= 5_000 + 20
    world.restart()
    for _ in range(60):
        world.run(1)
        assert world.total <= 5_000 + 20
    lost.hung = False
    world.run(120)
    assert world.total == pytest.approx(5_000, abs=50)


def test_a_rating_that_is_cut_under_a_limit_makes_the_quick_wait_for_the_slow(make_world, ask, make_battery):
    world = make_world(devices=[make_battery("slow", ramp_w_per_s=500.0), make_battery("quick")])
    world.submit(ask("limit", export_limit=6_000))
    world.submit(ask("c", set_w=6_000))
    world.run(20)
    assert world.total == pytest.approx(6_000, abs=20)
    world.rate("slow", 1_000.0)
    for _ in range(15):
        world.run(1)
        assert world.total <= 6_000 + 20
    assert world.total == pytest.approx(6_000, abs=20)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["giving", "taking"])
@pytest.mark.parametrize("known_after", [0.0, 3.0, 20.0])
@pytest.mark.parametrize("obeys", [True, False], ids=["clamps itself", "goes on as told"])
def test_a_setting_that_is_cut_in_mid_event_is_made_up_for_once(
    make_world, ask, make_battery, sign, known_after, obeys
):
    """setMaxW and setMaxChargeRateW fall; the device obeys its owner at once, or only what it is told next."""
    world = make_world(devices=[make_battery(f"b{number}", energy_wh=1e6) for number in range(4)])
    world.submit(ask("c", set_w=sign * 12_000.0, duration=None))
    world.run(20)
    assert world.total == pytest.approx(sign * 12_000.0, abs=20)
    unit = world.units["b0"]
    before = unit.device
    cut = replace(before, settings=replace(before.settings, max_w=1_000.0, max_charge_w=1_000.0))
    if obeys:
        unit.device = cut
        world.run(known_after)
    for settings, others in ((cut, 11_250.0), (before, 9_000.0)):
        world.engine.add_device(settings, world.now)
        for _ in range(15):
            world.run(1)
            assert world.total == pytest.approx(sign * 12_000.0, abs=50)
        unit.device = before
        assert sum(abs(world.units[f"b{number}"].w) for number in (1, 2, 3)) == pytest.approx(others, abs=50)


def test_percentages_are_of_what_devices_are_set_to_now(make_world, ask, make_battery):
    world = make_world(devices=[make_battery(f"b{number}", energy_wh=1e6) for number in range(4)])
    for unit in world.units.values():
        unit.natural_w = 5_000.0
    world.submit(ask("limit", max_w_percent=50.0, duration=None))
    world.run(20)
    assert world.total == pytest.approx(10_000.0, abs=20)
    world.rate("b0", 1_000.0)
    world.run(2)
    assert world.total == pytest.approx(8_000.0, abs=20)
    world.submit(ask("c", set_w_percent=25.0, at=30.0, duration=None))
    world.run(20)
    assert world.total == pytest.approx(4_000.0, abs=20)
    world.rate("b0", 5_000.0)
    world.run(2)
    assert world.total == pytest.approx(5_000.0, abs=20)


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_who_does_not_follow_is_made_up_for_once(make_world, ask, make_battery, part):
    """First by the trim, and when it is left out by the shares of the others: the trim takes its part back."""
    world = make_world(devices=[make_battery(f"b{number}", energy_wh=1e6) for number in range(4)])
    world.submit(ask("c", set_w=8_000.0, duration=None))
    world.run(20)
    world.units["b0"].efficiency = part
    world.run(40)
    for _ in range(60):
        world.run(1)
        assert world.total == pytest.approx(8_000.0, abs=50)
    assert any(one.verdict == "failing" and one.target.id == "b0" for one in world.decisions)


def test_who_is_not_heard_since_a_restart_is_not_let_go_of_under_a_limit(make_world, ask, make_battery):
    """It answers, and nobody can see what it would do by itself: it keeps a power until it is heard."""
    world = make_world(devices=[make_battery("b00", capabilities=frozenset({Capability.SET_W})), make_battery("b01")])
    world.submit(ask("limit", generation_limit=0, duration=None))
    one = world.units["b00"]
    one.natural_w = 3_000.0
    world.run(30)
    assert world.total == pytest.approx(0, abs=20)
    one.unread = True
    world.run(10)
    world.restart()
    world.run(60)
    assert one.w == pytest.approx(0, abs=20)
    one.unread = False
    world.run(30)
    assert one.w == pytest.approx(0, abs=20)


def test_others_do_not_swing_with_each_try_of_one_that_does_not_answer_and_is_read_seldom(
    make_world, ask, make_battery
):
    """A charging point that is read every ten seconds takes commands no more; it goes on, and is tried again and again.

    Each try would take its reading for void, and the station beside it would go from half to full and back.
    """
    able = frozenset({Capability.SET_W})
    plate = {"max_w": 0.0, "max_charge_w": 11_000.0, "energy_wh": None, "capabilities": able}
    points = [make_battery(name, kind=DeviceKind.EVSE, **plate) for name in ("e0", "e1")]
    world = make_world(devices=points)
    for unit in world.units.values():
        unit.natural_w = -11_000.0
    stuck, other = world.units["e0"], world.units["e1"]
    read = world.observe
    world.observe = lambda: read() if world.now % 10.0 < 0.5 else None
    world.run(30)
    world.submit(ask("c", set_w=-11_000.0, at=world.now - START, duration=None))
    world.run(60)
    assert other.told_w == pytest.approx(-5_500.0, rel=0.02)
    stuck.deaf = True
    world.submit(ask("d", set_w=-11_200.0, at=world.now - START, duration=None, authority=1.0, program="p2"))
    world.run(60)  # it has failed, its share has moved, and a reading has shown what it does
    told = []
    for _ in range(600):
        world.run(1)
        told.append(other.told_w)
    assert sum(point.device_id == "e0" for point in world.told[-40:]) >= 5  # it is tried
    assert min(told) == pytest.approx(max(told), abs=300.0)
    assert world.total == pytest.approx(-11_200.0, rel=0.02)
