"""When controls start and end: each edge once, thousands in parts, nobody behind them."""

from dataclasses import replace

from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.deciding.edges import AT_ONCE, Edges
from gridiface.domain.controls import ServiceClass, Target, TargetKind


def of_device(name, **more):
    return replace(ask(name, **more), target=Target(TargetKind.DEVICE, name))


def test_each_start_and_end_comes_once_in_the_order_of_time():
    edges = Edges()
    edges.add(ask("late", start=5.0, duration=10.0, set_w=1.0))
    edges.add(ask("early", start=1.0, set_w=1.0))
    assert edges.next(lambda name: True) == T0 + 1.0
    assert list(edges.due(T0 + 6.0)) == ["early", "late"]
    assert list(edges.due(T0 + 6.0)) == []
    assert list(edges.due(T0 + 99.0)) == ["late"]
    assert edges.next(lambda name: True) is None


def test_what_does_not_matter_any_more_is_not_waited_for():
    edges = Edges()
    edges.add(ask("gone", start=1.0, set_w=1.0))
    edges.add(ask("here", start=2.0, set_w=1.0))
    assert edges.next(lambda name: name == "here") == T0 + 2.0


def test_thousands_of_single_devices_come_in_parts_and_a_group_or_a_fast_signal_does_not_wait_for_them():
    edges = Edges()
    for number in range(AT_ONCE + 2):
        edges.add(of_device(f"d{number:05}", set_w=1.0))
    edges.add(ask("group", start=1.0, set_w=1.0))
    edges.add(of_device("fast", start=1.0, service_class=ServiceClass.FAST_FREQUENCY, set_w=1.0))
    first = list(edges.due(T0 + 2.0))
    assert set(first[:2]) == {"fast", "group"}
    assert len(first) == AT_ONCE + 2
    assert edges.next(lambda name: True) == T0  # due at once again
    assert list(edges.due(T0 + 2.0)) == [f"d{AT_ONCE:05}", f"d{AT_ONCE + 1:05}"]
