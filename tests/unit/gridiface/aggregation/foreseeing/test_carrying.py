"""How far energy, caps and curves carry a power, and what is surely charged under limits."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import battery

from gridiface.aggregation.foreseeing.carrying import remains, surely, under_limits
from gridiface.aggregation.splitting.nested import Nest
from gridiface.domain.fleet import Constraints

HOLD_S = 60.0


def left(bench, watts, span_s, soc=0.5, device=None):
    """What is left of a power of a 5 kW, 10 kWh battery."""
    world = bench(battery("a") if device is None else device, socs={"a": soc}).step(steps=3)
    c = world.engine._c
    return float(remains(c, np.array([watts]), (c.soc, c.soc), span_s, HOLD_S)[0])


def test_a_power_is_held_to_a_hold_time_before_the_end_and_falls_off_then(bench):
    assert left(bench, 4_000.0, 3_600.0) == 4_000.0
    assert left(bench, -4_000.0, 3_600.0) == -4_000.0
    assert left(bench, 0.0, 3_600.0) == 0.0
    # 5 kWh last 4,500 s; they are let go of by a hold time before that, the less the later.
    tail = [left(bench, 4_000.0, span_s) for span_s in (4_300.0, 4_450.0, 4_500.0, 4_800.0)]
    assert tail[0] == 4_000.0
    assert 4_000.0 > tail[1] > tail[2] > tail[3]
    assert tail[1] / tail[2] == pytest.approx(np.exp(50.0 / HOLD_S))
    assert left(bench, 4_000.0, 60.0, soc=0.0) == 0.0


def test_a_daily_cap_and_a_curve_end_it_as_well(bench):
    capped = replace(battery("a"), constraints=Constraints(daily_wh=1_000.0))
    assert left(bench, 4_000.0, 700.0, device=capped) == 4_000.0
    assert left(bench, -4_000.0, 1_500.0, device=capped) == pytest.approx(0.0, abs=5.0)
    curve = replace(battery("a"), constraints=Constraints(charge_w_by_soc=((0.0, 5_000.0), (0.5, 5_000.0), (1.0, 0.0))))
    assert left(bench, -4_000.0, 1_800.0, device=curve) == pytest.approx(-2_900.0, abs=5.0)  # a little above 0.7
    assert left(bench, 4_000.0, 1_800.0, device=curve) == 4_000.0


def test_a_sure_charge_is_no_more_than_the_cap_lets_it_have_to_the_end(bench):
    capped = replace(battery("a"), constraints=Constraints(daily_wh=1_000.0))
    c = bench(capped, socs={"a": 0.5}).step(steps=3).engine._c
    assert surely(c, np.array([2_000.0]), 600.0, HOLD_S)[0] == 2_000.0
    assert surely(c, np.array([5_000.0]), 1_740.0, HOLD_S)[0] == 2_000.0
    assert surely(c, np.array([0.0]), 600.0, HOLD_S)[0] == 0.0


def test_limits_may_take_it_all_from_one_of_them():
    inner = Nest(np.array([0, 1]), (-5.0, np.inf))
    nest = Nest(np.arange(3), (-9.0, np.inf), inside=(inner,))
    sure, nothing = np.array([2.0, 4.0, 2.0]), np.zeros(3)
    assert under_limits(nest, sure, nothing).tolist() == [1.0, 3.0, 2.0]
    assert under_limits(nest, sure, np.array([0.0, 0.0, 5.0])).tolist() == [0.0, 0.0, 0.0]
    assert under_limits(Nest(np.arange(3), taken=7.0), sure, nothing).tolist() == [1.0, 3.0, 1.0]
