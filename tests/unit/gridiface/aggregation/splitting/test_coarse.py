"""Devices that cannot take every power: the total is as near as their levels allow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.envelope.levels import is_coarse
from gridiface.aggregation.splitting.coarse import largest_step, snapped
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Constraints, DriverTraits, Group

STEP, MODES = DriverTraits(power_step_w=1_000.0), Constraints(modes_w=(-5_000.0, 2_000.0, 5_000.0))


def columns(*devices):
    found = Columns()
    for device in devices:
        found.put(device)
    return found


@pytest.mark.parametrize(
    ("watts", "towards", "known"),
    [
        ((1_500.0, 1_500.0, 1_500.0), 0.0, (1_000.0, 0.0, 1_500.0)),
        ((-1_500.0, -1_500.0, -1_500.0), 0.0, (-1_000.0, 0.0, -1_500.0)),
        ((1_500.0, 1_500.0, 1_500.0), 4_000.0, (2_000.0, 2_000.0, 1_500.0)),
        ((-1_500.0, -1_500.0, -1_500.0), -4_000.0, (-2_000.0, -5_000.0, -1_500.0)),
        ((3_000.0, 2_000.0, np.nan), 9_000.0, (3_000.0, 2_000.0, np.nan)),
    ],
)
def test_a_power_between_two_that_are_known_goes_to_the_one_on_the_side_that_is_asked(watts, towards, known):
    fleet = columns(battery("s", traits=STEP), battery("m", constraints=MODES), battery("fine"))
    assert is_coarse(fleet).tolist() == [True, True, False]
    found = snapped(fleet, np.arange(3), np.array(watts), towards)
    np.testing.assert_allclose(found, known, equal_nan=True)


def test_the_largest_step_is_the_widest_gap_between_two_powers_that_are_known():
    fleet = columns(battery("s", traits=STEP), battery("m", constraints=MODES), battery("fine"))
    assert [largest_step(fleet, np.array([row])) for row in range(3)] == [1_000.0, 5_000.0, 0.0]
    assert largest_step(fleet, np.arange(3)) == 5_000.0


def test_a_limit_is_kept_by_powers_that_mode_devices_know_and_the_fine_ones_make_up_for_them(bench):
    world = bench(battery("m", constraints=MODES), battery("s", traits=STEP), battery("fine"))
    world.submit(ask("power", set_w=9_000.0))
    world.submit(ask("limit", export_limit=4_500.0))
    world.step()
    assert world.total == pytest.approx(4_500.0)
    assert world.told["m"] in (0.0, 2_000.0)
    assert world.told["s"] % 1_000 == 0


def test_a_total_around_counts_with_what_the_steps_of_a_group_inside_come_to(bench_in):
    world = bench_in(
        [Group(id="all", members=("m", "fine")), Group(id="in", members=("m",), parent="all")],
        battery("m", constraints=MODES),
        battery("fine"),
    )
    world.submit(ask("inside", group="in", set_w=-1_500.0))
    world.submit(ask("power", set_w=4_000.0))
    world.submit(ask("limit", export_limit=1_000.0))
    world.step()
    assert world.told == pytest.approx({"m": 0.0, "fine": 1_000.0})


def test_a_total_inside_that_steps_bring_over_a_limit_around_it_gives_way(bench_in):
    modes = Constraints(modes_w=(-10_000.0, 5_000.0, 10_000.0))
    world = bench_in(
        [
            Group(id="all", members=("m", "s")),
            Group(id="feeder", members=("m", "s"), parent="all"),
            Group(id="street", members=("m",), parent="feeder"),
        ],
        battery("m", 10_000.0, constraints=modes),
        battery("s", traits=STEP),
    )
    for name, watts in (("all", -28_900.0), ("feeder", 30_200.0), ("street", -19_200.0)):
        world.submit(ask(name, group=name, set_w=watts))
    world.submit(ask("around", generation_limit=3_200.0))
    world.submit(ask("feeder's", group="feeder", import_limit=0.0))
    world.step(steps=2)
    assert world.told["m"] == 0.0
    assert 0.0 <= world.total <= 3_200.0
    assert world.told["s"] % 1_000 == 0


def test_a_mode_device_that_a_limit_alone_moves_takes_a_power_that_it_knows(bench):
    world = bench(battery("m", constraints=MODES), battery("fine", 1_000.0))
    world.lies["m"] = 5_000.0
    world.submit(ask("limit", export_limit=3_000.0))
    world.step(steps=2)
    assert world.told["m"] == 2_000.0


def test_coarse_devices_alone_come_as_near_as_their_steps_allow(bench):
    world = bench(*(battery(name, traits=DriverTraits(power_step_w=1_000.0)) for name in "abc"))
    world.submit(ask(set_w=4_000.0))
    world.step()
    assert world.total == pytest.approx(4_000.0)
    assert all(watts % 1_000 == 0 for watts in world.told.values())


def test_two_coarse_devices_change_together_where_one_alone_would_pass_the_total(bench):
    # the one with steps could carry 10 kW, and the one with modes nothing: both together come to 16 kW
    modes = Constraints(modes_w=(-10_000.0, 0.0, 5_000.0, 10_000.0))
    steps = battery("s", 10_000.0, traits=DriverTraits(power_step_w=2_000.0))
    world = bench(battery("m", 10_000.0, constraints=modes), steps)
    world.submit(ask(set_w=-17_300.0))
    world.submit(ask("limit", export_limit=0.0))
    world.step(steps=2)
    assert world.told == pytest.approx({"m": -10_000.0, "s": -6_000.0})


def test_modes_and_a_least_power(bench):
    modes = battery("m", constraints=Constraints(modes_w=(-5_000.0, 2_000.0, 5_000.0)))
    least = battery("l", constraints=Constraints(min_w=2_500.0))
    world = bench(modes, least, battery("fine"))
    world.submit(ask(set_w=6_000.0))
    world.step()
    assert world.told == pytest.approx({"m": 2_000.0, "l": 0.0, "fine": 4_000.0})


LEVELS = st.lists(st.integers(1, 20).map(lambda n: n * 500.0), min_size=1, max_size=6)


@given(steps=LEVELS, target=st.integers(-60, 60).map(lambda n: n * 500.0), fine=st.booleans())
@settings(max_examples=150, deadline=None)
def test_levels_are_kept_and_the_total_is_not_passed(bench_of, steps, target, fine):
    devices = [battery(f"d{at}", 10_000.0, traits=DriverTraits(power_step_w=step)) for at, step in enumerate(steps)]
    world = bench_of(*devices, *([battery("fine", 10_000.0)] if fine else []))
    world.submit(ask(set_w=target))
    world.step()
    for device, step in zip(devices, steps, strict=True):
        watts = world.told.get(device.id) or 0.0
        assert abs(watts / step - round(watts / step)) < 1e-6
        assert abs(watts) <= 10_000.0 + 1e-6
    assert abs(world.total) <= abs(target) + 1e-3
    reach = sum(step * (10_000.0 // step) for step in steps) + (10_000.0 if fine else 0.0)
    if fine:
        assert abs(world.total - target) <= max(0.0, abs(target) - reach) + max(steps) / 2 + 1e-3
        assert world.total == pytest.approx(target, abs=1e-3) or abs(target) > 10_000.0
    else:
        assert abs(world.total) >= min(abs(target), reach) - max(steps) - 1e-3


@pytest.fixture(scope="module")
def bench_of(bench_in):
    """`bench` for hypothesis: a fixture of the module."""
    return lambda *devices: bench_in([Group(id="all", members=tuple(one.id for one in devices))], *devices)


@pytest.fixture(scope="module")
def bench_in():
    """`bench` with groups of one's own: a fixture of the module."""
    from tests.unit.gridiface.aggregation.conftest import T0, Bench, Engine, EngineConfig  # noqa: PLC0415 - only here

    def make(groups, *devices):
        engine = Engine(EngineConfig(trim_gain=0.0, deadband_w=0.0, deadband_rel=0.0, total_tolerance=0.0))
        for device in devices:
            engine.add_device(device, T0)
        engine.set_groups(groups, T0)
        world = Bench(engine)
        world.look()
        world.tick()
        return world

    return make


def test_a_charging_point_is_told_nothing_or_what_a_vehicle_can_charge_with(bench):
    points = [battery(f"e{at}", 11_000.0, traits=DriverTraits(power_step_w=23.0, least_power_w=1_380.0)) for at in "ab"]
    world = bench(*points, battery("x"))
    for number, asked in enumerate((-40.0, -1_000.0, -2_000.0, -15_000.0, -16_040.0)):
        world.submit(ask(f"c{number}", set_w=asked, authority=float(number), created=T0 + number))
        world.step(1, steps=3)
        for name in ("ea", "eb"):
            assert world.told[name] == 0.0 or world.told[name] <= -1_380.0
        assert world.total == pytest.approx(asked, abs=25.0)
