"""What each tick looks at: silence and return, the local day; and that nothing else makes a step due."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.controls import Delivery, DeliveryOutcome
from gridiface.domain.fleet import DriverTraits

#: A control of the time before the restart.
BEFORE = ask(name="before", start=-7_200.0, duration=60.0, set_w=1_000.0)


def test_who_falls_silent_is_lost_and_its_share_moves_in_the_same_tick(bench):
    world = bench(battery("a"), battery("b"), lost_after_s=20.0, stale_after_s=10.0)
    world.submit(ask(set_w=4_000.0))
    world.step(2)
    heard = world.engine.devices
    world.engine.devices = lambda: [device for device in heard() if device.id == "b"]
    world.step(1, steps=25)
    assert ("lost", "a") in world.verdicts("availability")
    assert world.told["b"] == pytest.approx(4_000.0)


def test_who_failed_is_asked_again_after_its_waiting_time(bench):
    world = bench(battery("a"), battery("b"), return_after_s=30.0)
    world.submit(ask(set_w=4_000.0))
    (told, *_) = (one for one in world.engine.tick(world.now).setpoints if one.device_id == "a")
    failed = Delivery(device_id="a", outcome=DeliveryOutcome.TIMEOUT, at=world.now, setpoint=told)
    world.engine.deliver([failed], world.now)
    world.step(1, steps=5)
    assert world.told["b"] == pytest.approx(4_000.0)
    world.step(1, steps=40)
    assert ("returned", "a") in world.verdicts("availability")
    assert world.told == pytest.approx({"a": 2_000.0, "b": 2_000.0})


def test_after_a_restart_who_tells_by_itself_is_not_lost_while_it_reconnects(bench):
    told = battery("told", traits=DriverTraits(answers_itself=True, report_period_s=1.0))
    world = bench(battery("read"), told, lost_after_s=4.0)
    world.engine.restore((BEFORE,), (), world.now)
    world.step(1, steps=3)
    world.silent = {"told", "read"}
    world.step(1, steps=18)
    assert world.verdicts("availability") == [("lost", "read")]
    world.step(1, steps=4)
    assert world.verdicts("availability") == [("lost", "read"), ("lost", "told")]
    world.silent = set()
    world.step(1, steps=60)
    del world.decisions[:]
    world.silent = {"told", "read"}
    world.step(1, steps=6)
    assert sorted(world.verdicts("availability")) == [("lost", "read"), ("lost", "told")], "later they are alike"


def test_who_registers_after_the_restart_has_found_us_and_is_lost_as_ever(bench):
    traits = DriverTraits(answers_itself=True, report_period_s=1.0)
    world = bench(battery("before", traits=traits), lost_after_s=4.0)
    world.engine.restore((BEFORE,), (), world.now)
    world.engine.add_device(battery("after", traits=traits), world.now)
    world.step(1, steps=3)
    world.silent = {"before", "after"}
    world.step(1, steps=6)
    assert world.verdicts("availability") == [("lost", "after")]


def test_at_the_first_start_nobody_has_to_find_us_again(bench):
    world = bench(battery("told", traits=DriverTraits(answers_itself=True, report_period_s=1.0)), lost_after_s=4.0)
    world.engine.restore((), (), world.now)
    world.step(1, steps=2)
    world.silent = {"told"}
    world.step(1, steps=6)
    assert world.verdicts("availability") == [("lost", "told")]


def test_that_time_goes_on_with_a_clock_that_is_set(bench):
    world = bench(battery("told", traits=DriverTraits(answers_itself=True, report_period_s=1.0)), lost_after_s=4.0)
    world.engine.restore((BEFORE,), (), world.now)
    world.step(1, steps=2)
    world.now += 3_600.0
    world.step(1)
    world.silent = {"told"}
    world.step(1, steps=15)
    assert ("lost", "told") not in world.verdicts("availability")


def test_quiet_rounds_change_nothing(bench):
    world = bench(battery("a"))
    world.step(2)
    assert world.engine._rounds.make(world.now + 2) is False
    assert world.engine._rounds.make(world.now + 2.5) is False
