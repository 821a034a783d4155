"""Ramps inside the parts that are reserved to programs: small steps, no jump where one begins, and over a restart."""

from __future__ import annotations

import pytest

from gridiface.domain.fleet import Group

NAMES = tuple(f"b{at:02d}" for at in range(10))


def house(make_world):
    """Ten batteries of 5 kW; half of their power is one program's, 0.3 another's."""
    groups = [Group(id="all", members=NAMES, shares={"dr": 0.5, "local": 0.3})]
    return make_world(10, groups=groups)


def steps_of(world, seconds):
    """How the total moves within each half of a second."""
    found, before = [], world.total
    for _ in range(int(2 * seconds)):
        world.run(0.5)
        found.append(world.total - before)
        before = world.total
    return found


@pytest.mark.parametrize(("ramp_s", "largest"), [(20.0, 0.06), (60.0, 0.06), (400.0, 0.02)])
def test_a_ramp_in_a_reserved_part_is_walked_in_small_steps_beside_another_program(make_world, ask, ramp_s, largest):
    world = house(make_world)
    world.submit(ask("first", program="local", set_w=-6_000, at=1.0, duration=2_000))
    world.run(20)
    assert world.total == pytest.approx(-6_000, rel=1e-3)
    world.submit(ask("slow", program="dr", set_w=20_000, ramp_s=ramp_s, at=20.0, duration=1_200))
    steps = steps_of(world, ramp_s + 20)
    assert max(steps) <= largest * 20_000
    assert min(steps) >= -0.01 * 20_000
    assert world.total == pytest.approx(14_000, rel=1e-3)
    assert sum(steps[: int(ramp_s)]) == pytest.approx(10_000, rel=0.25)
    asked = [one for one in world.intervals if one.control_id == "slow"]
    assert all(abs(one.delivered_w - one.requested_w) <= 0.15 * 20_000 for one in asked if one.delivered_w is not None)


def test_two_ramps_at_a_time_each_walk_their_own(make_world, ask):
    world = house(make_world)
    world.submit(ask("quick", program="local", set_w=-6_000, ramp_s=20.0, at=1.0, duration=600))
    world.submit(ask("slow", program="dr", set_w=20_000, ramp_s=80.0, at=1.0, duration=600))
    world.run(21)
    assert world.total == pytest.approx(20_000 * 20 / 80 - 6_000, abs=1_200)
    world.run(30)
    assert world.total == pytest.approx(20_000 * 50 / 80 - 6_000, abs=1_200)
    world.run(50)
    assert world.total == pytest.approx(14_000, rel=1e-3)


@pytest.mark.parametrize("program", ["dr", "whole"])
def test_a_restart_in_the_middle_of_a_ramp_goes_on_from_what_is_measured(make_world, ask, program):
    shares = {"dr": 0.5} if program == "dr" else {}
    world = make_world(10, groups=[Group(id="all", members=NAMES, shares=shares)])
    world.submit(ask("slow", program=program, set_w=20_000, ramp_s=60.0, at=1.0, duration=600))
    world.run(31)
    before = world.total
    assert before == pytest.approx(10_000, rel=0.15)
    world.restart()
    steps = steps_of(world, 60)
    assert max(steps) <= 0.08 * 20_000
    assert min(steps) >= -0.01 * 20_000
    assert world.total == pytest.approx(20_000, rel=1e-3)
    assert sum(steps[:28]) == pytest.approx(20_000 / 60 * 14, rel=0.4)
