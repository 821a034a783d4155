"""Is the fleet doing what was asked? What is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.screens.headline import asked_groups, headline


def group(name: str, parent: str | None = None, *powers: float | None) -> Any:
    requested, allocated, delivered = (*powers, None, None, None)[:3]
    return {
        "id": name,
        "parent": parent,
        "requested_W": requested,
        "allocated_W": allocated,
        "delivered_W": delivered,
        "devices": 2,
    }


@pytest.mark.parametrize(
    ("powers", "since", "tone", "said"),
    [
        ((None, None, 500.0), None, "plain", "Nothing is asked"),
        ((None, None, 500.0), 4.0, "plain", "names no power"),
        ((80e3, 80e3, 79e3), 60.0, "good", "The fleet follows: 79.0 kW of 80.0 kW"),
        ((80e3, 80e3, 10e3), 3.0, "warn", "on its way to 80.0 kW"),
        ((80e3, 60e3, 60e3), 60.0, "warn", "delivers 60.0 kW of 80.0 kW"),
        ((80e3, 80e3, 40e3), 60.0, "bad", "does not follow: 40.0 kW of 80.0 kW"),
        ((80e3, 80e3, None), 60.0, "bad", "nothing is measured"),
        ((0.0, 0.0, 20.0), 60.0, "good", "The fleet follows"),
    ],
)
def test_headline(powers: Any, since: float | None, tone: str, said: str) -> None:
    found = headline([group("fleet", None, *powers), group("part", "fleet", None, 1.0, 2.0)], since)
    assert found.tone == tone
    assert said in found.text.replace("\u202f", " ")


def test_groups_inside_an_asked_one_are_not_counted_twice() -> None:
    groups = [group("fleet", None, 10.0), group("north", "fleet", 4.0), group("lone", None, 5.0)]
    assert [one["id"] for one in asked_groups(groups)] == ["fleet", "lone"]
    loop = [group("a", "b", 1.0), group("b", "a")]
    assert [one["id"] for one in asked_groups(loop)] == []
