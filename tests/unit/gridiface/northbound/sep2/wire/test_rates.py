"""A bucket per certificate."""

from __future__ import annotations

from gridiface.northbound.sep2.wire import rates
from gridiface.northbound.sep2.wire.rates import Rates


def test_a_burst_then_so_many_a_second() -> None:
    found = Rates(per_s=10, burst=5)
    assert [found.wait("A", 100.0) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    assert found.wait("A", 100.05) == 1
    assert found.wait("A", 100.11) == 0
    assert sum(found.wait("A", 101 + n / 100) == 0 for n in range(1000)) in range(100, 107)


def test_others_have_buckets_of_their_own() -> None:
    found = Rates(per_s=1, burst=1)
    assert [found.wait("A", 5.0), found.wait("A", 5.0), found.wait("B", 5.0)] == [0, 1, 0]


def test_how_long_to_wait_is_told_truly() -> None:
    found = Rates(per_s=0.1, burst=1)
    assert found.wait("A", 0.0) == 0
    assert found.wait("A", 3.5) == 7
    assert found.wait("A", 10.5) == 0


def test_a_refused_request_costs_nothing() -> None:
    found = Rates(per_s=1, burst=2)
    for _ in range(100):
        found.wait("A", 50.0)
    assert found.wait("A", 51.0) == 0


def test_buckets_that_are_full_are_forgotten() -> None:
    found = Rates(per_s=1, burst=1)
    for number in range(rates._MOST_KNOWN + 1):
        found.wait(str(number), number * 2.0)
    assert len(found._full_at) < 10
