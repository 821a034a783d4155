"""What is held back before it leaves: roofs led by a ceiling beside batteries with a ramp, and mode devices."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.fleet import Capability, Constraints, Device, DeviceKind, Nameplate, Settings


def roof():
    plate = Nameplate(max_w=10_000.0, max_charge_w=0.0, capabilities=frozenset({Capability.LIMIT_W}))
    return Device(id="roof", kind=DeviceKind.PV, nameplate=plate)


def test_a_ceiling_falls_and_rises_with_what_a_slow_battery_makes_up_for(bench):
    world = bench(roof(), battery("slow", 10_000.0, settings=Settings(ramp_w_per_s=1_000.0)))
    world.lies["roof"] = 8_000.0
    world.step(steps=2)
    world.submit(ask("limit", export_limit=0.0))
    world.submit(ask("power", set_w=8_000.0))
    world.step()
    ceilings = [point.ceiling_w for _, point in world.log if point.device_id == "roof" and point.ceiling_w is not None]
    # within 1.25 s less 0.4 s the battery takes 850 W: no more may be given by then
    assert ceilings[-1] == pytest.approx(850.0, abs=1.0)
    assert world.told["slow"] < -850.0
    assert any(decision.verdict == "corrected" for decision in world.decisions)


def test_a_mode_device_that_is_held_back_waits_at_a_power_that_it_knows(bench):
    modes = battery("m", constraints=Constraints(modes_w=(-5_000.0, 2_500.0, 5_000.0)))
    slow = battery("slow", settings=Settings(ramp_w_per_s=100.0))
    world = bench(modes, slow)
    world.submit(ask("first", set_w=5_000.0, authority=1.0))
    world.submit(ask("limit", export_limit=5_000.0))
    world.step(steps=30)
    assert world.told["m"] in (0.0, 2_500.0, 5_000.0)
    world.submit(ask("second", set_w=2_600.0, authority=2.0))
    world.step(steps=10)
    assert world.told["m"] in (0.0, 2_500.0, 5_000.0)
