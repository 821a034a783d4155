"""Who gives way for a while is in the record, with the reason, and so is that it rules again."""

from dataclasses import replace

from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.controls import ControlMode, ModeValue, ServiceClass


def said(world, control_id):
    """(signal, verdict) of the decisions on a control, in order."""
    return [(one.signal, one.verdict) for one in world.decisions if one.control_id == control_id]


def reasons(world, verdict):
    """The reasons of all decisions with a verdict."""
    return [one.reason for one in world.decisions if one.verdict == verdict]


def test_a_covered_control_is_recorded_when_it_gives_way_and_when_it_rules_again(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("low", duration=100.0, set_w=4_000.0, authority=1.0))
    world.step(1, 3)
    world.submit(ask("high", start=5.0, duration=10.0, set_w=6_000.0, authority=8.0))
    world.step(1, 30)
    assert said(world, "low") == [
        ("set_w", "accepted"),
        ("set_w", "allocated"),
        ("set_w", "covered"),
        ("set_w", "allocated"),
        ("set_w", "uncovered"),
    ]
    (why,) = reasons(world, "covered")
    assert why == "gives way to high for now (authority 8 against 1); it rules again after that"
    assert [one.source.authority for one in world.decisions if one.verdict == "covered"] == [1.0]
    assert world.total == 4_000.0


def test_one_that_is_cancelled_while_it_is_covered_does_not_rule_again(bench):
    world = bench(battery("a"))
    world.submit(ask("low", duration=100.0, set_w=1_000.0, authority=1.0))
    world.submit(ask("high", duration=10.0, set_w=2_000.0, authority=8.0))
    world.step(1, 2)
    world.engine.cancel("low", world.now)
    world.step(1, 20)
    assert said(world, "low") == [("set_w", "accepted"), ("set_w", "covered"), ("set_w", "cancelled")]


def test_another_that_covers_it_is_told_anew_and_the_same_is_not(bench):
    world = bench(battery("a"))
    world.submit(ask("low", duration=100.0, set_w=1_000.0, authority=1.0))
    world.submit(ask("high", duration=50.0, set_w=2_000.0, authority=8.0))
    world.step(1, 2)
    world.submit(ask("limit", duration=50.0, export_limit=1_500.0, created=world.now))
    world.step(1, 2)
    assert len(reasons(world, "covered")) == 1
    world.submit(ask("higher", start=6.0, duration=5.0, set_w=3_000.0, authority=9.0))
    world.step(1, 20)
    covered = [(one.control_id, one.reason.split()[3]) for one in world.decisions if one.verdict == "covered"]
    assert (covered[0], sorted(covered[1:3]), covered[3:]) == (
        ("low", "high"),
        [("high", "higher"), ("low", "higher")],
        [("low", "high")],
    )
    assert [one.control_id for one in world.decisions if one.verdict == "uncovered"] == ["high"]


def test_modes_that_are_taken_for_good_from_one_that_goes_on_are_recorded(bench):
    world = bench(battery("a"))
    both = ask("both", duration=100.0, set_w=1_000.0, program="p")
    both = replace(both, values={**both.values, ControlMode.EXPORT_LIMIT: ModeValue(4_000.0)})
    world.submit(both)
    world.step(1, 2)
    world.submit(ask("later", start=1.0, duration=20.0, set_w=2_000.0, program="p", created=T0 + 1.0))
    world.step(1, 3)
    assert said(world, "both")[-1] == ("set_w", "superseded")
    assert reasons(world, "superseded") == ["superseded by later; the rest of the control stands"]
    assert world.total == 2_000.0


def test_a_ramp_is_said_to_be_full_when_it_is_over_and_not_when_it_begins(bench):
    world = bench(battery("a"), battery("b"))
    ramped = replace(ask("r", duration=100.0, set_w=8_000.0), ramp_s=10.0)
    world.submit(ramped)
    world.step(1, 5)
    assert said(world, "r") == [("set_w", "accepted")]
    world.step(1, 10)
    assert said(world, "r") == [("set_w", "accepted"), ("set_w", "allocated")]
    assert reasons(world, "allocated") == ["8000 W in full"]


def test_what_a_ramp_will_not_reach_is_said_at_once_with_what_is_asked_in_the_end(bench):
    world = bench(battery("a"))
    world.submit(replace(ask("r", duration=100.0, set_w=8_000.0), ramp_s=50.0))
    world.step(1, 2)
    assert reasons(world, "shortfall") == ["8000 W were asked, 5000 W can be reached"]


def test_a_fast_response_is_said_to_be_full_when_its_ramp_is_over(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask("f", duration=30.0, set_w=9_000.0, service_class=ServiceClass.FAST_FREQUENCY))
    world.step(0.25, 4)
    assert said(world, "f") == [("set_w", "accepted")]
    world.step(0.25, 20)
    assert said(world, "f") == [("set_w", "accepted"), ("set_w", "allocated")]
