"""The plot's past: once a second, bounded, and anew after a clock that was set back."""

from __future__ import annotations

from typing import Any

from gridiface.operator.records.trend import GROUPS, KEPT, Trend


def row(name: str, delivered: float) -> Any:
    return {"id": name, "requested_W": 5.0, "allocated_W": None, "delivered_W": delivered}


def test_columns_of_one_group() -> None:
    trend = Trend()
    trend.sample([row("a", 1.0)], 10.0)
    trend.sample([row("a", 2.0), row("b", 9.0)], 11.0)
    assert trend.columns("a") == [[10.0, 11.0], [5.0, 5.0], [None, None], [1.0, 2.0]]
    assert trend.columns("b") == [[11.0], [5.0], [None], [9.0]]
    assert trend.columns("c") == [[], [], [], []]


def test_points_and_groups_are_bounded() -> None:
    trend = Trend()
    for at in range(KEPT + 50):
        point = trend.sample([row(f"g{n}", 1.0) for n in range(GROUPS + 5)], float(at))
    assert len(point.groups) == GROUPS
    assert len(trend.columns("g0")[0]) == KEPT


def test_a_clock_that_was_set_back_begins_anew() -> None:
    trend = Trend()
    first = trend.sample([row("a", 1.0)], 100.0)
    assert trend.sample([row("a", 2.0)], 99.5) is first
    trend.sample([row("a", 3.0)], 50.0)
    assert trend.columns("a")[0] == [50.0]
