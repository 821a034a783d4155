"""What limits and fixed parts leave to the loose devices of a node, over four batteries of 5 kW each way."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.deciding.arbitration import Claim, Ruling
from gridiface.aggregation.deciding.plan import Node
from gridiface.aggregation.envelope.limits import Bound, Limits, envelope
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.splitting.leeway import Leeway
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ControlMode, ModeValue, Source
from gridiface.domain.fleet import Capability, Device, Group, Nameplate

BATTERIES = 4


def bound(watts, mode=ControlMode.EXPORT_LIMIT):
    return Bound(watts, mode, Source(protocol="utility"), "limit")


def node(name, rows, *, inside=(), asked=False, **limits):
    """A group over rows; `asked`: it has a total of its own."""
    control = ask(f"of {name}", set_w=1.0)
    power = Claim(control, ControlMode.SET_W, ModeValue(1.0)) if asked else None
    made = Node(
        Group(id=name, members=()),
        np.array(rows),
        Ruling(power=power),
        Limits(**limits),
        strategy("water-filling"),
        inside=inside,
    )
    made.finish()
    return made


def leeway(*, own=None, targets=None, residuals=None, silent=(), near=None):
    """(Leeway, the powers it works on): `own` row -> its set-point, `targets` node -> its total, `silent`: rows.

    `near`: what ramps leave of each battery, W.
    """
    columns = Columns()
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    for number in range(BATTERIES):
        plate = Nameplate(max_w=5_000.0, max_charge_w=5_000.0, capabilities=able)
        columns.put(Device(id=f"b{number}", nameplate=plate))
    columns.touched[:] = True
    columns.w[:] = 0.0
    columns.received[:] = 0.0
    columns.seen[:] = 1
    columns.lost[list(silent)] = True
    bounds = envelope(columns, 0.0, horizon_s=5.0, hold_time_s=300.0)
    if near is not None:
        bounds = replace(bounds, near_lo=np.full(columns.count, near[0]), near_hi=np.full(columns.count, near[1]))
    watts, mine = np.full(columns.count, np.nan), np.zeros(columns.count, dtype=np.bool_)
    for row, power in (own or {}).items():
        watts[row], mine[row] = power, True
    given = targets or {}
    return Leeway(columns, bounds, mine, lambda one: given[one.id], residuals or {}, watts), watts


def test_rows_with_set_points_of_their_own_are_fixed_and_the_others_free():
    found, _ = leeway(own={1: 2_000.0})
    whole = node("all", range(4))
    assert found.free(whole).tolist() == [0, 2, 3]
    fixed = found.fixed(whole)
    assert (fixed.rows.tolist(), fixed.wanted.tolist()) == ([1], [2_000.0])


def test_each_limit_leaves_what_the_fixed_parts_do_not_take_of_it():
    found, _ = leeway(own={0: 2_000.0, 1: -3_000.0})
    limits = {
        "export": bound(6_000.0),
        "generation": bound(7_000.0),
        "draw": bound(4_000.0),
        "load": bound(8_000.0),
    }
    whole = node("all", range(4), **limits)
    rooms = found.rooms(whole, found.fixed(whole), held=0.0)
    # export and draw speak of the net of -1 kW, generation and load of the parts
    assert [watts for watts, _ in rooms] == [7_000.0, 5_000.0, -3_000.0, -5_000.0]
    low, high, lowest, highest = found.window(whole, found.fixed(whole), 0.0)
    assert (low, high) == (-3_000.0, 5_000.0)
    assert (lowest, highest) == (limits["draw"], limits["generation"])


def test_without_limits_the_room_has_no_end():
    found, _ = leeway()
    whole = node("all", range(4))
    assert found.window(whole, found.fixed(whole), 0.0) == (-np.inf, np.inf, None, None)


def test_a_total_inside_is_held_to_what_its_group_can_reach():
    inner = node("inner", [0, 1], asked=True, export=bound(6_000.0))
    whole = node("all", range(4), inside=(inner,))
    found, _ = leeway(targets={"inner": 9_000.0})
    fixed = found.fixed(whole)
    assert fixed.wanted.tolist() == [6_000.0]
    assert (fixed.lo.tolist(), fixed.hi.tolist()) == ([-10_000.0], [6_000.0])
    assert found.free(whole).tolist() == [2, 3]


def test_groups_inside_with_limits_alone_are_caps_of_the_free_rows():
    inner = node("inner", [1, 2], export=bound(3_000.0))
    whole = node("all", range(4), inside=(inner,))
    found, _ = leeway(own={1: 1_000.0})
    (cap,) = found.caps(whole, found.free(whole), found.fixed(whole))
    # places among the free rows 0, 2, 3; the set-point inside takes its part of the limit
    assert (cap.rows.tolist(), cap.low, cap.high) == ([1], -np.inf, 2_000.0)


def test_what_meters_see_beside_the_members_counts_once():
    inner = node("inner", [0], asked=True)
    whole = node("all", range(4), inside=(inner,))
    found, _ = leeway(targets={"inner": 0.0}, residuals={"all": Beside.steady(-500.0), "inner": Beside.steady(-200.0)})
    assert found.beside(whole).watts == -500.0
    assert found.held(whole) == pytest.approx(-300.0)
    assert found.held(inner) == pytest.approx(-200.0)


@pytest.mark.parametrize(("sign", "limit"), [(1.0, "generation"), (-1.0, "load")])
@pytest.mark.parametrize("known", [False, True])
def test_who_is_known_to_be_behind_an_inner_meter_alone_makes_no_room_under_a_limit_around(sign, limit, known):
    behind = np.array([1]), np.array([sign * 2_000.0])
    outer, inside = Beside.steady(-sign * 1_000.0), replace(Beside.steady(sign * 2_000.0), behind=behind)
    residuals = {"all": replace(outer, behind=behind) if known else outer, "inner": inside}
    inner = node("inner", [0, 1], asked=True)
    whole = node("all", range(4), inside=(inner,), **{limit: bound(3_000.0)})
    found, _ = leeway(targets={"inner": sign * 2_500.0}, residuals=residuals)
    rooms = found.rooms(whole, found.fixed(whole), found.held(whole))
    # what it gives is in the inner total; the loads beside it leave no room for more
    assert sign * rooms[1 if sign > 0 else 3][0] == pytest.approx(500.0)


def test_each_limit_counts_with_the_end_of_what_meters_saw_last_that_is_worst_for_it():
    limits = {
        "export": bound(6_000.0),
        "generation": bound(7_000.0),
        "draw": bound(4_000.0),
        "load": bound(8_000.0),
    }
    whole = node("all", range(4), **limits)
    found, _ = leeway(residuals={"all": Beside(-1_000.0, high=500.0, low=-2_500.0)})
    rooms = found.rooms(whole, found.fixed(whole), found.held(whole))
    assert [watts for watts, _ in rooms] == [5_500.0, 6_500.0, -1_500.0, -5_500.0]
    rest = found.parts(whole, found.free(whole), found.fixed(whole))
    assert [part.watts for part in rest] == [6_500.0, 5_500.0]


def test_fixed_parts_give_way_only_as_far_as_the_free_rows_cannot_make_up():
    whole = node("all", range(4), export=bound(1_000.0))
    for own, kept in (
        ({0: 4_000.0, 1: 4_000.0}, [4_000.0, 4_000.0]),  # two free ones can take 10 kW: -7 kW suffice
        ({0: 5_000.0, 1: 5_000.0, 2: 5_000.0}, [2_000.0, 2_000.0, 2_000.0]),  # one can take 5 kW: 6 kW remain
    ):
        found, watts = leeway(own=own)
        fixed = found.fixed(whole)
        found.keep_limits(whole, found.free(whole), fixed)
        assert fixed.wanted == pytest.approx(kept)
        assert watts[list(own)] == pytest.approx(kept)


@pytest.mark.parametrize(("sign", "outer", "inner"), [(1.0, "export", "draw"), (-1.0, "draw", "export")])
def test_parts_inside_do_not_bend_where_an_inner_limit_would_have_it_made_up_for_inside(sign, outer, inner):
    feeder = node("feeder", [0, 1], **{inner: bound(1_500.0)})
    whole = node("all", range(4), inside=(feeder,), **{outer: bound(0.0)})
    found, watts = leeway(own={0: -3_000.0 * sign, 2: 5_000.0 * sign, 3: 5_000.0 * sign})
    fixed = found.fixed(whole)
    found.keep_limits(whole, found.free(whole), fixed)
    # the feeder's net can be 1.5 kW at most, whatever row 0 does: what is beside it has to come down to that
    assert watts[[0, 2, 3]] == pytest.approx([-3_000.0 * sign, 750.0 * sign, 750.0 * sign])


def test_parts_inside_bend_as_far_as_the_inner_limit_lets_the_net_follow():
    feeder = node("feeder", [0, 1], draw=bound(9_000.0))
    whole = node("all", range(4), inside=(feeder,), export=bound(0.0))
    found, watts = leeway(own={0: 1_000.0, 2: 5_000.0, 3: 5_000.0})
    fixed = found.fixed(whole)
    found.keep_limits(whole, found.free(whole), fixed)
    assert watts[[0, 2, 3]].sum() == pytest.approx(5_000.0)
    assert 0.0 <= watts[0] < 1_000.0


@pytest.mark.parametrize(("sign", "limit"), [(1.0, "generation"), (-1.0, "load")])
@pytest.mark.parametrize(("target", "kept"), [(4_000.0, -2_000.0), (-1_000.0, -2_000.0), (-6_000.0, -6_000.0)])
def test_a_group_with_a_total_makes_up_inside_for_its_members_that_are_not_heard(sign, limit, target, kept):
    inner = node("inner", [0, 1, 2], asked=True)
    whole = node("all", range(4), inside=(inner,), **{limit: bound(3_000.0)})
    found, _ = leeway(targets={"inner": sign * target}, silent=[2])
    fixed = found.fixed(whole)
    found.keep_limits(whole, found.free(whole), fixed)
    # row 2 may be at 5 kW: the group counts by its net, so that its total is 2 kW the other way
    assert fixed.wanted == pytest.approx([sign * kept])
    assert found.rooms(whole, fixed, 0.0)[1 if sign > 0 else 3][0] == pytest.approx(
        0.0 if kept == -2_000.0 else sign * 3_000.0
    )


def test_who_is_not_heard_beside_the_totals_inside_takes_its_part_of_a_limit():
    inner = node("inner", [0, 1], asked=True)
    whole = node("all", range(4), inside=(inner,), generation=bound(8_000.0))
    found, _ = leeway(targets={"inner": 6_000.0}, silent=[3])
    fixed = found.fixed(whole)
    found.keep_limits(whole, found.free(whole), fixed)
    assert fixed.wanted == pytest.approx([3_000.0])


def test_parts_of_a_total_are_limited_by_what_is_left_of_each():
    inner = node("inner", [2, 3], load=bound(2_000.0))
    whole = node("all", range(4), inside=(inner,), generation=bound(6_000.0))
    found, _ = leeway(own={0: 1_500.0, 3: -500.0})
    free = found.free(whole)
    limits = found.parts(whole, free, found.fixed(whole))
    assert free.tolist() == [1, 2]
    assert [(one.rows.tolist(), one.sign, one.watts) for one in limits] == [
        ([1], -1.0, 1_500.0),
        ([0, 1], 1.0, 4_500.0),
    ]


@pytest.mark.parametrize(
    ("sign", "outer", "inner", "part"), [(1.0, "export", "draw", "load"), (-1.0, "draw", "export", "generation")]
)
def test_parts_inside_bend_where_an_outer_limit_keeps_the_inner_net_from_its_own(sign, outer, inner, part):
    feeder = node("feeder", [0, 1], **{inner: bound(1_000.0)})
    whole = node("all", range(4), inside=(feeder,), **{outer: bound(0.0), part: bound(500.0)})
    found, watts = leeway(own={0: 5_000.0 * sign})
    fixed = found.fixed(whole)
    found.keep_limits(whole, found.free(whole), fixed)
    # the other one of the feeder could bring its net to its limit, if it were not for the 500 W of all
    assert watts[0] == pytest.approx(500.0 * sign)


@pytest.mark.parametrize(("sign", "limit"), [(1.0, "generation"), (-1.0, "load")])
def test_a_total_inside_counts_with_what_its_own_part_limit_leaves_of_what_is_fixed_in_it(sign, limit):
    inner = node("inner", [1], asked=True)
    feeder = node("feeder", [0, 1], inside=(inner,), asked=True, **{limit: bound(500.0)})
    whole = node("all", range(4), inside=(feeder,))
    found, _ = leeway(own={0: -3_000.0 * sign}, targets={"inner": 5_000.0 * sign, "feeder": 2_000.0 * sign})
    # of the 5 kW inside 500 W are left: nothing makes up for the rest
    assert found.fixed(whole).wanted == pytest.approx([-2_500.0 * sign])


@pytest.mark.parametrize(("sign", "limit"), [(1.0, "draw"), (-1.0, "export")])
def test_a_total_inside_gives_way_only_as_far_as_limits_on_the_net_inside_of_it_let_it(sign, limit):
    street = node("street", [0, 1], **{limit: bound(0.0)})
    feeder = node("feeder", [0, 1, 2], inside=(street,), asked=True)
    whole = node("all", range(4), inside=(feeder,))
    found, _ = leeway(own={0: -3_000.0 * sign, 1: -2_000.0 * sign}, targets={"feeder": -8_000.0 * sign})
    fixed = found.fixed(whole)
    # the street keeps its net at 0 W, whatever is asked of its two: one battery beside it is left
    assert fixed.wanted == pytest.approx([-5_000.0 * sign])
    assert min(sign * fixed.lo, sign * fixed.hi) == pytest.approx([-5_000.0])


def test_a_total_inside_takes_its_loose_devices_off_their_ramps_where_a_limit_of_it_needs_that():
    inner = node("inner", [0, 1], asked=True, export=bound(1_000.0))
    whole = node("all", range(4), inside=(inner,))
    found, _ = leeway(targets={"inner": 9_000.0}, near=(3_000.0, 5_000.0))
    assert found.fixed(whole).wanted == pytest.approx([1_000.0])
