import numpy as np
import pytest

from gridiface.aggregation.deciding.setpoints import Order, Orders, Wanted, differs, order_news, send
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ControlMode, ModeValue
from gridiface.domain.fleet import Device, Nameplate


@pytest.fixture
def columns():
    columns = Columns()
    for name in ("a", "b", "c"):
        columns.put(Device(id=name, nameplate=Nameplate(max_w=10.0)))
    return columns


def wanted(columns, orders, watts, names):
    numbers = np.array([orders.number(Order((name,), key=(name,))) if name else -1 for name in names])
    nothing = np.full(3, np.nan)
    return Wanted(np.array(watts), nothing.copy(), nothing.copy(), numbers)


def test_a_batch_makes_set_points_on_access(columns):
    orders = Orders()
    what = wanted(columns, orders, [1.0, 2.0, np.nan], ["x", "x", ""])
    batch = send(columns, np.arange(3), what, np.zeros(3), orders, 100.0, 60.0)
    assert len(batch) == 3
    assert (batch[0].active_power_w, batch[0].control_ids, batch[0].valid_until) == (1.0, ("x",), 160.0)
    assert batch[-1].release
    assert batch[-1].active_power_w is None
    assert [s.device_id for s in batch[:2]] == ["a", "b"]
    assert [s.device_id for s in batch] == ["a", "b", "c"]
    with pytest.raises(IndexError):
        batch[3]
    assert columns.batches[int(columns.batch[1])][int(columns.batch_at[1])].active_power_w == 2.0
    assert columns.told.tolist() == [True, True, False]
    assert columns.renew_at[0] == 130.0
    for at in range(30):
        send(columns, np.arange(2), what, np.zeros(3), orders, 101.0 + at, 60.0)
    assert len(columns.batches) <= 9
    assert columns.batches[int(columns.batch[2])][int(columns.batch_at[2])].release


def test_a_new_order_of_the_same_effect_is_followed_without_being_told(columns):
    orders = Orders()
    send(columns, np.arange(3), wanted(columns, orders, [1.0] * 3, ["x"] * 3), np.zeros(3), orders, 0.0, 60.0)
    columns.acknowledged[:] = [True, False, True]
    columns.answers[2] = True
    tell, follow = order_news(columns, wanted(columns, orders, [1.0] * 3, ["y"] * 3).order, orders)
    assert tell.tolist() == [False, True, True]
    assert follow.tolist() == [True, False, False]


def test_a_shorter_validity_is_not_enough_for_a_longer_order():
    short, long = Order(("a",), ends=10.0), Order(("b",), ends=20.0)
    assert not short.same_effect(long)
    assert long.same_effect(short)
    assert not short.same_effect(Order(("c",), ends=10.0, connect=False))


def test_orders_nobody_follows_are_forgotten(columns):
    orders = Orders()
    for name in "vwxy":
        orders.number(Order((name,), key=(name,)))
    columns.told_order[:] = [3, -1, 1]
    orders.compact(columns)
    assert [order.control_ids for order in orders.all] == [("w",), ("y",)]
    assert columns.told_order.tolist() == [1, -1, 0]
    assert orders.number(Order(("y",), key=("y",))) == 1


def test_differs():
    told, new = np.array([1.0, np.nan, np.nan, 1.0]), np.array([1.5, np.nan, 2.0, np.nan])
    assert differs(told, new, 1.0).tolist() == [False, False, True, True]


def test_what_is_told_no_more_is_let_go_of_until_that_is_acknowledged(columns):
    orders = Orders()
    nothing = np.full(3, np.nan)
    number = orders.number(Order(("x",), connect=False, passed={ControlMode.CURVE: ModeValue(1.0)}, key=("x",)))
    plain = orders.number(Order(("y",), key=("y",)))
    both = Wanted(np.ones(3), np.full(3, 5.0), nothing.copy(), np.full(3, number))
    rows = np.arange(3)
    assert {point.let_go for point in send(columns, rows, both, np.zeros(3), orders, 0.0, 60.0)} == {frozenset()}
    less = Wanted(nothing.copy(), np.full(3, 5.0), nothing.copy(), np.full(3, plain))
    over = frozenset({ControlMode.SET_W, ControlMode.CONNECT, ControlMode.CURVE})
    for at in (1.0, 2.0):  # it is named again while nobody has acknowledged it
        assert {point.let_go for point in send(columns, rows, less, np.zeros(3), orders, at, 60.0)} == {over}
    gone = Wanted(nothing.copy(), nothing.copy(), nothing.copy(), np.full(3, -1))
    batch = send(columns, rows, gone, np.zeros(3), orders, 3.0, 60.0)
    assert {point.release for point in batch} == {True}
    held = over | {ControlMode.MAX_W_PERCENT}  # who lets go of it need not know by itself what that is
    assert {point.let_go for point in batch} == {held}
