"""Levels of coarse devices for their phases: by hand, and against all choices of a few devices."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.allocate.phases import spread
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.splitting import phase_levels
from gridiface.aggregation.splitting.nested import KEPT_W, Nest
from gridiface.aggregation.splitting.phase_exchange import Exchange
from gridiface.aggregation.splitting.phase_levels import Steps, leveled
from gridiface.domain.fleet import DriverTraits, Group, Phase
from gridiface.domain.telemetry import Snapshot

INF = float("inf")
A, B, C, ALL = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3,) * 3


def evened(nest, powers, most, step, on, limit=0.2, least=None):
    """Devices that give `least` (0) up to `most`, with steps where `step` is not 0."""
    least = np.zeros(len(powers)) if least is None else least
    powers, most, step, least = (np.array(values, dtype=float) for values in (powers, most, step, least))
    shares = tuple(np.array([share[at] for share in on], dtype=float) for at in range(3))
    coarse = np.flatnonzero(step > 0)
    lo, hi = np.where(step > 0, powers, least), np.where(step > 0, powers, most)
    unit = step[coarse]
    steps = Steps(
        coarse,
        least[coarse],
        most[coarse],
        lambda at: (np.floor((at + 1e-6) / unit) * unit, np.floor((at + 1e-6) / unit) * unit + unit),
        lambda place, low, high, near: unit[place] * np.arange(np.ceil(low / unit[place]), high / unit[place] + 1e-9),
    )
    exchange = Exchange(nest, powers, (lo, hi), np.ones(powers.size), shares, limit)
    exchange.settle()
    return leveled(exchange, steps, shares, limit), shares


def test_one_goes_to_another_level_and_a_fine_one_makes_up_for_it():
    found, on = evened(Nest(np.arange(3)), [0.0, 6.0, 6.0], [8.0] * 3, [4.0, 0.0, 0.0], [A, B, C])
    assert found[0] == 4.0
    assert found.sum() == pytest.approx(12.0)
    assert spread(found, on) <= 0.2


def test_two_go_to_other_levels_against_each_other_where_nobody_can_make_up_for_one():
    found, on = evened(Nest(np.arange(3)), [2.0, 6.0, 4.0], [8.0] * 3, [2.0] * 3, [A, B, C])
    assert found.tolist() == [4.0, 4.0, 4.0]
    assert spread(found, on) == 0.0


def test_many_of_a_kind_go_at_once():
    count = 3_000
    on, steps = [A] * count + [B] * count + [C] * count, [1.0] * 3 * count
    powers = [1.0] * count + [3.0] * count + [2.0] * count
    found, shares = evened(Nest(np.arange(3 * count)), powers, [5.0] * 3 * count, steps, on)
    assert spread(found, shares) <= 0.2
    assert found.sum() == sum(powers)
    assert set(np.abs(found - powers).tolist()) <= {0.0, 1.0}


def test_limits_of_groups_forbid_levels():
    # the one on A may give no more: its group is at its limit, and nobody else is in there
    nest = Nest(np.arange(3), inside=(Nest(np.array([0]), (-INF, 3.0)),))
    found, _ = evened(nest, [0.0, 6.0, 6.0], [8.0] * 3, [4.0, 0.0, 0.0], [A, B, C])
    assert found.tolist() == [0.0, 6.0, 6.0]
    # with another on the same phases as the others in there, that one comes down for it
    nest = Nest(np.arange(3), inside=(Nest(np.array([0, 1]), (-INF, 6.0)),))
    found, _ = evened(nest, [0.0, 6.0, 3.0], [8.0] * 3, [3.0, 0.0, 0.0], [A, B, C])
    assert found.tolist() == pytest.approx([3.0, 3.0, 3.0])


def test_one_that_gives_goes_on_to_take_where_less_would_not_do():
    on, least, most = [A, ALL, B, C], [-3.0] * 4, [0.0, 1.0, 0.0, 0.0]
    powers = [-2.0, 1.0, -1.6, -1.6]
    found, shares = evened(Nest(np.arange(4)), powers, most, [1.0, 1.0, 0.0, 0.0], on, least=least)
    assert found == pytest.approx([-1.0, -1.0, -1.1, -1.1])
    assert spread(found, shares) <= 0.2
    # not where that is against what is asked, nor where a limit on what is taken is in the way
    least[1] = 0.0
    assert evened(Nest(np.arange(4)), powers, most, [1.0, 1.0, 0.0, 0.0], on, least=least)[0][1] >= 0.0
    least[1], group = -3.0, Nest(np.array([1]), taken=0.5)
    assert evened(Nest(np.arange(4), inside=(group,)), powers, most, [1.0, 1.0, 0.0, 0.0], on, least=least)[0][1] >= 0.0


def test_nothing_changes_where_phases_are_near_or_no_level_helps():
    near, _ = evened(Nest(np.arange(3)), [4.0, 4.0, 4.0], [8.0] * 3, [4.0] * 3, [A, B, C])
    assert near.tolist() == [4.0, 4.0, 4.0]
    alone, _ = evened(Nest(np.arange(2)), [4.0, 4.0], [4.0] * 2, [4.0] * 2, [A, A])
    assert alone.tolist() == [4.0, 4.0]


def test_a_control_step_has_a_bounded_number_of_changes(monkeypatch):
    monkeypatch.setattr(phase_levels, "_ROUNDS", 0)
    found, _ = evened(Nest(np.arange(3)), [2.0, 6.0, 4.0], [8.0] * 3, [2.0] * 3, [A, B, C])
    assert found.tolist() == [2.0, 6.0, 4.0]


@given(seed=st.integers(0, 1_000_000))
def test_the_sum_and_limits_stay_and_phases_are_balanced_wherever_other_levels_of_two_do_that(seed):
    draw = random.Random(seed)
    count = 6
    on = [draw.choice([A, B, C, ALL]) for _ in range(count)]
    step = np.array([draw.choice([0.0, 0.0, 1.0, 2.0]) for _ in range(count)])
    most = np.array([draw.choice([4.0, 8.0]) for _ in range(count)])
    powers = np.array([draw.randint(0, int(one)) if not unit else draw.randrange(0, int(one) + 1, int(unit))
                       for one, unit in zip(most, step, strict=True)], dtype=float)  # fmt: skip
    rows = np.arange(count)
    inner = rows[:3]
    nest = Nest(rows, inside=(Nest(inner, (-INF, float(powers[inner].sum()) + draw.choice([0.0, 1.0, 4.0]))),))
    found, shares = evened(nest, powers, most, step, on)
    assert found.sum() == pytest.approx(powers.sum())
    assert nest.passed(found) <= KEPT_W / 100
    assert np.all((found >= -1e-9) & (found <= most + 1e-9))
    stepped = step > 0
    assert np.all(np.abs(found[stepped] / step[stepped] - np.round(found[stepped] / step[stepped])) <= 1e-9)
    if spread(found, shares) > 0.2 + 1e-9:
        # fine devices by wholes: what even these choices reach must be reached
        known = [np.arange(0.0, one + 0.1, unit or 1.0) for one, unit in zip(most, step, strict=True)]
        choices = np.array(list(itertools.product(*known)))
        kept = np.abs(choices.sum(axis=1) - powers.sum()) <= 1e-9
        kept &= np.count_nonzero((choices != powers)[:, stepped], axis=1) <= 2
        kept &= choices[:, :3].sum(axis=1) <= nest.inside[0].net[1] + 1e-9
        sums = choices[kept] @ np.stack(shares, axis=1)
        assert np.ptp(sums, axis=1).min(initial=np.inf) > 0.15 * powers.sum() / 3


@pytest.mark.parametrize(
    ("coarse", "seed", "best"), [(12, 1, 0.3857), (20, 2, 1.4264), (20, 10, 1.0973), (40, 14, 1.2119)]
)
def test_many_coarse_devices_come_as_near_as_an_integer_programme(coarse, seed, best):
    """Two fine ones beside them, most on one phase; `best`: what scipy's milp found for the same total."""
    draw, count = np.random.default_rng(seed), coarse + 2
    ratings = np.round(draw.uniform(2e3, 1e4, count), -2)
    steps = draw.choice([500.0, 1000.0, 1500.0, 2000.0, 3000.0], count)
    phases = draw.choice(3, count, p=[0.6, 0.25, 0.15])
    asked = float(draw.uniform(0.2, 0.8) * ratings.sum() * (1 if seed % 2 else -1))
    engine = Engine(EngineConfig(trim_gain=0.0, deadband_w=0.1, deadband_rel=0.0, total_tolerance=1e-6))
    for at, watts in enumerate(ratings.tolist()):
        traits = DriverTraits(power_step_w=float(steps[at]) if at < coarse else 0.0)
        phase = (Phase.A, Phase.B, Phase.C)[phases[at]]
        engine.add_device(battery(f"d{at:02}", watts, traits=traits, phases=phase), T0)
    ids = [f"d{at:02}" for at in range(count)]
    engine.set_groups([Group(id="all", members=tuple(ids))], T0)
    engine.observe([Snapshot(device_id=name, source_time=T0, received=T0, w=0.0, soc=0.5) for name in ids], T0)
    engine.admit(ask(set_w=asked), T0)
    told = {point.device_id: point.active_power_w for point in engine.tick(T0).setpoints}
    powers = np.array([told[name] for name in ids])
    sums = np.array([powers[phases == phase].sum() for phase in range(3)])
    assert powers.sum() == pytest.approx(asked, abs=1.0)
    assert (sums.max() - sums.min()) / abs(sums.mean()) <= best + 0.005
