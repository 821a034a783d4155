"""What devices are told that are not heard or failed: what narrows, seldom, and nothing of it counts unanswered."""

from itertools import pairwise

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.controls import DeliveryOutcome
from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate

QUIET = {"stale_after_s": 2.0, "lost_after_s": 3.0, "return_after_s": 10.0}


def world_of(bench, **control):
    """Two batteries at work, of which one falls silent 10 s later and is noticed as lost."""
    made = bench(battery("a"), battery("b"), **QUIET)
    made.submit(ask(**control))
    made.step(1, steps=10)
    made.silent.add("a")
    made.lies["a"] = made.told.get("a") or 0.0
    return made


def told(world, name="a", since=0.0):
    return [(at - T0, p.active_power_w) for at, p in world.log if p.device_id == name and at - T0 > since]


def test_a_silent_device_is_told_to_give_up_what_others_have_taken_over(bench):
    world = world_of(bench, set_w=4_000.0)
    world.step(1, steps=6)
    assert world.told == {"a": 0.0, "b": pytest.approx(4_000.0)}


def test_a_silent_device_keeps_what_nobody_can_take_over(bench):
    world = bench(battery("a"), **QUIET)
    world.submit(ask(set_w=4_000.0))
    world.step(1, steps=10)
    world.silent.add("a")
    world.log.clear()
    world.step(1, steps=30)
    assert world.log == []
    assert world.told["a"] == 4_000.0


def test_a_stricter_limit_reaches_a_silent_device_where_the_others_cannot_leave_it_room(bench):
    world = world_of(bench, set_w=10_000.0)
    world.step(1, steps=6)
    assert world.told["a"] == 5_000.0  # as before: the other cannot take its part
    world.outcome["b"] = DeliveryOutcome.ACKNOWLEDGED
    world.submit(ask("c2", group="all", generation_limit=2_000.0, created=T0 + 20))
    world.step(1, steps=3)
    assert world.told["a"] == pytest.approx(2_000.0)
    assert world.told["b"] == 0.0


def test_what_a_silent_device_does_not_acknowledge_is_still_counted_against_the_limit(bench):
    world = world_of(bench, set_w=6_000.0)
    world.outcome["a"] = DeliveryOutcome.TIMEOUT
    world.deaf.add("a")
    world.submit(ask("c2", group="all", generation_limit=4_000.0, created=T0 + 20))
    world.step(1, steps=30)
    assert world.told["a"] == 3_000.0
    assert world.told["b"] == pytest.approx(1_000.0)
    world.outcome.pop("a")
    world.deaf.clear()
    world.step(1, steps=40)
    assert world.told["a"] < 3_000.0
    assert world.told["a"] + world.told["b"] == pytest.approx(4_000.0)


def test_a_device_that_does_not_answer_is_told_seldom(bench):
    world = world_of(bench, set_w=4_000.0)
    world.outcome["a"] = DeliveryOutcome.TIMEOUT
    world.deaf.add("a")
    since = world.now - T0
    world.step(1, steps=200)
    times = [at for at, _ in told(world, since=since)]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:2] == [pytest.approx(5.0, abs=1.1), pytest.approx(10.0, abs=1.1)]
    assert all(pause >= 29.0 for pause in pauses[3:])
    assert 5 <= len(times) <= 10


def test_what_is_published_and_not_fetched_is_published_once(bench):
    world = world_of(bench, set_w=4_000.0)
    world.outcome["a"] = DeliveryOutcome.PUBLISHED
    since = world.now - T0
    world.step(1, steps=100)
    assert [watts for _, watts in told(world, since=since)] == [0.0]


@pytest.mark.parametrize("first", [DeliveryOutcome.ACKNOWLEDGED, DeliveryOutcome.TIMEOUT])
def test_a_silent_device_is_let_go_of_what_is_over(bench, first):
    world = world_of(bench, set_w=10_000.0, duration=20.0)
    world.outcome["a"] = first
    world.step(1, steps=14)
    releases = [at for at, point in world.log if point.device_id == "a" and point.release]
    assert len(releases) >= 1
    assert releases[0] - T0 == pytest.approx(20.0, abs=1.1)
    world.outcome.pop("a")
    world.step(1, steps=40)
    again = [at for at, point in world.log if point.device_id == "a" and point.release]
    assert len(again) == (1 if first is DeliveryOutcome.ACKNOWLEDGED else len(releases) + 1)


def test_who_is_back_is_told_at_once_whatever_it_was_told_meanwhile(bench):
    world = world_of(bench, set_w=4_000.0)
    world.step(1, steps=20)
    world.silent.clear()
    world.lies.clear()
    back = world.now - T0
    world.step(1, steps=2)
    # Its own power at first, to see whether it answers.
    assert told(world, since=back) == [(back + 1, 0.0), (back + 2, pytest.approx(2_000.0))]


def test_an_unanswered_word_does_not_put_off_the_return_of_a_device_that_is_heard(bench):
    world = bench(battery("a"), battery("b"), **QUIET)
    world.outcome["a"] = DeliveryOutcome.TIMEOUT
    world.deaf.add("a")
    world.submit(ask(set_w=4_000.0))
    world.step(1, steps=2)  # fails, and gives nothing
    world.lies["a"] = 3_000.0  # goes its own way: it is told to give nothing again, in vain
    world.step(1, steps=6)
    world.outcome.pop("a")
    world.deaf.clear()
    world.lies.clear()
    world.step(1, steps=8)
    assert world.told["a"] == pytest.approx(2_000.0)


def test_a_stricter_limit_waits_ten_seconds_at_most_for_a_device_that_failed_and_is_heard(bench):
    world = bench(battery("a"), battery("b"), **QUIET | {"return_after_s": 200.0})
    world.submit(ask(set_w=8_000.0))
    world.step(1, steps=5)
    world.outcome["a"] = DeliveryOutcome.TIMEOUT
    world.deaf.add("a")
    world.submit(ask("c2", set_w=6_000.0, authority=1.0, created=T0 + 5))
    world.step(1, steps=20)
    world.submit(ask("c3", export_limit=1_000.0, created=T0 + 20))
    world.step(1, steps=30)
    world.outcome.pop("a")
    world.deaf.clear()
    world.step(1, steps=11)
    assert world.told["a"] + world.told["b"] <= 1_000.0 + 1e-6


def test_behind_a_meter_it_reaches_those_who_failed_and_are_heard_where_nobody_is_left_to_make_up_for_them(bench):
    meter = Device(id="m", kind=DeviceKind.METER, nameplate=Nameplate(max_w=0.0))
    groups = [Group(id="all", members=("a", "b"), meter="m")]
    world = bench(battery("a"), battery("b"), meter, groups=groups, **QUIET | {"return_after_s": 200.0})

    def step(count):
        for _ in range(count):
            world.lies["m"] = sum(world.told.get(name) or 0.0 for name in ("a", "b"))
            world.step(1)

    world.submit(ask(set_w=8_000.0))
    step(5)
    world.outcome |= dict.fromkeys(("a", "b"), DeliveryOutcome.TIMEOUT)
    world.deaf |= {"a", "b"}
    world.submit(ask("c2", set_w=6_000.0, authority=1.0, created=T0 + 5))
    step(40)
    world.submit(ask("c3", export_limit=1_000.0, created=T0 + 20))
    step(30)
    world.outcome.clear()
    world.deaf.clear()
    step(11)
    assert world.told["a"] + world.told["b"] <= 1_000.0 + 1e-6


def test_a_single_devices_limit_reaches_it_though_it_is_silent(bench):
    groups = [Group(id="all", members=("a", "b")), Group(id="one", members=("a",), parent="all")]
    world = bench(battery("a"), battery("b"), groups=groups, **QUIET)
    world.submit(ask(set_w=8_000.0))
    world.step(1, steps=5)
    world.silent.add("a")
    world.submit(ask("c2", group="one", export_limit=500.0, created=T0 + 5))
    world.step(1, steps=8)
    assert world.told["a"] == pytest.approx(500.0)


def test_what_one_that_is_not_believed_may_give_leaves_no_room_to_take(bench):
    """An import limit: a roof in quarantine may give nothing, whatever it could give; the battery beside it obeys."""
    roof = Device(id="r", kind=DeviceKind.PV, nameplate=Nameplate(max_w=5_000.0, max_charge_w=0.0))
    world = bench(battery("a"), roof, **QUIET | {"return_after_s": 200.0})
    world.submit(ask(set_w=-4_000.0))
    world.step(1, steps=5)
    world.engine.desk.quarantine("r", world.now)
    world.outcome["a"] = DeliveryOutcome.TIMEOUT
    world.deaf.add("a")
    world.submit(ask("c2", set_w=-4_500.0, authority=1.0, created=T0 + 5))
    world.step(1, steps=10)
    assert world.told["a"] == pytest.approx(-4_000.0)
    world.submit(ask("c3", import_limit=1_000.0, authority=2.0, created=T0 + 15))
    world.outcome.pop("a")
    world.deaf.clear()
    world.step(1, steps=11)
    assert world.told["a"] == pytest.approx(-1_000.0)


def test_who_answers_leaves_room_for_who_is_told_in_vain(bench):
    """Of three silent devices under a stricter limit two do not answer and go on: the third gives up theirs, too."""
    world = bench(*map(battery, "abc"), **QUIET)
    world.submit(ask(set_w=6_000.0))
    world.step(1, steps=10)
    world.silent |= {"a", "b", "c"}
    world.deaf |= {"a", "b"}
    world.outcome |= dict.fromkeys("ab", DeliveryOutcome.TIMEOUT)
    for name in "abc":
        world.lies[name] = 2_000.0
    world.submit(ask("c2", group="all", generation_limit=5_000.0, created=T0 + 20))
    world.step(1, steps=12)
    assert (world.told["a"], world.told["b"]) == (2_000.0, 2_000.0)
    assert world.told["c"] == pytest.approx(1_000.0)
