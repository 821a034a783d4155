"""Who rules single devices, kept from one plan to the next: the same as a plan that is made wholly anew."""

import random
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask
from tests.unit.gridiface.aggregation.deciding.test_planner import Desk

from gridiface.aggregation.deciding import planner as module
from gridiface.aggregation.deciding.planner import Planner
from gridiface.aggregation.deciding.setpoints import Orders
from gridiface.domain.controls import ControlMode, ModeValue, ServiceClass, Target, TargetKind
from gridiface.domain.fleet import Group
from gridiface.domain.quantities import PercentBase

GROUPS = (Group(id="all", members=("c", "d")), Group(id="in", members=("a", "b"), parent="all"))


class Two(Desk):
    """A planner that goes on, and one that begins anew with each plan."""

    def __init__(self):
        super().__init__(*GROUPS)
        self.orders = self.planner._orders
        self.passes = 0

    def compare(self, now):
        kept, _ = self.plan(now)
        orders, going = Orders(), self.planner
        fresh = Planner(self.columns, self.book, orders, going._schedules, going._shares)
        fresh._beginnings = dict(going._beginnings)
        self.planner = fresh
        anew, _ = self.plan(now)
        self.planner = going
        for name in ("device_w", "device_var", "device_high", "device_low", "off", "power_ends"):
            np.testing.assert_array_equal(getattr(kept, name), getattr(anew, name), name)
        assert (kept.single, kept.period_s, kept.rulings) == (anew.single, anew.period_s, anew.rulings)
        mine = [None if number < 0 else self.orders.all[number] for number in kept.order]
        assert mine == [None if number < 0 else orders.all[number] for number in anew.order]
        return kept


def drawn(draw, number, now):
    """Some control of a device or a group."""
    modes = draw.choice(
        [
            {"set_w": draw.uniform(-4e3, 4e3)},
            {"set_w_percent": draw.uniform(-90, 90)},
            {"regulation": draw.uniform(-1e3, 1e3)},
            {"export_limit": draw.uniform(0, 4e3)},
            {"max_w_percent": draw.uniform(0, 100)},
            {"set_var": draw.uniform(-1e3, 1e3)},
            {"delta_w": draw.uniform(-1e3, 1e3), "load_limit": 3e3},
            {"connect": draw.choice([0.0, 1.0])},
        ]
    )
    service = draw.choice([ServiceClass.DEMAND_RESPONSE, ServiceClass.DISPATCH, ServiceClass.REGULATION])
    control = ask(
        f"c{number}",
        start=now - T0 + draw.choice([0.0, 0.0, 3.0]),
        duration=draw.choice([2.0, 5.0, 50.0]),
        program=draw.choice("pqr"),
        authority=draw.choice([0.0, 1.0]),
        is_default=draw.random() < 0.2,
        service_class=service,
        created=now,
        **modes,
    )
    target = Target(TargetKind.GROUP, draw.choice(["all", "in"]))
    if draw.random() < 0.7:
        target = Target(TargetKind.DEVICE, draw.choice("abcd"))
    return replace(control, target=target)


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_that_goes_on_is_the_same_as_one_made_anew(seed):
    draw = random.Random(seed)
    desk, now = Two(), T0
    if seed % 4 == 0:
        desk.shares = {"a": {"p": 0.4}, "all": {"q": 0.3}}
    for number in range(30):
        for _ in range(draw.choice([0, 1, 1, 2])):
            desk.book.admit(drawn(draw, f"{number}.{draw.random()}", now), (), now)
        if draw.random() < 0.2 and (known := [entry.control.id for entry in desk.book.all() if entry.live]):
            desk.book.cancel(draw.choice(known), now)
        if draw.random() < 0.1 and (known := [entry.control.id for entry in desk.book.all() if entry.live]):
            desk.book.rank(draw.choice(known), draw.choice([0.0, 2.0]), now)
        if draw.random() < 0.2:
            desk.columns.slow[draw.randrange(4)] = draw.choice([0, 1, 2])
        if draw.random() < 0.1:
            desk.orders.compact(desk.columns)
            desk.planner.renumbered()
        desk.book.advance(now, lambda entry: lambda ids: {})
        desk.compare(now)
        now += draw.choice([0.0, 1.0, 2.0])


def of(name, **more):
    return replace(ask(f"of {name}", **more), target=Target(TargetKind.DEVICE, name))


def test_only_what_changed_is_looked_at_anew(monkeypatch):
    desk, looked = Two(), []
    monkeypatch.setattr(
        module,
        "capacity",
        lambda c, rows, bounds, was=module.capacity: looked.append(rows.size) or was(c, rows, bounds),
    )
    desk.rule(*(of(name, duration=90, set_w=1.0) for name in "abc"))
    first, _ = desk.plan()
    assert looked.count(1) == 3
    looked.clear()
    desk.rule(ask("r", duration=90, service_class=ServiceClass.REGULATION, regulation=10.0), now=T0 + 1)
    second, _ = desk.plan(T0 + 1)
    assert looked.count(1) == 0
    assert (first.fresh, second.fresh, second.number) == (None, frozenset(), first.number + 1)
    desk.rule(of("d", duration=90, set_w=5.0), now=T0 + 2)
    third, _ = desk.plan(T0 + 2)
    assert looked.count(1) == 1
    assert third.fresh == {desk.columns.row["d"]}
    np.testing.assert_array_equal(third.device_w, [1.0, 1.0, 1.0, 5.0])


def test_another_fleet_is_looked_at_wholly():
    desk = Two().rule(of("a", duration=90, set_w=1.0))
    desk.plan()
    desk.columns.drop("a")
    plan, _ = desk.plan(T0 + 1)
    assert plan.fresh is None
    assert not plan.single


def test_what_depends_on_what_is_measured_is_looked_at_each_time():
    desk = Two()
    desk.columns.can_set_var[:], desk.columns.var_inject[:], desk.columns.max_va[:] = True, 5e3, 5e3
    control = of("a", duration=90, set_var_percent=100.0)
    value = ModeValue(100.0, base=PercentBase.AVAILABLE_VAR)
    desk.rule(replace(control, values={ControlMode.SET_VAR_PERCENT: value}))
    before = desk.compare(T0).device_var[0]
    desk.columns.w[0] = 4e3
    assert desk.compare(T0 + 1).device_var[0] == pytest.approx(3e3)
    assert before == pytest.approx(5e3)


def test_a_default_stands_back_from_what_its_group_is_told_and_comes_back():
    desk = Two().rule(of("a", is_default=True, set_w=1.0))
    assert desk.compare(T0).device_w[0] == 1.0
    desk.rule(ask("c", duration=5, set_w=100.0), now=T0 + 1)
    assert np.isnan(desk.compare(T0 + 1).device_w[desk.columns.row["a"]])
    desk.book.advance(T0 + 9, lambda entry: lambda ids: {})
    assert desk.compare(T0 + 9).device_w[0] == 1.0
