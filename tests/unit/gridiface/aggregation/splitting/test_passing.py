"""Readings that pass a limit make a step at once; what cannot be helped makes none a second time."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.splitting.passing import Passing
from gridiface.domain.fleet import Capability, Group, Nameplate


@pytest.mark.parametrize("mode", ["export_limit", "generation_limit"])
def test_a_reading_beyond_a_limit_makes_a_step_before_its_time(bench, mode):
    plate = Nameplate(
        max_w=5_000.0, max_charge_w=5_000.0, energy_wh=10_000.0, capabilities=frozenset({Capability.SET_W})
    )
    world = bench(battery("a"), battery("b"))
    world.engine.add_device(type(battery("a"))(id="a", nameplate=plate), world.now)
    world.submit(ask(**{mode: 3_000.0}))
    world.step(1, steps=3)
    world.lies["a"] = 4_500.0
    world.step(1, steps=2)
    assert world.told["a"] < 4_500.0
    assert world.total == pytest.approx(3_000.0)


def test_what_is_passed_as_before_is_no_news_and_more_of_it_is(bench):
    world = bench(battery("a"), battery("b"), groups=[Group(id="all", members=("a", "b"), max_import_w=1_000.0)])
    world.step(1)
    nodes = world.engine._running.plan.nodes()
    passing = Passing(world.engine._c)
    world.engine._c.w[:] = -500.0
    assert not passing.news(nodes)
    world.engine._c.w[:] = -600.0
    assert passing.news(nodes)
    assert not passing.news(nodes)
    world.engine._c.w[:] = -700.0
    assert passing.news(nodes)
    world.engine._c.w[:] = 0.0
    assert not passing.news(nodes)
