"""Devices as they are expected to be later: their charge on its way, and what holds each back."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.foreseeing.expected import CAUSES, FREE, NATURAL_S, Expected
from gridiface.aggregation.foreseeing.horizon_rules import Rule
from gridiface.aggregation.foreseeing.reactive import VarRule
from gridiface.aggregation.foreseeing.swings import Crew, Swing
from gridiface.aggregation.splitting.nested import Nest
from gridiface.domain.envelope import Cause
from gridiface.domain.fleet import Capability, Constraints, Departure, DeviceKind, Nameplate
from gridiface.domain.local_time import DailyTime

NOTHING = (np.array([-np.inf]), np.array([np.inf]))
ZERO = np.zeros(1)


def ruled(will=0.0, asked=False, limits=NOTHING, swings=(), wanting=(ZERO, ZERO), nest=None):
    """What holds for one device."""
    return Rule(
        will=np.array([will]),
        swings=swings,
        told=np.array([np.nan]),
        asked=np.array([asked]),
        wanting=wanting,
        alone=limits,
        nest=Nest(np.arange(1)) if nest is None else nest,
        outer=(-np.inf, np.inf),
        limits=(),
        vars=VarRule(np.array([np.nan])),
    )


def gives(watts):
    """It makes up for others that may fail with so much in all."""
    crew = Crew(np.array([0]), np.array([5_000.0]), np.array([1.0]), np.array([-1]))
    return Swing(np.array([0]), (watts, 0.0), (0.0, 0.0), (0.0, 0.0), crew, crew, total=True)


def roof(name):
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    return replace(battery(name), kind=DeviceKind.PV, nameplate=Nameplate(max_w=5_000.0, capabilities=able))


def one(bench, device, soc=0.5, **config):
    """A device alone, seen for some seconds."""
    world = bench(device, socs={device.id: soc}).step(steps=3)
    columns = world.engine._c
    away = [[(span.start, span.end) for span in device.away]]
    return Expected(columns, np.array([0]), away, EngineConfig(hold_time_s=60.0, **config), world.now), world.now


def sides(expected, start, span_s=900.0, will=0.0, asked=False, limits=NOTHING):
    """(least, most, why least, why most) of the device."""
    found = expected.bounds(start, start + span_s, ruled(will, asked, limits))
    why = [None if number == FREE else CAUSES[number] for number in (int(found.down[0]), int(found.up[0]))]
    return (float(found.lo[0]), float(found.hi[0]), *why)


def test_a_battery_gives_what_it_holds_to_the_end_of_the_span(bench):
    expected, now = one(bench, battery("a"))  # 5 kWh out and 5 kWh in, at 5 kW
    assert sides(expected, now) == (-5_000.0, 5_000.0, None, None)
    least, most, *why = sides(expected, now, span_s=7_200.0)
    assert most == pytest.approx(2_500, rel=0.03)
    assert least == pytest.approx(-2_500, rel=0.03)
    assert why == [Cause.ENERGY, Cause.ENERGY]


def test_what_is_planned_to_be_given_is_gone_and_what_is_taken_is_not_there_yet(bench):
    expected, now = one(bench, battery("a"))
    before = expected.energies()
    expected.advance(now, now + 1_800, ruled(4_000.0), day_over=False)
    assert expected.energies() == pytest.approx((before[0] - 2_000.0, before[1]))
    expected.advance(now + 1_800, now + 3_600, ruled(-4_000.0), day_over=False)
    assert expected.energies() == pytest.approx((before[0] - 2_000.0, before[1] - 2_000.0))
    # What stands in for sun that may fail counts once that is not known any more.
    expected.advance(now + 3_600, now + 7_200, ruled(swings=(gives(1_000.0),)), day_over=False)
    assert expected.energies()[0] == pytest.approx(before[0] - 3_000.0)


def test_sun_counts_for_a_quarter_of_an_hour(bench):
    world = bench(roof("r"))
    world.lies["r"] = 3_000.0
    world.step(steps=3)
    expected = Expected(world.engine._c, np.array([0]), [()], EngineConfig(), world.now)
    assert sides(expected, world.now, NATURAL_S, will=3_000.0)[:2] == (0.0, 3_000.0)
    assert sides(expected, world.now + 60, NATURAL_S, will=3_000.0) == (0.0, 0.0, None, Cause.NATURAL)
    # One that goes on with a control of its own gives between nothing and that.
    least, most, *_ = sides(expected, world.now + 60, NATURAL_S, will=3_000.0, asked=True)
    assert (least, most) == (3_000.0, 0.0)


def test_charge_curve_is_read_where_the_charge_comes_to(bench):
    curve = ((0.0, 5_000.0), (0.6, 5_000.0), (1.0, 1_000.0))
    device = replace(battery("a"), constraints=Constraints(charge_w_by_soc=curve))
    expected, now = one(bench, device, soc=0.5)
    least, _, why, _ = sides(expected, now, span_s=2_400.0)  # at 5 kW it would come to 0.83
    assert -3_000.0 < least < -2_000.0
    assert why is Cause.CURVE


def test_a_daily_cap_is_new_with_the_day(bench):
    device = replace(battery("a"), constraints=Constraints(daily_wh=1_000.0))
    expected, now = one(bench, device)
    assert sides(expected, now, span_s=1_790.0)[1:] == (pytest.approx(2_000.0), Cause.DAY, Cause.DAY)
    expected.advance(now, now + 900, ruled(4_000.0), day_over=False)
    assert sides(expected, now + 900)[1] == 0.0
    expected.advance(now + 900, now + 1_800, ruled(), day_over=True)
    assert sides(expected, now + 1_800, span_s=1_790.0)[1] == pytest.approx(2_000.0)


def test_limits_of_its_own_and_a_control_of_its_own(bench):
    expected, now = one(bench, battery("a"))
    assert sides(expected, now, limits=(np.array([-np.inf]), np.array([700.0]))) == (-5_000.0, 700.0, None, Cause.LIMIT)
    assert sides(expected, now, will=1_200.0, asked=True) == (1_200.0, 1_200.0, Cause.ASKED, Cause.ASKED)
    # Which runs out: it will be anywhere between that and nothing, as it falls off once it is held no hold time longer.
    least, most, *_ = sides(expected, now, span_s=7_200.0, will=4_000.0, asked=True)
    assert (least, most) == (4_000.0, pytest.approx(0.0, abs=1.0))


def test_what_its_control_asks_for_and_is_not_there_may_be_there_later(bench):
    expected, now = one(bench, battery("a"))
    rule = ruled(1_200.0, asked=True, wanting=(np.array([800.0]), ZERO))
    found = expected.bounds(now, now + 900.0, rule)
    assert (found.lo[0], found.hi[0]) == (2_000.0, 1_200.0)  # anywhere between


def vehicle(name="v", hours=1.0, soc=0.9, **rules):
    """A 5 kW, 10 kWh battery that leaves in so many hours, and gives, too."""
    at_s = int(T0 + 3_600 * hours) % 86_400
    leaves = Departure(time=DailyTime(at_s=at_s), soc=soc)
    return replace(battery(name), constraints=Constraints(departure=leaves, **rules))


def test_a_vehicle_gives_no_more_than_it_can_charge_again_in_time(bench):
    """It is to leave with 0.9 in two hours: what it gives within one takes as long to come back."""
    expected, now = one(bench, vehicle(hours=2.0), soc=0.92)
    assert sides(expected, now, span_s=900.0)[1] == 5_000.0
    _, most, _, why = sides(expected, now, span_s=3_500.0)
    assert 0.0 < most < 5_000.0
    assert why is Cause.DEPARTURE


def test_who_must_charge_and_runs_out_of_its_daily_cap_may_do_anything_between(bench):
    """Its floor takes the cap in the first minutes; what it takes then in the end is nothing."""
    expected, now = one(bench, vehicle(hours=0.75, daily_wh=500.0), soc=0.5)
    least, most, *_ = sides(expected, now, span_s=900.0)
    assert most == -5_000.0
    assert least == pytest.approx(0.0, abs=5.0)


def test_charging_for_a_departure_is_sure_only_as_far_as_limits_let_it(bench):
    for limit, charged in ((np.inf, 1_250.0), (2_000.0, 500.0), (0.0, 0.0)):
        expected, now = one(bench, vehicle(hours=0.75), soc=0.5)
        before, _ = expected.energies()
        expected.advance(now, now + 900, ruled(nest=Nest(np.arange(1), (-limit, np.inf))), day_over=False)
        assert expected.energies()[0] - before == pytest.approx(charged, abs=1.0)


def test_who_was_let_go_of_a_moment_ago_is_on_its_way(bench):
    device = battery("a")
    device = replace(device, settings=replace(device.settings, ramp_w_per_s=100.0))
    world = bench(device, socs={"a": 0.5}).step(steps=3)
    world.submit(ask("c", group="all", set_w=-3_000.0))
    world.step(steps=60)
    world.engine.desk.block("a", True, world.now)
    world.step()
    world.lies["a"] = -2_700.0
    world.step(steps=2)
    expected = Expected(world.engine._c, np.array([0]), [()], EngineConfig(), world.now)
    assert sides(expected, world.now)[:2] == (0.0, -2_700.0)
    world.lies["a"] = 0.0
    world.step(steps=60)
    expected = Expected(world.engine._c, np.array([0]), [()], EngineConfig(), world.now)
    least, most, *_ = sides(expected, world.now)
    assert least == most


def test_who_is_blocked_or_in_local_control_counts_as_it_is(bench):
    world = bench(battery("a"), socs={"a": 0.5})
    world.lies["a"] = 300.0
    world.step(steps=3)
    world.engine.desk.block("a", True, world.now)
    expected = Expected(world.engine._c, np.array([0]), [()], EngineConfig(), world.now)
    assert sides(expected, world.now) == (300.0, 300.0, Cause.BLOCKED, Cause.BLOCKED)
    assert expected.held_w() == 300.0
    assert expected.energies() == (None, None)


def test_reactive_power_is_what_the_circle_leaves(bench):
    device = battery("a")
    able = device.nameplate.capabilities | {Capability.SET_VAR}
    plate = replace(device.nameplate, capabilities=able, max_va=5_000.0, max_var=4_000.0)
    expected, now = one(bench, replace(device, nameplate=plate))
    for planned, beside, sides in (
        (3_000.0, 0.0, (-4_000.0, 4_000.0)),
        (-4_000.0, 500.0, (-2_500.0, 3_500.0)),
        (5_000.0, 0.0, (0.0, 0.0)),
    ):
        assert expected.vars(now, now + 600.0, ruled(planned), beside) == (sides, (beside, beside))


def test_beside_any_power_means_the_most_that_it_may_have_at_any_time(bench):
    """It holds 2.5 kW for two hours, and may be asked for 5 at first all the same; a limit of its own holds always."""
    expected, now = one(bench, battery("a"))
    assert sides(expected, now, span_s=7_200.0)[1] < 2_600.0
    assert expected.most(now + 7_200.0, ruled()).tolist() == [5_000.0]
    assert expected.most(now + 7_200.0, ruled(limits=(np.array([-700.0]), np.array([600.0])))).tolist() == [700.0]
    world = bench(roof("r"))
    world.lies["r"] = 3_000.0
    world.step(steps=3)
    expected = Expected(world.engine._c, np.array([0]), [()], EngineConfig(), world.now)
    assert expected.most(world.now + NATURAL_S, ruled(3_000.0)).tolist() == [3_000.0]
    assert expected.most(world.now + NATURAL_S + 60.0, ruled(3_000.0)).tolist() == [5_000.0]  # the sun may come out
