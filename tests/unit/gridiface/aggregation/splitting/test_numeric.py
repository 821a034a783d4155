"""The numbers of one step alone: the total, the bounds, the dead-band, and what is noted."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.splitting.numeric import columns_of, control_step, fleet_of
from gridiface.aggregation.state.columns import Columns

EXACT = EngineConfig(deadband_w=0.0, deadband_rel=0.0, total_tolerance=0.0)


@pytest.mark.parametrize("part", [-0.9, -0.3, 0.0, 0.4, 0.95])
def test_the_sum_is_the_target_and_everybody_within_what_the_ramp_reaches(part):
    columns = columns_of(500, T0, seed=3)
    near = 5 * columns.ramp_w_per_s  # from nothing, in the 5 s that are looked ahead
    target = part * float(near.sum())
    step = control_step(columns, target, T0, EXACT)
    assert float(step.watts.sum()) == pytest.approx(target, abs=0.5)
    assert (np.abs(step.watts) <= near + 1e-6).all()
    assert (columns.told_w[step.send] == step.watts[step.send]).all()
    assert (columns.from_at[step.send] == T0).all()


def test_what_is_beyond_reach_comes_as_near_as_it_can():
    columns = columns_of(100, T0)
    step = control_step(columns, 1e9, T0, EXACT)
    assert step.watts == pytest.approx(5 * columns.ramp_w_per_s)


def test_the_same_target_again_sends_nothing():
    columns = columns_of(100, T0)
    assert control_step(columns, 50_000.0, T0, EngineConfig()).send.any()
    columns.w[:] = columns.told_w
    assert not control_step(columns, 50_000.0, T0 + 1, EngineConfig()).send.any()


def test_the_fleets_to_measure_on_are_alike_with_devices_and_without():
    devices = fleet_of(50, seed=1)
    columns = Columns()
    for device in devices:
        columns.put(device)
    bare = columns_of(50, T0, seed=1)
    for name in ("export_w", "import_w", "energy_wh", "ramp_w_per_s", "soc_min", "soc_max"):
        assert getattr(columns, name) == pytest.approx(getattr(bare, name)), name
    assert len({device.id for device in devices}) == 50
