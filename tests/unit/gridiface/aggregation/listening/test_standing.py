"""Who stands still between what it was told."""

import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.domain.fleet import DriverTraits


def told_to_and_fro(world, seconds, low=9_000.0, high=11_000.0, every=10):
    """Totals around 10 kW of four, for so long."""
    for number in range(seconds // every):
        world.submit(ask(f"t{number}", authority=1.0 + number, set_w=high if number % 2 else low))
        world.step(1, every)


@pytest.fixture
def world(bench):
    made = bench(*(battery(name) for name in "abcd"))
    made.submit(ask(set_w=10_000.0))
    return made.step(1, 5)


def failing(world):
    return [(one.target.id, one.reason) for one in world.decisions if one.verdict == "failing"]


def test_who_stands_still_between_what_it_acknowledged_is_found_though_it_is_near(world):
    world.lies["d"] = 2_500.0
    told_to_and_fro(world, 100)
    ((name, reason),) = failing(world)
    assert name == "d"
    assert reason.startswith("it has stood at 2500 W for 6")
    assert reason.endswith("s while it acknowledged 2250 to 2750 W")
    assert sum(world.told[name] for name in "abc") + 2_500.0 == pytest.approx(11_000.0, abs=1.0), "as what it does"


def test_who_is_read_more_rarely_than_it_is_judged_is_found_too(bench):
    """Between a command and the next reading nothing is known of it: that it stood before was forgotten."""
    world = bench(*(battery(name, traits=DriverTraits(report_period_s=5.0)) for name in "abcd"))
    world.submit(ask(set_w=10_000.0))
    world.lies["d"] = 2_500.0
    read = world.look

    def look():
        if round(world.now) % 5 == 0:
            read()

    world.look = look
    told_to_and_fro(world, 160, every=16)
    assert [name for name, _ in failing(world)] == ["d"]


def test_who_tells_means_of_what_goes_up_and_down_does_not_stand_still(bench):
    world = bench(*(battery(name) for name in "abc"), battery("d", traits=DriverTraits(report_period_s=60.0)))
    world.submit(ask(set_w=10_000.0))
    done, read = [], world.look

    def look():
        done.append(world.told["d"] or 0.0)
        world.silent = set() if round(world.now) % 60 == 0 else {"d"}
        world.lies["d"] = sum(done[-60:]) / len(done[-60:])
        read()

    world.step(1, 7)  # its reports come when it stands where it was told, up and down in turn
    world.look = look
    told_to_and_fro(world, 360, every=4)
    assert failing(world) == []


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(lambda told: 0.9 * told, id="it loses a tenth"),
        pytest.param(lambda told: min(told, 2_400.0), id="it gives no more than that"),
        pytest.param(lambda told: told + 100.0, id="its meter is off"),
        pytest.param(lambda told: round(told / 600.0) * 600.0, id="it goes in steps"),
    ],
)
def test_who_moves_with_what_it_is_told_or_stands_at_an_end_is_none(world, shown):
    for number in range(12):
        world.submit(ask(f"t{number}", authority=1.0 + number, set_w=11_000.0 if number % 2 else 9_000.0))
        for _ in range(10):
            world.lies["d"] = shown(world.told["d"])
            world.step(1, 1)
    assert failing(world) == []


def test_who_is_told_the_same_all_the_time_stands_where_it_should(world):
    world.lies["d"] = 2_400.0
    world.step(1, 200)
    assert failing(world) == []


def test_a_device_of_coarse_steps_may_stand_between_them(bench):
    made = bench(*(battery(name) for name in "abc"), battery("d", traits=DriverTraits(power_step_w=300.0)))
    made.submit(ask(set_w=10_000.0))
    made.step(1, 5)
    made.lies["d"] = made.told["d"]
    told_to_and_fro(made, 100)
    assert failing(made) == []
