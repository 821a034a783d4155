"""A control of a single device is accounted for in the record like that of a group."""

from dataclasses import replace

from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Settings


def own(name, device, **more):
    """A control of one device."""
    return replace(ask(name, **more), target=Target(TargetKind.DEVICE, device))


def said(world, control_id):
    """(verdict, reason) of the decisions on a control after its acceptance."""
    return [(one.verdict, one.reason) for one in world.decisions if one.control_id == control_id][1:]


def test_what_a_device_is_told_in_full_is_said_once(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(own("c", "a", duration=20.0, set_w=3_000.0))
    world.step(1, 5)
    assert said(world, "c") == [("allocated", "3000 W in full")]
    assert [one.target.id for one in world.decisions if one.verdict == "allocated"] == ["a"]
    world.submit(own("other", "b", duration=20.0, set_w=1_000.0))
    world.step(1, 5)
    assert (len(said(world, "c")), said(world, "other")) == (1, [("allocated", "1000 W in full")])


def test_what_it_cannot_give_is_said(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(own("c", "a", duration=20.0, set_w=8_000.0))
    world.step(1, 3)
    assert said(world, "c") == [("shortfall", "8000 W were asked, 5000 W can be reached")]


def test_a_limit_of_its_own_makes_it_short_and_its_end_full(bench):
    world = bench(battery("a"))
    world.submit(own("c", "a", duration=60.0, set_w=4_000.0, program="p"))
    world.submit(own("limit", "a", duration=5.0, export_limit=1_000.0, program="q"))
    world.step(1, 10)
    assert said(world, "c") == [
        ("shortfall", "4000 W were asked, 1000 W can be reached"),
        ("allocated", "4000 W in full"),
    ]


def test_nothing_is_said_on_the_way_up_a_devices_ramp(bench):
    world = bench(battery("a", settings=Settings(ramp_w_per_s=100.0)))
    world.submit(own("c", "a", duration=90.0, set_w=4_000.0))
    world.step(5, 2)
    assert said(world, "c") == []
    world.step(5, 12)
    assert said(world, "c") == [("allocated", "4000 W in full")]


def test_of_a_device_that_cannot_be_asked_nothing_is_said_until_it_can(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(own("c", "a", duration=60.0, set_w=3_000.0, start=2.0))
    world.engine.desk.block("a", True, world.now)
    world.step(1, 5)
    assert said(world, "c") == []
    world.engine.desk.block("a", False, world.now)
    world.step(1, 5)
    assert said(world, "c") == [("allocated", "3000 W in full")]
