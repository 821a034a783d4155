"""What each tick looks at: silence and return, the local day; and that nothing else makes a step due."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.controls import Delivery, DeliveryOutcome


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


def test_quiet_rounds_change_nothing(bench):
    world = bench(battery("a"))
    world.step(2)
    assert world.engine._rounds.make(world.now + 2) is False
    assert world.engine._rounds.make(world.now + 2.5) is False
