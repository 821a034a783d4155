"""Pieces of a plan: nodes in nodes, and what is handed on to which devices."""

from dataclasses import replace

import numpy as np
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.allocate import strategy
from gridiface.aggregation.deciding.arbitration import Ruling, claims_of, rule
from gridiface.aggregation.deciding.plan import Node, empty_plan, give_orders, make_order, note_ends
from gridiface.aggregation.deciding.setpoints import Orders
from gridiface.aggregation.envelope.limits import intersect
from gridiface.aggregation.slices import at_once
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ControlMode, ModeValue, ServiceClass
from gridiface.domain.fleet import Capability, Device, DriverTraits, Group, Nameplate


def ruling(*controls):
    return rule([claim for control in controls for claim in claims_of(control)], [])


def node(name, rows, of=None, inside=()):
    return Node(
        Group(id=name, members=()),
        np.array(rows),
        of or Ruling(),
        intersect([]),
        strategy("water-filling"),
        inside=tuple(inside),
    )


def test_what_lies_in_a_total_inside_is_not_loose_however_deep_and_what_lies_in_a_limit_is():
    told = ruling(ask("c1", set_w=1.0))
    deepest = node("deepest", [0], told)
    limited = node("limited", [0, 1], inside=[deepest])
    root = node("root", [0, 1, 2], told, inside=[limited])
    root.finish()
    assert root.loose.tolist() == [1, 2]
    assert limited.loose.tolist() == [1]
    assert deepest.loose.tolist() == [0]
    assert [one.id for one in root.walk()] == ["root", "limited", "deepest"]
    assert [one.id for one in root.unbound()] == ["root", "limited"]
    assert [one.id for one in root.bound_below()] == ["deepest"]


def test_totals_are_done_from_the_inside_out():
    told = ruling(ask("c1", set_w=1.0))
    inner = node("inner", [0, 1], told)
    middle = node("middle", [0, 1, 2], told, inside=[inner])
    beside = node("beside", [3], told)
    root = node("root", [0, 1, 2, 3, 4], told, inside=[middle, beside])
    root.finish()
    columns = Columns()
    for name in "abcde":
        columns.put(battery(name))
    plan = empty_plan(columns)
    plan.roots = (root,)
    assert [sorted(rows.tolist()) for rows in plan.inside_out()] == [[0, 1, 3], [2]]


def test_of_connect_and_energize_any_off_wins_and_of_powers_the_innermost():
    outer, inner = ask("outer", connect=0.0, set_w=9.0), ask("inner", group="in", connect=1.0, set_w=5.0)
    rulings = [ruling(inner), ruling(outer)]
    handed = {ControlMode.CONNECT: [claim for one in rulings for claim in one.passed.values()]}
    order = make_order(rulings, handed)
    assert order.connect is False
    assert order.energize is None
    assert set(order.control_ids) == {"inner", "outer"}
    order = make_order(rulings, {})
    assert order.control_ids == ("inner",)


def test_an_order_ends_with_the_first_of_its_controls():
    one, two = ask("one", duration=600, set_w=1.0), ask("two", duration=60, program="q", export_limit=5.0)
    assert make_order([ruling(one, two)], {}).ends == two.span.end


def orders_of(plan, columns, told):
    orders = Orders()
    root = node("root", range(columns.count), told)
    root.finish()
    plan.roots = (root,)
    at_once(give_orders(plan, columns, orders, {"root": [told]}))
    return [orders.all[number] for number in plan.order.tolist()]


def test_only_who_can_do_a_mode_is_handed_it():
    able = frozenset({Capability.SET_W, Capability.CONNECT})
    columns = Columns()
    columns.put(Device(id="able", nameplate=Nameplate(max_w=1.0, capabilities=able)))
    columns.put(battery("not"))
    plan = empty_plan(columns)
    found = orders_of(plan, columns, ruling(ask("c1", set_w=1.0, connect=0.0)))
    assert [order.connect for order in found] == [False, None]
    assert plan.off.all()  # also who cannot be switched is to give and take nothing


def test_who_is_too_slow_for_a_fast_signal_keeps_the_set_point_behind_it():
    fast = ask("fast", duration=60, program="q", service_class=ServiceClass.FAST_FREQUENCY, regulation=100.0)
    columns = Columns()
    columns.put(battery("quick"))
    columns.put(battery("slow", traits=DriverTraits(polls=True)))
    told = ruling(ask("c1", duration=600, set_w=1.0), fast)
    found = orders_of(empty_plan(columns), columns, told)
    assert [set(order.control_ids) for order in found] == [{"c1", "fast"}, {"c1"}]


def test_who_must_charge_and_is_told_nothing_else_has_an_order_of_its_own():
    columns = Columns()
    columns.put(battery("car"))
    columns.put(battery("other"))
    plan = empty_plan(columns)
    plan.floors = np.array([0])
    orders = Orders()
    at_once(give_orders(plan, columns, orders, {}))
    assert orders.all[plan.order[0]].control_ids == ()
    assert plan.order[1] == -1


def test_curves_of_several_controls_travel_together():
    def curves(name, **payload):
        return replace(ask(name), values={ControlMode.CURVE: ModeValue(1.0, payload=payload)})

    var, watt = {"points": [(0.9, 0.5), (1.1, -0.5)]}, {"points": [(1.05, 1.0), (1.1, 0.0)]}
    one, two = curves("one", opModVoltVar=var), curves("two", opModVoltWatt=watt, opModVoltVar=watt)
    handed = {ControlMode.CURVE: [*claims_of(one), *claims_of(two)]}
    (passed,) = make_order([ruling(one, two)], handed).passed.values()
    assert passed.payload == {"opModVoltVar": var, "opModVoltWatt": watt}  # the first that names one wins


def test_a_power_ends_for_those_that_it_rules_and_a_devices_own_comes_before_its_groups():
    columns = Columns()
    for name in "abcd":
        columns.put(battery(name))
    inner = ask("inner", duration=60, set_w=1.0)
    outer, own = ask("outer", duration=600, set_w=1.0), ask("own", set_w=1.0)
    limited = node("limited", [2], ruling(ask("limit", duration=10, export_limit=1.0)))
    root = node("root", [0, 1, 2, 3], ruling(outer), inside=[node("inner", [0], ruling(inner)), limited])
    root.finish()
    plan = empty_plan(columns)
    plan.roots, plan.rulings = (root,), {3: ruling(own)}
    note_ends(plan)
    assert plan.power_ends.tolist() == [inner.span.end, outer.span.end, outer.span.end, np.inf]
