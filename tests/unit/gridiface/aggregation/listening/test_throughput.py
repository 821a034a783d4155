import math

from gridiface.aggregation.listening.throughput import Throughput
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Constraints, Device, Nameplate


def fleet(*names):
    columns = Columns()
    for name in names:
        rule = Constraints() if name == "free" else Constraints(daily_wh=100.0)
        columns.put(Device(id=name, nameplate=Nameplate(max_w=10.0), constraints=rule))
    return columns


def test_only_devices_with_a_cap_are_told():
    columns = fleet("a", "free", "idle")
    columns.day_wh[:] = [5.0, 7.0, 0.0]
    day = Throughput(columns)
    day.begin_day(1000.0)
    assert day.today() == (1000.0, {"a": 5.0})


def test_a_new_day_begins_at_nothing_and_forgets_what_was_carried():
    columns = fleet("a")
    day = Throughput(columns)
    assert math.isinf(day.ends)
    day.carry(1000.0, {"a": 5.0, "later": 3.0}, 900.0)
    day.begin_day(1000.0)  # the first of a run goes on
    assert day.today()[1] == {"a": 5.0}
    assert columns.touched[0]
    day.begin_day(2000.0)
    columns.put(Device(id="later", nameplate=Nameplate(max_w=10.0), constraints=Constraints(daily_wh=9.0)))
    day.arrived("later")
    assert day.today() == (2000.0, {})


def test_what_is_of_another_day_is_not_carried():
    columns = fleet("a")
    day = Throughput(columns)
    day.carry(1000.0, {"a": 5.0}, 1000.0)
    assert day.today()[1] == {}
