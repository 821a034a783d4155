"""What will hold at an instant that is to come; nothing changes by looking."""

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery


def ahead(world, at):
    return world.engine._running.foresight.at(T0 + at, lambda group: 0.0)


def test_each_instant_has_what_rules_then(bench):
    world = bench(battery("a"), battery("b", 10_000.0)).step()
    world.submit(ask("one", start=100, duration=100, set_w=6_000.0))
    world.submit(ask("limit", start=150, duration=100, export_limit=3_000.0, program="dso"))
    world.step()
    told = [ahead(world, at).solution.watts.tolist() for at in (120, 170, 220)]
    assert told[0] == pytest.approx([2_000.0, 4_000.0])
    assert told[1] == pytest.approx([1_000.0, 2_000.0])
    assert [node.limits.any for node in ahead(world, 220).plan.nodes()] == [True]
    assert world.total == 0.0
    assert world.engine.control("one").state == "scheduled"


def test_defaults_rule_where_nothing_else_does(bench):
    world = bench(battery("a")).step()
    world.submit(ask("default", set_w=1_000.0, is_default=True))
    world.submit(ask("one", start=100, duration=100, set_w=3_000.0))
    world.step()
    assert ahead(world, 150).solution.watts.tolist() == pytest.approx([3_000.0])
    assert ahead(world, 250).solution.watts.tolist() == pytest.approx([1_000.0])


def test_a_strategy_that_was_chosen_while_running_counts(bench):
    world = bench(battery("a"), battery("b", 10_000.0)).step()
    world.engine.desk.choose_strategy("all", "fewest-units", world.now)
    world.submit(ask("one", start=100, duration=100, set_w=6_000.0))
    world.step()
    assert sorted(ahead(world, 120).solution.watts.tolist()) == pytest.approx([0.0, 6_000.0])


def test_who_is_let_go_of_then_does_what_it_does_by_itself(bench):
    world = bench(battery("a"), battery("b")).step()
    world.lies["b"] = 300.0
    world.step(steps=3)
    world.submit(ask("one", duration=100, set_w=6_000.0))
    world.step()
    del world.lies["b"]
    world.step(steps=5)
    assert ahead(world, 50).solution.will.tolist() == pytest.approx([3_000.0, 3_000.0])
    assert ahead(world, 150).solution.will.tolist() == pytest.approx([0.0, 300.0])
