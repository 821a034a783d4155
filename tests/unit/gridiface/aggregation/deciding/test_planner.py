"""The plan: who rules whom in watts, what a beginning keeps, which group's total lies in which."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.planner import IDLE_PERIOD_S, Planner
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.deciding.setpoints import Orders
from gridiface.aggregation.envelope.limits import envelope
from gridiface.aggregation.slices import at_once
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.grouping import GroupTree
from gridiface.domain.controls import ServiceClass, Target, TargetKind
from gridiface.domain.fleet import Group


class Desk:
    """A planner over batteries a to d; `plan()` makes the plan of `now`."""

    def __init__(self, *groups, **config):
        self.columns = Columns()
        for name in "abcd":
            self.columns.put(battery(name))
        c = self.columns
        c.w[:], c.soc[:], c.received[:], c.seen[:], c.touched[:] = 0.0, 0.5, T0, 1, True
        self.tree = GroupTree(groups or [Group(id="all", members=("a", "b", "c", "d"))])
        self.book = ControlBook()
        self.config = EngineConfig(**config)
        self.beside = {}
        self.shares = {}
        self.planner = Planner(
            c, self.book, Orders(), Schedules(ZoneInfo("UTC")), lambda target: self.shares.get(target.id, {})
        )

    def rule(self, *controls, now=T0):
        for control in controls:
            self.book.admit(control, (), now)
        self.book.advance(now, lambda entry: lambda ids: {})
        return self

    def plan(self, now=T0):
        c = self.columns
        bounds = envelope(c, now, horizon_s=5.0, hold_time_s=60.0)
        return at_once(
            self.planner.making(
                self.tree,
                lambda name: c.rows(self.tree.members(name)),
                lambda name: self.beside.get(name, 0.0),
                self.config,
                bounds,
                now,
            )
        )


def test_where_nobody_asks_there_is_nothing_to_do_for_long():
    plan, demands = Desk().plan()
    assert plan.roots == ()
    assert (plan.order == -1).all()
    assert demands.requested_w == {}
    assert plan.period_s == IDLE_PERIOD_S
    assert not plan.nested


def test_a_percentage_is_of_the_members_and_a_change_of_what_the_control_found():
    desk = Desk().rule(ask("c1", duration=600, set_w_percent=50.0))
    assert desk.plan()[1].requested_w == {"all": 10_000.0}
    desk = Desk()
    desk.beside["all"] = -2_000.0  # what the meter sees beside the members counts
    desk.rule(ask("c1", duration=600, delta_w=500.0))
    assert desk.plan()[1].requested_w == {"all": -1_500.0}
    desk.beside["all"] = 700.0  # what is there later changes nothing about where it began
    assert desk.plan(T0 + 5)[1].requested_w == {"all": -1_500.0}


def test_limits_narrow_whoever_sent_them_and_those_of_the_configuration_always():
    desk = Desk(Group(id="all", members=("a", "b"), max_export_w=6_000.0, max_import_w=3_000.0))
    plan, _ = desk.plan()
    (node,) = plan.roots
    assert (node.limits.high.watts, node.limits.high.source.protocol) == (6_000.0, "configuration")
    assert -node.limits.low.watts == -3_000.0
    assert not node.bound
    desk.rule(ask("c1", duration=600, export_limit=4_000.0), ask("c2", duration=600, program="q", export_limit=5_000.0))
    (node,) = desk.plan()[0].roots
    assert (node.limits.high.watts, node.limits.high.control_id) == (4_000.0, "c1")


def test_a_total_inside_another_takes_its_devices_out_of_the_one_around():
    desk = Desk(Group(id="all", members=("c", "d")), Group(id="street", members=("a", "b"), parent="all"))
    desk.rule(ask("c1", duration=600, set_w=5_000.0), ask("c2", duration=600, group="street", set_w=1_000.0))
    plan, demands = desk.plan()
    (outer,) = plan.roots
    (inner,) = outer.bound_below()
    assert (outer.id, inner.id) == ("all", "street")
    assert outer.rows.tolist() == [0, 1, 2, 3]
    assert outer.loose.tolist() == [2, 3]
    assert demands.requested_w == {"all": 5_000.0, "street": 1_000.0}
    assert plan.nested
    assert [rows.tolist() for rows in plan.inside_out()] == [[0, 1]]
    # What the devices of the inner one follow is theirs alone.
    orders = [desk.planner._orders.all[number].control_ids for number in plan.order]
    assert orders == [("c2",), ("c2",), ("c1",), ("c1",)]


def test_a_set_point_by_default_stands_back_while_a_group_around_is_told_one_and_its_limit_stays():
    desk = Desk(Group(id="all", members=("c", "d")), Group(id="street", members=("a", "b"), parent="all"))
    desk.rule(ask("d", group="street", is_default=True, set_w=700.0, export_limit=900.0))
    assert desk.plan()[1].requested_w == {"street": 700.0}
    desk.rule(ask("c1", duration=600, set_w=5_000.0))
    plan, demands = desk.plan()
    assert demands.requested_w == {"all": 5_000.0}
    (inner,) = plan.roots[0].limited_below()
    assert inner.limits.high.watts == 900.0


def test_one_device_is_asked_by_itself_within_its_own_limit():
    target = Target(TargetKind.DEVICE, "b")
    desk = Desk()
    desk.rule(replace(ask("c1", duration=600, set_w=3_000.0, import_limit=100.0), target=target))
    plan, _ = desk.plan()
    assert plan.single
    assert plan.device_w[1] == 3_000.0
    assert plan.device_low[1] == -100.0
    assert np.isnan(plan.device_w[[0, 2, 3]]).all()
    assert [rows.tolist() for rows in plan.inside_out()] == [[1]]


def test_each_program_gets_what_it_asks_inside_the_part_reserved_to_it():
    desk = Desk()
    desk.shares["all"] = {"p": 0.25}
    desk.tree = GroupTree([Group(id="all", members=("a", "b", "c", "d"), shares={"p": 0.25})])
    desk.book.lane = lambda control: "p" if control.source.program == "p" else ""
    desk.rule(
        ask("mine", duration=600, program="p", set_w=9_000.0), ask("rest", duration=600, program="q", set_w=2_000.0)
    )
    _, demands = desk.plan()
    assert demands.parts["mine"].asked == 9_000.0
    assert demands.parts["mine"].given == 5_000.0  # a quarter of 20 kW
    assert demands.parts["rest"].given == 2_000.0
    assert demands.requested_w == {"all": 7_000.0}


@pytest.mark.parametrize(("passed_s", "share"), [(0.0, 0.0), (30.0, 0.5), (60.0, 1.0), (90.0, 1.0)])
def test_a_ramp_of_its_own_is_walked_from_where_the_group_was(passed_s, share):
    desk = Desk()
    desk.columns.w[:] = 250.0
    desk.rule(replace(ask("c1", duration=600, set_w=5_000.0), ramp_s=60.0))
    desk.plan()
    plan, demands = desk.plan(T0 + passed_s)
    now = demands.requested("all", plan.roots[0].ruling, T0 + passed_s)
    assert now == pytest.approx(1_000.0 + share * 4_000.0)


def test_the_strategy_chosen_while_running_comes_before_the_configured_and_the_groups_own():
    group = Group(id="all", members=("a",), strategy="proportional")
    desk = Desk(group)
    assert desk.planner.strategy_of(group, desk.config) == "proportional"
    configured = EngineConfig(strategies=(("all", "merit-order"),))
    assert desk.planner.strategy_of(group, configured) == "merit-order"
    desk.planner.chosen["all"] = "fewest-units"
    assert desk.planner.strategy_of(group, configured) == "fewest-units"
    assert desk.planner.strategy_of(Group(id="other", members=("a",)), desk.config) == "water-filling"


def test_the_fastest_service_sets_the_pace():
    desk = Desk().rule(ask("c1", duration=600, set_w=1_000.0))
    slow = desk.plan()[0].period_s
    desk.rule(ask("c2", duration=600, program="q", service_class=ServiceClass.FAST_FREQUENCY, regulation=100.0))
    assert desk.plan()[0].period_s == 0.25 < slow
