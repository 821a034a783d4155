"""What is said of a split: which limit cut it, what is short, what is there in full; each once until it changes."""

from tests.unit.gridiface.aggregation.conftest import ask, battery


def said(world, verdict):
    """What was said with this verdict of anything: (signal, value in W or var, reason)."""
    return [(one.signal, one.value, one.reason) for one in world.decisions if one.verdict == verdict]


def test_a_total_that_is_there_is_said_once(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask(set_w=6_000.0))
    world.step(1, 5)
    assert [(value, reason) for _, value, reason in said(world, "allocated")] == [(6_000.0, "6000 W in full")]
    assert said(world, "shortfall") == []


def test_what_cannot_be_reached_is_said_with_what_can(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask(set_w=14_000.0))
    world.step(1, 5)
    [(_, value, reason)] = said(world, "shortfall")
    assert (value, reason) == (4_000.0, "14000 W were asked, 10000 W can be reached")


def test_a_limit_that_cuts_is_named_once_and_again_when_it_changes(bench):
    world = bench(battery("a"), battery("b"))
    world.submit(ask(set_w=8_000.0))
    world.submit(ask("limit", export_limit=5_000.0))
    world.step(1, 5)
    assert [(signal, value) for signal, value, _ in said(world, "limited")] == [("export_limit", 5_000.0)]
    assert said(world, "shortfall")[0][1] == 3_000.0
    world.submit(ask("closer", export_limit=4_000.0))
    world.step(1, 5)
    assert [value for _, value, _ in said(world, "limited")] == [5_000.0, 4_000.0]
