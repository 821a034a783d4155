"""The powers that coarse devices know, and that nobody is promised more than the last of them."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.envelope.levels import COARSE, is_coarse, levels_around
from gridiface.aggregation.envelope.limits import lasting_envelope
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Constraints, DriverTraits, Settings

MODES = Constraints(modes_w=(-3_000.0, 2_500.0))


@pytest.mark.parametrize(
    ("more", "watts", "around"),
    [
        ({"constraints": MODES}, 5_000.0, (2_500.0, 2_500.0)),
        ({"constraints": MODES}, 2_000.0, (0.0, 2_500.0)),
        ({"constraints": MODES}, -2_000.0, (0.0, -3_000.0)),
        ({"traits": DriverTraits(power_step_w=300.0)}, 1_000.0, (900.0, 1_200.0)),
        ({"traits": DriverTraits(power_step_w=300.0)}, -1_000.0, (-900.0, -1_200.0)),
        ({"constraints": Constraints(min_w=1_500.0)}, 1_400.0, (0.0, 1_500.0)),
        ({"constraints": Constraints(min_w=1_500.0)}, 1_600.0, (1_600.0, 1_600.0)),
        ({"constraints": Constraints(min_w=700.0), "traits": DriverTraits(power_step_w=300.0)}, 800.0, (0.0, 900.0)),
    ],
)
def test_the_levels_around_a_power(more, watts, around):
    fleet = Columns()
    fleet.put(battery("a", **more))
    assert is_coarse(fleet).tolist() == [True]
    down, up = levels_around(fleet.part(np.array([0]), COARSE), np.array([watts]))
    assert (float(down[0]), float(up[0])) == around


@pytest.mark.parametrize(
    ("more", "low", "high"),
    [
        ({"constraints": MODES}, -3_000.0, 2_500.0),
        ({"traits": DriverTraits(power_step_w=3_000.0)}, -3_000.0, 3_000.0),
        ({"constraints": Constraints(min_w=1_500.0)}, -5_000.0, 5_000.0),
        ({"constraints": Constraints(min_w=4_500.0), "settings": Settings(max_w=4_000.0)}, -5_000.0, 0.0),
        ({}, -5_000.0, 5_000.0),
    ],
)
def test_nobody_is_promised_more_than_the_last_power_that_is_known(bench, more, low, high):
    world = bench(battery("a", **more))
    assert world.submit(ask("up", duration=60.0, set_w=6_000.0)).feasible_w == pytest.approx(high)
    assert world.submit(ask("down", duration=60.0, set_w=-6_000.0)).feasible_w == pytest.approx(low)


def test_what_stored_energy_leaves_of_a_level_is_the_level_below(bench):
    world = bench(
        battery("a", constraints=Constraints(modes_w=(1_000.0, 2_500.0))), socs={"a": 0.02}, hold_time_s=360.0
    )
    # 200 Wh and the doubt about the state of charge: less than 2,000 W for six minutes.
    assert world.submit(ask("up", duration=60.0, set_w=6_000.0)).feasible_w in (0.0, 1_000.0)
    bounds = lasting_envelope(world.engine._c, 360.0, 0.5)
    assert float(bounds.hi[0]) in (0.0, 1_000.0)
